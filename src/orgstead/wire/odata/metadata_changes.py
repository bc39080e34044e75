"""Changing definitions: requests below the definition sets, and the actions about definitions, to messages.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import split_options
from orgstead.model.messages import Execute, Result
from orgstead.model.schema import Choice, Column, ManyToMany, OneToMany, Schema, Table
from orgstead.wire.definitions.actions import DEFINITION_ACTIONS, Making, read_action
from orgstead.wire.definitions.body import NAMESPACE, type_of
from orgstead.wire.definitions.read_columns import change_column, read_column
from orgstead.wire.definitions.read_options import change_choice, read_choice
from orgstead.wire.definitions.read_relationships import (
    change_relationship,
    read_many_to_many,
    read_one_to_many,
)
from orgstead.wire.definitions.read_tables import change_table, read_key, read_table
from orgstead.wire.odatav4.body import decode_object
from orgstead.wire.odatav4.paths import Segment
from orgstead.wire.odatav4.reply import VERSION, Reply, json_reply

__all__ = ["DEFINITION_ACTIONS", "Change", "decode_change"]

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
    if first.name in DEFINITION_ACTIONS:
        request.only("POST")
        if len(segments) != 1 or first.called:
            raise _missing(segments[-1])
        return _action(first.name, request, query)
    if first.name not in _SETS:
        request.only("GET")
        raise _missing(first)
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
    if found is None or found.is_private:
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
        if request.json.get("IsPrimaryName"):
            raise fault(
                "InvalidDefinition", what="the attribute", reason="the primary name comes with its table"
            )
        column = read_column(request.json, request.schema, request.new_id)
        path = f"{_spelled(request.segments[0])}/Attributes({column.metadata_id})"
        primary_image = column.type == "image" and request.json.get("IsPrimaryImage") is True
        parameters = {"table": table.logical_name, "column": column, "primary_image": primary_image}
        return _change("CreateAttribute", parameters, _made(request.base, path))
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
def _action(name: str, request: _Request, query: str) -> Change:
    making = Making(schema=request.schema, new_id=request.new_id)
    parameters = read_action(name, request.json, making)
    wish = _texts(query).get("SolutionUniqueName")
    if wish is not None:
        parameters.setdefault("solution_if_any", wish)
    return Change(message=Execute(name=name, parameters=parameters), render=_answer(name, request.base))


def _texts(query: str) -> Mapping[str, str]:
    """The solution where the query string names it: plain text, as clients write it, or a literal.

    The documented places are the header and the body. Dataverse does not look at this one, so that a name which no
    solution has is no failure: https://github.com/microsoft/PowerPlatform-DataverseClient-Python/pull/191
    """
    given, aliases, custom = split_options(query, extra=("SolutionUniqueName",))
    for option in (*given, *aliases, *custom):
        if option != "SolutionUniqueName":
            raise fault("ODataUnsupported", feature=f"The query option {option[:100]} on this resource")
    return {name: value.strip("'") for name, value in custom.items() if value}


def _answer(name: str, base: str) -> Callable[[Result], Reply]:
    context = f"{base}$metadata#{NAMESPACE}{name}Response"

    def render(result: Result) -> Reply:
        if result.value is None:
            return Reply(status=204)
        return json_reply({"@odata.context": context, **result.value})

    return render
