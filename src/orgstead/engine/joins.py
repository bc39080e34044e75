"""Joins of a query: the tables that they bring, and the columns of these in the result."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orgstead.engine.relations import hierarchy_of
from orgstead.engine.scope import UNREADABLE, Scope, State, column_of
from orgstead.errors import fault
from orgstead.model.plan import Col, Output, Source, Tally, Test, Verdict
from orgstead.model.query import Join, Query, Shown
from orgstead.model.schema import Column, Table

__all__ = [
    "NAME", "JoinedTable", "bind_joins", "check_names", "joined_outputs", "output", "primary_key", "readable",
    "tallies",
]  # fmt: skip

# A name, or several on the way to a column: through a joined table, through lookups.
NAME = re.compile(r"[^\W\d]\w*([./][^\W\d]\w*)*")
# https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/join-tables#limitations
MAX_JOINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTable:
    """What a join brought."""

    join: Join
    source: Source

    @property
    def multiplies(self) -> bool:
        """Whether a row of what it joins can come several times."""
        return self.join.kind != "first"


def bind_joins(query: Query, scope: Scope) -> list[JoinedTable]:
    """Bind the joins of a query, each before those that hang on it.

    Raises TooManyLinks and what ``Scope.join`` does.
    """
    found: list[JoinedTable] = []
    for join, parent in _walk(query.joins, scope.source, scope):
        if len(found) >= MAX_JOINS:
            raise fault("TooManyLinks")
        found.append(JoinedTable(join=join, source=parent))
    return found


def _walk(joins: Sequence[Join], parent: Source, scope: Scope) -> Iterator[tuple[Join, Source]]:
    for join in joins:
        source = scope.join(join, parent).source
        yield join, source
        yield from _walk(join.joins, source, scope)


def joined_outputs(joined: Sequence[JoinedTable], state: State) -> list[Output]:
    """The columns of joined tables: ``alias.column``, unless they have names of their own.

    Of a join with one row at most they come under their schema names.
    https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/join-tables#use-matchfirstrowusingcrossapply-link-type
    """
    outputs: list[Output] = []
    for each in joined:
        table, join = each.source.table, each.join
        columns = (
            readable(table) if join.columns is None else [column_of(table, name) for name in join.columns]
        )
        for column in columns:
            name = column.schema_name if join.kind == "first" else f"{join.alias}.{column.name}"
            outputs += output(state, each.source, column, name)
        for shown in join.aliased:
            outputs += output(state, each.source, column_of(table, shown.name), shown.alias)
    return outputs


def output(state: State, source: Source, column: Column, name: str) -> list[Output]:
    """The places of a column under a name."""
    places = [Output(name, state.col(source, column), column)]
    if column.polymorphic:
        places.append(Output(name, state.col(source, column, "table"), None, "table"))
    return places


def check_names(outputs: Sequence[Output]) -> None:
    """Raise DuplicateAlias for a name that stands for two columns, InvalidAlias for what is no name."""
    seen: set[str] = set()
    for each in outputs:
        if each.part in ("value", "id"):
            if NAME.fullmatch(each.name) is None:
                raise fault("InvalidAlias", alias=each.name[:100])
            if each.name in seen:
                raise fault("DuplicateAlias", alias=each.name[:100])
            seen.add(each.name)


def readable(table: Table) -> Sequence[Column]:
    """The columns that come when all are asked for."""
    return [column for column in table.stored if column.read and column.type not in UNREADABLE]


def primary_key(source: Source) -> Col:
    """The primary key of a source."""
    return Col(source.alias, source.table.columns[source.table.primary_id])


def tallies(tallied: Sequence[Shown], scope: Scope) -> Iterator[Output]:
    """How many rows the caller sees right below each one in the hierarchy of its table; raises NoHierarchy.

    https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/aggregate-data#row-aggregates
    """
    table, state = scope.source.table, scope.state
    for each in tallied:
        rel = hierarchy_of(table, scope.schema)
        if rel is None or each.name != table.primary_id:
            raise fault("NoHierarchy", column=each.name[:100])
        below = state.source(table)
        parent = state.col(below, table.columns[rel.referencing_attribute])
        on: list[Verdict] = [Test("eq", parent, primary_key(scope.source))]
        allowed = state.restrict(below, state.param)
        if allowed is not None:
            on.append(allowed)
        yield Output(each.alias, Tally(below, tuple(on)), None)
