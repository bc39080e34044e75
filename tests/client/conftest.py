"""The client in both colours against a live server: every test that takes ``client`` runs with each."""

import asyncio
import inspect
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orgstead.client import AsyncClient, Client, ClientSecret
from orgstead.client.methods import Bound
from tests.live import Live, live, trusted

__all__ = ["Live", "live", "trusted"]


class Blocking:
    """An ``AsyncClient``, or a part of one, used as its twin is: every coroutine is run, every iterator drained."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.inner, self.loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        return self.wrapped(getattr(self.inner, name))

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.wrapped(self.inner(*arguments, **options))

    def __iter__(self) -> Iterator[Any]:
        rows = aiter(self.inner)
        while True:
            try:
                yield self.loop.run_until_complete(anext(rows))
            except StopAsyncIteration:
                return

    def __str__(self) -> str:
        return str(self.inner)

    def wrapped(self, found: Any) -> Any:
        if inspect.iscoroutine(found):
            return self.loop.run_until_complete(found)
        if isinstance(found, Bound) or inspect.ismethod(found) or inspect.isasyncgen(found):
            return Blocking(found, self.loop)
        if inspect.isfunction(found) and hasattr(found, "__wrapped__"):
            return Blocking(found, self.loop)
        return found


Make = Callable[..., Any]


def secret(live: Live, **more: Any) -> ClientSecret:
    """The application of development mode."""
    return ClientSecret(client_id=live.client_id, client_secret=live.client_secret, **more)


@pytest.fixture(scope="session", params=["sync", "async"])
def make(request: pytest.FixtureRequest, live: Live) -> Iterator[Make]:
    """A function that makes a client of a colour; it is closed at the end."""
    loop = asyncio.new_event_loop()
    made: list[Any] = []

    def client(url: str | None = None, credential: Any = None, **options: Any) -> Any:
        if url is None or url.startswith("https"):
            options.setdefault("verify", ssl.create_default_context(cafile=live.ca))
        arguments = (url or live.https, credential or secret(live))
        if request.param == "sync":
            made.append(Client(*arguments, **options))
            return made[-1]
        made.append(AsyncClient(*arguments, **options))
        return Blocking(made[-1], loop)

    client.colour = request.param  # type: ignore[attr-defined]
    yield client
    for each in made:
        closed = each.close()
        if inspect.iscoroutine(closed):
            loop.run_until_complete(closed)
    loop.close()


@pytest.fixture(scope="session")
def client(make: Make) -> Any:
    """A client that is signed in as the application of development mode, over TLS."""
    return make()
