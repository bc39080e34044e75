"""Data entities: views of tables under public names, as Finance and Operations shows data to integrations.

Rows of ``orgstead_dataentity`` and its parts define them (``engine.rules.data_entities``); a schema has those that are
enabled in ``Schema.entities``, by public name.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-entities
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from orgstead.errors import fault

__all__ = [
    "NO_YES", "DataEntity", "DataField", "DataRelation", "EntityIndex", "EnumMember", "EnumType", "FieldKind",
]  # fmt: skip

FieldKind = Literal["String", "Int32", "Int64", "Real", "Boolean", "Date", "DateTime", "Guid", "Enum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumMember:
    """A member of an enumeration: its public name, its number, and the label that people read."""

    name: str
    value: int
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumType:
    """An enumeration by its public name. A member's number is what a choice column keeps; 0 and 1 are No and Yes."""

    name: str
    members: tuple[EnumMember, ...]

    def member(self, name: str) -> EnumMember | None:
        """The member of a name, in the case that it is written in or, without one, in any."""
        exact = next((each for each in self.members if each.name == name), None)
        folded = name.casefold()
        return exact or next((each for each in self.members if each.name.casefold() == folded), None)

    def named(self, value: int) -> EnumMember | None:
        """The member with a number."""
        return next((each for each in self.members if each.value == value), None)


NO_YES = EnumType(
    name="NoYes",
    members=(EnumMember(name="No", value=0, label="No"), EnumMember(name="Yes", value=1, label="Yes")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataField:
    """A field of a data entity. ``column`` is the logical name of the table's column that holds it.

    ``enum`` are the members of a field of the kinds Enum and Boolean; a Boolean without it is a plain true or false.
    ``size`` is in characters. ``on_create`` and ``on_update`` say when somebody may set it; ``read_only``: never.
    """

    name: str
    column: str
    kind: FieldKind
    label: str = ""
    enum: EnumType | None = None
    size: int | None = None
    mandatory: bool = False
    on_create: bool = True
    on_update: bool = True

    @property
    def read_only(self) -> bool:
        """Whether nobody sets it."""
        return not self.on_create and not self.on_update


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRelation:
    """A navigation property. ``related`` is the public name of the entity at its other end.

    ``relationship`` is the schema name of the 1:N relationship that it goes along, from its one side when ``many``.
    ``constraints`` pair a field of this entity with the field of the related one that has the same value. Of a
    relation that is not ``many`` and has constraints, the engine sets the lookup when a row is written; a ``required``
    one has to lead to a row.
    """

    name: str
    related: str
    relationship: str
    many: bool = False
    constraints: tuple[tuple[str, str], ...] = ()
    required: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class DataEntity:
    """A data entity: a table seen under public names, which are case-sensitive.

    ``name`` is the public entity name (``CustomerV3``), ``collection`` the public collection name (``CustomersV3``),
    ``label`` what data management calls it (``Customers V3``), ``target`` the name of the view itself
    (``CustCustomerV3Entity``). ``key`` are public names of fields, in order; their columns are an alternate key of
    the table, or its primary key. ``company`` is the column that holds the company of a row, None for an entity that
    all companies share. ``management``: enabled for data management. ``category`` is Parameter, Reference, Master,
    Document or Transaction.
    """

    metadata_id: str
    name: str
    collection: str
    label: str
    table: str
    key: tuple[str, ...]
    fields: Mapping[str, DataField]
    relations: Mapping[str, DataRelation]
    company: str | None = None
    target: str = ""
    category: str = "Master"
    management: bool = True
    read_only: bool = False

    @cached_property
    def company_field(self) -> DataField | None:
        """The field that holds the company, usually ``dataAreaId``."""
        return next((each for each in self.fields.values() if each.column == self.company), None)

    @cached_property
    def folded(self) -> Mapping[str, DataField]:
        """The fields by their names in lower case: files of data management name them in any case."""
        return {name.lower(): each for name, each in self.fields.items()}

    def check_mandatory(self, given: Mapping[str, object]) -> None:
        """Raises MandatoryField when a new row, as values by public names, lacks a field that it has to have.

        The company need not be given: it is the caller's then.
        """
        for field in self.fields.values():
            if field.mandatory and field.column != self.company and given.get(field.name) in (None, ""):
                raise fault("MandatoryField", field=field.label)

    @cached_property
    def key_fields(self) -> tuple[DataField, ...]:
        """The fields of the key, in order."""
        return tuple(self.fields[name] for name in self.key)


@dataclass(frozen=True, kw_only=True, eq=False)
class EntityIndex:
    """Data entities, found by other things than their names."""

    entities: tuple[DataEntity, ...]

    @cached_property
    def collections(self) -> Mapping[str, DataEntity]:
        """The data entities by their public collection names."""
        return {entity.collection: entity for entity in self.entities}

    @cached_property
    def mapped(self) -> Mapping[str, tuple[DataEntity, ...]]:
        """The data entities of each table."""
        tables = {entity.table: () for entity in self.entities}
        return {table: tuple(each for each in self.entities if each.table == table) for table in tables}

    @cached_property
    def constrained(self) -> Mapping[str, tuple[tuple[DataEntity, DataRelation], ...]]:
        """Per table, the relations of its data entities whose lookups follow from other values of a row."""
        found: dict[str, list[tuple[DataEntity, DataRelation]]] = {}
        for entity in self.entities:
            for relation in entity.relations.values():
                if relation.constraints and not relation.many:
                    found.setdefault(entity.table, []).append((entity, relation))
        return {table: tuple(each) for table, each in found.items()}
