"""The groups that commands hang themselves on, and what every command has: failures in words, and quiet endings."""

import os
import sys
from typing import Any

import click

from orgstead.client import DynamicsError
from orgstead.terminal.failures import failure_of

__all__ = ["Verb", "Verbs", "api", "auth", "data", "finops", "tables"]

INTERRUPTED = 130
PIPE_CLOSED = 141


class Verb(click.Command):
    """A command that says a failure in a line, or with ``--json`` as an object, on standard error.

    It ends with 0, with 1 after a failure, with 2 when it was called wrongly, with 130 after Ctrl-C, and with 141 when
    nobody reads its output any more.
    """

    def invoke(self, context: click.Context) -> Any:
        """Run it. Raises Failure."""
        as_json = bool(context.params.get("as_json")) or context.params.get("form") in ("json", "jsonl")
        try:
            return super().invoke(context)
        except BrokenPipeError:
            # Python writes what is left in its buffer at the end, and would complain about that, too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(PIPE_CLOSED)
        except KeyboardInterrupt:
            context.exit(INTERRUPTED)
        except (DynamicsError, OSError, click.ClickException) as error:
            raise failure_of(error, as_json=as_json) from None


class Verbs(click.Group):
    """A group of such commands."""

    command_class = Verb
    group_class = type


@click.group(cls=Verbs)
def auth() -> None:
    """Profiles: where to connect, and as whom."""


@click.group(cls=Verbs)
def data() -> None:
    """Rows of any table, one or many."""


@click.group(cls=Verbs)
def api() -> None:
    """Actions, functions, and any request."""


@click.group(cls=Verbs)
def tables() -> None:
    """Definitions of tables, columns and keys."""


@click.group(cls=Verbs, short_help="Finance and Operations: files and packages.")
def finops() -> None:
    """Finance and Operations: files pushed in and pulled out, and what became of them."""
