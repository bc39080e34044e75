"""``orgstead data upload``, ``download``, ``associate`` and ``disassociate``."""

import sys
from pathlib import Path

import click

from orgstead.client import Client, Ref
from orgstead.terminal.connect import connected
from orgstead.terminal.groups import data
from orgstead.terminal.output import json_option, say, write_json
from orgstead.terminal.values import Typing

__all__: list[str] = []


def _ref(client: Client, table: str, key: str, column: str | None = None) -> Ref:
    typing = Typing(client, table)
    if column is not None:
        typing.kind(column)
    return Ref(typing.shape.name, typing.key(key))


def _pointed(client: Client, text: str) -> Ref:
    """A row as ``table:key``."""
    table, sign, key = text.partition(":")
    if not sign:
        raise click.UsageError(f"{text[:60]!r} is no table:ID.")
    return _ref(client, table, key)


@data.command("upload")
@click.argument("table")
@click.argument("key")
@click.argument("column")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--file-name", help="The name that it is kept under; by default its own.")
@json_option
@connected
def upload(
    client: Client, table: str, key: str, column: str, file: Path, file_name: str | None, as_json: bool
) -> None:
    """Put a file into a file or image column."""
    size = client.files.upload(
        _ref(client, table, key, column), column, file, file_name=file_name or file.name
    )
    if as_json:
        write_json({"table": table, "column": column, "file_name": file_name or file.name, "size": size})
    else:
        say(f"{size:,} bytes are in {column}.")


@data.command("download")
@click.argument("table")
@click.argument("key")
@click.argument("column")
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--full-image", is_flag=True, help="Of an image column, the image and not its thumbnail.")
@click.option("--overwrite", is_flag=True, help="In place of a file that is there.")
@json_option
@connected
def download(
    client: Client,
    table: str,
    key: str,
    column: str,
    file: str | None,
    full_image: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Save the file of a file or image column.

    It goes into FILE, or for - on standard output.

    Without FILE it lands here under the name that it was uploaded with. A download that was interrupted goes on.
    """
    row = _ref(client, table, key, column)
    if file == "-":
        for piece in client.files.read(row, column, full_image=full_image):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    target = Path(file) if file is not None else Path(_own_name(client, row, column))
    if target.is_dir():
        target = target / _own_name(client, row, column)
    if target.exists() and not overwrite:
        raise click.ClickException(f"{target} is there already: give another FILE, or --overwrite.")
    found = client.files.download_to(row, column, target, full_image=full_image)
    if as_json:
        write_json({"file": str(target), "name": found.name, "size": found.size})
    else:
        say(f"{found.size:,} bytes are in {target}.")


def _own_name(client: Client, row: Ref, column: str) -> str:
    """The name that a file was uploaded with, which is no path."""
    name = client.records.retrieve(row.table, row.key, select=[f"{column}_name"]).get(f"{column}_name")
    return Path(str(name or "").replace("\\", "/")).name or f"{column}.bin"


@data.command("associate")
@click.argument("table")
@click.argument("key")
@click.argument("relationship")
@click.argument("rows", nargs=-1, required=True, metavar="TABLE:ID...")
@json_option
@connected
def associate(
    client: Client, table: str, key: str, relationship: str, rows: tuple[str, ...], as_json: bool
) -> None:
    """Relate rows to a row by a navigation property.

    The property leads to many: 'orgstead tables relationships TABLE' lists them.

    \b
    orgstead data associate account ID contact_customer_accounts contact:ID
    """
    client.associations.add(_ref(client, table, key), relationship, [_pointed(client, each) for each in rows])
    if as_json:
        write_json({"table": table, "relationship": relationship, "related": len(rows)})
    else:
        say(f"{len(rows)} rows are related by {relationship}.")


@data.command("disassociate")
@click.argument("table")
@click.argument("key")
@click.argument("relationship")
@click.argument("rows", nargs=-1, required=True, metavar="TABLE:ID...")
@json_option
@connected
def disassociate(
    client: Client, table: str, key: str, relationship: str, rows: tuple[str, ...], as_json: bool
) -> None:
    """Take rows out of what a row is related to."""
    source = _ref(client, table, key)
    for each in rows:
        client.associations.remove(source, relationship, _pointed(client, each))
    if as_json:
        write_json({"table": table, "relationship": relationship, "removed": len(rows)})
    else:
        say(f"{len(rows)} rows are no longer related by {relationship}.")
