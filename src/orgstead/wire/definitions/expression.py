"""``RetrieveMetadataChanges``: many definitions by one query object.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievemetadatachanges
https://learn.microsoft.com/power-apps/developer/data-platform/query-schema-definitions
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.schema import Schema
from orgstead.wire.definitions.catalog import catalog
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.labels import LANGUAGE, MAX_LANGUAGES, spelled
from orgstead.wire.definitions.vocabulary import ENUM_TYPES, METADATA_TYPES, is_a, properties_of

__all__ = ["DefinitionChanges", "definition_changes", "wrong_query"]

NAMESPACE = "Microsoft.Dynamics.CRM."
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
DELETED = ("Entity", "Attribute", "Relationship", "Label", "OptionSet")
_STAMP = re.compile(r"[0-9]{1,18}")
Test = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionChanges:
    """What RetrieveMetadataChanges answers: tables as complex values, what has gone by kind, the new stamp."""

    stamp: str
    tables: Sequence[Mapping[str, Any]]
    deleted: Mapping[str, Sequence[str]]


def definition_changes(
    query: Any, stamp: Any, filters: Any, schema: Schema, value_of: Callable[[Any], Any]
) -> DefinitionChanges:
    """The tables that a query object asks for.

    The stamp is the version of the schema. With that of an earlier one only what has changed or gone since is
    answered; a client whose stamp is older than what is remembered is told to read all again (VersionStampExpired).
    ``filters`` are the kinds of definitions whose ends are told; ``value_of`` reads the value of a condition.
    """
    since = _since(stamp, schema)
    kinds = _kinds(filters)
    reader = _Reader(
        {} if query is None else query, None if since is None else _after(schema, since), value_of
    )
    found = [] if since == schema.version else reader.entities(catalog(schema).entities)
    return DefinitionChanges(stamp=str(schema.version), tables=found, deleted=_deleted(schema, since, kinds))


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
    names = [each.strip() for each in str(filters).split(",")]
    for name in names:
        if name not in known:
            raise wrong_query(f"{name[:50]} is none of DeletedMetadataFilters")
    if "All" in names:
        return DELETED
    return tuple(kind for kind in DELETED if kind in names or (kind == "Entity" and "Default" in names))


def _deleted(schema: Schema, since: int | None, kinds: Sequence[str]) -> Mapping[str, Sequence[str]]:
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
    return {kind: ids for kind, ids in gone.items() if ids}


def wrong_query(reason: str) -> Fault:
    return fault("InvalidPayload", message=f"The EntityQueryExpression is not valid: {reason}")


class _Reader:
    """One EntityQueryExpression; ``changed`` are the ids that it is about, None for all."""

    def __init__(self, query: Any, changed: frozenset[str] | None, value_of: Callable[[Any], Any]) -> None:
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
        self.value_of = value_of
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
            raise wrong_query("PropertyNames must be an array of names")
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
            raise wrong_query(f"{operator!s:.50} is no LogicalOperator")
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
            raise wrong_query(f"{operator!s:.50} is no MetadataConditionOperator")
        wanted = self.value_of(given.get("Value"))
        if operator in ("In", "NotIn") and not isinstance(wanted, list):
            raise wrong_query(f"{operator} needs an array")
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
        raise wrong_query(f"{name} must be an object")
    for key in value:
        if key not in known and "@" not in key:
            raise wrong_query(f"{name}/{key[:50]} is not known")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong_query(f"{name} must be an array")
    return value


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
        raise wrong_query("FilterLanguages must be an array of language codes")
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
