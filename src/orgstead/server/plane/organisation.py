"""What the plane does with an organisation as a whole: keeps its state, goes back to it, fills it."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol

import structlog

from orgstead.engine.copies import Copies
from orgstead.engine.ports import Snapshot
from orgstead.errors import Fault
from orgstead.server.plane.answers import Refused
from orgstead.server.plane.gate import Gate

__all__ = ["START", "Keeper", "Resting", "Seed", "shown"]

log = structlog.get_logger()

# The copy that a server takes of itself when it starts.
START = "start"
MAX_SNAPSHOTS = 20
# A larger organisation is not copied without being asked for.
MAX_START_BYTES = 256 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9_-]{1,40}")

# Adds so many accounts and contacts, the same for the same third number.
Seed = Callable[[int, int, int], None]


class Resting(Protocol):
    """What works in the background, and can be kept from it."""

    async def __aenter__(self) -> Any:
        """Begin to work."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Come to an orderly end."""

    def at_rest(self) -> AbstractAsyncContextManager[None]:
        """Does nothing inside of the block; all rows may be others after it. Raises TimeoutError."""


class Keeper:
    """Copies of one server's organisation, taken and gone back to while it runs.

    It is itself what runs in the background: before the others begin it copies the organisation as it starts, when
    ``starts`` says so.
    """

    def __init__(
        self, copies: Copies, gate: Gate, background: Iterable[Resting], seed: Seed, *, starts: bool
    ) -> None:
        self._copies = copies
        self._gate = gate
        self._background = tuple(background)
        self._seed = seed
        self._starts = starts
        self._without = "This server keeps no state of its start outside development mode."
        self._running = AsyncExitStack()

    async def __aenter__(self) -> "Keeper":
        await asyncio.to_thread(self._keep_start)
        for each in self._background:
            await self._running.enter_async_context(each)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.aclose()

    def _keep_start(self) -> None:
        if not self._starts:
            return
        try:
            size = self._copies.size()
            if size <= MAX_START_BYTES:
                self._copies.save(START)
                self._without = ""
                return
            if any(each.name == START for each in self._copies.listed()):
                self._copies.remove(START)
            self._without = (
                f"This organisation had {size} bytes when the server started, too many to copy unasked."
            )
        except (Fault, OSError) as error:
            self._without = f"The state of the start could not be kept: {getattr(error, 'hint', '') or error}"
            log.warning("there is no state of the start to go back to", reason=self._without)

    async def save(self, name: str) -> Snapshot:
        """Keep the state of now. Raises Refused for a name that cannot be, and for one copy too many."""
        _check(name)
        if name == START:
            raise Refused(409, "reserved_name", f"'{START}' is the state in which the server started.")
        there = await asyncio.to_thread(self._copies.listed)
        others = {each.name for each in there} - {START, name}
        if len(others) >= MAX_SNAPSHOTS:
            raise Refused(409, "too_many", f"There are {MAX_SNAPSHOTS} snapshots: remove one first.")
        await asyncio.to_thread(self._copies.save, name)
        (made,) = (each for each in await asyncio.to_thread(self._copies.listed) if each.name == name)
        return made

    async def restore(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        """Go back to a copy; ``then`` is called before anybody sees it. Raises Refused.

        What clients have asked for is waited for, and what they ask for meanwhile waits.
        """
        _check(name)
        if name == START and self._without:
            raise Refused(409, "no_start", f"{self._without} Save a snapshot and restore that.")
        async with self._gate.shut(), AsyncExitStack() as resting:
            for each in self._background:
                try:
                    await resting.enter_async_context(each.at_rest())
                except TimeoutError as error:
                    raise Refused(503, "busy", str(error)) from None
            try:
                await asyncio.to_thread(self._copies.restore, name)
            except LookupError:
                raise _unknown(name) from None
            then()

    async def remove(self, name: str) -> None:
        """Forget a copy. Raises Refused."""
        _check(name)
        if name == START:
            raise Refused(409, "reserved_name", f"'{START}' is the state in which the server started.")
        try:
            await asyncio.to_thread(self._copies.remove, name)
        except LookupError:
            raise _unknown(name) from None

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """The copies that there are."""
        return [shown(each) for each in await asyncio.to_thread(self._copies.listed)]

    async def seed(self, accounts: int, contacts: int, random: int) -> None:
        """Add made-up rows."""
        async with self._gate.passed():
            await asyncio.to_thread(self._seed, accounts, contacts, random)


def shown(snapshot: Snapshot) -> Mapping[str, Any]:
    """A copy as JSON has it."""
    taken = (
        datetime.fromtimestamp(snapshot.taken, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
    return {"name": snapshot.name, "taken": taken, "bytes": snapshot.bytes}


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(
            400,
            "bad_name",
            "A snapshot's name is 1 to 40 lower-case letters, digits, hyphens and underscores.",
        )


def _unknown(name: str) -> Refused:
    return Refused(404, "unknown_snapshot", f"There is no snapshot '{name}'.")
