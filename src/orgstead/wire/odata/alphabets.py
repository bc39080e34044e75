"""What the Web API calls the columns and relationships of one table: properties and navigation properties."""

from collections.abc import Mapping
from dataclasses import dataclass

from orgstead.model.query import ToMany, ToOne
from orgstead.model.schema import Column, Schema, Table

__all__ = ["Alphabet", "Navigation", "alphabet"]

# What rows keep but the Web API never shows as a property.
HIDDEN = frozenset({"partylist", "virtual"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """A navigation property: its exact name, the hop, the table at the other end, the relationship."""

    name: str
    link: ToOne | ToMany
    target: str
    relationship: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """Columns and navigation properties of a table by the names of the Web API."""

    columns: Mapping[str, Column]
    navigations: Mapping[str, Navigation]


def alphabet(schema: Schema, table: Table) -> Alphabet:
    """The properties of a table in a schema."""
    columns: dict[str, Column] = {}
    for column in table.columns.values():
        if column.stored and column.read and column.type not in HIDDEN:
            columns[f"_{column.name}_value" if column.is_lookup else column.name] = column
    navigations: dict[str, Navigation] = {}
    for rel in schema.referencing.get(table.logical_name, ()):
        name = rel.referencing_navigation
        navigations[name] = Navigation(
            name=name,
            link=ToOne(rel.referencing_attribute, rel.referenced),
            target=rel.referenced,
            relationship=rel.schema_name,
        )
    if "owner" in schema.tables:
        for column in table.columns.values():
            if column.type == "owner":
                # An owner's navigation property leads to the table that users and teams share.
                navigations[column.name] = Navigation(
                    name=column.name, link=ToOne(column.name, "owner"), target="owner", relationship=""
                )
    for rel in schema.referenced.get(table.logical_name, ()):
        name = rel.referenced_navigation
        if name:
            navigations.setdefault(
                name,
                Navigation(
                    name=name,
                    link=ToMany(rel.schema_name),
                    target=rel.referencing,
                    relationship=rel.schema_name,
                ),
            )
    for many in schema.crossing.get(table.logical_name, ()):
        ends = (
            (many.entity1, many.entity1_navigation, many.entity2),
            (many.entity2, many.entity2_navigation, many.entity1),
        )
        for index, (entity, name, other) in enumerate(ends):
            if entity == table.logical_name and name:
                link = ToMany(many.schema_name, reverse=index == 1)
                navigations.setdefault(
                    name, Navigation(name=name, link=link, target=other, relationship=many.schema_name)
                )
    return Alphabet(columns=columns, navigations=navigations)
