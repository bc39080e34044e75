"""The context of an answer: what follows ``$metadata#``.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part1-protocol/odata-v4.0-errata03-os-part1-protocol-complete.html#_Toc453752227
"""

from collections.abc import Sequence

from orgstead.languages.odata import QueryOptions
from orgstead.model.query import Expand, Query

__all__ = ["context_of"]


def context_of(entity_set: str, options: QueryOptions, query: Query) -> str:
    """``accounts``, ``accounts(name,revenue)``, ``accounts(name,primarycontactid(fullname))``; of groups, the set."""
    if query.aggregates or query.groups:
        return entity_set
    # The parser's own query still has the names that the client wrote.
    parts = [*(options.query.columns or ()), *_expands(options.query.expand)]
    return f"{entity_set}({','.join(parts)})" if parts else entity_set


def _expands(expands: Sequence[Expand]) -> list[str]:
    parts = []
    for expand in expands:
        inner = [*(expand.columns or ()), *_expands(expand.expand)]
        parts.append(f"{expand.name}({','.join(inner)})")
    return parts
