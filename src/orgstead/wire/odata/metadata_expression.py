"""``RetrieveMetadataChanges``: many definitions by one query object.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievemetadatachanges
https://learn.microsoft.com/power-apps/developer/data-platform/query-schema-definitions
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata.aliases import parameter_values
from orgstead.languages.odata.literals import EnumLiteral
from orgstead.model.schema import Schema
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.labels import LANGUAGE, MAX_LANGUAGES
from orgstead.wire.definitions.vocabulary import ENUM_TYPES, METADATA_TYPES, is_a, properties_of
from orgstead.wire.odata.metadata import catalog
from orgstead.wire.odata.metadata_query import spelled
from orgstead.wire.odata.paths import NAMESPACE, Alias, Segment
from orgstead.wire.odata.response import Reply, json_reply

__all__ = ["retrieve_metadata_changes"]

MAX_DEPTH = 10
MAX_CONDITIONS = 300
QUERIES = {
    "Attributes": "AttributeQuery",
    "OneToManyRelationships": "RelationshipQuery",
    "ManyToOneRelationships": "RelationshipQuery",
    "ManyToManyRelationships": "RelationshipQuery",
    "Keys": "KeyQuery",
}
ALWAYS = ("LogicalName", "SchemaName", "MetadataId", "HasChanged")
PARAMETERS = frozenset({"Query", "ClientVersionStamp", "DeletedMetadataFilters", "RetrieveAllSettings"})
DELETED = ("Entity", "Attribute", "Relationship", "Label", "OptionSet")
_STAMP = re.compile(r"[0-9]{1,18}")
Test = Callable[[Mapping[str, Any]], bool]


def retrieve_metadata_changes(segment: Segment, query: str, schema: Schema, base: str) -> Reply:
    """The answer to a GET of the function.

    The stamp is the version of the schema. With that of an earlier one only what has changed or gone since is
    answered; a client whose stamp is older than what is remembered is told to read all again (VersionStampExpired).
    """
    aliases = parameter_values(query) if query else {}
    given = {name: _argument(value, aliases) for name, value in segment.pairs}
    given |= {name: value for name, value in aliases.items() if name in PARAMETERS}
    for name in given:
        if name not in PARAMETERS:
            raise fault("UnexpectedParameter", name=name[:100], message="RetrieveMetadataChanges")
    asked = given.get("Query")
    if asked is None:
        asked = {}
    since = _since(given.get("ClientVersionStamp"), schema)
    filters = _kinds(given.get("DeletedMetadataFilters"))
    reader = _Reader(asked, None if since is None else _after(schema, since))
    found = [] if since == schema.version else reader.entities(catalog(schema).entities)
    return json_reply(
        {
            "@odata.context": f"{base}$metadata#{NAMESPACE}RetrieveMetadataChangesResponse",
            "ServerVersionStamp": str(schema.version),
            "DeletedMetadata": _deleted(schema, since, filters),
            "EntityMetadata": found,
        }
    )


def _since(stamp: Any, schema: Schema) -> int | None:
    """The version of a client's stamp; None without one. Raises VersionStampExpired."""
    if stamp is None:
        return None
    if not isinstance(stamp, str) or not _STAMP.fullmatch(stamp):
        raise fault("VersionStampExpired")
    if not max(schema.forgotten, 1) <= int(stamp) <= schema.version:
        raise fault("VersionStampExpired")
    return int(stamp)


def _after(schema: Schema, since: int) -> frozenset[str]:
    """The ids of the definitions that have changed since."""
    return frozenset(id for id, note in schema.history.items() if note.version > since and not note.gone)


def _kinds(filters: Any) -> Sequence[str]:
    """The kinds of definitions that a value of DeletedMetadataFilters names; without one none are told."""
    if filters is None:
        return ()
    known = ENUM_TYPES["DeletedMetadataFilters"]
    text = filters.member if isinstance(filters, EnumLiteral) else str(filters)
    names = [each.strip() for each in text.split(",")]
    for name in names:
        if name not in known:
            raise _wrong(f"{name[:50]} is none of DeletedMetadataFilters")
    if "All" in names:
        return DELETED
    return tuple(kind for kind in DELETED if kind in names or (kind == "Entity" and "Default" in names))


def _deleted(schema: Schema, since: int | None, kinds: Sequence[str]) -> dict[str, Any]:
    """What has gone since, by kind."""
    gone = {
        kind: sorted(
            id
            for id, note in schema.history.items()
            if note.gone and note.kind == kind and note.version > since
        )
        for kind in kinds
        if since is not None
    }
    told = {kind: ids for kind, ids in gone.items() if ids}
    values = [{"Items": ids} for ids in told.values()]
    return {"Count": len(told), "IsReadOnly": False, "Keys": list(told), "Values": values}


def _argument(value: Any, aliases: Mapping[str, Any]) -> Any:
    if not isinstance(value, Alias):
        return value
    if value.name not in aliases:
        raise fault("ODataSyntax", message=f"The parameter alias @{value.name} has no value.")
    return aliases[value.name]


def _wrong(reason: str) -> Fault:
    return fault("InvalidPayload", message=f"The EntityQueryExpression is not valid: {reason}")


class _Reader:
    """One EntityQueryExpression; ``changed`` are the ids that it is about, None for all."""

    def __init__(self, query: Any, changed: frozenset[str] | None = None) -> None:
        known = (
            "Criteria",
            "Properties",
            "AttributeQuery",
            "RelationshipQuery",
            "KeyQuery",
            "LabelQuery",
            "ExtensionData",
        )
        self.query = _object(query, "Query", known)
        self.changed = changed
        self.conditions = 0
        self.labels = _labels_wanted(self.query.get("LabelQuery"))

    def entities(self, definitions: Sequence[Definition]) -> list[dict[str, Any]]:
        """The tables that the query asks for, as complex values."""
        test = self.test(self.query.get("Criteria"), "EntityMetadata", 1)
        wanted = self.properties(self.query.get("Properties"), "EntityMetadata")
        parts: dict[str, tuple[Test, Sequence[str] | None]] = {}
        for link, name in QUERIES.items():
            if wanted is not None and link not in wanted:
                continue
            inner = _object(self.query.get(name) or {}, name, ("Criteria", "Properties", "MetadataType"))
            declared = properties_of("EntityMetadata")[1][link].type
            parts[link] = (
                self.test(inner.get("Criteria"), declared, 1),
                self.properties(inner.get("Properties"), declared),
            )
        rows = []
        for definition in definitions:
            if test(definition.values):
                row = self.written(definition, wanted, "EntityMetadata")
                news = self.changed is None or definition.id in self.changed
                for link, (keep, columns) in parts.items():
                    found = definition.links[link]()
                    declared = properties_of("EntityMetadata")[1][link].type
                    members = found if isinstance(found, Sequence) else ()
                    row[link] = [
                        self.written(each, columns, declared)
                        for each in members
                        if keep(each.values) and (self.changed is None or each.id in self.changed)
                    ]
                    news = news or bool(row[link])
                if news:
                    rows.append(row)
        return rows

    def written(self, definition: Definition, columns: Sequence[str] | None, declared: str) -> dict[str, Any]:
        """A definition as a complex value that says whether it has changed when that was the question."""
        row = _written(definition, columns, declared, self.labels)
        if self.changed is not None:
            row["HasChanged"] = definition.id in self.changed
        return row

    def properties(self, value: Any, type_name: str) -> Sequence[str] | None:
        """The names of a MetadataPropertiesExpression; None means all."""
        if value is None:
            return ()
        given = _object(value, "Properties", ("AllProperties", "PropertyNames"))
        if given.get("AllProperties"):
            return None
        names = given.get("PropertyNames") or []
        if (
            not isinstance(names, list)
            or len(names) > 500
            or not all(isinstance(name, str) for name in names)
        ):
            raise _wrong("PropertyNames must be an array of names")
        known = _names(type_name)
        for name in names:
            if name not in known:
                raise fault("PropertyNotFound", name=name[:100], type=f"{NAMESPACE}{type_name}")
        return names

    def test(self, value: Any, type_name: str, depth: int) -> Test:
        """A MetadataFilterExpression as a function."""
        if value is None:
            return lambda values: True
        if depth > MAX_DEPTH:
            raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of filters")
        given = _object(value, "Criteria", ("Conditions", "FilterOperator", "Filters"))
        operator = given.get("FilterOperator", "And")
        if operator not in ENUM_TYPES["LogicalOperator"]:
            raise _wrong(f"{operator!s:.50} is no LogicalOperator")
        tests = [self.condition(each, type_name) for each in _array(given.get("Conditions"), "Conditions")]
        tests += [self.test(each, type_name, depth + 1) for each in _array(given.get("Filters"), "Filters")]
        if operator == "Or":
            return lambda values: not tests or any(test(values) for test in tests)
        return lambda values: all(test(values) for test in tests)

    def condition(self, value: Any, type_name: str) -> Test:
        """A MetadataConditionExpression as a function."""
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise fault("QueryTooComplex", limit=f"{MAX_CONDITIONS} conditions")
        given = _object(value, "Conditions", ("PropertyName", "ConditionOperator", "Value"))
        name, operator = given.get("PropertyName"), given.get("ConditionOperator")
        if not isinstance(name, str) or name not in _names(type_name):
            raise fault("PropertyNotFound", name=str(name)[:100], type=f"{NAMESPACE}{type_name}")
        compare = _COMPARE.get(operator) if isinstance(operator, str) else None
        if compare is None:
            raise _wrong(f"{operator!s:.50} is no MetadataConditionOperator")
        wanted = _value(given.get("Value"))
        if operator in ("In", "NotIn") and not isinstance(wanted, list):
            raise _wrong(f"{operator} needs an array")
        return lambda values: compare(_plain(values.get(name)), wanted)


def _names(type_name: str) -> frozenset[str]:
    """All properties and links of a type and of those that derive from it."""
    found: set[str] = set()
    for other in METADATA_TYPES:
        if is_a(other, type_name):
            properties, links = properties_of(other)
            found |= properties.keys() | links.keys()
    return frozenset(found)


def _object(value: Any, name: str, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"{name} must be an object")
    for key in value:
        if key not in known and "@" not in key:
            raise _wrong(f"{name}/{key[:50]} is not known")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(f"{name} must be an array")
    return value


def _value(given: Any) -> Any:
    """The value of a condition: an object with the value as text and its .NET type."""
    if given is None:
        return None
    value = _object(given, "Value", ("Type", "Value"))
    kind, text = value.get("Type", "System.String"), value.get("Value")
    if not isinstance(kind, str):
        raise _wrong("Type must be a text")
    if isinstance(text, list):
        return [_typed(kind.removesuffix("[]"), each) for each in text]
    return _typed(kind, text)


def _typed(kind: str, text: Any) -> Any:
    if text is None or not isinstance(text, str):
        return text
    if kind == "System.Boolean":
        if text.lower() not in ("true", "false"):
            raise _wrong(f"{text[:50]} is not true or false")
        return text.lower() == "true"
    if kind in ("System.Int32", "System.Int64"):
        try:
            return int(text)
        except ValueError:
            raise _wrong(f"{text[:50]} is no whole number") from None
    return text.lower() if kind == "System.Guid" else text


def _plain(value: Any) -> Any:
    """What conditions compare: a managed property's own value, everything else as it is."""
    return value.get("Value") if isinstance(value, dict) else value


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        comparable = isinstance(value, int) and isinstance(wanted, int)
        comparable = comparable or (isinstance(value, str) and isinstance(wanted, str))
        return comparable and test(value, wanted)

    return compare


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda value, wanted: bool(value == wanted),
    "NotEquals": lambda value, wanted: bool(value != wanted),
    "In": lambda value, wanted: value in wanted,
    "NotIn": lambda value, wanted: value not in wanted,
    "GreaterThan": _ordered(lambda value, wanted: value > wanted),
    "LessThan": _ordered(lambda value, wanted: value < wanted),
}


def _labels_wanted(query: Any) -> bool:
    """Whether a LabelQueryExpression asks for labels of the organisation's language; without languages it does."""
    if query is None:
        return True
    given = _object(query, "LabelQuery", ("FilterLanguages", "MissingLabelBehavior"))
    languages = _array(given.get("FilterLanguages"), "FilterLanguages")
    if len(languages) > MAX_LANGUAGES or not all(type(code) is int for code in languages):
        raise _wrong("FilterLanguages must be an array of language codes")
    return not languages or LANGUAGE in languages


def _written(
    definition: Definition, columns: Sequence[str] | None, declared: str, labels: bool
) -> dict[str, Any]:
    """A definition as a complex value with the properties asked for; option sets stand inside of columns."""
    row: dict[str, Any] = {}
    if definition.type != declared:
        row["@odata.type"] = f"#{NAMESPACE}Complex{definition.type}"
    names = definition.values if columns is None else (*columns, *ALWAYS)
    for name in names:
        if name in definition.values:
            row[name] = spelled(definition.values[name], labels)
    if "OptionSet" in definition.links and (columns is None or "OptionSet" in columns):
        found = definition.links["OptionSet"]()
        row["OptionSet"] = (
            _written(found, None, found.type, labels) if isinstance(found, Definition) else None
        )
    return row
