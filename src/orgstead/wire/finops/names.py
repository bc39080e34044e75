"""The alphabet of data entities: collections, fields, navigation properties and enumerations, in their exact case."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orgstead.errors import Fault, fault
from orgstead.model.dataentities import DataEntity, DataField, DataRelation, EnumType
from orgstead.model.messages import Signature
from orgstead.model.query import Query, ToMany, ToOne
from orgstead.model.schema import Schema, Table

__all__ = ["NAMESPACE", "Action", "Names", "Navigation"]

NAMESPACE = "Microsoft.Dynamics.DataEntities."
MAX_CACHED = 1024
MAX_CACHED_TEXT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """A navigation property: its relation, the hop along it, the data entity at the other end."""

    relation: DataRelation
    link: ToOne | ToMany
    related: DataEntity


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action that is bound to a data entity: its public name, the message that answers it, what it takes.

    ``collection``: it is bound to the whole collection, as all actions are where there are no rows.
    """

    name: str
    message: str
    signature: Signature
    collection: bool


class Names:
    """The data entities of one schema, and the actions that are bound to them (``signatures``, by message)."""

    def __init__(self, schema: Schema, signatures: Mapping[str, Signature]) -> None:
        self.schema = schema
        self.entities: Mapping[str, DataEntity] = {
            entity.collection: entity for entity in schema.entities.values() if _whole(entity, schema)
        }
        self.actions: dict[str, dict[str, Action]] = {}
        for message, signature in signatures.items():
            action = Action(
                name=message.rpartition(".")[2],
                message=message,
                signature=signature,
                collection=signature.collection or signature.entity not in self.entities,
            )
            self.actions.setdefault(signature.entity, {})[action.name] = action
        self._navigations: dict[str, Mapping[str, Navigation]] = {}
        self._options: dict[tuple[str, str, str, bool], Query] = {}

    # -- data entities -------------------------------------------------------------------------------------------
    def entity(self, collection: str) -> DataEntity:
        """The data entity of a public collection name; raises ResourceNotFound."""
        found = self.entities.get(collection)
        if found is None:
            raise fault("ResourceNotFound", segment=collection[:100])
        return found

    def table(self, entity: DataEntity) -> Table:
        """The table that a data entity shows."""
        return self.schema.tables[entity.table]

    def field(self, entity: DataEntity, name: str) -> DataField:
        """A field by its public name; raises PropertyNotFound."""
        found = entity.fields.get(name)
        if found is None:
            raise self.unknown(entity, name)
        return found

    def unknown(self, entity: DataEntity, name: str) -> Fault:
        """The fault for a property that a data entity does not have."""
        return fault("PropertyNotFound", name=name[:100], type=f"{NAMESPACE}{entity.name}")

    def navigations(self, entity: DataEntity) -> Mapping[str, Navigation]:
        """The navigation properties of a data entity by name: those that lead to one that is there."""
        found = self._navigations.get(entity.name)
        if found is None:
            made = ((name, self._navigation(entity, each)) for name, each in entity.relations.items())
            found = {name: each for name, each in made if each is not None}
            self._navigations[entity.name] = found
        return found

    def _navigation(self, entity: DataEntity, relation: DataRelation) -> Navigation | None:
        rel = self.schema.one_to_many.get(relation.relationship)
        related = self.schema.entities.get(relation.related)
        if rel is None or related is None or related.collection not in self.entities:
            return None
        link = ToMany(rel.schema_name) if relation.many else ToOne(rel.referencing_attribute, rel.referenced)
        ends = (rel.referenced, rel.referencing) if relation.many else (rel.referencing, rel.referenced)
        if (entity.table, related.table) != ends:
            return None
        return Navigation(relation=relation, link=link, related=related)

    def enums(self) -> Mapping[str, EnumType]:
        """The enumerations of all fields, by name."""
        return {
            field.enum.name: field.enum
            for entity in self.entities.values()
            for field in entity.fields.values()
            if field.enum is not None
        }

    # -- query strings -------------------------------------------------------------------------------------------
    def cached(self, key: tuple[str, str, str, bool], read: Callable[[], Query]) -> Query:
        """What ``read`` makes of a collection's query string for a company, kept by all three."""
        if len(key[1]) > MAX_CACHED_TEXT:
            return read()
        found = self._options.get(key)
        if found is None:
            if len(self._options) >= MAX_CACHED:
                self._options.clear()
            found = self._options[key] = read()
        return found


def _whole(entity: DataEntity, schema: Schema) -> bool:
    """Whether the table and the columns that a data entity names are still there."""
    table = schema.tables.get(entity.table)
    return table is not None and all(field.column in table.columns for field in entity.fields.values())
