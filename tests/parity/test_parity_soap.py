"""The Organization Service over SOAP: rows, types, faults, queries, requests."""

from decimal import Decimal

import pytest

from tests.parity.conftest import Web
from tests.parity.soap import (
    EMPTY,
    SERVICES,
    SOAP12,
    XRM,
    Aliased,
    Of,
    Ref,
    Row,
    Rows,
    Soap,
    SoapFault,
    columns,
    envelope,
    fetch,
    guid,
    guids,
    moment,
    money,
    name_of,
    option,
    options,
    parts_of,
    raw,
    references,
    relationship,
    request,
    type_of,
    value_of,
    written,
)

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def soap(web: Web) -> Soap:
    """The other client of the same organisation."""
    return Soap(web)


def test_a_row_is_created_read_changed_and_deleted(soap: Soap) -> None:
    id = soap.create("account", name="Grey <Heron> & Sons", revenue=money("1234.5"), donotemail=True)
    row = soap.retrieve("account", id, "name", "revenue", "donotemail", "statecode")
    assert (row.table, row.id) == ("account", id)
    assert row.values["name"] == "Grey <Heron> & Sons"
    assert row.values["accountid"] == id
    assert (row.values["revenue"], row.values["donotemail"]) == (Decimal("1234.5000"), True)
    assert row.formatted["revenue"] == "$1,234.50"
    assert row.formatted["statecode"] == "Active"
    soap.update("account", id, name="Renamed", revenue=None)
    row = soap.retrieve("account", id, "name", "revenue")
    assert row.values["name"] == "Renamed"
    assert "revenue" not in row.values
    soap.delete("account", id)
    with pytest.raises(SoapFault) as failed:
        soap.retrieve("account", id, "name")
    assert failed.value.code == -2147220969


def test_every_type_of_value_comes_back_as_it_was_sent(soap: Soap, web: Web) -> None:
    contact = soap.create("contact", lastname="Typed", birthdate=moment("1815-12-10T00:00:00Z"))
    id = soap.create(
        "account",
        name="All types",
        numberofemployees=7,
        revenue=money("12.3456"),
        address1_latitude=1.5,
        exchangerate=None,
        donotemail=False,
        industrycode=option(1),
        lastonholdtime=moment("2026-01-02T03:04:05+02:00"),
        primarycontactid=Ref("contact", contact),
    )
    row = soap.retrieve("account", id, everything=True)
    assert row.values["numberofemployees"] == 7
    assert row.values["revenue"] == Decimal("12.3456")
    assert row.values["address1_latitude"] == 1.5
    assert row.values["donotemail"] is False
    assert row.values["industrycode"] == 1
    assert row.values["lastonholdtime"] == "2026-01-02T01:04:05Z"
    assert row.values["primarycontactid"] == Ref("contact", contact, "Typed")
    assert row.values["ownerid"].table == "systemuser"
    assert (row.formatted["numberofemployees"], row.formatted["industrycode"]) == ("7", "Accounting")
    assert row.formatted["primarycontactid"] == "Typed"
    assert row.formatted["lastonholdtime"] == "1/2/2026 1:04 AM"
    assert soap.retrieve("contact", contact, "birthdate").values["birthdate"] == "1815-12-10T00:00:00Z"
    shown = web.get(f"accounts({id})?$select=name,_primarycontactid_value,industrycode").json
    assert (shown["_primarycontactid_value"], shown["industrycode"]) == (contact, 1)
    assert row.version == web.get(f"accounts({id})?$select=name").json["@odata.etag"].strip('W/"')


def test_text_that_xml_cannot_hold_as_it_is_survives(soap: Soap) -> None:
    awkward = "a\rb\n\tc & <d> \"e\" 'f' ]]> é 漢 \U0001f600"
    answer = soap.post(
        envelope(
            f'<Create xmlns="{SERVICES}"><entity><a:Attributes><a:KeyValuePairOfstringanyType><b:key>name</b:key>'
            '<b:value i:type="c:string">a&#13;b&#10;&#9;c &amp; &lt;d&gt; "e" \'f\' ]]&gt; é 漢 \U0001f600</b:value>'
            "</a:KeyValuePairOfstringanyType></a:Attributes><a:LogicalName>account</a:LogicalName></entity></Create>"
        )
    )
    id = answer.text.partition("<CreateResult>")[2].partition("<")[0]
    assert soap.retrieve("account", id, "name").values["name"] == awkward


def test_an_attribute_of_another_type_is_refused_by_name(soap: Soap) -> None:
    for value in (1, option(1), Of("c:string", "1")):
        wrong = value if not isinstance(value, int) else guid(MISSING)
        with pytest.raises(SoapFault) as failed:
            soap.create("account", name="Typed", revenue=wrong)
        assert failed.value.hex == "0x80040203"
        assert "revenue" in failed.value.message
    with pytest.raises(SoapFault) as failed:
        soap.create("account", name="Typed", nosuchcolumn="x")
    assert failed.value.hex == "0x80041103"


def test_a_fault_is_one_that_net_clients_expect(soap: Soap) -> None:
    answer = soap.post(
        envelope(f'<Delete xmlns="{SERVICES}"><entityName>account</entityName><id>{MISSING}</id></Delete>')
    )
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert "<faultcode>s:Client</faultcode>" in answer.text
    with pytest.raises(SoapFault) as failed:
        soap.delete("account", MISSING)
    parts = parts_of(failed.value.element)
    assert failed.value.element.tag == f"{{{XRM}}}OrganizationServiceFault"
    assert list(parts) == [
        "ActivityId", "ErrorCode", "ErrorDetails", "HelpLink", "Message", "Timestamp", "ExceptionRetriable",
        "ExceptionSource", "InnerFault", "OriginalException", "TraceText",
    ]  # fmt: skip
    assert parts["Message"].text == f"Entity 'account' With Id = {MISSING} Does Not Exist"
    assert parts["Timestamp"].text.endswith("Z")
    assert failed.value.details["OperationStatus"] == "0"


def test_soap_1_2_is_answered_in_its_own_shape(soap: Soap) -> None:
    soap.version = SOAP12
    id = soap.create("account", name="Newer")
    assert soap.retrieve("account", id, "name").values["name"] == "Newer"
    answer = soap.post(
        envelope(
            f'<Delete xmlns="{SERVICES}"><entityName>account</entityName><id>{MISSING}</id></Delete>',
            version=SOAP12,
        )
    )
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("application/soap+xml")
    assert "<s:Code><s:Value>s:Sender</s:Value></s:Code>" in answer.text


def test_a_request_without_a_token_is_told_where_to_get_one(soap: Soap) -> None:
    for path in (
        "Organization.svc/web",
        "organization.svc",
        "Organization.svc/web?SDKClientVersion=9.2.49.8267",
    ):
        answer = soap.web.client.get(f"/XRMServices/2011/{path}")
        assert answer.status_code == 401
        shown = answer.headers["WWW-Authenticate"]
        assert shown.startswith("Bearer authorization_uri=")
        assert "/oauth2/authorize, resource_id=" in shown
    answer = soap.post(envelope("<x/>"), authorization="Bearer nonsense")
    assert answer.status_code == 401


def test_rows_hang_on_a_new_row(soap: Soap) -> None:
    id = soap.create_row(
        Row(
            "account",
            {"name": "Deep"},
            related={
                ("account_primary_contact", None): [Row("contact", {"lastname": "First"})],
                ("Account_Tasks", None): [Row("task", {"subject": "one"}), Row("task", {"subject": "two"})],
            },
        )
    )
    row = soap.retrieve("account", id, "primarycontactid")
    assert row.values["primarycontactid"].name == "First"
    answer = soap.execute(
        "Retrieve",
        Target=Ref("account", id),
        ColumnSet=raw("a:ColumnSet", columns("name")),
        RelatedEntitiesQuery=raw(
            "a:RelationshipQueryCollection",
            "<a:KeyValuePairOfRelationshipQueryBaseX_PsK4FkN>"
            f"<b:key>{relationship('Account_Tasks')}</b:key>"
            + written("b:value", query("task", "subject", more=order("subject")))
            + "</a:KeyValuePairOfRelationshipQueryBaseX_PsK4FkN>",
        ),
    )
    tasks = answer["Entity"].related[("Account_Tasks", None)]
    assert [each.values["subject"] for each in tasks] == ["one", "two"]


def asked_along(*asked: tuple[str, str | None, Of]) -> Of:
    """A RelatedEntitiesQuery: relationship, role, query."""
    inner = "".join(
        "<a:KeyValuePairOfRelationshipQueryBaseX_PsK4FkN>"
        f"<b:key>{relationship(name, role)}</b:key>{written('b:value', wanted)}"
        "</a:KeyValuePairOfRelationshipQueryBaseX_PsK4FkN>"
        for name, role, wanted in asked
    )
    return raw("a:RelationshipQueryCollection", inner)


def test_rows_along_every_kind_of_relationship_come_with_a_row(soap: Soap) -> None:
    contact = soap.create("contact", lastname="Primary")
    parent = soap.create("account", name="Parent", primarycontactid=Ref("contact", contact))
    children = [
        soap.create("account", name=f"Child {number}", parentaccountid=Ref("account", parent))
        for number in range(3)
    ]
    lead = soap.create("lead", lastname="L", subject="S")
    soap.tie("Associate", "account", parent, "accountleads_association", Ref("lead", lead))
    soap.create("account", name="Of nobody")
    link = (
        "<a:LinkEntities><a:LinkEntity><a:Columns><a:AllColumns>false</a:AllColumns><a:Columns>"
        "<f:string>name</f:string></a:Columns></a:Columns><a:EntityAlias>up</a:EntityAlias>"
        "<a:JoinOperator>Inner</a:JoinOperator><a:LinkFromAttributeName>parentaccountid</a:LinkFromAttributeName>"
        "<a:LinkFromEntityName>account</a:LinkFromEntityName><a:LinkToAttributeName>accountid"
        "</a:LinkToAttributeName><a:LinkToEntityName>account</a:LinkToEntityName></a:LinkEntity></a:LinkEntities>"
    )
    two = "<a:PageInfo><a:Count>2</a:Count><a:PageNumber>1</a:PageNumber></a:PageInfo>"
    wanted = asked_along(
        ("account_primary_contact", None, query("contact", "lastname")),
        (
            "account_parent_account",
            "Referenced",
            query("account", "name", more=f"{link}{order('name')}{two}"),
        ),
        ("accountleads_association", None, query("lead", "subject")),
    )
    answer = soap.execute(
        "Retrieve", Target=Ref("account", parent), ColumnSet=raw("a:ColumnSet", columns("name")),
        RelatedEntitiesQuery=wanted,
    )["Entity"]  # fmt: skip
    found = {name: rows for (name, _), rows in answer.related.items()}
    assert [row.id for row in found["account_primary_contact"]] == [contact]
    assert [row.values["name"] for row in found["account_parent_account"]] == ["Child 0", "Child 1"]
    assert [row.values["up.name"].value for row in found["account_parent_account"]] == ["Parent", "Parent"]
    assert [row.id for row in found["accountleads_association"]] == [lead]
    up = asked_along(("account_parent_account", "Referencing", query("account", "name")))
    answer = soap.execute(
        "Retrieve", Target=Ref("account", children[0]), ColumnSet=raw("a:ColumnSet", columns()),
        RelatedEntitiesQuery=up,
    )["Entity"]  # fmt: skip
    assert [row.id for row in answer.related[("account_parent_account", None)]] == [parent]
    with pytest.raises(SoapFault) as failed:
        soap.execute(
            "Retrieve", Target=Ref("account", parent), ColumnSet=raw("a:ColumnSet", columns()),
            RelatedEntitiesQuery=asked_along(("account_primary_contact", None, query("lead", "subject"))),
        )  # fmt: skip
    assert failed.value.hex == "0x80040203"


def test_rows_are_tied_and_untied(soap: Soap) -> None:
    account = soap.create("account", name="One side")
    contacts = [soap.create("contact", lastname=f"Many {number}") for number in range(2)]
    refs = [Ref("contact", each) for each in contacts]
    soap.tie("Associate", "account", account, "contact_customer_accounts", *refs)
    for each in contacts:
        assert soap.retrieve("contact", each, "parentcustomerid").values["parentcustomerid"].id == account
    soap.tie("Disassociate", "account", account, "contact_customer_accounts", refs[0])
    assert "parentcustomerid" not in soap.retrieve("contact", contacts[0], "parentcustomerid").values
    with pytest.raises(SoapFault) as failed:
        soap.tie("Associate", "account", account, "no_such_relationship", refs[0])
    assert failed.value.hex == "0x80040e02"


def test_the_ends_of_a_relationship_of_a_table_with_itself_are_told_apart(soap: Soap) -> None:
    parent, child = (soap.create("account", name=name) for name in ("Parent", "Child"))
    by = "account_parent_account"
    with pytest.raises(SoapFault) as failed:
        soap.tie("Associate", "account", parent, by, Ref("account", child))
    assert "PrimaryEntityRole" in failed.value.message
    soap.tie("Associate", "account", parent, by, Ref("account", child), role="Referenced")
    assert soap.retrieve("account", child, "parentaccountid").values["parentaccountid"].id == parent
    soap.tie("Disassociate", "account", child, by, Ref("account", parent), role="Referencing")
    assert "parentaccountid" not in soap.retrieve("account", child, "parentaccountid").values


def test_a_row_is_changed_only_in_the_version_that_was_read(soap: Soap) -> None:
    id = soap.create("account", name="Versions")
    row = soap.retrieve("account", id, "name")
    matches = Of("m:ConcurrencyBehavior", "IfRowVersionMatches")
    target = Row("account", {"name": "Second"}, id, version=row.version)
    soap.execute("Update", Target=target, ConcurrencyBehavior=matches)
    with pytest.raises(SoapFault) as failed:
        soap.execute("Update", Target=target, ConcurrencyBehavior=matches)
    assert failed.value.hex == "0x80060882"
    with pytest.raises(SoapFault) as failed:
        soap.execute("Delete", Target=Ref("account", id), ConcurrencyBehavior=matches)
    assert failed.value.hex == "0x80060883"
    with pytest.raises(SoapFault) as failed:
        soap.execute("Delete", Target=Ref("account", id, version=row.version), ConcurrencyBehavior=matches)
    assert failed.value.hex == "0x80060882"
    now = soap.retrieve("account", id, "name")
    soap.execute("Delete", Target=Ref("account", id, version=now.version), ConcurrencyBehavior=matches)


def test_activities_show_their_parties_as_lists_of_rows(soap: Soap) -> None:
    contact = soap.create("contact", lastname="Receiver", emailaddress1="r@example.com")
    me = soap.execute("WhoAmI")["UserId"]
    email = soap.create(
        "email",
        subject="Parties",
        to=Rows([Row("activityparty", {"partyid": Ref("contact", contact)})], table="activityparty"),
        **{"from": Rows([Row("activityparty", {"partyid": Ref("systemuser", me)})])},
    )
    row = soap.retrieve("email", email, "subject", "to", "from", "cc")
    assert row.values["subject"] == "Parties"
    assert [party.values["partyid"].id for party in row.values["to"].rows] == [contact]
    assert [party.values["partyid"].id for party in row.values["from"].rows] == [me]
    assert "cc" not in row.values
    assert row.values["to"].rows[0].table == "activityparty"
    everything = soap.retrieve("email", email, everything=True)
    assert [party.values["partyid"].id for party in everything.values["to"].rows] == [contact]


# -- queries -------------------------------------------------------------------------------------------------------
def condition(
    name: str, operator: str, *values: object, entity: str | None = None, compare: bool = False
) -> str:
    """A ConditionExpression."""
    inner = "".join(written("f:anyType", value) for value in values)
    of = f"<a:EntityName>{entity}</a:EntityName>" if entity else ""
    return (
        f"<a:ConditionExpression><a:AttributeName>{name}</a:AttributeName>"
        f"<a:CompareColumns>{str(compare).lower()}</a:CompareColumns>"
        f"<a:Operator>{operator}</a:Operator><a:Values>{inner}</a:Values>{of}</a:ConditionExpression>"
    )


def criteria(*conditions: str, operator: str = "And", filters: str = "", tag: str = "a:Criteria") -> str:
    """A FilterExpression."""
    return (
        f"<{tag}><a:Conditions>{''.join(conditions)}</a:Conditions><a:FilterOperator>{operator}</a:FilterOperator>"
        f"<a:Filters>{filters}</a:Filters><a:IsQuickFindFilter>false</a:IsQuickFindFilter></{tag}>"
    )


def order(name: str, kind: str = "Ascending", alias: str | None = None) -> str:
    """The Orders of a query."""
    named = f"<a:Alias>{alias}</a:Alias>" if alias else f"<a:AttributeName>{name}</a:AttributeName>"
    return f"<a:Orders><a:OrderExpression>{named}<a:OrderType>{kind}</a:OrderType></a:OrderExpression></a:Orders>"


def link(
    table: str,
    from_: str,
    to: str,
    *names: str,
    join: str = "Inner",
    alias: str | None = None,
    more: str = "",
) -> str:
    """A LinkEntity."""
    named = f"<a:EntityAlias>{alias}</a:EntityAlias>" if alias else '<a:EntityAlias i:nil="true"/>'
    return (
        f"<a:LinkEntity><a:Columns>{columns(*names)}</a:Columns>{named}<a:JoinOperator>{join}</a:JoinOperator>{more}"
        f"<a:LinkFromAttributeName>{from_}</a:LinkFromAttributeName><a:LinkToAttributeName>{to}</a:LinkToAttributeName>"
        f"<a:LinkToEntityName>{table}</a:LinkToEntityName></a:LinkEntity>"
    )


def query(table: str, *names: str, more: str = "", expressions: str = "", top: int | None = None) -> Of:
    """A QueryExpression."""
    set_ = f"<a:AllColumns>false</a:AllColumns><a:AttributeExpressions>{expressions}</a:AttributeExpressions>"
    listed = "".join(f"<f:string>{name}</f:string>" for name in names)
    last = f"<a:TopCount>{top}</a:TopCount>" if top is not None else '<a:TopCount i:nil="true"/>'
    return raw(
        "a:QueryExpression",
        f"<a:ColumnSet>{set_}<a:Columns>{listed}</a:Columns></a:ColumnSet><a:Distinct>false</a:Distinct>"
        f"<a:EntityName>{table}</a:EntityName>{more}<a:NoLock>false</a:NoLock>{last}",
    )


def expression(
    name: str, alias: str, function: str = "None", *, group: bool = False, part: str = "None"
) -> str:
    """An AttributeExpression."""
    return (
        f"<a:AttributeExpression><a:AggregateType>{function}</a:AggregateType><a:Alias>{alias}</a:Alias>"
        f"<a:AttributeName>{name}</a:AttributeName><a:DateTimeGrouping>{part}</a:DateTimeGrouping>"
        f"<a:HasGroupBy>{str(group).lower()}</a:HasGroupBy></a:AttributeExpression>"
    )


def paging(count: int, number: int, cookie: str | None = None, total: bool = False) -> str:
    """A PagingInfo."""
    text = written("a:PagingCookie", cookie, bare=True) if cookie else '<a:PagingCookie i:nil="true"/>'
    return (
        f"<a:PageInfo><a:Count>{count}</a:Count><a:PageNumber>{number}</a:PageNumber>{text}"
        f"<a:ReturnTotalRecordCount>{str(total).lower()}</a:ReturnTotalRecordCount></a:PageInfo>"
    )


@pytest.fixture(scope="module")
def family(web: Web) -> dict[str, str]:
    """Some accounts with contacts: the ids by name."""
    soap, made = Soap(web), {}
    for number, city in enumerate(("Ulm", "Ulm", "Kiel", "Bonn", "Kiel")):
        name = f"Family {number}"
        made[name] = soap.create(
            "account",
            name=name,
            address1_city=city,
            numberofemployees=number,
            revenue=money(str(number * 100)),
            tickersymbol="family",
        )
        for child in range(number % 3):
            contact = f"{name}.{child}"
            made[contact] = soap.create(
                "contact",
                lastname=contact,
                firstname="F",
                parentcustomerid=Ref("account", made[name]),
            )
    return made


def names(rows: Rows, column: str = "name") -> list[str]:
    return [row.values[column] for row in rows.rows]


MINE = condition("tickersymbol", "Equal", "family")


def test_a_query_expression_finds_sorts_and_nests_filters(soap: Soap, family: dict[str, str]) -> None:
    either = criteria(
        condition("address1_city", "Equal", "Ulm"),
        condition("numberofemployees", "GreaterThan", 3),
        operator="Or",
        tag="a:FilterExpression",
    )
    found = soap.query(
        query("account", "name", more=criteria(MINE, filters=either) + order("name", "Descending"))
    )
    assert names(found) == ["Family 4", "Family 1", "Family 0"]
    assert (found.table, found.more, found.total) == ("account", False, -1)
    listed = condition("address1_city", "In", "Bonn", "Kiel")
    found = soap.query(query("account", "name", more=criteria(MINE, listed) + order("name")))
    assert names(found) == ["Family 2", "Family 3", "Family 4"]
    array = condition("accountid", "In", guids(family["Family 1"], family["Family 3"]))
    found = soap.query(query("account", "name", more=criteria(array) + order("name")))
    assert names(found) == ["Family 1", "Family 3"]
    found = soap.query(query("account", "name", more=criteria(MINE) + order("name"), top=2))
    assert names(found) == ["Family 0", "Family 1"]
    recent = condition("createdon", "LastXDays", 2)
    assert len(soap.query(query("account", "name", more=criteria(MINE, recent))).rows) == 5
    mine = condition("ownerid", "EqualUserId")
    assert len(soap.query(query("account", "name", more=criteria(MINE, mine))).rows) == 5


def test_links_bring_columns_under_aliases(soap: Soap, family: dict[str, str]) -> None:
    inner = link("contact", "accountid", "parentcustomerid", "lastname", alias="c")
    found = soap.query(
        query(
            "account",
            "name",
            more=criteria(MINE) + f"<a:LinkEntities>{inner}</a:LinkEntities>" + order("name"),
        )
    )
    assert [(row.values["name"], row.values["c.lastname"]) for row in found.rows] == [
        ("Family 1", Aliased("contact", "lastname", "Family 1.0")),
        ("Family 2", Aliased("contact", "lastname", "Family 2.0")),
        ("Family 2", Aliased("contact", "lastname", "Family 2.1")),
        ("Family 4", Aliased("contact", "lastname", "Family 4.0")),
    ]
    none = link("contact", "accountid", "parentcustomerid", join="LeftOuter", alias="c")
    without = condition("contactid", "Null", entity="c")
    found = soap.query(
        query(
            "account",
            "name",
            more=criteria(MINE, without) + f"<a:LinkEntities>{none}</a:LinkEntities>" + order("name"),
        )
    )
    assert names(found) == ["Family 0", "Family 3"]
    some = link(
        "contact", "accountid", "parentcustomerid", join="Exists",
        more=criteria(condition("lastname", "Like", "%.1"), tag="a:LinkCriteria"),
    )  # fmt: skip
    found = soap.query(
        query("account", "name", more=criteria(MINE) + f"<a:LinkEntities>{some}</a:LinkEntities>")
    )
    assert names(found) == ["Family 2"]


def test_rows_of_a_page_are_what_each_is_alone(soap: Soap) -> None:
    contact = soap.create("contact", lastname="Page <& Row>")
    given = [
        {"name": "Plain", "revenue": money("1.5"), "numberofemployees": 1234567},
        {"name": "R&D <Page>", "revenue": money("1234.5"), "primarycontactid": Ref("contact", contact)},
        {"name": "漢字", "revenue": money("0"), "industrycode": option(1), "donotemail": True},
        {
            "name": 'Quoted "]]>" \x7f',
            "numberofemployees": 0,
            "lastonholdtime": moment("2026-01-02T00:04:05Z"),
        },
    ]
    ids = [soap.create("account", fax="one page", **each) for each in given]
    which = criteria(condition("fax", "Equal", "one page"))
    shown = ["name", "revenue", "numberofemployees", "primarycontactid", "industrycode", "donotemail",
             "lastonholdtime", "createdon", "ownerid", "address1_city"]  # fmt: skip
    page = {row.id: row for row in soap.query(query("account", *shown, more=which)).rows}
    assert set(page) == set(ids)
    for id, each in zip(ids, given, strict=True):
        assert page[id] == soap.retrieve("account", id, *shown)
        assert page[id].values["name"] == each["name"]
    assert page[ids[1]].formatted["revenue"] == "$1,234.50"
    assert page[ids[1]].formatted["primarycontactid"] == "Page <& Row>"
    assert page[ids[2]].formatted["revenue"] == "$0.00"
    assert page[ids[3]].formatted["lastonholdtime"] == "1/2/2026 12:04 AM"
    assert not {"revenue", "primarycontactid"} & (set(page[ids[3]].values) | set(page[ids[3]].formatted))


def test_columns_are_summed_and_grouped(soap: Soap, family: dict[str, str]) -> None:
    asked = (
        expression("address1_city", "city", group=True)
        + expression("revenue", "total", "Sum")
        + expression("accountid", "number", "Count")
    )
    found = soap.query(query("account", expressions=asked, more=criteria(MINE) + order("", alias="city")))
    assert [
        (row.values["city"].value, row.values["total"].value, row.values["number"].value)
        for row in found.rows
    ] == [("Bonn", Decimal(300), 1), ("Kiel", Decimal(600), 2), ("Ulm", Decimal(100), 2)]
    assert found.rows[0].values["total"].column == "revenue"
    assert found.rows[0].id == EMPTY
    text = (
        '<fetch aggregate="true"><entity name="account"><attribute name="numberofemployees" alias="most" '
        'aggregate="max"/><filter><condition attribute="tickersymbol" operator="eq" value="family"/></filter>'
        "</entity></fetch>"
    )
    assert soap.query(fetch(text)).rows[0].values["most"].value == 4


def test_pages_are_walked_by_their_cookie(soap: Soap, family: dict[str, str]) -> None:
    seen: list[str] = []
    cookie, number = None, 1
    while True:
        more = criteria(MINE) + order("address1_city") + paging(2, number, cookie, total=True)
        found = soap.query(query("account", "name", more=more))
        seen += names(found)
        assert found.total == 5
        if not found.more:
            break
        assert found.cookie is not None
        assert found.cookie.startswith(f'<cookie page="{number}">')
        cookie, number = found.cookie, number + 1
    assert number == 3
    assert sorted(seen) == [f"Family {each}" for each in range(5)]
    second = soap.query(query("account", "name", more=criteria(MINE) + order("name") + paging(2, 2)))
    assert names(second) == ["Family 2", "Family 3"]


def test_rows_are_found_by_attribute_and_by_fetchxml(soap: Soap, family: dict[str, str]) -> None:
    by_attribute = raw(
        "a:QueryByAttribute",
        "<a:Attributes><f:string>tickersymbol</f:string><f:string>address1_city</f:string>"
        f"<f:string>fax</f:string></a:Attributes><a:ColumnSet>{columns('name')}</a:ColumnSet>"
        f"<a:EntityName>account</a:EntityName>{order('name')}"
        '<a:Values><f:anyType i:type="c:string">family</f:anyType><f:anyType i:type="c:string">Kiel</f:anyType>'
        '<f:anyType i:nil="true"/></a:Values>',
    )
    assert names(soap.query(by_attribute)) == ["Family 2", "Family 4"]
    text = (
        '<fetch count="2"><entity name="account"><attribute name="name"/><order attribute="name"/><filter>'
        '<condition attribute="tickersymbol" operator="eq" value="family"/></filter></entity></fetch>'
    )
    found = soap.query(fetch(text))
    assert names(found) == ["Family 0", "Family 1"]
    assert found.more
    with pytest.raises(SoapFault) as failed:
        soap.query(fetch("<fetch>"))
    assert failed.value.hex.startswith("0x8004")


def test_a_query_that_cannot_be_answered_is_refused_by_name(soap: Soap) -> None:
    for more, wanted in (
        (criteria(condition("nosuch", "Equal", 1)), "nosuch"),
        (
            "<a:SubQueryExpression><a:EntityName>contact</a:EntityName></a:SubQueryExpression>",
            "SubQueryExpression",
        ),
        (criteria(condition("name", "Mask", 1)), "mask"),
        ("<a:NoSuchMember>1</a:NoSuchMember>", "NoSuchMember"),
        (order("name") + order("name"), "Orders"),
    ):
        with pytest.raises(SoapFault) as failed:
            soap.query(query("account", "name", more=more))
        assert wanted in failed.value.message
    with pytest.raises(SoapFault) as failed:
        soap.query(query("nosuchtable", "name"))
    assert failed.value.hex == "0x80041102"


def test_queries_are_turned_into_the_other_language_and_back(soap: Soap, family: dict[str, str]) -> None:
    text = (
        '<fetch><entity name="account"><attribute name="name"/><order attribute="name" descending="true"/><filter>'
        '<condition attribute="tickersymbol" operator="eq" value="family"/>'
        '<condition attribute="createdon" operator="last-x-days" value="3"/></filter>'
        '<link-entity name="contact" from="parentcustomerid" to="accountid" alias="c" link-type="inner">'
        '<attribute name="lastname"/></link-entity></entity></fetch>'
    )
    made = soap.executed("FetchXmlToQueryExpression", {"FetchXml": text})
    query_element = parts_of(parts_of(parts_of(made)["Results"][0])["value"])
    assert query_element["EntityName"].text == "account"
    xml = soap.results(made)["Query"]
    assert type_of(xml) == f"{{{XRM}}}QueryExpression"
    # What came out goes in again.
    from lxml import etree

    inner = "".join(etree.tostring(each).decode() for each in xml)
    found = soap.query(raw("a:QueryExpression", inner))
    assert next(row.values["c.lastname"].value for row in found.rows) == "Family 4.0"
    back = soap.execute("QueryExpressionToFetchXml", Query=raw("a:QueryExpression", inner))["FetchXml"]
    assert names(soap.query(fetch(back))) == names(found)


# -- requests ------------------------------------------------------------------------------------------------------
def test_requests_are_known_by_name_and_answer_with_their_types(soap: Soap) -> None:
    answer = soap.executed("WhoAmI", {}, kind="g:WhoAmIRequest")
    assert type_of(answer) == "{http://schemas.microsoft.com/crm/2011/Contracts}WhoAmIResponse"
    assert parts_of(answer)["ResponseName"].text == "WhoAmI"
    results = soap.results(answer)
    assert sorted(results) == ["BusinessUnitId", "OrganizationId", "UserId"]
    value = parts_of(parts_of(answer)["Results"][0])["value"]
    assert type_of(value) == "{http://schemas.microsoft.com/2003/10/Serialization/}guid"
    assert soap.execute("RetrieveVersion")["Version"].startswith("9.2.")
    made = soap.executed(
        "Create", {"Target": Row("account", {"name": "Typed request"})}, kind="a:CreateRequest"
    )
    assert type_of(made) == f"{{{XRM}}}CreateResponse"
    id = soap.results(made)["id"]
    read = soap.execute("Retrieve", Target=Ref("account", id), ColumnSet=raw("a:ColumnSet", columns("name")))
    assert read["Entity"].values["name"] == "Typed request"
    found = soap.execute(
        "RetrieveMultiple",
        Query=query("account", "name", more=criteria(condition("accountid", "Equal", guid(id)))),
    )
    assert names(found["EntityCollection"]) == ["Typed request"]


def test_a_message_that_is_not_there_is_a_fault_that_names_it(soap: Soap, web: Web) -> None:
    for name in ("CloneAsPatch", "StageSolution", "NoSuchMessage"):
        with pytest.raises(SoapFault) as failed:
            soap.execute(name)
        assert failed.value.hex == "0x80040219"
        assert name in failed.value.message
    with pytest.raises(SoapFault) as failed:
        soap.execute("WhoAmI", Surplus=1)
    assert "Surplus" in failed.value.message
    with pytest.raises(SoapFault) as failed:
        soap.execute("GrantAccess")
    assert "Target" in failed.value.message


def test_an_upsert_says_whether_it_has_created(soap: Soap, web: Web) -> None:
    key = {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityKeyMetadata",
        "SchemaName": "new_code",
        "KeyAttributes": ["accountnumber"],
        "DisplayName": {"LocalizedLabels": [{"Label": "Code", "LanguageCode": 1033}]},
    }
    web.call("POST", "EntityDefinitions(LogicalName='account')/Keys", key)
    target = Row("account", {"name": "By key"}, keys={"accountnumber": "K-1"})
    first = soap.execute("Upsert", Target=target)
    assert first["RecordCreated"] is True
    second = soap.execute("Upsert", Target=Row("account", {"name": "Again"}, keys={"accountnumber": "K-1"}))
    assert second["RecordCreated"] is False
    assert second["Target"].id == first["Target"].id
    read = soap.execute(
        "Retrieve",
        Target=Ref("account", keys={"accountnumber": "K-1"}),
        ColumnSet=raw("a:ColumnSet", columns("name", "accountnumber")),
    )["Entity"]
    assert (read.id, read.values["name"], read.values["accountnumber"]) == (
        first["Target"].id,
        "Again",
        "K-1",
    )
    soap.execute("Update", Target=Row("account", {"name": "Third"}, keys={"accountnumber": "K-1"}))
    assert soap.retrieve("account", read.id, "name").values["name"] == "Third"
    contact = soap.create(
        "contact", lastname="K", parentcustomerid=Ref("account", keys={"accountnumber": "K-1"})
    )
    assert soap.retrieve("contact", contact, "parentcustomerid").values["parentcustomerid"].id == read.id
    made = soap.execute("Create", Target=Row("account", {"name": "Keyed"}, keys={"accountnumber": "K-2"}))[
        "id"
    ]
    assert soap.retrieve("account", made, "accountnumber").values["accountnumber"] == "K-2"


def requests(*items: str) -> Of:
    return raw("l:OrganizationRequestCollection", "".join(items))


def one(name: str, **parameters: object) -> str:
    return request(name, parameters, tag="l:OrganizationRequest")


def settings(go_on: bool, tell: bool) -> Of:
    return raw(
        "l:ExecuteMultipleSettings",
        f"<l:ContinueOnError>{str(go_on).lower()}</l:ContinueOnError>"
        f"<l:ReturnResponses>{str(tell).lower()}</l:ReturnResponses>",
    )


def items_of(answer: dict[str, object]) -> list[tuple[int, str | None, str | None]]:
    """Index, name of the response, message of the fault."""
    found = []
    for item in answer["Responses"] if not isinstance(answer["Responses"], str) else []:  # type: ignore[attr-defined]
        parts = parts_of(item)
        response, failed = parts_of(parts["Response"]), parts_of(parts["Fault"])
        found.append((
            int(parts["RequestIndex"].text),
            response["ResponseName"].text if response else None,
            failed["Message"].text if failed else None,
        ))  # fmt: skip
    return found


def test_many_requests_run_one_by_one(soap: Soap, web: Web) -> None:
    name = web.name("Many")
    wrong = one("Delete", Target=Ref("account", MISSING))
    good = one("Create", Target=Row("account", {"name": name}))
    answer = soap.execute(
        "ExecuteMultiple", Requests=requests(good, wrong, good), Settings=settings(True, True)
    )
    assert answer["IsFaulted"] is True
    first, second, third = items_of(answer)
    assert (first[:2], third[:2]) == ((0, "Create"), (2, "Create"))
    assert second[0] == 1
    assert "Does Not Exist" in (second[2] or "")
    answer = soap.execute(
        "ExecuteMultiple", Requests=requests(good, wrong, good), Settings=settings(False, False)
    )
    assert [each[0] for each in items_of(answer)] == [1]
    rows = web.get(f"accounts?$filter=name eq '{name}'&$select=name").rows
    assert len(rows) == 3
    answer = soap.execute("ExecuteMultiple", Requests=requests(good), Settings=settings(False, False))
    assert (answer["IsFaulted"], items_of(answer)) == (False, [])
    nested = one("ExecuteMultiple", Requests=requests(good), Settings=settings(True, True))
    answer = soap.execute("ExecuteMultiple", Requests=requests(nested), Settings=settings(True, True))
    assert "ExecuteMultiple" in (items_of(answer)[0][2] or "")


def test_more_requests_than_are_allowed_are_refused_with_the_limit(soap: Soap) -> None:
    with pytest.raises(SoapFault) as failed:
        soap.execute(
            "ExecuteMultiple", Requests=requests(*[one("WhoAmI")] * 1001), Settings=settings(True, True)
        )
    assert failed.value.details["MaxBatchSize"] == "1000"


def test_a_transaction_is_whole_or_did_not_happen(soap: Soap, web: Web) -> None:
    name = web.name("Transaction")
    good = one("Create", Target=Row("account", {"name": name}))
    answer = soap.execute("ExecuteTransaction", Requests=requests(good, good), ReturnResponses=True)
    ids = [soap.results(each)["id"] for each in answer["Responses"]]
    assert len(set(ids)) == 2
    wrong = one("Delete", Target=Ref("account", MISSING))
    with pytest.raises(SoapFault) as failed:
        soap.execute("ExecuteTransaction", Requests=requests(good, wrong, good))
    assert (
        type_of(failed.value.element)
        == "{http://schemas.microsoft.com/xrm/7.1/Contracts}ExecuteTransactionFault"
    )
    assert parts_of(failed.value.element)["FaultedRequestIndex"].text == "1"
    assert len(web.get(f"accounts?$filter=name eq '{name}'&$select=name").rows) == 2


def test_many_rows_are_changed_only_in_their_versions(soap: Soap) -> None:
    ids = [soap.create("account", name="First") for _ in range(2)]
    matches = Of("m:ConcurrencyBehavior", "IfRowVersionMatches")
    versions = [soap.retrieve("account", id, "name").version for id in ids]

    def change(name: str, *seen: str | None) -> None:
        rows = [Row("account", {"name": name}, id, version=each) for id, each in zip(ids, seen, strict=True)]
        soap.execute("UpdateMultiple", Targets=Rows(rows), ConcurrencyBehavior=matches)

    change("Second", *versions)
    now = [soap.retrieve("account", id, "name").version for id in ids]
    for seen, code in (((now[0], versions[1]), "0x80060882"), ((now[0], None), "0x80060883")):
        with pytest.raises(SoapFault) as failed:
            change("Lost", *seen)
        assert failed.value.hex == code
    assert [soap.retrieve("account", id, "name").values["name"] for id in ids] == ["Second"] * 2


def test_many_rows_of_a_table_go_in_one_request(soap: Soap, web: Web) -> None:
    rows = Rows([Row("account", {"name": f"Bulk {number}"}) for number in range(3)], table="account")
    ids = soap.execute("CreateMultiple", Targets=rows)["Ids"]
    assert len(ids) == 3
    soap.execute("UpdateMultiple", Targets=Rows([Row("account", {"name": "Changed"}, id) for id in ids]))
    assert {soap.retrieve("account", id, "name").values["name"] for id in ids} == {"Changed"}
    upserts = Rows([Row("account", {"name": "Third"}, ids[0]), Row("account", {"name": "New"})])
    answers = soap.execute("UpsertMultiple", Targets=upserts)["Results"]
    assert [soap.results(each)["RecordCreated"] for each in answers] == [False, True]
    soap.execute(
        "DeleteMultiple",
        Targets=raw("a:EntityReferenceCollection", references(*(Ref("account", id) for id in ids))),
    )
    assert web.get(f"accounts({ids[0]})").status == 404


def a_team(web: Web, name: str, kind: int) -> str:
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    bound = {"businessunitid@odata.bind": f"businessunits({unit})"}
    return web.make("teams", name=web.name(name), teamtype=kind, **bound)


def test_state_and_owner_are_set_by_requests_of_their_own(soap: Soap, web: Web) -> None:
    account = soap.create("account", name="Stateful")
    soap.execute("SetState", EntityMoniker=Ref("account", account), State=option(1), Status=option(2))
    row = soap.retrieve("account", account, "statecode", "statuscode")
    assert (row.values["statecode"], row.values["statuscode"]) == (1, 2)
    team = a_team(web, "Owners", 0)
    role = web.get("roles?$filter=name eq 'System Administrator'&$select=roleid").rows[0]["roleid"]
    soap.tie("Associate", "team", team, "teamroles_association", Ref("role", role))
    soap.execute("Assign", Target=Ref("account", account), Assignee=Ref("team", team))
    assert soap.retrieve("account", account, "ownerid").values["ownerid"].id == team
    me = soap.execute("WhoAmI")["UserId"]
    soap.execute("AddMembersTeam", TeamId=guid(team), MemberIds=guids(me))
    members = web.get(f"teams({team})?$expand=teammembership_association($select=fullname)").json
    assert [each["systemuserid"] for each in members["teammembership_association"]] == [me]
    soap.execute("RemoveMembersTeam", TeamId=guid(team), MemberIds=guids(me))


def test_access_is_granted_asked_for_and_revoked(soap: Soap, web: Web) -> None:
    account = soap.create("account", name="Shared")
    team = a_team(web, "Friends", 1)

    def access(mask: str) -> Of:
        principal = written("g:Principal", Ref("team", team), bare=True)
        return raw("g:PrincipalAccess", f"<g:AccessMask>{mask}</g:AccessMask>{principal}")

    soap.execute(
        "GrantAccess", Target=Ref("account", account), PrincipalAccess=access("ReadAccess WriteAccess")
    )
    (shared,) = soap.execute("RetrieveSharedPrincipalsAndAccess", Target=Ref("account", account))[
        "PrincipalAccesses"
    ]
    assert sorted(parts_of(shared)["AccessMask"].text.split()) == ["ReadAccess", "WriteAccess"]
    assert parts_of(parts_of(shared)["Principal"])["Id"].text == team
    me = Ref("systemuser", soap.execute("WhoAmI")["UserId"])
    told = soap.execute("RetrievePrincipalAccess", Target=Ref("account", account), Principal=me)
    assert {"ReadAccess", "DeleteAccess", "ShareAccess"} <= set(told["AccessRights"].split())
    soap.execute("ModifyAccess", Target=Ref("account", account), PrincipalAccess=access("ReadAccess"))
    (shared,) = soap.execute("RetrieveSharedPrincipalsAndAccess", Target=Ref("account", account))[
        "PrincipalAccesses"
    ]
    assert parts_of(shared)["AccessMask"].text == "ReadAccess"
    soap.execute("RevokeAccess", Target=Ref("account", account), Revokee=Ref("team", team))
    told = soap.execute("RetrieveSharedPrincipalsAndAccess", Target=Ref("account", account))
    assert not len(told["PrincipalAccesses"])


def test_a_sale_goes_from_lead_to_won(soap: Soap) -> None:
    lead = soap.create("lead", subject="S", lastname="Lead", companyname="Company")
    made = soap.execute(
        "QualifyLead", LeadId=Ref("lead", lead), CreateAccount=True, CreateContact=True, CreateOpportunity=True,
        Status=option(3),
    )["CreatedEntities"]  # fmt: skip
    assert [each.table for each in made] == ["account", "contact", "opportunity"]
    close = Row("opportunityclose", {"subject": "Won", "opportunityid": Ref("opportunity", made[2].id)})
    soap.execute("WinOpportunity", OpportunityClose=close, Status=option(3))
    assert soap.retrieve("opportunity", made[2].id, "statecode").values["statecode"] == 1
    case = soap.create("incident", title="Case", customerid=Ref("account", made[0].id))
    resolution = Row("incidentresolution", {"subject": "Solved", "incidentid": Ref("incident", case)})
    soap.execute("CloseIncident", IncidentResolution=resolution, Status=option(5))
    assert soap.retrieve("incident", case, "statecode").values["statecode"] == 1
    other = soap.create("account", name="Double")
    soap.execute(
        "Merge", Target=Ref("account", made[0].id), SubordinateId=guid(other),
        UpdateContent=Row("account", {"telephone1": "1"}), PerformParentingChecks=False,
    )  # fmt: skip
    assert soap.retrieve("account", other, "statecode").values["statecode"] == 1
    started = soap.execute(
        "InitializeFrom", EntityMoniker=Ref("lead", lead), TargetEntityName="account",
        TargetFieldType=Of("g:TargetFieldType", "All"),
    )["Entity"]  # fmt: skip
    assert started.values["name"] == "Company"


def test_members_go_into_lists_and_rows_through_queues(soap: Soap, web: Web) -> None:
    contacts = [soap.create("contact", lastname=f"Member {number}") for number in range(2)]
    wanted = soap.create("list", listname="L", createdfromcode=option(2), type=False)
    soap.execute("AddListMembersList", ListId=guid(wanted), MemberIds=guids(*contacts))
    assert len(web.get(f"listmembers?$filter=_listid_value eq {wanted}").rows) == 2
    soap.execute("RemoveMemberList", ListId=guid(wanted), EntityId=guid(contacts[0]))
    queue = soap.create("queue", name=web.name("Queue"))
    task = soap.create("task", subject="Queued")
    item = soap.execute("AddToQueue", DestinationQueueId=guid(queue), Target=Ref("task", task))["QueueItemId"]
    me = soap.execute("WhoAmI")["UserId"]
    soap.execute("PickFromQueue", QueueItemId=guid(item), WorkerId=guid(me), RemoveQueueItem=False)
    assert soap.retrieve("queueitem", item, "workerid").values["workerid"].id == me
    soap.execute("RemoveFromQueue", QueueItemId=guid(item))


def test_changes_are_told_since_a_token(soap: Soap, web: Web) -> None:
    def changes(**more: object) -> tuple[list[str], list[str], dict[str, object]]:
        answer = soap.execute(
            "RetrieveEntityChanges",
            EntityName="contact",
            Columns=raw("a:ColumnSet", columns("lastname")),
            **more,
        )["EntityChanges"]
        parts = parts_of(answer)
        rows, gone = [], []
        for item in parts["Changes"]:
            inner = parts_of(item)
            if "NewOrUpdatedEntity" in inner:
                rows.append(parts_of(inner["NewOrUpdatedEntity"])["Id"].text)
            else:
                gone.append(parts_of(inner["RemovedItem"])["Id"].text)
        return (
            rows,
            gone,
            {name: value_of(each) or each.text for name, each in parts.items() if name != "Changes"},
        )

    web.call(
        "PUT", "EntityDefinitions(LogicalName='contact')",
        {**web.get("EntityDefinitions(LogicalName='contact')").json, "ChangeTrackingEnabled": True},
    )  # fmt: skip
    first = soap.create("contact", lastname="Before")
    page = raw("a:PagingInfo", "<a:Count>1</a:Count><a:PageNumber>1</a:PageNumber>")
    rows, _, said = changes(PageInfo=page)
    seen, number = rows, 2
    while said["MoreRecords"] == "true":
        cookie = written("a:PagingCookie", str(said["PagingCookie"]), bare=True)
        page = raw("a:PagingInfo", f"<a:Count>50</a:Count><a:PageNumber>{number}</a:PageNumber>{cookie}")
        rows, _, said = changes(PageInfo=page)
        seen, number = seen + rows, number + 1
    assert first in seen
    second = soap.create("contact", lastname="After")
    soap.delete("contact", first)
    rows, gone, _ = changes(DataVersion=str(said["DataToken"]))
    assert (rows, gone) == ([second], [first])


def test_files_go_up_and_down_in_blocks(soap: Soap, web: Web) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.FileAttributeMetadata",
        "SchemaName": "new_SoapFile",
        "DisplayName": {"LocalizedLabels": [{"Label": "File", "LanguageCode": 1033}]},
    }
    web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", column)
    account = soap.create("account", name="Files")
    target = Ref("account", account)
    begun = soap.execute(
        "InitializeFileBlocksUpload", Target=target, FileAttributeName="new_soapfile", FileName="a.txt"
    )
    token = begun["FileContinuationToken"]
    soap.execute("UploadBlock", BlockId="MQ==", BlockData=b"some content", FileContinuationToken=token)
    done = soap.execute(
        "CommitFileBlocksUpload", BlockList=raw("f:ArrayOfstring", "<f:string>MQ==</f:string>"), FileName="a.txt",
        MimeType="text/plain", FileContinuationToken=token,
    )  # fmt: skip
    assert done["FileSizeInBytes"] == 12
    down = soap.execute("InitializeFileBlocksDownload", Target=target, FileAttributeName="new_soapfile")
    block = soap.execute(
        "DownloadBlock", Offset=Of("c:long", 5), BlockLength=Of("c:long", 7),
        FileContinuationToken=down["FileContinuationToken"],
    )  # fmt: skip
    assert block["Data"] == b"content"


def test_a_request_runs_as_whom_its_header_names(soap: Soap, web: Web) -> None:
    unit = soap.execute("WhoAmI")["BusinessUnitId"]
    user = web.make(
        "systemusers", firstname="No", lastname="Rights", domainname=f"{web.name('nobody').replace(' ', '')}@x.example",
        **{"businessunitid@odata.bind": f"businessunits({unit})"},
    )  # fmt: skip
    soap.headers = f"<a:CallerId>{user}</a:CallerId><a:SdkClientVersion>9.2</a:SdkClientVersion>"
    assert soap.execute("WhoAmI")["UserId"] == user
    with pytest.raises(SoapFault) as failed:
        soap.create("account", name="Not allowed")
    assert failed.value.hex == "0x80040220"
    soap.headers = f"<a:CallerId>{EMPTY}</a:CallerId>"
    assert soap.execute("WhoAmI")["UserId"] != user
    soap.headers = "<a:CallerId>nonsense</a:CallerId>"
    with pytest.raises(SoapFault):
        soap.execute("WhoAmI")
    soap.headers = '<x:Secret xmlns:x="urn:x" s:mustUnderstand="1">1</x:Secret>'
    with pytest.raises(SoapFault) as failed:
        soap.execute("WhoAmI")
    assert "Secret" in failed.value.message


def test_multi_select_choices_come_as_collections(soap: Soap, web: Web) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata",
        "SchemaName": "new_SoapKinds",
        "DisplayName": {"LocalizedLabels": [{"Label": "Kinds", "LanguageCode": 1033}]},
        "OptionSet": {
            "@odata.type": "Microsoft.Dynamics.CRM.OptionSetMetadata",
            "Options": [
                {
                    "Value": number,
                    "Label": {"LocalizedLabels": [{"Label": f"K{number}", "LanguageCode": 1033}]},
                }
                for number in (1, 2, 3)
            ],
        },
    }
    assert web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", column).status == 204
    id = soap.create("account", name="Kinds", new_soapkinds=options(3, 1))
    row = soap.retrieve("account", id, "new_soapkinds")
    assert row.values["new_soapkinds"] == (1, 3)
    assert row.formatted["new_soapkinds"] == "K1; K3"


def test_a_large_page_is_sent_in_parts(soap: Soap, web: Web) -> None:
    made = Rows([Row("task", {"subject": f"Large {number}"}) for number in range(600)])
    soap.execute("CreateMultiple", Targets=made)
    like = criteria(condition("subject", "Like", "Large %"))
    found = soap.query(query("task", "subject", "createdon", "ownerid", more=like))
    assert len({row.values["subject"] for row in found.rows}) == 600
    assert name_of(soap.operation("RetrieveMultiple", written("query", query("task", more=like)))) == (
        "RetrieveMultipleResult"
    )
