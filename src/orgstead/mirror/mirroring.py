"""An organisation's definitions and rows taken over into another, by the public protocol alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.client import Client, ConfigurationError
from orgstead.client.literals import name as checked_name
from orgstead.mirror.metadata import Metadata, chosen_tables
from orgstead.mirror.report import MirrorReport
from orgstead.mirror.rows import Chosen, Rows

__all__ = ["MirrorOptions", "chosen_rows", "mirror"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptions:
    """What is taken: the definitions of ``tables``, or with ``metadata`` of everything that the source has changed;
    and the ``rows`` that are chosen. Nothing chosen means all definitions.
    """

    tables: Sequence[str] = ()
    rows: Sequence[Chosen] = ()
    metadata: bool = False


def chosen_rows(text: str) -> Chosen:
    """``account``, or ``account:statecode eq 0``. Raises ConfigurationError."""
    table, _, where = text.partition(":")
    return Chosen(table=checked_name(table.strip()).lower(), where=where.strip() or None)


def mirror(
    source: Client, target: Client, options: MirrorOptions, *, progress: Callable[[str], Any] | None = None
) -> MirrorReport:
    """Take it over; ``progress`` is called with what comes next.

    Raises ConfigurationError when both are one organisation or a table is chosen twice, and what requests raise; it can
    be repeated then.
    """
    names = [each.table for each in options.rows]
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise ConfigurationError(f"rows of {', '.join(twice)} are chosen twice: join the filters by or")
    if (
        source.who_am_i()["OrganizationId"] == target.who_am_i()["OrganizationId"]
        and source.url == target.url
    ):
        raise ConfigurationError("the source and the target are the same organisation")
    begun = time.monotonic()
    report = MirrorReport(source=source.url, target=target.url)
    tell = progress or (lambda text: None)
    tables = [checked_name(each).lower() for each in options.tables]
    if tables or options.metadata or not options.rows:
        tell("definitions")
        named = tables
        tables = tables or [*dict.fromkeys((*chosen_tables(source), *(each.table for each in options.rows)))]
        Metadata(source, target, report, named).take(tables)
    if options.rows:
        tell("rows")
        Rows(source, target, report).take(options.rows)
    report.seconds = round(time.monotonic() - begun, 3)
    return report
