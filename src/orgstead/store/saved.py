"""The saved schema: a row per definition, as JSON without what is at its default."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

import msgspec

from orgstead.errors import fault
from orgstead.model.dataentities import DataEntity
from orgstead.model.schema import Choice, CustomApi, ManyToMany, Noted, OneToMany, Schema, Table
from orgstead.model.segments import Segment
from orgstead.model.steps import Step

__all__ = ["FORGOTTEN", "VERSION", "changes", "create", "read_schema", "write_body"]

# The setting that holds the schema's version.
VERSION = "schema_version"
# The setting that holds the version up to which changes of definitions are forgotten.
FORGOTTEN = "schema_forgotten"
KINDS: Mapping[str, Any] = {
    "table": Table,
    "one_to_many": OneToMany,
    "many_to_many": ManyToMany,
    "choice": Choice,
    "api": CustomApi,
    "step": Step,
    "entity": DataEntity,
    "segment": Segment,
    "history": Noted,
}


def create(text: str) -> tuple[str, str]:
    """The tables of the house itself, given the database's type for technical text."""
    kind, name, body, value = (f'"{column}" {text} NOT NULL' for column in ("kind", "name", "body", "value"))
    return (
        f'CREATE TABLE IF NOT EXISTS "orgstead_definition" ({kind}, {name}, {body}, PRIMARY KEY ("kind", "name"))',
        f'CREATE TABLE IF NOT EXISTS "orgstead_setting" ({name} PRIMARY KEY, {value})',
    )


def write_body(definition: Any) -> str:
    """A definition as JSON."""
    return msgspec.json.encode(_lean(definition)).decode()


def _lean(value: Any) -> Any:
    """Dataclasses as dictionaries of what differs from the defaults."""
    names = getattr(value, "__dataclass_fields__", None)
    if names is None:
        if isinstance(value, Mapping):
            return {name: _lean(item) for name, item in value.items()}
        return [_lean(item) for item in value] if isinstance(value, tuple) else value
    return {f.name: _lean(v) for f in fields(value) if (v := getattr(value, f.name)) != _default(f)}


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def read_schema(rows: Iterable[Sequence[str]]) -> Schema:
    """The schema out of its saved rows and the row of its version; empty without one.

    Raises StoreFailure for what a newer version has saved.
    """
    found: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    version = forgotten = 0
    for kind, name, body in rows:
        if kind == VERSION:
            version = int(body)
        elif kind == FORGOTTEN:
            forgotten = int(body)
        elif kind in found:
            found[kind][name] = _decoders[kind].decode(body)
        else:
            # Reading on would forget what this version does not know.
            raise fault(
                "StoreFailure",
                hint=f"The organisation has definitions of a newer version of Orgstead ({kind}).",
            )
    return Schema(
        version=version,
        tables=found["table"],
        one_to_many=found["one_to_many"],
        many_to_many=found["many_to_many"],
        choices=found["choice"],
        apis=found["api"],
        steps=found["step"],
        entities=found["entity"],
        segments=found["segment"],
        history=found["history"],
        forgotten=forgotten,
    )


_decoders = {kind: msgspec.json.Decoder(made) for kind, made in KINDS.items()}


def changes(old: Schema, new: Schema) -> Iterator[tuple[str, str, Any | None]]:
    """What differs: kind, name and the new definition (None: gone)."""
    for kind, before, after in (
        ("table", old.tables, new.tables),
        ("one_to_many", old.one_to_many, new.one_to_many),
        ("many_to_many", old.many_to_many, new.many_to_many),
        ("choice", old.choices, new.choices),
        ("api", old.apis, new.apis),
        ("step", old.steps, new.steps),
        ("entity", old.entities, new.entities),
        ("segment", old.segments, new.segments),
        ("history", old.history, new.history),
    ):
        for name in before.keys() - after.keys():
            yield kind, name, None
        for name, definition in after.items():
            if before.get(name) is not definition:
                yield kind, name, definition
