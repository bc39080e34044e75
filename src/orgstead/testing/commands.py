"""The commands that steer a running server through its admin plane."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from orgstead.testing.plane import Plane, PlaneError

__all__ = ["COMMANDS"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--url", envvar="ORGSTEAD_URL", default="http://localhost:5365", show_default=True, help="The server."
    ),
    click.option("--key", envvar="ORGSTEAD_ADMIN_KEY", help="Its admin key, where it has one."),
    click.option("--json", "as_json", is_flag=True, help="Print what the server answers, as JSON."),
)


def _server(command: F) -> F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def _plane(url: str, key: str | None) -> Iterator[Plane]:
    plane = Plane(url, key=key)
    try:
        yield plane
    except PlaneError as error:
        raise click.ClickException(error.message) from None
    finally:
        plane.close()


def _call(
    server: Mapping[str, Any],
    method: str,
    path: str,
    body: Any = None,
    *,
    say: Callable[[Any], str],
    query: Mapping[str, object] | None = None,
) -> None:
    """Ask the plane, and print the answer as JSON or as ``say`` puts it."""
    with _plane(server["url"], server["key"]) as plane:
        answer = plane.call(method, path, body, query)
    text = json.dumps(answer, indent=2) if server["as_json"] else say(answer)
    if text:
        click.echo(text)


@click.command(short_help="Take a running server back to its start.")
@click.option("--snapshot", default="start", show_default=True, help="The state to go back to.")
@_server
def reset(snapshot: str, **server: Any) -> None:
    """Take a running server back to the state of its start: data, clock, faults, throttling, request log."""
    _call(
        server,
        "POST",
        "reset",
        {"snapshot": snapshot},
        say=lambda a: f"Back at '{a['snapshot']}' after {a['ms']:g} ms.",
    )


@click.group("snapshot")
def snapshot() -> None:
    """Keep states of a running server, and go back to them."""


def _snapshots(answer: Any) -> str:
    rows = [f"{row['name']:<40}  {row['taken']}  {row['bytes']:>12,} bytes" for row in answer["snapshots"]]
    return "\n".join(rows) or "There are no snapshots."


@snapshot.command("save")
@click.argument("name")
@_server
def snapshot_save(name: str, **server: Any) -> None:
    """Keep the state of now."""
    _call(server, "PUT", f"snapshots/{name}", say=lambda a: f"Kept as '{a['name']}' after {a['ms']:g} ms.")


@snapshot.command("restore")
@click.argument("name")
@_server
def snapshot_restore(name: str, **server: Any) -> None:
    """Go back to a state; clock and faults stay as they are."""
    _call(
        server,
        "POST",
        f"snapshots/{name}/restore",
        say=lambda a: f"Back at '{a['snapshot']}' after {a['ms']:g} ms.",
    )


@snapshot.command("list")
@_server
def snapshot_list(**server: Any) -> None:
    """List the states that are kept."""
    _call(server, "GET", "snapshots", say=_snapshots)


@snapshot.command("delete")
@click.argument("name")
@_server
def snapshot_delete(name: str, **server: Any) -> None:
    """Forget a state."""
    _call(server, "DELETE", f"snapshots/{name}", say=_snapshots)


@click.group("clock")
def clock() -> None:
    """The clock of a running server."""


def _time(answer: Any) -> str:
    return f"{answer['now']}{', standing still' if answer['frozen'] else ''}"


@clock.command("show")
@_server
def clock_show(**server: Any) -> None:
    """Print the time of the organisation."""
    _call(server, "GET", "clock", say=_time)


@clock.command("set")
@click.argument("now")
@click.option("--frozen", is_flag=True, help="Let it stand still.")
@_server
def clock_set(now: str, frozen: bool, **server: Any) -> None:
    """Make it a time, such as 2030-01-01T09:00:00Z."""
    _call(server, "PUT", "clock", {"now": now, "frozen": frozen}, say=_time)


@clock.command("advance", context_settings={"ignore_unknown_options": True})
@click.argument("seconds", type=float)
@_server
def clock_advance(seconds: float, **server: Any) -> None:
    """Move it on by seconds; backwards when negative."""
    _call(server, "POST", "clock/advance", {"seconds": seconds}, say=_time)


@clock.command("resume")
@_server
def clock_resume(**server: Any) -> None:
    """Go back to real time."""
    _call(server, "DELETE", "clock", say=_time)


@click.group("faults")
def faults() -> None:
    """Let requests to a running server fail on purpose."""


_SHOWN = ("id", "fired", "spent")


def _rule(row: Mapping[str, Any]) -> str:
    parts = " ".join(f"{name}={value}" for name, value in row.items() if name not in _SHOWN)
    return f"{row['id']}: {parts}; struck {row['fired']} times{', spent' if row['spent'] else ''}"


def _rules(answer: Any) -> str:
    return "\n".join(map(_rule, answer["faults"])) or "There are no rules."


@faults.command("add")
@click.option("--status", type=click.IntRange(400, 599), help="Answer with a fault of this status.")
@click.option("--code", help="The fault's code, such as 0x80040216.")
@click.option("--message", help="The fault's text.")
@click.option("--retry-after", type=click.IntRange(0), help="Seconds for the header Retry-After.")
@click.option("--latency", type=click.FloatRange(0), help="Wait so many seconds first.")
@click.option(
    "--drop",
    type=click.Choice(["before", "after"]),
    help="End the connection before or after the request's work.",
)
@click.option("--method", help="Requests with this method.")
@click.option("--path", help="Requests to such a path, * standing for anything; /api/data/* by default.")
@click.option("--table", help="Requests to this table.")
@click.option("--user", help="Requests of the user with this id.")
@click.option("--rate", type=click.FloatRange(0, 1, min_open=True), help="This part of the requests.")
@click.option("--seed", type=int, help="Same number, same dice.")
@click.option("--count", type=click.IntRange(1), help="So many requests, then no more.")
@_server
def faults_add(url: str, key: str | None, as_json: bool, **rule: Any) -> None:
    """Add a rule; the first one that fits a request decides."""
    asked = {name: value for name, value in rule.items() if value is not None}
    _call({"url": url, "key": key, "as_json": as_json}, "POST", "faults", asked, say=_rule)


@faults.command("list")
@_server
def faults_list(**server: Any) -> None:
    """List the rules, with how often each has struck."""
    _call(server, "GET", "faults", say=_rules)


@faults.command("delete")
@click.argument("id", type=int)
@_server
def faults_delete(id: int, **server: Any) -> None:
    """Forget a rule."""
    _call(server, "DELETE", f"faults/{id}", say=_rules)


@faults.command("clear")
@_server
def faults_clear(**server: Any) -> None:
    """Forget all rules."""
    _call(server, "DELETE", "faults", say=_rules)


@click.group("throttle")
def throttle() -> None:
    """The service protection limits of a running server."""


def _pretty(answer: Any) -> str:
    return json.dumps(answer, indent=2)


@throttle.command("force")
@click.option("--kind", default="requests", show_default=True, help="Which limit is said to be exceeded.")
@click.option("--count", type=click.IntRange(1), help="For so many requests.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="For so long.")
@click.option("--user", help="For the user with this id.")
@click.option("--retry-after", type=click.IntRange(0), help="Seconds for the header Retry-After.")
@_server
def throttle_force(url: str, key: str | None, as_json: bool, **given: Any) -> None:
    """Refuse requests as if a limit was exceeded."""
    asked = {name: value for name, value in given.items() if value is not None}
    _call({"url": url, "key": key, "as_json": as_json}, "POST", "throttle", asked, say=_pretty)


@throttle.command("show")
@_server
def throttle_show(**server: Any) -> None:
    """Print what the limits have counted, and what is forced."""
    _call(server, "GET", "throttle", say=_pretty)


@throttle.command("clear")
@_server
def throttle_clear(**server: Any) -> None:
    """End forced throttling, and forget what was counted."""
    _call(server, "DELETE", "throttle", say=_pretty)


def _request(row: Mapping[str, Any]) -> str:
    status = row["status"] or "dropped"
    extra = " ".join(str(row[name]) for name in ("code", "user") if row[name])
    return f"{row['time']} {row['method']:<6} {status} {row['ms']:8.1f} ms  {row['path']}  {extra}".rstrip()


@click.command()
@click.option("--status", help="Only of this status: 404, 4xx, dropped.")
@click.option("--path", help="Only with this text in the path.")
@click.option("--method", help="Only with this method.")
@click.option("--limit", type=click.IntRange(0, 1000), default=20, show_default=True, help="At most so many.")
@click.option("--clear", is_flag=True, help="Empty the log instead.")
@_server
def requests(status: str, path: str, method: str, limit: int, clear: bool, **server: Any) -> None:
    """Print the last requests to a running server, latest first."""

    def say(answer: Any) -> str:
        return "\n".join(map(_request, answer["requests"]))

    if clear:
        _call(server, "DELETE", "requests", say=say)
        return
    query = {"status": status, "path": path, "method": method, "limit": limit}
    _call(server, "GET", "requests", say=say, query=query)


COMMANDS = (reset, snapshot, clock, faults, throttle, requests)
