"""What somebody found who tried to break it: each is answered in a line of the protocol's own, or right."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.parity.conftest import Web

SQL = "accounts?sql="
FETCH = "accounts?fetchXml="


@pytest.mark.parametrize(
    "sql",
    [
        "select name as accountid from account",
        "select top 2 accountid as name, name as accountid from account",
        'select name as "@odata.etag" from account',
        'select name as "a\'b" from account',
        "select count(*) as [ ] from account",
        "select name from account as a(x)",
        "select distinct statecode from account order by name",
        "select name from account order by name nulls last",
        "select name from account order by name desc nulls first",
        "select name from account order by name offset 99999999999999999999 rows",
    ],
)
def test_sql_that_cannot_be_answered_is_refused(web: Web, sql: str) -> None:
    answer = web.get(SQL + quote(sql))
    assert answer.status == 400, answer.text
    assert answer.json["error"]["code"].startswith("0x8")


@pytest.mark.parametrize(
    "fetch",
    [
        '<fetch><entity name="account"><attribute name="name" alias="accountid"/></entity></fetch>',
        '<fetch><entity name="account"><attribute name="name" alias="@odata.etag"/></entity></fetch>',
        (
            '<fetch><entity name="account"><attribute name="name"/><link-entity name="contact" from="contactid" '
            'to="primarycontactid" alias="c"><attribute name="fullname" alias="accountid"/></link-entity>'
            "</entity></fetch>"
        ),
        (
            '<fetch aggregate="true"><entity name="account"><attribute name="name" aggregate="count" alias="a&quot;b"/>'
            "</entity></fetch>"
        ),
        (
            '<fetch aggregate="true"><entity name="account"><attribute name="name" aggregate="count" alias=" "/>'
            "</entity></fetch>"
        ),
        (
            '<fetch><entity name="account"><attribute name="name"/><link-entity name="contact" from="contactid" '
            'to="primarycontactid" alias="a.b&quot;c"><attribute name="fullname"/></link-entity></entity></fetch>'
        ),
        (
            '<fetch distinct="true"><entity name="account"><attribute name="statecode"/><order attribute="name"/>'
            "</entity></fetch>"
        ),
        '<fetch><entity name="account">text<attribute name="name"/></entity></fetch>',
        (
            '<fetch><entity name="account"><filter><condition attribute="name" operator="in"><value>a</value>junk'
            "</condition></filter></entity></fetch>"
        ),
    ],
)
def test_fetchxml_that_cannot_be_answered_is_refused(web: Web, fetch: str) -> None:
    answer = web.get(FETCH + quote(fetch))
    assert answer.status == 400, answer.text
    assert answer.json["error"]["code"].startswith("0x8")


def test_a_range_with_one_unknown_end(web: Web) -> None:
    name = web.name("range")
    for revenue in (1, 6, None):
        web.make("accounts", name=name, revenue=revenue)

    def revenues(condition: str) -> list[Any]:
        text = f"select revenue from account where name = '{name}' and {condition} order by revenue"
        return [row["revenue"] for row in web.get(SQL + quote(text)).rows]

    assert revenues("revenue not between 5 and null") == [1]
    assert revenues("revenue not between null and 5") == [6]
    assert revenues("not (revenue between 5 and null)") == [1]
    assert revenues("revenue between 0 and null") == []
    assert revenues("revenue not between null and null") == []


def test_an_offset_is_a_number_however_it_is_written(web: Web) -> None:
    name = web.name("offset")
    for number in range(3):
        web.make("accounts", name=name, accountnumber=str(number))
    text = f"select accountnumber from account where name = '{name}' order by accountnumber "
    text += "offset 0000000000001 rows fetch next 1 rows only"
    assert [row["accountnumber"] for row in web.get(SQL + quote(text)).rows] == ["1"]


def test_a_long_query_goes_in_a_batch(web: Web) -> None:
    wanted = "a" * 40_000
    part = f"GET accounts?$select=name&$filter=name%20eq%20'{wanted}' HTTP/1.1\r\n\r\n"
    head = "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    answer = web.call(
        "POST", "$batch", f"{head}{part}\r\n--b--\r\n".encode(), content_type="multipart/mixed; boundary=b"
    )
    assert "HTTP/1.1 200" in answer.text, answer.text[:300]
    assert web.get(f"accounts?$select=name&$filter=name eq '{wanted}'").status in (400, 414)


@pytest.mark.parametrize(
    "path",
    [
        "?sql=SELECT name FROM account",
        "?$select=name",
        "WhoAmI?$select=UserId",
        "WhoAmI()?x=1",
        "RetrieveVersion()?@p=1",
    ],
)
def test_options_of_calls_are_not_ignored(web: Web, path: str) -> None:
    answer = web.get(path)
    assert answer.status in (400, 501), answer.text


@pytest.mark.parametrize("name", ["sqlite_x", "orgstead_Setting"])
def test_names_of_the_house_are_not_given_away(web: Web, name: str) -> None:
    label = {
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{"Label": "X", "LanguageCode": 1033}],
    }
    table = {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": name, "DisplayName": label,
        "DisplayCollectionName": label, "OwnershipType": "UserOwned", "HasActivities": False, "HasNotes": False,
        "Attributes": [{
            "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Name",
            "IsPrimaryName": True, "MaxLength": 100, "DisplayName": label,
        }],
    }  # fmt: skip
    answer = web.call("POST", "EntityDefinitions", table)
    assert answer.status == 400
    assert name.lower() in answer.text.lower()


def test_a_header_is_read_in_any_case(web: Web) -> None:
    assert web.get("accounts?$top=1", Accept="application/json;ODATA.METADATA=full").status == 400
    assert web.get("accounts?$top=1", Accept="Application/JSON; OData.Metadata=Minimal").status == 200


def test_the_house_answers_while_a_deep_insert_and_its_end_are_worked_on(web: Web) -> None:
    """Written where nobody waits: what is checked is that it is all there, and all gone."""
    deep = {
        "name": "deep",
        "contact_customer_accounts": [
            {"lastname": f"c{number}", "Contact_Tasks": [{"subject": "t"} for _ in range(5)]}
            for number in range(30)
        ],
    }
    made = web.make("accounts", **deep)
    contacts = web.get(
        f"contacts?$filter=_parentcustomerid_value eq {made}&$expand=Contact_Tasks($select=subject)"
    ).rows
    assert [len(row["Contact_Tasks"]) for row in contacts] == [5] * 30
    assert web.call("DELETE", f"accounts({made})").status == 204
    assert web.get(f"contacts?$filter=_parentcustomerid_value eq {made}").rows == []


def test_an_upsert_that_makes_a_row_keeps_to_its_address(web: Web) -> None:
    id, other = ("cccccccc-0000-4000-8000-00000000000d", "cccccccc-0000-4000-8000-00000000000e")
    assert web.call("PATCH", f"accounts({id})", {"accountid": other, "name": "x"}).status == 400
    assert web.get(f"accounts({id})").status == web.get(f"accounts({other})").status == 404
    assert web.call("PATCH", f"accounts({id})", {"accountid": id.upper(), "name": "x"}).status == 204


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"SourceType": 2}, 501),
        ({"IsPrimaryName": True}, 400),
        ({"AutoNumberFormat": "{SEQNUM:99}"}, 400),
        ({"AutoNumberFormat": "{SEQNUM:0}"}, 400),
        ({"AutoNumberFormat": "{DATETIMEUTC:zz%q}"}, 400),
        ({"AutoNumberFormat": "A-{SEQNUM:5}-{DATETIMEUTC:yyyyMMdd}"}, 204),
    ],
)
def test_what_a_column_cannot_be_is_refused(web: Web, more: dict[str, Any], status: int) -> None:
    label = {
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{"Label": "X", "LanguageCode": 1033}],
    }
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Attacked", "MaxLength": 100,
        "DisplayName": label, **more,
    }  # fmt: skip
    answer = web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", column)
    assert answer.status == status, answer.text
    if status == 204:
        assert (
            web.call(
                "DELETE", "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='new_attacked')"
            ).status
            == 204
        )


@pytest.mark.parametrize("xml", ["<a", "", "<a/>", "<!DOCTYPE a><importexportxml/>"])
def test_what_is_published_is_a_list(web: Web, xml: str) -> None:
    assert web.call("POST", "PublishXml", {"ParameterXml": xml}).status == 400
    good = "<importexportxml><entities><entity>account</entity></entities></importexportxml>"
    assert web.call("POST", "PublishXml", {"ParameterXml": good}).status == 204


def test_rows_are_read_between_the_commit_of_definitions_and_the_news_of_it(web: Web) -> None:
    engine = web.organisation.engine
    text = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "MaxLength": 100}
    label = {"LocalizedLabels": [{"Label": "Soon gone", "LanguageCode": 1033}]}
    columns = "EntityDefinitions(LogicalName='account')/Attributes"
    made = web.call("POST", columns, {**text, "SchemaName": "new_SoonGone", "DisplayName": label})
    assert made.status == 204
    account = web.make("accounts", name=web.name("there"), new_soongone="x")
    before = engine.schema
    assert web.call("DELETE", f"{columns}(LogicalName='new_soongone')").status == 204
    after, engine.schema = engine.schema, before
    assert web.get(f"accounts({account})").status == 200
    assert engine.schema.version == after.version
    engine.schema = before
    assert web.get("accounts?$filter=new_soongone eq 'x'").status == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "RetrieveRolePrivilegesRole(RoleId=@id)?@id=null", None),
        ("GET", "RetrieveTotalRecordCount(EntityNames=@names)?@names=null", None),
        ("POST", "InitializeAnnotationBlocksUpload", {"Target": None}),
        ("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": None}),
        ("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": [None]}),
    ],
)
def test_a_parameter_that_is_null_is_missing(web: Web, method: str, path: str, body: Any) -> None:
    assert web.call(method, path, body).status == 400


def test_only_a_text_is_numbered(web: Web) -> None:
    label = {"LocalizedLabels": [{"Label": "Numbered", "LanguageCode": 1033}]}
    kind = "Microsoft.Dynamics.CRM.DecimalAttributeMetadata"
    column = {"@odata.type": kind, "SchemaName": "new_Numbered", "DisplayName": label}
    columns = "EntityDefinitions(LogicalName='account')/Attributes"
    refused = web.call("POST", columns, {**column, "AutoNumberFormat": "A-{SEQNUM:4}"})
    assert refused.fault == (400, "0x80040203")
    assert web.call("POST", "accounts", {"name": "still made"}).status == 204
