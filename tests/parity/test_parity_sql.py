"""SQL through the Web API: what a SELECT may say, and what is refused by name.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
"""

from typing import Any
from urllib.parse import quote

import pytest

from tests.parity.conftest import ROOT, Answer, Web


def sql(web: Web, text: str, entity_set: str = "accounts", **headers: str) -> Answer:
    """Ask a question."""
    return web.get(f"{entity_set}?sql={quote(text)}", **headers)


@pytest.fixture(scope="module")
def rows(web: Web) -> Web:
    """Accounts with gaps, and contacts of two of them."""
    for name, city, revenue, staff, hold in (
        ("S A", "Oslo", 10, 1, True), ("S B", "Oslo", 20.5, None, False), ("S C", None, None, 3, None),
        ("S D", "Rome", 5, 4, False), ("S 50%", None, 7, 5, None),
    ):  # fmt: skip
        made = web.make(
            "accounts",
            name=name,
            address1_city=city,
            revenue=revenue,
            numberofemployees=staff,
            creditonhold=hold,
        )
        for number in range({"S A": 2, "S D": 1}.get(name, 0)):
            web.make(
                "contacts",
                firstname=f"{name[-1]}{number}",
                lastname="Sql",
                **{"parentcustomerid_account@odata.bind": f"accounts({made})"},
            )
    return web


def found(web: Web, where: str) -> str:
    """The last letters of the accounts that satisfy a condition, by name."""
    answer = sql(web, f"SELECT name FROM account WHERE name LIKE 'S %' AND ({where}) ORDER BY name")
    return "".join(row["name"][-1] for row in answer.rows)


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("address1_city = 'oslo'", "AB"),
        ("address1_city <> 'Oslo'", "D"),
        ("NOT address1_city = 'Oslo'", "D"),
        ("address1_city != 'Oslo' OR address1_city IS NULL", "%CD"),
        ("NOT (address1_city = 'Oslo' OR address1_city IS NULL)", "D"),
        ("NOT (address1_city IS NOT NULL AND revenue > 9)", "%CD"),
        ("address1_city = NULL", ""),
        ("NOT address1_city = NULL", ""),
        ("revenue >= 10 AND revenue < 20.51", "AB"),
        ("10 <= revenue", "AB"),
        ("revenue BETWEEN 5 AND 7", "%D"),
        ("revenue NOT BETWEEN 5 AND 7", "AB"),
        ("numberofemployees IN (1, 4, NULL)", "AD"),
        ("numberofemployees NOT IN (1, 4)", "%C"),
        ("numberofemployees NOT IN (1, NULL)", ""),
        ("creditonhold = 1", "A"),
        ("creditonhold = 0", "BD"),
        ("name LIKE N'%[%]'", "%"),
        ("name NOT LIKE '%[%]'", "ABCD"),
        ("account.name = 'S A'", "A"),
        ("revenue > -5.5 AND revenue < numberofemployees", ""),
        ("numberofemployees <> revenue", "%AD"),
        ("createdon > '2000-01-01'", "%ABCD"),
        ("accountid > '00000000-0000-0000-0000-000000000000'", "%ABCD"),
        ("statecode = 0", "%ABCD"),
        ("(((name = 'S A')))", "A"),
    ],
)
def test_conditions_mean_what_they_mean_in_sql(rows: Web, where: str, names: str) -> None:
    assert found(rows, where) == names


def test_columns_have_their_own_names_or_those_given(rows: Web) -> None:
    answer = sql(rows, "SELECT a.name AS Called, a.address1_city FROM account AS a WHERE a.name = 'S A'")
    assert answer.json["@odata.context"] == f"{ROOT}$metadata#accounts(address1_city,Called,accountid)"
    (row,) = answer.rows
    assert {name: row[name] for name in row if not name.startswith("@")} == {
        "Called": "S A", "address1_city": "Oslo", "accountid": row["accountid"],
    }  # fmt: skip


def test_tables_are_joined_inner_and_left(rows: Web) -> None:
    joined = (
        "SELECT a.name, c.firstname FROM account a {} JOIN contact c ON c.parentcustomerid = a.accountid {} "
        "WHERE a.name LIKE 'S %' ORDER BY a.name, c.firstname"
    )
    inner = sql(rows, joined.format("", "")).rows
    assert [(row["name"], row["firstname"]) for row in inner] == [("S A", "A0"), ("S A", "A1"), ("S D", "D0")]
    left = sql(rows, joined.format("LEFT", "AND c.firstname = 'A1'")).rows
    assert [(row["name"], row.get("firstname")) for row in left] == [
        ("S 50%", None), ("S A", "A1"), ("S B", None), ("S C", None), ("S D", None),
    ]  # fmt: skip
    both = "SELECT a.name, o.name FROM account a JOIN account o ON a.accountid = o.accountid WHERE a.name = 'S A'"
    (row,) = sql(rows, both).rows
    assert (row["name"], row["o.name"]) == ("S A", "S A")


def test_groups_are_counted_and_sorted(rows: Web) -> None:
    text = (
        "SELECT address1_city AS city, COUNT(*) AS many, COUNT(numberofemployees) AS known, SUM(revenue) AS total, "
        "AVG(revenue) AS mean, MIN(revenue) AS least, MAX(revenue) AS most, COUNT(DISTINCT statecode) AS states "
        "FROM account WHERE name LIKE 'S %' GROUP BY address1_city ORDER BY many DESC, city DESC"
    )
    assert sql(rows, text).rows == [
        {
            "city": "Oslo",
            "many": 2,
            "known": 1,
            "total": 30.5,
            "mean": 15.25,
            "least": 10,
            "most": 20.5,
            "states": 1,
        },
        {"many": 2, "known": 2, "total": 7, "mean": 7, "least": 7, "most": 7, "states": 1},
        {"city": "Rome", "many": 1, "known": 1, "total": 5, "mean": 5, "least": 5, "most": 5, "states": 1},
    ]
    (row,) = sql(rows, "SELECT COUNT(*), SUM(revenue) FROM account WHERE name LIKE 'S %'").rows
    assert row == {"count": 5, "sum_revenue": 42.5}


def test_rows_are_limited_skipped_and_made_distinct(rows: Web) -> None:
    name = "SELECT {} name FROM account WHERE name LIKE 'S %' ORDER BY name DESC {}"
    assert [row["name"] for row in sql(rows, name.format("TOP 2", "")).rows] == ["S D", "S C"]
    skipped = name.format("", "OFFSET 3 ROWS FETCH NEXT 5 ROWS ONLY")
    assert [row["name"] for row in sql(rows, skipped).rows] == ["S A", "S 50%"]
    cities = sql(
        rows, "SELECT DISTINCT address1_city FROM account WHERE name LIKE 'S %' ORDER BY address1_city"
    ).rows
    assert cities == [{}, {"address1_city": "Oslo"}, {"address1_city": "Rome"}]


def test_pages_have_addresses(rows: Web) -> None:
    text = (
        "SELECT a.name, c.firstname FROM account a LEFT JOIN contact c ON c.parentcustomerid = a.accountid "
    )
    link = "accounts?sql=" + quote(text + "WHERE a.name LIKE 'S %' ORDER BY a.name DESC")
    seen: list[Any] = []
    for _ in range(10):
        answer = rows.get(link, prefer="odata.maxpagesize=2")
        seen += [(row["name"], row.get("firstname")) for row in answer.rows]
        link = answer.json.get("@odata.nextLink")
        if link is None:
            break
    assert [name for name, _ in seen] == ["S D", "S C", "S B", "S A", "S A", "S 50%"]
    assert {first for _, first in seen} == {"D0", "A0", "A1", None}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT * FROM account", "SELECT *"),
        ("SELECT a.* FROM account a", "SELECT *"),
        ("SELECT name", "FROM"),
        ("SELECT name FROM account; SELECT name FROM account", "2 statements"),
        ("DELETE FROM account", "DELETE"),
        ("UPDATE account SET name = 'x'", "UPDATE"),
        ("SELECT name FROM account WHERE accountid IN (SELECT accountid FROM account)", "IN"),
        ("SELECT name FROM account WHERE EXISTS (SELECT name FROM account)", "EXISTS"),
        ("SELECT name FROM account WHERE 1 = 1", "1 = 1"),
        ("SELECT name FROM account WHERE LEN(name) > 3", "LEN"),
        ("SELECT UPPER(name) FROM account", "UPPER"),
        ("SELECT name FROM account ORDER BY LEN(name)", "LEN"),
        ("SELECT name FROM account ORDER BY 1", "ORDER BY 1"),
        ("SELECT name FROM account a RIGHT JOIN contact c ON a.accountid = c.parentcustomerid", "RIGHT"),
        ("SELECT name FROM account a CROSS JOIN contact c", "CROSS"),
        ("SELECT name FROM account, contact", "JOIN"),
        ("SELECT name FROM account a JOIN contact c ON a.accountid > c.parentcustomerid", "ON"),
        ("SELECT name, COUNT(*) FROM account", "GROUP BY"),
        ("SELECT statecode, COUNT(*) FROM account GROUP BY statecode HAVING COUNT(*) > 1", "HAVING"),
        ("WITH x AS (SELECT name FROM account) SELECT name FROM x", "WITH"),
        ("SELECT name FROM account UNION SELECT name FROM account", "UNION"),
        ("SELECT name INTO other FROM account", "INTO"),
        ("SELECT TOP 10 PERCENT name FROM account", "PERCENT"),
        ("SELECT name FROM other.account", "other"),
        ("SELECT name FROM account WHERE name LIKE 'a!%' ESCAPE '!'", "ESCAPE"),
        ("SELECT name FROM account WITH (NOLOCK)", "HINTS"),
        ("SELECT name FROM account GROUP BY ROLLUP (name)", "GROUP BY"),
        ("SELECT name FROM account OPTION (RECOMPILE)", "OPTION"),
        ("SELECT name FROM account FOR JSON AUTO", "FOR"),
        ("SELECT COUNT(*) OVER () FROM account", "OVER"),
        ("SELEKT name FROM account", "line 1"),
        ("SELECT name FROM", "line 1"),
        ("", "0 statements"),
        ("SELECT nosuch FROM account", "nosuch"),
        ("SELECT x.name FROM account", "x"),
        ("SELECT name FROM contact", "contact"),
        ("SELECT name FROM account WHERE numberofemployees = 'many'", "numberofemployees"),
    ],
)
def test_what_is_not_of_the_subset_is_refused_by_name(web: Web, text: str, named: str) -> None:
    answer = sql(web, text)
    assert answer.status == 400, answer.text
    assert named in answer.json["error"]["message"]


def test_too_much_sql_is_refused(web: Web) -> None:
    deep = f"SELECT name FROM account WHERE {'(' * 3000}name = 'x'{')' * 3000}"
    assert sql(web, deep).status in (400, 414)
    long = " OR ".join(f"name = '{number}'" for number in range(501))
    assert sql(web, f"SELECT name FROM account WHERE {long}").status in (400, 414)
