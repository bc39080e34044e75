"""The table of what the admin plane answers, which its index and its documentation are made from."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from orgstead.identity.request import Answer
from orgstead.server.plane.answers import Call, Refused

__all__ = ["PLANE", "ROUTES", "Route", "find_route", "read_query", "route"]

PLANE = "/_orgstead/"
MAX_OPTIONS = 20
_PLACE = re.compile(r"\{(\w+)\}")

Run = Callable[[Any, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address of the plane. ``takes`` says what its body or its query has."""

    method: str
    path: str
    what: str
    takes: str
    run: Run


ROUTES: list[Route] = []


def route(method: str, path: str, takes: str = "") -> Callable[[Run], Run]:
    """Add a function to the table; its docstring says what it does."""

    def add(run: Run) -> Run:
        what = " ".join((run.__doc__ or "").split())
        ROUTES.append(Route(method=method, path=path, what=what, takes=takes, run=run))
        return run

    return add


def find_route(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a path below the plane, and what stands in its places. Raises Refused."""
    allowed = []
    for each in ROUTES:
        found = re.fullmatch(_PLACE.sub(r"(?P<\1>[^/]+)", each.path), path)
        if found is None:
            continue
        if each.method == ("GET" if method == "HEAD" else method):
            return each, found.groupdict()
        allowed.append(each.method)
    if allowed:
        raise Refused(405, "wrong_method", f"{PLANE}{path[:100]} takes {', '.join(allowed)}.")
    raise Refused(404, "unknown_path", f"There is no {PLANE}{path[:100]}; {PLANE} lists what there is.")


def read_query(query: bytes) -> Mapping[str, str]:
    """The options of a query, each once. Raises Refused."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_OPTIONS, errors="strict"
        )
    except ValueError:
        raise Refused(400, "bad_query", "The query cannot be read.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused(400, "bad_query", "An option stands there twice.")
    return found
