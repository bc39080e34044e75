"""Rows of one organisation written into another under their ids, in passes, so that lookups may lead in circles.

First every row with its values and with the lookups that lead to what is there already, then the lookups that are left,
then states, and last the many-to-many relations. Each pass reads what the target has and sends only what differs: going
through it again changes nothing, and one that was interrupted is gone through again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.client import Client, NotFoundError, Record, Ref, RowFailure, ServiceError, col, raw
from orgstead.client.literals import query_text
from orgstead.client.record import LOOKUP_TABLE
from orgstead.mirror.definitions import read_definition
from orgstead.mirror.people import Counterparts
from orgstead.mirror.report import MirrorReport, TableReport
from orgstead.transfer.definition import LOOKUPS, Column, Table, describe_table

__all__ = ["Chosen", "Rows"]

PAGE = 500
SHOWN = 200
_CONTENTS = frozenset({"File", "Image", "PartyList"})
STATES = ("statecode", "statuscode")
# Where processes stand, which are no rows of the target, and what the target notes by itself.
_NEVER = frozenset({"processid", "stageid", "traversedpath", "overriddencreatedon", "importsequencenumber"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rows to be taken: of a table, those that fulfil an OData filter."""

    table: str
    where: str | None = None


@dataclass(slots=True, kw_only=True)
class _Pair:
    """A table on both sides, and the columns that can be taken."""

    chosen: Chosen
    source: Table
    target: Table
    values: Sequence[Column]
    lookups: Sequence[Column]
    late: set[str] = field(default_factory=set)


class Rows:
    """Takes rows over."""

    def __init__(self, source: Client, target: Client, report: MirrorReport) -> None:
        self._source = source
        self._target = target
        self._report = report
        self._counterparts = Counterparts(source, target, report)
        self._known: dict[str, dict[str, bool]] = {}

    def take(self, chosen: Sequence[Chosen]) -> None:
        """Take rows of tables; the order is found here."""
        pairs = [pair for each in chosen if (pair := self._pair(each)) is not None]
        ordered = _ordered(pairs)
        done: set[str] = set()
        for pair in ordered:
            names = {each.source.name for each in ordered}
            pair.late = {
                column.name
                for column in pair.lookups
                if any(target in names and target not in done for target in column.targets)
            }
            early = [column for column in pair.lookups if column.name not in pair.late]
            self._pass(pair, [*pair.values, *early], make=True)
            done.add(pair.source.name)
        for pair in ordered:
            late = [column for column in pair.lookups if column.name in pair.late]
            if late:
                self._pass(pair, late, make=False)
        for pair in ordered:
            states = [pair.target.columns[name] for name in STATES if name in pair.target.columns]
            if len(states) == len(STATES) and all(name in pair.source.columns for name in STATES):
                self._pass(pair, states, make=False)
        self._relations(ordered)

    def _pair(self, chosen: Chosen) -> _Pair | None:
        try:
            source = describe_table(self._source, chosen.table)
            target = describe_table(self._target, source.name)
        except NotFoundError as error:
            self._report.leave(f"rows of {chosen.table}", f"the table is not on both sides: {error.message}")
            return None
        if self._counterparts.has(source.name):
            self._report.leave(f"rows of {source.name}", "each organisation has its own")
            return None
        values, lookups = [], []
        for name, column in source.columns.items():
            if not column.readable or not (column.create or column.update) or name in _NEVER:
                if column.type in _CONTENTS and (column.create or column.update):
                    self._report.leave(
                        f"column {source.name}.{name}", f"columns of the type {column.type} are not taken"
                    )
                continue
            if name in STATES or name == source.key:
                continue
            other = target.columns.get(name)
            if other is None:
                self._report.leave(f"column {source.name}.{name}", "the target has no such column")
            elif other.type != column.type:
                self._report.leave(f"column {source.name}.{name}", f"it is a {other.type} in the target")
            elif not other.writable:
                continue
            elif other.type in LOOKUPS:
                lookups.append(other)
            else:
                values.append(other)
        return _Pair(chosen=chosen, source=source, target=target, values=values, lookups=lookups)

    # -- a pass --------------------------------------------------------------------------------------------------------

    def _pass(self, pair: _Pair, columns: Sequence[Column], *, make: bool) -> None:
        report = self._report.rows.setdefault(pair.source.name, TableReport())
        table = pair.source.name
        refused = _Refusals(self._report, report, table)
        before = report.made
        rows = self._differing(pair, columns, report, make)
        write = self._target.bulk.upsert if make else self._target.bulk.update
        result = write(table, rows, chunk=PAGE, strict=False, on_failure=refused)
        report.made -= refused.of_new
        report.changed += result.done - (report.made - before)

    def _differing(
        self, pair: _Pair, columns: Sequence[Column], report: TableReport, make: bool
    ) -> Iterator[dict[str, Any]]:
        """The rows of the source that the target has not, or has otherwise: what differs, with the id."""
        overridden = (
            make and "overriddencreatedon" in pair.target.columns and "createdon" in pair.source.columns
        )
        names = [column.name for column in columns] + (["createdon"] if overridden else [])
        for page in self._pages(pair, names):
            there = self._there(pair, columns, [row.id for row in page])
            self._know(page, columns)
            for row in page:
                report.read += make
                old = there.get(row.id)
                if old is None and not make:
                    continue
                found = self._row(pair, columns, row, old)
                if old is None:
                    if overridden and row["createdon"] is not None:
                        found["overriddencreatedon"] = row["createdon"]
                    report.made += 1
                elif not found:
                    report.same += make
                    continue
                yield _Row(found, id={pair.target.key: row.id}, new=old is None)

    def _pages(self, pair: _Pair, names: Sequence[str]) -> Iterator[Sequence[Record]]:
        query = self._source.query(pair.source.name)
        if pair.chosen.where:
            query = query.where(raw(pair.chosen.where))
        path = f"{pair.source.set}?{query_text({**query.options, '$select': _select(pair.source, names)})}"
        headers = {"Prefer": f'odata.maxpagesize={PAGE},odata.include-annotations="{LOOKUP_TABLE[1:]}"'}
        yield from self._source.odata(path, headers=headers).pages()

    def _there(self, pair: _Pair, columns: Sequence[Column], ids: Sequence[str]) -> Mapping[str, Record]:
        """Rows of the target by id."""
        if not ids:
            return {}
        condition = col(pair.target.key).function("In", *ids)
        select = _select(pair.target, [column.name for column in columns])
        path = f"{pair.target.set}?{query_text({'$select': select, '$filter': condition.text()})}"
        headers = {"Prefer": f'odata.include-annotations="{LOOKUP_TABLE[1:]}"'}
        return {row.id: row for row in self._target.odata(path, headers=headers)}

    def _row(self, pair: _Pair, columns: Iterable[Column], row: Record, old: Record | None) -> dict[str, Any]:
        """What differs."""
        found: dict[str, Any] = {}
        for column in columns:
            if not (column.create if old is None else column.update):
                continue
            value = row.get(column.name)
            before = old.get(column.name) if old is not None else None
            if column.type not in LOOKUPS:
                if value != before:
                    found[column.name] = value
                continue
            ref = self._reference(pair, column, row, value)
            wanted = ref.id if ref is not None else None
            if wanted == before or (wanted is None and (value is not None or column.type == "Owner")):
                continue
            if ref is not None:
                found[column.targets[ref.table]] = ref
            else:
                found[next(iter(column.targets.values()))] = None
        return found

    # -- lookups -------------------------------------------------------------------------------------------------------

    def _reference(self, pair: _Pair, column: Column, row: Record, value: Any) -> Ref | None:
        """The row of the target that a lookup is to lead to, or None where there is none, which is noted."""
        if value is None:
            return None
        ref = _ref(column, row, value)
        what = f"{pair.source.name}.{column.name}"
        if ref is None or ref.table not in column.targets:
            self._report.leave(
                f"lookup {what}", "it leads to a table that it cannot lead to in the target", str(value)
            )
            return None
        if self._counterparts.has(ref.table):
            found = self._counterparts.of(ref)
            if found is None:
                why = "the owner is whoever mirrors" if column.type == "Owner" else "it stays empty"
                self._report.leave(f"lookup {what}", f"the target has no such {ref.table}: {why}", ref.id)
                return None
            return Ref(ref.table, found)
        if not self._known.get(ref.table, {}).get(ref.id, False):
            self._report.leave(f"lookup {what}", f"that row of {ref.table} is not in the target", ref.id)
            return None
        return ref

    def _know(self, page: Sequence[Record], columns: Sequence[Column]) -> None:
        """Find out which rows that are referred to are in the target, many at a time."""
        wanted: dict[str, dict[str, None]] = {}
        for column in columns:
            if column.type not in LOOKUPS:
                continue
            for row in page:
                value = row.get(column.name)
                ref = _ref(column, row, value) if value is not None else None
                if ref is None or ref.table not in column.targets or self._counterparts.has(ref.table):
                    continue
                # What was not there may have come meanwhile.
                if not self._known.setdefault(ref.table, {}).get(ref.id):
                    wanted.setdefault(ref.table, {})[ref.id] = None
        for table, ids in wanted.items():
            every = list(ids)
            for start in range(0, len(every), PAGE):
                part = every[start : start + PAGE]
                key = self._target.tables.get(table).key
                rows = self._target.query(table).select(key).where(col(key).function("In", *part))
                found = {row.id for row in rows}
                self._known[table].update({each: each in found for each in part})

    # -- many-to-many --------------------------------------------------------------------------------------------------

    def _relations(self, pairs: Sequence[_Pair]) -> None:
        """Relations between rows of tables that were both taken."""
        names = {pair.source.name for pair in pairs}
        seen: set[str] = set()
        for pair in pairs:
            ours, theirs = (
                read_definition(self._source, pair.source.name),
                read_definition(self._target, pair.source.name),
            )
            if ours is None or theirs is None:
                continue
            for name, each in ours.many_to_many.items():
                ends = (each["Entity1LogicalName"], each["Entity2LogicalName"])
                if name in seen or name not in theirs.many_to_many or not names.issuperset(ends):
                    continue
                seen.add(name)
                try:
                    self._relate(each, theirs.many_to_many[name])
                except (ServiceError, KeyError) as error:
                    self._report.leave(f"relations {name}", str(error))

    def _relate(self, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
        there = set(_crossing(self._target, theirs))
        for first, second in _crossing(self._source, ours):
            if (first, second) in there:
                continue
            try:
                self._target.associations.add(
                    Ref(theirs["Entity1LogicalName"], first),
                    theirs["Entity1NavigationPropertyName"],
                    Ref(theirs["Entity2LogicalName"], second),
                )
            except ServiceError as error:
                what = f"relations {ours['SchemaName']}"
                self._report.leave(
                    what, f"the target refuses them: {error.message[:SHOWN]}", f"{first} {second}"
                )
            else:
                self._report.related += 1


class _Row(dict[str, Any]):
    """What is sent of a row; ``new`` where the target has not got it."""

    __slots__ = ("new",)

    def __init__(self, values: Mapping[str, Any], *, id: Mapping[str, str], new: bool) -> None:
        super().__init__({**id, **values})
        self.new = new


class _Refusals:
    """Counts and notes rows that the target refuses."""

    def __init__(self, report: MirrorReport, table: TableReport, name: str) -> None:
        self._report = report
        self._table = table
        self._name = name
        self.of_new = 0

    def __call__(self, failure: RowFailure) -> None:
        self._table.refused += 1
        self.of_new += getattr(failure.row, "new", False)
        id = next(iter(failure.row.values()))
        error = failure.error
        why = error.message if isinstance(error, ServiceError) else str(error)
        self._report.leave(f"rows of {self._name}", f"the target refuses them: {why[:SHOWN]}", str(id))


def _ref(column: Column, row: Record, value: Any) -> Ref | None:
    """What a lookup leads to, by the annotation of its table, or its only one."""
    table = row.raw.get(f"_{column.name}_value{LOOKUP_TABLE}")
    if table is None and len(column.targets) == 1:
        table = next(iter(column.targets))
    return Ref(table, str(value)) if table else None


def _select(table: Table, names: Sequence[str]) -> str:
    made = [table.key]
    for name in names:
        column = table.columns[name]
        made.append(f"_{name}_value" if column.type in LOOKUPS else name)
    return ",".join(dict.fromkeys(made))


def _ordered(pairs: Sequence[_Pair]) -> Sequence[_Pair]:
    """Tables that others lead to first, as far as circles let them."""
    left = {pair.source.name: pair for pair in pairs}
    made: list[_Pair] = []

    def needs(pair: _Pair) -> int:
        return sum(
            target in left and target != pair.source.name
            for column in pair.lookups
            for target in column.targets
        )

    while left:
        pair = min(left.values(), key=needs)
        made.append(left.pop(pair.source.name))
    return made


def _crossing(client: Client, definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The pairs of ids of a many-to-many relationship."""
    set = client.tables.get(definition["IntersectEntityName"]).set
    first, second = definition["Entity1IntersectAttribute"], definition["Entity2IntersectAttribute"]
    rows = client.odata(f"{set}?$select={first},{second}", headers={"Prefer": "odata.maxpagesize=5000"})
    for row in rows:
        yield str(row[first]), str(row[second])
