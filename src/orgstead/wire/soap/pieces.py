"""Results that are too large to be one value: rows and lists of definitions, written a piece at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from orgstead.model.record import Page
from orgstead.model.schema import Schema
from orgstead.wire.soap.beside import Linked, beside, collection_facts, linked_rows
from orgstead.wire.soap.contracts import CONTRACTS, TypeName
from orgstead.wire.soap.rows import Letters, at_a_time, entities
from orgstead.wire.soap.write import Scope, element

__all__ = ["Piece", "Pieces", "Row", "Rows", "Stream", "entity_letters", "table_names"]

# Of what is large the text is encoded already.
Piece = str | bytes


@runtime_checkable
class Pieces(Protocol):
    """A result that writes itself."""

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The element of a result, whose type has to be stated."""


@lru_cache(maxsize=4)
def table_names(schema: Schema) -> Mapping[str, str]:
    """The display names of tables, which is how their logical names read."""
    return {name: table.display_name for name, table in schema.tables.items()}


def entity_letters(scope: Scope) -> Letters:
    """The prefixes of entities in a scope."""
    pairs = scope.with_("pairs")[0].known["pairs"]
    return Letters(scope.known["xrm"], pairs, chr(ord(pairs) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page of rows as an EntityCollection; ``columns`` are the party lists that are shown."""

    page: Page
    columns: tuple[str, ...] = ()

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The collection as the value of a result."""
        yield f'<{tag} i:type="{scope.name("xrm", "EntityCollection")}">'
        yield from self.content(scope, schema)
        yield f"</{tag}>"

    def content(self, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The members of the collection."""
        page, a = self.page, scope.known["xrm"]
        yield f"<{a}:Entities>"
        rows, size = self.entities(scope, schema), at_a_time(page)
        # Each by itself: plain ASCII, which most are, is encoded at no cost, and nothing like it beside another letter.
        while some := b"".join(map(str.encode, islice(rows, size))):
            yield some
        yield f"</{a}:Entities>{collection_facts(page, a)}"

    def entities(self, scope: Scope, schema: Schema) -> Iterator[str]:
        """The rows one by one."""
        letters, names = entity_letters(scope), table_names(schema)
        return entities(self.page, names, letters, beside(self.page, self.columns, names, letters))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The one row of a page as an Entity, with what is related to it."""

    page: Page
    columns: tuple[str, ...] = ()
    linked: tuple[Linked, ...] = ()

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[str]:
        """The entity as the value of a result."""
        own = scope.name("xrm", "Entity")
        yield f'<{tag} i:type="{own}">{self.content(scope, schema)}</{tag}>'

    def content(self, scope: Scope, schema: Schema) -> str:
        """The members of the entity."""
        own, letters, names = scope.name("xrm", "Entity"), entity_letters(scope), table_names(schema)
        attributes, _ = beside(self.page, self.columns, names, letters) or ([""], [""])
        related = linked_rows(self.linked, names, letters)
        text = "".join(entities(self.page, names, letters, (attributes, [related])))
        return text.removeprefix(f"<{own}>").removesuffix(f"</{own}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A list whose items are made one after another."""

    type: TypeName
    items: Callable[[], Iterable[Any]]

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[str]:
        """The list as the value of a result."""
        item = CONTRACTS[self.type].item
        if item is None:
            raise TypeError("only lists are streamed")
        scope, said = scope.with_(self.type[0])
        yield f'<{tag}{said} i:type="{scope.name(*self.type)}">'
        name = scope.name(self.type[0], item.name)
        for each in self.items():
            yield element(name, each, item.type, scope)
        yield f"</{tag}>"
