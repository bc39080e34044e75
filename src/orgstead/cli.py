"""The commands: ``orgstead serve``, ``init``, ``seed``, ``certs``, ``token``, ``keys``, ``config``, ``version``.

Those that steer a running server are in ``testing.commands``, those of actions and agents in ``actions.commands``,
those of rows, tables and profiles in ``terminal.commands``.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar

import click

from orgstead import __version__
from orgstead.actions.commands import COMMANDS as ACTIONS
from orgstead.config import LIMITS, Config, ConfigError, read_config, redacted
from orgstead.errors import Fault
from orgstead.terminal.commands import COMMANDS as TERMINAL
from orgstead.testing.commands import COMMANDS

__all__ = ["main"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--data",
        metavar="DIR",
        help="Directory of the data; :memory: leaves nothing behind.",
    ),
    click.option("--database-url", metavar="URL", help="PostgreSQL instead of the SQLite file."),
    click.option(
        "--dev/--no-dev", default=None, help="Development mode: published credentials, loopback only."
    ),
)


def _settings(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _server() -> Any:
    """The module of the server's parts: they come with an extra, and are loaded for the commands that need them."""
    try:
        return import_module("orgstead.commands")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("orgstead"):
            raise
        raise click.ClickException(f"The server needs {error.name}: pip install 'orgstead[server]'") from None


def _config(**given: Any) -> Config:
    _server()
    try:
        return read_config(given)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None


# The commands of the first page by what they are for, in the order in which one comes to them.
_SECTIONS = {
    "Work with any organisation, here or online": "auth data api tables finops actions mcp mirror collection",
    "Run an organisation": "serve init seed certs token keys config version",
    "Steer a running one in tests": "reset snapshot clock faults throttle requests",
}


class _Commands(click.Group):
    """Says a failure in a line, and shows its commands by what they are for."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        left = dict(self.commands)
        for title, names in _SECTIONS.items():
            self._section(formatter, title, {name: left.pop(name) for name in names.split() if name in left})
        if left:
            self._section(formatter, "Others", left)

    def _section(
        self, formatter: click.HelpFormatter, title: str, commands: Mapping[str, click.Command]
    ) -> None:
        width = max(map(len, self.commands))
        limit = formatter.width - 6 - width
        with formatter.section(title):
            formatter.write_dl(
                [(f"{name:<{width}}", each.get_short_help_str(limit)) for name, each in commands.items()]
            )

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except Fault as error:
            raise click.ClickException(" ".join(filter(None, (error.message, error.hint)))) from None
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """An organisation of your own that speaks the Dynamics 365 protocols, and the client of any.

    Begin with 'orgstead serve' and 'orgstead auth create --dev', or with 'orgstead auth create --url URL'.
    """


for each in (*TERMINAL, *COMMANDS, *ACTIONS):
    main.add_command(each)


@main.command()
@_settings
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--http-port", type=click.IntRange(0, 65535), help="Port of HTTP (5365); 0 takes a free one.")
@click.option("--https-port", type=click.IntRange(0, 65535), help="Port of HTTPS (5366); 0 takes a free one.")
@click.option("--extensions", metavar="DIR", help="Directory of Python files that answer custom APIs.")
@click.option("--limits", type=click.Choice(LIMITS), help="Service protection: auto, on, count or off.")
@click.option("--sample/--no-sample", default=None, help="Fill a new organisation with sample rows.")
@click.option("--silent/--no-silent", default=None, help="Print nothing at start.")
def serve(**given: Any) -> None:
    """Answer over HTTP and HTTPS until stopped."""
    config = _config(**given)
    _server().run(config, (lambda text: None) if config.silent else click.echo)


@main.command()
@_settings
@click.option("--sample/--no-sample", default=None, help="Fill a new organisation with sample rows.")
def init(**given: Any) -> None:
    """Make the organisation, if it is not there yet."""
    with _server().open_quietly(_config(**given)):
        click.echo("The organisation is there.")


@main.command()
@_settings
@click.option(
    "--accounts", type=click.IntRange(0, 10_000_000), default=0, show_default=True, help="Accounts to add."
)
@click.option(
    "--contacts", type=click.IntRange(0, 10_000_000), default=0, show_default=True, help="Contacts to add."
)
@click.option("--random", "seed_", type=int, default=1, show_default=True, help="Same number, same rows.")
def seed(accounts: int, contacts: int, seed_: int, **given: Any) -> None:
    """Add many made-up accounts and contacts."""
    with (
        _server().open_quietly(_config(**given)) as organisation,
        click.progressbar(length=accounts + contacts, label="rows") as bar,
    ):
        _server().fill(organisation.engine, accounts, contacts, seed_, bar.update)


@main.command(short_help="Make the local certificate authority.")
@_settings
def certs(**given: Any) -> None:
    """Make the local certificate authority and print how to trust it."""
    made = _server().certify(_config(**given))
    click.echo(f"Certificate authority: {made.authority.resolve()}")
    if made.new_authority:
        click.echo("It is new: whoever trusted an older one has to trust this one.")
    click.echo("\nPython (requests, httpx, aiohttp), and Node:\n")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        click.echo(f"  export {name}={made.authority.resolve()}")
    click.echo("\nDebian and Ubuntu, for everything on the machine:\n")
    click.echo(
        f"  cp {made.authority.resolve()} /usr/local/share/ca-certificates/orgstead.crt && update-ca-certificates"
    )


@main.command()
@_settings
@click.option(
    "--url", default="http://localhost:5365", show_default=True, help="The server that the token is for."
)
def token(url: str, **given: Any) -> None:
    """Print a bearer token of the development application."""
    config = _config(**given)
    if not config.dev:
        raise click.ClickException(
            "Outside development mode, ask the token endpoint with your own credentials."
        )
    if not _server().is_founded(config):
        # A new organisation here would have keys that no running server knows.
        raise click.ClickException(
            f"There is no organisation in {config.data}. Start one with 'orgstead serve', "
            "or name the directory of the one that runs with --data."
        )
    click.echo(_server().sign(config, url))


@main.group(short_help="The subscription keys of CRM as a Service.")
def keys() -> None:
    """The subscription keys of CRM as a Service: two, so that one works while the other is renewed."""


@keys.command("show-once")
@_settings
def keys_show_once(**given: Any) -> None:
    """Make both keys and print them, once: only their hashes are kept."""
    with _server().open_quietly(_config(**given)) as organisation:
        made = _server().first_keys(organisation)
    if made is None:
        raise click.ClickException("The keys have been shown. Make a new one with 'orgstead keys rotate'.")
    for name, key in made.items():
        click.echo(f"{name:<9} {key}")


@keys.command("rotate")
@click.argument("name", metavar="primary|secondary", type=click.Choice(("primary", "secondary")))
@_settings
def keys_rotate(name: str, **given: Any) -> None:
    """Put a new key in the place of one and print it, once; the other one goes on working."""
    with _server().open_quietly(_config(**given)) as organisation:
        click.echo(_server().rotate_key(organisation, name))


@main.group("config")
def config_() -> None:
    """Look at the settings."""


@config_.command("show")
@_settings
def config_show(**given: Any) -> None:
    """Print every setting, secrets hidden."""
    for name, value in redacted(_config(**given)).items():
        click.echo(f"{name} = {value}")


@config_.command("check")
@_settings
def config_check(**given: Any) -> None:
    """Say whether the settings fit together."""
    _config(**given)
    click.echo("The settings fit together.")


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
