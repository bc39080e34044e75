"""``$apply``: filter, groupby and aggregate.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/aggregate-data
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from orgstead.languages.odata.functions import REFUSED_FUNCTIONS
from orgstead.languages.odata.lexer import Cursor, syntax, too_complex, unsupported
from orgstead.languages.odata.limits import MAX_NAMES, MAX_QUERY_CHARS
from orgstead.languages.odata.literals import NavName
from orgstead.languages.odata.parser import predicate
from orgstead.languages.odata.paths import field
from orgstead.model.query import Aggregate, And, Condition, Exists, Field, Group, Not, Order, Predicate

__all__ = ["Applied", "both", "parse_apply", "path_text", "refuse_aggregates"]

_Function = Literal["sum", "avg", "min", "max", "countdistinct"]
_METHODS: dict[str, _Function] = {
    "sum": "sum",
    "average": "avg",
    "min": "min",
    "max": "max",
    "countdistinct": "countdistinct",
}
_TRANSFORMATIONS = frozenset(
    {
        "ancestors", "bottomcount", "bottompercent", "bottomsum", "compute", "concat", "descendants",
        "expand", "identity", "join", "nest", "orderby", "outerjoin", "search", "skip", "top", "topcount",
        "toppercent", "topsum", "traverse",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a ``$apply`` asks for.

    ``where`` holds before grouping and ``having`` after it. The alias of a group is its path as written
    (``statuscode``, ``primarycontactid/fullname``): Dataverse answers ``contact_fullname`` for the latter,
    which takes names of tables to know.
    """

    where: Predicate | None = None
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    having: Predicate | None = None

    @property
    def grouped(self) -> bool:
        """Whether the rows of the answer are no longer rows of the table."""
        return bool(self.groups or self.aggregates)


def parse_apply(
    text: str, aliases: Mapping[str, str] | None = None, *, max_chars: int = MAX_QUERY_CHARS
) -> Applied:
    """The transformations that the text of a ``$apply`` states.

    Raises ODataSyntax, QueryTooComplex, and ODataUnsupported for transformations and methods that
    Dataverse does not have.
    """
    cursor = Cursor(text, {} if aliases is None else aliases, max_chars=max_chars)
    where: Predicate | None = None
    having: Predicate | None = None
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    while True:
        name = cursor.name()
        if name in _TRANSFORMATIONS:
            raise unsupported(f"The transformation '{name}' in $apply")
        if name not in {"filter", "groupby", "aggregate"}:
            cursor.index -= 1
            raise cursor.fail(f"Unknown transformation '{name}'")
        cursor.expect("(")
        grouped = bool(groups or aggregates)
        if name == "filter":
            condition = predicate(cursor, ())
            if grouped:
                refuse_aggregates(condition, aggregates)
                having = both(having, condition)
            else:
                where = both(where, condition)
        elif grouped:
            raise unsupported(f"The transformation '{name}' after groupby or aggregate in $apply")
        elif name == "groupby":
            groups, aggregates = _groupby(cursor)
        else:
            aggregates = _aggregates(cursor)
        cursor.expect(")")
        if not cursor.take("/"):
            break
    cursor.finish()
    _unique_aliases(groups, aggregates)
    return Applied(where=where, groups=groups, aggregates=aggregates, having=having)


def refuse_aggregates(what: Predicate | tuple[Order, ...], aggregates: tuple[Aggregate, ...]) -> None:
    """Raise the fault with which Dataverse answers a filter or sort by the alias of an aggregate."""
    names = {aggregate.alias for aggregate in aggregates}
    fields = (order.field for order in what) if isinstance(what, tuple) else _fields(what)
    if any(not field.path and field.name in names for field in fields):
        raise unsupported("The query node SingleValueOpenPropertyAccess")


def both(first: Predicate | None, second: Predicate | None) -> Predicate | None:
    """Both of them, where either may be absent."""
    if first is None or second is None:
        return second if first is None else first
    return And((first, second))


def path_text(column: Field) -> str:
    """The path of a column as it is written."""
    hops = [str(hop) if not isinstance(hop, NavName) else hop.name for hop in column.path]
    return "/".join((*hops, column.name))


def _groupby(cursor: Cursor) -> tuple[tuple[Group, ...], tuple[Aggregate, ...]]:
    cursor.expect("(")
    groups: list[Group] = []
    while True:
        if cursor.tokens[cursor.index + 1] == "(":
            what = cursor.token
            if what == "rollup" or what in REFUSED_FUNCTIONS:
                raise unsupported(f"'{what}' in groupby")
        column = field(cursor)
        groups.append(Group(field=column, alias=path_text(column)))
        if len(groups) > MAX_NAMES:
            raise too_complex(f"{MAX_NAMES} groupby items")
        if not cursor.take(","):
            break
    cursor.expect(")")
    if not cursor.take(","):
        return tuple(groups), ()
    if cursor.token in _TRANSFORMATIONS or cursor.token in {"filter", "groupby"}:
        raise unsupported(f"The transformation '{cursor.token}' inside groupby in $apply")
    cursor.expect("aggregate")
    cursor.expect("(")
    aggregates = _aggregates(cursor)
    cursor.expect(")")
    return tuple(groups), aggregates


def _aggregates(cursor: Cursor) -> tuple[Aggregate, ...]:
    result: list[Aggregate] = []
    while True:
        result.append(_aggregate(cursor))
        if len(result) > MAX_NAMES:
            raise too_complex(f"{MAX_NAMES} aggregate items")
        if not cursor.take(","):
            return tuple(result)


def _aggregate(cursor: Cursor) -> Aggregate:
    if cursor.take("$count"):
        cursor.expect("as")
        return Aggregate(function="count", alias=cursor.name())
    column = field(cursor)
    cursor.expect("with")
    method = cursor.token
    if method not in _METHODS:
        raise cursor.fail(f"Unrecognized with '{method}'")
    cursor.index += 1
    if cursor.token == "from":
        raise unsupported("'from' in aggregate")
    cursor.expect("as")
    return Aggregate(function=_METHODS[method], alias=cursor.name(), field=column)


def _unique_aliases(groups: tuple[Group, ...], aggregates: tuple[Aggregate, ...]) -> None:
    seen: set[str] = set()
    for alias in (*(item.alias for item in groups), *(item.alias for item in aggregates)):
        if alias in seen:
            raise syntax(f"The name '{alias}' is used twice in $apply.")
        seen.add(alias)


def _fields(what: Predicate) -> Iterator[Field]:
    if isinstance(what, Condition):
        yield what.field
        yield from (value for value in what.values if isinstance(value, Field))
    elif isinstance(what, Not):
        yield from _fields(what.item)
    elif isinstance(what, Exists):
        raise unsupported("A lambda expression after groupby or aggregate in $apply")
    else:
        for item in what.items:
            yield from _fields(item)
