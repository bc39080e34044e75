"""``orgstead collection``: requests for Postman and Insomnia, made from an organisation's definitions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from orgstead.client import ClientSecret
from orgstead.client.values import encode
from orgstead.collection import GRANTS, insomnia, postman, read_subject
from orgstead.terminal.connect import Target, aimed
from orgstead.terminal.groups import Verb
from orgstead.terminal.output import say, write_json

__all__ = ["collection"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MAKERS: Mapping[str, Callable[..., Mapping[str, Any]]] = {"postman": postman, "insomnia": insomnia}


@click.command("collection", cls=Verb, short_help="Make a collection for Postman or Insomnia.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(_MAKERS)),
    default="postman",
    show_default=True,
    help="For what.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--tables", metavar="NAMES", help="Only these tables; all that are not private otherwise.")
@click.option(
    "--grant",
    type=click.Choice(GRANTS),
    default=GRANTS[0],
    show_default=True,
    help="How requests get a token.",
)
@click.option("--name", help="What the collection is called.")
@aimed
def collection(
    aim: Target, kind: str, output: Path | None, tables: str | None, grant: str, name: str | None
) -> None:
    """Make a collection of requests: every table, action and function, with variables and OAuth 2.0 set up.

    The secret of the application goes into it only where the organisation is on this machine.
    """
    with aim.client() as client:
        credential = aim.credential
        local = urlsplit(client.url).hostname in LOOPBACK
        subject = read_subject(
            client,
            tables=tuple(filter(None, (tables or "").replace(" ", "").split(","))),
            client_id=str(getattr(credential, "client_id", None) or ""),
            client_secret=credential.client_secret if local and isinstance(credential, ClientSecret) else "",
        )
    made = _MAKERS[kind](subject, name=name or f"Dataverse {urlsplit(client.url).netloc}", grant=grant)
    if output is None:
        write_json(made)
        return
    output.write_bytes(encode(made) + b"\n")
    say(f"{len(subject.tables)} tables, {len(subject.operations)} operations in {output}.")
