"""Envelopes that mean harm, or nothing, are refused with a fault of the service: never with an accident."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.parity.conftest import Web
from tests.parity.soap import SERVICES, SOAP11, XRM, Soap, envelope, parts_of, request, written

ACCIDENT = -2147220970
BOMB = (
    '<!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>&d;</s:Body></s:Envelope>'
)
OUTSIDE = (
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>&b;</s:Body></s:Envelope>'
)


@pytest.fixture
def soap(web: Web) -> Soap:
    """A client of the service."""
    return Soap(web)


def refused(soap: Soap, body: bytes, **headers: str) -> tuple[int, str]:
    """Status and message of the fault that answers a body."""
    answer = soap.post(body, **headers)
    assert answer.status_code >= 400, answer.text
    detail = next(etree.fromstring(answer.content).iter(f"{{{XRM}}}OrganizationServiceFault"))
    parts = parts_of(detail)
    assert int(parts["ErrorCode"].text) != ACCIDENT, parts["Message"].text
    return answer.status_code, parts["Message"].text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", [BOMB, OUTSIDE, "<!DOCTYPE a><a/>"])
def test_no_document_type_is_ever_read(soap: Soap, text: str, encoding: str) -> None:
    _, message = refused(soap, text.encode(encoding), content_type=f"text/xml; charset={encoding}")
    assert "c" * 10 not in message
    assert "root" not in message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<a",
        b"<a/>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        f'<s:Envelope xmlns:s="{SOAP11}"/>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body/></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><Nothing xmlns="{SERVICES}"/></s:Body></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><Create xmlns="{SERVICES}"/></s:Body></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><Create/></s:Body></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><Execute xmlns="{SERVICES}"><request/></Execute></s:Body>'
        "</s:Envelope>".encode(),
        b'<s:Envelope xmlns:s="urn:other"><s:Body/></s:Envelope>',
    ],
)
def test_what_is_no_request_is_refused(soap: Soap, body: bytes) -> None:
    refused(soap, body)


def test_depth_attributes_and_sizes_have_limits(soap: Soap) -> None:
    deep = "<a:x>" * 2_000 + "</a:x>" * 2_000
    wide = "".join(f' x{number}=""' for number in range(5_000))
    for inner in (deep, f"<a:x{wide}/>", "<a:x/>" * 1_000_000):
        refused(soap, envelope(f'<Create xmlns="{SERVICES}"><entity>{inner}</entity></Create>'))
    for spaces in ("".join(f' xmlns:n{number}="urn:{number}"' for number in range(5_000)),):
        refused(soap, envelope(f'<Create xmlns="{SERVICES}"><entity{spaces}/></Create>'))


def test_another_type_of_content_is_refused(soap: Soap) -> None:
    body = envelope(f'<Execute xmlns="{SERVICES}">{request("WhoAmI", {})}</Execute>')
    for kind in ("application/json", "multipart/related", "application/octet-stream"):
        assert soap.post(body, content_type=kind).status_code == 415


def test_a_recursive_query_is_bounded(soap: Soap) -> None:
    filters = (
        "<a:Filters><a:FilterExpression>" * 60
        + "<a:FilterOperator>And</a:FilterOperator>"
        + "</a:FilterExpression></a:Filters>" * 60
    )
    body = (
        f'<RetrieveMultiple xmlns="{SERVICES}"><query i:type="a:QueryExpression"><a:Criteria>{filters}</a:Criteria>'
        "<a:EntityName>account</a:EntityName></query></RetrieveMultiple>"
    )
    answer = soap.post(envelope(body))
    assert str(ACCIDENT) not in answer.text


NAMES = (
    "a:Attributes", "a:KeyValuePairOfstringanyType", "b:key", "b:value", "a:Id", "a:LogicalName", "a:EntityState",
    "a:FormattedValues", "a:KeyAttributes", "a:RelatedEntities", "a:RowVersion", "a:Value", "a:EntityName",
    "a:ColumnSet", "a:AllColumns", "a:Columns", "f:string", "a:Criteria", "a:Conditions", "a:ConditionExpression",
    "a:AttributeName", "a:Operator", "a:Values", "f:anyType", "a:LinkEntities", "a:LinkEntity", "a:Orders",
    "a:OrderExpression", "a:PageInfo", "a:Count", "a:PageNumber", "a:PagingCookie", "a:TopCount", "a:Parameters",
    "a:RequestName", "a:RequestId", "query", "request", "entity", "columnSet", "id", "entityName", "a:Query",
    "a:Entities", "a:Requests", "a:OrganizationRequest",
)  # fmt: skip
TYPES = (
    "a:Entity", "a:EntityReference", "a:OptionSetValue", "a:Money", "a:EntityCollection", "a:QueryExpression",
    "a:FetchExpression", "a:QueryByAttribute", "a:ColumnSet", "a:CreateRequest", "a:UpsertRequest", "c:string",
    "c:int", "c:decimal", "c:boolean", "c:dateTime", "c:base64Binary", "e:guid", "e:char", "f:ArrayOfstring",
    "n:OptionSetValueCollection", "h:StringAttributeMetadata", "j:EntityQueryExpression", "a:Nothing", "zz:x",
    "c:anyType", "a:AliasedValue",
)  # fmt: skip
TEXTS = st.sampled_from((
    "", "account", "name", "accountid", "Create", "Update", "RetrieveMultiple", "ExecuteMultiple", "WhoAmI", "true",
    "1", "-1", "99999999999999999999", "NaN", "INF", "Equal", "Like", "0001-01-01T00:00:00Z", "not a date",
    "2024-01-01T00:00:00", "00000000-0000-0000-0000-000000000000", "<fetch/>",
    "<fetch><entity name='account'/></fetch>", "====", "%", "\u2028",
))  # fmt: skip


def element(name: str, kind: str | None, nil: bool, inner: str) -> str:
    """An element."""
    stated = f' i:type="{kind}"' if kind else ""
    return f'<{name}{stated} i:nil="true"/>' if nil else f"<{name}{stated}>{inner}</{name}>"


TREES = st.recursive(
    TEXTS.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;")),
    lambda inner: st.builds(
        element,
        st.sampled_from(NAMES),
        st.none() | st.sampled_from(TYPES),
        st.sampled_from((False, False, False, True)),
        st.lists(inner, max_size=4).map("".join),
    ),
    max_leaves=20,
)
OPERATIONS = st.sampled_from(
    ("Create", "Retrieve", "Update", "Delete", "Associate", "Execute", "RetrieveMultiple")
)
CREATE = (
    f'<Create xmlns="{SERVICES}"><entity><a:Attributes><a:KeyValuePairOfstringanyType><b:key>name</b:key>'
    '<b:value i:type="c:string">x</b:value></a:KeyValuePairOfstringanyType></a:Attributes><a:LogicalName>account'
    "</a:LogicalName></entity></Create>"
)
QUERY = (
    f'<RetrieveMultiple xmlns="{SERVICES}"><query i:type="a:QueryExpression"><a:ColumnSet><a:AllColumns>false'
    "</a:AllColumns><a:Columns><f:string>name</f:string></a:Columns></a:ColumnSet><a:Criteria><a:Conditions>"
    "<a:ConditionExpression><a:AttributeName>name</a:AttributeName><a:Operator>Equal</a:Operator><a:Values>"
    '<f:anyType i:type="c:string">x</f:anyType></a:Values></a:ConditionExpression></a:Conditions><a:FilterOperator>And'
    "</a:FilterOperator></a:Criteria><a:EntityName>account</a:EntityName></query></RetrieveMultiple>"
)
SEEDS = (
    CREATE,
    QUERY,
    f'<Execute xmlns="{SERVICES}">{request("WhoAmI", {"Name": "x", "Number": 1})}</Execute>',
)
fuzzed = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


def answered(soap: Soap, body: bytes) -> None:
    """A body is answered, with a fault or without."""
    answer = soap.post(body)
    assert answer.status_code in (200, 400, 413, 415, 500)
    root: Any = etree.fromstring(answer.content)
    assert root.tag == f"{{{SOAP11}}}Envelope"
    assert f"<ErrorCode>{ACCIDENT}</ErrorCode>" not in answer.text, (body, answer.text)


@fuzzed
@given(operation=OPERATIONS, inner=st.lists(TREES, max_size=4).map("".join))
def test_any_tree_is_answered_without_an_accident(soap: Soap, operation: str, inner: str) -> None:
    answered(soap, envelope(f'<{operation} xmlns="{SERVICES}">{inner}</{operation}>'))


@fuzzed
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_a_request_with_parts_exchanged_is_answered_without_an_accident(
    soap: Soap, seed: str, data: st.DataObject
) -> None:
    places = [match.span() for match in re.finditer(r">[^<>]+<|<[a-z]:[A-Za-z]+|i:type=\"[^\"]*\"", seed)]
    start, end = data.draw(st.sampled_from(places))
    old = seed[start:end]
    if old.startswith(">"):
        new = f">{data.draw(TREES)}<"
    elif old.startswith("<"):
        new = old + data.draw(
            st.sampled_from((' i:nil="true"', ' i:type="c:int"', ' z="1"', ' i:type="a:Entity"'))
        )
    else:
        new = f'i:type="{data.draw(st.sampled_from(TYPES))}"'
    answered(soap, envelope(seed[:start] + new + seed[end:]))


MESSAGES = (
    "WhoAmI", "Create", "Update", "Assign", "SetState", "GrantAccess", "RetrieveEntity", "Merge", "Upsert",
    "ExecuteMultiple", "CreateMultiple", "CloseIncident", "CreateAttribute", "RetrieveMetadataChanges",
    "InitializeFrom", "InsertOptionValue", "Associate", "RetrieveMultiple", "RetrieveEntityChanges", "UploadBlock",
)  # fmt: skip
PARAMETERS = (
    "Target", "Targets", "Query", "EntityName", "LogicalName", "Assignee", "State", "Status", "Requests",
    "Settings", "Attribute", "PrincipalAccess", "ColumnSet", "MetadataId", "EntityFilters", "Relationship",
    "RelatedEntities", "Columns", "PageInfo", "FileContinuationToken", "IncidentResolution",
)  # fmt: skip


@fuzzed
@given(
    name=st.sampled_from(MESSAGES),
    parameters=st.dictionaries(
        st.sampled_from(PARAMETERS), st.tuples(st.sampled_from(TYPES), TREES), max_size=4
    ),
)
def test_any_parameters_are_answered_without_an_accident(
    soap: Soap, name: str, parameters: dict[str, tuple[str, str]]
) -> None:
    pairs = "".join(
        f"<a:KeyValuePairOfstringanyType>{written('b:key', key, bare=True)}"
        f'<b:value i:type="{kind}">{inner}</b:value></a:KeyValuePairOfstringanyType>'
        for key, (kind, inner) in parameters.items()
    )
    body = f"<request><a:Parameters>{pairs}</a:Parameters><a:RequestName>{name}</a:RequestName></request>"
    answered(soap, envelope(f'<Execute xmlns="{SERVICES}">{body}</Execute>'))
