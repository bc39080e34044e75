"""Bodies of every wrong kind, sent to every door that takes one: a coded refusal, and the row stays as it was."""

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.live import Live
from tests.web.hostile import Attacker

ID = "00000000-0000-4000-8000-000000000001"
DEEP = 50_000


@pytest.fixture(scope="module")
def attacker(live: Live) -> Attacker:
    return Attacker(live)


@pytest.fixture(scope="module")
def row(attacker: Attacker) -> str:
    made = attacker.ask("POST", "accounts", {"name": "Target"}, prefer="return=representation")
    return str(json.loads(made.text)["accountid"])


def state(attacker: Attacker, row: str) -> tuple[str, int, int]:
    """What must not change: the version of the row, and how many rows there are."""
    tag = json.loads(attacker.ask("GET", f"accounts({row})?$select=name").text)["@odata.etag"]
    return tag, attacker.count("accounts"), attacker.count("contacts")


NO_JSON = [
    b"{", b"}", b"[", b'{"name":}', b'{"name":"x",}', b"{'name':'x'}", b'{name:"x"}', b'{"name":"x"}{"name":"y"}',
    b'{"name":"x"} x', b"\xef\xbb\xbf\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", '{"name":"x"}'.encode("utf-16"),
    b"\x00", b'{"name":"\xc0\xae"}', b'{"name":"\xed\xa0\x80"}', b'{"name":"\xf5\x80\x80\x80"}', b'{"name":"\xff"}',
    b'{"name":"a\nb"}', b'{"name":"\\x41"}', b'{"name":"\\u12"}', b'{"name":"\\ud800\\u0041"}', b'{"revenue":NaN}',
    b'{"revenue":Infinity}', b'{"revenue":-Infinity}', b'{"revenue":01}', b'{"revenue":1.}', b'{"revenue":.5}',
    b'{"revenue":+1}', b'{"revenue":0x10}', b'{"revenue":1e}', b'{"revenue":1_000}', b'{"name":undefined}',
    b"// x\n{}", b"<xml/>", b"name=x", gzip.compress(b"{}"), b"true", b'"name"', b"0", b"[{}]",
    b'{"a":' * DEEP + b"1" + b"}" * DEEP, b"[" * DEEP, b'{"name":' + b"[" * DEEP + b"]" * DEEP + b"}",
]  # fmt: skip


@pytest.mark.parametrize("body", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_object_of_json_changes_nothing(attacker: Attacker, row: str, body: bytes) -> None:
    before = state(attacker, row)
    for method, path in (
        ("POST", "accounts"),
        ("PATCH", f"accounts({row})"),
        ("PUT", f"accounts({row})/name"),
        ("PUT", f"accounts({row})/primarycontactid/$ref"),
        ("POST", f"accounts({row})/contact_customer_accounts/$ref"),
        ("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple"),
        ("POST", "EntityDefinitions"),
        ("PUT", "EntityDefinitions(LogicalName='account')"),
        ("POST", "EntityDefinitions(LogicalName='account')/Attributes"),
        ("POST", "RelationshipDefinitions"),
        ("POST", "GlobalOptionSetDefinitions"),
        ("POST", "InsertOptionValue"),
    ):
        answer = attacker.ask(method, path, body)
        assert answer.is_fault(), (method, path, answer)
    assert state(attacker, row) == before


NUMBERS = ["1e99999", "-1e99999", "1e-999999999", "1e999999999", "0e99999999999999999999", "9" * 10_000,
           "0." + "1" * 10_000 + "e400", "1.5", "-1", "99999999999999999999"]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
@pytest.mark.parametrize(
    "column", ["numberofemployees", "industrycode", "name", "donotemail", "entityimage", "accountid"]
)
def test_no_number_is_too_strange_for_a_column(
    attacker: Attacker, row: str, column: str, number: str
) -> None:
    before = state(attacker, row)
    answer = attacker.ask("PATCH", f"accounts({row})", f'{{"{column}":{number}}}'.encode())
    assert answer.is_fault(), answer
    assert len(answer.text) < 5_000
    assert state(attacker, row) == before


VALUES: list[Any] = [
    True,
    5,
    1.5,
    "x" * 200_000,
    [],
    ["a"],
    {},
    {"a": {"b": 1}},
    [[]],
    "\u0000",
    "9" * 10_000,
    [None],
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
@pytest.mark.parametrize(
    "column",
    [
        "numberofemployees", "revenue", "industrycode", "donotemail", "lastonholdtime", "statecode", "statuscode",
        "address1_latitude", "primarycontactid@odata.bind", "ownerid@odata.bind", "primarycontactid", "entityimage",
        "contact_customer_accounts", "contact_customer_accounts@odata.bind", "_primarycontactid_value", "accountid",
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_and_not_bent(
    attacker: Attacker, row: str, column: str, value: Any
) -> None:
    fitting: dict[str, tuple[Any, ...]] = {
        "donotemail": (True,), "numberofemployees": (5,), "revenue": (5, 1.5), "address1_latitude": (5, 1.5),
        "industrycode": (5,), "primarycontactid": ({},), "entityimage": ("x" * 200_000, "9" * 10_000),
        "contact_customer_accounts": ([],), "contact_customer_accounts@odata.bind": ([],),
    }  # fmt: skip
    if any(value is each or value == each for each in fitting.get(column, ()) if type(each) is type(value)):
        return
    before = state(attacker, row)
    answer = attacker.ask("PATCH", f"accounts({row})", {column: value})
    assert answer.is_fault(), answer
    assert len(answer.text) < 5_000
    assert state(attacker, row) == before


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "text/json", "application/xml", "application/jsonx", "application/json-patch+json", "x", "/",
        "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "application/octet-stream", "\xe9",
        "application/json, text/xml", ";", "*/*",
    ],
)  # fmt: skip
def test_a_body_that_says_it_is_no_json_is_not_read_as_json(attacker: Attacker, row: str, kind: str) -> None:
    if not kind.partition(";")[0].strip():
        return
    before = state(attacker, row)
    for method, path in (("POST", "accounts"), ("PATCH", f"accounts({row})"), ("POST", "EntityDefinitions")):
        answer = attacker.ask(method, path, b'{"name":"x"}', content_type=kind)
        assert answer.is_fault(), answer
        assert answer.status == 415
    assert state(attacker, row) == before


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "$1", "accounts", "contacts()", "contacts(x)", f"contacts({ID}", f"contacts({ID})/x",
        f"/contacts({ID})",
        f"accounts({ID})", f"orgstead_credentials({ID})", f"/api/data/v9.2/orgstead_grants({ID})", "contacts('x')",
        f"http://elsewhere.example/contacts({ID})", f"http://[/contacts({ID})", "javascript:alert(1)", "\r\nx: y",
        f"../contacts({ID})", f"contacts({ID})?$expand=x", "contacts(nosuch='x')", "contacts(contactid=5)",
        "x" * 100_000,
        f"contacts(contactid={ID},contactid={ID})", "%00", "contacts(%00)", f"contacts({ID})%00", "(" * 5_000,
    ],
    ids=range(27),
)  # fmt: skip
def test_a_row_that_is_bound_must_be_one_that_is_there(attacker: Attacker, row: str, address: str) -> None:
    before = state(attacker, row)
    link = f"accounts({row})/primarycontactid/$ref"
    for method, path, body in (
        ("PATCH", f"accounts({row})", {"primarycontactid@odata.bind": address}),
        ("POST", "accounts", {"name": "x", "primarycontactid@odata.bind": address}),
        ("PATCH", f"accounts({row})", {"contact_customer_accounts@odata.bind": [address]}),
        ("PUT", link, {"@odata.id": address}),
        ("POST", f"accounts({row})/contact_customer_accounts/$ref", {"@odata.id": address}),
        (
            "DELETE",
            f"accounts({row})/contact_customer_accounts/$ref?$id={quote(address[:3000], safe='')}",
            None,
        ),
    ):
        answer = attacker.ask(method, path, body)
        assert answer.is_fault(), (method, path, answer)
    assert state(attacker, row) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("if_match", ""), ("if_match", "W/"), ("if_match", '"'), ("if_match", 'W/"-1"'), ("if_match", 'W/"1", W/"2"'),
        ("if_match", '"x"'), ("if_match", 'W/"1.5"'), ("if_match", "**"), ("if_match", 'W/"99999999999999999999"'),
        ("if_match", 'W/"9999999999999999999"'), ("if_match", 'W/"0"'), ("if_match", 'W/"ffff"'), ("if_match", "\xb2"),
        ("if_none_match", "*"), ("if_none_match", 'W/"'), ("if_none_match", "**"), ("prefer", "odata.maxpagesize=-1"),
        ("prefer", "odata.maxpagesize=\xb2"), ("prefer", "odata.maxpagesize=1e3"), ("prefer", "maxpagesize="),
        ("prefer", "odata.track-changes"), ("mscrmcallerid", ID), ("callerobjectid", ID), ("odata_maxversion", "3.0"),
        ("odata_maxversion", "\xb2"), ("mscrm.mergelabels", "maybe"),
        ("accept", "application/json;odata.metadata=full"), ("prefer", "x" * 5_000),
    ],
)  # fmt: skip
def test_a_condition_or_a_wish_that_makes_no_sense_stops_a_change(
    attacker: Attacker, row: str, name: str, value: str
) -> None:
    before = state(attacker, row)
    answer = attacker.ask("PATCH", f"accounts({row})", {"name": "Changed"}, **{name: value})
    assert answer.is_fault(), answer
    assert state(attacker, row) == before


@pytest.mark.parametrize(
    "cookie",
    [
        "<cookie/>", "<cookie pagenumber='2' pagingcookie='x'/>", '<cookie pagenumber="0" pagingcookie="" />',
        '<cookie pagenumber="2" pagingcookie="" />', '<cookie pagenumber="99999999999" pagingcookie="" />',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><cookie pagenumber="2" pagingcookie="&e;" />',
        '<cookie page="1"><name last="x" /></cookie>', "<" * 10_000, "%" * 5_000, "%25" * 5_000,
        *(
            '<cookie pagenumber="2" pagingcookie="' + quote(quote(f'<cookie page="1">{inner}</cookie>')) + '" />'
            for inner in (
                '<name last="x" />', '<name last="x" /><accountid last="x" />', '<accountid last="x" />',
                '<name last="x" /><accountid lastnull="1" />', '<revenue last="1" /><name last="x" />' * 500,
                '<name last="x&#0;" /><accountid last="' + ID + '" />',
                '<password last="x" /><accountid last="\' or 1=1 --" />', '<name last="x" /><accountid last="5" />',
            )
        ),
    ],
    ids=range(18),
)  # fmt: skip
def test_a_forged_cursor_shows_nothing(attacker: Attacker, cookie: str) -> None:
    path = f"accounts?$select=name&$orderby=name&$skiptoken={quote(cookie, safe='')}"
    answer = attacker.ask("GET", path[:30_000])
    assert answer.is_fault() or json.loads(answer.text)["value"] == [], answer


def test_a_cursor_of_one_query_does_not_open_another(attacker: Attacker) -> None:
    first = json.loads(
        attacker.ask(
            "GET", "accounts?$select=name&$orderby=name,createdon", prefer="odata.maxpagesize=1"
        ).text
    )
    token = first["@odata.nextLink"].partition("$skiptoken=")[2]
    for other in (
        "accounts?$select=name",
        "contacts?$orderby=lastname",
        "accounts?$orderby=name,createdon,fax",
    ):
        mark = "&" if "?" in other else "?"
        assert attacker.ask(
            "GET", f"{other}{mark}$skiptoken={token}", prefer="odata.maxpagesize=1"
        ).is_fault()
    last = attacker.ask("GET", f"systemusers?$select=fullname&$orderby=fullname,createdon&$skiptoken={token}")
    # A cursor is a place in an order and nothing more: in another table it shows what the caller may see there.
    assert last.status == 200 or last.is_fault()
    assert "password" not in last.text


@pytest.mark.parametrize("table", ["orgstead_application", "orgstead_credential", "orgstead_grant"])
def test_no_wire_leads_to_a_private_table(attacker: Attacker, row: str, table: str) -> None:
    type_name = f"Microsoft.Dynamics.CRM.{table}"
    label = {"LocalizedLabels": [{"Label": "x", "LanguageCode": 1033}]}
    relation = {
        "@odata.type": "Microsoft.Dynamics.CRM.OneToManyRelationshipMetadata",
        "SchemaName": "new_a_b",
    }
    lookup = {"SchemaName": "new_xid", "DisplayName": label}
    many = {"@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata", "SchemaName": "new_a_c"}
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "SchemaName": "new_s",
        "MaxLength": 9,
    }
    before = state(attacker, row)
    for method, path, body in (
        *(("GET", f"{name}{rest}", None) for name in (table, f"{table}s") for rest in ("", "/$count", f"({ID})")),
        ("PATCH", f"{table}s({ID})", {}),
        ("DELETE", f"{table}s({ID})", None),
        ("GET", f"accounts({row})/{table}s", None),
        ("GET", f"accounts({row})/{type_name}", None),
        ("GET", f"accounts/{type_name}", None),
        ("GET", f"accounts?$select={table}id", None),
        ("GET", f"accounts?$filter={table}s/any()", None),
        ("GET", f"accounts?$orderby={table}/data", None),
        ("GET", f"accounts?fetchXml=%3Cfetch%3E%3Centity%20name='{table}'/%3E%3C/fetch%3E", None),
        ("GET", f"accounts?sql=select%20*%20from%20{table}", None),
        ("GET", f"RetrieveTotalRecordCount(EntityNames=@p)?@p=['{table}']", None),
        ("POST", f"accounts({row})/{table}s/$ref", {"@odata.id": f"{table}s({ID})"}),
        ("PUT", f"accounts({row})/primarycontactid/$ref", {"@odata.id": f"{table}s({ID})"}),
        ("PATCH", f"accounts({row})", {"ownerid@odata.bind": f"/{table}s({ID})"}),
        ("PATCH", f"accounts({row})", {"@odata.type": type_name, "name": "x"}),
        *(
            ("POST", f"accounts/Microsoft.Dynamics.CRM.{verb}Multiple", {"Targets": [target]})
            for verb in ("Create", "Update", "Upsert")
            for target in (
                {"@odata.type": type_name, f"{table}id": ID},
                {"@odata.type": type_name, "@odata.id": f"{table}s({ID})"},
            )
        ),
        *(("GET", f"EntityDefinitions(LogicalName='{table}'){rest}", None)
          for rest in ("", "/Attributes", "/Keys", "/OneToManyRelationships", "?$expand=Attributes")),
        ("PUT", f"EntityDefinitions(LogicalName='{table}')", {"DisplayName": label}),
        ("DELETE", f"EntityDefinitions(LogicalName='{table}')", None),
        ("POST", f"EntityDefinitions(LogicalName='{table}')/Attributes", {**column, "DisplayName": label}),
        ("POST", f"EntityDefinitions(LogicalName='{table}')/Keys", {"SchemaName": "new_k", "KeyAttributes": ["data"]}),
        ("POST", "RelationshipDefinitions",
         {**relation, "ReferencedEntity": table, "ReferencingEntity": "account", "Lookup": lookup}),
        ("POST", "RelationshipDefinitions",
         {**relation, "ReferencedEntity": "account", "ReferencingEntity": table, "Lookup": lookup}),
        ("POST", "RelationshipDefinitions",
         {**many, "Entity1LogicalName": table, "Entity2LogicalName": "account", "IntersectEntityName": "new_i"}),
    ):  # fmt: skip
        answer = attacker.ask(method, path, body)
        assert answer.is_fault() or answer.status == 501, (method, path, answer)
    for path in (
        f"EntityDefinitions?$filter=LogicalName%20eq%20'{table}'",
        "EntityDefinitions?$select=LogicalName&$expand=OneToManyRelationships,ManyToOneRelationships",
        "RelationshipDefinitions",
        "GlobalOptionSetDefinitions",
        "RetrieveMetadataChanges(Query=@p)?@p={}",
        "privileges?$select=name",
        "solutioncomponents",
    ):
        assert table not in attacker.ask("GET", path).text.partition("value")[2], path
    assert state(attacker, row) == before
