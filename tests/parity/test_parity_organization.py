"""Who am I, which version, which organisation."""

import pytest

from orgstead.identity.development import TENANT_ID
from tests.parity.conftest import ORIGIN, Web


@pytest.mark.parametrize("path", ["WhoAmI", "WhoAmI()"])
def test_who_am_i_names_rows_that_are_there(web: Web, path: str) -> None:
    me = web.get(path).json
    assert me["@odata.context"].endswith("#Microsoft.Dynamics.CRM.WhoAmIResponse")
    user = web.get(f"systemusers({me['UserId']})?$select=fullname,_businessunitid_value").json
    assert user["_businessunitid_value"] == me["BusinessUnitId"]
    assert web.get(f"organizations({me['OrganizationId']})?$select=name").json["name"] == "Orgstead"


def test_the_version_is_one_that_clients_can_compare(web: Web) -> None:
    parts = web.get("RetrieveVersion()").json["Version"].split(".")
    assert [int(part) for part in parts][:2] == [9, 2]


@pytest.mark.parametrize(
    "path",
    [
        "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default')",
        "RetrieveCurrentOrganization(AccessType=@p1)?@p1=Microsoft.Dynamics.CRM.EndpointAccessType'Internet'",
    ],
)
def test_the_organisation_says_where_it_is(web: Web, path: str) -> None:
    detail = web.get(path).json["Detail"]
    assert detail["OrganizationId"] == web.get("WhoAmI").json["OrganizationId"]
    assert detail["TenantId"] == TENANT_ID
    assert detail["FriendlyName"] == "Orgstead"
    endpoints = detail["Endpoints"]
    assert endpoints["Count"] == len(endpoints["Keys"]) == len(endpoints["Values"]) == 3
    assert dict(zip(endpoints["Keys"], endpoints["Values"], strict=True))["WebApplication"] == f"{ORIGIN}/"


@pytest.mark.parametrize(
    "path",
    [
        "RetrieveCurrentOrganization",
        "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Nowhere')",
        "WhoAmI(Unknown=1)",
        "RetrieveNothing()",
    ],
)
def test_a_wrong_call_is_a_fault(web: Web, path: str) -> None:
    status, code = web.get(path).fault
    assert status in (400, 404)
    assert code.startswith("0x8")


def test_table_names_in_rows_are_formatted_as_display_names(web: Web) -> None:
    web.make("tasks", subject="Look at the table name")
    (row,) = web.get(
        "activitypointers?$select=activitytypecode&$filter=subject eq 'Look at the table name'",
        prefer='odata.include-annotations="*"',
    ).rows
    assert row["activitytypecode"] == "task"
    assert row["activitytypecode@OData.Community.Display.V1.FormattedValue"] == "Task"


def test_an_address_is_one_text(web: Web) -> None:
    values = {
        "Line1": "123 Maple St.",
        "City": "Seattle",
        "StateOrProvince": "WA",
        "PostalCode": "98007",
        "Country": "USA",
    }
    given = ",".join(f"{name}='{value}'" for name, value in values.items())
    answer = web.get(f"FormatAddress({given})")
    assert answer.json["@odata.context"].endswith("#Microsoft.Dynamics.CRM.FormatAddressResponse")
    assert answer.json["Address"] == "123 Maple St.\r\nSeattle, WA 98007\r\nUSA"
    aliases = ",".join(f"{name}=@{name}" for name in values)
    said = "&".join(f"@{name}='{value}'" for name, value in values.items())
    assert web.get(f"FormatAddress({aliases})?{said}").json["Address"] == answer.json["Address"]
    assert web.get("FormatAddress(City='Oslo')").json["Address"] == "Oslo"


def test_the_organisation_has_a_language(web: Web) -> None:
    assert web.get("RetrieveProvisionedLanguages()").json["RetrieveProvisionedLanguages"] == [1033]
