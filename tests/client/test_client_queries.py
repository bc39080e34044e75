"""Queries: built, raw, FetchXML and SQL; pages, aggregates, and text that nothing slips into."""

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.client import BadRequestError, ConfigurationError, Expand, Record, col, new_id, raw
from orgstead.client.filters import MANY
from tests.client.conftest import Make

NAMES = ["query ant", "query bee", "query cat", "query dog", "query eel"]


@pytest.fixture(scope="module", autouse=True)
def animals(make: Make) -> None:
    """Accounts to be found."""
    client = make()
    if client.query("account").where(col("name").startswith("query ")).count() == 0:
        client.bulk.create(
            "account",
            (
                {
                    "name": name,
                    "revenue": Decimal(number) / 4,
                    "numberofemployees": number,
                    "address1_city": "Ulm",
                }
                for number, name in enumerate(NAMES)
            ),
        )


def found(rows: Any) -> list[str]:
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (col("name") == "query bee", [1]),
        (col("name").in_(["query bee", "query eel"]), [1, 4]),
        (~(col("numberofemployees") > 1), [0, 1]),
        ((col("numberofemployees") < 1) | (col("numberofemployees") >= 4), [0, 4]),
        ((col("numberofemployees") < 3) & col("name").contains("a"), [0, 2]),
        (col("numberofemployees").between(1, 2), [1, 2]),
        (col("revenue") == Decimal("0.75"), [3]),
        (col("name").endswith("g"), [3]),
        (col("primarycontactid/fullname").is_null() & (col("numberofemployees") != 0), [1, 2, 3, 4]),
        (~col("contact_customer_accounts").any() & raw("numberofemployees le 1"), [0, 1]),
        (col("numberofemployees").function("Between", 2, 3), [2, 3]),
        (col("numberofemployees").in_(range(MANY + 5)), [0, 1, 2, 3, 4]),
        (col("telephone1").is_not_null(), []),
    ],
    ids=str,
)
def test_conditions_find_the_rows_that_they_say(client: Any, condition: Any, expected: list[int]) -> None:
    query = client.query("account").where(col("name").startswith("query ")).where(condition)
    assert found(query.select("name").order_by("name")) == [NAMES[each] for each in expected]


def test_order_top_pages_and_counts(client: Any) -> None:
    query = client.query("account").where(col("name").startswith("query ")).select("name")
    assert found(query.order_by("-name").top(2)) == ["query eel", "query dog"]
    pages = list(query.order_by("name").page_size(2).pages())
    assert [len(page) for page in pages] == [2, 2, 1]
    assert found(query.order_by("name").page_size(2).top(3)) == NAMES[:3]
    assert query.count() == 5
    assert query.order_by("name").first()["name"] == "query ant"
    assert query.where(col("name") == "query cat").one()["name"] == "query cat"
    with pytest.raises(LookupError):
        query.one()
    assert query.where(col("name") == "nobody").first() is None
    assert len(query.refs()) == len(query.all()) == 5


def test_rows_of_a_page_are_read_in_any_order_and_copied(client: Any) -> None:
    rows = client.query("account").where(col("name").startswith("query ")).order_by("name").all()
    assert [rows[place]["name"] for place in (4, 0, 4, 2)] == [NAMES[place] for place in (4, 0, 4, 2)]
    assert [(row["revenue"], row["name"], row.id == row["accountid"]) for row in reversed(rows)] == [
        (Decimal(number) / 4, NAMES[number], True) for number in reversed(range(5))
    ]
    assert rows[1] == pickle.loads(pickle.dumps(rows[1])) == copy.deepcopy(rows[1]) == dict(rows[1])
    assert "name" in rows[3]
    assert "nothing" not in rows[3]
    with pytest.raises(KeyError):
        rows[3]["nothing"]


def test_a_query_is_never_changed_by_what_is_built_on_it(client: Any) -> None:
    base = client.query("account").where(col("name").startswith("query "))
    base.top(1).select("name").order_by("name")
    assert str(base) == "$filter=startswith(name,'query ')"


def test_related_rows_come_along_with_their_types(client: Any) -> None:
    account = client.records.create(
        "account",
        {
            "name": "expanded",
            "contact_customer_accounts": [{"lastname": f"L{n}", "annualincome": n} for n in range(3)],
        },
    )
    query = client.query("account").where(col("accountid") == account)
    sorted_ones = query.expand(
        "contact_customer_accounts", select=["lastname", "annualincome"], where=col("annualincome") > 0,
        order=["-lastname"], top=2,
    )  # fmt: skip
    contacts = sorted_ones.one()["contact_customer_accounts"]
    assert [each["lastname"] for each in contacts] == ["L2", "L1"]
    assert isinstance(contacts[0]["annualincome"], Decimal)
    assert isinstance(contacts[0], Record)
    assert contacts[0].table == "contact"
    nested = Expand("parentcustomerid_account", select=["name", "createdon"])
    contacts = query.expand("contact_customer_accounts", expand=[nested]).one()["contact_customer_accounts"]
    assert contacts[0]["parentcustomerid_account"]["createdon"].tzinfo is not None
    condition = col("contact_customer_accounts").any(
        (col("lastname") == "L1") & col("parentcustomerid_account/name").contains("pand")
    )
    assert client.query("account").where(condition).where(col("accountid") == account).count() == 1
    assert client.query("account").where(~condition).where(col("accountid") == account).count() == 0


def test_aggregates_are_exact(client: Any) -> None:
    query = client.query("account").where(col("name").startswith("query "))
    row = query.aggregate(total=("revenue", "sum"), most=("numberofemployees", "max"), rows="count").one()
    assert dict(row) == {"total": Decimal("2.5"), "most": 4, "rows": 5}
    (group,) = query.group_by("address1_city").aggregate(rows="count").all()
    assert (group["address1_city"], group["rows"]) == ("Ulm", 5)


def test_raw_odata_fetchxml_and_sql_find_the_same_rows(client: Any) -> None:
    path = "accounts?$select=name,revenue&$filter=startswith(name,'query ')&$orderby=name"
    fetch = """<fetch><entity name="account"><attribute name="name"/><attribute name="revenue"/>
      <order attribute="name"/>
      <filter><condition attribute="name" operator="begins-with" value="query "/></filter></entity></fetch>"""
    statement = "SELECT name, revenue FROM account WHERE name LIKE 'query %' ORDER BY name"
    for rows in (
        client.odata(path), client.odata(path, headers={"Prefer": "odata.maxpagesize=2"}),
        client.fetchxml(fetch), client.fetchxml(fetch, page_size=2), client.sql(statement),
        client.sql(statement, page_size=2),
    ):  # fmt: skip
        records = rows.all()
        assert found(records) == NAMES
        assert all(isinstance(each["revenue"], Decimal) for each in records)


def test_fetchxml_types_columns_of_links_and_aliases(client: Any) -> None:
    fetch = """<fetch top="1"><entity name="contact"><attribute name="fullname" alias="who"/>
      <link-entity name="account" from="accountid" to="parentcustomerid" alias="a">
        <attribute name="createdon"/><attribute name="revenue" alias="money"/>
        <filter><condition attribute="revenue" operator="not-null"/></filter></link-entity></entity></fetch>"""
    (row,) = client.fetchxml(fetch).all()
    assert row["a.createdon"].tzinfo is not None
    assert isinstance(row["money"], Decimal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<fetch/>",
        "<a/>",
        "<fetch><entity/></fetch>",
        "<!DOCTYPE x><fetch><entity name='a'/></fetch>",
        "<",
    ],
)
def test_what_is_no_fetchxml_is_refused(client: Any, text: str) -> None:
    with pytest.raises(ConfigurationError):
        client.fetchxml(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_slips_out_of_its_quotes(text: str) -> None:
    printed = (col("name") == text).text()
    assert printed.startswith("name eq ")
    inside = printed.removeprefix("name eq ")
    assert inside[0] == inside[-1] == "'" or len(inside) == 36
    if inside[0] == "'":
        assert inside[1:-1].replace("''", "").count("'") == 0
        assert inside[1:-1].replace("''", "'") == text


def test_text_that_looks_like_a_query_is_found_as_text(client: Any) -> None:
    evil = f"{new_id()[:8]}' or name ne '&$top=1#%27+\"<>\\"
    id = client.records.create("account", {"name": evil})
    assert [row.id for row in client.query("account").where(col("name") == evil)] == [id]
    assert [row.id for row in client.query("account").where(col("name").contains(evil[:20]))] == [id]
    assert client.query("account").where(col("name").in_([evil] * (MANY + 1))).count() == 1


@pytest.mark.parametrize(
    "make_it",
    [
        lambda q: q.select("name,revenue"),
        lambda q: q.order_by("name; drop"),
        lambda q: q.where(col("a b") == 1),
        lambda q: q.where("name eq 'x'"),
        lambda q: q.top(0),
        lambda q: q.page_size(5001),
        lambda q: q.aggregate(a=("revenue", "median")),
        lambda q: q.where(col("name").in_([])),
        lambda q: q.where(col("name").function("In)", 1)),
        lambda q: q.where(col("name") == object()),
    ],
)
def test_what_is_no_query_is_refused_before_it_is_sent(client: Any, make_it: Any) -> None:
    with pytest.raises(ConfigurationError):
        make_it(client.query("account"))


def test_a_query_that_is_too_long_for_an_address_goes_in_a_batch(client: Any) -> None:
    ids = [row.id for row in client.query("account").where(col("name").startswith("query "))]
    condition = col("accountid").in_([*ids, *(new_id() for _ in range(1000))])
    assert len(client.query("account").where(condition).select("name").all()) == 5
    with pytest.raises(BadRequestError):
        client.query("account").where(condition).select("nosuchcolumn").all()


def test_python_s_own_and_or_not_cannot_be_used_by_mistake() -> None:
    with pytest.raises(TypeError, match="&"):
        bool((col("a") == 1) and (col("b") == 2))


def test_the_service_s_refusal_comes_when_rows_are_read(client: Any) -> None:
    rows = client.query("account").select("nosuchcolumn")
    with pytest.raises(BadRequestError, match="nosuchcolumn"):
        rows.all()
