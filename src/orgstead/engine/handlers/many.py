"""Many rows of one table written together: what one row after the other does, by few statements where rules allow it.

A rule that looks at rows of the same table, or a step that somebody registered, wants each row written before the next
one is looked at; then they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.engine.access import check_table
from orgstead.engine.columns import check_columns
from orgstead.engine.handlers.rows import Writing, check_required, stored_values
from orgstead.engine.hooks import Change
from orgstead.errors import Fault
from orgstead.model.messages import Create, Upsert
from orgstead.model.privileges import privilege_name
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.model.types import coercion

__all__ = ["Written", "upsert_many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """How many rows were made, and how many were there and have been changed."""

    created: int
    updated: int


def upsert_many(
    call: Writing, table: Table, key: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> Written:
    """Create or update each row by the values that it has in the columns ``key``, all or nothing.

    Raises the faults of Upsert; its ``index`` is the place of the row that is to blame, where that is known.
    """
    created = updated = 0
    if not _together(call, table, rows):
        for place, row in enumerate(rows):
            with _placed(place):
                result = call.send(_single(table, key, row))
            created += result.created
        return Written(created=created, updated=len(rows) - created)
    bound = list(_bound(call, table, rows))
    for start, end in _runs(bound, key):
        made = _write(call, table, key, bound[start:end], start)
        created, updated = created + made.created, updated + made.updated
    return Written(created=created, updated=updated)


def _together(call: Writing, table: Table, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rules and rights are such that many rows can be written by one statement."""
    if not all(call.hooks.ahead(call, table, event) for event in ("Create", "Update")):
        return False
    # Lookups that follow from other values: all of those have to be among what is written.
    needed = {
        entity.fields[near].column
        for entity, relation in call.schema.entity_index.constrained.get(table.logical_name, ())
        for near, _ in relation.constraints
    }
    if needed and not all(needed <= row.keys() for row in rows):
        return False
    caller = call.caller
    if not caller.administrator:
        for right in ("Create", "Write"):
            check_table(call, right, table)
            # Within reach whatever the row.
            if caller.rights.reach.get(privilege_name(table, right, call.schema), frozenset()) is not None:
                return False
    return not any(isinstance(value, Ref) for row in rows for value in row.values())


def _single(table: Table, key: tuple[str, ...], row: Mapping[str, Any]) -> Upsert | Create:
    if any(row[name] is None for name in key):
        return Create(record=Record(table=table.logical_name, values=row))
    if key == (table.primary_id,):
        ref = Ref(table.logical_name, str(row[table.primary_id]))
    else:
        ref = Ref(table.logical_name, tuple((name, row[name]) for name in key))
    return Upsert(ref=ref, record=Record(table=table.logical_name, values=row))


def _bound(call: Writing, table: Table, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Canonical values, as ``values.bind_values`` makes them of what can be set when a row is made."""
    names: tuple[str, ...] = ()
    convert: list[Any] = []
    for place, row in enumerate(rows):
        if tuple(row) != names:
            names = tuple(row)
            check_columns(call.caller, table, row, "Create")
            check_columns(call.caller, table, row, "Update")
            convert = [coercion(table.columns[name], table.logical_name) for name in names]
        with _placed(place):
            yield {
                name: None if value is None else each(value)
                for each, (name, value) in zip(convert, row.items(), strict=True)
            }


def _runs(rows: Sequence[Mapping[str, Any]], key: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Stretches of rows in which no key is there twice: the second one finds the first one written."""
    seen: set[tuple[Any, ...]] = set()
    start = 0
    for place, row in enumerate(rows):
        values = tuple(_folded(row[name]) for name in key)
        if values in seen and None not in values:
            yield start, place
            start, seen = place, set()
        seen.add(values)
    if rows:
        yield start, len(rows)


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _write(
    call: Writing, table: Table, key: tuple[str, ...], rows: Sequence[dict[str, Any]], start: int
) -> Written:
    found = _found(call, table, key, rows)
    version = call.unit.next_version(len(rows))
    stamped = "versionnumber" in table.columns
    new: list[Mapping[str, Any]] = []
    changed: dict[tuple[str, ...], list[Sequence[Any]]] = {}
    own = frozenset(key)
    for place, (row, id) in enumerate(zip(rows, found, strict=True)):
        with _placed(start + place):
            if id is None:
                values = {name: value for name, value in row.items() if table.columns[name].create}
                id = values.pop(table.primary_id, None) or call.new_id()
                change = Change(event="Create", table=table, id=id, values=values, before={})
                call.hooks.run(20, call, change)
                check_required(table, change.values)
                line = {**stored_values(table, change.values), table.primary_id: id}
                if stamped:
                    line["versionnumber"] = version + place
                new.append(line)
                continue
            values = {
                name: value for name, value in row.items() if name not in own and table.columns[name].update
            }
            named = {name: row[name] for name in key}
            change = Change(event="Update", table=table, id=id, values=values, before=named)
            call.hooks.run(20, call, change)
            line = dict(stored_values(table, change.values))
            if stamped:
                line["versionnumber"] = version + place
            changed.setdefault(tuple(line), []).append((id, *line.values()))
    if new:
        call.unit.insert(table, new)
    for names, lines in changed.items():
        call.unit.update_many(table, names, lines)
    return Written(created=len(new), updated=len(rows) - len(new))


def _found(
    call: Writing, table: Table, key: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> Sequence[str | None]:
    """The ids of the rows that are there; one whose key is not whole is new."""
    keys = [[row[name] for name in key] for row in rows]
    whole = [place for place, values in enumerate(keys) if None not in values]
    if len(whole) == len(rows):
        return call.unit.find_many(table, key, keys)
    found: list[str | None] = [None] * len(rows)
    for place, id in zip(whole, call.unit.find_many(table, key, [keys[each] for each in whole]), strict=True):
        found[place] = id
    return found


class _placed:
    """Tells a fault the place of its row."""

    __slots__ = ("_place",)

    def __init__(self, place: int) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Fault) and error.index is None:
            error.index = self._place
