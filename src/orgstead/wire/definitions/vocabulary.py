"""The published metadata types, as data: names, base types, properties with their types and defaults, links.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/metadataentitytypes
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/enumtypes
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orgstead.wire.definitions.names import COMPLEX, ENTITIES, ENUMS

__all__ = [
    "COMPLEX_TYPES",
    "ENUM_TYPES",
    "METADATA_TYPES",
    "Link",
    "MetadataType",
    "Property",
    "is_a",
    "properties_of",
]

PRIMITIVES = frozenset({"Boolean", "DateTimeOffset", "Decimal", "Double", "Guid", "Int32", "Int64", "String"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A structural property. ``type`` is a CSDL type; ``default`` the value of a plain custom definition.

    ``managed`` is the logical name of the managed property behind a BooleanManagedProperty.
    """

    name: str
    type: str
    default: Any = None
    managed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A navigation property to another metadata type, to many of them or to one."""

    name: str
    type: str
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataType:
    """A metadata type: its own properties and links; those of ``base`` come first."""

    name: str
    base: str | None = None
    abstract: bool = False
    own: Mapping[str, Property] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)


def _read(text: str) -> MetadataType:
    """A type out of its lines: a head, then a property or a ``>`` link a line."""
    lines = text.strip().splitlines()
    head = lines[0].split()
    properties: dict[str, Property] = {}
    links: dict[str, Link] = {}
    for line in lines[1:]:
        name, kind, *rest = line.split(None, 2)
        if name == ">":
            target = rest[0]
            many = target.endswith("*")
            links[kind] = Link(name=kind, type=target.rstrip("*"), many=many)
            continue
        kind, _, managed = kind.partition(":")
        default = json.loads(rest[0]) if rest else None
        if managed:
            default = {"Value": default, "CanBeChanged": True, "ManagedPropertyLogicalName": managed}
        properties[name] = Property(name=name, type=_csdl(kind), default=default, managed=managed or None)
    return MetadataType(
        name=head[0],
        base=next((word[1:] for word in head[1:] if word.startswith(":")), None),
        abstract="abstract" in head,
        own=properties,
        links=links,
    )


def _csdl(kind: str) -> str:
    many = kind.endswith("*")
    kind = kind.rstrip("*")
    qualified = f"Edm.{kind}" if kind in PRIMITIVES else f"mscrm.{kind}"
    return f"Collection({qualified})" if many else qualified


def _all(texts: str) -> dict[str, MetadataType]:
    types = (_read(text) for text in texts.strip().split("\n\n"))
    return {each.name: each for each in types}


def _enums(text: str) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, Mapping[str, int]] = {}
    for line in text.strip().splitlines():
        name, *members = line.split()
        pairs = (member.partition("=") for member in members)
        found[name] = {key: int(value) for key, _, value in pairs}
    return found


METADATA_TYPES: Mapping[str, MetadataType] = _all(ENTITIES)
COMPLEX_TYPES: Mapping[str, MetadataType] = _all(COMPLEX)
ENUM_TYPES: Mapping[str, Mapping[str, int]] = _enums(ENUMS)


def _lineage(name: str) -> Iterator[MetadataType]:
    """A type and its bases, the outermost base first."""
    found = METADATA_TYPES.get(name) or COMPLEX_TYPES[name]
    if found.base is not None:
        yield from _lineage(found.base)
    yield found


_PROPERTIES: dict[str, tuple[Mapping[str, Property], Mapping[str, Link]]] = {}
for _name in (*METADATA_TYPES, *COMPLEX_TYPES):
    _line = list(_lineage(_name))
    _PROPERTIES[_name] = (
        {key: value for each in _line for key, value in each.own.items()},
        {key: value for each in _line for key, value in each.links.items()},
    )


def properties_of(name: str) -> tuple[Mapping[str, Property], Mapping[str, Link]]:
    """All properties and links of a metadata type, inherited ones first; raises KeyError."""
    return _PROPERTIES[name]


def is_a(name: str, base: str) -> bool:
    """Whether a metadata type is ``base`` or derives from it."""
    current: str | None = name
    while current is not None:
        if current == base:
            return True
        current = METADATA_TYPES[current].base
    return False
