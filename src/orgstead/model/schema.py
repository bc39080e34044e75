"""The schema: tables, columns, relationships, keys and choices as one immutable, versioned value.

A request reads the schema once and never sees two of them. A metadata change makes a new Schema that shares
every table it did not touch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from orgstead.model.dataentities import DataEntity, EntityIndex
from orgstead.model.segments import Segment
from orgstead.model.steps import Step

__all__ = [
    "ApiValue", "Cascade", "Choice", "Column", "ColumnType", "CustomApi", "Key", "ManyToMany", "OneToMany", "Option",
    "Required", "Schema", "Table",
]  # fmt: skip

ColumnType = Literal[
    "string", "memo", "integer", "bigint", "decimal", "double", "money", "boolean", "choice", "multichoice", "state",
    "status", "datetime", "lookup", "customer", "owner", "partylist", "uniqueidentifier", "image", "file", "entityname",
    "managedproperty", "virtual",
]  # fmt: skip
Required = Literal["None", "Recommended", "ApplicationRequired", "SystemRequired"]

T = TypeVar("T")
R = TypeVar("R", "OneToMany", "ManyToMany")

LOOKUPS = frozenset({"lookup", "customer", "owner"})
CHOICES = frozenset({"choice", "state", "status"})


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a choice. ``state`` ties a status to its state; ``default_status`` a state to its status."""

    value: int
    label: str
    state: int | None = None
    default_status: int | None = None
    color: str | None = None


# Columns and tables are compared by identity: they are shared between schema versions, and plans that
# hold them are dictionary keys on the hot path.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """A column of a table. Lengths are in characters; ``precision`` in decimal places.

    ``base_of`` names the money column whose value in the organisation's currency this one holds;
    ``attribute_of`` the column that a read-only companion (``createdbyname``) belongs to;
    ``stored`` is false when the row keeps no value of its own for it. ``shown`` is what clients set and read back
    and the engine has no use for: published metadata properties by name. ``outside``: the row keeps the id of a
    file, and its content in base64 is the value.
    """

    name: str
    schema_name: str
    type: ColumnType
    metadata_id: str
    display_name: str = ""
    description: str = ""
    required: Required = "None"
    create: bool = True
    update: bool = True
    read: bool = True
    max_length: int | None = None
    format: str | None = None
    min: float | int | None = None
    max: float | int | None = None
    precision: int | None = None
    precision_source: int | None = None
    base_of: str | None = None
    options: tuple[Option, ...] = ()
    global_choice: str | None = None
    default: int | str | None = None
    targets: tuple[str, ...] = ()
    behavior: str | None = None
    autonumber: str | None = None
    attribute_of: str | None = None
    is_logical: bool = False
    stored: bool = True
    outside: bool = False
    is_custom: bool = False
    searchable: bool = True
    secured: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_lookup(self) -> bool:
        """Whether the value is a reference to another row."""
        return self.type in LOOKUPS

    @property
    def is_choice(self) -> bool:
        """Whether the value is one number out of ``options``."""
        return self.type in CHOICES

    @property
    def polymorphic(self) -> bool:
        """Whether the value's table has to be stored beside its id."""
        return self.is_lookup and len(self.targets) != 1

    @property
    def date_only(self) -> bool:
        """Whether the value is a calendar date (behaviour DateOnly), without time or zone."""
        return self.type == "datetime" and self.behavior == "DateOnly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """What a change of the one side does to the many side.

    https://learn.microsoft.com/power-apps/developer/data-platform/configure-entity-relationship-cascading-behavior
    """

    assign: str = "NoCascade"
    delete: str = "RemoveLink"
    merge: str = "NoCascade"
    reparent: str = "NoCascade"
    share: str = "NoCascade"
    unshare: str = "NoCascade"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneToMany:
    """A 1:N relationship: ``referencing.referencing_attribute`` points at ``referenced``."""

    schema_name: str
    metadata_id: str
    referenced: str
    referenced_attribute: str
    referencing: str
    referencing_attribute: str
    referenced_navigation: str
    referencing_navigation: str
    cascade: Cascade = Cascade()
    hierarchical: bool = False
    is_custom: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyToMany:
    """An N:N relationship through the table ``intersect``."""

    schema_name: str
    metadata_id: str
    intersect: str
    entity1: str
    entity1_attribute: str
    entity1_navigation: str
    entity2: str
    entity2_attribute: str
    entity2_navigation: str
    is_custom: bool = False
    shown: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An alternate key: columns whose values together name one row."""

    logical_name: str
    schema_name: str
    metadata_id: str
    columns: tuple[str, ...]
    display_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A global choice (option set) that several columns share."""

    name: str
    metadata_id: str
    schema_name: str = ""
    display_name: str = ""
    description: str = ""
    options: tuple[Option, ...] = ()
    is_custom: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table by its logical name, with its columns by name."""

    logical_name: str
    schema_name: str
    entity_set: str
    metadata_id: str
    object_type_code: int
    primary_id: str
    primary_name: str | None
    columns: Mapping[str, Column]
    display_name: str = ""
    display_collection_name: str = ""
    description: str = ""
    ownership: Literal["UserOwned", "OrganizationOwned", "BusinessOwned", "TeamOwned", "None"] = (
        "OrganizationOwned"
    )
    primary_image: str | None = None
    keys: tuple[Key, ...] = ()
    is_activity: bool = False
    has_activities: bool = False
    has_notes: bool = False
    is_intersect: bool = False
    is_private: bool = False
    is_custom: bool = False
    change_tracking: bool = False
    audited: bool = False
    # Columns that rows are found by together, beside keys and lookups, which are always indexed.
    indexes: tuple[tuple[str, ...], ...] = ()
    shown: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def stored(self) -> tuple[Column, ...]:
        """The columns that a row keeps, in the order of definition."""
        return tuple(c for c in self.columns.values() if c.stored)

    @cached_property
    def state_column(self) -> Column | None:
        """The state column, if rows of this table have states."""
        return next((c for c in self.columns.values() if c.type == "state"), None)

    @cached_property
    def status_column(self) -> Column | None:
        """The status reason column, if rows of this table have states."""
        return next((c for c in self.columns.values() if c.type == "status"), None)

    @cached_property
    def user_owned(self) -> bool:
        """Whether each row has an owner (a user or a team)."""
        return self.ownership == "UserOwned" and "ownerid" in self.columns

    def key(self, columns: Iterable[str]) -> Key | None:
        """The alternate key over exactly these columns, in any order."""
        wanted = frozenset(columns)
        return next((k for k in self.keys if frozenset(k.columns) == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiValue:
    """A parameter or a property of a custom API: its type as in the row, and the table of rows, if it names one."""

    name: str
    type: int
    table: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomApi:
    """A message that rows of ``customapi`` define.

    ``bound`` is the logical name of the table that it is called on, ``collection``: on the set instead of a row.
    """

    name: str
    metadata_id: str
    function: bool = False
    bound: str | None = None
    collection: bool = False
    private: bool = False
    privilege: str | None = None
    parameters: tuple[ApiValue, ...] = ()
    returns: tuple[ApiValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """The last change of a definition: at which version of the schema, when, and whether it has gone since.

    ``kind`` is Entity, Attribute, Relationship, OptionSet or Key.
    """

    kind: str
    version: int
    on: str
    gone: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """All definitions at one version. Look-ups by other names than the logical one belong to the wires.

    ``steps`` are those that are enabled, by id; ``entities`` likewise, by their public names; ``segments`` those that
    are live, by id. ``history`` has the
    changes of definitions by their ids, as far as they are remembered: all that are younger than the version
    ``forgotten``.
    """

    version: int
    tables: Mapping[str, Table]
    one_to_many: Mapping[str, OneToMany]
    many_to_many: Mapping[str, ManyToMany]
    choices: Mapping[str, Choice] = field(default_factory=dict)
    apis: Mapping[str, CustomApi] = field(default_factory=dict)
    steps: Mapping[str, Step] = field(default_factory=dict)
    entities: Mapping[str, DataEntity] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    history: Mapping[str, Noted] = field(default_factory=dict)
    forgotten: int = 0

    @classmethod
    def empty(cls) -> "Schema":
        """A schema without a table, version 0."""
        return cls(version=0, tables={}, one_to_many={}, many_to_many={})

    def evolve(
        self,
        *,
        tables: Mapping[str, Table | None] | None = None,
        one_to_many: Mapping[str, OneToMany | None] | None = None,
        many_to_many: Mapping[str, ManyToMany | None] | None = None,
        choices: Mapping[str, Choice | None] | None = None,
        apis: Mapping[str, CustomApi | None] | None = None,
        steps: Mapping[str, Step | None] | None = None,
        entities: Mapping[str, DataEntity | None] | None = None,
        segments: Mapping[str, Segment | None] | None = None,
    ) -> "Schema":
        """The next version, with the given definitions put in, or taken out where the value is None."""
        new = replace(
            self,
            version=self.version + 1,
            tables=_merged(self.tables, tables),
            one_to_many=_merged(self.one_to_many, one_to_many),
            many_to_many=_merged(self.many_to_many, many_to_many),
            choices=_merged(self.choices, choices),
            apis=_merged(self.apis, apis),
            steps=_merged(self.steps, steps),
            entities=_merged(self.entities, entities),
            segments=_merged(self.segments, segments),
        )
        # What was worked out from relationships stands as long as they do.
        kept = (() if one_to_many else ("referencing", "referenced"), () if many_to_many else ("crossing",))
        new.__dict__.update(
            {name: self.__dict__[name] for names in kept for name in names if name in self.__dict__}
        )
        return new

    @cached_property
    def referencing(self) -> Mapping[str, tuple[OneToMany, ...]]:
        """Per table, the relationships in which it is the many side (it holds the lookup)."""
        return _grouped(self.one_to_many.values(), lambda r: (r.referencing,))

    @cached_property
    def referenced(self) -> Mapping[str, tuple[OneToMany, ...]]:
        """Per table, the relationships in which it is the one side."""
        return _grouped(self.one_to_many.values(), lambda r: (r.referenced,))

    @cached_property
    def crossing(self) -> Mapping[str, tuple[ManyToMany, ...]]:
        """Per table, its N:N relationships."""
        return _grouped(self.many_to_many.values(), lambda r: {r.entity1: 0, r.entity2: 0})

    @cached_property
    def entity_index(self) -> EntityIndex:
        """The data entities by other things than their names."""
        return EntityIndex(entities=tuple(self.entities.values()))

    def lookup_relationship(self, table: str, column: str, target: str) -> OneToMany | None:
        """The 1:N relationship behind ``table.column`` towards ``target``."""
        for rel in self.referencing.get(table, ()):
            if rel.referencing_attribute == column and rel.referenced == target:
                return rel
        return None


def _merged(old: Mapping[str, T], changes: Mapping[str, T | None] | None) -> Mapping[str, T]:
    if not changes:
        return old
    merged = {**old, **{name: value for name, value in changes.items() if value is not None}}
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
    return MappingProxyType(merged)


def _grouped(rels: Iterable[R], ends: Callable[[R], Iterable[str]]) -> Mapping[str, tuple[R, ...]]:
    groups: dict[str, list[R]] = {}
    for rel in rels:
        for end in ends(rel):
            groups.setdefault(end, []).append(rel)
    # In an order that does not depend on which definition came first.
    return {name: tuple(sorted(members, key=lambda rel: rel.schema_name)) for name, members in groups.items()}
