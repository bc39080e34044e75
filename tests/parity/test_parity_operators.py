"""Every operator of the list is evaluated: what each finds among rows made for it, through the Web API, at a set time.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from tests.parity.conftest import ORIGIN, ROOT, Answer, Web
from tests.parity.test_parity_security import give_role, make_user

# A Wednesday in the first quarter.
NOW = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)
CRM = "Microsoft.Dynamics.CRM."
PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "operators.md"

# -- dates: what each operator reaches from and to, neither beyond; None is open ---------------------------------------
Span = tuple[str | None, str | None]
DATES: Mapping[str, tuple[tuple[int | str, ...], Span]] = {
    "today": ((), ("2026-03-11T00:00:00Z", "2026-03-11T23:59:59Z")),
    "yesterday": ((), ("2026-03-10T00:00:00Z", "2026-03-10T23:59:59Z")),
    "tomorrow": ((), ("2026-03-12T00:00:00Z", "2026-03-12T23:59:59Z")),
    "last-seven-days": ((), ("2026-03-04T00:00:00Z", "2026-03-11T14:30:00Z")),
    "next-seven-days": ((), ("2026-03-11T14:30:00Z", "2026-03-18T23:59:59Z")),
    "last-week": ((), ("2026-03-01T00:00:00Z", "2026-03-07T23:59:59Z")),
    "this-week": ((), ("2026-03-08T00:00:00Z", "2026-03-14T23:59:59Z")),
    "next-week": ((), ("2026-03-15T00:00:00Z", "2026-03-21T23:59:59Z")),
    "last-month": ((), ("2026-02-01T00:00:00Z", "2026-02-28T23:59:59Z")),
    "this-month": ((), ("2026-03-01T00:00:00Z", "2026-03-31T23:59:59Z")),
    "next-month": ((), ("2026-04-01T00:00:00Z", "2026-04-30T23:59:59Z")),
    "last-year": ((), ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "this-year": ((), ("2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z")),
    "next-year": ((), ("2027-01-01T00:00:00Z", "2027-12-31T23:59:59Z")),
    "last-x-hours": ((3,), ("2026-03-11T11:30:00Z", "2026-03-11T14:30:00Z")),
    "last-x-days": ((3,), ("2026-03-08T00:00:00Z", "2026-03-11T14:30:00Z")),
    "last-x-weeks": ((2,), ("2026-02-25T00:00:00Z", "2026-03-11T14:30:00Z")),
    "last-x-months": ((2,), ("2026-01-11T00:00:00Z", "2026-03-11T14:30:00Z")),
    "last-x-years": ((1,), ("2025-03-11T00:00:00Z", "2026-03-11T14:30:00Z")),
    "next-x-hours": ((3,), ("2026-03-11T14:30:00Z", "2026-03-11T17:29:59Z")),
    "next-x-days": ((3,), ("2026-03-11T14:30:00Z", "2026-03-14T23:59:59Z")),
    "next-x-weeks": ((2,), ("2026-03-11T14:30:00Z", "2026-03-25T23:59:59Z")),
    "next-x-months": ((2,), ("2026-03-11T14:30:00Z", "2026-05-11T23:59:59Z")),
    "next-x-years": ((1,), ("2026-03-11T14:30:00Z", "2027-03-11T23:59:59Z")),
    "olderthan-x-minutes": ((20,), (None, "2026-03-11T14:09:59Z")),
    "olderthan-x-hours": ((3,), (None, "2026-03-11T11:29:59Z")),
    "olderthan-x-days": ((3,), (None, "2026-03-07T23:59:59Z")),
    "olderthan-x-weeks": ((2,), (None, "2026-02-24T23:59:59Z")),
    "olderthan-x-months": ((2,), (None, "2026-01-10T23:59:59Z")),
    "olderthan-x-years": ((1,), (None, "2025-03-10T23:59:59Z")),
    "on": (("2026-03-10",), ("2026-03-10T00:00:00Z", "2026-03-10T23:59:59Z")),
    "on-or-before": (("2026-03-10",), (None, "2026-03-10T23:59:59Z")),
    "on-or-after": (("2026-03-10",), ("2026-03-10T00:00:00Z", None)),
    # The organisation's fiscal year is the calendar's, in quarters.
    "this-fiscal-year": ((), ("2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z")),
    "last-fiscal-year": ((), ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "next-fiscal-year": ((), ("2027-01-01T00:00:00Z", "2027-12-31T23:59:59Z")),
    "this-fiscal-period": ((), ("2026-01-01T00:00:00Z", "2026-03-31T23:59:59Z")),
    "last-fiscal-period": ((), ("2025-10-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "next-fiscal-period": ((), ("2026-04-01T00:00:00Z", "2026-06-30T23:59:59Z")),
    "last-x-fiscal-years": ((2,), ("2024-01-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "next-x-fiscal-years": ((2,), ("2027-01-01T00:00:00Z", "2028-12-31T23:59:59Z")),
    "last-x-fiscal-periods": ((2,), ("2025-07-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "next-x-fiscal-periods": ((2,), ("2026-04-01T00:00:00Z", "2026-09-30T23:59:59Z")),
    "in-fiscal-year": ((2025,), ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "in-fiscal-period-and-year": ((2, 2025), ("2025-04-01T00:00:00Z", "2025-06-30T23:59:59Z")),
    "in-or-before-fiscal-period-and-year": ((2, 2025), (None, "2025-06-30T23:59:59Z")),
    "in-or-after-fiscal-period-and-year": ((2, 2025), ("2025-04-01T00:00:00Z", None)),
}
# When the year begins in July and has two halves.
HALVES: Mapping[str, tuple[tuple[int, ...], Span]] = {
    "this-fiscal-year": ((), ("2025-07-01T00:00:00Z", "2026-06-30T23:59:59Z")),
    "this-fiscal-period": ((), ("2026-01-01T00:00:00Z", "2026-06-30T23:59:59Z")),
    "last-x-fiscal-periods": ((2,), ("2025-01-01T00:00:00Z", "2025-12-31T23:59:59Z")),
    "in-fiscal-year": ((2025,), ("2025-07-01T00:00:00Z", "2026-06-30T23:59:59Z")),
    "in-fiscal-period-and-year": ((2, 2025), ("2026-01-01T00:00:00Z", "2026-06-30T23:59:59Z")),
}


def beside(instant: str, seconds: int) -> str:
    """A second before or after an instant."""
    moved = datetime.fromisoformat(instant).timestamp() + seconds
    return datetime.fromtimestamp(moved, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


INSTANTS = sorted({
    each
    for _, span in (*DATES.values(), *HALVES.values())
    for end, way in zip(span, (-1, 1), strict=True)
    if end is not None
    for each in (end, beside(end, way))
})  # fmt: skip

# -- texts, numbers, choices -------------------------------------------------------------------------------------------
TEXTS = ("Apple", "apricot", "Banana", "grape", "x%y", None)
KINDS = (None, (1,), (2,), (1, 2), (1, 11))
PLAIN: Mapping[str, tuple[str, tuple[str, ...], set[Any]]] = {
    "eq": ("jobtitle", ("APPLE",), {"Apple"}),
    "ne": ("jobtitle", ("apple",), {"apricot", "Banana", "grape", "x%y", None}),
    "neq": ("jobtitle", ("apple",), {"apricot", "Banana", "grape", "x%y", None}),
    "gt": ("numberofchildren", ("2",), {3, 4}),
    "ge": ("numberofchildren", ("2",), {2, 3, 4}),
    "lt": ("numberofchildren", ("2",), {0, 1}),
    "le": ("numberofchildren", ("2",), {0, 1, 2}),
    "null": ("jobtitle", (), {None}),
    "not-null": ("jobtitle", (), {"Apple", "apricot", "Banana", "grape", "x%y"}),
    "in": ("numberofchildren", ("1", "4", "9"), {1, 4}),
    "not-in": ("numberofchildren", ("1", "4", "9"), {0, 2, 3, None}),
    "between": ("numberofchildren", ("1", "3"), {1, 2, 3}),
    "not-between": ("numberofchildren", ("1", "3"), {0, 4, None}),
    "like": ("jobtitle", ("_ap%",), set()),
    "not-like": ("jobtitle", ("%ap%",), {"Banana", "x%y", None}),
    "begins-with": ("jobtitle", ("ap",), {"Apple", "apricot"}),
    "not-begin-with": ("jobtitle", ("ap",), {"Banana", "grape", "x%y", None}),
    "ends-with": ("jobtitle", ("PE",), {"grape"}),
    "not-end-with": ("jobtitle", ("pe",), {"Apple", "apricot", "Banana", "x%y", None}),
    "contains": ("jobtitle", ("AP",), {"Apple", "apricot", "grape"}),
    "not-contains": ("jobtitle", ("ap",), {"Banana", "x%y", None}),
    "contain-values": ("new_tags", ("1", "11"), {(1,), (1, 2), (1, 11)}),
    "not-contain-values": ("new_tags", ("1", "11"), {None, (2,)}),
}
# -- people and hierarchies: whose rows, which rows --------------------------------------------------------------------
PEOPLE: Mapping[str, set[str]] = {
    "eq-userid": {"me"},
    "ne-userid": {"team", "report", "their report", "stranger"},
    "eq-userteams": {"team"},
    "eq-useroruserteams": {"me", "team"},
    "eq-useroruserhierarchy": {"me", "report", "their report"},
    "eq-useroruserhierarchyandteams": {"me", "team", "report", "their report"},
}
UNITS: Mapping[str, set[str]] = {"eq-businessid": {"mine"}, "ne-businessid": {"other"}}
#           root
#          /    \
#        left   right
#        /  \
#     leaf  twig
TREE: Mapping[str, str | None] = {
    "root": None,
    "left": "root",
    "right": "root",
    "leaf": "left",
    "twig": "left",
}
HIERARCHY: Mapping[str, set[str]] = {
    "under": {"leaf", "twig"},
    "eq-or-under": {"left", "leaf", "twig"},
    "not-under": {"root", "left", "right"},
    "above": {"root"},
    "eq-or-above": {"root", "left"},
}
REST = {"not-on", "in-fiscal-period", "eq-userlanguage"}


@dataclass(frozen=True, slots=True)
class Rows:
    """An organisation at a set time, and who asks in it."""

    web: Web
    me: str
    tree: Mapping[str, str]

    def fetch(self, table: str, attribute: str, operator: str, values: tuple[Any, ...], show: str) -> Answer:
        """Ask with one condition, beside the filter that keeps to the rows of this module."""
        inside = "".join(f"<value>{value}</value>" for value in values)
        text = (
            f"<fetch><entity name='{table}'><attribute name='{show}'/><filter>"
            f"<condition attribute='{attribute}' operator='{operator}'>{inside}</condition>"
            f"<condition attribute='description' operator='eq' value='operators'/></filter></entity></fetch>"
        )
        return self.web.get(f"{table}s?fetchXml={quote(text)}", MSCRMCallerID=self.me)


def tag_column(web: Web) -> None:
    """A multi-select choice of contacts."""

    def label(text: str) -> dict[str, Any]:
        return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}

    options = [{"Value": value, "Label": label(f"T{value}")} for value in (1, 2, 11)]
    body = {
        "@odata.type": f"{CRM}MultiSelectPicklistAttributeMetadata", "SchemaName": "new_Tags",
        "DisplayName": label("Tags"),
        "OptionSet": {"@odata.type": f"{CRM}OptionSetMetadata", "IsGlobal": False, "Options": options},
    }  # fmt: skip
    made = web.call("POST", "EntityDefinitions(LogicalName='contact')/Attributes", body)
    assert made.status == 204, made.text


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def rows(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Rows]:
    url = new_postgres_database() if request.param == "postgres" else None
    config = Config(data=str(tmp_path_factory.mktemp("organisation")), database_url=url, sample=False)
    organisation = open_organisation(config, clock=NOW.timestamp)
    application = build_application(organisation, [ORIGIN])
    with TestClient(application, base_url=ORIGIN) as client:
        yield fill(Web(client, organisation))
    organisation.close()


def fill(web: Web) -> Rows:
    tag_column(web)
    ours = {"description": "operators"}
    for at in (*INSTANTS, None):
        web.make("accounts", name=at or "never", lastonholdtime=at, **ours)
    for text in TEXTS:
        web.make("contacts", lastname="text", jobtitle=text, **ours)
    for number in (0, 1, 2, 3, 4, None):
        web.make("contacts", lastname="number", numberofchildren=number, **ours)
    for kinds in KINDS:
        web.make("contacts", lastname="kinds", new_tags=kinds and ",".join(map(str, kinds)), **ours)
    root = web.get("WhoAmI").json["BusinessUnitId"]
    (role,) = web.get(
        f"roles?$filter=name eq 'System Administrator' and _businessunitid_value eq {root}"
    ).rows
    people = {name: make_user(web, root) for name in ("me", "report", "their report", "stranger")}
    for person in people.values():
        give_role(web, person, role["roleid"])
    for name, manager in (("report", "me"), ("their report", "report")):
        path = f"systemusers({people[name]})/parentsystemuserid/$ref"
        assert web.call("PUT", path, {"@odata.id": f"{ROOT}systemusers({people[manager]})"}).status == 204
    bound = {"businessunitid@odata.bind": f"businessunits({root})"}
    administrator = {"administratorid@odata.bind": f"systemusers({people['me']})"}
    team = web.make("teams", name="Operators", teamtype=0, **bound, **administrator)
    tie = {"@odata.id": f"{ROOT}roles({role['roleid']})"}
    assert web.call("POST", f"teams({team})/teamroles_association/$ref", tie).status == 204
    member = {"Members": [{"systemuserid": people["me"], "@odata.type": f"{CRM}systemuser"}]}
    assert web.call("POST", f"teams({team})/{CRM}AddMembersTeam", member).status == 204
    for name, owner in {
        **{k: f"systemusers({v})" for k, v in people.items()},
        "team": f"teams({team})",
    }.items():
        web.make("tasks", subject=name, **ours, **{"ownerid@odata.bind": owner})
    other = web.make(
        "businessunits", name="Other", **{"parentbusinessunitid@odata.bind": f"businessunits({root})"}
    )
    assert other
    tree: dict[str, str] = {}
    for name, parent in TREE.items():
        above = {"parentaccountid@odata.bind": f"accounts({tree[parent]})"} if parent else {}
        tree[name] = web.make("accounts", name=name, description="tree", **above)
    return Rows(web, people["me"], tree)


def within(span: Span) -> set[str]:
    low, high = span
    return {at for at in INSTANTS if (low is None or at >= low) and (high is None or at <= high)}


def found(answer: Answer, name: str) -> set[Any]:
    return {row.get(name) for row in answer.rows}


# -- the tests -------------------------------------------------------------------------------------------------------
def test_no_operator_is_left_out() -> None:
    """The list in the documentation, which is made from the code, is the list of what is asked here."""
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    asked = [*DATES, *PLAIN, *PEOPLE, *UNITS, *HIERARCHY, *REST]
    assert sorted(asked) == sorted(listed)


@pytest.mark.parametrize("operator", DATES)
def test_operators_on_dates(rows: Rows, operator: str) -> None:
    values, span = DATES[operator]
    wanted = within(span)
    assert wanted
    assert len(wanted) < len(INSTANTS)
    answer = rows.fetch("account", "lastonholdtime", operator, values, "name")
    assert found(answer, "name") == wanted


def test_not_on_a_day(rows: Rows) -> None:
    day = within(("2026-03-10T00:00:00Z", "2026-03-10T23:59:59Z"))
    answer = rows.fetch("account", "lastonholdtime", "not-on", ("2026-03-10",), "name")
    assert found(answer, "name") == {*INSTANTS, "never"} - day


def test_a_period_of_any_fiscal_year(rows: Rows) -> None:
    answer = rows.fetch("account", "lastonholdtime", "in-fiscal-period", (2,), "name")
    assert found(answer, "name") == {at for at in INSTANTS if at[5:7] in ("04", "05", "06")}


def test_the_fiscal_year_is_what_the_organisation_says(rows: Rows) -> None:
    web = rows.web
    path = f"organizations({web.get('WhoAmI').json['OrganizationId']})"

    def grouped(part: str) -> dict[int | None, int]:
        text = (
            "<fetch aggregate='true'><entity name='account'><attribute name='accountid' alias='n' aggregate='count'/>"
            f"<attribute name='lastonholdtime' alias='p' groupby='true' dategrouping='{part}'/><filter>"
            "<condition attribute='lastonholdtime' operator='not-null'/></filter></entity></fetch>"
        )
        return {row["p"]: row["n"] for row in web.get(f"accounts?fetchXml={quote(text)}").rows}

    # Asked before, so that nothing that is remembered stands in the way.
    assert set(grouped("fiscal-period")) == {1, 2, 3, 4}
    halves = {"fiscalcalendarstart": "2000-07-01T00:00:00Z", "fiscalperiodtype": 2001}
    assert web.call("PATCH", path, halves).status == 204
    try:
        for operator, (values, span) in HALVES.items():
            answer = rows.fetch("account", "lastonholdtime", operator, values, "name")
            assert found(answer, "name") == within(span), operator
        first = {at for at in INSTANTS if at[5:7] >= "07"}
        answer = rows.fetch("account", "lastonholdtime", "in-fiscal-period", (1,), "name")
        assert found(answer, "name") == first
        assert grouped("fiscal-period") == {1: len(first), 2: len(INSTANTS) - len(first)}
        answer = rows.fetch("account", "lastonholdtime", "in-fiscal-period", (3,), "name")
        assert answer.fault[0] == 400
        for wrong in (
            {"fiscalperiodtype": 2004},
            {"fiscalperiodtype": 2001, "fiscalcalendarstart": "2000-07-15"},
        ):
            assert web.call("PATCH", path, wrong).status == 204
            answer = rows.fetch("account", "lastonholdtime", "this-fiscal-year", (), "name")
            assert answer.status == 501, answer.text
    finally:
        back = {"fiscalcalendarstart": "2000-01-01T00:00:00Z", "fiscalperiodtype": 2002}
        assert web.call("PATCH", path, back).status == 204


@pytest.mark.parametrize("operator", PLAIN)
def test_operators_on_texts_numbers_and_choices(rows: Rows, operator: str) -> None:
    column, values, wanted = PLAIN[operator]
    kind = {"jobtitle": "text", "numberofchildren": "number", "new_tags": "kinds"}[column]
    inside = "".join(f"<value>{value}</value>" for value in values)
    text = (
        f"<fetch><entity name='contact'><attribute name='{column}'/><filter>"
        f"<condition attribute='{column}' operator='{operator}'>{inside}</condition>"
        f"<condition attribute='lastname' operator='eq' value='{kind}'/></filter></entity></fetch>"
    )
    answer = rows.web.get(f"contacts?fetchXml={quote(text)}")
    told = found(answer, column)
    if column == "new_tags":
        told = {value and tuple(map(int, value.split(","))) for value in told}
    assert told == wanted


@pytest.mark.parametrize("operator", PEOPLE)
def test_operators_on_owners(rows: Rows, operator: str) -> None:
    answer = rows.fetch("task", "ownerid", operator, (), "subject")
    assert found(answer, "subject") == PEOPLE[operator]


@pytest.mark.parametrize("operator", UNITS)
def test_operators_on_business_units(rows: Rows, operator: str) -> None:
    text = (
        "<fetch><entity name='businessunit'><attribute name='name'/><filter>"
        f"<condition attribute='businessunitid' operator='{operator}'/></filter></entity></fetch>"
    )
    told = rows.web.get(f"businessunits?fetchXml={quote(text)}", MSCRMCallerID=rows.me)
    assert {"other" if row["name"] == "Other" else "mine" for row in told.rows} == UNITS[operator]


@pytest.mark.parametrize("operator", HIERARCHY)
def test_operators_on_hierarchies(rows: Rows, operator: str) -> None:
    text = (
        "<fetch><entity name='account'><attribute name='name'/><filter>"
        f"<condition attribute='accountid' operator='{operator}' value='{rows.tree['left']}'/>"
        "<condition attribute='description' operator='eq' value='tree'/></filter></entity></fetch>"
    )
    assert found(rows.web.get(f"accounts?fetchXml={quote(text)}"), "name") == HIERARCHY[operator]


def test_the_language_of_the_user(rows: Rows) -> None:
    text = (
        "<fetch><entity name='organization'><attribute name='languagecode'/><filter>"
        "<condition attribute='languagecode' operator='eq-userlanguage'/></filter></entity></fetch>"
    )
    assert found(rows.web.get(f"organizations?fetchXml={quote(text)}"), "languagecode") == {1033}
    text = text.replace("organization", "account").replace("languagecode", "numberofemployees")
    assert rows.web.get(f"accounts?fetchXml={quote(text)}").rows == []
