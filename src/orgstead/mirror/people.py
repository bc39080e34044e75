"""Rows that both organisations have under other ids: people by their e-mail, currencies by their code."""

from collections.abc import Mapping

from orgstead.client import Client, Ref
from orgstead.mirror.report import MirrorReport

__all__ = ["Counterparts"]

# Tables whose rows each organisation has by itself, with the columns that tell which is which.
_SAME_BY: Mapping[str, tuple[str, ...]] = {
    "systemuser": ("internalemailaddress", "domainname"),
    "transactioncurrency": ("isocurrencycode",),
    "team": ("name",),
    "businessunit": ("name",),
}
MAX_ROWS = 50_000


class Counterparts:
    """The row of the target that stands for a row of the source, in tables that each organisation has by itself."""

    def __init__(self, source: Client, target: Client, report: MirrorReport) -> None:
        self._source = source
        self._target = target
        self._report = report
        self._found: dict[str, Mapping[str, str]] = {}

    def has(self, table: str) -> bool:
        """Whether rows of the table are found so, and never taken over as they are."""
        return table in _SAME_BY

    def of(self, ref: Ref) -> str | None:
        """The id in the target, or None."""
        if ref.table not in self._found:
            self._found[ref.table] = self._match(ref.table, _SAME_BY[ref.table])
        return self._found[ref.table].get(ref.id)

    def _match(self, table: str, columns: tuple[str, ...]) -> Mapping[str, str]:
        known: dict[tuple[str, str], str] = {}
        ids = set()
        for row in self._target.query(table).select(*columns).top(MAX_ROWS):
            ids.add(row.id)
            for column in columns:
                if row[column]:
                    known.setdefault((column, str(row[column]).casefold()), row.id)
        found = {}
        for row in self._source.query(table).select(*columns).top(MAX_ROWS):
            names = ((column, str(row[column] or "").casefold()) for column in columns)
            match = next((known[name] for name in names if name in known), None)
            if match is None and table == "businessunit":
                continue
            if match is not None or row.id in ids:
                found[row.id] = match or row.id
        return found
