"""SQL to the query value, as the Web API's ``sql`` option takes it: one SELECT, in logical names.

Joins are inner or left ones by columns, conditions compare columns with literals or with one another, and there are no
expressions. As in SQL, and unlike in the other languages, a comparison with a missing value is never true, and neither
is its opposite.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/sql
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from orgstead.errors import fault
from orgstead.languages.sql.conditions import Conditions
from orgstead.languages.sql.subset import check, unsupported
from orgstead.model.query import (
    Aggregate,
    And,
    Field,
    Group,
    Join,
    Order,
    Predicate,
    Query,
    Shown,
)

__all__ = ["parse_sql"]

MAX_CHARS = 32_768
MAX_ROWS = 5000
MAX_OFFSET = 50_000
LARGEST_DIGITS = 12
MAX_JOINS = 15
KEPT = 512

_FUNCTIONS: dict[type[exp.Expr], Any] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Count: "count",
}
_ALLOWED = frozenset(
    {"expressions", "from_", "joins", "where", "group", "order", "limit", "offset", "distinct", "kind"}
)


@lru_cache(maxsize=KEPT)
def parse_sql(text: str) -> Query:
    """Read a SELECT statement.

    Raises SqlMalformed for what is no SQL, ODataUnsupported for what is SQL and not of this subset, and
    QueryTooComplex, TooManyConditions, TooManyLinks for too much of it.
    """
    if len(text) > MAX_CHARS:
        raise fault("QueryTooComplex", limit=f"{MAX_CHARS} characters of SQL")
    try:
        statements = [each for each in sqlglot.parse(text, dialect="tsql") if each is not None]
        if len(statements) != 1:
            raise unsupported(f"{len(statements)} statements instead of one")
        select = statements[0]
        if not isinstance(select, exp.Select):
            raise unsupported(type(select).__name__.upper())
        return _Reader(select).query()
    except SqlglotError as error:
        raise fault("SqlMalformed", reason=_plain(error)) from None
    except RecursionError:
        raise fault("QueryTooComplex", limit="levels that SQL can be nested in") from None


def _plain(error: SqlglotError) -> str:
    details = getattr(error, "errors", None) or [{}]
    found = details[0]
    if "description" not in found:
        return str(error).splitlines()[0][:200]
    return f"{found['description']} at line {found['line']}, column {found['col']}"[:200]


@dataclass(slots=True)
class _Table:
    """A table of the statement, with what is joined to it."""

    name: str
    alias: str
    kind: Any = "inner"
    from_column: str = ""
    to_column: str = ""
    where: list[Predicate] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    aliased: list[Shown] = field(default_factory=list)
    joined: "list[_Table]" = field(default_factory=list)

    def join(self) -> Join:
        """As a join of the query."""
        return Join(
            table=self.name,
            alias=self.alias,
            from_column=self.from_column,
            to_column=self.to_column,
            kind=self.kind,
            columns=tuple(self.columns),
            aliased=tuple(self.aliased),
            where=_all(self.where),
            joins=tuple(each.join() for each in self.joined),
        )


class _Reader:
    """One SELECT statement being read."""

    def __init__(self, select: exp.Select) -> None:
        for name, part in select.args.items():
            if part and name not in _ALLOWED:
                raise unsupported(name.rstrip("_").upper())
        self.select = select
        for node in select.walk():
            check(node)
        source = select.args.get("from_")
        if source is None:
            raise unsupported("SELECT without FROM")
        self.base = self.table(source.this)
        self.tables = {self.base.alias: self.base}
        self.conditions = Conditions(self.field)

    def query(self) -> Query:
        """The query."""
        select = self.select
        joins = select.args.get("joins") or []
        if len(joins) > MAX_JOINS:
            raise fault("TooManyLinks")
        for join in joins:
            self.join(join)
        grouped = select.args.get("group")
        where = select.args.get("where")
        query = Query(
            table=self.base.name,
            where=None if where is None else self.conditions.predicate(where.this, False),
        )
        if grouped is not None or any(self.function(item) for item in select.expressions):
            groups, aggregates = self.grouped(grouped)
            query = replace(
                query, groups=groups, aggregates=aggregates, order=self.group_order(groups, aggregates)
            )
        else:
            self.columns()
            query = replace(
                query,
                columns=tuple(self.base.columns),
                aliased=tuple(self.base.aliased),
                order=self.order(),
                distinct=self.distinct(),
            )
        query = replace(query, joins=tuple(each.join() for each in self.base.joined))
        top, offset = self.limits()
        return replace(query, top=top, offset=offset)

    # -- tables --------------------------------------------------------------------------------------------------
    def table(self, item: exp.Expr) -> _Table:
        """A table of FROM or JOIN."""
        if not isinstance(item, exp.Table):
            raise unsupported(f"{item.sql(dialect='tsql')} in FROM")
        schema = item.args.get("db")
        if schema is not None and schema.name.lower() != "dbo":
            raise unsupported(f"the name {item.sql(dialect='tsql')}")
        alias = item.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            raise unsupported(f"the names of columns in {item.sql(dialect='tsql')}")
        name = item.name.lower()
        return _Table(name=name, alias=item.alias.lower() or name)

    def join(self, join: exp.Join) -> None:
        """One JOIN: by an equality of columns, with further conditions on the joined table."""
        side, kind = join.side.upper(), join.kind.upper()
        if side not in ("", "LEFT") or kind not in ("", "INNER", "OUTER"):
            raise unsupported(f"{side} {kind} JOIN".strip().replace("  ", " "))
        on = join.args.get("on")
        if on is None:
            raise unsupported("JOIN without ON")
        table = self.table(join.this)
        if table.alias in self.tables:
            raise fault("DuplicateAlias", alias=table.alias)
        table.kind = "outer" if side == "LEFT" else "inner"
        for part in on.flatten() if isinstance(on, exp.And) else [on]:
            self.on(table, part.unnest())
        if not table.from_column:
            raise unsupported(f"JOIN {table.name} by something else than two columns")

    def on(self, table: _Table, part: exp.Expr) -> None:
        """One condition of an ON."""
        if (
            isinstance(part, exp.EQ)
            and isinstance(part.this, exp.Column)
            and isinstance(part.expression, exp.Column)
        ):
            for own, other in ((part.this, part.expression), (part.expression, part.this)):
                if (
                    self.named(own) == table.alias
                    and self.named(other) in self.tables
                    and not table.from_column
                ):
                    table.from_column, table.to_column = own.name.lower(), other.name.lower()
                    self.tables[self.named(other)].joined.append(table)
                    self.tables[table.alias] = table
                    return
        if {self.named(column) for column in part.find_all(exp.Column)} != {table.alias}:
            raise unsupported(f"ON {part.sql(dialect='tsql')}")
        table.where.append(self.conditions.predicate(part, False, inside=table.alias))

    def named(self, column: exp.Column) -> str:
        """The alias in front of a column; that of the first table without one."""
        return column.table.lower() or self.base.alias

    def field(self, column: exp.Column, inside: str | None = None) -> Field:
        """A column. ``inside``: the table whose own columns need no alias here."""
        alias = self.named(column)
        if inside is not None and alias == inside:
            return Field(column.name.lower())
        if alias not in self.tables:
            raise fault("UnknownAlias", alias=alias[:100])
        return Field(column.name.lower(), alias=None if alias == self.base.alias else alias)

    # -- what is selected ----------------------------------------------------------------------------------------
    def columns(self) -> None:
        """The columns of a statement without aggregates, each given to its table.

        One of a joined table has its own name in the result, too, unless another column has it.
        """
        named = Counter(item.alias_or_name.lower() for item in self.select.expressions)
        for item in self.select.expressions:
            column = item.unalias()
            if isinstance(column, exp.Star) or (
                isinstance(column, exp.Column) and isinstance(column.this, exp.Star)
            ):
                raise unsupported("SELECT *: name the columns")
            if not isinstance(column, exp.Column):
                raise unsupported(f"{item.sql(dialect='tsql')} in SELECT")
            found = self.field(column)
            owner = self.tables[self.named(column)]
            if item.alias:
                owner.aliased.append(Shown(found.name, item.alias))
            elif owner is not self.base and named[found.name] == 1:
                owner.aliased.append(Shown(found.name, found.name))
            else:
                owner.columns.append(found.name)

    def function(self, item: exp.Expr) -> Any:
        """The aggregate function that an item calls, if it does."""
        return _FUNCTIONS.get(type(item.unalias()))

    def grouped(self, grouped: Any) -> tuple[tuple[Group, ...], tuple[Aggregate, ...]]:
        """The groups and aggregates of a statement that has some."""
        by = [] if grouped is None else list(grouped.expressions)
        if not all(isinstance(each, exp.Column) for each in by):
            raise unsupported("GROUP BY something else than columns")
        fields = [self.field(each) for each in by]
        groups: list[Group] = []
        aggregates: list[Aggregate] = []
        for item in self.select.expressions:
            if self.function(item):
                aggregates.append(self.aggregate(item))
                continue
            column = item.unalias()
            if not isinstance(column, exp.Column) or self.field(column) not in fields:
                raise unsupported(f"{item.sql(dialect='tsql')} beside aggregates and not in GROUP BY")
            groups.append(Group(field=self.field(column), alias=item.alias or column.name.lower()))
        shown = [group.field for group in groups]
        if any(each not in shown for each in fields):
            raise unsupported("GROUP BY a column that is not selected")
        return tuple(groups), tuple(aggregates)

    def aggregate(self, item: exp.Expr) -> Aggregate:
        """One aggregate; without an alias it is called after its function and column."""
        call, function = item.unalias(), self.function(item)
        argument = call.this
        if isinstance(argument, exp.Distinct) and function == "count" and len(argument.expressions) == 1:
            function, argument = "countdistinct", argument.expressions[0]
        if function == "count" and isinstance(argument, exp.Star):
            return Aggregate(function="count", alias=item.alias or "count")
        if not isinstance(argument, exp.Column):
            raise unsupported(f"{item.sql(dialect='tsql')} in SELECT")
        found = self.field(argument)
        called: Any = "countcolumn" if function == "count" else function
        return Aggregate(function=called, alias=item.alias or f"{function}_{found.name}", field=found)

    # -- order and limits ----------------------------------------------------------------------------------------
    def orders(self) -> Iterable[tuple[exp.Column, bool]]:
        """The columns of ORDER BY, and whether each descends."""
        order = self.select.args.get("order")
        for item in order.expressions if order is not None else ():
            if not isinstance(item.this, exp.Column):
                raise unsupported(f"ORDER BY {item.this.sql(dialect='tsql')}")
            if bool(item.args.get("nulls_first")) is bool(item.args.get("desc")):
                raise unsupported("NULLS FIRST and NULLS LAST")
            yield item.this, bool(item.args.get("desc"))

    def order(self) -> tuple[Order, ...]:
        """The sort keys: columns, or the names that they are selected under."""
        called = {item.alias.lower(): item.unalias() for item in self.select.expressions if item.alias}
        return tuple(
            Order(
                self.field(called.get(column.name.lower(), column) if not column.table else column),
                descending,
            )
            for column, descending in self.orders()
        )

    def group_order(self, groups: tuple[Group, ...], aggregates: tuple[Aggregate, ...]) -> tuple[Order, ...]:
        """The sort keys of groups: what is selected, by its name or its column."""
        aliases = [*(group.alias for group in groups), *(aggregate.alias for aggregate in aggregates)]
        names = {alias.lower(): alias for alias in aliases}
        fields = {group.field: group.alias for group in groups}
        found = []
        for column, descending in self.orders():
            alias = names.get(column.name.lower()) if not column.table else None
            alias = alias or fields.get(self.field(column))
            if alias is None:
                raise fault("UnknownAlias", alias=column.name[:100])
            found.append(Order(Field(alias), descending))
        return tuple(found)

    def distinct(self) -> bool:
        """Whether equal rows come once."""
        distinct = self.select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise unsupported("DISTINCT ON")
        return distinct is not None

    def limits(self) -> tuple[int | None, int]:
        """TOP or FETCH, and OFFSET."""
        limit, offset = self.select.args.get("limit"), self.select.args.get("offset")
        if limit is not None and any(
            limit.args.get(name) for name in ("percent", "with_ties", "limit_options")
        ):
            options = limit.args.get("limit_options")
            if options is None or options.args.get("percent") or options.args.get("with_ties"):
                raise unsupported("TOP with PERCENT or TIES")
        count = None if limit is None else limit.args.get("count") or limit.expression
        top = None if count is None else _whole(count, "TOP", MAX_ROWS)
        skipped = 0 if offset is None else _whole(offset.expression, "OFFSET", MAX_OFFSET)
        return top, skipped


def _whole(node: exp.Expr, what: str, most: int) -> int:
    node = node.unnest()
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdecimal():
        raise unsupported(f"{what} {node.sql(dialect='tsql')}")
    number = int(node.name) if len(node.name.lstrip("0")) <= LARGEST_DIGITS else most + 1
    if number > most or (what == "TOP" and number < 1):
        raise fault("InvalidArgument", message=f"{what} must be a whole number up to {most}.")
    return number


def _all(items: list[Predicate]) -> Predicate | None:
    return None if not items else items[0] if len(items) == 1 else And(tuple(items))
