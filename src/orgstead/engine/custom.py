"""Custom APIs: rows define them, Python functions answer them.

https://learn.microsoft.com/power-apps/developer/data-platform/custom-api
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from orgstead.engine.registry import OPEN, Call, Handler
from orgstead.engine.timed import Hold, TimeIsUp
from orgstead.errors import Fault, fault
from orgstead.model.apis import signature_of
from orgstead.model.schema import CustomApi

__all__ = ["Function", "Refused", "guarded", "handler_of"]

log = structlog.get_logger()

MAX_REFUSAL = 4000

# Whoever answers uses the call in no other way than through the hold on its transaction.
Function = Callable[[Call, Hold], Mapping[str, Any] | None]


class Refused(Exception):
    """What a function raises to refuse a call: its text is told to the client, and nothing has changed."""


def handler_of(api: CustomApi, functions: Mapping[str, Function]) -> Handler:
    """The handler of a custom API; one that nobody answers faults with NotSupported when it is called."""
    return Handler(
        name=api.name,
        run=partial(_run, api, functions.get(api.name)),
        privilege=api.privilege or OPEN,
        writes=not api.function,
        heavy=True,
        signature=signature_of(api),
    )


def _run(api: CustomApi, function: Function | None, call: Call) -> Any:
    if function is None:
        raise fault("NotSupported", feature=f"The custom API {api.name}, which no function answers,")

    def run(hold: Hold) -> Mapping[str, Any] | None:
        with guarded(api.name):
            answer = function(call, hold)
            # What it answers may be as much its own work as the answering.
            return _answer(api, {} if answer is None else answer)

    return call.limit.run(api.name, run)


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Run what somebody else has written: whatever it raises is a fault, and ends neither a thread nor the server.

    Raises FunctionRefused with the text of a refusal, FunctionFailed for all that is none.
    """
    try:
        yield
    except (Fault, TimeIsUp):
        raise
    except Refused as error:
        # What cannot be sent would be no answer at all.
        text = str(error)[:MAX_REFUSAL].encode("utf-8", "replace").decode()
        raise fault("FunctionRefused", message=text) from error
    except BaseException as error:
        log.error("a function failed", name=name, exc_info=error)
        raise fault("FunctionFailed", name=name) from error


def _answer(api: CustomApi, given: Any) -> Mapping[str, Any] | None:
    """The declared properties; raises FunctionFailed for others, which would silently be lost."""
    names = [each.name for each in api.returns]
    if not isinstance(given, Mapping) or not set(given) <= set(names):
        log.error("a function answers what its custom API does not declare", name=api.name, declared=names)
        raise fault("FunctionFailed", name=api.name)
    return {name: _plain(given.get(name)) for name in names} if names else None


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case date() | UUID():
            return str(value)
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case str() | bytes():
            return value
        case Sequence() if not isinstance(value, tuple) or not hasattr(value, "_fields"):
            return [_plain(each) for each in value]
    return value
