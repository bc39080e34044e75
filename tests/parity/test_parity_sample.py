"""The sample rows make a believable organisation on both databases."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from tests.parity.conftest import ORIGIN, Web

ALL = 'odata.include-annotations="*"'
LABEL = "@OData.Community.Display.V1.FormattedValue"
SETS = (
    "accounts",
    "contacts",
    "leads",
    "opportunities",
    "opportunityproducts",
    "products",
    "productpricelevels",
    "pricelevels",
    "uoms",
    "incidents",
    "tasks",
    "phonecalls",
    "appointments",
    "emails",
    "letters",
    "annotations",
    "connections",
    "lists",
    "listmembers",
    "queues",
    "queueitems",
    "quotes",
    "quotedetails",
    "salesorders",
    "salesorderdetails",
    "invoices",
    "invoicedetails",
    "campaigns",
    "teams",
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def sample(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    url = new_postgres_database() if request.param == "postgres" else None
    config = Config(data=str(tmp_path_factory.mktemp("sample")), database_url=url, sample=True)
    organisation = open_organisation(config)
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        yield Web(client)
    organisation.close()


def test_every_kind_of_row_is_there_and_every_choice_and_lookup_has_a_label(sample: Web) -> None:
    for name in SETS:
        rows = sample.get(f"{name}?$top=50", prefer=ALL).rows
        assert rows, name
        for row in rows:
            for key, value in row.items():
                if value is None or "@" in key:
                    continue
                if key.startswith("_") or key.endswith(("statecode", "statuscode", "prioritycode")):
                    assert row.get(f"{key}{LABEL}"), (name, key)


def test_numbers_are_those_of_a_small_organisation(sample: Web) -> None:
    counted = {name: int(sample.get(f"{name}/$count").text) for name in SETS}
    assert (counted["accounts"], counted["contacts"], counted["products"]) == (11, 30, 10)
    activities = sum(counted[name] for name in ("tasks", "phonecalls", "appointments", "emails", "letters"))
    assert int(sample.get("activitypointers/$count").text) == activities


def test_states_differ_and_agree_with_their_reasons(sample: Web) -> None:
    rows = sample.get("opportunities?$select=statecode,statuscode,actualvalue").rows
    assert {row["statecode"] for row in rows} == {0, 1, 2}
    assert all((row["actualvalue"] is not None) == (row["statecode"] != 0) for row in rows)


def test_people_take_part_in_activities(sample: Web) -> None:
    asked = "appointments?$select=subject&$expand=appointment_activity_parties($select=participationtypemask)"
    for row in sample.get(asked).rows:
        masks = {party["participationtypemask"] for party in row["appointment_activity_parties"]}
        assert {5, 7} <= masks


def test_accounts_hang_together(sample: Web) -> None:
    rows = sample.get(
        "accounts?$select=name&$expand=primarycontactid($select=fullname,_parentcustomerid_value)&$orderby=name"
    ).rows
    for row in rows:
        assert row["primarycontactid"]["_parentcustomerid_value"] == row["accountid"]
    children = sample.get("accounts?$select=name&$filter=parentaccountid/name eq 'Saltmarsh Provisions'").rows
    assert [row["name"] for row in children] == ["Saltmarsh Provisions West"]
