"""A question that belongs to no language: its value, what it means in plain Python, and how each language says it.

What it means is written here once more, and simply, so that the languages are not only compared with one another.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Any, Generic, TypeVar
from xml.sax.saxutils import escape, quoteattr

Row = Mapping[str, Any]
Rows = Mapping[str, Mapping[str, Row]]
Bound = Mapping[str, Row | None]

NUMBERS = frozenset({"integer", "money", "decimal", "double"})
ORDERED = NUMBERS | {"word", "instant", "day"}


# -- tables ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Link:
    """The way from a row to the one row that a lookup names; ``near`` is the alias of what it starts from."""

    alias: str
    near: str
    lookup: str
    table: str
    navigation: str


@dataclass(frozen=True, slots=True)
class Many:
    """The rows of a table whose lookup names a row; the name is that of the navigation property."""

    navigation: str
    table: str
    lookup: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the kinds of its columns by name, and where it leads."""

    name: str
    entity_set: str
    id: str
    columns: Mapping[str, str]
    links: tuple[Link, ...]
    many: tuple[Many, ...]

    def link(self, alias: str) -> Link:
        """The link that an alias stands for."""
        return next(link for link in self.links if link.alias == alias)

    def table(self, alias: str) -> "Table":
        """The table that an alias stands for; this one for the empty alias."""
        return TABLES[self.link(alias).table] if alias else self


# ``text`` holds what is awkward to spell. The databases agree on the order and the groups of a ``word``, which is ASCII
# letters and digits. known: those of other text differ, so no question here depends on them.
TABLES: Mapping[str, Table] = {
    "account": Table(
        "account",
        "accounts",
        "accountid",
        {
            "accountid": "id", "name": "text", "address1_city": "word", "numberofemployees": "integer",
            "revenue": "money", "creditlimit": "money", "new_share": "decimal", "address1_latitude": "double",
            "creditonhold": "boolean", "industrycode": "choice", "new_kinds": "choices",
            "lastonholdtime": "instant", "parentaccountid": "id", "primarycontactid": "id",
        },
        (
            Link("p", "", "parentaccountid", "account", "parentaccountid"),
            Link("c", "", "primarycontactid", "contact", "primarycontactid"),
            Link("pp", "p", "parentaccountid", "account", "parentaccountid"),
        ),
        (
            Many("contact_customer_accounts", "contact", "parentcustomerid"),
            Many("account_parent_account", "account", "parentaccountid"),
        ),
    ),
    "contact": Table(
        "contact",
        "contacts",
        "contactid",
        {
            "contactid": "id", "lastname": "text", "jobtitle": "text", "address1_city": "word",
            "numberofchildren": "integer", "creditlimit": "money", "donotemail": "boolean",
            "accountrolecode": "choice", "birthdate": "day", "anniversary": "day", "parentcustomerid": "id",
        },
        (
            Link("a", "", "parentcustomerid", "account", "parentcustomerid_account"),
            Link("ac", "a", "primarycontactid", "contact", "primarycontactid"),
        ),
        (
            Many("account_primary_contact", "account", "primarycontactid"),
            Many("contact_customer_contacts", "contact", "parentcustomerid"),
        ),
    ),
}  # fmt: skip


# -- questions -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Ref:
    """A column, of the row that is asked for or of one that a link leads to."""

    link: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column compared with values: eq lt le gt ge in between null has, or a pattern: like begins ends contains."""

    of: Ref
    op: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two columns compared."""

    of: Ref
    op: str
    other: Ref


@dataclass(frozen=True, slots=True)
class Some:
    """Whether one of the rows that belong to this one satisfies a condition on its own columns."""

    many: Many
    where: "Node"


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a condition."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of several conditions."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several conditions."""

    items: tuple["Node", ...]


Node = Comparison | Pair | Some | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Joined:
    """A link that a question follows; ``on`` tests the linked row, which is not there when it fails."""

    link: Link
    inner: bool
    on: Node | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. With groups or aggregates the answer is groups, else rows.

    ``strict``: a comparison with null is unknown and so is its negation, as in SQL; else it is false and its negation
    is true, as in the other languages. Each language can say both.
    """

    entity: str
    strict: bool
    where: Node | None = None
    joins: tuple[Joined, ...] = ()
    select: tuple[Ref, ...] = ()
    order: tuple[tuple[Ref, bool], ...] = ()
    top: int | None = None
    page: int | None = None
    groups: tuple[Ref, ...] = ()
    aggregates: tuple[tuple[str, Ref | None], ...] = ()
    spelling: bool = False

    @property
    def table(self) -> Table:
        """What rows are asked for."""
        return TABLES[self.entity]


class Unsayable(Exception):
    """A language has no words for a question."""


# -- what it means ---------------------------------------------------------------------------------------------------
def comparable(kind: str, value: Any) -> Any:
    """A value in the form in which equal values are equal and smaller ones are smaller."""
    match kind:
        case "text" | "word" | "id":
            return value.casefold()
        case "instant":
            return datetime.fromisoformat(value)
        case _:
            return Decimal(value) if kind in NUMBERS else value


def pattern(op: str, text: str) -> re.Pattern[str]:
    """The pattern of LIKE that an operator means."""
    text = {"like": "{}", "begins": "{}%", "ends": "%{}", "contains": "%{}%"}[op].format(text)
    said = ""
    for part in re.findall(r"\[[^\]]+\]|.", text, re.DOTALL):
        if len(part) > 1:
            said += "[" + re.sub(r"([^-^a-zA-Z0-9])", r"\\\1", part[1:-1]) + "]"
        else:
            said += {"%": ".*", "_": "."}.get(part) or re.escape(part)
    return re.compile(said, re.IGNORECASE | re.DOTALL)


ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
INVERSE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """Evaluates a question over all rows there are."""

    question: Question
    rows: Rows

    def found(self) -> list[Bound]:
        """The rows that are found, each with those that its links lead to, in order and all of them."""
        rows = [bound for row in self.rows[self.question.table.name].values() if (bound := self.bind(row))]
        where = self.question.where
        rows = [bound for bound in rows if where is None or self.truth(where, bound) is True]
        for ref, descending in reversed(self.question.order):
            rows.sort(key=lambda bound, ref=ref: self.sortable(bound, ref), reverse=descending)  # type: ignore[misc]
        return rows

    def sortable(self, bound: Bound, ref: Ref) -> tuple[bool, Any]:
        """The sort key of a column: null is smaller than all values."""
        value = value_of(bound, ref)
        return (value is not None, None if value is None else comparable(ref.kind, value))

    def bind(self, row: Row) -> Bound | None:
        """A row and those that its links lead to; None when an inner link leads nowhere."""
        bound: dict[str, Row | None] = {"": row}
        for joined in self.question.joins:
            near = bound[joined.link.near]
            id = None if near is None else near[joined.link.lookup]
            far = None if id is None else self.rows[joined.link.table].get(id)
            if far is not None and joined.on is not None and self.truth(joined.on, {"": far}) is not True:
                far = None
            if far is None and joined.inner:
                return None
            bound[joined.link.alias] = far
        return bound

    def truth(self, node: Node, bound: Bound) -> bool | None:
        """Whether a condition holds; None for unknown, which exists in strict questions only."""
        match node:
            case Not(item):
                known = self.truth(item, bound)
                return None if known is None else not known
            case AllOf(items) | AnyOf(items):
                truths = [self.truth(item, bound) for item in items]
                decisive = isinstance(node, AnyOf)
                return decisive if decisive in truths else None if None in truths else not decisive
            case Some(many, where):
                row = bound[""]
                assert row is not None
                id = row[TABLES[self.question.table.name].id]
                children = (each for each in self.rows[many.table].values() if each[many.lookup] == id)
                return any(self.truth(where, {"": child}) is True for child in children)
            case Comparison(of, "null"):
                return value_of(bound, of) is None
            case Pair(of, op, other):
                values = value_of(bound, of), value_of(bound, other)
                if None in values:
                    return None if self.question.strict else False
                return ORDERS[op](*(comparable(of.kind, value) for value in values))
            case Comparison(of, op, values):
                value = value_of(bound, of)
                if value is None:
                    return None if self.question.strict else False
                return holds(of.kind, op, value, values)

    def groups(self) -> dict[tuple[Any, ...], list[Any]]:
        """The aggregates of each group, in order where there is one."""
        question = self.question
        members: dict[tuple[Any, ...], list[Bound]] = {} if question.groups else {(): []}
        for bound in self.found():
            values = ((ref.kind, value_of(bound, ref)) for ref in question.groups)
            key = tuple(None if value is None else comparable(kind, value) for kind, value in values)
            members.setdefault(key, []).append(bound)
        for ref, descending in reversed(question.order):
            place = question.groups.index(ref)
            known = [key for key in members if key[place] is not None]
            known.sort(key=itemgetter(place), reverse=descending)
            unknown = [key for key in members if key[place] is None]
            keys = [*known, *unknown] if descending else [*unknown, *known]
            members = {key: members[key] for key in keys}
        return {
            key: [aggregated(function, ref, rows) for function, ref in question.aggregates]
            for key, rows in members.items()
        }


def value_of(bound: Bound, ref: Ref) -> Any:
    """The value of a column; null when the link leads nowhere."""
    row = bound[ref.link]
    return None if row is None else row[ref.name]


def holds(kind: str, op: str, value: Any, values: Sequence[Any]) -> bool:
    """Whether a comparison holds for a value that is there."""
    if op in ("like", "begins", "ends", "contains"):
        return pattern(op, values[0]).fullmatch(value) is not None
    if op == "has":
        return not set(value).isdisjoint(values)
    value, values = comparable(kind, value), [comparable(kind, each) for each in values]
    if op == "in":
        return value in values
    if op == "between":
        return bool(values[0] <= value <= values[1])
    return ORDERS[op](value, values[0])


def aggregated(function: str, ref: Ref | None, rows: Sequence[Bound]) -> Any:
    """An aggregate, exactly; an average as a fraction."""
    if ref is None:
        return len(rows)
    values = [comparable(ref.kind, value) for row in rows if (value := value_of(row, ref)) is not None]
    match function:
        case "countcolumn":
            return len(values)
        case "countdistinct":
            return len(set(values))
        case "sum":
            return sum(values) if values else None
        case "avg":
            return Fraction(sum(values)) / len(values) if values else None
        case "min":
            return min(values, default=None)
        case _:
            return max(values, default=None)


# -- how it is said --------------------------------------------------------------------------------------------------
T = TypeVar("T")


def plain(value: Any) -> str:
    """A value as text without any quotes."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


class Language(ABC, Generic[T]):
    """Says conditions. Where a language has no ``not`` that means what the question's does, it is pushed down."""

    # Whether a negated operator of this language holds for null; for which kind of question its own ``not`` is right.
    negation_holds_for_null = True
    strict: bool | None = None

    def __init__(self, question: Question) -> None:
        self.question = question

    def say(self, node: Node, prefix: str = "", negated: bool = False) -> T:
        """A condition, or its negation. ``prefix``: what goes before names of the tested row's own columns."""
        match node:
            case Not(item):
                if self.strict is self.question.strict and not self.short(item):
                    return self.no(self.say(item, prefix))
                return self.say(item, prefix, not negated)
            case AllOf(items) | AnyOf(items):
                said = [self.say(item, prefix, negated) for item in items]
                return self.join(said, isinstance(node, AllOf) is not negated)
            case Some():
                return self.some(node, negated)
            case _:
                return self.leaf(node, prefix, negated)

    def texts(self, node: Comparison) -> list[str]:
        """The values of a comparison without any quotes; ids have no case."""
        upper = self.question.spelling and node.of.kind == "id"
        return [plain(value).upper() if upper else plain(value) for value in node.values]

    def short(self, item: Node) -> bool:
        """Whether to write ``x ne 1`` for ``not (x eq 1)``, where both would do."""
        return self.question.spelling and isinstance(item, Comparison)

    def leaf(self, node: Comparison | Pair, prefix: str, negated: bool) -> T:
        """A comparison, with whatever makes it right for null."""
        op, inverse = node.op, False
        if negated and op in INVERSE:
            op, inverse = INVERSE[op], True
        said = self.compare(node, op, prefix, negated and not inverse)
        if not negated or op == "null":
            return said
        now = self.negation_holds_for_null and not inverse
        if now is not self.question.strict:
            return said
        refs = [node.of, *([node.other] if isinstance(node, Pair) else [])]
        tests = [
            self.compare(Comparison(ref, "null"), "null", prefix, self.question.strict)
            for ref in dict.fromkeys(refs)
        ]
        return self.join([said, *tests], self.question.strict)

    def group_names(self) -> list[str]:
        """What groups are called in the answer."""
        return [f"g{index}" for index in range(len(self.question.groups))]

    @abstractmethod
    def compare(self, node: Comparison | Pair, op: str, prefix: str, negated: bool) -> T:
        """A comparison by an operator or its negation, whatever that means for null."""

    @abstractmethod
    def some(self, node: Some, negated: bool) -> T:
        """Whether there is, or is not, such a row that belongs to this one."""

    @abstractmethod
    def join(self, items: Sequence[T], every: bool) -> T:
        """All or one of several conditions."""

    def no(self, item: T) -> T:
        """The negation of something that was said."""
        raise Unsayable


class OData(Language[str]):
    """The options of a query: ``$filter`` and its kin, or ``$apply``."""

    strict = False
    aggregate_names: Mapping[str, str] = {"sum": "sum", "avg": "average", "min": "min", "max": "max",
                                          "countdistinct": "countdistinct"}  # fmt: skip

    def options(self) -> dict[str, str]:
        """The options by name."""
        question = self.question
        where = self.where()
        if question.aggregates:
            found = {"$apply": (f"filter({where})/" if where else "") + self.grouped()}
            names = dict(zip(question.groups, self.group_names(), strict=True))
            keys = [names[ref] + (" desc" if descending else "") for ref, descending in question.order]
            return found | ({"$orderby": ",".join(keys)} if keys else {})
        found = {"$select": ",".join(self.name(ref) for ref in question.select if not ref.link)}
        if expanded := self.expanded(""):
            found["$expand"] = expanded
        if where:
            found["$filter"] = where
        if question.order:
            found["$orderby"] = ",".join(
                self.name(ref) + (" desc" if descending else "") for ref, descending in question.order
            )
        if question.top is not None:
            found["$top"] = str(question.top)
        return found

    def where(self) -> str:
        """The conditions, those of inner links among them."""
        parts = [] if self.question.where is None else [self.say(self.question.where)]
        for joined in self.question.joins:
            if joined.inner:
                path = self.path(joined.link.alias)
                parts.append(f"{path}{TABLES[joined.link.table].id} ne null")
                parts += [self.say(joined.on, path)] if joined.on is not None else []
            elif joined.on is not None:
                raise Unsayable
        return self.join(parts, True) if parts else ""

    def expanded(self, near: str) -> str:
        """What is shown of linked rows."""
        found = []
        for joined in self.question.joins:
            link = joined.link
            if link.near == near:
                names = [
                    self.name(replace(ref, link="")) for ref in self.question.select if ref.link == link.alias
                ]
                deeper = self.expanded(link.alias)
                if names or deeper:
                    options = f"$select={','.join(names) or TABLES[link.table].id}"
                    options += f";$expand={deeper}" if deeper else ""
                    found.append(f"{link.navigation}({options})")
        return ",".join(found)

    def shown(self, row: Row, ref: Ref) -> Any:
        """The value of a selected column in a row of an answer."""
        inside: Any = row
        for step in self.path(ref.link).split("/")[:-1]:
            inside = None if inside is None else inside[step]
        return None if inside is None else inside.get(self.name(replace(ref, link="")))

    def grouped(self) -> str:
        """What groups and aggregates."""
        parts = []
        for index, (function, ref) in enumerate(self.question.aggregates):
            if ref is None:
                parts.append(f"$count as a{index}")
            elif function in self.aggregate_names:
                parts.append(f"{self.name(ref)} with {self.aggregate_names[function]} as a{index}")
            else:
                raise Unsayable
        names = self.group_names()
        if len(set(names)) < len(names):
            raise Unsayable
        aggregates = f"aggregate({','.join(parts)})"
        groups = ",".join(self.name(ref) for ref in self.question.groups)
        return f"groupby(({groups}),{aggregates})" if groups else aggregates

    def group_names(self) -> list[str]:
        """What groups are called in the answer: those of linked rows by table and column."""
        table = self.question.table
        return [
            f"{table.table(ref.link).name}_{ref.name}" if ref.link else self.name(ref)
            for ref in self.question.groups
        ]

    def path(self, alias: str) -> str:
        """The navigation properties to a linked row, with slashes."""
        if not alias:
            return ""
        link = self.question.table.link(alias)
        return f"{self.path(link.near)}{link.navigation}/"

    def name(self, ref: Ref, prefix: str = "") -> str:
        """A column."""
        lookup = ref.kind == "id" and ref.name not in ("accountid", "contactid")
        return prefix + self.path(ref.link) + (f"_{ref.name}_value" if lookup else ref.name)

    def literals(self, node: Comparison) -> list[str]:
        """The values of a comparison."""
        if node.of.kind in ("text", "word"):
            return ["'" + value.replace("'", "''") + "'" for value in node.values]
        if node.of.kind == "boolean":
            return [str(value).lower() for value in node.values]
        return self.texts(node)

    def compare(self, node: Comparison | Pair, op: str, prefix: str, negated: bool) -> str:
        name = self.name(node.of, prefix)
        if isinstance(node, Pair):
            if node.of.link != node.other.link:
                raise Unsayable
            return f"{name} {'ne' if negated else op} {self.name(node.other, prefix)}"
        values = self.literals(node)
        texts = json.dumps(self.texts(node), ensure_ascii=False)
        function = f"Microsoft.Dynamics.CRM.{{}}(PropertyName='{name}',PropertyValues={texts})"
        match op:
            case "null":
                return f"{name} {'ne' if negated else 'eq'} null"
            case "in" if self.question.spelling:
                return function.format("NotIn" if negated else "In")
            case "in":
                said = f"({name} in ({','.join(values)}))"
            case "between" if self.question.spelling:
                return function.format("NotBetween" if negated else "Between")
            case "between":
                said = f"({name} ge {values[0]} and {name} le {values[1]})"
            case "has":
                return function.format("DoesNotContainValues" if negated else "ContainValues")
            case "begins" | "ends" | "contains":
                call = {"begins": "startswith", "ends": "endswith", "contains": "contains"}[op]
                said = f"{call}({name},{values[0]})"
            case "like":
                raise Unsayable
            case _:
                return f"{name} {'ne' if negated else op} {values[0]}"
        return f"not {said}" if negated else said

    def some(self, node: Some, negated: bool) -> str:
        said = f"{node.many.navigation}/any(o:{self.say(node.where, 'o/')})"
        return f"not {said}" if negated else said

    def join(self, items: Sequence[str], every: bool) -> str:
        return f"({(' and ' if every else ' or ').join(items)})"

    def no(self, item: str) -> str:
        return f"not ({item})"


class Sql(Language[str]):
    """A SELECT statement."""

    strict = True
    negation_holds_for_null = False
    functions: Mapping[str, str] = {
        "sum": "SUM({})", "avg": "AVG({})", "min": "MIN({})", "max": "MAX({})", "countcolumn": "COUNT({})",
        "countdistinct": "COUNT(DISTINCT {})",
    }  # fmt: skip

    def text(self) -> str:
        """The statement."""
        question = self.question
        table = question.table
        joins = "".join(self.joined(joined) for joined in question.joins)
        where = f" WHERE {self.say(question.where)}" if question.where is not None else ""
        if question.aggregates:
            columns = [f"{self.name(ref)} AS g{index}" for index, ref in enumerate(question.groups)]
            for index, (function, ref) in enumerate(question.aggregates):
                call = "COUNT(*)" if ref is None else self.functions[function].format(self.name(ref))
                columns.append(f"{call} AS a{index}")
            groups = ", ".join(self.name(ref) for ref in question.groups)
            tail = f" GROUP BY {groups}" if groups else ""
        else:
            columns = [
                f"{self.name(ref)} AS {self.alias(ref)}" if ref.link else self.name(ref)
                for ref in question.select
            ]
            tail = ""
        if question.order:
            keys = (f"{self.name(ref)}{' DESC' if down else ''}" for ref, down in question.order)
            tail += f" ORDER BY {', '.join(keys)}"
        top = "" if question.top is None else f"TOP {question.top} "
        return f"SELECT {top}{', '.join(columns)} FROM {table.name} AS t{joins}{where}{tail}"

    def alias(self, ref: Ref) -> str:
        """What a column of a linked row is called in the answer."""
        return f"{ref.link}_{ref.name}"

    def shown(self, row: Row, ref: Ref) -> Any:
        """The value of a selected column in a row of an answer."""
        return row.get(self.alias(ref) if ref.link else OData(self.question).name(ref))

    def joined(self, joined: Joined) -> str:
        """A JOIN."""
        link = joined.link
        on = "" if joined.on is None else f" AND {self.say(joined.on, link.alias)}"
        kind = "INNER" if joined.inner else "LEFT"
        key = TABLES[link.table].id
        return f" {kind} JOIN {link.table} AS {link.alias} ON {link.alias}.{key} = {link.near or 't'}.{link.lookup}{on}"

    def name(self, ref: Ref, prefix: str = "") -> str:
        """A column."""
        return f"{ref.link or prefix or 't'}.{ref.name}"

    def compare(self, node: Comparison | Pair, op: str, prefix: str, negated: bool) -> str:
        name, no = self.name(node.of, prefix), "NOT " if negated else ""
        symbols = {"eq": "<>" if negated else "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        if isinstance(node, Pair):
            return f"{name} {symbols[op]} {self.name(node.other, prefix)}"
        quoted = node.of.kind not in (*NUMBERS, "boolean", "choice")
        values = self.texts(node)
        values = ["'" + value.replace("'", "''") + "'" if quoted else value for value in values]
        match op:
            case "null":
                return f"{name} IS {no}NULL"
            case "in":
                return f"{name} {no}IN ({', '.join(values)})"
            case "between":
                return f"{name} {no}BETWEEN {values[0]} AND {values[1]}"
            case "like" | "begins" | "ends" | "contains":
                start, end = (
                    "%" if op in ends else "" for ends in (("ends", "contains"), ("begins", "contains"))
                )
                return f"{name} {no}LIKE N'{start}{values[0][1:-1]}{end}'"
            case "has":
                raise Unsayable
            case _:
                return f"{name} {symbols[op]} {values[0]}"

    def some(self, node: Some, negated: bool) -> str:
        raise Unsayable

    def join(self, items: Sequence[str], every: bool) -> str:
        return f"({(' AND ' if every else ' OR ').join(items)})"

    def no(self, item: str) -> str:
        return f"NOT ({item})"


class FetchXml(Language[str]):
    """A fetch element."""

    operators: Mapping[str, tuple[str, str]] = {
        "eq": ("eq", "ne"), "in": ("in", "not-in"), "between": ("between", "not-between"),
        "null": ("null", "not-null"), "like": ("like", "not-like"), "contains": ("like", "not-like"),
        "begins": ("begins-with", "not-begin-with"), "ends": ("ends-with", "not-end-with"),
        "has": ("contain-values", "not-contain-values"),
    }  # fmt: skip

    def text(self, page: str = "") -> str:
        """The element; ``page`` are its attributes for pages."""
        question = self.question
        where = "" if question.where is None else f"<filter>{self.say(question.where)}</filter>"
        orders = "".join(
            f"<order{self.key(ref)} descending='{str(descending).lower()}'/>"
            for ref, descending in question.order
        )
        top = "" if question.top is None else f" top='{question.top}'"
        kind = " aggregate='true'" if question.aggregates else " useraworderby='true'"
        inside = self.columns("") + where + self.links("") + orders
        return f"<fetch{kind}{top}{page}><entity name='{question.table.name}'>{inside}</entity></fetch>"

    def columns(self, alias: str) -> str:
        """What is shown of the row or of a linked one."""
        question = self.question
        if not question.aggregates:
            return "".join(f"<attribute name='{ref.name}'/>" for ref in question.select if ref.link == alias)
        found = "".join(
            f"<attribute name='{ref.name}' alias='g{index}' groupby='true'/>"
            for index, ref in enumerate(question.groups)
            if ref.link == alias
        )
        for index, (function, ref) in enumerate(question.aggregates):
            of = ref or Ref("", question.table.id, "id")
            distinct = " distinct='true'" if function == "countdistinct" else ""
            called = "countcolumn" if distinct else function
            if of.link == alias:
                found += f"<attribute name='{of.name}' alias='a{index}' aggregate='{called}'{distinct}/>"
        return found

    def links(self, near: str) -> str:
        """The links that start from an alias."""
        found = ""
        for joined in self.question.joins:
            link = joined.link
            if link.near == near:
                on = "" if joined.on is None else f"<filter>{self.say(joined.on)}</filter>"
                found += (
                    f"<link-entity name='{link.table}' from='{TABLES[link.table].id}' to='{link.lookup}'"
                    f" alias='{link.alias}' link-type='{'inner' if joined.inner else 'outer'}'>"
                    f"{self.columns(link.alias)}{on}{self.links(link.alias)}</link-entity>"
                )
        return found

    def key(self, ref: Ref) -> str:
        """The attributes that say what to sort by: a column, or a group by its alias."""
        if self.question.aggregates:
            return f" alias='g{self.question.groups.index(ref)}'"
        return f"{self.entity(ref)} attribute='{ref.name}'"

    def shown(self, row: Row, ref: Ref) -> Any:
        """The value of a selected column in a row of an answer."""
        return row.get(f"{ref.link}.{ref.name}" if ref.link else OData(self.question).name(ref))

    def entity(self, ref: Ref) -> str:
        """The attribute that says which link a column is of."""
        return f" entityname='{ref.link}'" if ref.link else ""

    def compare(self, node: Comparison | Pair, op: str, prefix: str, negated: bool) -> str:
        start = f"<condition{self.entity(node.of)} attribute='{node.of.name}'"
        start += f" operator='{self.operators[op][negated] if op in self.operators else op}'"
        if isinstance(node, Pair):
            other = f"{node.other.link}.{node.other.name}" if node.other.link else node.other.name
            return f"{start} valueof='{other}'/>"
        values = self.texts(node)
        if op == "contains":
            values = [f"%{values[0]}%"]
        if op in ("in", "between", "has"):
            return f"{start}>{''.join(f'<value>{escape(value)}</value>' for value in values)}</condition>"
        return start + "".join(f" value={quoteattr(value)}" for value in values) + "/>"

    def some(self, node: Some, negated: bool) -> str:
        return (
            f"<link-entity name='{node.many.table}' from='{node.many.lookup}' to='{self.question.table.id}'"
            f" link-type='{'not any' if negated else 'any'}'><filter>{self.say(node.where)}</filter></link-entity>"
        )

    def join(self, items: Sequence[str], every: bool) -> str:
        return f"<filter type='{'and' if every else 'or'}'>{''.join(items)}</filter>"


class QueryExpression(Language[dict[str, Any]]):
    """The SDK's query as JSON. What is said is a FilterExpression."""

    operators: Mapping[str, tuple[str, str]] = {
        "eq": ("Equal", "NotEqual"), "in": ("In", "NotIn"), "between": ("Between", "NotBetween"),
        "null": ("Null", "NotNull"), "like": ("Like", "NotLike"), "contains": ("Like", "NotLike"),
        "begins": ("BeginsWith", "DoesNotBeginWith"), "ends": ("EndsWith", "DoesNotEndWith"),
        "has": ("ContainValues", "DoesNotContainValues"), "lt": ("LessThan", ""), "le": ("LessEqual", ""),
        "gt": ("GreaterThan", ""), "ge": ("GreaterEqual", ""),
    }  # fmt: skip

    def value(self, among: Sequence[str] | None = None) -> dict[str, Any]:
        """The query; ``among`` adds that the row is one of these."""
        question = self.question
        if question.aggregates:
            raise Unsayable
        filters = [] if question.where is None else [self.say(question.where)]
        if among is not None:
            filters.append(
                self.compare(
                    Comparison(Ref("", question.table.id, "id"), "in", tuple(among)), "in", "", False
                )
            )
        return {
            "EntityName": question.table.name,
            "ColumnSet": {"Columns": [ref.name for ref in question.select if not ref.link]},
            "Criteria": self.join(filters, True),
            "LinkEntities": self.links(question.table.name, ""),
            "Orders": [
                {"AttributeName": ref.name, "OrderType": "Descending" if down else "Ascending",
                 **({"EntityName": ref.link} if ref.link else {})}
                for ref, down in question.order
            ],
            **({} if question.top is None else {"TopCount": question.top}),
        }  # fmt: skip

    def links(self, table: str, near: str) -> list[dict[str, Any]]:
        """The links that start from an alias."""
        return [
            {
                "LinkFromEntityName": table,
                "LinkFromAttributeName": joined.link.lookup,
                "LinkToEntityName": joined.link.table,
                "LinkToAttributeName": TABLES[joined.link.table].id,
                "EntityAlias": joined.link.alias,
                "JoinOperator": "Inner" if joined.inner else "LeftOuter",
                **({} if joined.on is None else {"LinkCriteria": self.say(joined.on)}),
                "LinkEntities": self.links(joined.link.table, joined.link.alias),
            }
            for joined in self.question.joins
            if joined.link.near == near
        ]

    def compare(self, node: Comparison | Pair, op: str, prefix: str, negated: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"AttributeName": node.of.name, "Operator": self.operators[op][negated]}
        if node.of.link:
            found["EntityName"] = node.of.link
        if isinstance(node, Pair):
            if node.of.link or node.other.link:
                raise Unsayable
            found |= {"CompareColumns": True, "Values": [node.other.name]}
        else:
            texts = [f"%{text}%" if op == "contains" else text for text in self.texts(node)]
            values = [
                value if isinstance(value, bool | int) else text
                for value, text in zip(node.values, texts, strict=True)
            ]
            found["Values"] = [{"Value": value, "Type": "System.Object"} for value in values]
        return {"FilterOperator": "And", "Conditions": [found]}

    def some(self, node: Some, negated: bool) -> dict[str, Any]:
        link = {
            "LinkFromEntityName": self.question.table.name,
            "LinkFromAttributeName": self.question.table.id,
            "LinkToEntityName": node.many.table,
            "LinkToAttributeName": node.many.lookup,
            "JoinOperator": "NotAny" if negated else "Any",
            "LinkCriteria": self.say(node.where),
        }
        return {"FilterOperator": "And", "AnyAllFilterLinkEntity": link}

    def join(self, items: Sequence[dict[str, Any]], every: bool) -> dict[str, Any]:
        return {"FilterOperator": "And" if every else "Or", "Filters": list(items)}
