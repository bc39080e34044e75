"""All definitions of a schema, described once for all who ask."""

from functools import cached_property, lru_cache

from orgstead.model.schema import Schema
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.describe import entity, many_to_many, one_to_many
from orgstead.wire.definitions.describe_options import global_option_set
from orgstead.wire.definitions.labels import caption, derived_id
from orgstead.wire.definitions.vocabulary import METADATA_TYPES, properties_of

__all__ = ["Catalog", "catalog"]

# What a managed property belongs to, as the ids of the ones that the platform ships are made.
MANAGED_SEED = "0d365000-0000-4000-8000-0000000d365e"


class Catalog:
    """All definitions of one schema, described once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @cached_property
    def entities(self) -> list[Definition]:
        """All tables that clients may know of, by logical name."""
        shown = (table for table in self.schema.tables.values() if not table.is_private)
        tables = sorted(shown, key=lambda table: table.logical_name)
        return [entity(table, self.schema) for table in tables]

    @cached_property
    def relationships(self) -> list[Definition]:
        """All relationships, 1:N before N:N."""
        tables = self.schema.tables
        ones = [
            one_to_many(rel, self.schema)
            for rel in self.schema.one_to_many.values()
            if not (tables[rel.referencing].is_private or tables[rel.referenced].is_private)
        ]
        return ones + [many_to_many(rel) for rel in self.schema.many_to_many.values()]

    @cached_property
    def option_sets(self) -> list[Definition]:
        """All global choices."""
        return [global_option_set(choice) for choice in self.schema.choices.values()]

    @cached_property
    def managed_properties(self) -> list[Definition]:
        """The managed properties that definitions have."""
        found: dict[str, str] = {}
        for type_name in METADATA_TYPES:
            for prop in properties_of(type_name)[0].values():
                if prop.managed is not None:
                    found.setdefault(prop.managed, prop.name)
        return [_managed_property(name, shown) for name, shown in sorted(found.items())]


def _managed_property(name: str, shown: str) -> Definition:
    values = {key: prop.default for key, prop in properties_of("ManagedPropertyMetadata")[0].items()}
    id = derived_id(MANAGED_SEED, name)
    values |= {
        "MetadataId": id,
        "LogicalName": name,
        "ManagedPropertyType": "Attribute",
        "EnablesAttributeName": shown.lower(),
        "ErrorCode": 0,
        "DisplayName": caption(shown, id, "DisplayName", False),
        "Description": caption("", id, "Description", False),
    }
    return Definition(type="ManagedPropertyMetadata", values=values)


@lru_cache(maxsize=4)
def catalog(schema: Schema) -> Catalog:
    """The definitions of a schema; kept for the schemas in use."""
    return Catalog(schema)
