"""``orgstead data import`` and ``orgstead data export``: rows out of files and into them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from orgstead.client import Client, ConfigurationError, Retry
from orgstead.terminal.connect import Target, aimed, connected
from orgstead.terminal.groups import data
from orgstead.terminal.output import json_option, say, write_json
from orgstead.transfer import (
    ExportOptions,
    ExportReport,
    FileOptions,
    ImportOptions,
    ImportReport,
    export_file,
    import_file,
)

__all__ = ["export", "import_"]

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = click.Choice(["csv", "jsonl", "xlsx", "parquet"])
# An import waits longer than a person would: a server that is started anew is back within this.
PATIENT = Retry(budget=600.0)
SHOWN = 10

_FILE = (
    click.option("--format", "format_", type=FORMATS, help="What the file is, where its name does not tell."),
    click.option("--delimiter", metavar="CHAR", help=r"What is between cells of CSV; \t is a tabulator."),
    click.option("--exact", is_flag=True, help="CSV: texts as they are, no apostrophe that keeps formulas off."),
)  # fmt: skip


def _file_options(command: F) -> F:
    for option in reversed(_FILE):
        command = option(command)
    return command


@data.command("import")
@click.argument("table")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", metavar="COLUMNS", help="Change rows that have this alternate key, or make them.")
@click.option(
    "--map", "map_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON: headers to columns; to null for what is left out.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with an import of this file that was interrupted.")
@click.option("--restart", is_flag=True, help="Forget an import of this file that was interrupted.")
@click.option("--dry-run", is_flag=True, help="Check the whole file and write no row.")
@click.option("--time-zone", metavar="NAME", help="The zone of times that name none, such as Europe/Vienna.")
@click.option("--clear-empty", is_flag=True, help="Empty cells empty columns; else they change nothing.")
@click.option("--skip-read-only", is_flag=True, help="Leave out columns that cannot be written.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where refused rows go.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Where the state is kept.")
@click.option("--chunk", type=click.IntRange(1, 1000), default=500, show_default=True, help="Rows a request.")
@click.option("--encoding", default="utf-8-sig", help="Of CSV; UTF-8 unless said otherwise.")
@click.option("--sheet", metavar="NAME", help="Of a workbook; the first one unless said otherwise.")
@_file_options
@json_option
@aimed
def import_(
    aim: Target,
    table: str,
    file: Path,
    key: str | None,
    time_zone: str | None,
    as_json: bool,
    format_: str | None,
    delimiter: str | None,
    encoding: str,
    sheet: str | None,
    exact: bool,
    **given: Any,
) -> None:
    """Write the rows of FILE into TABLE: CSV, JSON lines, .xlsx or Parquet.

    Columns are found by their names, or by their labels. A file with the primary key among its columns changes the rows
    that it names; else rows are made, or with --key changed where there are such. Rows that are refused go into a file
    beside FILE, with the reasons, and the command ends with 1. One that is interrupted goes on with --resume.
    """
    options = ImportOptions(
        key=tuple(filter(None, (key or "").replace(" ", "").split(","))),
        zone=_zone(time_zone),
        file=FileOptions(
            format=format_,
            delimiter=_delimiter(delimiter),
            encoding=encoding,
            guard=not exact,
            sheet=sheet,
        ),
        **given,
    )
    with aim.client() as client:
        client.who_am_i()  # a server that is not there is told of at once
    with aim.client(retry=PATIENT) as client, _bar(file.name, not as_json) as bar:
        report = import_file(client, table, file, options, progress=lambda share, so_far: bar(share, so_far))
    if as_json:
        write_json(report.to_json())
    else:
        _tell(report)
    if report.rejected:
        sys.exit(1)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(f"there is no time zone {name!r}: Europe/Vienna is one") from None


def _delimiter(text: str | None) -> str | None:
    return "\t" if text in ("\\t", "tab") else text


def _tell(report: ImportReport) -> None:
    for each in report.problems[:SHOWN]:
        place = next(f"{unit} {each[unit]}" for unit in ("line", "row") if unit in each)
        column = f", {each['column']}" if each["column"] else ""
        say(f"{place}{column}: {each['reason']}")
    if report.rejected > min(len(report.problems), SHOWN) and report.problems:
        say(f"… and {report.rejected - min(len(report.problems), SHOWN)} more")
    if report.left_out:
        say(f"Left out: {', '.join(report.left_out)}")
    done = "would be written" if report.dry_run else "written"
    earlier = f" ({report.skipped} rows by an earlier run)" if report.skipped else ""
    click.echo(f"{report.read} rows read, {report.written} {done}, {report.rejected} refused{earlier}.")
    if report.rejects_file:
        click.echo(f"What was refused, and why: {report.rejects_file}")


@data.command("export")
@click.argument("table")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--select", metavar="COLUMNS", help="Only these columns, in this order.")
@click.option("--filter", "filter_", metavar="ODATA", help="Only rows that fulfil this $filter.")
@click.option("--fetchxml", metavar="XML", help="The rows of this query; @FILE reads it from a file.")
@click.option("--formatted", is_flag=True, help="Add what a person reads, as columns NAME@formatted.")
@click.option("--resume", is_flag=True, help="Go on with an export into this file that was interrupted.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--bom", is_flag=True, help="CSV: begin with the mark by which Excel knows UTF-8.")
@_file_options
@json_option
@connected
def export(
    client: Client,
    table: str,
    file: Path,
    select: str | None,
    filter_: str | None,
    fetchxml: str | None,
    as_json: bool,
    format_: str | None,
    delimiter: str | None,
    exact: bool,
    bom: bool,
    **given: Any,
) -> None:
    """Write the rows of TABLE into FILE: CSV, JSON lines, .xlsx or Parquet, by the end of its name.

    The file appears when it is whole. What can be imported again comes back as it was: ids, choices by value, times in
    UTC, every digit.
    """
    options = ExportOptions(
        select=tuple(filter(None, (select or "").replace(" ", "").split(","))),
        filter=filter_,
        fetchxml=_query(fetchxml),
        file=FileOptions(format=format_, delimiter=_delimiter(delimiter), guard=not exact, bom=bom),
        **given,
    )
    with _counter(not as_json) as counter:
        report = export_file(client, table, file, options, progress=counter)
    if as_json:
        write_json(report.to_json())
    else:
        click.echo(f"{report.rows} rows in {file}.")


def _query(text: str | None) -> str | None:
    return Path(text[1:]).read_text("utf-8") if text is not None and text.startswith("@") else text


@contextmanager
def _bar(label: str, wanted: bool) -> Iterator[Callable[[float, ImportReport], None]]:
    """A bar on a terminal, of how much of a file has been read; nothing elsewhere."""
    if not wanted or not sys.stderr.isatty():
        yield lambda share, report: None
        return
    with click.progressbar(
        length=1000, label=label, file=sys.stderr, item_show_func=lambda shown: shown
    ) as bar:

        def moved(share: float, report: ImportReport) -> None:
            refused = f", {report.rejected} refused" if report.rejected else ""
            bar.update(max(int(share * 1000) - bar.pos, 0), f"{report.written} rows{refused}")

        yield moved
        bar.update(1000 - bar.pos)


@contextmanager
def _counter(wanted: bool) -> Iterator[Callable[[ExportReport], None]]:
    """The number of rows on a terminal, as it grows."""
    shown = wanted and sys.stderr.isatty()

    def moved(report: ExportReport) -> None:
        if shown:
            click.echo(f"\r{report.rows} rows", err=True, nl=False)

    yield moved
    if shown:
        click.echo("\r\x1b[K", err=True, nl=False)
