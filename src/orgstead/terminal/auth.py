"""``orgstead auth``: profiles listed, looked at, selected and removed."""

from collections.abc import Mapping
from typing import Any

import click

from orgstead.client import Client, DynamicsError
from orgstead.terminal.aligned import pairs
from orgstead.terminal.connect import Target, aimed
from orgstead.terminal.groups import auth
from orgstead.terminal.output import forms, json_option, say, sure, write_json, write_rows
from orgstead.terminal.profiles import Profiles

__all__ = ["names"]


@auth.command("list")
@forms
def list_(form: str) -> None:
    """List the profiles; the selected one is marked."""
    profiles = Profiles()
    selected = profiles.selected
    rows = [
        {
            "selected": name == selected if form != "table" else "*" if name == selected else "",
            "name": name,
            "url": each.url,
            "kind": each.kind,
            "person": each.person or each.username or each.client_id or "",
        }
        for name, each in profiles.all().items()
    ]
    if not rows and form == "table":
        say("There are no profiles: 'orgstead auth create --url URL' makes one.")
    write_rows(rows, form=form, columns=("selected", "name", "url", "kind", "person"))


@auth.command("select")
@click.argument("name")
@json_option
def select(name: str, as_json: bool) -> None:
    """Use this profile unless another is named."""
    profiles = Profiles()
    profiles.select(name)
    url = profiles.get(name).url
    _tell({"name": name, "url": url, "selected": True}, f"Profile {name} is selected: {url}", as_json)


@auth.command("remove")
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Forget a profile, and its secrets."""
    Profiles().remove(name)
    _tell({"name": name, "removed": True}, f"Profile {name} is gone.", as_json)


@auth.command("clear")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def clear(yes: bool, as_json: bool) -> None:
    """Forget all profiles."""
    profiles = Profiles()
    sure(f"Forget all profiles in {profiles.place}?", yes)
    number = profiles.clear()
    _tell({"removed": number}, f"{number} profiles are gone.", as_json)


def _tell(told: Mapping[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        write_json(told)
    else:
        say(text)


@auth.command("who")
@json_option
@aimed
def who(aim: Target, as_json: bool) -> None:
    """Say where one is signed in, and as whom."""
    with aim.client() as client:
        told = {"url": client.url, "source": aim.source, **names(client)}
    if as_json:
        write_json(told)
        return
    shown = {
        "Organisation": told["url"],
        "Found in": told["source"],
        "User": told.get("user", ""),
        "User name": told.get("user_name", ""),
        "User id": told["user_id"],
        "Business unit id": told["business_unit_id"],
        "Organisation id": told["organization_id"],
    }
    click.echo(pairs(shown.items()))


def names(client: Client) -> dict[str, str]:
    """Who is signed in, by WhoAmI, and with names as far as one may read them. Raises what a request raises."""
    found = client.who_am_i()
    told = {
        "user_id": found["UserId"],
        "business_unit_id": found["BusinessUnitId"],
        "organization_id": found["OrganizationId"],
    }
    try:
        user = client.records.retrieve("systemuser", found["UserId"], select=["fullname", "domainname"])
    except DynamicsError:
        return told
    named = {"user": user.get("fullname"), "user_name": user.get("domainname")}
    return {**told, **{name: str(value) for name, value in named.items() if value}}
