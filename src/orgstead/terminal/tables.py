"""``orgstead tables``: definitions of tables, columns, choices, keys and relationships, read."""

from typing import Any

import click

from orgstead.client import Client, ColumnInfo, TableInfo
from orgstead.terminal.aligned import pairs
from orgstead.terminal.connect import connected
from orgstead.terminal.groups import tables
from orgstead.terminal.output import cell, forms, json_option, write_json, write_rows

__all__: list[str] = []


def _table(found: TableInfo) -> dict[str, Any]:
    return {
        "name": found.name,
        "label": found.label,
        "set": found.set,
        "schema_name": found.schema_name,
        "key": found.key,
        "title": found.title,
        "custom": found.custom,
    }


def _column(found: ColumnInfo) -> dict[str, Any]:
    return {
        "name": found.name,
        "type": found.type,
        "label": found.label,
        "required": found.required,
        "writable": found.writable,
    }


def _fits(search: str | None, *texts: str | None) -> bool:
    return search is None or any(search.casefold() in (each or "").casefold() for each in texts)


@tables.command("list")
@click.option("--custom", is_flag=True, help="Only those that the organisation made.")
@click.option("--search", metavar="TEXT", help="Only those with this text in name or label.")
@forms
@connected
def list_(client: Client, custom: bool, search: str | None, form: str) -> None:
    """List the tables."""
    found = sorted(client.tables.list(custom=custom), key=lambda each: each.name)
    rows = (_table(each) for each in found if _fits(search, each.name, each.label))
    write_rows(rows, form=form, columns=("name", "label", "set", "key", "title", "custom"))


@tables.command("describe")
@click.argument("table")
@json_option
@connected
def describe(client: Client, table: str, as_json: bool) -> None:
    """Describe a table with its columns and keys."""
    name = client.tables.shape(table).name
    told = _table(client.tables.get(name))
    columns = [_column(each) for each in sorted(client.tables.columns(name), key=lambda each: each.name)]
    keys = [
        {"name": each.name, "columns": list(each.columns), "status": each.status}
        for each in client.tables.keys(name)
    ]
    relations = _relationships(client, name)
    if as_json:
        write_json({**told, "columns": columns, "keys": keys, "relationships": relations})
        return
    click.echo(pairs((each, cell(value)) for each, value in told.items()))
    click.echo("")
    write_rows(columns, form="table")
    if keys:
        click.echo("")
        write_rows(({**each, "columns": ", ".join(each["columns"])} for each in keys), form="table")
    click.echo(f"\n{len(relations)} relationships: 'orgstead tables relationships {name}' lists them.")


@tables.command("columns")
@click.argument("table")
@click.option("--search", metavar="TEXT", help="Only those with this text in name or label.")
@click.option("--type", "kind", help="Only those of this type, such as Lookup.")
@click.option("--writable", is_flag=True, help="Only those that may be written.")
@forms
@connected
def columns(
    client: Client, table: str, search: str | None, kind: str | None, writable: bool, form: str
) -> None:
    """List the columns of a table."""
    found = sorted(client.tables.columns(client.tables.shape(table).name), key=lambda each: each.name)
    rows = (
        _column(each)
        for each in found
        if _fits(search, each.name, each.label)
        if kind is None or each.type.casefold() == kind.casefold()
        if each.writable or not writable
    )
    write_rows(rows, form=form, columns=("name", "type", "label", "required", "writable"))


@tables.command("choices")
@click.argument("table")
@click.argument("column")
@forms
@connected
def choices(client: Client, table: str, column: str, form: str) -> None:
    """List what a column of choices may be."""
    found = client.choices.of_column(client.tables.shape(table).name, column)
    rows = ({"value": value, "label": label} for value, label in found.items())
    write_rows(rows, form=form, columns=("value", "label"))


@tables.command("keys")
@click.argument("table")
@forms
@connected
def keys(client: Client, table: str, form: str) -> None:
    """List the alternate keys of a table."""
    found = client.tables.keys(client.tables.shape(table).name)
    rows = (
        {
            "name": each.name,
            "columns": list(each.columns) if form in ("json", "jsonl") else ",".join(each.columns),
            "status": each.status,
        }
        for each in found
    )
    write_rows(rows, form=form, columns=("name", "columns", "status"))


def _relationships(client: Client, table: str) -> list[dict[str, Any]]:
    return [
        {
            "kind": each.kind,
            "navigation": each.navigation,
            "other_table": each.other_table,
            "column": each.column,
            "name": each.schema_name,
        }
        for each in client.tables.relationships(table)
    ]


@tables.command("relationships")
@click.argument("table")
@click.option("--kind", type=click.Choice(["OneToMany", "ManyToOne", "ManyToMany"]), help="Only these.")
@click.option("--search", metavar="TEXT", help="Only those with this text in a name.")
@forms
@connected
def relationships(client: Client, table: str, kind: str | None, search: str | None, form: str) -> None:
    """List relationships and navigation properties.

    A navigation property is what --expand and 'orgstead data associate' take.
    """
    rows = (
        each
        for each in _relationships(client, client.tables.shape(table).name)
        if kind is None or each["kind"] == kind
        if _fits(search, each["name"], each["other_table"], each["navigation"])
    )
    write_rows(rows, form=form, columns=("kind", "navigation", "other_table", "column", "name"))
