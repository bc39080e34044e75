"""FetchXML through the Web API: columns, links, filters, order, pages, groups, and what is refused.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/overview
"""

import re
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import pytest

from tests.parity.conftest import ROOT, Answer, Web

ALL = 'odata.include-annotations="*"'
FORMATTED = "OData.Community.Display.V1.FormattedValue"
PRIMARY = "name='account' from='primarycontactid' to='contactid'"
ATTRIBUTE = "OData.Community.Display.V1.AttributeName"


def fetch(
    web: Web, inside: str, *, table: str = "contact", fetch: str = "", more: str = "", **headers: str
) -> Answer:
    """Ask a question: ``inside`` stands in the entity, ``fetch`` in the fetch element itself."""
    text = f"<fetch {fetch}><entity name='{table}'>{inside}</entity></fetch>"
    return web.get(f"{table}s?fetchXml={quote(text)}{more}", **headers)


def of(name: str) -> str:
    """A filter by last name, so that tests do not see one another's rows."""
    return f"<filter><condition attribute='lastname' operator='eq' value='{name}'/></filter>"


@pytest.fixture(scope="module")
def people(web: Web) -> Web:
    """Two accounts, their contacts, and contacts of nobody."""
    blue = web.make("accounts", name="F Blue", revenue=10, industrycode=1, address1_city="Oslo")
    red = web.make("accounts", name="F Red", revenue=20.5, industrycode=12, address1_city="Oslo")
    web.make("accounts", name="F Lonely", industrycode=1)
    for firstname, account, children in (
        ("Ann", blue, 1), ("Bob", blue, 2), ("Cem", red, None), ("Dan", None, 4), ("Eve", None, None),
    ):  # fmt: skip
        bound = {"parentcustomerid_account@odata.bind": f"accounts({account})"} if account else {}
        made = web.make("contacts", firstname=firstname, lastname="Fx", numberofchildren=children, **bound)
        if firstname in ("Ann", "Cem"):
            path = f"accounts({account})/primarycontactid/$ref"
            assert web.call("PUT", path, {"@odata.id": f"{ROOT}contacts({made})"}).status == 204
    return web


def names(answer: Answer, name: str = "firstname") -> str:
    """The first letters of one column, in the order of the answer."""
    return "".join(row[name][0] for row in answer.rows)


# -- columns ---------------------------------------------------------------------------------------------------------
def test_columns_come_by_their_names_and_what_is_null_is_left_out(people: Web) -> None:
    inside = (
        "<attribute name='firstname'/><attribute name='numberofchildren'/><order attribute='firstname'/>"
        + of("Fx")
    )
    answer = fetch(people, inside)
    assert answer.json["@odata.context"] == f"{ROOT}$metadata#contacts(firstname,numberofchildren,contactid)"
    assert [set(row) for row in answer.rows[1:3]] == [
        {"@odata.etag", "firstname", "numberofchildren", "contactid"}, {"@odata.etag", "firstname", "contactid"},
    ]  # fmt: skip


def test_without_an_attribute_all_columns_come(people: Web) -> None:
    (row,) = fetch(people, of("Fx"), fetch="top='1'").rows
    assert {"fullname", "lastname", "createdon", "_ownerid_value", "statecode"} <= set(row)
    linked = "<link-entity name='account' from='accountid' to='parentcustomerid' alias='a'>{}</link-entity>"
    (row,) = fetch(
        people, "<attribute name='fullname'/>" + linked.format("") + of("Fx"), fetch="top='1'"
    ).rows
    assert set(row) == {"@odata.etag", "fullname", "contactid"}
    (row,) = fetch(people, linked.format("<all-attributes/>") + of("Fx"), fetch="top='1'").rows
    assert {"a.name", "a.revenue", "a.createdby"} <= set(row)


def test_aliases_and_linked_columns_say_which_column_they_are(people: Web) -> None:
    inside = (
        "<attribute name='firstname' alias='given'/><attribute name='parentcustomerid' alias='of'/>"
        "<link-entity name='account' from='accountid' to='parentcustomerid' alias='a'><attribute name='industrycode'/>"
        "<attribute name='primarycontactid'/><attribute name='name' alias='company'/></link-entity>"
        f"<order attribute='firstname'/>{of('Fx')}"
    )
    row = fetch(people, inside, fetch="top='1'", prefer=ALL).rows[0]
    assert (row["given"], row[f"given@{ATTRIBUTE}"]) == ("Ann", "firstname")
    assert row[f"of@{FORMATTED}"] == "F Blue"
    assert row["of@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert (row["a.industrycode"], row[f"a.industrycode@{FORMATTED}"]) == (1, "Accounting")
    assert row[f"a.primarycontactid@{FORMATTED}"] == "Ann Fx"
    assert (row["company"], row[f"company@{ATTRIBUTE}"]) == ("F Blue", "name")


def test_a_link_without_an_alias_is_counted(people: Web) -> None:
    inside = (
        "<attribute name='name'/><link-entity name='contact' from='parentcustomerid' to='accountid'>"
        "<attribute name='firstname'/><order attribute='firstname'/></link-entity><order attribute='name'/>"
        "<filter><condition attribute='name' operator='begins-with' value='F '/></filter>"
    )
    rows = fetch(people, inside, table="account").rows
    assert [(row["name"], row["contact1.firstname"]) for row in rows] == [
        ("F Blue", "Ann"), ("F Blue", "Bob"), ("F Red", "Cem"),
    ]  # fmt: skip


# -- links -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "test", "found"),
    [
        ("inner", "", "AC"), ("outer", "", "ABCDE"), ("exists", "", "AC"), ("in", "", "AC"),
        ("exists", "F Blue", "A"), ("in", "F Blue", "A"), ("outer", "F Blue", "ABCDE"), ("inner", "F Blue", "A"),
    ],
)  # fmt: skip
def test_links_bring_or_only_test(people: Web, kind: str, test: str, found: str) -> None:
    where = f"<filter><condition attribute='name' operator='eq' value='{test}'/></filter>" if test else ""
    link = f"<link-entity {PRIMARY} link-type='{kind}'>{where}</link-entity>"
    assert (
        names(fetch(people, f"<attribute name='firstname'/>{link}<order attribute='firstname'/>{of('Fx')}"))
        == found
    )


@pytest.mark.parametrize(
    ("kind", "test", "found"),
    [
        ("any", "F Blue", "A"), ("not any", "F Blue", "BCDE"), ("not all", "F Blue", "A"), ("all", "F Blue", "C"),
        ("all", "nobody", "AC"), ("any", "nobody", ""), ("not any", "nobody", "ABCDE"),
    ],
)  # fmt: skip
def test_links_in_filters_test_related_rows(people: Web, kind: str, test: str, found: str) -> None:
    where = f"<filter><condition attribute='name' operator='eq' value='{test}'/></filter>"
    link = f"<link-entity {PRIMARY} link-type='{kind}'>{where}</link-entity>"
    inside = f"<attribute name='firstname'/><order attribute='firstname'/>{of('Fx')}<filter>{link}</filter>"
    assert names(fetch(people, inside)) == found


def test_a_link_in_a_filter_is_one_of_its_conditions(people: Web) -> None:
    inside = (
        f"<attribute name='firstname'/><order attribute='firstname'/>{of('Fx')}<filter type='or'>"
        "<condition attribute='numberofchildren' operator='eq' value='4'/>"
        "<link-entity name='account' from='primarycontactid' to='contactid' link-type='any'/></filter>"
    )
    assert names(fetch(people, inside)) == "ACD"


def test_the_first_of_several_rows_comes_under_schema_names(people: Web) -> None:
    inside = (
        "<attribute name='name'/><link-entity name='contact' from='parentcustomerid' to='accountid' "
        "link-type='matchfirstrowusingcrossapply'><attribute name='lastname'/></link-entity><order attribute='name'/>"
        "<filter><condition attribute='name' operator='begins-with' value='F '/></filter>"
    )
    rows = fetch(people, inside, table="account").rows
    assert [(row["name"], row["LastName"]) for row in rows] == [("F Blue", "Fx"), ("F Red", "Fx")]


def test_rows_outside_of_a_set_are_found_by_an_outer_link(people: Web) -> None:
    inside = (
        "<attribute name='name'/><link-entity name='contact' from='parentcustomerid' to='accountid' link-type='outer' "
        "alias='c'/><filter><condition entityname='c' attribute='parentcustomerid' operator='null'/>"
        "<condition attribute='name' operator='begins-with' value='F '/></filter>"
    )
    assert [row["name"] for row in fetch(people, inside, table="account").rows] == ["F Lonely"]


def test_a_link_goes_by_the_only_relationship_there_is(people: Web) -> None:
    blue = people.get("accounts?$filter=name eq 'F Blue'&$select=accountid").rows[0]["accountid"]
    for subject in ("Call", "Write"):
        people.make(
            "tasks", subject=subject, **{"regardingobjectid_account_task@odata.bind": f"accounts({blue})"}
        )
    where = "<filter><condition attribute='name' operator='begins-with' value='F '/></filter><order attribute='name'/>"
    for ends in ("", "from='regardingobjectid'", "to='accountid'"):
        inside = "<attribute name='subject'/><order attribute='subject'/>"
        link = f"<link-entity name='task' {ends} alias='t'>{inside}</link-entity>"
        found = fetch(people, f"<attribute name='name'/>{link}{where}", table="account").rows
        assert [(row["name"], row["t.subject"]) for row in found] == [("F Blue", "Call"), ("F Blue", "Write")]
    # The one that only tests, and the other way round through a table of ties.
    some = "<attribute name='name'/><filter><link-entity name='task' link-type='not any'/></filter>"
    assert names(fetch(people, some + where, table="account"), "name") == "FF"
    ties = (
        "<attribute name='fullname'/><link-entity name='teammembership'><link-entity name='team' alias='t'>"
    )
    told = fetch(
        people, f"{ties}<attribute name='isdefault'/></link-entity></link-entity>", table="systemuser"
    )
    assert {row["t.isdefault"] for row in told.rows} == {True}


def test_the_rows_right_below_each_are_counted(people: Web) -> None:
    root = people.make("accounts", name="T Root")
    below = {"parentaccountid@odata.bind": f"accounts({root})"}
    first = people.make("accounts", name="T First", **below)
    people.make("accounts", name="T Second", **below)
    people.make("accounts", name="T Third", **{"parentaccountid@odata.bind": f"accounts({first})"})
    counted = (
        "<attribute name='name'/><attribute name='accountid' alias='below' rowaggregate='CountChildren'/>"
        "<filter><condition attribute='name' operator='begins-with' value='T '/></filter><order attribute='name'/>"
    )
    found = fetch(people, counted, table="account", prefer=ALL).rows
    assert [(row["name"], row["below"]) for row in found] == [
        ("T First", 1), ("T Root", 2), ("T Second", 0), ("T Third", 0),
    ]  # fmt: skip
    # Alone, and page by page.
    answer = fetch(
        people,
        counted.replace("<attribute name='name'/>", ""),
        table="account",
        fetch="count='3'",
        prefer=ALL,
    )
    assert [row["below"] for row in answer.rows] == [1, 2, 0]
    assert "name" not in answer.rows[0]


def test_more_rows_than_asked_for_are_not_aggregated(people: Web) -> None:
    inside = "<attribute name='contactid' alias='n' aggregate='count'/>" + of("Fx")
    assert fetch(people, inside, fetch="aggregate='true' aggregatelimit='5'").rows == [{"n": 5}]
    answer = fetch(people, inside, fetch="aggregate='true' aggregatelimit='4'")
    assert answer.fault == (400, "0x8004e023")
    grouped = "<attribute name='firstname' alias='f' groupby='true'/>" + inside
    assert len(fetch(people, grouped, fetch="aggregate='true' aggregatelimit='5'").rows) == 5
    assert fetch(people, grouped, fetch="aggregate='true' aggregatelimit='1'").fault == (400, "0x8004e023")


def test_links_hang_on_links_and_many_to_many_tables_are_linked(people: Web) -> None:
    inside = (
        "<attribute name='fullname'/><link-entity name='systemuserroles' from='systemuserid' to='systemuserid' "
        "intersect='true'><link-entity name='role' from='roleid' to='roleid' alias='r'><attribute name='name'/>"
        "<filter><condition attribute='name' operator='eq' value='System Administrator'/></filter></link-entity>"
        "</link-entity>"
    )
    rows = fetch(people, inside, table="systemuser").rows
    assert rows
    assert {row["r.name"] for row in rows} == {"System Administrator"}


def test_columns_are_compared_with_columns_of_the_row_and_of_a_link(people: Web) -> None:
    people.make("contacts", firstname="Same", lastname="Same")
    where = "<filter><condition attribute='firstname' operator='eq' valueof='lastname'/></filter>"
    same = "<attribute name='firstname'/>" + where
    assert [row["firstname"] for row in fetch(people, same).rows] == ["Same"]
    inside = (
        "<attribute name='firstname'/><link-entity name='account' from='accountid' to='parentcustomerid' alias='a'/>"
        f"{of('Fx')}<filter><condition attribute='contactid' operator='eq' valueof='a.primarycontactid'/></filter>"
        "<order attribute='firstname'/>"
    )
    assert names(fetch(people, inside)) == "AC"


# -- order and pages -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("raw", "down", "names"),
    [("0", "0", "03645"), ("1", "0", "03456"), ("0", "1", "54630"), ("1", "1", "65430")],
)
def test_choices_are_sorted_by_their_labels_unless_raw(web: Web, raw: str, down: str, names: str) -> None:
    prefix = web.name("H")
    # Customer is 3, Influencer 6, Investor 4, Partner 5.
    for name, code in (("3", 3), ("4", 4), ("5", 5), ("6", 6), ("0", None)):
        web.make("accounts", name=f"{prefix} {name}", customertypecode=code)
    inside = (
        f"<attribute name='name'/><order attribute='customertypecode' descending='{down}'/>"
        f"<filter><condition attribute='name' operator='begins-with' value='{prefix} '/></filter>"
    )
    seen: list[str] = []
    page, cookie = 1, ""
    for _ in range(9):
        given = f"paging-cookie={quoteattr(cookie)}" if cookie else ""
        asked = f"useraworderby='{raw}' count='2' page='{page}' {given}"
        answer = fetch(web, inside, table="account", fetch=asked, prefer=ALL)
        seen += [row["name"][-1] for row in answer.rows]
        if not answer.json["@Microsoft.Dynamics.CRM.morerecords"]:
            break
        cookie, page = cookie_of(answer), page + 1
    assert "".join(seen) == names


def test_orders_of_links_come_last_unless_they_are_named_first(people: Web) -> None:
    link = "<link-entity name='account' from='accountid' to='parentcustomerid' alias='a'>{}</link-entity>"
    own, other = "<order attribute='firstname'/>", "<order attribute='name' descending='true'/>"
    last = "<attribute name='firstname'/>" + link.format(other) + of("Fx") + own
    assert names(fetch(people, last)) == "ABC"
    first = "<order entityname='a' attribute='name' descending='true'/>" + own
    assert names(fetch(people, "<attribute name='firstname'/>" + link.format("") + first + of("Fx"))) == "CAB"


def cookie_of(answer: Answer) -> str:
    """The cookie as clients take it out: an attribute, decoded twice."""
    found = re.search(r'pagingcookie="([^"]*)"', answer.json["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"])
    assert found is not None
    return unquote(unquote(found[1]))


@pytest.mark.parametrize(
    "order",
    [
        "", "<order attribute='firstname'/>", "<order attribute='numberofchildren' descending='true'/>",
        "<order attribute='parentcustomerid'/>", "<order attribute='statecode'/>",
    ],
)  # fmt: skip
def test_cookies_lead_through_all_rows_of_a_link(people: Web, order: str) -> None:
    link = (
        "<link-entity name='account' from='accountid' to='parentcustomerid' link-type='outer' alias='a'>"
        "<link-entity name='contact' from='parentcustomerid' to='accountid' link-type='outer' alias='c'>"
        "<attribute name='firstname'/></link-entity></link-entity>"
    )
    inside = f"<attribute name='firstname'/>{link}{order}{of('Fx')}"
    seen: list[tuple[str, Any]] = []
    page, cookie = 1, ""
    for _ in range(20):
        given = f"paging-cookie={quoteattr(cookie)}" if cookie else ""
        answer = fetch(people, inside, fetch=f"count='2' page='{page}' {given}", prefer=ALL)
        seen += [(row["firstname"], row.get("c.firstname")) for row in answer.rows]
        if not answer.json["@Microsoft.Dynamics.CRM.morerecords"]:
            break
        cookie, page = cookie_of(answer), page + 1
    expected = [
        ("Ann", "Ann"),
        ("Ann", "Bob"),
        ("Bob", "Ann"),
        ("Bob", "Bob"),
        ("Cem", "Cem"),
        ("Dan", None),
        ("Eve", None),
    ]
    assert sorted(seen, key=str) == sorted(expected, key=str)


def test_pages_are_counted_off_without_a_cookie(people: Web) -> None:
    inside = f"<attribute name='firstname'/><order attribute='firstname'/>{of('Fx')}"
    assert [names(fetch(people, inside, fetch=f"count='2' page='{page}'")) for page in (1, 2, 3, 4)] == [
        "AB",
        "CD",
        "E",
        "",
    ]
    assert fetch(people, inside, fetch="count='5000' page='12'").fault == (400, "0x8004430a")


def test_rows_are_counted_when_asked(people: Web) -> None:
    inside = f"<attribute name='firstname'/>{of('Fx')}"
    for answer in (
        fetch(people, inside, fetch="count='2' returntotalrecordcount='true'"),
        fetch(people, inside, fetch="count='2'", more="&$count=true"),
    ):
        assert (len(answer.rows), answer.json["@odata.count"]) == (2, 5)
    assert "@odata.count" not in fetch(people, inside).json


def test_equal_rows_come_once(people: Web) -> None:
    inside = (
        "<attribute name='address1_city'/><link-entity name='contact' from='parentcustomerid' to='accountid' alias='c'>"
        "<attribute name='lastname'/></link-entity><order attribute='address1_city'/>"
        "<filter><condition attribute='name' operator='begins-with' value='F '/></filter>"
    )
    answer = fetch(people, inside, table="account", fetch="distinct='true' returntotalrecordcount='true'")
    assert answer.rows == [{"address1_city": "Oslo", "c.lastname": "Fx"}]
    assert answer.json["@odata.count"] == 1
    assert len(fetch(people, inside, table="account").rows) == 3


# -- groups ----------------------------------------------------------------------------------------------------------
def test_aggregates_count_rows_values_and_different_values(people: Web) -> None:
    asked = "".join(
        f"<attribute name='numberofchildren' alias='{alias}' aggregate='{function}' {more}/>"
        for alias, function, more in (
            ("rows", "count", ""), ("values", "countcolumn", ""), ("different", "countcolumn", "distinct='true'"),
            ("sum", "sum", ""), ("least", "min", ""), ("most", "max", ""), ("mean", "avg", ""),
        )
    )  # fmt: skip
    (row,) = fetch(people, asked + of("Fx"), fetch="aggregate='true'").rows
    assert row == {
        "rows": 5,
        "values": 3,
        "different": 3,
        "sum": 7,
        "least": 1,
        "most": 4,
        "mean": 2.3333333333,
    }


def test_groups_are_of_links_and_dates_and_sorted_by_alias(people: Web) -> None:
    inside = (
        "<attribute name='contactid' alias='many' aggregate='count'/>"
        "<attribute name='createdon' alias='year' groupby='true' dategrouping='year'/>"
        "<link-entity name='account' from='accountid' to='parentcustomerid' link-type='outer' alias='a'>"
        "<attribute name='accountid' alias='of' groupby='true'/>"
        "<attribute name='industrycode' alias='kind' groupby='true'/>"
        f"</link-entity><order alias='many' descending='true'/><order alias='kind'/>{of('Fx')}"
    )
    rows = fetch(people, inside, fetch="aggregate='true'", prefer=ALL).rows
    assert [(row["many"], row.get("kind"), row.get(f"kind@{FORMATTED}")) for row in rows] == [
        (2, None, None), (2, 1, "Accounting"), (1, 12, "Durable Manufacturing"),
    ]  # fmt: skip
    assert all(isinstance(row["year"], int) for row in rows)


# -- what is refused -------------------------------------------------------------------------------------------------
CONTACT = "<fetch {}><entity name='contact'>{}</entity></fetch>"
GROUPED = "<attribute name='fullname' alias='a' groupby='1'/>"
LINK = "<link-entity name='account' from='accountid' to='parentcustomerid' {}/>"
COUNTED = "<attribute name='contactid' alias='n' rowaggregate='{}'/>"
TWICE = "<attribute name='fullname' alias='a'/><attribute name='lastname' alias='a'/>"


@pytest.mark.parametrize(
    ("fetch", "inside", "code"),
    [
        ("nosuch='1'", "", "0x80060888"),
        ("utc-offset='60'", "", "0x80060888"),
        ("min-active-row-version='true'", "", "0x80060888"),
        ("datasource='retained'", "", "0x80060888"),
        ("aggregatelimit='10'", "", "0x8004111c"),
        ("aggregatelimit='50001' aggregate='true'", GROUPED, "0x80041108"),
        ("", COUNTED.format("CountParents"), "0x80041108"),
        ("", COUNTED.format("CountChildren").replace("contactid", "fullname"), "0x80047020"),
        ("distinct='1'", COUNTED.format("CountChildren"), "0x8004111c"),
        ("aggregate='1'", GROUPED + COUNTED.format("CountChildren"), "0x8004111c"),
        ("top='0'", "", "0x80041108"),
        ("top='5001'", "", "0x80041108"),
        ("top='5' count='5'", "", "0x8004111c"),
        ("distinct='maybe'", "", "0x80041108"),
        ("page='2' paging-cookie='rubbish'", "", "0x8004112a"),
        ("", "<filter type='xor'/>", "0x80041122"),
        ("", "<condition attribute='a' operator='eq' value='1'/>", "0x8004111c"),
        ("", "<attribute name='nosuch'/>", "0x80041103"),
        ("", "<order alias='a'/>", "0x80041132"),
        ("", TWICE, "0x80041130"),
        ("aggregate='1'", "<attribute name='fullname'/>", "0x80041107"),
        ("aggregate='1'", "<attribute name='fullname' groupby='1'/>", "0x80041109"),
        ("aggregate='1'", f"{GROUPED}<order attribute='fullname'/>", "0x80041131"),
        ("", LINK.format("link-type='sideways'"), "0x80041117"),
        ("", "<link-entity name='account'/>", "0x8004111e"),
        ("", "<link-entity name='account' from='accountid'/>", "0x8004111e"),
        ("", "<link-entity name='webresource'/>", "0x8004111e"),
        ("", "<link-entity name='nosuch' from='a' to='contactid'/>", "0x80041102"),
        ("", "<link-entity name='account' from='name' to='numberofchildren'/>", "0x80060888"),
        ("", "<filter><condition attribute='fullname' operator='nosuch'/></filter>", "0x80041120"),
        ("", "<filter><condition entityname='x' attribute='name' operator='null'/></filter>", "0x8004110a"),
    ],
)
def test_what_is_no_question_is_refused(web: Web, fetch: str, inside: str, code: str) -> None:
    answer = web.get(f"contacts?fetchXml={quote(CONTACT.format(fetch, inside))}")
    assert answer.fault == (400, code), answer.text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("<fetch", "0x80040303"),
        ("<!DOCTYPE fetch [<!ENTITY a 'b'>]><fetch><entity name='contact'/></fetch>", "0x80040303"),
        ("<query/>", "0x8004111c"),
        ("<fetch/>", "0x8004111c"),
        ("<fetch><entity name='contact'/><entity name='contact'/></fetch>", "0x8004111c"),
        ("<fetch><entity/></fetch>", "0x8004111e"),
        ("<fetch><entity name='account'/></fetch>", "0x80041128"),
    ],
)
def test_what_is_no_fetchxml_is_refused(web: Web, text: str, code: str) -> None:
    answer = web.get(f"contacts?fetchXml={quote(text)}")
    assert answer.fault == (400, code), answer.text


def test_too_much_is_refused(web: Web) -> None:
    conditions = "<condition attribute='fullname' operator='not-null'/>" * 501
    assert fetch(web, f"<filter>{conditions}</filter>").status in (400, 414)
    links = "<link-entity name='account' from='accountid' to='parentcustomerid'/>" * 16
    assert fetch(web, links).fault == (400, "0x8004430d")
    assert fetch(web, "<filter>" * 60 + "</filter>" * 60).status == 400


def test_other_options_do_not_go_with_it(web: Web) -> None:
    for option in (
        "$select=fullname",
        "$filter=fullname eq 'x'",
        "$top=1",
        "sql=SELECT 1",
        "$apply=aggregate($count as n)",
    ):
        answer = fetch(web, "", more=f"&{option}")
        assert answer.status == 400
        assert option.split("=")[0] in answer.json["error"]["message"]


# -- saved queries ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("entity_set", "option"), [("userqueries", "userQuery"), ("savedqueries", "savedQuery")]
)
def test_a_saved_query_is_asked_by_its_id(people: Web, entity_set: str, option: str) -> None:
    text = CONTACT.format("", "<attribute name='firstname'/><order attribute='firstname'/>" + of("Fx"))
    id = people.make(entity_set, name="Fx", returnedtypecode="contact", querytype=0, fetchxml=text)
    assert names(people.get(f"contacts?{option}={id}")) == "ABCDE"
    assert people.get(f"accounts?{option}={id}").fault == (400, "0x80041128")
    assert people.get(f"contacts?{option}={people.get('WhoAmI').json['UserId']}").status == 404
    assert people.get(f"contacts?{option}=x").status == 400
    assert people.get(f"contacts?{option}={id}&$top=1").status == 400
