"""What relationships say about tables: by which columns two go together, and which rows are right below one."""

from collections.abc import Iterator

from orgstead.errors import fault
from orgstead.model.query import Join
from orgstead.model.schema import OneToMany, Schema, Table

__all__ = ["ends_of", "hierarchy_of"]


def ends_of(join: Join, near: Table, schema: Schema) -> tuple[str, str]:
    """The columns that a join goes by: one of ``near``, and one of the table that it brings.

    What it does not say is what the only relationship says that fits; raises FetchXmlMissing where there are none or
    several.

    https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/link-entity#attributes
    """
    to_column, from_column = join.to_column, join.from_column
    if to_column is not None and from_column is not None:
        return to_column, from_column
    found = {
        pair
        for pair in _pairs(near.logical_name, join.table, schema)
        if to_column in (None, pair[0]) and from_column in (None, pair[1])
    }
    if len(found) != 1:
        raise fault("FetchXmlMissing", name="from" if from_column is None else "to", element="link-entity")
    (pair,) = found
    return pair


def _pairs(near: str, far: str, schema: Schema) -> Iterator[tuple[str, str]]:
    """The pairs of columns by which relationships tie two tables."""
    for rel in schema.one_to_many.values():
        if rel.referenced == near and rel.referencing == far:
            yield rel.referenced_attribute, rel.referencing_attribute
        if rel.referencing == near and rel.referenced == far:
            yield rel.referencing_attribute, rel.referenced_attribute
    for tie in schema.many_to_many.values():
        for entity, attribute in ((tie.entity1, tie.entity1_attribute), (tie.entity2, tie.entity2_attribute)):
            key = schema.tables[entity].primary_id
            if entity == near and tie.intersect == far:
                yield key, attribute
            if tie.intersect == near and entity == far:
                yield attribute, key


def hierarchy_of(table: Table, schema: Schema) -> OneToMany | None:
    """The relationship that makes the rows of a table a hierarchy, if there is one."""
    for rel in schema.one_to_many.values():
        if rel.hierarchical and rel.referenced == rel.referencing == table.logical_name:
            return rel
    return None
