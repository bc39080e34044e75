"""What is no wire's own holds on every wire: the same scenarios through the Web API and the Organization Service."""

from decimal import Decimal
from typing import Any

import pytest

from tests.parity.conftest import Web
from tests.parity.drivers import Driver, Found, ODataDriver, Option, Query, Refused, SoapDriver
from tests.parity.soap import Ref, Row

MISSING = "00000000-0000-4000-8000-000000000000"
EVERYTHING: dict[str, Any] = {
    "name": 'A "quoted" <name> & more',
    "description": "two\nlines",
    "revenue": Decimal("1234.5"),
    "numberofemployees": 12,
    "donotemail": True,
    "industrycode": 7,
    "address1_latitude": Decimal("12.5"),
    "lastonholdtime": "2024-02-29T12:30:45Z",
}


@pytest.fixture(params=[ODataDriver, SoapDriver], ids=["odata", "soap"])
def wire(request: pytest.FixtureRequest, web: Web) -> Driver:
    """Each way into the same organisation."""
    driver: Driver = request.param(web)
    return driver


@pytest.fixture
def both(web: Web) -> tuple[Driver, Driver]:
    """Both ways at once."""
    return ODataDriver(web), SoapDriver(web)


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    """What a failure is called."""
    return refused.value.code


def test_what_one_wire_writes_every_wire_reads(both: tuple[Driver, Driver]) -> None:
    seen = []
    for writer in both:
        id = writer.create("account", **EVERYTHING)
        for reader in both:
            row = reader.retrieve("account", id, *EVERYTHING)
            assert row.pop("accountid") == id
            seen.append(row)
    assert seen == [EVERYTHING] * 4


def test_a_row_is_changed_emptied_and_removed(wire: Driver) -> None:
    id = wire.create("account", **EVERYTHING)
    wire.update("account", id, name="Renamed", revenue=None, numberofemployees=None)
    found = wire.retrieve("account", id, "name", "revenue", "numberofemployees", "donotemail")
    assert found == {"accountid": id, "name": "Renamed", "donotemail": True}
    wire.delete("account", id)
    for act in (lambda: wire.delete("account", id), lambda: wire.retrieve("account", id, "name")):
        with pytest.raises(Refused) as refused:
            act()
        assert code(refused) == "0x80040217"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"name": "x" * 161}, "0x80044331"),
        ({"industrycode": 4711}, "0x8004431a"),
        ({"numberofemployees": -1}, "0x8004432f"),
        ({"primarycontactid": Ref("contact", MISSING)}, "0x80040217"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_alike(
    both: tuple[Driver, Driver], values: dict[str, Any], wanted: str
) -> None:
    codes = []
    for driver in both:
        with pytest.raises(Refused) as refused:
            driver.create("account", **{"name": "Wrong", **values})
        codes.append(code(refused))
    assert codes == [wanted] * 2


def test_an_upsert_creates_once(wire: Driver, web: Web) -> None:
    if not web.get("EntityDefinitions(LogicalName='contact')/Keys?$select=SchemaName").rows:
        key = {
            "@odata.type": "Microsoft.Dynamics.CRM.EntityKeyMetadata",
            "SchemaName": "new_wires",
            "KeyAttributes": ["governmentid"],
            "DisplayName": {"LocalizedLabels": [{"Label": "Wires", "LanguageCode": 1033}]},
        }
        assert web.call("POST", "EntityDefinitions(LogicalName='contact')/Keys", key).status == 204
    number = web.name("G").replace(" ", "-")
    assert wire.upsert("contact", {"governmentid": number}, lastname="First")
    assert not wire.upsert("contact", {"governmentid": number}, lastname="Second")
    query = Query(table="contact", columns=("lastname",), where=[("governmentid", "eq", number)])
    assert [row["lastname"] for row in wire.query(query).rows] == ["Second"]


def test_rows_are_tied_to_rows_in_every_way(wire: Driver) -> None:
    account = wire.create("account", name="Tied")
    contact = wire.create("contact", lastname="Bound", parentcustomerid=Ref("account", account))
    assert wire.retrieve("contact", contact, "parentcustomerid")["parentcustomerid"] == account
    wire.update("contact", contact, parentcustomerid=None)
    assert "parentcustomerid" not in wire.retrieve("contact", contact, "parentcustomerid")
    wire.associate("account", account, "contact_customer_accounts", Ref("contact", contact))
    assert wire.retrieve("contact", contact, "parentcustomerid")["parentcustomerid"] == account
    wire.disassociate("account", account, "contact_customer_accounts", Ref("contact", contact))
    assert "parentcustomerid" not in wire.retrieve("contact", contact, "parentcustomerid")
    lead = wire.create("lead", lastname="L", subject="S")
    many = ("account", account, "accountleads_association", Ref("lead", lead))
    count = (
        "<fetch aggregate='true'><entity name='accountleads'><attribute name='leadid' alias='n' aggregate='count'/>"
        f"<filter><condition attribute='accountid' operator='eq' value='{account}'/></filter></entity></fetch>"
    )
    wire.associate(*many)
    assert wire.fetch(count).rows == [{"n": 1}]
    wire.disassociate(*many)
    assert wire.fetch(count).rows == [{"n": 0}]


@pytest.fixture(scope="module")
def town(web: Web) -> str:
    """A town with ten accounts."""
    name = web.name("Wireton").replace(" ", "-")
    for number in range(10):
        web.make(
            "accounts", name=f"House {number}", address1_city=name, revenue=number * 100, numberofemployees=number % 3,
            **({"lastonholdtime": f"2024-0{number}-01T00:00:00Z"} if number else {}),
        )  # fmt: skip
    return name


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ([], range(10)),
        ([("name", "eq", "house 3")], [3]),
        ([("name", "ne", "House 3")], [0, 1, 2, 4, 5, 6, 7, 8, 9]),
        ([("name", "like", "House%"), ("revenue", "ge", 700)], [7, 8, 9]),
        ([("numberofemployees", "eq", 1)], [1, 4, 7]),
        ([("revenue", "lt", Decimal("200.5")), ("revenue", "gt", 0)], [1, 2]),
        ([("lastonholdtime", "null", None)], [0]),
        ([("lastonholdtime", "le", "2024-03-01T00:00:00Z")], [1, 2, 3]),
        ([("primarycontactid", "eq", Ref("contact", MISSING))], []),
        ([("accountid", "ne", Ref("account", MISSING)), ("name", "eq", "House 0")], [0]),
    ],
)
def test_conditions_find_the_same_rows(wire: Driver, town: str, where: list[Any], wanted: Any) -> None:
    query = Query(
        table="account", columns=("name",), where=[("address1_city", "eq", town), *where], order="name"
    )
    assert [row["name"] for row in wire.query(query).rows] == [f"House {each}" for each in wanted]


def test_pages_walk_the_same_order(wire: Driver, town: str) -> None:
    query = Query(
        table="account", columns=("name", "revenue"), where=[("address1_city", "eq", town)], order="name",
        descending=True, page_size=4,
    )  # fmt: skip
    pages: list[Found] = [wire.query(query)]
    while pages[-1].next is not None:
        pages.append(wire.query(query, pages[-1].next))
    assert [len(page.rows) for page in pages] == [4, 4, 2]
    assert [row["name"] for page in pages for row in page.rows] == [
        f"House {each}" for each in range(9, -1, -1)
    ]
    assert pages[0].formatted[0]["revenue"] == "$900.00"


def test_sums_and_groups_are_the_same(both: tuple[Driver, Driver], town: str) -> None:
    text = (
        "<fetch aggregate='true'><entity name='account'>"
        "<attribute name='numberofemployees' alias='size' groupby='true'/>"
        "<attribute name='revenue' alias='total' aggregate='sum'/>"
        "<attribute name='accountid' alias='n' aggregate='count'/>"
        "<attribute name='revenue' alias='mean' aggregate='avg'/><attribute name='lastonholdtime' alias='last' "
        "aggregate='max'/><order alias='size'/>"
        f"<filter><condition attribute='address1_city' operator='eq' value='{town}'/>"
        "</filter></entity></fetch>"
    )
    one, other = (driver.fetch(text) for driver in both)
    assert one.rows == other.rows
    assert [(row["size"], row["n"], row["total"]) for row in one.rows] == [
        (0, 4, 1800),
        (1, 3, 1200),
        (2, 3, 1500),
    ]
    # Counts have a formatted value over SOAP alone.
    told = [{**each, "n": str(row["n"])} for each, row in zip(one.formatted, one.rows, strict=True)]
    assert told == other.formatted


def test_links_of_fetchxml_bring_the_same_columns(both: tuple[Driver, Driver], town: str) -> None:
    text = (
        "<fetch><entity name='account'><attribute name='name'/><order attribute='name'/>"
        "<link-entity name='systemuser' from='systemuserid' to='ownerid' alias='o'><attribute name='systemuserid'/>"
        f"</link-entity><filter><condition attribute='address1_city' operator='eq' value='{town}'/></filter>"
        "</entity></fetch>"
    )
    one, other = (driver.fetch(text) for driver in both)
    assert [row["o.systemuserid"] for row in one.rows] == [row["o.systemuserid"] for row in other.rows]
    assert len(one.rows) == 10


def test_messages_do_the_same(wire: Driver) -> None:
    account = wire.create("account", name="Customer")
    opportunity = wire.create("opportunity", name="Deal", customerid=Ref("account", account))
    closed = Row("opportunityclose", {"subject": "Won", "opportunityid": Ref("opportunity", opportunity)})
    wire.execute("WinOpportunity", OpportunityClose=closed, Status=Option(3))
    assert wire.retrieve("opportunity", opportunity, "statecode", "statuscode") == {
        "opportunityid": opportunity, "statecode": 1, "statuscode": 3,
    }  # fmt: skip
    with pytest.raises(Refused) as refused:
        wire.execute("WinOpportunity", OpportunityClose=closed, Status=Option(3))
    assert code(refused).startswith("0x8004")
    case = wire.create("incident", title="Case", customerid=Ref("account", account))
    solved = Row("incidentresolution", {"subject": "Solved", "incidentid": Ref("incident", case)})
    wire.execute("CloseIncident", IncidentResolution=solved, Status=Option(5))
    assert wire.retrieve("incident", case, "statecode")["statecode"] == 1
    assert set(wire.execute("WhoAmI")) >= {"UserId", "BusinessUnitId", "OrganizationId"}


def test_whoever_may_not_is_refused_everywhere(wire: Driver, web: Web) -> None:
    account = wire.create("account", name="Closed")
    unit = wire.execute("WhoAmI")["BusinessUnitId"]
    user = wire.create(
        "systemuser", firstname="No", lastname="Rights", businessunitid=Ref("businessunit", unit),
        domainname=f"{web.name('wires').replace(' ', '')}@x.example",
    )  # fmt: skip
    wire.act_as(user)
    assert wire.execute("WhoAmI")["UserId"] == user
    query = Query(table="account", columns=("name",))
    acts = (
        lambda: wire.create("account", name="Not allowed"),
        lambda: wire.retrieve("account", account, "name"),
        lambda: wire.update("account", account, name="Not allowed"),
        lambda: wire.delete("account", account),
        lambda: wire.query(query),
    )
    for act in acts:
        with pytest.raises(Refused) as refused:
            act()
        assert code(refused) == "0x80040220"
    wire.act_as(None)
    assert wire.retrieve("account", account, "name")["name"] == "Closed"


def test_a_row_is_written_only_in_its_version(wire: Driver) -> None:
    id = wire.create("account", name="First")
    version = wire.version("account", id)
    wire.update("account", id, version, name="Second")
    for act in (
        lambda: wire.update("account", id, version, name="Lost"),
        lambda: wire.delete("account", id, version),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert code(refused) == "0x80060882"
    assert wire.retrieve("account", id, "name")["name"] == "Second"
    wire.delete("account", id, wire.version("account", id))


@pytest.mark.parametrize("table", ["account", "systemuser", "activityparty", "task"])
def test_a_table_is_described_alike(both: tuple[Driver, Driver], table: str) -> None:
    one, other = (driver.table(table) for driver in both)
    assert one == other
    assert one[0]["LogicalName"] == table


def test_a_column_that_one_wire_makes_is_used_on_the_other(both: tuple[Driver, Driver], web: Web) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "SchemaName": "new_Wired",
        "MaxLength": 50,
        "RequiredLevel": {"Value": "None"},
        "DisplayName": {"LocalizedLabels": [{"Label": "Wired", "LanguageCode": 1033}]},
    }
    assert web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", column).status == 204
    for driver in both:
        id = driver.create("account", name="N", new_wired="here")
        assert [each.retrieve("account", id, "new_wired")["new_wired"] for each in both] == ["here"] * 2
