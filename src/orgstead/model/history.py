"""When definitions changed, and which have gone: what a client that keeps them asks for.

https://learn.microsoft.com/power-apps/developer/data-platform/cache-schema-data
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from orgstead.model.schema import Noted, Schema, Table

__all__ = ["KEPT_DAYS", "noted"]

# The default of organization.expiresubscriptionsindays.
KEPT_DAYS = 90
# A note: kind and id, and the definition's new value (None: it has gone).
Found = tuple[str, str, bool]


def noted(old: Schema, new: Schema, now: str) -> Schema:
    """``new`` with notes of what differs from ``old``, without those that are too old (``now`` as canonical text)."""
    history = {
        id: Noted(kind=kind, version=new.version, on=now, gone=gone)
        for kind, id, gone in _differences(old, new)
    }
    if not history:
        return new
    since = (datetime.fromisoformat(now) - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {id: note for id, note in old.history.items() if note.on >= since}
    dropped = [note.version for id, note in old.history.items() if id not in kept]
    return replace(new, history={**kept, **history}, forgotten=max(old.forgotten, *dropped, 0))


def _differences(old: Schema, new: Schema) -> Iterator[Found]:
    for name in old.tables.keys() | new.tables.keys():
        before, after = old.tables.get(name), new.tables.get(name)
        if before is not after:
            yield from _of_table(before, after)
    one, many = _pairs(old.one_to_many, new.one_to_many), _pairs(old.many_to_many, new.many_to_many)
    for before_rel, after_rel in (*one, *many):
        yield "Relationship", _id(before_rel, after_rel), after_rel is None
    changed = set()
    for name, (before_choice, after_choice) in _named(old.choices, new.choices).items():
        yield "OptionSet", _id(before_choice, after_choice), after_choice is None
        changed.add(name)
    if changed:
        for table in new.tables.values():
            for column in table.columns.values():
                # Its choices are the shared ones.
                if column.global_choice in changed:
                    yield "Attribute", column.metadata_id, False


def _of_table(before: Table | None, after: Table | None) -> Iterator[Found]:
    if before is None or after is None or _own(before) != _own(after):
        yield "Entity", _id(before, after), after is None
    columns = _named(before.columns if before else {}, after.columns if after else {})
    for before_column, after_column in columns.values():
        yield "Attribute", _id(before_column, after_column), after_column is None
    keys = _named(
        {key.logical_name: key for key in before.keys} if before else {},
        {key.logical_name: key for key in after.keys} if after else {},
    )
    for before_key, after_key in keys.values():
        yield "Key", _id(before_key, after_key), after_key is None


def _own(table: Table) -> list[Any]:
    """What a table is apart from its columns and keys."""
    return [getattr(table, field.name) for field in fields(table) if field.name not in ("columns", "keys")]


def _named(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs, by name: before and after."""
    found = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before is not after and before != after:
            found[name] = before, after
    return found


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return list(_named(old, new).values())


def _id(before: Any, after: Any) -> str:
    return str((after or before).metadata_id)
