"""``/metadata``: data entities, their properties, enumerations and labels as rows of their own.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-entities
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import parse_options
from orgstead.model.dataentities import DataEntity, DataField, EnumType
from orgstead.model.query import And, Condition, Field, Not, Or, Predicate, Query
from orgstead.wire.finops.names import NAMESPACE, Action, Names
from orgstead.wire.finops.request import Request, read_level
from orgstead.wire.finops.values import edm_type
from orgstead.wire.odatav4.memory import OPERATORS, holds
from orgstead.wire.odatav4.paths import Segment, parse_path
from orgstead.wire.odatav4.reply import VERSION, Reply, json_reply

__all__ = ["describe"]

OPTIONS = frozenset({"$count", "$filter", "$format", "$orderby", "$select", "$skip", "$top"})
LANGUAGE = "en-us"
MAX_LANGUAGE = 20
LABEL = "@Orgstead:"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """A set of descriptions: the property that is its key, and its rows."""

    key: str
    rows: Callable[[Names], Iterator[Row]]


def describe(request: Request, names: Names) -> Reply:
    """The answer to a GET below ``/metadata``; raises ResourceNotFound, PropertyNotFound and what options raise."""
    if request.method != "GET":
        raise fault("MethodNotAllowed", method=request.method, resource=request.path[:200])
    segments = parse_path(request.path, nameless=True)
    if not segments:
        return _service(request)
    first = segments[0]
    if first.name == "Labels" and len(segments) == 1:
        return _label(request, names, first)
    found = SETS.get(first.name)
    if found is None:
        raise fault("ResourceNotFound", segment=first.name[:100])
    if len(segments) == 2 and segments[1].name == "$count" and not first.called:
        rows, _ = _asked(request, found, names)
        text = str(len(rows)).encode()
        return Reply(status=200, headers=(("Content-Type", "text/plain"), VERSION), body=text)
    if len(segments) > 1:
        raise fault("ResourceNotFound", segment=segments[-1].name[:100])
    if first.called:
        return _one(request, names, found, first)
    rows, query = _asked(request, found, names)
    total = len(rows)
    rows = rows[_skipped(request) :]
    rows = rows if query.top is None else rows[: query.top]
    body, kind = _headed(request, first.name)
    if query.count:
        body["@odata.count"] = total
    body["value"] = [_selected(row, query.columns) for row in rows]
    return json_reply(body, kind=kind)


def _headed(request: Request, context: str) -> tuple[dict[str, Any], str]:
    format = parse_options(request.query, system=OPTIONS).given.get("$format")
    level = read_level(request.headers, format)
    head = {} if level == "none" else {"@odata.context": f"{request.base}$metadata#{context}"}
    return head, f"application/json; odata.metadata={level}"


def _service(request: Request) -> Reply:
    value = [{"name": name, "kind": "EntitySet", "url": name} for name in (*SETS, "Labels")]
    return json_reply({"@odata.context": f"{request.base}$metadata", "value": value})


def _one(request: Request, names: Names, found: _Set, segment: Segment) -> Reply:
    given = dict(segment.pairs)
    key = given[found.key] if list(given) == [found.key] else segment.alone
    row = next((row for row in found.rows(names) if row[found.key] == key), None)
    if row is None:
        raise _missing(segment, key)
    query = _options(request, "$select", "$format")
    body, kind = _headed(request, f"{segment.name}/$entity")
    return json_reply({**body, **_selected(row, query.columns)}, kind=kind)


def _missing(segment: Segment, key: Any) -> Fault:
    return fault("ResourceNotFound", segment=f"{segment.name}({key!s:.100})")


def _options(request: Request, *allowed: str) -> Query:
    options = parse_options(request.query, system=OPTIONS)
    for name in (*options.given, *options.custom, *(f"@{alias}" for alias in options.aliases)):
        if name not in allowed:
            raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")
    return options.query


def _skipped(request: Request) -> int:
    text = parse_options(request.query, system=OPTIONS).given.get("$skip", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise fault("ODataSyntax", message=f"Invalid value '{text[:50]}' for $skip query option found.")
    return int(text)


def _asked(request: Request, found: _Set, names: Names) -> tuple[list[Row], Query]:
    """The rows of a set that a request's filter lets through, in its order, and its query."""
    query = _options(request, *OPTIONS)
    rows = list(found.rows(names))
    known = frozenset(rows[0]) if rows else frozenset[str]()
    if query.where is not None:
        _check(query.where, known)
        rows = [row for row in rows if holds(query.where, row)]
    for name in query.columns or ():
        _known(Field(name), known)
    for order in reversed(query.order):
        name = _known(order.field, known)
        rows.sort(key=lambda row: str(row[name]), reverse=order.descending)
    return rows, query


def _known(field: Field, known: frozenset[str]) -> str:
    if field.path or field.alias or (known and field.name not in known):
        raise fault("PropertyNotFound", name=field.name[:100], type=f"{NAMESPACE}metadata")
    return field.name


def _check(predicate: Predicate, known: frozenset[str]) -> None:
    match predicate:
        case Condition(field, operator, values):
            _known(field, known)
            if operator not in OPERATORS or any(isinstance(value, Field) for value in values):
                raise fault("ODataUnsupported", feature=f"The operator {operator} on descriptions")
        case And(items) | Or(items):
            for item in items:
                _check(item, known)
        case Not(item):
            _check(item, known)
        case _:
            raise fault("ODataUnsupported", feature="any and all on descriptions")


def _selected(row: Row, columns: Sequence[str] | None) -> Row:
    return row if columns is None else {name: row[name] for name in columns if name in row}


# -- rows ------------------------------------------------------------------------------------------------------------
def _data_entities(names: Names) -> Iterator[Row]:
    for entity in names.schema.entities.values():
        yield {
            "Name": entity.target,
            "PublicEntityName": entity.name,
            "PublicCollectionName": entity.collection,
            "LabelId": f"{LABEL}{entity.name}",
            "DataServiceEnabled": entity.collection in names.entities,
            "DataManagementEnabled": entity.management,
            "EntityCategory": entity.category,
            "IsReadOnly": entity.read_only,
        }


def _public_entities(names: Names) -> Iterator[Row]:
    for entity in names.entities.values():
        yield {
            "Name": entity.name,
            "EntitySetName": entity.collection,
            "LabelId": f"{LABEL}{entity.name}",
            "IsReadOnly": entity.read_only,
            "ConfigurationEnabled": True,
            "Properties": [_property(entity, field) for field in entity.fields.values()],
            "NavigationProperties": list(_navigations(names, entity)),
            "PropertyGroups": [],
            "Actions": [_action(entity, each) for each in names.actions.get(entity.collection, {}).values()],
        }


def _property(entity: DataEntity, field: DataField) -> Row:
    return {
        "Name": field.name,
        "TypeName": edm_type(field),
        "DataType": _data_type(field),
        "LabelId": f"{LABEL}{entity.name}.{field.name}",
        "IsKey": field.name in entity.key,
        "IsMandatory": field.mandatory,
        "ConfigurationEnabled": True,
        "AllowEdit": field.on_update and not entity.read_only,
        "AllowEditOnCreate": field.on_create and not entity.read_only,
        "IsDimension": False,
        "DimensionRelation": None,
        "IsDynamicDimension": False,
        "DimensionLegalEntityProperty": None,
        "DimensionTypeProperty": None,
    }


def _data_type(field: DataField) -> str:
    if field.enum is not None:
        return "Enum"
    return {"Boolean": "Int32", "DateTime": "UtcDateTime"}.get(field.kind, field.kind)


def _navigations(names: Names, entity: DataEntity) -> Iterator[Row]:
    for name, navigation in names.navigations(entity).items():
        yield {
            "Name": name,
            "RelatedEntity": navigation.related.name,
            "RelatedRelationName": None,
            "Cardinality": "Multiple" if navigation.relation.many else "Single",
            "Constraints": [
                {
                    "@odata.type": "#Microsoft.Dynamics.Metadata.ReferentialConstraint",
                    "Property": here,
                    "ReferencedProperty": there,
                }
                for here, there in navigation.relation.constraints
            ],
        }


def _action(entity: DataEntity, action: Action) -> Row:
    collection = action.collection
    bound = {
        "Name": entity.name,
        "Type": {
            "TypeName": f"{NAMESPACE}{entity.name}",
            "IsCollection": collection,
        },
    }
    given = [
        {"Name": each.name, "Type": {"TypeName": each.type, "IsCollection": False}}
        for each in action.signature.parameters
    ]
    direct = action.signature.direct
    return {
        "Name": action.name,
        "BindingKind": "BoundToEntitySet" if collection else "BoundToEntityInstance",
        "Parameters": [bound, *given],
        "ReturnType": None if direct is None else {"TypeName": direct, "IsCollection": False},
        "FieldLookup": None,
    }


def _public_enumerations(names: Names) -> Iterator[Row]:
    for name, enum in sorted(names.enums().items()):
        yield {
            "Name": name,
            "LabelId": f"{LABEL}{name}",
            "Members": [
                {
                    "Name": member.name,
                    "LabelId": f"{LABEL}{name}.{member.name}",
                    "Value": member.value,
                    "ConfigurationEnabled": True,
                }
                for member in enum.members
            ],
        }


SETS: Mapping[str, _Set] = {
    "DataEntities": _Set(key="Name", rows=_data_entities),
    "PublicEntities": _Set(key="Name", rows=_public_entities),
    "PublicEnumerations": _Set(key="Name", rows=_public_enumerations),
}


# -- labels ----------------------------------------------------------------------------------------------------------
def _label(request: Request, names: Names, segment: Segment) -> Reply:
    """One label in a language; they cannot be listed. Every label has one text, whatever the language."""
    _options(request, "$format")
    given = dict(segment.pairs)
    if given.keys() != {"Id", "Language"}:
        raise fault(
            "KeyIncomplete", given=len(given.keys() & {"Id", "Language"}), wanted=2, keys="Id,Language"
        )
    id, language = given["Id"], given["Language"]
    if not isinstance(id, str) or not isinstance(language, str) or not 0 < len(language) <= MAX_LANGUAGE:
        raise fault("ODataSyntax", message="The Id and the Language of a label are texts.")
    body, kind = _headed(request, "Labels/$entity")
    return json_reply({**body, "Id": id, "Language": language, "Value": _text(names, id)}, kind=kind)


def _text(names: Names, id: str) -> str:
    """The text of a label; as in the service, one that is not known reads as its id."""
    name, _, part = id.removeprefix(LABEL).partition(".")
    entity = names.schema.entities.get(name)
    enum: EnumType | None = names.enums().get(name)
    if not id.startswith(LABEL):
        return id
    if entity is not None and not part:
        return entity.label
    if entity is not None and part in entity.fields:
        return entity.fields[part].label
    if enum is not None and not part:
        return enum.name
    member = enum.member(part) if enum is not None else None
    return member.label if member is not None else id
