"""For each message, role depth and ownership: who gets what, and that nobody else is told anything.

Whoever asks holds every privilege for all rows but the one that decides, and that one at a depth.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.parity.conftest import Answer
from tests.parity.test_parity_security import DENIED, REACH, RIGHTS, WHOSE, World, make_user, world

__all__ = ["world"]

CRM = "Microsoft.Dynamics.CRM."
SECRET = "not to be told"
Call = Callable[[World, str], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A message about a row: its table, the privilege that decides, and how it is sent.

    ``noticed`` columns tell whether anything has been done: they change when it has, and only then.
    """

    table: str
    entity_set: str
    name: str
    right: str
    call: Call
    values: Mapping[str, Any]
    prepare: Callable[[World, str], None] = lambda world, id: None
    noticed: str = "modifiedon,_ownerid_value,versionnumber"
    told: Callable[[Answer], bool] = lambda answer: answer.status in (200, 204)

    @property
    def key(self) -> str:
        return f"{self.table}id" if self.table != "email" else "activityid"

    @property
    def privilege(self) -> str:
        return f"{self.right}{PRIVILEGED.get(self.table, self.table.capitalize())}"


PRIVILEGED = {"email": "Activity", "salesorder": "Order"}


def target(table: str, id: str, **values: Any) -> dict[str, Any]:
    key = "activityid" if table == "email" else f"{table}id"
    return {key: id, "@odata.type": f"{CRM}{table}", **values}


def account(right: str, call: Call, **more: Any) -> Case:
    return Case(
        table="account", entity_set="accounts", name="name", right=right, call=call, values={}, **more
    )  # fmt: skip


def multiple(message: str, **values: Any) -> Call:
    return lambda world, id: world.ask(
        "POST", f"accounts/{CRM}{message}", {"Targets": [target("account", id, **values)]}
    )


def access(message: str) -> Call:
    def call(world: World, id: str) -> Answer:
        stranger = target("systemuser", world.users["nobody"])
        body: dict[str, Any] = {"Target": target("account", id)}
        if message == "RevokeAccess":
            body["Revokee"] = stranger
        else:
            body["PrincipalAccess"] = {"Principal": stranger, "AccessMask": "ReadAccess"}
        return world.ask("POST", message, body)

    return call


def merged(world: World, id: str) -> Answer:
    into = world.web.make("accounts", name="into", **{"ownerid@odata.bind": f"systemusers({world.user})"})
    body = {
        "Target": target("account", into),
        "Subordinate": target("account", id),
        "PerformParentingChecks": False,
    }
    return world.ask("POST", "Merge", body)


def closed(message: str, parameter: str, table: str, lookup: str, set_: str) -> Call:
    return lambda world, id: world.ask(
        "POST", message,
        {
            parameter: {"@odata.type": f"{CRM}{table}", f"{lookup}@odata.bind": f"/{set_}({id})", "subject": "x"},
            "Status": -1,
        },
    )  # fmt: skip


def document(
    table: str, entity_set: str, right: str, call: Call, state: tuple[int, int] | None = None, **more: Any
) -> Case:
    def prepare(world: World, id: str) -> None:
        if state is not None:
            changed = {"statecode": state[0], "statuscode": state[1]}
            assert world.web.call("PATCH", f"{entity_set}({id})", changed).status == 204

    return Case(
        table=table, entity_set=entity_set, name="name", right=right, call=call, values={}, prepare=prepare, **more
    )  # fmt: skip


def generated(message: str, parameter: str) -> Call:
    columns = {"AllColumns": False, "Columns": ["name"]}
    return lambda world, id: world.ask("POST", message, {parameter: id, "ColumnSet": columns})


def rights(world: World, id: str) -> Answer:
    path = f"systemusers({world.user})/{CRM}RetrievePrincipalAccess(Target=@t)?@t={{'@odata.id':'accounts({id})'}}"
    return world.ask("GET", path)


def shared_with(world: World, id: str) -> Answer:
    return world.ask(
        "GET", f"RetrieveSharedPrincipalsAndAccess(Target=@t)?@t={{'@odata.id':'accounts({id})'}}"
    )


def started(world: World, id: str) -> Answer:
    options = f"EntityMoniker=@m,TargetEntityName='contact',TargetFieldType='All')?@m={{'@odata.id':'accounts({id})'}}"
    return world.ask("GET", f"InitializeFrom({options}")


def next_state(world: World, id: str) -> Answer:
    options = f"Entity=@e,NewState='Inactive',NewStatus=-1)?@e={{'@odata.id':'accounts({id})'}}"
    return world.ask("GET", f"IsValidStateTransition({options}")


def queued(world: World, id: str) -> Answer:
    queue = world.web.make("queues", name=world.web.name("queue"))
    return world.ask("POST", f"queues({queue})/{CRM}AddToQueue", {"Target": target("incident", id)})


def listed(world: World, id: str) -> Answer:
    everybody = world.web.make("lists", listname="Everybody", createdfromcode=1)
    return world.ask("POST", f"lists({everybody})/{CRM}AddMemberList", {"EntityId": id})


def lead(world: World, id: str) -> Answer:
    flags = {"CreateAccount": False, "CreateContact": False, "CreateOpportunity": True, "Status": 3}
    return world.ask("POST", f"leads({id})/{CRM}QualifyLead", flags)


def sent(world: World, id: str) -> Answer:
    return world.ask("POST", f"emails({id})/{CRM}SendEmail", {"IssueSend": False})


def refused(answer: Answer) -> bool:
    return answer.status == 400


REVISE = generated("ReviseQuote", "QuoteId")
CONVERT = generated("ConvertQuoteToSalesOrder", "QuoteId")
WIN_QUOTE = closed("WinQuote", "QuoteClose", "quoteclose", "quoteid", "quotes")
CLOSE_QUOTE = closed("CloseQuote", "QuoteClose", "quoteclose", "quoteid", "quotes")
WIN = closed("WinOpportunity", "OpportunityClose", "opportunityclose", "opportunityid", "opportunities")
LOSE = closed("LoseOpportunity", "OpportunityClose", "opportunityclose", "opportunityid", "opportunities")
RESOLVE = closed("CloseIncident", "IncidentResolution", "incidentresolution", "incidentid", "incidents")
CASES: Mapping[str, Case] = {
    "SetState": account("Write", lambda w, id: w.ask("PATCH", f"accounts({id})", {"statecode": 1}, If_Match="*")),
    "single property": account("Write", lambda w, id: w.ask("PUT", f"accounts({id})/telephone1", {"value": "1"})),
    "UpdateMultiple": account("Write", multiple("UpdateMultiple", telephone1="1")),
    "UpsertMultiple": account("Write", multiple("UpsertMultiple", telephone1="1")),
    "DeleteMultiple": account("Delete", multiple("DeleteMultiple")),
    "Merge": account("Write", merged),
    "GrantAccess": account("Share", access("GrantAccess")),
    "ModifyAccess": account("Share", access("ModifyAccess")),
    "RevokeAccess": account("Share", access("RevokeAccess")),
    "RetrievePrincipalAccess": account("Read", rights),
    "RetrieveSharedPrincipalsAndAccess": account("Read", shared_with),
    "InitializeFrom": account("Read", started),
    "IsValidStateTransition": account("Read", next_state),
    "AddMemberList": account("Append", listed),
    "QualifyLead": Case(
        table="lead", entity_set="leads", name="subject", right="Write", call=lead, values={"lastname": SECRET},
    ),
    "WinOpportunity": document("opportunity", "opportunities", "Write", WIN),
    "LoseOpportunity": document("opportunity", "opportunities", "Write", LOSE),
    "GenerateQuoteFromOpportunity": document(
        "opportunity", "opportunities", "Read", generated("GenerateQuoteFromOpportunity", "OpportunityId")
    ),
    "WinQuote": document("quote", "quotes", "Write", WIN_QUOTE, (1, 3)),
    "CloseQuote": document("quote", "quotes", "Write", CLOSE_QUOTE, (1, 3)),
    "ReviseQuote": document("quote", "quotes", "Read", REVISE, (3, 5)),
    # Who does not see a row is not told about its state either.
    "ReviseQuote of a draft": document("quote", "quotes", "Read", REVISE, told=refused),
    "ConvertQuoteToSalesOrder": document("quote", "quotes", "Read", CONVERT, (1, 3)),
    "ConvertQuoteToSalesOrder of a draft": document("quote", "quotes", "Read", CONVERT, told=refused),
    "ConvertSalesOrderToInvoice": document(
        "salesorder", "salesorders", "Read", generated("ConvertSalesOrderToInvoice", "SalesOrderId")
    ),
    "CancelSalesOrder": document(
        "salesorder", "salesorders", "Write",
        closed("CancelSalesOrder", "OrderClose", "orderclose", "salesorderid", "salesorders"),
    ),
    "CloseIncident": Case(
        table="incident", entity_set="incidents", name="title", right="Write", call=RESOLVE, values={},
    ),
    "CalculateTotalTimeIncident": Case(
        table="incident", entity_set="incidents", name="title", right="Read", values={},
        call=lambda w, id: w.ask("GET", f"incidents({id})/{CRM}CalculateTotalTimeIncident()"),
    ),
    "AddToQueue": Case(table="incident", entity_set="incidents", name="title", right="Read", call=queued, values={}),
    "SendEmail": Case(table="email", entity_set="emails", name="subject", right="Write", call=sent, values={}),
}  # fmt: skip


@pytest.fixture(scope="module")
def staffed(world: World) -> World:
    """With somebody who owns nothing."""
    world.users["nobody"] = make_user(world.web, world.units["above"], world.others)
    return world


@contextmanager
def everything(world: World, case: Case) -> Iterator[Callable[[str | None], None]]:
    """What the caller holds: all for all rows; what is called sets how deep the deciding privilege reaches."""
    all_ = {
        name.removeprefix("prv"): "Global"
        for name in world.privileges
        if name.endswith(KINDS) or name in ("prvMerge", "prvSendAsUser")
    }

    def hold(depth: str | None) -> None:
        world.may(**{**all_, case.privilege: depth})

    world.may(world.others, **{f"Read{name}": "Basic" for name in READABLE})
    world.may(world.team_role, **{f"Read{name}": "Basic" for name in READABLE})
    hold("Global")
    try:
        yield hold
    finally:
        world.may()
        world.may(world.others, ReadAccount="Basic", ReadContact="Basic", ReadActivity="Basic")
        world.may(world.team_role)


READABLE = (
    "Account",
    "Contact",
    "Activity",
    "Lead",
    "Opportunity",
    "Quote",
    "Order",
    "Invoice",
    "Incident",
    "Queue",
)
KINDS = (
    *READABLE, "List", "User", "Team", "BusinessUnit", "TransactionCurrency", "Organization", "QueueItem", "PriceLevel",
    "Role", "Privilege",
)  # fmt: skip


def make(world: World, case: Case, whose: str) -> str:
    owner = {"team": f"teams({world.team})"}.get(whose)
    owner = owner or f"systemusers({world.users['beside' if whose == 'shared' else whose]})"
    values = {case.name: SECRET, **case.values, "ownerid@odata.bind": owner}
    if case.table == "incident":
        customer = world.web.make("accounts", name="customer")
        values["customerid_account@odata.bind"] = f"accounts({customer})"
    if case.table == "email":
        me = f"systemusers({world.user})"
        values |= {"directioncode": True, "email_activity_parties": [
            {"partyid_systemuser@odata.bind": me, "participationtypemask": mask} for mask in (1, 2)
        ]}  # fmt: skip
    id = world.web.make(case.entity_set, **values)
    case.prepare(world, id)
    if whose == "shared":
        mask = "ReadAccess" if case.right == "Read" else f"ReadAccess, {case.right}Access"
        body = {
            "Target": target(case.table, id),
            "PrincipalAccess": {"Principal": target("systemuser", world.user), "AccessMask": mask},
        }
        shared = world.web.call("POST", "GrantAccess", body)
        assert shared.status == 204, shared.text
    return id


@pytest.mark.parametrize("depth", [None, "Basic", "Local", "Deep", "Global"])
@pytest.mark.parametrize("name", CASES)
def test_a_message_reaches_as_far_as_its_privilege(staffed: World, name: str, depth: str | None) -> None:
    world = staffed
    case = CASES[name]
    assert case.right in RIGHTS
    with everything(world, case) as hold:
        made = {whose: make(world, case, whose) for whose in WHOSE}
        world.may(world.team_role)
        hold(depth)
        for whose, id in made.items():
            select = f"{case.entity_set}({id})?$select={case.noticed}"
            before = world.web.get(select).json
            answer = case.call(world, id)
            if whose in REACH[depth]:
                assert case.told(answer), (whose, answer.text)
                continue
            assert answer.fault == DENIED, (whose, answer.text)
            assert SECRET not in answer.text
            assert world.web.get(select).json == before, whose
