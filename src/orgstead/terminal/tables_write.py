"""``orgstead tables``: definitions made and removed."""

from typing import Any

import click

from orgstead.client import Client
from orgstead.terminal.connect import connected
from orgstead.terminal.groups import tables
from orgstead.terminal.output import json_option, say, sure, write_json

__all__: list[str] = []

KINDS = (
    "string", "memo", "int", "bigint", "decimal", "float", "money", "bool", "datetime", "date", "choice", "choices",
    "file", "image", "lookup",
)  # fmt: skip


def _spec(text: str) -> tuple[str, str, str]:
    """``NAME:KIND``, and what stands behind an equals sign. Raises UsageError."""
    name, sign, rest = text.partition(":")
    kind, _, more = rest.partition("=")
    if not sign or kind not in KINDS:
        raise click.UsageError(f"{text[:60]!r} is no NAME:KIND with a kind of {', '.join(KINDS)}.")
    if kind in ("choice", "choices", "lookup") and not more:
        what = "lookup=TABLE" if kind == "lookup" else f"{kind}=Red|Blue"
        raise click.UsageError(f"{name} says what it may be: {name}:{what}.")
    return name, kind, more


@tables.command("create")
@click.argument("schema_name")
@click.argument("columns", nargs=-1, metavar="[COLUMN:KIND]...")
@click.option("--display-name", help="What people call a row; by default the name without its prefix.")
@click.option("--plural-name", help="What people call several.")
@click.option(
    "--primary", metavar="COLUMN", help="The column with the name of a row; by default the prefix and Name."
)
@click.option(
    "--ownership",
    type=click.Choice(["UserOwned", "OrganizationOwned"]),
    default="UserOwned",
    show_default=True,
    help="Who owns rows.",
)
@click.option("--solution", help="The solution that it goes into, by its unique name.")
@json_option
@connected
def create(client: Client, schema_name: str, columns: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Make a table.

    Its name and those of its columns begin with the prefix of a publisher.

    \b
    orgstead tables create new_Boat new_Length:decimal "new_Colour:choice=Red|Blue" new_Owner:lookup=account
    """
    specs = [_spec(each) for each in columns]
    kinds: dict[str, Any] = {
        name: {"kind": kind, "options": more.split("|")} if more else kind
        for name, kind, more in specs
        if kind != "lookup"
    }
    made = client.tables.create(schema_name, kinds, **given)
    for name, kind, more in specs:
        if kind == "lookup":
            client.tables.add_lookup(made.name, name, more, solution=given["solution"])
    if as_json:
        write_json({"name": made.name, "set": made.set, "key": made.key, "title": made.title})
    else:
        say(f"Table {made.name} is there; its rows are at {made.set}.")


@tables.command("delete")
@click.argument("table")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected
def delete(client: Client, table: str, yes: bool, as_json: bool) -> None:
    """Remove a table with all its rows."""
    name = client.tables.shape(table).name
    sure(f"Remove table {name} with {client.query(name).count():,} rows at {client.url}?", yes)
    client.tables.delete(name)
    if as_json:
        write_json({"name": name, "deleted": True})
    else:
        say(f"Table {name} is gone.")


@tables.command("add-column")
@click.argument("table")
@click.argument("schema_name")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--display-name", help="What people call it.")
@click.option("--description", help="What it is for.")
@click.option("--required", is_flag=True, help="A row must have a value.")
@click.option("--length", type=click.IntRange(1), help="Characters of a text.")
@click.option("--precision", type=click.IntRange(0, 10), help="Decimal places.")
@click.option("--minimum", type=float, help="The least number.")
@click.option("--maximum", type=float, help="The greatest number.")
@click.option("--option", "options", multiple=True, help="A label of a choice; several times for several.")
@click.option("--choice-set", help="The global choice that it takes its options from.")
@click.option("--target", help="The table that a lookup leads to.")
@click.option("--solution", help="The solution that it goes into, by its unique name.")
@json_option
@connected
def add_column(
    client: Client,
    table: str,
    schema_name: str,
    kind: str,
    options: tuple[str, ...],
    target: str | None,
    solution: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Make a column.

    \b
    orgstead tables add-column account new_Rating choice --option Good --option Bad
    orgstead tables add-column account new_Boat lookup --target new_boat
    """
    name = client.tables.shape(table).name
    more = {each: value for each, value in given.items() if value not in (None, False)}
    if kind == "lookup":
        strange = more.keys() - {"display_name", "required"}
        if target is None or strange or options:
            raise click.UsageError("A lookup takes --target, --display-name and --required.")
        client.tables.add_lookup(name, schema_name, target, solution=solution, **more)
        made = schema_name.lower()
    else:
        if target is not None:
            raise click.UsageError("--target is for a lookup.")
        if options:
            more["options"] = list(options)
        made = client.tables.add_column(name, schema_name, {"kind": kind, **more}, solution=solution)
    if as_json:
        write_json({"table": name, "column": made})
    else:
        say(f"Column {made} is in {name}.")


@tables.command("delete-column")
@click.argument("table")
@click.argument("column")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected
def delete_column(client: Client, table: str, column: str, yes: bool, as_json: bool) -> None:
    """Remove a column with its values."""
    name = client.tables.shape(table).name
    sure(f"Remove column {column} of {name} with its values at {client.url}?", yes)
    client.tables.delete_column(name, column)
    if as_json:
        write_json({"table": name, "column": column, "deleted": True})
    else:
        say(f"Column {column} is gone.")


@tables.command("add-key")
@click.argument("table")
@click.argument("schema_name")
@click.argument("columns", nargs=-1, required=True)
@click.option("--solution", help="The solution that it goes into, by its unique name.")
@json_option
@connected
def add_key(
    client: Client,
    table: str,
    schema_name: str,
    columns: tuple[str, ...],
    solution: str | None,
    as_json: bool,
) -> None:
    """Make an alternate key.

    Online its index is built in the background: 'orgstead tables keys' says when it finds rows.
    """
    name = client.tables.shape(table).name
    client.tables.add_key(name, schema_name, columns, solution=solution)
    if as_json:
        write_json({"table": name, "key": schema_name.lower(), "columns": list(columns)})
    else:
        say(f"Key {schema_name.lower()} is in {name}; 'orgstead tables keys {name}' says when it finds rows.")


@tables.command("delete-key")
@click.argument("table")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connected
def delete_key(client: Client, table: str, key: str, yes: bool, as_json: bool) -> None:
    """Remove an alternate key."""
    name = client.tables.shape(table).name
    sure(f"Remove key {key} of {name} at {client.url}?", yes)
    client.tables.delete_key(name, key)
    if as_json:
        write_json({"table": name, "key": key, "deleted": True})
    else:
        say(f"Key {key} is gone.")
