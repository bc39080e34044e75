"""One question in every language: OData, FetchXML, SQL and QueryExpression find the same rows, and the right ones.

The questions and what they mean stand in ``languages_model``. A QueryExpression has no door that answers rows: it is
asked by a bulk deletion of somebody who may delete nothing, which tells how many rows it found.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import quote, unquote
from uuid import NAMESPACE_URL, uuid5
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parity.conftest import ROOT, Answer, Web
from tests.parity.languages_model import (
    NUMBERS,
    ORDERED,
    TABLES,
    AllOf,
    AnyOf,
    Comparison,
    FetchXml,
    Joined,
    Meaning,
    Node,
    Not,
    OData,
    Pair,
    QueryExpression,
    Question,
    Ref,
    Row,
    Some,
    Sql,
    Table,
    Unsayable,
    comparable,
    value_of,
)

ALL = 'odata.include-annotations="*"'
CRM = "Microsoft.Dynamics.CRM."

# -- rows ------------------------------------------------------------------------------------------------------------
ACCOUNTS, CONTACTS = 21, 23
NAMES: Sequence[str] = (
    "Ann", "ann", "ANNA", "Café Ö", "CAFÉ ö", "Cafe O", "100%", "100", "under_score", "underXscore", "[a]", "a", "b]c",
    "O'Neil", "O''Neil", "A&B", "<tag/>", 'say "x"', "back\\slash", "a^b", "x, y; z", "--", "a+b%20c", "null", "0",
)  # fmt: skip
WORDS: Sequence[str | None] = ("Oslo", "OSLO", "oslo2", None, "Rome", "Zz", "a", "9", "B", "rome", None)
WHOLE: Sequence[int | None] = (0, 1, 2, None, 7, 10, 1_000_000_000, 7)
MONEY: Sequence[Decimal | None] = tuple(
    None if text is None else Decimal(text)
    for text in ("0", "10.00", "10.01", None, "9.99", "99999999999999.99", "10", "0.1", "0.2", None, "0.3", "1234.56")
)  # fmt: skip
SHARES: Sequence[Decimal | None] = tuple(
    None if text is None else Decimal(text)
    for text in ("-1.5", "-1.5000", "0", "-0.0001", "0.0001", None, "1.5", "-99999.9999", "0.3333")
)
PLACES: Sequence[Decimal | None] = (Decimal("-12.5"), None, Decimal(0), Decimal("45.12345"), Decimal(90))
TRUTHS: Sequence[bool | None] = (True, False, None)
INDUSTRIES: Sequence[int | None] = (1, 12, None, 2, 10)
ROLES: Sequence[int | None] = (1, None, 2, 3)
KINDS: Sequence[tuple[int, ...] | None] = (None, (1,), (2,), (1, 2), (1, 2, 11), (11,), (3,))
INSTANTS: Sequence[str | None] = (
    "2024-02-29T00:00:00Z", "2024-02-28T23:59:59Z", None, "2024-02-29T23:59:59Z", "1999-12-31T23:59:59Z",
    "2024-03-01T00:00:00Z", "2024-02-29T12:00:00Z", "2038-01-19T03:14:08Z",
)  # fmt: skip
DAYS: Sequence[str | None] = (
    "2024-02-29",
    "2024-02-28",
    None,
    "1900-01-01",
    "2024-03-01",
    "1999-12-31",
    "2024-02-29",
)


def named(table: str, number: int) -> str:
    """The id of a row: the same in every run, and in another order than rows are made."""
    return str(uuid5(NAMESPACE_URL, f"{table} {number}"))


def fixed_rows() -> dict[str, dict[str, dict[str, Any]]]:
    """All rows: values come round with periods that have little in common, so that they meet in many ways."""
    accounts, contacts = {}, {}
    for n in range(ACCOUNTS):
        id = named("account", n)
        accounts[id] = {
            "accountid": id,
            "name": NAMES[n % len(NAMES)],
            "address1_city": WORDS[n % len(WORDS)],
            "numberofemployees": WHOLE[n * 3 % len(WHOLE)],
            "revenue": MONEY[n % len(MONEY)],
            "creditlimit": MONEY[n * 5 % len(MONEY)],
            "new_share": SHARES[n * 2 % len(SHARES)],
            "address1_latitude": PLACES[n % len(PLACES)],
            "creditonhold": TRUTHS[n % len(TRUTHS)],
            "industrycode": INDUSTRIES[n // 2 % len(INDUSTRIES)],
            "new_kinds": KINDS[n % len(KINDS)],
            "lastonholdtime": INSTANTS[n * 3 % len(INSTANTS)],
            "parentaccountid": None if n % 3 == 0 else named("account", n // 3),
            "primarycontactid": None if n % 4 == 1 else named("contact", n * 2 % CONTACTS),
        }
    for n in range(CONTACTS):
        id = named("contact", n)
        parent = [
            named("account", n * 4 % ACCOUNTS),
            None,
            named("account", n // 2),
            named("contact", n // 3),
        ][n % 4]
        contacts[id] = {
            "contactid": id,
            "lastname": NAMES[(n * 2 + 1) % len(NAMES)],
            "jobtitle": None if n % 5 == 3 else NAMES[-n % len(NAMES)],
            "address1_city": WORDS[n * 3 % len(WORDS)],
            "numberofchildren": WHOLE[n % len(WHOLE)],
            "creditlimit": MONEY[n * 7 % len(MONEY)],
            "donotemail": TRUTHS[n // 2 % len(TRUTHS)],
            "accountrolecode": ROLES[n % len(ROLES)],
            "birthdate": DAYS[n % len(DAYS)],
            "anniversary": DAYS[n * 3 % len(DAYS)],
            "parentcustomerid": parent,
        }
    return {"account": accounts, "contact": contacts}


ROWS = fixed_rows()


def label(text: str) -> dict[str, Any]:
    """A Label in the organisation's language."""
    one = {"@odata.type": f"{CRM}LocalizedLabel", "Label": text, "LanguageCode": 1033}
    return {"@odata.type": f"{CRM}Label", "LocalizedLabels": [one]}


def add_column(web: Web, kind: str, name: str, **more: Any) -> None:
    """A column of accounts."""
    kind = f"{CRM}{kind}AttributeMetadata"
    body = {"@odata.type": kind, "SchemaName": name, "DisplayName": label(name), **more}
    answer = web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", body)
    assert answer.status == 204, answer.text


def body_of(values: dict[str, Any]) -> bytes:
    """The body of a new row, amounts with all their digits."""
    lists = {name: ",".join(map(str, value)) for name, value in values.items() if isinstance(value, tuple)}
    text = json.dumps(values | lists, default=lambda number: f"\t{number}\t")
    return text.replace('"\\t', "").replace('\\t"', "").encode()


def make_rows(web: Web) -> None:
    """All rows, contacts of contacts and primary contacts included."""
    for id, row in ROWS["account"].items():
        own = {
            name: value for name, value in row.items() if name not in ("parentaccountid", "primarycontactid")
        }
        parent = row["parentaccountid"]
        if parent is not None:
            own["parentaccountid@odata.bind"] = f"accounts({parent})"
        assert web.call("POST", "accounts", body_of(own)).id == id
    for id, row in ROWS["contact"].items():
        own = {name: value for name, value in row.items() if name != "parentcustomerid"}
        parent = row["parentcustomerid"]
        if parent is not None:
            table = "account" if parent in ROWS["account"] else "contact"
            own[f"parentcustomerid_{table}@odata.bind"] = f"{table}s({parent})"
        assert web.call("POST", "contacts", body_of(own)).id == id
    for id, row in ROWS["account"].items():
        if row["primarycontactid"] is not None:
            path = f"accounts({id})/primarycontactid/$ref"
            assert (
                web.call("PUT", path, {"@odata.id": f"{ROOT}contacts({row['primarycontactid']})"}).status
                == 204
            )


def make_reader(web: Web) -> str:
    """Somebody who may read everything here, delete what is his own, which is nothing, and start bulk deletions."""
    unit = {"businessunitid@odata.bind": f"businessunits({web.get('WhoAmI').json['BusinessUnitId']})"}
    role = web.make("roles", name="Reads and deletes nothing", **unit)
    depths = dict.fromkeys(("ReadAccount", "ReadContact", "BulkDelete"), "Global")
    depths |= dict.fromkeys(("DeleteAccount", "DeleteContact"), "Basic")
    rights = " or ".join(f"name eq 'prv{name}'" for name in depths)
    privileges = [
        {"PrivilegeId": row["privilegeid"], "Depth": depths[row["name"][3:]]}
        for row in web.get(f"privileges?$select=name,privilegeid&$filter={rights}").rows
    ]
    assert (
        web.call("POST", f"roles({role})/{CRM}ReplacePrivilegesRole", {"Privileges": privileges}).status
        == 204
    )
    user = web.make("systemusers", firstname="A", lastname="Reader", domainname="reader@example.org", **unit)
    tie = {"@odata.id": f"{ROOT}roles({role})"}
    assert web.call("POST", f"systemusers({user})/systemuserroles_association/$ref", tie).status == 204
    return user


Asked = OData | Sql | FetchXml
LANGUAGES: Sequence[type[Asked]] = (OData, Sql, FetchXml)


# -- doors -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Doors:
    """Asks a question in each language."""

    web: Web
    reader: str

    def rows(self, language: Asked) -> list[Row] | None:
        """The rows of all pages; None when the language has no words for the question."""
        question = language.question
        try:
            match language:
                case OData():
                    options = language.options()
                case Sql():
                    options = {"sql": language.text()}
                case FetchXml():
                    return self.by_cookies(language)
        except Unsayable:
            return None
        text = "&".join(f"{name}={quote(value)}" for name, value in options.items())
        return self.by_links(f"{question.table.entity_set}?{text}", question)

    def total(self, language: OData) -> int | None:
        """How many rows there are without a limit."""
        try:
            where = language.where()
        except Unsayable:
            return None
        filtered = f"?$filter={quote(where)}" if where else ""
        return int(exact(self.web.get(f"{language.question.table.entity_set}/$count{filtered}")))

    def by_links(self, address: str, question: Question) -> list[Row]:
        """The rows of all pages, by their next links."""
        preferred = {} if question.page is None else {"prefer": f"odata.maxpagesize={question.page}"}
        found: list[Row] = []
        link: str | None = address
        while link is not None:
            answer = self.web.get(link, **preferred)
            page = exact(answer)
            assert question.page is None or len(page["value"]) <= question.page
            assert page["value"] or not found
            found += page["value"]
            link = page.get("@odata.nextLink")
        return found

    def by_cookies(self, language: FetchXml) -> list[Row]:
        """The rows of all pages, by their cookies."""
        question = language.question
        found: list[Row] = []
        number, cookie = 1, ""
        while True:
            before = f" paging-cookie={quoteattr(cookie)}" if cookie else ""
            place = "" if question.page is None else f" count='{question.page}' page='{number}'{before}"
            text = language.text(place)
            page = exact(self.web.get(f"{question.table.entity_set}?fetchXml={quote(text)}", prefer=ALL))
            assert question.page is None or len(page["value"]) <= question.page
            found += page["value"]
            if question.page is None or not page[f"@{CRM}morerecords"]:
                return found
            # Groups have no cookies: their pages are counted off.
            told = re.search(r'pagingcookie="([^"]*)"', page.get(f"@{CRM}fetchxmlpagingcookie", ""))
            assert told is not None or question.aggregates
            number, cookie = number + 1, "" if told is None else unquote(unquote(told[1]))

    def counted(self, language: QueryExpression, among: Sequence[str] | None = None) -> int | None:
        """How many rows a QueryExpression finds, of some or of all; None when it has no words for the question."""
        try:
            query = language.value(among)
        except Unsayable:
            return None
        body = {"QuerySet": [query], "JobName": "How many?"}
        answer = self.web.call("POST", "BulkDelete", body, MSCRMCallerID=self.reader)
        assert answer.status == 200, (answer.text, query)
        job = answer.json["JobId"]
        assert self.web.ended(job)["statuscode"] == 30
        (row,) = self.web.get(f"bulkdeleteoperations?$filter=_asyncoperationid_value eq {job}").rows
        assert row["successcount"] == 0
        return int(row["failurecount"])


def exact(answer: Answer) -> Any:
    """The body with its numbers as they are written."""
    assert answer.status == 200, answer.text
    return json.loads(answer.text, parse_float=Decimal)


@pytest.fixture(scope="module")
def doors(web: Web) -> Doors:
    """The doors of an organisation that holds the fixed rows and no others."""
    add_column(web, "Decimal", "new_Share", MinValue=-100000, MaxValue=100000, Precision=6)
    options = [{"Value": value, "Label": label(f"Kind {value}")} for value in (1, 2, 3, 11)]
    add_column(
        web,
        "MultiSelectPicklist",
        "new_Kinds",
        AttributeTypeName={"Value": "MultiSelectPicklistType"},
        OptionSet={"@odata.type": f"{CRM}OptionSetMetadata", "IsGlobal": False, "OptionSetType": "Picklist",
                   "Options": options},
    )  # fmt: skip
    make_rows(web)
    return Doors(web, make_reader(web))


# -- strategies ------------------------------------------------------------------------------------------------------
# Values that no row has: first one that is slightly larger than one of theirs, and one that is slightly smaller, where
# a column has places to cut off; then others, some beyond what it takes.
OTHERS: dict[str, Sequence[Any]] = {
    "text": ("", "CAFÉ Ö", "cafe o", "ann%", "o'neil", "a&b", "<TAG/>", "no such"),
    "word": ("oslo0", "osl", "", "OSLO", "zzz", "0"),
    "integer": (3, 2**63, -1, 2**31, 2**40, 10**20),
    "money": (Decimal("10.00005"), Decimal("9.99999999"), Decimal("-0.01"), Decimal(10**20)),
    "decimal": (Decimal("1.5000001"), Decimal("1.4999999"), Decimal("-1.5000001"), Decimal("1e10")),
    "double": (Decimal("45.123451"), Decimal("45.12344"), Decimal(-90), Decimal(1000)),
    "boolean": (),
    "choice": (4, 99),
    "choices": (4,),
    "instant": ("2024-02-29T00:00:00.500Z", "2024-02-29T02:00:00+02:00", "2024-02-29T23:59:59.999Z",
                "1900-01-01T00:00:00Z"),
    "day": ("2024-02-27", "1899-12-31", "9999-12-31"),
    "id": (named("nothing", 0),),
}  # fmt: skip
PATTERNS = (
    "", "a", "A", "an", "é", "É", "caf_", "%", "_", "[%]", "[_]", "under[_]s", "[a-c]", "[^a-c]", "100[%]", "'", "&",
    "<", '"', "\\", "^", "]", "a%b", "_f", "+b%20", "0", "-", "ö",
)  # fmt: skip
EXACT = NUMBERS - {"double"}
PATTERN_OPS = ("like", "begins", "ends", "contains")


def refs(table: Table, joins: Sequence[Joined], kinds: frozenset[str] | None = None) -> list[Ref]:
    """The columns that a question may name."""
    found = [Ref("", name, kind) for name, kind in table.columns.items()]
    for joined in joins:
        found += [
            Ref(joined.link.alias, name, kind) for name, kind in TABLES[joined.link.table].columns.items()
        ]
    return [ref for ref in found if kinds is None or ref.kind in kinds]


def values(table: Table, ref: Ref) -> st.SearchStrategy[Any]:
    """What to compare a column with."""
    own = {row[ref.name] for row in ROWS[table.table(ref.link).name].values()} - {None}
    if ref.kind == "choices":
        own = {number for numbers in own for number in numbers}
    return st.sampled_from([*sorted(own), *OTHERS[ref.kind]])


@st.composite
def comparisons(draw: st.DrawFn, table: Table, joins: Sequence[Joined]) -> Node:
    """One comparison."""
    ref = draw(st.sampled_from(refs(table, joins)))
    if draw(st.integers(0, 4)) == 0:
        # The same column of a linked row is one of those that a column is compared with.
        kinds = EXACT if ref.kind in EXACT else {ref.kind} - {"text", "choices", "boolean"}
        others = [each for each in refs(table, joins, frozenset(kinds)) if each != ref]
        if others:
            ops = ["eq", "lt", "le", "gt", "ge"] if ref.kind in ORDERED else ["eq"]
            return Pair(ref, draw(st.sampled_from(ops)), draw(st.sampled_from(others)))
    ops = ["null"] if ref.kind == "choices" else ["null", "eq", "eq", "in"]
    if ref.kind == "choices":
        ops += ["has", "has"]
    if ref.kind in ORDERED:
        ops += ["lt", "le", "gt", "ge", "between"]
    if ref.kind == "text":
        ops += PATTERN_OPS
    op = draw(st.sampled_from(ops))
    if op in PATTERN_OPS:
        return Comparison(ref, op, (draw(st.sampled_from(PATTERNS)),))
    some = values(table, ref)
    match op:
        case "null":
            return Comparison(ref, op)
        case "in" | "has":
            return Comparison(ref, op, tuple(draw(st.lists(some, min_size=1, max_size=4, unique=True))))
        case "between":
            return Comparison(ref, op, (draw(some), draw(some)))
        case _:
            return Comparison(ref, op, (draw(some),))


def trees(leaves: st.SearchStrategy[Node], size: int) -> st.SearchStrategy[Node]:
    """Conditions made of others."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: AllOf(tuple(items))),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: AnyOf(tuple(items))),
        ),
        max_leaves=size,
    )


@st.composite
def conditions(draw: st.DrawFn, table: Table, joins: Sequence[Joined]) -> Node:
    """What rows have to satisfy; now and then something about rows that belong to them."""
    leaves: st.SearchStrategy[Node] = comparisons(table, joins)
    if draw(st.integers(0, 3)) == 0:
        many = draw(st.sampled_from(table.many))
        inside = trees(comparisons(TABLES[many.table], ()), 3)
        leaves = st.one_of(leaves, inside.map(lambda where: Some(many, where)))
    return draw(trees(leaves, 6))


@st.composite
def links(draw: st.DrawFn, table: Table) -> tuple[Joined, ...]:
    """The links that are followed, each after the one that it starts from."""
    found: list[Joined] = []
    for link in table.links:
        if draw(st.booleans()) and (not link.near or any(each.link.alias == link.near for each in found)):
            on = draw(trees(comparisons(TABLES[link.table], ()), 2)) if draw(st.integers(0, 4)) == 0 else None
            found.append(Joined(link, draw(st.booleans()), on))
    return tuple(found)


@st.composite
def questions(draw: st.DrawFn, grouped: bool = False) -> Question:
    """A question for rows, or for groups."""
    table = TABLES[draw(st.sampled_from(["account", "contact"]))]
    joins = draw(links(table))
    question = Question(
        table.name,
        strict=draw(st.booleans()),
        where=draw(st.none() | conditions(table, joins)) if grouped else draw(conditions(table, joins)),
        joins=joins,
        spelling=draw(st.booleans()),
    )
    if grouped:
        keys = refs(
            table, joins, frozenset({"word", "integer", "money", "decimal", "boolean", "choice", "id"})
        )
        wanted = draw(st.lists(aggregates(table, joins), min_size=1, max_size=4))
        some = draw(st.sampled_from([0, 1, 1, 2]))
        groups = tuple(draw(st.lists(st.sampled_from(keys), min_size=some, max_size=some, unique=True)))
        order = [(ref, draw(st.booleans())) for ref in draw(st.permutations(groups))]
        return replace(
            question,
            groups=groups,
            aggregates=tuple(wanted),
            order=tuple(order) if draw(st.booleans()) else (),
            page=draw(st.integers(2, 7)) if draw(st.integers(0, 2)) == 0 else None,
        )
    id = Ref("", table.id, "id")
    columns = st.sampled_from([ref for ref in refs(table, joins) if ref != id])
    question = replace(question, select=(id, *draw(st.lists(columns, max_size=4, unique=True))))
    if draw(st.booleans()):
        keys = refs(table, joins, ORDERED | {"boolean", "choice", "text"})
        key = st.tuples(st.sampled_from(keys), st.booleans())
        order = draw(st.lists(key, max_size=2, unique_by=lambda each: each[0]))
        # known: the databases sort other text than words differently; its rows come once all the same.
        words = all(ref.kind != "text" for ref, _ in order)
        top = draw(st.none() | st.integers(1, 12)) if words else None
        question = replace(question, order=(*order, (id, draw(st.booleans()))), top=top)
    if question.top is None and draw(st.integers(0, 2)) == 0:
        question = replace(question, page=draw(st.integers(2, 7)))
    return question


@st.composite
def aggregates(draw: st.DrawFn, table: Table, joins: Sequence[Joined]) -> tuple[str, Ref | None]:
    """A function and its column."""
    function = draw(st.sampled_from(["count", "countcolumn", "countdistinct", "sum", "avg", "min", "max"]))
    if function == "count":
        return function, None
    kinds = {
        "countcolumn": None,
        "countdistinct": frozenset({"word", "integer", "money", "decimal", "choice", "id", "day", "instant"}),
        "sum": EXACT,
        "avg": EXACT,
    }.get(function, ORDERED | {"choice"})
    return function, draw(st.sampled_from(refs(table, joins, kinds)))


# -- comparisons -----------------------------------------------------------------------------------------------------
def shown(language: OData | Sql | FetchXml, row: Row) -> list[Any]:
    """The selected columns of a row of an answer, in the form that the fixed rows have."""
    found: list[Any] = []
    for ref in language.question.select:
        value = language.shown(row, ref)
        if value is not None and ref.kind in NUMBERS:
            value = Decimal(value)
        elif value is not None and ref.kind == "choices":
            value = tuple(map(int, value.split(",")))
        found.append(value)
    return found


def same(some: list[list[Any]], others: list[list[Any]]) -> bool:
    """Whether two answers hold the same rows, in any order."""
    return sorted(some, key=lambda row: str(row[0])) == sorted(others, key=lambda row: str(row[0]))


def comparable_or_null(kind: str, value: Any) -> Any:
    """A value of an answer in the form in which equal ones are equal."""
    return None if value is None else comparable(kind, value)


def agrees(function: str, ref: Ref | None, value: Any, wanted: Any) -> bool:
    """Whether an aggregate of an answer is the right one: an average up to the places that it keeps."""
    if value is None or wanted is None or ref is None or function.startswith("count"):
        return bool(value == wanted)
    if function == "avg":
        unit = Fraction(1, 10 ** {"integer": 10, "money": 4, "decimal": 6}[ref.kind])
        return bool(abs(Fraction(value) - wanted) <= unit / 2)
    return bool(comparable(ref.kind, value) == wanted)


SETTINGS = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def check_rows(doors: Doors, question: Question) -> None:
    """Ids and selected values are what plain Python makes of the question; in order where there is one."""
    found = Meaning(question, ROWS).found()
    wanted = [[value_of(bound, ref) for ref in question.select] for bound in found][: question.top]
    ordered = question.order and all(ref.kind != "text" for ref, _ in question.order)
    for language in LANGUAGES:
        said = language(question)
        rows = doors.rows(said)
        if rows is not None:
            got = [shown(said, row) for row in rows]
            assert got == wanted if ordered else same(got, wanted), (language.__name__, question)
    assert doors.total(OData(question)) in (None, len(found)), question
    ids = [row[0] for row in wanted]
    count = doors.counted(QueryExpression(question))
    if count is not None:
        # As many as wanted, and as many of the wanted: these are they.
        assert count == len(ids), question
        assert not ids or doors.counted(QueryExpression(question), ids) == len(ids), question


def plain_questions(ref: Ref, table: Table) -> Iterator[Question]:
    """Every operator that goes with a column, as it is and negated in both ways; and all rows in its order."""
    rows = ROWS[table.name].values()
    values = Counter(row[ref.name] for row in rows if row[ref.name] is not None)
    often = [value for value, _ in values.most_common()]
    ops: dict[str, tuple[Any, ...]] = {"null": ()}
    if ref.kind == "choices":
        ops["has"] = (1, 11)
    else:
        ops |= {"eq": (often[0],), "in": tuple(often[:2])}
    if ref.kind in ORDERED:
        low, high = sorted(often[:2])
        ops |= {"lt": (high,), "le": (low,), "gt": (low,), "ge": (high,), "between": (low, high)}
    if ref.kind == "text":
        ops |= {"like": ("%_[a-c]%",), "begins": ("a",), "ends": ("e",), "contains": ("\\",)}
    id = Ref("", table.id, "id")
    for number, (op, operands) in enumerate(ops.items()):
        positive = Comparison(ref, op, operands)
        question = Question(table.name, False, positive, select=(id,), spelling=number % 2 == 0)
        yield question
        yield replace(question, where=Not(positive))
        yield replace(question, where=Not(positive), strict=True)
    if ref.kind in EXACT:
        for other in refs(table, (), EXACT):
            if other != ref:
                yield Question(table.name, False, Pair(ref, "lt", other), select=(id,))
                yield Question(table.name, True, Not(Pair(ref, "eq", other)), select=(id,))
    if ref.kind in ORDERED:
        for op in ("eq", "lt", "le", "gt", "ge"):
            for value in OTHERS[ref.kind][:2]:
                yield Question(table.name, False, Comparison(ref, op, (value,)), select=(id,))
    if ref.kind in ORDERED | {"boolean", "choice", "text"}:
        for descending in (False, True):
            order = ((ref, descending), (id, not descending))
            yield Question(table.name, False, select=(id, ref), order=order, page=5)


# A column of each kind.
KINDS_OF_COLUMNS = {kind: (name, table) for table in TABLES.values() for name, kind in table.columns.items()}


@pytest.mark.parametrize("kind", KINDS_OF_COLUMNS)
def test_every_operator_means_the_same_in_every_language(doors: Doors, kind: str) -> None:
    """Whatever the next test happens to draw, these are asked."""
    name, table = KINDS_OF_COLUMNS[kind]
    for question in plain_questions(Ref("", name, kind), table):
        check_rows(doors, question)


@SETTINGS
@given(question=questions())
def test_every_language_finds_the_same_rows(doors: Doors, question: Question) -> None:
    """Ids and values of a question of any shape."""
    check_rows(doors, question)


@settings(SETTINGS, max_examples=70)
@given(question=questions(grouped=True))
def test_every_language_counts_the_same_groups(doors: Doors, question: Question) -> None:
    """Groups and aggregates are what plain Python makes of the question, exactly; averages to their last place."""
    wanted = Meaning(question, ROWS).groups()
    for language in LANGUAGES:
        said = language(question)
        rows = doors.rows(said)
        if rows is None:
            continue
        got: dict[tuple[Any, ...], list[Any]] = {}
        for row in rows:
            named = zip(question.groups, said.group_names(), strict=True)
            key = tuple(comparable_or_null(ref.kind, row.get(name)) for ref, name in named)
            assert key not in got, (language.__name__, key)
            got[key] = [row.get(f"a{index}") for index in range(len(question.aggregates))]
        assert got.keys() == wanted.keys(), language.__name__
        assert not question.order or list(got) == list(wanted), language.__name__
        for key, numbers in wanted.items():
            for (function, ref), value, number in zip(question.aggregates, got[key], numbers, strict=True):
                assert agrees(function, ref, value, number), (
                    language.__name__,
                    key,
                    function,
                    ref,
                    value,
                    number,
                )
