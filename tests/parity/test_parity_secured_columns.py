"""Secured columns: to whoever may not read one it has no value, whichever way it is asked for.

https://learn.microsoft.com/power-apps/developer/data-platform/column-level-security
"""

from typing import Any
from urllib.parse import quote

import pytest

from tests.parity.conftest import ROOT, Answer, Web
from tests.parity.test_parity_security import World, make_user, world

__all__ = ["world"]

CRM = "Microsoft.Dynamics.CRM."
RIGHTS = ("Create", "Read", "Write", "Append", "AppendTo")
TABLES = ("Account", "Contact", "Lead", "Opportunity", "Quote")
CREATE, UPDATE, READ = (403, "0x8004f502"), (403, "0x8004f507"), (403, "0x8004f504")
INVALID = (400, "0x8004f50e")


def secure(web: Web, table: str, column: str, value: bool = True) -> Answer:
    path = f"EntityDefinitions(LogicalName='{table}')/Attributes(LogicalName='{column}')"
    kind = web.get(f"{path}?$select=LogicalName").json["@odata.type"].removeprefix(f"#{CRM}")
    body = web.get(f"{path}/{CRM}{kind}").json
    body = {name: value for name, value in body.items() if not name.startswith("@")}
    body |= {"@odata.type": f"{CRM}{kind}", "IsSecured": value}
    return web.call("PUT", path, body)


@pytest.fixture(scope="module")
def secured(world: World) -> World:
    """Names of employers and amounts are secured; the user may do all but that."""
    web = world.web
    for table, column in (("contact", "jobtitle"), ("account", "revenue"), ("account", "primarycontactid")):
        assert secure(web, table, column).status == 204
    every = {f"{right}{table}": "Global" for right in RIGHTS for table in TABLES}
    world.may(**every, AppendTransactionCurrency="Global", AppendToTransactionCurrency="Global",
              ReadTransactionCurrency="Global")  # fmt: skip
    return world


def profile(world: World, **allowed: tuple[str, str]) -> str:
    """A profile: what it allows (read, create, update), each with a table and a column."""
    made = world.web.make("fieldsecurityprofiles", name=world.web.name("profile"))
    columns: dict[tuple[str, str], dict[str, int]] = {}
    for right, where in allowed.items():
        columns.setdefault(where, {})[f"can{right}"] = 4
    for (table, column), rights in columns.items():
        world.web.make(
            "fieldpermissions", entityname=table, attributelogicalname=column,
            **{"canread": 0, "cancreate": 0, "canupdate": 0, **rights},
            **{"fieldsecurityprofileid@odata.bind": f"fieldsecurityprofiles({made})"},
        )  # fmt: skip
    return made


def rows(world: World, **values: Any) -> tuple[str, str]:
    """An account and its primary contact, made by the administrator; the contact has a job title."""
    name = world.web.name("secret")
    account = world.web.make("accounts", name=name, revenue=500, **values)
    contact = world.web.make(
        "contacts",
        lastname=name,
        jobtitle="Spy",
        **{"parentcustomerid_account@odata.bind": f"accounts({account})"},
    )
    path = f"accounts({account})/primarycontactid/$ref"
    assert world.web.call("PUT", path, {"@odata.id": f"{ROOT}contacts({contact})"}).status == 204
    return account, contact


def test_what_is_secured_has_no_value_whichever_way_it_is_asked_for(secured: World) -> None:
    world = secured
    account, contact = rows(world)
    only = f"contactid eq {contact}"
    seen = world.ask("GET", f"contacts({contact})", Prefer='odata.include-annotations="*"')
    assert seen.json["jobtitle"] is None
    assert "Spy" not in seen.text
    assert world.ask("GET", f"contacts({contact})/jobtitle").status == 204
    assert [
        row["jobtitle"] for row in world.ask("GET", f"contacts?$filter={only}&$select=jobtitle").rows
    ] == [None]
    # What is compared, sorted, grouped, counted or joined tells nothing either.
    for test, found in (
        ("jobtitle eq 'Spy'", 0), ("startswith(jobtitle,'S')", 0), ("jobtitle ne null", 0), ("jobtitle eq null", 1),
        ("jobtitle ne 'Spy'", 1), ("contains(jobtitle,'p')", 0),
        (f"{CRM}In(PropertyName='jobtitle',PropertyValues=['Spy'])", 0),
    ):  # fmt: skip
        answer = world.ask("GET", f"contacts?$filter={only} and {test}&$select=contactid&$count=true")
        assert (len(answer.rows), answer.json["@odata.count"]) == (found, found), test
    through = (
        f"accounts?$filter=accountid eq {account} and contact_customer_accounts/any(c:c/jobtitle eq 'Spy')"
    )
    assert world.ask("GET", through).rows == []
    grouped = world.ask("GET", f"contacts?$apply=filter({only})/groupby((jobtitle),aggregate($count as n))")
    assert [(row.get("jobtitle"), row["n"]) for row in grouped.rows] == [(None, 1)]
    summed = world.ask(
        "GET",
        f"accounts?$apply=filter(accountid eq {account})/aggregate(revenue with sum as a,revenue_base with max as b)",
    ).rows
    assert [(row.get("a"), row.get("b")) for row in summed] == [(None, None)]
    expanded = world.ask(
        "GET", f"contacts({contact})?$select=lastname&$expand=parentcustomerid_account($select=revenue)"
    )
    assert expanded.json["parentcustomerid_account"]["revenue"] is None
    below = world.ask(
        "GET", f"accounts({account})?$select=name&$expand=contact_customer_accounts($select=jobtitle)"
    )
    assert [row["jobtitle"] for row in below.json["contact_customer_accounts"]] == [None]
    fetch = (
        "<fetch><entity name='contact'><attribute name='jobtitle' alias='j'/><order attribute='jobtitle'/>"
        f"<filter><condition attribute='contactid' operator='eq' value='{contact}'/></filter>"
        "<link-entity name='account' from='accountid' to='parentcustomerid' alias='a'><attribute name='revenue'/>"
        "</link-entity></entity></fetch>"
    )
    (row,) = world.ask("GET", f"contacts?fetchXml={quote(fetch)}").rows
    assert not {"j", "a.revenue"} & set(row)
    for sql in (
        f"SELECT jobtitle FROM contact WHERE contactid = '{contact}'",
        (
            "SELECT a.revenue FROM contact c JOIN account a ON c.parentcustomerid = a.accountid "
            f"WHERE c.contactid = '{contact}'"
        ),
    ):
        (row,) = world.ask("GET", f"contacts?sql={quote(sql)}").rows
        assert not {"jobtitle", "revenue"} & set(row)
    fetch = fetch.replace("from='accountid' to='parentcustomerid'", "from='address1_city' to='jobtitle'")
    assert world.ask("GET", f"contacts?fetchXml={quote(fetch)}").rows == []


def test_a_secured_lookup_leads_nowhere(secured: World) -> None:
    world = secured
    account, contact = rows(world)
    seen = world.ask("GET", f"accounts({account})?$expand=primarycontactid($select=lastname)")
    assert seen.json["_primarycontactid_value"] is None
    assert seen.json["primarycontactid"] is None
    assert world.ask("GET", f"accounts({account})/primarycontactid").status in (204, 404)
    back = world.ask(
        "GET", f"contacts({contact})?$select=lastname&$expand=account_primary_contact($select=name)"
    )
    assert back.json["account_primary_contact"] == []
    test = f"accounts?$filter=accountid eq {account} and primarycontactid/lastname ne null"
    assert world.ask("GET", test).rows == []


def test_changes_do_not_tell_what_is_secured(secured: World) -> None:
    world = secured
    track = {"Prefer": "odata.track-changes"}
    link = world.ask("GET", "contacts?$select=jobtitle", **track).json["@odata.deltaLink"]
    _, contact = rows(world)
    changed = {row["contactid"]: row for row in world.ask("GET", link).rows}
    assert changed[contact]["jobtitle"] is None


def test_a_profile_allows_to_read_create_and_update(secured: World) -> None:
    world, web = secured, secured.web
    reader = profile(world, read=("contact", "jobtitle"))
    writer = profile(world, create=("contact", "jobtitle"), update=("contact", "jobtitle"))
    _, contact = rows(world)
    where = f"contacts({contact})"

    def tie(method: str, profile: str, principal: str) -> None:
        kind, id = principal.split("/")
        path = f"{kind}s({id})/{'systemuser' if kind == 'systemuser' else 'team'}profiles_association"
        if method == "POST":
            answer = web.call(
                "POST", f"{path}/$ref", {"@odata.id": f"{ROOT}fieldsecurityprofiles({profile})"}
            )
        else:
            answer = web.call("DELETE", f"{path}({profile})/$ref")
        assert answer.status == 204, answer.text

    me, team = f"systemuser/{world.user}", f"team/{world.team}"
    made = {"lastname": "new", "jobtitle": "Smith"}
    assert world.ask("POST", "contacts", made).fault == CREATE
    assert world.ask("PATCH", where, {"jobtitle": "Smith"}).fault == UPDATE
    assert world.ask("PATCH", where, {"jobtitle": None}).fault == UPDATE
    assert world.ask("DELETE", f"{where}/jobtitle").fault == UPDATE
    many = {"Targets": [{"contactid": contact, "@odata.type": f"{CRM}contact", "jobtitle": "x"}]}
    assert world.ask("POST", f"contacts/{CRM}UpdateMultiple", many).fault == UPDATE
    assert world.ask("PATCH", where, {"lastname": "may be changed"}).status == 204
    assert web.get(where).json["jobtitle"] == "Spy"
    tie("POST", reader, me)
    assert world.ask("GET", where).json["jobtitle"] == "Spy"
    assert world.ask("GET", f"contacts?$filter=contactid eq {contact} and jobtitle eq 'Spy'").rows != []
    assert world.ask("PATCH", where, {"jobtitle": "Smith"}).fault == UPDATE
    # By way of a team as well.
    tie("POST", writer, team)
    assert world.ask("PATCH", where, {"jobtitle": "Smith"}).status == 204
    assert world.ask("POST", "contacts", made, Prefer="return=representation").json["jobtitle"] == "Smith"
    tie("DELETE", reader, me)
    # Who may write need not be able to read.
    answer = world.ask("PATCH", where, {"jobtitle": "Potter"}, Prefer="return=representation")
    assert (answer.status, answer.json["jobtitle"]) == (200, None)
    tie("DELETE", writer, team)
    assert world.ask("PATCH", where, {"jobtitle": "Smith"}).fault == UPDATE
    assert web.get(where).json["jobtitle"] == "Potter"


def test_what_is_made_of_a_row_does_not_carry_what_is_secured(secured: World) -> None:
    world, web = secured, secured.web
    assert secure(web, "lead", "jobtitle").status == 204
    lead = web.make("leads", subject="s", lastname="l", jobtitle="Spy")
    options = f"EntityMoniker=@m,TargetEntityName='contact',TargetFieldType='All')?@m={{'@odata.id':'leads({lead})'}}"
    assert web.get(f"InitializeFrom({options}").json["jobtitle"] == "Spy"
    assert "Spy" not in world.ask("GET", f"InitializeFrom({options}").text


def test_permissions_are_for_secured_columns_and_go_with_them(secured: World) -> None:
    world, web = secured, secured.web
    made = profile(world, read=("contact", "jobtitle"))
    bound = {"fieldsecurityprofileid@odata.bind": f"fieldsecurityprofiles({made})"}
    rights = {"canread": 4, "cancreate": 0, "canupdate": 0}
    for table, column in (
        ("contact", "firstname"),
        ("contact", "nosuch"),
        ("nosuch", "name"),
        ("contact", "jobtitle"),
    ):
        values = {"entityname": table, "attributelogicalname": column, **rights, **bound}
        assert web.call("POST", "fieldpermissions", values).fault == INVALID, (table, column)
    assert secure(web, "contact", "assistantname").status == 204
    again = profile(world, read=("contact", "assistantname"))
    assert secure(web, "contact", "assistantname", False).status == 204
    assert web.get(f"fieldpermissions?$filter=_fieldsecurityprofileid_value eq {again}").rows == []
    assert web.call("DELETE", f"fieldsecurityprofiles({made})").status == 204
    assert web.get(f"fieldpermissions?$filter=_fieldsecurityprofileid_value eq {made}").rows == []


@pytest.mark.parametrize(
    ("table", "column"),
    [("account", "name"), ("account", "ownerid"), ("account", "statecode"), ("account", "createdon"),
     ("account", "revenue_base")],
)  # fmt: skip
def test_columns_that_cannot_be_secured(secured: World, table: str, column: str) -> None:
    answer = secure(secured.web, table, column)
    assert answer.status == 400
    assert answer.json["error"]["code"].startswith("0x800")


def test_whoever_acts_for_another_sees_what_both_may_see(secured: World) -> None:
    world, web = secured, secured.web
    _, contact = rows(world)
    reader = profile(world, read=("contact", "jobtitle"))
    other = make_user(web, world.units["unit"], world.role)
    path = f"systemusers({other})/systemuserprofiles_association/$ref"
    assert web.call("POST", path, {"@odata.id": f"{ROOT}fieldsecurityprofiles({reader})"}).status == 204
    # The administrator may read it; the user in whose name it is asked decides.
    assert web.get(f"contacts({contact})", MSCRMCallerID=other).json["jobtitle"] == "Spy"
    assert world.ask("GET", f"contacts({contact})").json["jobtitle"] is None
