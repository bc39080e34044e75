"""``orgstead api``: actions and functions listed, described and called, and requests of any kind."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import msgspec

from orgstead.client import Client, Ref
from orgstead.client.values import decode
from orgstead.terminal.aligned import pairs
from orgstead.terminal.arguments import arguments_of
from orgstead.terminal.connect import connected
from orgstead.terminal.groups import api
from orgstead.terminal.operations import Operation, Operations, Parameter, read_operations
from orgstead.terminal.output import cell, forms, json_option, say, write_json, write_rows
from orgstead.terminal.values import Typing, read_data, read_source

__all__: list[str] = []

COLLECTION = "Collection("
ANY = frozenset({"crmbaseentity", f"{COLLECTION}crmbaseentity)"})


def _parameters(operation: Operation) -> str:
    return ", ".join(f"{each.name}{'?' if each.optional else ''}" for each in operation.parameters)


@api.command("list")
@click.option("--kind", type=click.Choice(["action", "function"]), help="Only these.")
@click.option("--table", help="Only what is bound to rows of this table.")
@click.option("--search", metavar="TEXT", help="Only those with this text in their name.")
@forms
@connected
def list_(client: Client, kind: str | None, table: str | None, search: str | None, form: str) -> None:
    """List the actions and functions of the service."""
    fitting = {f"{COLLECTION}{table})", table}
    rows = (
        {
            "name": each.name,
            "kind": each.kind,
            "bound_to": each.bound or "",
            "parameters": _parameters(each)
            if form in ("table", "csv")
            else [p.name for p in each.parameters],
        }
        for each in sorted(read_operations(client).all, key=lambda each: (each.name, each.bound or ""))
        if kind is None or each.kind == kind
        if table is None or each.bound in fitting
        if search is None or search.casefold() in each.name.casefold()
    )
    write_rows(rows, form=form, columns=("name", "kind", "bound_to", "parameters"))


@api.command("describe")
@click.argument("name")
@json_option
@connected
def describe(client: Client, name: str, as_json: bool) -> None:
    """Say what an action or function takes."""
    known = read_operations(client)
    found = known.named(name)
    told = [_described(known, each) for each in found]
    if as_json:
        write_json(told)
        return
    click.echo("\n\n".join(_text(each) for each in told))


def _described(known: Operations, operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "kind": operation.kind,
        "bound_to": operation.bound,
        "parameters": [_parameter(known, each) for each in operation.parameters],
        "returns": operation.returns,
        "answer": [_parameter(known, each) for each in known.complexes.get(operation.returns or "", ())],
    }


def _parameter(known: Operations, each: Parameter) -> dict[str, Any]:
    inner = each.type.removeprefix(COLLECTION).removesuffix(")")
    members = {"members": list(known.enums[inner])} if inner in known.enums else {}
    if inner in known.complexes:
        members = {"members": [f"{one.name}: {one.type}" for one in known.complexes[inner]]}
    return {"name": each.name, "type": each.type, "required": not each.optional, **members}


def _text(told: Mapping[str, Any]) -> str:
    bound = f", bound to {told['bound_to']}" if told["bound_to"] else ""
    lines = [f"{told['name']}: {'an action' if told['kind'] == 'action' else 'a function'}{bound}"]
    for title, rows in (("Takes", told["parameters"]), ("Answers", told["answer"])):
        if rows:
            lines += ["", f"{title}:", *(f"  {line}" for line in _lines(rows, title == "Takes"))]
    if told["returns"] and not told["answer"]:
        lines += ["", f"Answers: {told['returns']}"]
    return "\n".join(lines)


def _lines(rows: Sequence[Mapping[str, Any]], takes: bool) -> Iterator[str]:
    width = max(len(each["name"]) for each in rows)
    for each in rows:
        required = " (required)" if each["required"] and takes else ""
        yield f"{each['name']:<{width}}  {each['type']}{required}"
        if each.get("members"):
            yield f"{'':<{width}}    {', '.join(each['members'])}"


@api.command("invoke")
@click.argument("name")
@click.argument("parameters", nargs=-1, metavar="[PARAMETER=VALUE]...")
@click.option("--table", help="The table that it is bound to.")
@click.option("--id", "key", help="The row that it is bound to: an id, or an alternate key as column=value.")
@click.option(
    "--data",
    "source",
    metavar="JSON",
    help="Parameters as a JSON object: JSON, @file, or - for standard input.",
)
@json_option
@connected
def invoke(
    client: Client,
    name: str,
    parameters: tuple[str, ...],
    table: str | None,
    key: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Call an action or function, and print its answer.

    \b
    orgstead api invoke WhoAmI
    orgstead api invoke WinOpportunity Status=3 OpportunityClose='{"opportunityid@odata.bind": "/opportunities(ID)"}'
    orgstead api invoke AddToQueue --table queue --id ID Target=letter:ID

    Values are what the parameters are of: rows as table:ID, members of an enumeration by name, anything else as JSON.
    """
    known = read_operations(client)
    operation = _chosen(known.named(name), table, key)
    on: Ref | str | None = None
    if operation.bound is not None:
        typing = Typing(client, str(table))
        on = Ref(typing.shape.name, typing.key(key)) if key is not None else typing.shape.name
    arguments = arguments_of(client, known, operation, parameters, read_data(source))
    call = client.functions.call if operation.kind == "function" else client.actions.invoke
    answer = call(operation.name, arguments, on=on)
    if as_json or not (answer is None or _is_flat(answer)):
        write_json(answer)
    elif answer is None:
        say("Done.")
    elif isinstance(answer, Mapping):
        click.echo(pairs((str(each), cell(value)) for each, value in answer.items()))
    else:
        click.echo(cell(answer))


def _is_flat(answer: Any) -> bool:
    if isinstance(answer, Mapping):
        return not any(isinstance(each, Mapping | list) for each in answer.values())
    return not isinstance(answer, list)


def _chosen(found: Sequence[Operation], table: str | None, key: str | None) -> Operation:
    """The operation that fits what was given. Raises UsageError."""
    if table is None:
        if key is not None:
            raise click.UsageError("The row of which table? Give --table.")
        for each in found:
            if each.bound is None:
                return each
        raise click.UsageError(
            f"{found[0].name} is bound to {_bounds(found)}: give --table, and --id for a row."
        )
    wanted = table if key is not None else f"{COLLECTION}{table})"
    for each in found:
        if each.bound == wanted or (each.bound in ANY and each.bound.startswith(COLLECTION) == (key is None)):
            return each
    bounds = _bounds(found)
    raise click.UsageError(
        f"{found[0].name} is bound to {bounds}."
        if bounds
        else f"{found[0].name} is bound to nothing: leave out --table."
    )


def _bounds(found: Sequence[Operation]) -> str:
    return ", ".join(each.bound for each in found if each.bound)


@api.command("request")
@click.argument("method")
@click.argument("path")
@click.option("--data", "source", metavar="BODY", help="The body: as it is, @file, or - for standard input.")
@click.option(
    "--header",
    "-H",
    "headers",
    multiple=True,
    metavar="NAME:VALUE",
    help="A header; several times for several.",
)
@click.option("--include", "-i", is_flag=True, help="Print status and headers, too, on standard error.")
@json_option
@connected
def request(
    client: Client,
    method: str,
    path: str,
    source: str | None,
    headers: tuple[str, ...],
    include: bool,
    as_json: bool,
) -> None:
    """Send any request.

    PATH is below the Web API, or begins with a slash and is below the host.

    \b
    orgstead api request GET 'accounts?$select=name&$top=3'
    orgstead api request PATCH 'accounts(ID)' --data '{"name": "Blue Heron"}' -H 'If-Match: *'

    The body of the answer is printed as it is; with --json together with status and headers.
    """
    if not method.isalpha() or len(method) > 20:
        raise click.UsageError(f"{method[:20]!r} is no method.")
    sent = dict(map(_header, headers))
    content = read_source(source) if source is not None else None
    if content is not None and not any(each.lower() == "content-type" for each in sent):
        sent["Content-Type"] = "application/json; charset=utf-8"
    answer = client.request(method, path.replace(" ", "%20"), content=content, headers=sent)
    told = {str(name).lower(): str(value) for name, value in answer.headers.items()}
    if include:
        say("\n".join([f"HTTP {answer.status}", *(f"{name}: {value}" for name, value in told.items()), ""]))
    is_json = "json" in told.get("content-type", "") and answer.content
    if as_json:
        body = decode(answer.content) if is_json else answer.content.decode("utf-8", "replace") or None
        write_json({"status": answer.status, "headers": told, "body": body})
    elif is_json and sys.stdout.isatty():
        click.echo(msgspec.json.format(answer.content, indent=2))
    else:
        sys.stdout.buffer.write(answer.content)
        sys.stdout.buffer.flush()


def _header(text: str) -> tuple[str, str]:
    name, sign, value = text.partition(":")
    if not sign or not name.strip() or not value.isprintable():
        raise click.UsageError(f"{text[:60]!r} is no NAME:VALUE.")
    if name.strip().lower() == "authorization":
        raise click.UsageError("The token is the profile's: --token gives another one.")
    return name.strip(), value.strip()
