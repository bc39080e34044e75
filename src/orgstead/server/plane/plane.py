"""What each address of the admin plane does."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta

from orgstead import __version__
from orgstead.engine.pipeline import Engine
from orgstead.identity.request import Answer
from orgstead.server.admin import Admin
from orgstead.server.observed import Unsupported
from orgstead.server.plane.answers import Call, Refused, json_answer, text_answer
from orgstead.server.plane.clock import AdjustableClock
from orgstead.server.plane.gate import Gate
from orgstead.server.plane.injection import Injection, RuleSetting
from orgstead.server.plane.metrics import CONTENT_TYPE_LATEST, Metrics
from orgstead.server.plane.organisation import START, Keeper, shown
from orgstead.server.plane.requests import MAX_KEPT, RequestLog
from orgstead.server.plane.routes import PLANE, ROUTES, route

__all__ = ["Plane", "Throttle"]


class Throttle(Protocol):
    """The service protection limits, as far as testers steer them."""

    def force(
        self,
        kind: Any,
        *,
        count: int | None,
        seconds: float | None,
        user: str | None,
        retry_after: int | None,
    ) -> None:
        """Refuse the next ``count`` requests, those of so many seconds, or all until ``clear``.

        Of a user, or of everybody. Raises ValueError for what cannot be.
        """

    def clear(self) -> None:
        """Refuse nothing on demand any more."""

    def forget(self) -> None:
        """Let everybody begin anew."""

    def snapshot(self) -> Any:
        """What is counted and what is forced, as JSON has it."""


class ClockSetting(msgspec.Struct, forbid_unknown_fields=True):
    """What the clock is set to: a time with its zone, and whether it stands still."""

    now: datetime
    frozen: bool = False


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """How far the clock is moved, in seconds."""

    seconds: Annotated[float, Meta(ge=-1e10, le=1e10)]


class ResetSetting(msgspec.Struct, forbid_unknown_fields=True):
    """Which snapshot a reset goes back to."""

    snapshot: str = START


class SeedSetting(msgspec.Struct, forbid_unknown_fields=True):
    """How many rows are made up; the same number, the same rows."""

    accounts: Annotated[int, Meta(ge=0, le=100_000)] = 0
    contacts: Annotated[int, Meta(ge=0, le=100_000)] = 0
    random: Annotated[int, Meta(ge=0, le=65_535)] = 1


class ThrottleSetting(msgspec.Struct, forbid_unknown_fields=True):
    """Which limit is said to be exceeded, how often or how long, and for whom."""

    kind: Annotated[str, Meta(min_length=1, max_length=40)] = "requests"
    count: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    seconds: Annotated[float, Meta(gt=0, le=86_400)] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    retry_after: Annotated[int, Meta(ge=0, le=86_400)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The parts of a server that the plane shows and steers."""

    engine: Engine
    admin: Admin
    keeper: Keeper
    gate: Gate
    clock: AdjustableClock
    injection: Injection
    requests: RequestLog
    unsupported: Unsupported
    metrics: Metrics
    database: str
    collect: Callable[[str], Mapping[str, Any]]
    throttle: Throttle | None = None

    def wake(self) -> None:
        """Let jobs that are due by now begin at once."""
        if self.engine.on_jobs is not None:
            self.engine.on_jobs()

    def throttles(self) -> Throttle:
        """The limits. Raises Refused when this server has none."""
        if self.throttle is None:
            raise Refused(501, "no_limits", "This server has no service protection limits.")
        return self.throttle

    def clear(self) -> None:
        """Undo what testers have set beside the data."""
        self.clock.resume()
        self.injection.clear()
        self.requests.clear()
        if self.throttle is not None:
            self.throttle.clear()
            self.throttle.forget()

    def rules(self) -> Sequence[Mapping[str, Any]]:
        """The rules that stand."""
        return [rule.shown() for rule in self.injection.listed()]


@route("GET", "")
async def index(plane: Plane, call: Call) -> Answer:
    """List what is here."""
    call.only()
    rows = [
        {"method": each.method, "path": PLANE + each.path, "what": each.what}
        | ({"takes": each.takes} if each.takes else {})
        for each in ROUTES
    ]
    return json_answer({"product": "Orgstead", "version": __version__, "paths": rows})


@route("GET", "health")
async def health(plane: Plane, call: Call) -> Answer:
    """Tell version, database, version of the definitions, and how many requests are under way."""
    call.only()
    ready = await asyncio.to_thread(plane.admin.ready)
    body = {
        "status": "ready" if ready.status == 200 else ready.body.decode(),
        "version": __version__,
        "database": plane.database,
        "definitions": plane.engine.schema.version,
        "running": plane.gate.running,
        "clock": plane.clock.shown(),
    }
    return json_answer(body, ready.status)


@route("GET", "ready")
async def ready(plane: Plane, call: Call) -> Answer:
    """Answer 200 when the organisation can be asked, 503 when not."""
    call.only()
    return await asyncio.to_thread(plane.admin.ready)


@route("GET", "metrics")
async def metrics(plane: Plane, call: Call) -> Answer:
    """Numbers for Prometheus, in its text format."""
    call.only()
    return text_answer(plane.metrics.text(), CONTENT_TYPE_LATEST)


@route("GET", "collection", "`format`: `postman`, by default, or `insomnia`")
async def collection(plane: Plane, call: Call) -> Answer:
    """Hand out a collection of requests for Postman or Insomnia, made from the definitions."""
    kind = call.only("format").get("format", "postman")
    try:
        made = await asyncio.to_thread(plane.collect, kind)
    except KeyError:
        raise Refused(400, "bad_query", "format is postman or insomnia.") from None
    return json_answer(made)


@route("POST", "reset", "`snapshot`: where to go back to, `start` by default")
async def reset(plane: Plane, call: Call) -> Answer:
    """Go back to the state in which the server started, or to a snapshot; and to real time, no faults, no throttling
    and an empty request log."""
    began = time.perf_counter()
    name = call.value(ResetSetting).snapshot
    await plane.keeper.restore(name, plane.clear)
    return json_answer({"snapshot": name, "ms": round(1000 * (time.perf_counter() - began), 1)})


@route("GET", "snapshots")
async def snapshots(plane: Plane, call: Call) -> Answer:
    """List the snapshots; `start` is the state in which the server started."""
    call.only()
    return json_answer({"snapshots": await plane.keeper.listed()})


@route("PUT", "snapshots/{name}")
async def save(plane: Plane, call: Call) -> Answer:
    """Keep the state of now under a name, in place of an older one; up to 20."""
    began = time.perf_counter()
    made = await plane.keeper.save(call.path["name"])
    return json_answer({**shown(made), "ms": round(1000 * (time.perf_counter() - began), 1)}, 201)


@route("POST", "snapshots/{name}/restore")
async def restore(plane: Plane, call: Call) -> Answer:
    """Go back to a snapshot; clock, faults, throttling and request log stay as they are."""
    began = time.perf_counter()
    name = call.path["name"]
    await plane.keeper.restore(name)
    return json_answer({"snapshot": name, "ms": round(1000 * (time.perf_counter() - began), 1)})


@route("DELETE", "snapshots/{name}")
async def remove(plane: Plane, call: Call) -> Answer:
    """Forget a snapshot."""
    await plane.keeper.remove(call.path["name"])
    return await snapshots(plane, call)


@route("POST", "seed", "`accounts`, `contacts`: how many, up to 100,000; `random`: same number, same rows")
async def seed(plane: Plane, call: Call) -> Answer:
    """Add made-up accounts and contacts."""
    asked = call.value(SeedSetting)
    await plane.keeper.seed(asked.accounts, asked.contacts, asked.random)
    return json_answer({"accounts": asked.accounts, "contacts": asked.contacts}, 201)


@route("GET", "clock")
async def clock(plane: Plane, call: Call) -> Answer:
    """Tell the time of the organisation."""
    call.only()
    return json_answer(plane.clock.shown())


@route("PUT", "clock", "`now`: a time with its zone; `frozen`: whether it stands still")
async def set_clock(plane: Plane, call: Call) -> Answer:
    """Set the clock; relative dates, tokens, schedules of jobs and `createdon` follow."""
    asked = call.value(ClockSetting)
    if asked.now.tzinfo is None:
        raise Refused(400, "no_zone", "now has a time zone: 2030-01-01T09:00:00Z.")
    return _moved(plane, lambda: plane.clock.set(asked.now.astimezone(UTC).timestamp(), frozen=asked.frozen))


@route("POST", "clock/advance", "`seconds`: how far, backwards when negative")
async def advance(plane: Plane, call: Call) -> Answer:
    """Move the clock on."""
    seconds = call.value(Step).seconds
    return _moved(plane, lambda: plane.clock.advance(seconds))


@route("DELETE", "clock")
async def resume(plane: Plane, call: Call) -> Answer:
    """Go back to real time."""
    return _moved(plane, plane.clock.resume)


@route("GET", "faults")
async def faults(plane: Plane, call: Call) -> Answer:
    """List the rules of fault injection, with how often each has interfered."""
    call.only()
    return json_answer({"faults": plane.rules()})


@route(
    "POST",
    "faults",
    "what happens: `status` with `code`, `message`, `retry_after`; `latency` in seconds; `drop`: `before` the request "
    "is worked on or `after`; to which requests: `method`, `path` (a pattern with `*`, by default `/api/data/*`), "
    "`table`, `user`; how often: `rate` (with `seed`), `count`",
)
async def add_fault(plane: Plane, call: Call) -> Answer:
    """Make requests fail; the first rule that fits a request decides. Up to 100."""
    return json_answer(plane.injection.add(call.value(RuleSetting)).shown(), 201)


@route("DELETE", "faults")
async def clear_faults(plane: Plane, call: Call) -> Answer:
    """Forget all rules of fault injection."""
    plane.injection.clear()
    return await faults(plane, call)


@route("DELETE", "faults/{id}")
async def remove_fault(plane: Plane, call: Call) -> Answer:
    """Forget a rule of fault injection."""
    plane.injection.remove(call.path["id"])
    return await faults(plane, call)


@route("GET", "throttle")
async def throttle(plane: Plane, call: Call) -> Answer:
    """Tell what the service protection limits have counted, and what is forced."""
    call.only()
    return json_answer(plane.throttles().snapshot())


@route("POST", "throttle", "`kind` of the limit; `count` of requests, or `seconds`; `user`; `retry_after`")
async def force_throttle(plane: Plane, call: Call) -> Answer:
    """Refuse requests as if a service protection limit was exceeded: so many, so long, or until that is ended."""
    asked = call.value(ThrottleSetting)
    throttle = plane.throttles()
    try:
        throttle.force(
            asked.kind,
            count=asked.count,
            seconds=asked.seconds,
            user=asked.user,
            retry_after=asked.retry_after,
        )
    except ValueError as error:
        raise Refused(400, "bad_throttling", str(error)) from None
    return json_answer(throttle.snapshot(), 201)


@route("DELETE", "throttle")
async def clear_throttle(plane: Plane, call: Call) -> Answer:
    """End forced throttling, and forget what the limits have counted."""
    throttle = plane.throttles()
    throttle.clear()
    throttle.forget()
    return json_answer(throttle.snapshot())


@route("GET", "requests", "`status` (`404`, `4xx`, `dropped`), `path` (a part of it), `method`, `limit`")
async def requests(plane: Plane, call: Call) -> Answer:
    """List the last 1,000 requests, latest first."""
    given = call.only("status", "path", "method", "limit")
    found = plane.requests.listed(
        status=given.get("status", ""),
        path=given.get("path", ""),
        method=given.get("method", ""),
        limit=call.number("limit", MAX_KEPT, MAX_KEPT),
    )
    return json_answer({"requests": [note.shown() for note in found]})


@route("DELETE", "requests")
async def clear_requests(plane: Plane, call: Call) -> Answer:
    """Empty the request log."""
    plane.requests.clear()
    return json_answer({"requests": []})


@route("GET", "unsupported")
async def unsupported(plane: Plane, call: Call) -> Answer:
    """List what was asked for and is not supported, with how often."""
    call.only()
    rows = [{"message": text, "count": number} for text, number in plane.unsupported.listed()]
    return json_answer({"unsupported": rows})


@route("DELETE", "unsupported")
async def clear_unsupported(plane: Plane, call: Call) -> Answer:
    """Empty the list of what is not supported."""
    plane.unsupported.clear()
    return json_answer({"unsupported": []})


def _moved(plane: Plane, move: Any) -> Answer:
    try:
        move()
    except (ValueError, OverflowError) as error:
        raise Refused(400, "bad_time", str(error)) from None
    plane.wake()
    return json_answer(plane.clock.shown())
