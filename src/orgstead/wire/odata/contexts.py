"""The context of an answer: what follows ``$metadata#``.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part1-protocol/odata-v4.0-errata03-os-part1-protocol-complete.html#_Toc453752227
"""

from collections.abc import Sequence

from orgstead.languages.odata import QueryOptions
from orgstead.model.query import Expand, Query
from orgstead.model.schema import Table

__all__ = ["columns_context", "context_of"]


def context_of(entity_set: str, options: QueryOptions, query: Query) -> str:
    """``accounts``, ``accounts(name,revenue)``, ``accounts(name,primarycontactid(fullname))``; of groups, the set."""
    if query.aggregates or query.groups:
        return entity_set
    # The parser's own query still has the names that the client wrote.
    parts = [*(options.query.columns or ()), *_expands(options.query.expand)]
    return f"{entity_set}({','.join(parts)})" if parts else entity_set


def columns_context(entity_set: str, query: Query, table: Table) -> str:
    """The context of a query in another language: the columns of its own table that it names."""
    if query.aggregates or query.groups or query.columns is None:
        return entity_set
    parts = [f"_{name}_value" if _is_lookup(table, name) else name for name in query.columns]
    parts += [each.alias for each in query.aliased]
    if table.primary_id not in parts and not query.distinct:
        parts.append(table.primary_id)
    return f"{entity_set}({','.join(parts)})"


def _is_lookup(table: Table, name: str) -> bool:
    column = table.columns.get(name)
    return column is not None and column.is_lookup


def _expands(expands: Sequence[Expand]) -> list[str]:
    parts = []
    for expand in expands:
        inner = [*(expand.columns or ()), *_expands(expand.expand)]
        parts.append(f"{expand.name}({','.join(inner)})")
    return parts
