"""Where requests pass: counted while they run, and held back while everything is made another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orgstead.server.plane.answers import Refused

__all__ = ["Gate"]

PATIENCE_SECONDS = 10.0


class Gate:
    """Counts what runs. One at a time may close it; what comes meanwhile waits."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self.running = 0
        self.closed = False
        self._open = asyncio.Event()
        self._idle = asyncio.Event()
        self._turn = asyncio.Lock()

    async def opened(self) -> None:
        """Wait until it is open. Whoever passes has to be counted in the same turn of the event loop."""
        while self.closed:
            await self._open.wait()

    def leave(self) -> None:
        """Count as running no more."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Counts as running inside of the block."""
        await self.opened()
        self.running += 1
        try:
            yield
        finally:
            self.leave()

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Nothing runs inside of the block. Raises Refused when what runs does not end in time."""
        async with self._turn:
            self._open.clear()
            self.closed = True
            try:
                await self._wait()
                yield
            finally:
                self.closed = False
                self._open.set()

    async def _wait(self) -> None:
        self._idle.clear()
        if not self.running:
            return
        try:
            async with asyncio.timeout(self._seconds):
                await self._idle.wait()
        except TimeoutError:
            raise Refused(
                503, "busy", f"{self.running} requests are still under way after {self._seconds:g} seconds."
            ) from None
