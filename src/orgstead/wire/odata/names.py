"""The Web API's alphabets: entity sets, properties and navigation properties, each to what the core calls it.

Built once per schema version, table by table as they are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import QueryOptions
from orgstead.languages.odata.aliases import parameter_values, reference_option
from orgstead.model.query import (
    Query,
)
from orgstead.model.schema import Column, Schema, Table
from orgstead.wire.odata.alphabets import Alphabet, Navigation, alphabet

__all__ = ["NAMESPACE", "Names", "Navigation"]

NAMESPACE = "Microsoft.Dynamics.CRM."
MAX_CACHED = 2048
MAX_CACHED_TEXT = 4096


class Names:
    """The names of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._by_set = {t.entity_set: t for t in schema.tables.values() if not t.is_private}
        self._tables: dict[str, Alphabet] = {}
        self._options: dict[tuple[str, str], tuple[QueryOptions, Query]] = {}
        self._members: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str]]] = {}

    # -- sets ----------------------------------------------------------------------------------------------------
    def sets(self) -> Sequence[str]:
        """All entity set names, sorted."""
        return sorted(self._by_set)

    def has_set(self, name: str) -> bool:
        """Whether there is an entity set of this name."""
        return name in self._by_set

    def table(self, entity_set: str) -> Table:
        """The table of an entity set; raises ResourceNotFound."""
        table = self._by_set.get(entity_set)
        if table is None:
            raise fault("ResourceNotFound", segment=entity_set[:100])
        return table

    def set_of(self, table: str) -> str:
        """The entity set of a table."""
        return self.schema.tables[table].entity_set

    def address(self, table: str, id: str) -> str:
        """The address of a row below the API's root."""
        return f"{self.schema.tables[table].entity_set}({id})"

    # -- properties ----------------------------------------------------------------------------------------------
    def column(self, table: Table, name: str) -> Column | None:
        """The column behind a property name; lookups are ``_x_value``."""
        return self._of(table).columns.get(name)

    def written_column(self, table: Table, name: str) -> Column | None:
        """The column behind a property of a body: what is written and never read, a key say, as well."""
        found = self.column(table, name)
        if found is None:
            hidden = table.columns.get(name)
            if hidden is not None and hidden.stored and not hidden.read and (hidden.create or hidden.update):
                return hidden
        return found

    def navigation(self, table: Table, name: str) -> Navigation | None:
        """The navigation property of this exact name."""
        return self._of(table).navigations.get(name)

    def navigations(self, table: Table) -> Mapping[str, Navigation]:
        """All navigation properties of a table by name."""
        return self._of(table).navigations

    def columns(self, table: Table) -> Mapping[str, Column]:
        """All properties of a table by name."""
        return self._of(table).columns

    def lookup_navigation(self, table: str, lookup: str, target: str) -> str | None:
        """The name of the navigation property along a lookup towards a table."""
        column = self.schema.tables[table].columns.get(lookup)
        if column is not None and column.type == "owner":
            return lookup
        rel = self.schema.lookup_relationship(table, lookup, target)
        return rel.referencing_navigation if rel is not None else None

    def _of(self, table: Table) -> Alphabet:
        found = self._tables.get(table.logical_name)
        if found is None:
            found = self._tables[table.logical_name] = alphabet(self.schema, table)
        return found

    def members(self, table: Table, keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """The members of a JSON object, kept by its keys: plain values of columns, and all others."""
        found = self._members.get((table.logical_name, keys))
        if found is None:
            plain, others = found = [], []
            for key in keys:
                column = self.column(table, key)
                other = column is None or column.is_lookup or column.type == "managedproperty"
                (others if other else plain).append(key)
            if 16 * len(keys) + sum(map(len, keys)) <= MAX_CACHED_TEXT:
                if len(self._members) >= MAX_CACHED:
                    self._members.clear()
                self._members[table.logical_name, keys] = found
        return found

    # -- query strings -------------------------------------------------------------------------------------------
    def cached_options(
        self, table: Table, text: str, read: Callable[[str, Table, "Names"], tuple[QueryOptions, Query]]
    ) -> tuple[QueryOptions, Query]:
        """What ``read`` makes of a query string, kept by its text."""
        if len(text) > MAX_CACHED_TEXT:
            # Long ones are read each time, by a reader that may take longer ones.
            return read(text, table, self)
        key = (table.logical_name, text)
        found = self._options.get(key)
        if found is None:
            if len(self._options) >= MAX_CACHED:
                self._options.clear()
            found = self._options[key] = read(text, table, self)
        return found

    def aliases(self, text: str) -> Mapping[str, Any]:
        """The values of the parameter aliases in a query string."""
        return parameter_values(text) if text else {}

    def id_option(self, text: str) -> str | None:
        """The address in ``$id``."""
        return reference_option(text)

    def unknown(self, table: Table, name: str) -> Fault:
        """The fault for a property that a table does not have."""
        return fault("PropertyNotFound", name=name[:100], type=f"{NAMESPACE}{table.logical_name}")
