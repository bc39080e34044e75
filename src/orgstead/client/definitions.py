"""Definitions of tables and columns as the service takes and answers them.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-column-definitions-using-web-api
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from orgstead.client.errors import ConfigurationError
from orgstead.client.literals import name

__all__ = [
    "ColumnInfo",
    "KeyInfo",
    "RelationshipInfo",
    "TableInfo",
    "column_body",
    "label",
    "label_of",
    "options_body",
]

NAMESPACE = "Microsoft.Dynamics.CRM."
ENGLISH = 1033
FIRST_OPTION = 100_000_000

Kind = str | type[Enum] | Mapping[str, Any]
"""A kind of column: a name, an enumeration whose members are the choices, or a mapping with ``kind`` and more.

Names: string, memo, int, bigint, decimal, float, money, bool, datetime, date, choice, choices, file, image, guid.
More: ``length``, ``precision``, ``minimum``, ``maximum``, ``display_name``, ``description``, ``required``, ``options``
(labels, or values by label), ``choice_set`` (the name of a global choice), ``behavior`` (UserLocal, DateOnly,
TimeZoneIndependent), ``max_size_kb``, and any member of the definition as it is written there.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """A table: its logical name, schema name, entity set, primary key and primary name, label, MetadataId."""

    name: str
    schema_name: str
    set: str
    key: str
    title: str | None
    label: str
    metadata_id: str
    custom: bool
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """A column: its logical name, schema name, type (``Money``), label, whether a row must have it, MetadataId."""

    name: str
    schema_name: str
    type: str
    label: str
    required: bool
    writable: bool
    metadata_id: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """An alternate key; it finds rows once its ``status`` is Active."""

    name: str
    columns: Sequence[str]
    status: str
    metadata_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationshipInfo:
    """A relationship: ``kind`` is OneToMany, ManyToOne or ManyToMany, ``navigation`` the property of this side."""

    schema_name: str
    kind: str
    other_table: str
    navigation: str
    column: str
    metadata_id: str


def label(text: str, language: int = ENGLISH) -> dict[str, Any]:
    """A text for people."""
    return {
        "@odata.type": f"{NAMESPACE}Label",
        "LocalizedLabels": [
            {"@odata.type": f"{NAMESPACE}LocalizedLabel", "Label": text, "LanguageCode": language}
        ],
    }


def label_of(value: Any) -> str:
    """The text of a label in the language of the user."""
    found = (value or {}).get("UserLocalizedLabel") or {}
    return str(found.get("Label") or "")


def options_body(options: Any) -> list[dict[str, Any]]:
    """Options given as an enumeration, as values by label, or as labels. Raises ConfigurationError for none."""
    if isinstance(options, type) and issubclass(options, Enum):
        pairs = [(each.name.replace("_", " "), each.value) for each in options]
    elif isinstance(options, Mapping):
        pairs = list(options.items())
    else:
        pairs = [(each, FIRST_OPTION + number) for number, each in enumerate(options or ())]
    if not pairs or not all(isinstance(value, int) for _, value in pairs):
        raise ConfigurationError("a choice has options: labels, or whole numbers by label")
    return [{"Value": int(value), "Label": label(str(text))} for text, value in pairs]


def column_body(schema_name: str, kind: Kind) -> dict[str, Any]:
    """The definition of a new column. Raises ConfigurationError for a kind that is none."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        more: dict[str, Any] = {"kind": "choice", "options": kind}
    else:
        more = {"kind": kind} if isinstance(kind, str) else dict(kind)
    word = str(more.pop("kind", ""))
    make = _KINDS.get(word)
    if make is None:
        raise ConfigurationError(f"{word!r} is no kind of column: there are {', '.join(sorted(_KINDS))}")
    required = "ApplicationRequired" if more.pop("required", False) else "None"
    body: dict[str, Any] = {
        "SchemaName": name(schema_name),
        "DisplayName": label(str(more.pop("display_name", schema_name.partition("_")[2] or schema_name))),
        "RequiredLevel": {"Value": required},
    }
    if "description" in more:
        body["Description"] = label(str(more.pop("description")))
    body.update(make(more))
    # What is left is written as the definition has it.
    strange = [each for each in more if not each[:1].isupper() and "@" not in each]
    if strange:
        raise ConfigurationError(f"a column of kind {word} has no {', '.join(strange)}")
    return {**body, **more}


def _typed(kind: str, **members: Any) -> dict[str, Any]:
    made = {key: value for key, value in members.items() if value is not None}
    return {"@odata.type": f"{NAMESPACE}{kind}AttributeMetadata", **made}


def _ranged(kind: str, precision: int | None = None) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def make(more: dict[str, Any]) -> dict[str, Any]:
        members = {"MinValue": more.pop("minimum", None), "MaxValue": more.pop("maximum", None)}
        if precision is not None:
            members["Precision"] = more.pop("precision", precision)
        return _typed(kind, **members)

    return make


def _string(more: dict[str, Any]) -> dict[str, Any]:
    text_format = {"Value": more.pop("format", "Text")}
    return _typed("String", MaxLength=more.pop("length", 100), FormatName=text_format)


def _boolean(more: dict[str, Any]) -> dict[str, Any]:
    yes, no = more.pop("options", ("Yes", "No"))
    options = {
        "OptionSetType": "Boolean",
        "TrueOption": {"Value": 1, "Label": label(yes)},
        "FalseOption": {"Value": 0, "Label": label(no)},
    }
    return _typed("Boolean", OptionSet=options, DefaultValue=more.pop("default", False))


def _time(more: dict[str, Any]) -> dict[str, Any]:
    behavior = {"Value": more.pop("behavior", "UserLocal")}
    return _typed("DateTime", Format="DateAndTime", DateTimeBehavior=behavior)


def _date(more: dict[str, Any]) -> dict[str, Any]:
    return _typed("DateTime", Format="DateOnly", DateTimeBehavior={"Value": more.pop("behavior", "DateOnly")})


def _choice(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def make(more: dict[str, Any]) -> dict[str, Any]:
        shared = more.pop("choice_set", None)
        if shared is not None:
            bound = f"/GlobalOptionSetDefinitions(Name='{name(shared)}')"
            return {**_typed(kind), "GlobalOptionSet@odata.bind": bound}
        options = options_body(more.pop("options", None))
        return _typed(kind, OptionSet={"IsGlobal": False, "OptionSetType": "Picklist", "Options": options})

    return make


_KINDS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "string": _string,
    "memo": lambda more: _typed("Memo", MaxLength=more.pop("length", 2000), Format="TextArea"),
    "int": _ranged("Integer"),
    "bigint": lambda more: _typed("BigInt"),
    "decimal": _ranged("Decimal", 2),
    "float": _ranged("Double", 2),
    "money": _ranged("Money", 4),
    "bool": _boolean,
    "datetime": _time,
    "date": _date,
    "choice": _choice("Picklist"),
    "choices": _choice("MultiSelectPicklist"),
    "file": lambda more: _typed("File", MaxSizeInKB=more.pop("max_size_kb", 32768)),
    "image": lambda more: _typed("Image", MaxSizeInKB=more.pop("max_size_kb", 10240)),
    "guid": lambda more: _typed("UniqueIdentifier"),
}
