"""What names of definitions look like, and finding definitions by name.

https://learn.microsoft.com/power-apps/developer/data-platform/create-solution#create-a-publisher
"""

import re
from typing import TypeVar

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.schema import Choice, Column, OneToMany, Schema, Table

__all__ = [
    "check_name", "custom_table", "entity_set_name", "known_choice", "known_column", "known_one_to_many", "known_table",
    "parameter", "wanted",
]  # fmt: skip

T = TypeVar("T")

# Lengths as the definition tables of the platform have them.
MAX_LENGTHS = {
    "entity": 64,
    "attribute": 50,
    "relationship": 100,
    "entity key": 100,
    "option set": 100,
    "entity set": 64,
}
RESERVED = frozenset({"rowguid"})
# Prefixes of the databases' own tables and of the product's.
KEPT = ("sqlite_", "orgstead_")

_CHARACTERS = re.compile(r"\w+", re.ASCII)
# Two to eight letters and digits that begin with a letter; "mscrm" is kept for the platform.
_PREFIXED = re.compile(r"(?!mscrm)[A-Za-z][A-Za-z0-9]{1,7}_\w+", re.ASCII | re.IGNORECASE)
_JOINED = re.compile(r"(?!mscrm)[A-Za-z][A-Za-z0-9]*_\w+", re.ASCII | re.IGNORECASE)


def check_name(kind: str, name: str) -> None:
    """Refuse a schema name that is empty, too long, has odd characters, lacks a prefix or is reserved."""
    if not name:
        raise fault("InvalidDefinition", what=f"the {kind}", reason="it has no name")
    if len(name) > MAX_LENGTHS[kind]:
        raise fault("NameTooLong", kind=kind, name=f"{name[:50]}…", max=MAX_LENGTHS[kind])
    if _CHARACTERS.fullmatch(name) is None:
        raise fault("NameCharacters", name=name)
    if name.lower() in RESERVED or name.lower().startswith(KEPT):
        raise fault("NameReserved", name=name)
    # Relationships are often named after their two tables, so that any first word will do.
    pattern = _JOINED if kind == "relationship" else _PREFIXED
    if pattern.fullmatch(name) is None:
        raise fault("NameWithoutPrefix", kind=kind, name=name)


def entity_set_name(logical_name: str) -> str:
    """The entity set that a new table gets when none is named: a plain plural of its logical name."""
    if logical_name.endswith("s"):
        return f"{logical_name}es"
    if logical_name.endswith("y"):
        return f"{logical_name[:-1]}ies"
    return f"{logical_name}s"


def parameter(call: Call, name: str) -> object:
    """A parameter that must be there; raises MissingParameter."""
    value = call.parameters.get(name)
    if value is None:
        raise fault("MissingParameter", name=name, message="the message needs it")
    return value


def wanted(call: Call, name: str, kind: type[T]) -> T:
    """A parameter that must be there and of this type; raises MissingParameter, InvalidArgument."""
    value = parameter(call, name)
    if not isinstance(value, kind):
        raise fault("InvalidArgument", message=f"The parameter {name} is not of the expected type.")
    return value


def known_table(schema: Schema, name: str) -> Table:
    """A table by its logical name; raises DefinitionNotFound, also for the product's own private tables."""
    table = schema.tables.get(name)
    if table is None or table.is_private:
        raise fault("DefinitionNotFound", kind="entity", name=name[:100])
    return table


def custom_table(schema: Schema, name: str) -> Table:
    """A table that somebody added; raises DefinitionNotFound, NotCustomTable."""
    table = known_table(schema, name)
    if not table.is_custom:
        raise fault("NotCustomTable", name=name)
    return table


def known_column(table: Table, name: str) -> Column:
    """A column by its logical name; raises DefinitionNotFound."""
    column = table.columns.get(name)
    if column is None:
        raise fault("DefinitionNotFound", kind="attribute", name=f"{table.logical_name}.{name[:100]}")
    return column


def known_choice(schema: Schema, name: str) -> Choice:
    """A global choice by its name; raises DefinitionNotFound."""
    choice = schema.choices.get(name)
    if choice is None:
        raise fault("DefinitionNotFound", kind="option set", name=name[:100])
    return choice


def known_one_to_many(schema: Schema, name: str) -> OneToMany:
    """A 1:N relationship by its schema name; raises DefinitionNotFound."""
    rel = schema.one_to_many.get(name)
    if rel is None:
        raise fault("DefinitionNotFound", kind="relationship", name=name[:100])
    return rel
