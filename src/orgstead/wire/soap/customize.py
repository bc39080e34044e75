"""Requests that change definitions.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/metadata-operations-sample
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.createentityrequest
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.messages import Execute, Result
from orgstead.model.schema import ManyToMany, OneToMany, Table
from orgstead.wire.definitions.actions import DEFINITION_ACTIONS, Making, read_action
from orgstead.wire.definitions.read_columns import change_column, read_column
from orgstead.wire.definitions.read_options import change_choice, read_choice
from orgstead.wire.definitions.read_relationships import (
    change_relationship,
    read_many_to_many,
    read_one_to_many,
)
from orgstead.wire.definitions.read_tables import change_table, read_key, read_table
from orgstead.wire.soap.answers import Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.write import Typed

__all__ = ["ACTIONS"]

GUID: TypeName = ("ser", "guid")
# What leads from a table's definition to others, which are changed by requests of their own.
LINKS = (
    "Attributes", "Keys", "OneToManyRelationships", "ManyToOneRelationships", "ManyToManyRelationships", "Privileges",
    "Settings",
)  # fmt: skip
Values = dict[str, Any]


def _change(ask: Ask, name: str, parameters: Mapping[str, Any], *ids: tuple[str, str]) -> Operation:
    """A change of definitions that answers the ids of what is new."""
    ask.finish()
    results = tuple((key, Typed(GUID, id)) for key, id in ids)
    return Operation(
        messages=(Execute(name=name, parameters=parameters),),
        render=lambda _: Response(name=ask.name, results=results),
        options=ask.options,
    )


def _given(ask: Ask, name: str, type: TypeName) -> Values:
    """A definition as the Web API has it in JSON."""
    value = ask.needed(name, type)
    if not isinstance(value, dict):
        raise ask.wrong(name, type[1])
    return value


def _missing(kind: str, name: Any) -> Fault:
    return fault("DefinitionNotFound", kind=kind, name=str(name)[:100])


def _table(ask: Ask, name: Any) -> Table:
    found = ask.schema.tables.get(str(name))
    if found is None or found.is_private:
        raise _missing("EntityMetadata", name)
    return found


# -- tables --------------------------------------------------------------------------------------------------------
@request("CreateEntity")
def _create_entity(ask: Ask) -> Operation:
    value = _given(ask, "Entity", ("meta", "EntityMetadata"))
    primary = _given(ask, "PrimaryAttribute", ("meta", "StringAttributeMetadata"))
    for name in ("HasNotes", "HasActivities"):
        value[name] = ask.flag(name, bool(value.get(name)))
    if ask.flag("HasFeedback"):
        value["HasFeedback"] = True
    value["Attributes"] = [{**primary, "IsPrimaryName": True}]
    table = read_table(value, ask.schema, ask.context.new_id)
    attribute = table.columns[table.primary_name].metadata_id if table.primary_name is not None else ""
    return _change(
        ask, "CreateEntity", {"table": table}, ("EntityId", table.metadata_id), ("AttributeId", attribute)
    )


@request("UpdateEntity")
def _update_entity(ask: Ask) -> Operation:
    value = _given(ask, "Entity", ("meta", "EntityMetadata"))
    ask.flag("MergeLabels")
    current = _table(ask, value.get("LogicalName"))
    for name in ("HasNotes", "HasActivities"):
        given = ask.value(name)
        if given is not None:
            value[name] = given
    value = {name: each for name, each in value.items() if name not in LINKS}
    return _change(ask, "UpdateEntity", {"table": change_table(value, current, ask.schema)})


@request("DeleteEntity")
def _delete_entity(ask: Ask) -> Operation:
    table = _table(ask, ask.needed("LogicalName"))
    return _change(ask, "DeleteEntity", {"name": table.logical_name})


# -- columns and keys ----------------------------------------------------------------------------------------------
@request("CreateAttribute")
def _create_attribute(ask: Ask) -> Operation:
    table = _table(ask, ask.needed("EntityName"))
    value = _given(ask, "Attribute", ("meta", "AttributeMetadata"))
    if value.get("IsPrimaryName"):
        raise fault(
            "PrimaryNameTwice",
            column=value.get("SchemaName"),
            table=table.schema_name,
            existing=table.primary_name,
        )
    column = read_column(value, ask.schema, ask.context.new_id)
    parameters = {
        "table": table.logical_name,
        "column": column,
        "primary_image": bool(value.get("IsPrimaryImage")),
    }
    return _change(ask, "CreateAttribute", parameters, ("AttributeId", column.metadata_id))


@request("UpdateAttribute")
def _update_attribute(ask: Ask) -> Operation:
    table = _table(ask, ask.needed("EntityName"))
    value = _given(ask, "Attribute", ("meta", "AttributeMetadata"))
    ask.flag("MergeLabels")
    name = value.get("LogicalName") or str(value.get("SchemaName", "")).lower()
    current = table.columns.get(name)
    if current is None:
        raise _missing("AttributeMetadata", f"{table.logical_name}.{name}")
    changed = change_column({**value, "Settings": None}, current, table, ask.schema)
    return _change(ask, "UpdateAttribute", {"table": table.logical_name, "column": changed})


@request("DeleteAttribute")
def _delete_attribute(ask: Ask) -> Operation:
    table, name = _table(ask, ask.needed("EntityLogicalName")), ask.needed("LogicalName")
    if name not in table.columns:
        raise _missing("AttributeMetadata", f"{table.logical_name}.{name}")
    return _change(ask, "DeleteAttribute", {"table": table.logical_name, "column": name})


@request("CreateEntityKey")
def _create_entity_key(ask: Ask) -> Operation:
    table = _table(ask, ask.needed("EntityName"))
    value = _given(ask, "EntityKey", ("meta71", "EntityKeyMetadata"))
    # .NET has no way to leave it unsaid, and the service alone sets it.
    value.pop("EntityKeyIndexStatus", None)
    key = read_key(value, table, ask.context.new_id)
    parameters = {"table": table.logical_name, "key": key}
    return _change(ask, "CreateEntityKey", parameters, ("EntityKeyId", key.metadata_id))


@request("DeleteEntityKey")
def _delete_entity_key(ask: Ask) -> Operation:
    table, name = _table(ask, ask.needed("EntityLogicalName")), ask.needed("Name")
    if not any(key.logical_name == name for key in table.keys):
        raise _missing("EntityKeyMetadata", f"{table.logical_name}.{name}")
    return _change(ask, "DeleteEntityKey", {"table": table.logical_name, "key": name})


# -- relationships -------------------------------------------------------------------------------------------------
@request("CreateOneToMany")
def _create_one_to_many(ask: Ask) -> Operation:
    value = _given(ask, "OneToManyRelationship", ("meta", "OneToManyRelationshipMetadata"))
    lookup = _given(ask, "Lookup", ("meta", "LookupAttributeMetadata"))
    rel, column = read_one_to_many({**value, "Lookup": lookup}, ask.schema, ask.context.new_id)
    return _change(
        ask,
        "CreateOneToMany",
        {"relationship": rel, "lookup": column},
        ("AttributeId", column.metadata_id if column is not None else ""),
        ("RelationshipId", rel.metadata_id),
    )


@request("CreateManyToMany")
def _create_many_to_many(ask: Ask) -> Operation:
    value = _given(ask, "ManyToManyRelationship", ("meta", "ManyToManyRelationshipMetadata"))
    name = ask.text("IntersectEntitySchemaName")
    if name is not None:
        value.setdefault("IntersectEntityName", name.lower())
    rel = read_many_to_many(value, ask.schema, ask.context.new_id)
    return _change(
        ask, "CreateManyToMany", {"relationship": rel}, ("ManyToManyRelationshipId", rel.metadata_id)
    )


def _relationship(ask: Ask, name: Any) -> OneToMany | ManyToMany:
    found = ask.schema.one_to_many.get(str(name)) or ask.schema.many_to_many.get(str(name))
    if found is None:
        raise _missing("RelationshipMetadataBase", name)
    return found


@request("UpdateRelationship")
def _update_relationship(ask: Ask) -> Operation:
    value = _given(ask, "Relationship", ("meta", "RelationshipMetadataBase"))
    ask.flag("MergeLabels")
    current = _relationship(ask, value.get("SchemaName"))
    return _change(
        ask, "UpdateRelationship", {"relationship": change_relationship(value, current, ask.schema)}
    )


@request("DeleteRelationship")
def _delete_relationship(ask: Ask) -> Operation:
    return _change(ask, "DeleteRelationship", {"name": _relationship(ask, ask.needed("Name")).schema_name})


# -- choices -------------------------------------------------------------------------------------------------------
@request("CreateOptionSet")
def _create_option_set(ask: Ask) -> Operation:
    choice = read_choice(_given(ask, "OptionSet", ("meta", "OptionSetMetadataBase")), ask.context.new_id)
    return _change(ask, "CreateOptionSet", {"choice": choice}, ("OptionSetId", choice.metadata_id))


@request("UpdateOptionSet")
def _update_option_set(ask: Ask) -> Operation:
    value = _given(ask, "OptionSet", ("meta", "OptionSetMetadataBase"))
    ask.flag("MergeLabels")
    current = ask.schema.choices.get(str(value.get("Name")))
    if current is None:
        raise _missing("OptionSetMetadataBase", value.get("Name"))
    return _change(ask, "UpdateOptionSet", {"choice": change_choice(value, current)})


@request("DeleteOptionSet")
def _delete_option_set(ask: Ask) -> Operation:
    name = ask.needed("Name")
    if name not in ask.schema.choices:
        raise _missing("OptionSetMetadataBase", name)
    return _change(ask, "DeleteOptionSet", {"name": name})


# -- actions with the parameters of the Web API ---------------------------------------------------------------------
_DECLARED: Mapping[str, TypeName] = {
    "Label": ("xrm", "Label"),
    "Description": ("xrm", "Label"),
    "Lookup": ("meta", "LookupAttributeMetadata"),
}
_RESULTS: Mapping[str, TypeName] = {
    "NewOptionValue": ("xs", "int"),
    "AttributeId": GUID,
    "RelationshipIds": ("arrays", "ArrayOfguid"),
    "EntityIds": ("arrays", "ArrayOfguid"),
}


def _action(ask: Ask) -> Operation:
    names = list(ask.given)
    body = {name: ask.value(name, _DECLARED.get(name, ("xs", "anyType"))) for name in names}
    body = {name: value for name, value in body.items() if value is not None and value != []}
    parameters = read_action(ask.name, body, Making(schema=ask.schema, new_id=ask.context.new_id))

    def render(results: Sequence[Result]) -> Response:
        value = results[0].value if isinstance(results[0].value, Mapping) else {}
        return Response(
            name=ask.name,
            results=tuple(
                (name, Typed(_RESULTS[name], each)) for name, each in value.items() if name in _RESULTS
            ),
        )

    message = Execute(name=ask.name, parameters=parameters)
    return Operation(messages=(message,), render=render, options=ask.options)


ACTIONS: Mapping[str, Callable[[Ask], Operation]] = dict.fromkeys(sorted(DEFINITION_ACTIONS), _action)
for _name, _read in ACTIONS.items():
    request(_name)(_read)
