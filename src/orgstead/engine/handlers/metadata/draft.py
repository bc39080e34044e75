"""A change of definitions in the making: many edits, one new schema."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orgstead.engine.handlers.metadata.checks import known_table
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.schema import Choice, Column, ManyToMany, OneToMany, Schema, Table

__all__ = ["Draft"]

MAX_COLUMNS = 1000
MAX_TARGETS = 500


class Draft:
    """The edits of one message. Nothing happens before ``commit``."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.schema: Schema = call.schema
        self._tables: dict[str, Table | None] = {}
        self._one_to_many: dict[str, OneToMany | None] = {}
        self._many_to_many: dict[str, ManyToMany | None] = {}
        self._choices: dict[str, Choice | None] = {}

    # -- what is known -------------------------------------------------------------------------------------------
    def table(self, name: str) -> Table:
        """A table as it is by now; raises DefinitionNotFound."""
        if name in self._tables:
            table = self._tables[name]
            if table is None:
                raise fault("DefinitionNotFound", kind="entity", name=name)
            return table
        return known_table(self.schema, name)

    def has_table(self, name: str) -> bool:
        """Whether there is such a table by now."""
        return self._tables.get(name) is not None or (name not in self._tables and name in self.schema.tables)

    def tables(self) -> tuple[Table, ...]:
        """All tables by now."""
        return tuple(table for table in {**self.schema.tables, **self._tables}.values() if table is not None)

    def has_relationship(self, schema_name: str) -> bool:
        """Whether a relationship has this name, in any letter case."""
        wanted = schema_name.lower()
        made = (*self._one_to_many, *self._many_to_many)
        known = (*self.schema.one_to_many, *self.schema.many_to_many)
        return any(name.lower() == wanted for name in (*made, *known))

    def navigations(self, table: str) -> set[str]:
        """The names of a table's navigation properties by now."""
        ones = {**self.schema.one_to_many, **self._one_to_many}.values()
        found = {rel.referencing_navigation for rel in ones if rel is not None and rel.referencing == table}
        found |= {rel.referenced_navigation for rel in ones if rel is not None and rel.referenced == table}
        for crossing in {**self.schema.many_to_many, **self._many_to_many}.values():
            if crossing is not None and crossing.entity1 == table:
                found.add(crossing.entity1_navigation)
            if crossing is not None and crossing.entity2 == table:
                found.add(crossing.entity2_navigation)
        return found

    def entity_sets(self) -> set[str]:
        """All entity set names by now."""
        tables = {**self.schema.tables, **self._tables}
        return {table.entity_set.lower() for table in tables.values() if table is not None}

    def next_object_type_code(self) -> int:
        """A code above those of all tables; custom ones start at 10,000."""
        tables = {**self.schema.tables, **self._tables}
        return max([9_999, *(table.object_type_code for table in tables.values() if table is not None)]) + 1

    # -- edits ---------------------------------------------------------------------------------------------------
    def put(self, table: Table) -> None:
        """Add or replace a table."""
        if len(table.columns) > MAX_COLUMNS:
            raise fault("TooManyColumns")
        self._tables[table.logical_name] = table

    def drop(self, table: str) -> None:
        """Take a table out."""
        self._tables[table] = None

    def put_columns(self, table: str, columns: Iterable[Column]) -> None:
        """Add or replace columns of a table."""
        current = self.table(table)
        self.put(replace(current, columns={**current.columns, **{column.name: column for column in columns}}))

    def drop_columns(self, table: str, names: Iterable[str]) -> None:
        """Take columns out of a table."""
        current, gone = self.table(table), set(names)
        kept = {name: column for name, column in current.columns.items() if name not in gone}
        image = current.primary_image if current.primary_image in kept else None
        self.put(replace(current, columns=kept, primary_image=image))

    def relate(self, rel: OneToMany) -> None:
        """Add or replace a 1:N relationship; its lookup then leads to the referenced table as well."""
        self._one_to_many[rel.schema_name] = rel
        column = self.table(rel.referencing).columns[rel.referencing_attribute]
        if rel.referenced not in column.targets and column.type != "owner":
            if len(column.targets) >= MAX_TARGETS:
                raise fault(
                    "InvalidDefinition", what=rel.schema_name, reason="the lookup has too many targets"
                )
            self.put_columns(rel.referencing, [replace(column, targets=(*column.targets, rel.referenced))])

    def unrelate(self, rel: OneToMany) -> None:
        """Take a 1:N relationship out; its lookup no longer leads to the referenced table."""
        self._one_to_many[rel.schema_name] = None
        if not self.has_table(rel.referencing):
            return
        column = self.table(rel.referencing).columns.get(rel.referencing_attribute)
        if column is not None and rel.referenced in column.targets:
            left = tuple(target for target in column.targets if target != rel.referenced)
            self.put_columns(rel.referencing, [replace(column, targets=left)])

    def cross(self, rel: ManyToMany) -> None:
        """Add or replace an N:N relationship."""
        self._many_to_many[rel.schema_name] = rel

    def uncross(self, schema_name: str) -> None:
        """Take an N:N relationship out."""
        self._many_to_many[schema_name] = None

    def put_choice(self, choice: Choice) -> None:
        """Add or replace a global choice, and its options in every column that uses it."""
        self._choices[choice.name] = choice
        for table in self.schema.tables.values():
            using = [column for column in table.columns.values() if column.global_choice == choice.name]
            if using:
                self.put_columns(
                    table.logical_name, [replace(column, options=choice.options) for column in using]
                )

    def drop_choice(self, name: str) -> None:
        """Take a global choice out."""
        self._choices[name] = None

    def commit(self) -> None:
        """Make it the schema; raises InvalidDefinition when two definitions would have one id."""
        new = self.schema.evolve(
            tables=self._tables,
            one_to_many=self._one_to_many,
            many_to_many=self._many_to_many,
            choices=self._choices,
        )
        _check_ids(new)
        self.call.replace_schema(new)


def _check_ids(schema: Schema) -> None:
    seen: dict[str, str] = {}
    for name, id in _ids(schema):
        if seen.setdefault(id, name) != name:
            raise fault("InvalidDefinition", what=name, reason=f"its MetadataId is that of {seen[id]}")


def _ids(schema: Schema) -> Iterator[tuple[str, str]]:
    """Every definition's name and id."""
    for table in schema.tables.values():
        yield table.logical_name, table.metadata_id
        for column in table.columns.values():
            yield f"{table.logical_name}.{column.name}", column.metadata_id
        for key in table.keys:
            yield f"the key {table.logical_name}.{key.schema_name}", key.metadata_id
    for rel in schema.one_to_many.values():
        yield rel.schema_name, rel.metadata_id
    for crossing in schema.many_to_many.values():
        yield crossing.schema_name, crossing.metadata_id
    for choice in schema.choices.values():
        yield choice.name, choice.metadata_id
