"""Many rows of one table written together: what one row after the other does, by few statements where rules allow it.

A rule that looks at rows of the same table, or a step that somebody registered, wants each row written before the next
one is looked at; then they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from orgstead.engine.access import check_table
from orgstead.engine.columns import check_columns
from orgstead.engine.handlers.rows import Writing, check_required, stored_values
from orgstead.engine.hooks import Change
from orgstead.engine.ids import new_ids
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
    call: Writing,
    table: Table,
    key: tuple[str, ...],
    rows: Sequence[dict[str, Any]],
    *,
    checked: bool = False,
) -> Written:
    """Create or update each row by the values that it has in the columns ``key``, all or nothing.

    A key whose values are not all there is that of a new row. ``checked``: the values are canonical already, and no
    references. Raises the faults of Upsert; its ``index`` is the place of the row to blame, where that is known.
    """
    created = updated = 0
    rows = [row if all(name in row for name in key) else {**dict.fromkeys(key), **row} for row in rows]
    if not _together(call, table, rows, checked=checked):
        for place, row in enumerate(rows):
            with _placed(place):
                result = call.send(_single(table, key, row))
            created += result.created
        return Written(created=created, updated=len(rows) - created)
    bound = rows if checked else list(_bound(call, table, rows))
    for start, end in _runs(bound, key):
        made = _write(call, table, key, bound[start:end], start)
        created, updated = created + made.created, updated + made.updated
    return Written(created=created, updated=updated)


def _together(call: Writing, table: Table, rows: Sequence[Mapping[str, Any]], *, checked: bool) -> bool:
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
    if checked:
        for names in {tuple(row) for row in rows}:
            given = dict.fromkeys(names)
            check_columns(caller, table, given, "Create")
            check_columns(caller, table, given, "Update")
        return True
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
        values = tuple([v.casefold() if v.__class__ is str else v for v in [row[name] for name in key]])
        if values in seen and None not in values:
            yield start, place
            start, seen = place, set()
        seen.add(values)
    if rows:
        yield start, len(rows)


def _write(
    call: Writing, table: Table, key: tuple[str, ...], rows: Sequence[dict[str, Any]], start: int
) -> Written:
    found = _found(call, table, key, rows)
    version = call.unit.next_version(len(rows))
    stamped = "versionnumber" in table.columns
    own, primary = frozenset(key), table.primary_id
    fresh = iter(new_ids(found.count(None)))
    new: dict[tuple[str, ...], list[Sequence[Any]]] = {}
    changed: dict[tuple[str, ...], list[Sequence[Any]]] = {}
    # No step is registered, or they would not be written together.
    creating, updating = (call.hooks.found(20, table, event) for event in ("Create", "Update"))
    place = start
    create, update = _settable(table, "Create"), _settable(table, "Update")
    try:
        for row, id in zip(rows, found, strict=True):
            if id is None:
                values = row if row.keys() <= create else {n: v for n, v in row.items() if n in create}
                id = next(fresh)
                id = values.pop(primary, None) or id
                change = Change(event="Create", table=table, id=id, values=values, before={})
                for run in creating:
                    run(call, change)
                check_required(table, change.values)
                line = {primary: id, **stored_values(table, change.values)}
                if stamped:
                    line["versionnumber"] = version
                new.setdefault(tuple(line), []).append(tuple(line.values()))
            else:
                values = {n: v for n, v in row.items() if n in update and n not in own}
                named = {name: row[name] for name in key}
                change = Change(event="Update", table=table, id=id, values=values, before=named)
                for run in updating:
                    run(call, change)
                line = dict(stored_values(table, change.values))
                if stamped:
                    line["versionnumber"] = version
                changed.setdefault(tuple(line), []).append((id, *line.values()))
            version, place = version + 1, place + 1
    except Fault as error:
        if error.index is None:
            error.index = place
        raise
    for names, lines in new.items():
        call.unit.add(table, names, lines)
    for names, lines in changed.items():
        call.unit.update_many(table, names, lines)
    created = sum(map(len, new.values()))
    return Written(created=created, updated=len(rows) - created)


@lru_cache(maxsize=1024)
def _settable(table: Table, event: Literal["Create", "Update"]) -> frozenset[str]:
    """The columns that may be set when a row is made, or changed."""
    return frozenset(
        column.name
        for column in table.columns.values()
        if (column.create if event == "Create" else column.update) or column.name == table.primary_id
    )


def _found(
    call: Writing, table: Table, key: tuple[str, ...], rows: Sequence[Mapping[str, Any]]
) -> list[str | None]:
    """The ids of the rows that are there; one whose key is not whole is new."""
    keys = [tuple([row[name] for name in key]) for row in rows]
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
