"""The commands ``orgstead actions`` and ``orgstead mcp``: the actions at hand, and as tools for agents."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

import click
import msgspec

from orgstead.actions.action import Action
from orgstead.actions.toolkit import ELEVEN, TOOLKIT
from orgstead.client import Browser, Client, ClientSecret, ConfigurationError, Credential, TokenStore
from orgstead.terminal.connect import Target, target, to_connect
from orgstead.terminal.profiles import directory

__all__ = ["COMMANDS"]

F = TypeVar("F", bound=Callable[..., Any])
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_INPUT = 1024 * 1024

_OPTIONS = (
    click.option("--client-id", help="Id of the application, instead of a profile."),
    click.option("--client-secret", help="Its secret; without --sign-in it signs in by itself with that."),
    click.option("--tenant-id", help="The tenant; the organisation says it otherwise."),
    click.option("--authority", help="Who signs in; the organisation says it otherwise."),
    click.option("--sign-in", is_flag=True, help="Sign in with a browser; what keeps it is kept encrypted."),
)


def _connected(command: F) -> F:
    """Give a command the options of all commands to connect, and those of agents' settings, where no profile is."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return to_connect(command)


def _target(
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    tenant_id: str | None = None,
    authority: str | None = None,
    sign_in: bool = False,
    **given: Any,
) -> Target:
    """What to connect to and how. Raises ConfigurationError."""
    credential: Credential | None = None
    if sign_in:
        credential = Browser(store=TokenStore(directory() / "tokens"), client_secret=client_secret)
        credential.client_id = client_id or credential.client_id
    elif client_id and client_secret:
        credential = ClientSecret(client_id=client_id, client_secret=client_secret)
    if credential is not None:
        credential.tenant_id, credential.authority = tenant_id, authority
    return target(credential=credential, **given)


def _opened(given: Mapping[str, Any]) -> Target:
    try:
        return _target(**given)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


@click.group("actions")
def actions_() -> None:
    """Actions, the same that agents are given."""


@actions_.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(as_json: bool) -> None:
    """List the actions."""
    if as_json:
        rows = [{"name": each.name, "title": each.title, "reads": each.reads} for each in TOOLKIT.values()]
        click.echo(json.dumps(rows, indent=2))
        return
    for each in TOOLKIT.values():
        click.echo(f"{each.name:<36}{'reads' if each.reads else 'writes':<8}{each.title}")


def _action(name: str) -> Action[Any, Any]:
    if name not in TOOLKIT:
        raise click.ClickException(f"There is no action {name!r}: 'orgstead actions list' lists them.")
    return TOOLKIT[name]


@actions_.command("describe")
@click.argument("name")
def describe(name: str) -> None:
    """Print what an action does, and the JSON schemas of its parameters and its result."""
    found = _action(name)
    shown = {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "reads": found.reads,
        "changes": found.changes,
        "deletes": found.deletes,
        "idempotent": found.idempotent,
        "input_schema": found.input_schema,
        "output_schema": found.output_schema,
    }
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


@actions_.command("run")
@click.argument("name")
@click.argument("arguments", nargs=-1)
@click.option(
    "--input", "source", type=click.File("rb"), help="Arguments as a JSON object; - is standard input."
)
@_connected
def run(name: str, arguments: tuple[str, ...], source: Any, **given: Any) -> None:
    """Run an action: NAME, then arguments as name=value, where a value is JSON or else a text.

    Prints the result as JSON, and ends with 1 when it was no success.
    """
    found = _action(name)
    asked = {**_read(source), **dict(_argument(found, each) for each in arguments)}
    with _client(_opened(given)) as client:
        result = found.run(client, asked)
    click.echo(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    if not result.success:
        sys.exit(1)


def _client(found: Target) -> Client:
    try:
        return found.client()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _read(source: Any) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        return msgspec.json.decode(source.read(MAX_INPUT), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise click.ClickException(f"--input is a JSON object: {error}") from None


def _argument(action: Action[Any, Any], text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.ClickException(f"An argument is name=value, not {text[:60]!r}.")
    schema = action.input_schema["properties"].get(name, {})
    kinds = {schema.get("type"), *(each.get("type") for each in schema.get("anyOf", ()))}
    if "string" in kinds:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@click.command("mcp", short_help="Give the actions to agents over MCP.")
@_connected
@click.option(
    "--allow",
    envvar="ORGSTEAD_MCP_ALLOW",
    type=click.Choice(["read", "write", "delete"]),
    default="read",
    show_default=True,
    help="What agents may do; each includes what is before it.",
)
@click.option(
    "--tools",
    type=click.Choice(["all", "eleven"]),
    default="all",
    show_default=True,
    help="All actions, or the eleven of the connector only.",
)
@click.option(
    "--http", "address", metavar="HOST:PORT", help="Answer over HTTP at /mcp instead of standard input."
)
def mcp(allow: str, tools: str, address: str | None, **given: Any) -> None:
    """Give the actions to agents over the Model Context Protocol, against any Dynamics 365 or Orgstead.

    Over HTTP each request brings its own token, and acts with its privileges; on loopback addresses requests without
    one act with the credentials given here.
    """
    try:
        server = import_module("orgstead.actions.mcp_server")
        over_http = import_module("orgstead.actions.mcp_http")
    except ModuleNotFoundError as error:
        raise click.ClickException(f"This needs {error.name}: pip install 'orgstead[mcp]'") from None
    shown = TOOLKIT if tools == "all" else {each.name: each for each in ELEVEN}
    if address is None:
        asyncio.run(_stdio(server, _opened(given), allow, shown))
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.ClickException("--http is HOST:PORT, such as 127.0.0.1:8000.")
    over_http.serve(
        _for_http(given, host), host=host, port=int(port), allow=allow, actions=shown, announce=_tell
    )


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _for_http(given: Mapping[str, Any], host: str) -> tuple[str, Credential | None]:
    """The organisation, and the credential of requests without a token: only this machine may use ours."""
    try:
        found = _target(**given)
    except ConfigurationError:
        address = given["url"] or os.environ.get("DATAVERSE_URL")
        if not address:
            raise click.ClickException("Which organisation? Give --url, or set DATAVERSE_URL.") from None
        return address, None
    return found.url, found.credential if host in LOOPBACK else None


async def _stdio(server: Any, found: Target, allow: str, actions: Any) -> None:
    try:
        client = found.async_client()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
    async with client:
        await server.serve_stdio(server.make_server(lambda request: client, allow=allow, actions=actions))


COMMANDS = (actions_, mcp)
