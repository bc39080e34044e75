"""Changing definitions: requests below the definition sets, and the actions about definitions, to messages.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata.aliases import parameter_values
from orgstead.model.messages import Execute, Result
from orgstead.model.schema import Choice, Column, ManyToMany, OneToMany, Schema, Table
from orgstead.wire.definitions.body import NAMESPACE, type_of
from orgstead.wire.definitions.labels import read_label
from orgstead.wire.definitions.read_columns import change_column, read_column
from orgstead.wire.definitions.read_options import change_choice, read_choice, read_option_value
from orgstead.wire.definitions.read_relationships import (
    change_relationship,
    read_many_to_many,
    read_one_to_many,
)
from orgstead.wire.definitions.read_tables import change_table, read_key, read_table
from orgstead.wire.odata.paths import Segment
from orgstead.wire.odata.payload import decode_object
from orgstead.wire.odata.response import VERSION, Reply, json_reply

__all__ = ["DEFINITION_ACTIONS", "Change", "decode_change"]

MAX_ENTITIES = 50
NewId = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A message that changes definitions, and the answer to its success."""

    message: Execute
    render: Callable[[Result], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    segments: Sequence[Segment]
    body: bytes
    base: str
    schema: Schema
    new_id: NewId

    @property
    def json(self) -> dict[str, Any]:
        return decode_object(self.body)

    def only(self, *methods: str) -> None:
        """Refuse other methods."""
        if self.method not in methods:
            path = "/".join(segment.name for segment in self.segments)
            raise fault("MethodNotAllowed", method=self.method, resource=path[:200])


def decode_change(
    method: str,
    segments: Sequence[Segment],
    query: str,
    body: bytes,
    base: str,
    schema: Schema,
    new_id: NewId,
) -> Change:
    """The message of a request that is no GET, below a definition set or of one of ``DEFINITION_ACTIONS``.

    ``query`` is the query string; ``base`` the API's root with its slash; ``new_id`` makes the ids of new
    definitions. The solution of the header MSCRM.SolutionUniqueName travels in the options of the run.
    Raises ResourceNotFound, MethodNotAllowed, DefinitionNotFound, InvalidDefinition, InvalidProperty, NotSupported.
    """
    first = segments[0]
    request = _Request(method=method, segments=segments, body=body, base=base, schema=schema, new_id=new_id)
    action = DEFINITION_ACTIONS.get(first.name)
    if action is not None:
        request.only("POST")
        if len(segments) != 1 or first.called:
            raise _missing(segments[-1])
        return _action(action, request, query)
    if query.strip("&"):
        name = query.split("=")[0][:100]
        raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")
    return _SETS[first.name](request)


def _missing(segment: Segment) -> Fault:
    return fault("ResourceNotFound", segment=segment.name[:100])


def _done(result: Result) -> Reply:
    return Reply(status=204)


def _made(base: str, path: str) -> Callable[[Result], Reply]:
    """204 with the address of the new definition."""
    return lambda result: Reply(status=204, headers=(VERSION, ("OData-EntityId", f"{base}{path}")))


def _change(message: str, parameters: Mapping[str, Any], render: Callable[[Result], Reply] = _done) -> Change:
    return Change(message=Execute(name=message, parameters=parameters), render=render)


# -- which definition ------------------------------------------------------------------------------------------------
def _key(segment: Segment, name: str) -> tuple[str, str]:
    """What a segment's key says: ``MetadataId`` or ``name``, and the value."""
    if segment.id is not None:
        return "MetadataId", segment.id
    if len(segment.pairs) == 1 and isinstance(segment.pairs[0][1], str):
        given, value = segment.pairs[0]
        if given in (name, "MetadataId"):
            return given, str(value)
    raise _missing(segment)


def _spelled(segment: Segment) -> str:
    """The segment as the client wrote it, so that an answer names things as the request did."""
    if segment.id is not None:
        return f"{segment.name}({segment.id})"
    pairs = ",".join(f"{name}='{str(value).replace(chr(39), chr(39) * 2)}'" for name, value in segment.pairs)
    return f"{segment.name}({pairs})"


def _table(request: _Request) -> Table:
    by, value = _key(request.segments[0], "LogicalName")
    if by == "LogicalName":
        found = request.schema.tables.get(value)
    else:
        found = next(
            (each for each in request.schema.tables.values() if each.metadata_id == value.lower()), None
        )
    if found is None:
        raise fault("DefinitionNotFound", kind="EntityMetadata", name=value[:100])
    return found


def _column(table: Table, segment: Segment) -> Column:
    by, value = _key(segment, "LogicalName")
    for column in table.columns.values():
        if value == column.name if by == "LogicalName" else value.lower() == column.metadata_id:
            return column
    raise fault("DefinitionNotFound", kind="AttributeMetadata", name=f"{table.logical_name}.{value[:100]}")


def _relationship(request: _Request) -> OneToMany | ManyToMany:
    by, value = _key(request.segments[0], "SchemaName")
    known: list[OneToMany | ManyToMany] = [
        *request.schema.one_to_many.values(),
        *request.schema.many_to_many.values(),
    ]
    for rel in known:
        if value == rel.schema_name if by == "SchemaName" else value.lower() == rel.metadata_id:
            return rel
    raise fault("DefinitionNotFound", kind="RelationshipMetadataBase", name=value[:100])


def _choice(request: _Request) -> Choice:
    by, value = _key(request.segments[0], "Name")
    for choice in request.schema.choices.values():
        if value == choice.name if by == "Name" else value.lower() == choice.metadata_id:
            return choice
    raise fault("DefinitionNotFound", kind="OptionSetMetadataBase", name=value[:100])


def _below(request: _Request, depth: int) -> Segment | None:
    """The segment at ``depth``, casts left out; raises ResourceNotFound for what goes further than that."""
    plain = [each for each in request.segments if not each.name.startswith(NAMESPACE)]
    if len(plain) > depth + 1:
        raise _missing(plain[depth + 1])
    return plain[depth] if len(plain) > depth else None


# -- definition sets -------------------------------------------------------------------------------------------------
def _entities(request: _Request) -> Change:
    first = request.segments[0]
    if not first.called:
        _below(request, 0)
        request.only("POST")
        table = read_table(request.json, request.schema, request.new_id)
        return _change(
            "CreateEntity", {"table": table}, _made(request.base, f"{first.name}({table.metadata_id})")
        )
    table = _table(request)
    below = _below(request, 1)
    if below is None:
        request.only("PUT", "DELETE")
        if request.method == "DELETE":
            return _change("DeleteEntity", {"name": table.logical_name})
        return _change("UpdateEntity", {"table": change_table(request.json, table, request.schema)})
    if below.name == "Attributes":
        return _attributes(request, table, below)
    if below.name == "Keys":
        return _keys(request, table, below)
    request.only("GET")
    raise _missing(below)


def _attributes(request: _Request, table: Table, segment: Segment) -> Change:
    if not segment.called:
        request.only("POST")
        column = read_column(request.json, request.schema, request.new_id)
        path = f"{_spelled(request.segments[0])}/Attributes({column.metadata_id})"
        return _change(
            "CreateAttribute", {"table": table.logical_name, "column": column}, _made(request.base, path)
        )
    request.only("PUT", "DELETE")
    current = _column(table, segment)
    if request.method == "DELETE":
        return _change("DeleteAttribute", {"table": table.logical_name, "column": current.name})
    changed = change_column(request.json, current, table, request.schema)
    return _change("UpdateAttribute", {"table": table.logical_name, "column": changed})


def _keys(request: _Request, table: Table, segment: Segment) -> Change:
    if not segment.called:
        request.only("POST")
        key = read_key(request.json, table, request.new_id)
        path = f"{_spelled(request.segments[0])}/Keys({key.metadata_id})"
        return _change(
            "CreateEntityKey", {"table": table.logical_name, "key": key}, _made(request.base, path)
        )
    request.only("DELETE")
    by, value = _key(segment, "LogicalName")
    for key in table.keys:
        if value == key.logical_name if by == "LogicalName" else value.lower() == key.metadata_id:
            return _change("DeleteEntityKey", {"table": table.logical_name, "key": key.logical_name})
    raise fault("DefinitionNotFound", kind="EntityKeyMetadata", name=f"{table.logical_name}.{value[:100]}")


def _relationships(request: _Request) -> Change:
    first = request.segments[0]
    _below(request, 0)
    if not first.called:
        request.only("POST")
        body = request.json
        if type_of(body) == "ManyToManyRelationshipMetadata":
            crossing = read_many_to_many(body, request.schema, request.new_id)
            render = _made(request.base, f"{first.name}({crossing.metadata_id})")
            return _change("CreateManyToMany", {"relationship": crossing}, render)
        rel, lookup = read_one_to_many(body, request.schema, request.new_id)
        render = _made(request.base, f"{first.name}({rel.metadata_id})")
        return _change("CreateOneToMany", {"relationship": rel, "lookup": lookup}, render)
    request.only("PUT", "DELETE")
    current = _relationship(request)
    if request.method == "DELETE":
        return _change("DeleteRelationship", {"name": current.schema_name})
    return _change(
        "UpdateRelationship", {"relationship": change_relationship(request.json, current, request.schema)}
    )


def _option_sets(request: _Request) -> Change:
    first = request.segments[0]
    _below(request, 0)
    if not first.called:
        request.only("POST")
        choice = read_choice(request.json, request.new_id)
        return _change(
            "CreateOptionSet", {"choice": choice}, _made(request.base, f"{first.name}({choice.metadata_id})")
        )
    request.only("PUT", "DELETE")
    current = _choice(request)
    if request.method == "DELETE":
        return _change("DeleteOptionSet", {"name": current.name})
    return _change("UpdateOptionSet", {"choice": change_choice(request.json, current)})


def _managed_properties(request: _Request) -> Change:
    request.only("GET")
    raise _missing(request.segments[-1])


_SETS: Mapping[str, Callable[[_Request], Change]] = {
    "EntityDefinitions": _entities,
    "RelationshipDefinitions": _relationships,
    "GlobalOptionSetDefinitions": _option_sets,
    "ManagedPropertyDefinitions": _managed_properties,
}


# -- actions ---------------------------------------------------------------------------------------------------------
def _action(read: "_Action", request: _Request, query: str) -> Change:
    body = {name: value for name, value in request.json.items() if not name.startswith("@")}
    given = parameter_values(query) if query else {}
    for name in given:
        if name != "SolutionUniqueName":
            raise fault("ODataUnsupported", feature=f"The query option {name[:100]} on this resource")
    body = {**given, **body}
    parameters = read(body, request)
    solution = body.pop("SolutionUniqueName", None)
    if solution is not None:
        if not isinstance(solution, str):
            raise _wrong("SolutionUniqueName", "Edm.String")
        parameters["solution"] = solution
    if body:
        raise fault("UnexpectedParameter", name=next(iter(body))[:100], message=request.segments[0].name)
    name = request.segments[0].name
    return Change(message=Execute(name=name, parameters=parameters), render=_answer(name, request.base))


def _answer(name: str, base: str) -> Callable[[Result], Reply]:
    context = f"{base}$metadata#{NAMESPACE}{name}Response"

    def render(result: Result) -> Reply:
        if result.value is None:
            return Reply(status=204)
        return json_reply({"@odata.context": context, **result.value})

    return render


_Action = Callable[[dict[str, Any], _Request], dict[str, Any]]


def _wrong(name: str, kind: str) -> Fault:
    return fault("InvalidPayload", message=f"The parameter {name} is not of type {kind}.")


def _needed(body: dict[str, Any], name: str) -> Any:
    value = body.pop(name, None)
    if value is None:
        raise fault("MissingParameter", name=name, message="the action needs it")
    return value


def _create_entities(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    given = _needed(body, "Entities")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ENTITIES:
        raise fault("InvalidPayload", message=f"Entities must be an array of 1 to {MAX_ENTITIES} entities.")
    return {"tables": tuple(read_table(each, request.schema, request.new_id) for each in given)}


def _lookup_with_relationships(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    given = _needed(body, "OneToManyRelationships")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ENTITIES:
        raise fault(
            "InvalidPayload", message=f"OneToManyRelationships must be an array of 1 to {MAX_ENTITIES}."
        )
    lookup = read_column(
        _needed(body, "Lookup"), request.schema, request.new_id, default="LookupAttributeMetadata"
    )
    rels = tuple(read_one_to_many(each, request.schema, request.new_id, lookup=False)[0] for each in given)
    return {"lookup": lookup, "relationships": rels}


def _place(body: dict[str, Any]) -> dict[str, Any]:
    """Which options are meant: those of a column, or of a global choice."""
    place: dict[str, Any] = {}
    for name, key in (
        ("OptionSetName", "choice"),
        ("EntityLogicalName", "table"),
        ("AttributeLogicalName", "column"),
    ):
        value = body.pop(name, None)
        if value is not None:
            if not isinstance(value, str):
                raise _wrong(name, "Edm.String")
            place[key] = value
    if not place:
        raise fault(
            "MissingParameter", name="OptionSetName", message="or EntityLogicalName and AttributeLogicalName"
        )
    return place


def _insert(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    parameters = _place(body)
    label = read_label(_needed(body, "Label"), "Label")
    parameters |= {"label": label or "", "value": _whole(body, "Value"), "color": _color(body)}
    _unread(body, "Description", "ExternalValue", "ParentValues")
    return parameters


def _insert_status(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    state = _whole(body, "StateCode")
    return {**_insert(body, request), "state": state}


def _update(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    parameters = _place(body)
    parameters |= {
        "value": read_option_value(_needed(body, "Value"), "Value"),
        "label": read_label(body.pop("Label", None), "Label"),
        "color": _color(body),
    }
    if not isinstance(body.pop("MergeLabels", False), bool):
        raise _wrong("MergeLabels", "Edm.Boolean")
    _unread(body, "Description", "ExternalValue", "ParentValues")
    return parameters


def _update_state(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    status = _whole(body, "DefaultStatusCode")
    return {**_update(body, request), "default_status": status}


def _delete(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    return {**_place(body), "value": read_option_value(_needed(body, "Value"), "Value")}


def _order(body: dict[str, Any], request: _Request) -> dict[str, Any]:
    values = _needed(body, "Values")
    if not isinstance(values, list):
        raise _wrong("Values", "Collection(Edm.Int32)")
    return {**_place(body), "values": tuple(read_option_value(value, "Values") for value in values)}


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.pop(name, None)
    return None if value is None else read_option_value(value, name)


def _color(body: dict[str, Any]) -> str | None:
    value = body.pop("Color", None)
    if value is not None and not isinstance(value, str):
        raise _wrong("Color", "Edm.String")
    return value or None


def _unread(body: dict[str, Any], *names: str) -> None:
    """Details of options that are not kept: refused unless they are empty."""
    for name in names:
        value = body.pop(name, None)
        empty = value is None or value in ("", [])
        if not empty and not (name == "Description" and not read_label(value, name)):
            raise fault("NotSupported", feature=f"{name} of an option")


DEFINITION_ACTIONS: Mapping[str, _Action] = {
    "CreateCustomerRelationships": _lookup_with_relationships,
    "CreateEntities": _create_entities,
    "CreatePolymorphicLookupAttribute": _lookup_with_relationships,
    "DeleteOptionValue": _delete,
    "InsertOptionValue": _insert,
    "InsertStatusValue": _insert_status,
    "OrderOption": _order,
    "UpdateOptionValue": _update,
    "UpdateStateValue": _update_state,
}
