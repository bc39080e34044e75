"""Requests by their names: how each is read."""

from collections.abc import Callable, Mapping

from orgstead.wire.soap.answers import Many, Operation
from orgstead.wire.soap.ask import Ask

__all__ = ["REQUESTS", "request"]

Read = Callable[[Ask], Operation | Many]
_REQUESTS: dict[str, Read] = {}
REQUESTS: Mapping[str, Read] = _REQUESTS


def request(*names: str) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of the requests of these names."""

    def register(read: Read) -> Read:
        for name in names:
            if name in _REQUESTS:
                raise RuntimeError(f"the request {name} has two readers")
            _REQUESTS[name] = read
        return read

    return register
