"""``orgstead data query``, ``get`` and ``count``."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import click

from orgstead.client import Client, Expand, Query, Record, raw
from orgstead.terminal.aligned import pairs
from orgstead.terminal.connect import connected
from orgstead.terminal.expand import read_expand, split_names
from orgstead.terminal.groups import data
from orgstead.terminal.output import cell, forms, json_option, say, write_json, write_rows
from orgstead.terminal.shown import as_flat, fetch_columns, flat_columns, wire_name, wire_row
from orgstead.terminal.values import Typing

__all__ = ["show"]

UNASKED = 100
MAX_PAGE, WHOLE_ROWS = 5000, 500
MAX_FETCH = 1_000_000
# What a table shows of rows whose columns nobody named.
FEW = ("statecode", "createdon")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Rows to be printed, and what is known of their columns."""

    rows: Iterable[Record]
    columns: Sequence[str] | None = None
    select: Sequence[str] = ()
    expand: Sequence[Expand] = ()
    total: Callable[[], int] | None = None


@data.command("query")
@click.argument("table", required=False)
@click.option("--select", metavar="COLUMNS", help="Columns, with commas between them.")
@click.option("--filter", "where", metavar="CONDITION", help='OData: "revenue gt 1000 and statecode eq 0".')
@click.option("--orderby", metavar="COLUMNS", help='In this order: "revenue desc,name".')
@click.option("--expand", metavar="NAVIGATION", help='Related rows: "primarycontactid($select=fullname)".')
@click.option("--top", type=click.IntRange(1), help=f"At most so many rows; unasked, {UNASKED}.")
@click.option("--all", "every", is_flag=True, help="All rows, page by page.")
@click.option("--page-size", type=click.IntRange(1, MAX_PAGE), help="Rows to a page.")
@click.option("--count", is_flag=True, help="Say how many rows there are in all, on standard error.")
@click.option("--fetchxml", metavar="FILE", help="A query in FetchXML: a file, or - for standard input.")
@click.option("--sql", metavar="TEXT", help="A query in SQL.")
@click.option(
    "--formatted/--raw", default=None, help="Values as people read them; so it is in tables on a terminal."
)
@click.option("--annotations", is_flag=True, help="With JSON, all annotations.")
@click.option(
    "--exact", is_flag=True, help="With CSV, texts that a spreadsheet would take for a formula as they are."
)
@forms
@connected
def query(
    client: Client,
    table: str | None,
    where: str | None,
    count: bool,
    every: bool,
    top: int | None,
    fetchxml: str | None,
    sql: str | None,
    formatted: bool | None,
    annotations: bool,
    exact: bool,
    form: str,
    **given: Any,
) -> None:
    """Print rows: of a table, or of FetchXML or SQL.

    \b
    orgstead data query account --select name,revenue --filter "revenue gt 100000" --orderby "revenue desc"
    orgstead data query account --all --csv > accounts.csv
    orgstead data query --sql "SELECT TOP 10 name FROM account"
    """
    if every and top:
        raise click.UsageError("--all and --top contradict each other.")
    if formatted is None:
        formatted = form == "table" and sys.stdout.isatty()
    told = formatted or annotations
    limit = None if every else top or UNASKED
    if fetchxml is not None or sql is not None:
        asked = _language(client, table, fetchxml, sql, where, count, told, limit, given)
    else:
        asked = _table(
            client, table, where, told, None if limit is None else limit + (top is None), form, given
        )
    cut = _Cut(asked.rows, limit)
    if form in ("json", "jsonl"):
        shown: Iterator[Mapping[str, Any]] = (wire_row(each, annotations=told) for each in cut)
    else:
        shown = (
            as_flat(each, formatted=bool(formatted), select=asked.select, expand=asked.expand) for each in cut
        )
    number = write_rows(shown, form=form, columns=asked.columns, exact=exact)
    if not number and form == "table":
        say("No rows.")
    if count and asked.total is not None:
        say(f"{number} of {asked.total()} rows.")
    elif cut.more and top is None:
        say(f"These are the first {number} rows: --all prints all of them, --top so many.")


class _Cut:
    """Rows up to a number; ``more`` says whether there was another one."""

    def __init__(self, rows: Iterable[Record], limit: int | None) -> None:
        self._rows = rows
        self._limit = limit
        self.more = False

    def __iter__(self) -> Iterator[Record]:
        rows = iter(self._rows)
        yield from islice(rows, self._limit)
        self.more = self._limit is not None and next(rows, None) is not None


def _table(
    client: Client,
    table: str | None,
    where: str | None,
    told: bool,
    limit: int | None,
    form: str,
    given: Mapping[str, Any],
) -> _Asked:
    if table is None:
        raise click.UsageError("Rows of which table? Name it, or give --fetchxml or --sql.")
    shape = client.tables.shape(table)
    expand = read_expand(given["expand"])
    select = split_names(given["select"])
    if not select and not expand and form == "table":
        select = [each for each in (shape.title, *FEW, shape.key) if each is not None and each in shape.types]
        if sys.stdout.isatty():
            say(f"(A few columns: --select picks, 'orgstead tables columns {shape.name}' lists them.)")
    made = _built(client, shape.name, where, given)
    made = made.select(*(wire_name(each, shape.types) for each in select))
    for each in expand:
        made = made.expand(each)
    if told:
        made = made.with_annotations()
    if limit is not None:
        made = made.top(limit)
    return _Asked(
        rows=made, columns=flat_columns(select, expand), select=select, expand=expand, total=made.count
    )


def _built(client: Client, table: str, where: str | None, given: Mapping[str, Any]) -> Query[Any]:
    made: Query[Any] = client.query(table)
    if where:
        made = made.where(raw(where))
    if given["orderby"]:
        made = made.order_by(*split_names(given["orderby"]))
    # Rows with all of their columns are large, and two pages of them are held at a time.
    size = given["page_size"] or (None if given["select"] else WHOLE_ROWS)
    if size:
        made = made.page_size(size)
    return made


def _language(
    client: Client,
    table: str | None,
    fetchxml: str | None,
    sql: str | None,
    where: str | None,
    count: bool,
    told: bool,
    limit: int | None,
    given: Mapping[str, Any],
) -> _Asked:
    """A query that says all of it itself. Raises UsageError for options that would say more."""
    others = {"TABLE": table, "--filter": where, "--count": count, **{f"--{n}": v for n, v in given.items()}}
    others.pop("--page_size")
    strange = [name for name, value in others.items() if value]
    if strange or (fetchxml is not None and sql is not None):
        raise click.UsageError(
            f"A query in FetchXML or SQL says it all: leave out {', '.join(strange) or 'one of them'}."
        )
    size = given["page_size"]
    if size is None and limit is not None and limit < MAX_PAGE:
        size = limit + 1
    if sql is not None:
        return _Asked(rows=client.sql(sql, page_size=size, annotations=told))
    text = _read(str(fetchxml))
    if "count=" in text:
        size = given["page_size"]
    return _Asked(rows=client.fetchxml(text, page_size=size, annotations=told), columns=fetch_columns(text))


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.read(MAX_FETCH + 1)
    with Path(name).open(encoding="utf-8") as file:
        return file.read(MAX_FETCH + 1)


@data.command("get")
@click.argument("table")
@click.argument("key")
@click.option("--select", metavar="COLUMNS", help="Columns, with commas between them.")
@click.option("--expand", metavar="NAVIGATION", help='Related rows: "primarycontactid($select=fullname)".')
@click.option("--formatted/--raw", default=None, help="Values as people read them; so it is on a terminal.")
@click.option("--annotations", is_flag=True, help="With JSON, all annotations.")
@json_option
@connected
def get(
    client: Client,
    table: str,
    key: str,
    select: str | None,
    expand: str | None,
    formatted: bool | None,
    annotations: bool,
    as_json: bool,
) -> None:
    """Print one row by its id or an alternate key.

    An alternate key is column=value[,column=value]. Columns without a value are left out, unless selected.
    """
    typing = Typing(client, table)
    if formatted is None:
        formatted = not as_json and sys.stdout.isatty()
    names = split_names(select)
    expands = read_expand(expand)
    found = client.records.retrieve(
        table,
        typing.key(key),
        select=[wire_name(each, typing.shape.types) for each in names],
        expand=expands,
        annotations=formatted or annotations,
    )
    show(found, as_json=as_json, formatted=formatted, annotations=annotations, expand=expands, names=names)


def show(
    record: Record,
    *,
    as_json: bool,
    formatted: bool = False,
    annotations: bool = False,
    expand: Sequence[Expand] = (),
    names: Sequence[str] = (),
) -> None:
    """Print one row."""
    if as_json:
        write_json(wire_row(record, annotations=annotations or formatted))
        return
    flat = as_flat(record, formatted=formatted, select=names, expand=expand)
    texts = [(name, cell(value)) for name, value in flat.items()]
    click.echo(pairs(texts, always=frozenset(names)))


@data.command("count")
@click.argument("table")
@click.option("--filter", "where", metavar="CONDITION", help='OData: "revenue gt 1000".')
@json_option
@connected
def count(client: Client, table: str, where: str | None, as_json: bool) -> None:
    """Count the rows of a table, or of a condition."""
    asked = client.query(table)
    number = (asked.where(raw(where)) if where else asked).count()
    if as_json:
        write_json({"table": table, "count": number})
    else:
        click.echo(number)
