"""``orgstead data create``, ``update``, ``upsert`` and ``delete``."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from orgstead.client import BulkResult, Client, RowFailure, raw
from orgstead.terminal.connect import connected
from orgstead.terminal.data_read import show
from orgstead.terminal.failures import Failure, failure_of
from orgstead.terminal.groups import data
from orgstead.terminal.output import json_option, say, sure, write_json
from orgstead.terminal.values import Typing, read_data

__all__: list[str] = []

F = TypeVar("F", bound=Callable[..., Any])
DELETE_PAGE = 5000
SHOWN_FAILURES = 10


def _written(command: F) -> F:
    """What a command that writes a row takes: columns, or JSON."""
    command = click.option(
        "--data",
        "source",
        metavar="JSON",
        help="Columns as a JSON object, as the Web API has them: JSON, @file, or - for standard input.",
    )(command)
    return click.argument("columns", nargs=-1, metavar="[COLUMN=VALUE]...")(command)


def _row(typing: Typing, columns: tuple[str, ...], source: str | None) -> dict[str, Any]:
    made = typing.row(columns, read_data(source))
    if not made:
        raise click.UsageError("Which columns? Give column=value, or --data.")
    return made


@data.command("create")
@click.argument("table")
@_written
@click.option("--id", "id_", metavar="ID", help="The id that the row gets.")
@click.option("--return", "returning", is_flag=True, help="Print the row as it then is, instead of its id.")
@json_option
@connected
def create(
    client: Client,
    table: str,
    columns: tuple[str, ...],
    source: str | None,
    id_: str | None,
    returning: bool,
    as_json: bool,
) -> None:
    """Make a row, and print its id.

    \b
    orgstead data create account name="Blue Heron" revenue=125000 industrycode=Consulting
    orgstead data create contact lastname=Smith parentcustomerid=account:ID
    orgstead data create account --data @account.json

    Values are what the columns hold: choices by number or label, lookups as table:ID or as table:column=value by an
    alternate key, times with their zone. Nothing behind the equals sign leaves a column empty.
    """
    row = _row(Typing(client, table), columns, source)
    if returning:
        show(client.records.create_returning(table, row, id=id_), as_json=as_json)
        return
    made = client.records.create(table, row, id=id_)
    if as_json:
        write_json({"table": table, "id": made})
    else:
        click.echo(made)


@data.command("update")
@click.argument("table")
@click.argument("key")
@_written
@click.option("--if-match", metavar="ETAG", default="*", help="Only when the row has this version.")
@click.option("--return", "returning", is_flag=True, help="Print the row as it then is.")
@json_option
@connected
def update(
    client: Client,
    table: str,
    key: str,
    columns: tuple[str, ...],
    source: str | None,
    if_match: str,
    returning: bool,
    as_json: bool,
) -> None:
    """Change columns of a row that is there.

    KEY is its id, or an alternate key as column=value[,column=value].

    \b
    orgstead data update account ID revenue=150000 primarycontactid=contact:ID
    orgstead data update account accountnumber=A1 description=
    """
    typing = Typing(client, table)
    row = _row(typing, columns, source)
    if returning:
        show(client.records.update_returning(table, typing.key(key), row, if_match=if_match), as_json=as_json)
        return
    client.records.update(table, typing.key(key), row, if_match=if_match)
    if as_json:
        write_json({"table": table, "key": typing.key(key), "updated": True})
    else:
        say(f"Changed {table} {key}.")


@data.command("upsert")
@click.argument("table")
@click.argument("key")
@_written
@json_option
@connected
def upsert(
    client: Client, table: str, key: str, columns: tuple[str, ...], source: str | None, as_json: bool
) -> None:
    """Change a row, or make it when there is none.

    KEY is its id, or an alternate key as column=value[,column=value]. The id is printed.
    """
    typing = Typing(client, table)
    found = typing.key(key)
    made = client.records.upsert(table, found, _row(typing, columns, source))
    if as_json:
        write_json({"table": table, "id": made.id, "created": made.created})
        return
    say(f"{'Made' if made.created else 'Changed'} {table} {key}.")
    click.echo(made.id)


@data.command("delete")
@click.argument("table")
@click.argument("key", required=False)
@click.option(
    "--filter", "where", metavar="CONDITION", help="All rows that fulfil it, which are counted first."
)
@click.option("--if-match", metavar="ETAG", help="Only when the row has this version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected
def delete(
    client: Client,
    table: str,
    key: str | None,
    where: str | None,
    if_match: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete one row, or all of a condition.

    KEY is its id, or an alternate key as column=value[,column=value].
    """
    if (key is None) == (where is None):
        raise click.UsageError("Give the key of one row, or --filter.")
    if where is not None:
        if if_match is not None:
            raise click.UsageError("--if-match is for one row.")
        _delete_many(client, table, where, yes, as_json)
        return
    typing = Typing(client, table)
    found = typing.key(str(key))
    sure(f"Delete {typing.shape.name} {key} at {client.url}?", yes)
    client.records.delete(table, found, if_match=if_match)
    if as_json:
        write_json({"table": table, "key": found, "deleted": 1})
    else:
        say(f"Deleted {table} {key}.")


def _delete_many(client: Client, table: str, where: str, yes: bool, as_json: bool) -> None:
    shape = client.tables.shape(table)
    asked = client.query(shape.name).where(raw(where))
    count = asked.count()
    if count:
        sure(f"Delete {count:,} rows of {shape.name} at {client.url}?", yes)
    failures: list[RowFailure] = []
    done = failed = 0
    # In the order of the ids, so that what is gone moves no page.
    pages = asked.select(shape.key).order_by(shape.key).page_size(DELETE_PAGE).pages()
    with click.progressbar(
        length=count, label="rows", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for page in pages if count else ():

            def moved(so_far: BulkResult, before: int = done + failed) -> None:
                bar.update(before + so_far.done + so_far.failed - bar.pos)

            ids = [each.id for each in page]
            result = client.bulk.delete(shape.name, ids, strict=False, progress=moved)
            done, failed = done + result.done, failed + result.failed
            failures += result.failures[: SHOWN_FAILURES - len(failures)]
    if as_json:
        write_json({"table": table, "deleted": done, "failed": failed})
    else:
        say(f"{done:,} rows are deleted.")
    if failed:
        raise Failure(
            f"{failed:,} rows were refused.",
            code="rows_refused",
            more={"failures": [_failure(each) for each in failures]},
        )


def _failure(failure: RowFailure) -> Mapping[str, Any]:
    shown = failure_of(failure.error, as_json=True)
    return {"id": str(failure.row), "code": shown.code, "message": shown.message}
