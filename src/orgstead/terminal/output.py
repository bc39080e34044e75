"""Rows as an aligned table, as JSON, as JSON lines and as CSV, printed as they come: nothing is held but a screenful.

CSV and spreadsheets: a program that opens a CSV file runs what begins with ``=``, ``+``, ``-`` or ``@``. A text that
begins so gets an apostrophe before it, unless it is a number or a telephone number, or ``exact`` is asked for.
https://owasp.org/www-community/attacks/CSV_Injection
"""

import csv
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import wraps
from typing import Any, TypeVar

import click
import msgspec

from orgstead.client.values import encode, plain
from orgstead.terminal.aligned import lines, settled, write_table

__all__ = ["FORMS", "cell", "csv_cell", "forms", "json_option", "say", "sure", "write_json", "write_rows"]

F = TypeVar("F", bound=Callable[..., Any])
FORMS = ("table", "json", "jsonl", "csv")
_DIALLED = re.compile(r"[+-][\d\s().,/-]*")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""``--json`` as the argument ``as_json``, of commands that answer one thing."""


def forms(command: F) -> F:
    """Give a command ``--json``, ``--jsonl`` and ``--csv``, as its argument ``form``: one of ``FORMS``."""
    options = (
        click.option("--json", "form", flag_value="json", help="Print a JSON array."),
        click.option("--jsonl", "form", flag_value="jsonl", help="Print a JSON object in each line."),
        click.option("--csv", "form", flag_value="csv", help="Print CSV."),
    )

    @wraps(command)
    def run(*arguments: Any, form: str | None, **given: Any) -> Any:
        return command(*arguments, form=form or "table", **given)

    made: Any = run
    for option in reversed(options):
        made = option(made)
    return made  # type: ignore[no-any-return]


def say(text: str) -> None:
    """Tell the person something that is no result: on standard error."""
    click.echo(lines(text), err=True)


def sure(question: str, yes: bool) -> None:
    """Ask, unless ``yes``. Raises UsageError where nobody can be asked, Abort for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: give --yes.")
    click.confirm(question, abort=True, err=True)


def _json(value: Any) -> str:
    return encode(plain(value, choices=False)).decode()


def write_json(value: Any) -> None:
    """Print a value as JSON: exact, and with a member to a line."""
    click.echo(msgspec.json.format(_json(value), indent=2))


def write_rows(
    rows: Iterable[Mapping[str, Any]],
    *,
    form: str,
    columns: Sequence[str] | None = None,
    exact: bool = False,
) -> int:
    """Print rows in one of ``FORMS`` as they come, and return how many there were.

    ``columns`` are those of table and CSV, in this order; without them those of the first rows, and a later row with
    another one raises ClickException.
    """
    counted = _Counted(rows)
    match form:
        case "json":
            before = "["
            for row in counted:
                sys.stdout.write(f"{before}\n  {_json(row)}")
                before = ","
            sys.stdout.write("\n]\n" if counted.count else "[]\n")
        case "jsonl":
            for row in counted:
                sys.stdout.write(f"{_json(row)}\n")
        case "csv":
            _write_csv(iter(counted), columns, exact)
        case _:
            write_table(iter(counted), columns, cell)
    # A reader that has gone is noticed here, and not when Python ends.
    sys.stdout.flush()
    return counted.count


class _Counted:
    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for row in self.rows:
            self.count += 1
            yield row


def cell(value: Any) -> str:
    """The text of a value in a table or in CSV."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime() | date():
            return str(plain(value))
        case list() if value and all(type(each) is int for each in value):
            return ",".join(map(str, value))  # several choices, as the service writes them
        case Mapping() | list() | tuple():
            return _json(value)
    return str(value)


def csv_cell(value: Any, *, exact: bool = False) -> str:
    """The text of a value in CSV, kept from being a formula unless ``exact``."""
    text = cell(value)
    if exact or not isinstance(value, str) or text[:1] not in ("=", "+", "-", "@", "\t", "\r"):
        return text
    return text if _DIALLED.fullmatch(text) else f"'{text}"


def _write_csv(rows: Iterator[Mapping[str, Any]], columns: Sequence[str] | None, exact: bool) -> None:
    head, every, _ = settled(rows, columns)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if head:
        writer.writerow(head)
    for row in every:
        writer.writerow([csv_cell(row.get(name), exact=exact) for name in head])
