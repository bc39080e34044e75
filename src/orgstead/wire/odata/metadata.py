"""Reading definitions: ``EntityDefinitions``, ``RelationshipDefinitions``, ``GlobalOptionSetDefinitions``.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/retrieve-metadata-name-metadataid
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.schema import Schema
from orgstead.wire.definitions.catalog import Catalog, catalog
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.labels import plain
from orgstead.wire.definitions.vocabulary import METADATA_TYPES, is_a, properties_of
from orgstead.wire.odata.metadata_query import Asked, Reading, matching, project, read_asked, typed
from orgstead.wire.odata.names import NAMESPACE
from orgstead.wire.odatav4.paths import Segment
from orgstead.wire.odatav4.reply import VERSION, Reply, json_reply

__all__ = ["DEFINITION_SETS", "read_definitions"]

# Entity sets of definitions: the type of their members and the property that names one beside its MetadataId.
DEFINITION_SETS: Mapping[str, tuple[str, str]] = {
    "EntityDefinitions": ("EntityMetadata", "LogicalName"),
    "RelationshipDefinitions": ("RelationshipMetadataBase", "SchemaName"),
    "GlobalOptionSetDefinitions": ("OptionSetMetadataBase", "Name"),
    "ManagedPropertyDefinitions": ("ManagedPropertyMetadata", "LogicalName"),
}
# The names that members of collections below those sets go by.
KEY_NAMES = {
    "AttributeMetadata": "LogicalName",
    "EntityKeyMetadata": "LogicalName",
    "RelationshipMetadataBase": "SchemaName",
}
_MEMBERS: Mapping[str, Callable[[Catalog], Sequence[Definition]]] = {
    "EntityDefinitions": lambda known: known.entities,
    "RelationshipDefinitions": lambda known: known.relationships,
    "GlobalOptionSetDefinitions": lambda known: known.option_sets,
    "ManagedPropertyDefinitions": lambda known: known.managed_properties,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Many:
    """A collection on the way: its members' type, the members, its path."""

    type: str
    members: Callable[[], Sequence[Definition]]
    path: str
    filterable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    """One definition on the way; ``type`` is the one that its place declares."""

    type: str
    definition: Definition
    path: str
    set_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """A property's value on the way."""

    value: Any
    path: str


_Place = _Many | _One | _Value


def read_definitions(segments: Sequence[Segment], query: str, schema: Schema, base: str) -> Reply:
    """The answer to a GET below an entity set of definitions.

    ``query`` is the query string, still percent-encoded; ``base`` the API's root with its slash. Raises
    ResourceNotFound, DefinitionNotFound, PropertyNotFound, ODataSyntax, ODataUnsupported.
    """
    first, rest = segments[0], segments[1:]
    type_name, _ = DEFINITION_SETS[first.name]
    members = _Many(
        type=type_name,
        members=lambda: _MEMBERS[first.name](catalog(schema)),
        path=first.name,
        filterable=first.name != "GlobalOptionSetDefinitions",
    )
    place: _Place = _member(members, first) if first.called else members
    for index, step in enumerate(rest):
        if step.name == "$count" and index == len(rest) - 1 and isinstance(place, _Many):
            return _count(place, query)
        if step.name == "$value" and index == len(rest) - 1 and isinstance(place, _Value):
            return _raw_value(place, query)
        place = _step(place, step)
    match place:
        case _Many():
            return _collection(place, query, base)
        case _One():
            return _single(place, query, base)
        case _Value():
            return _value(place, query, base)


def _missing(step: Segment) -> Fault:
    return fault("ResourceNotFound", segment=step.name[:100])


def _step(place: _Place, step: Segment) -> _Place:
    if isinstance(place, _Value):
        return _inner(place, step)
    if step.name.startswith(NAMESPACE):
        return _cast(place, step)
    if isinstance(place, _Many):
        raise _missing(step)
    properties, links = properties_of(place.type)
    link = links.get(step.name)
    if link is not None:
        return _follow(place, step, link.type, many=link.many)
    if step.called or (step.name not in properties and step.name not in place.definition.values):
        raise _missing(step)
    return _Value(value=place.definition.values[step.name], path=f"{place.path}/{step.name}")


def _inner(place: _Value, step: Segment) -> _Value:
    """A property of a property's value: ``DisplayName/UserLocalizedLabel``."""
    value = plain(place.value)
    if step.called or not isinstance(value, dict) or step.name not in value:
        raise _missing(step)
    return _Value(value=value[step.name], path=f"{place.path}/{step.name}")


def _follow(place: _One, step: Segment, target: str, *, many: bool) -> _Place:
    found = place.definition.links[step.name]()
    path = f"{place.path}/{step.name}"
    if not many:
        if step.called:
            raise _missing(step)
        if not isinstance(found, Definition):
            return _Value(value=None, path=path)
        return _One(type=target, definition=found, path=path, set_path=path)
    collection = _Many(type=target, members=lambda: found if isinstance(found, Sequence) else (), path=path)
    return _member(collection, step) if step.called else collection


def _cast(place: _Many | _One, step: Segment) -> _Many | _One:
    cast = step.name.removeprefix(NAMESPACE)
    if cast not in METADATA_TYPES or not is_a(cast, place.type):
        raise _missing(step)
    path = f"{place.path}/{step.name}"
    if isinstance(place, _Many):
        members = place.members
        narrowed = replace(place, type=cast, members=lambda: typed(members(), cast), path=path)
        return _member(narrowed, step) if step.called else narrowed
    if step.called or not is_a(place.definition.type, cast):
        raise _missing(step)
    return _One(type=cast, definition=place.definition, path=path, set_path=f"{place.set_path}/{step.name}")


def _member(place: _Many, step: Segment) -> _One:
    """The member that a key names, by MetadataId or by name; raises DefinitionNotFound."""
    if step.id is not None:
        name, value = "MetadataId", step.id
        shown = step.id
    elif len(step.pairs) == 1 and isinstance(step.pairs[0][1], str):
        name, value = step.pairs[0]
        shown = f"'{value}'"
    else:
        raise _missing(step)
    allowed = ("MetadataId", _key_name(place))
    if name not in allowed:
        raise _missing(step)
    wanted = value.lower() if name == "MetadataId" else value
    for definition in place.members():
        if definition.values.get(name) == wanted:
            path = f"{place.path}({shown})"
            return _One(type=place.type, definition=definition, path=path, set_path=place.path)
    raise fault("DefinitionNotFound", kind=place.type, name=str(value)[:100])


def _key_name(place: _Many) -> str:
    for type_name, name in DEFINITION_SETS.values():
        if is_a(place.type, type_name):
            return name
    return next((name for base, name in KEY_NAMES.items() if is_a(place.type, base)), "LogicalName")


def _shown(asked: Asked) -> str:
    """The selected and expanded names, as a context lists them."""
    parts = [*(asked.select or ())]
    for each in asked.expand:
        inner = ",".join(each.columns or ())
        parts.append(f"{each.name}({inner})")
    return f"({','.join(parts)})" if parts else ""


def _collection(place: _Many, query: str, base: str) -> Reply:
    asked = read_asked(query, place.type, filterable=place.filterable)
    rows = matching(place.members(), asked.where)
    at = Reading(base=base, path=place.path, labels=asked.labels)
    body: dict[str, Any] = {"@odata.context": f"{base}$metadata#{place.path}{_shown(asked)}"}
    if asked.count:
        body["@odata.count"] = len(rows)
    body["value"] = [project(row, asked.select, asked.expand, place.type, at) for row in rows]
    return json_reply(body)


def _count(place: _Many, query: str) -> Reply:
    asked = read_asked(query, place.type, filterable=place.filterable)
    text = str(len(matching(place.members(), asked.where)))
    return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())


def _single(place: _One, query: str, base: str) -> Reply:
    asked = read_asked(query, place.type, filterable=False)
    at = Reading(base=base, path=place.path, labels=asked.labels)
    context = f"{base}$metadata#{place.set_path}{_shown(asked)}/$entity"
    row = project(place.definition, asked.select, asked.expand, place.type, at)
    return json_reply({"@odata.context": context, **row})


def _value(place: _Value, query: str, base: str) -> Reply:
    read_asked(query, "MetadataBase", filterable=False)
    if place.value is None:
        return Reply(status=204)
    value = plain(place.value)
    body = value if isinstance(value, dict) else {"value": value}
    return json_reply({"@odata.context": f"{base}$metadata#{place.path}", **body})


def _raw_value(place: _Value, query: str) -> Reply:
    """``/$value``: a primitive value as plain text."""
    read_asked(query, "MetadataBase", filterable=False)
    if place.value is None:
        return Reply(status=204)
    if isinstance(place.value, bool):
        text = str(place.value).lower()
    elif isinstance(place.value, str | int | float):
        text = str(place.value)
    else:
        raise fault("ODataUnsupported", feature="$value of a property that is not primitive")
    return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text.encode())
