"""``orgstead mirror``: another organisation's definitions and rows, taken over."""

import sys

import click

from orgstead.client import Retry
from orgstead.mirror import MirrorOptions, MirrorReport, chosen_rows, mirror
from orgstead.terminal.connect import Target, target
from orgstead.terminal.groups import Verb
from orgstead.terminal.output import json_option, say, write_json

__all__ = ["mirror_"]

PATIENT = Retry(budget=600.0)


@click.command("mirror", cls=Verb, short_help="Take over definitions and rows of an organisation.")
@click.option("--from", "source", metavar="URL|PROFILE", required=True, help="The organisation to take from.")
@click.option("--to", "into", metavar="URL|PROFILE", required=True, help="The organisation to write into.")
@click.option("--tables", metavar="NAMES", help="Take the definitions of these tables.")
@click.option(
    "--rows",
    metavar="TABLE[:FILTER]",
    multiple=True,
    help="Take rows, all or by an OData filter; repeatable.",
)
@click.option("--with-metadata", is_flag=True, help="Beside rows, take all definitions that were changed.")
@json_option
def mirror_(
    source: str, into: str, tables: str | None, rows: tuple[str, ...], with_metadata: bool, as_json: bool
) -> None:
    """Take definitions and rows of an organisation, online or Orgstead, into another.

    Custom tables, columns, choices, relationships and keys are made where they are missing; rows keep their ids. What
    is there already and the same is left alone, so it can be repeated at any time. What could not be taken is listed
    with the reason; the command ends with 1 when the target has refused rows.
    """
    options = MirrorOptions(
        tables=tuple(filter(None, (tables or "").replace(" ", "").split(","))),
        rows=tuple(map(chosen_rows, rows)),
        metadata=with_metadata,
    )
    with _aim(source).client(retry=PATIENT) as first, _aim(into).client(retry=PATIENT) as second:
        report = mirror(first, second, options, progress=None if as_json else lambda text: say(f"{text} …"))
    if as_json:
        write_json(report.to_json())
    else:
        _tell(report)
    if report.refused:
        sys.exit(1)


def _aim(text: str) -> Target:
    """An organisation by its address, or by the name of a profile."""
    return target(url=text) if "://" in text else target(profile=text)


def _tell(report: MirrorReport) -> None:
    for each in report.definitions:
        click.echo(each)
    for table, rows in report.rows.items():
        click.echo(
            f"{table}: {rows.read} rows read, {rows.made} made, {rows.changed} changed, "
            f"{rows.same} as they were, {rows.refused} refused"
        )
    if report.related:
        click.echo(f"{report.related} relations made")
    for left in report.left:
        times = f" ({left.count} times)" if left.count > 1 else ""
        say(f"Not taken: {left.what}: {left.why}{times}")
    if not report.changes:
        click.echo("Nothing has changed.")
