"""Alternate keys.

https://learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity
"""

from dataclasses import replace
from typing import Any

from orgstead.engine.handlers.metadata.checks import check_name, known_column, known_table, wanted
from orgstead.engine.handlers.metadata.components import ENTITY_KEY, add_to_solution, forget_component
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.schema import Key

__all__ = ["create_entity_key", "delete_entity_key"]

MAX_KEYS = 10
MAX_KEY_COLUMNS = 16
KEY_TYPES = frozenset({"string", "integer", "decimal", "datetime", "lookup", "choice"})


@handles("CreateEntityKey", privilege="prvCreateEntity", heavy=True, defines=True)
def create_entity_key(call: Call) -> Any:
    """Add an alternate key. Answers ``EntityKeyId``; rows that share values already fail it (DuplicateKey)."""
    draft = Draft(call)
    table = known_table(call.schema, wanted(call, "table", str))
    key = wanted(call, "key", Key)
    check_name("entity key", key.schema_name)
    key = replace(key, logical_name=key.schema_name.lower())
    if any(each.logical_name == key.logical_name for each in table.keys):
        raise fault("KeyExists", name=key.schema_name, table=table.logical_name)
    if len(table.keys) >= MAX_KEYS:
        raise fault("InvalidKeyDefinition", reason=f"a table has at most {MAX_KEYS} keys")
    if not 1 <= len(key.columns) <= MAX_KEY_COLUMNS or len(set(key.columns)) != len(key.columns):
        raise fault("InvalidKeyDefinition", reason=f"a key has 1 to {MAX_KEY_COLUMNS} different columns")
    for name in key.columns:
        column = known_column(table, name)
        if (
            column.type not in KEY_TYPES
            or not column.stored
            or column.attribute_of is not None
            or column.polymorphic
        ):
            raise fault(
                "InvalidKeyDefinition", reason=f"{name} is of a type that keys do not take ({column.type})"
            )
        if column.secured:
            raise fault("InvalidKeyDefinition", reason=f"{name} is secured")
    if table.key(key.columns) is not None:
        raise fault("KeyColumnsTaken", table=table.logical_name)
    draft.put(replace(table, keys=(*table.keys, key)))
    draft.commit()
    add_to_solution(call, ENTITY_KEY, key.metadata_id)
    return {"EntityKeyId": key.metadata_id}


@handles("DeleteEntityKey", privilege="prvDeleteEntity", heavy=True, defines=True)
def delete_entity_key(call: Call) -> Any:
    """Delete an alternate key by its logical name."""
    draft = Draft(call)
    table = known_table(call.schema, wanted(call, "table", str))
    name = wanted(call, "key", str)
    key = next((each for each in table.keys if each.logical_name == name), None)
    if key is None:
        raise fault("DefinitionNotFound", kind="entity key", name=f"{table.logical_name}.{name[:100]}")
    draft.put(replace(table, keys=tuple(each for each in table.keys if each is not key)))
    draft.commit()
    forget_component(call, key.metadata_id)
    return None
