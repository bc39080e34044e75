"""``orgstead auth create``: a profile is made, tried, and kept once it works."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from orgstead.client import ConfigurationError, read_connection_string
from orgstead.client.tokens import check_address
from orgstead.terminal.auth import names
from orgstead.terminal.connect import Target
from orgstead.terminal.credentials import KINDS, OPEN, PASSWORD, SECRET, STRING, connection_of
from orgstead.terminal.groups import auth
from orgstead.terminal.output import json_option, say, write_json
from orgstead.terminal.profiles import Held, Profile, Profiles, can_encrypt, check_name

__all__: list[str] = []

DEV_URL = "http://localhost:5365"
STANDARD_INPUT = "-"
MAX_SECRET = 32_768


@auth.command("create")
@click.option("--name", "-n", help="Name of the profile; by default that of the organisation.")
@click.option(
    "--url",
    "--environment",
    "-env",
    "url",
    metavar="URL",
    help="The organisation: https://org12345.crm.dynamics.com",
)
@click.option(
    "--dev", is_flag=True, help="A development organisation of Orgstead, with its published credentials."
)
@click.option("--client-id", help="Id of the application; by default that of Microsoft's samples.")
@click.option(
    "--client-secret",
    help="Sign in as the application, by its secret; - asks for it, or reads it from standard input.",
)
@click.option(
    "--certificate", type=click.Path(dir_okay=False), help="Sign in by a certificate: PEM or PKCS #12."
)
@click.option("--certificate-password", help="Its password; - asks for it, or reads it from standard input.")
@click.option("--username", help="Sign in as a person, by name and password.")
@click.option("--password", help="The password; - asks for it, or reads it from standard input.")
@click.option("--device-code", is_flag=True, help="Sign in as a person, by a code for another device.")
@click.option(
    "--browser", is_flag=True, help="Sign in as a person, by the browser here; that is what comes unasked."
)
@click.option("--connection-string", metavar="TEXT", help="All of it as Dynamics developers write it.")
@click.option(
    "--from-environment", is_flag=True, help="By the environment, as it is each time: CLIENT_ID and so on."
)
@click.option("--tenant-id", help="The tenant; the organisation says it otherwise.")
@click.option("--authority", help="Who signs in; the organisation says it otherwise.")
@click.option(
    "--ca", type=click.Path(dir_okay=False), help="A file of certificate authorities to trust, in PEM."
)
@click.option("--allow-http", is_flag=True, help="Send tokens in the clear to another machine.")
@click.option("--replace", is_flag=True, help="In place of a profile of this name.")
@json_option
def create(
    name: str | None,
    url: str | None,
    connection_string: str | None,
    ca: str | None,
    allow_http: bool,
    replace: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Sign in to an organisation, and keep how as a profile.

    \b
    orgstead auth create --url https://org12345.crm.dynamics.com
    orgstead auth create --url https://org12345.crm.dynamics.com --client-id ID --client-secret -
    orgstead auth create --url http://localhost:5365 --dev

    The profile is then selected. Secrets and refresh tokens are kept encrypted.
    """
    kind = _kind(connection_string, given)
    if connection_string:
        url = url or read_connection_string(connection_string).url
    if not url and kind == "dev":
        url = DEV_URL
    if not url:
        raise click.UsageError("Which organisation? Give --url.")
    if kind not in OPEN and not can_encrypt():
        raise ConfigurationError("keeping secrets needs the extra crypto: pip install 'orgstead[crypto]'")
    profiles = Profiles()
    url = check_address(url, allow_http=allow_http)
    name = check_name(name or _named(url, kind))
    if name in profiles.all() and not replace:
        raise ConfigurationError(f"there is a profile {name!r} already: give another --name, or --replace")
    held = Held()
    profile = Profile(
        url=url,
        kind=kind,
        client_id=given["client_id"],
        tenant_id=given["tenant_id"],
        authority=given["authority"],
        username=given["username"],
        certificate=str(Path(given["certificate"]).resolve()) if given["certificate"] else None,
        ca=str(Path(ca).resolve()) if ca else None,
        allow_http=allow_http,
    )
    for each, value in _secrets(kind, connection_string, given).items():
        held.set(each, value)
    made = connection_of(profile, held, ask=True)
    with Target(
        url=url, credential=made.credential, source=f"profile {name}", ca=profile.ca
    ).client() as client:
        told = names(client)
    person = told.get("user") or told.get("user_name") or told["user_id"]
    profiles.save(name, msgspec.structs.replace(profile, person=person), held.held)
    if as_json:
        write_json({"name": name, "url": url, "kind": kind, **told})
    else:
        say(f"Signed in to {url} as {person}. Profile {name} is kept and selected.")


def _kind(connection_string: str | None, given: Mapping[str, Any]) -> str:
    """The one way to sign in that was asked for. Raises UsageError for two."""
    asked = {
        "connection-string": connection_string,
        "dev": given["dev"],
        "environment": given["from_environment"],
        "certificate": given["certificate"],
        "password": given["password"]
        or (given["username"] and not given["device_code"] and not given["browser"]),
        "device-code": given["device_code"],
        "browser": given["browser"],
        "secret": given["client_secret"],
    }
    found = [kind for kind, value in asked.items() if value]
    if len(found) > 1 and found[-1] == "secret" and found[0] in ("password", "device-code", "browser"):
        found.pop()  # the secret of the application by which a person signs in
    if len(found) > 1:
        raise click.UsageError(f"A profile has one way to sign in, not {' and '.join(found)}.")
    kind = found[0] if found else "browser"
    assert kind in KINDS
    if kind in ("secret", "certificate") and not given["client_id"]:
        raise click.UsageError("Which application? Give --client-id.")
    return kind


def _secrets(kind: str, connection_string: str | None, given: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str | None] = {SECRET: _read(given["client_secret"], "Client secret")}
    if kind == "password":
        if not given["username"]:
            raise click.UsageError("Whose password? Give --username.")
        found[PASSWORD] = _read(given["password"] or "", "Password")
    if kind == "certificate":
        found[PASSWORD] = _read(given["certificate_password"], "Password")
    found[STRING] = connection_string
    return {name: value for name, value in found.items() if value}


def _read(given: str | None, what: str) -> str | None:
    """A secret as it was given, or asked for where it is empty, or a line of standard input."""
    if given == STANDARD_INPUT and not sys.stdin.isatty():
        return sys.stdin.readline(MAX_SECRET).rstrip("\r\n")
    if given in ("", STANDARD_INPUT):
        asked: str = click.prompt(what, hide_input=True, err=True)
        return asked
    return given


def _named(url: str, kind: str) -> str:
    """A name for a profile from the address of its organisation."""
    host = urlsplit(url).hostname or ""
    first = "dev" if kind == "dev" else host if re.fullmatch(r"[\d.:]+", host) else host.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]", "-", first).strip("-") or "default"
