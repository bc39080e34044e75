"""The path of a request: text to segments.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part2-url-conventions/odata-v4.0-errata03-os-part2-url-conventions-complete.html
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from orgstead.errors import Fault, fault
from orgstead.languages.odata.aliases import parameter_value
from orgstead.model.types import is_guid

__all__ = ["Alias", "Segment", "parse_path"]

MAX_SEGMENTS = 12
MAX_ARGUMENTS = 64

_NAME = re.compile(r"[^\W\d][\w.]*|\$[\w]*")
# What nearly all paths are: a set, or a row of it by its id.
_USUAL = re.compile(r"/?([a-z_]\w*)(?:\(([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\))?", re.ASCII)
_PAIR = re.compile(r"\s*([^\W\d]\w*)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One step of a path: ``name``, ``name(id)`` or ``name(a='x',b=@p)``.

    ``id`` is a single GUID between the parentheses; ``pairs`` the named values, where a parameter alias is
    the text ``@name`` wrapped in ``Alias``; ``alone`` another value without a name, where paths may have one;
    ``called`` says that there were parentheses at all.
    """

    name: str
    id: str | None = None
    alone: Any = None
    pairs: tuple[tuple[str, Any], ...] = ()
    called: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """A parameter alias used as a value in a path: ``@p1`` (the name without ``@``)."""

    name: str


def parse_path(text: str, *, nameless: bool = False) -> tuple[Segment, ...]:
    """The segments of a path below the API's root, still percent-encoded; empty for the root itself.

    ``nameless``: a key may be one value that is no GUID and has no name.
    Raises ResourceNotFound, ODataSyntax or InvalidGuid for what is no path.
    """
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        name, id = usual.groups()
        return (Segment(name=name, id=id.lower(), called=True) if id else Segment(name=name),)
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise fault("ODataSyntax", message="The address is not valid UTF-8.") from None
    if "\x00" in decoded:
        raise fault("ODataSyntax", message="The address contains a NUL character.")
    parts = _split(decoded.strip("/"), "/")
    if len(parts) > MAX_SEGMENTS:
        raise fault("QueryTooComplex", limit=f"{MAX_SEGMENTS} segments in a path")
    return tuple(_segment(part, nameless) for part in parts if part)


def _split(text: str, separator: str) -> list[str]:
    """Split outside of quotes and of brackets of any kind."""
    parts, start, depth, quoted = [], 0, 0, False
    for index, char in enumerate(text):
        if char == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def _segment(text: str, nameless: bool) -> Segment:
    match = _NAME.match(text)
    if match is None:
        raise _not_found(text)
    name, rest = match[0], text[match.end() :].rstrip()
    if not rest:
        return Segment(name=name)
    if not (rest.startswith("(") and rest.endswith(")")):
        raise _not_found(text)
    inside = rest[1:-1].strip()
    if not inside:
        return Segment(name=name, called=True)
    if is_guid(inside):
        return Segment(name=name, id=inside.lower(), called=True)
    if is_guid(inside.strip("'{}")) and "=" not in inside:
        return Segment(name=name, id=inside.strip("'{}").lower(), called=True)
    pairs = _split(inside, ",")
    if len(pairs) > MAX_ARGUMENTS:
        raise fault("QueryTooComplex", limit=f"{MAX_ARGUMENTS} values in a key")
    if len(pairs) == 1 and _PAIR.fullmatch(inside) is None:
        if nameless:
            return Segment(name=name, alone=parameter_value(inside), called=True)
        raise fault("InvalidGuid", value=inside[:100])
    return Segment(name=name, pairs=tuple(_pair(pair) for pair in pairs), called=True)


def _pair(text: str) -> tuple[str, Any]:
    match = _PAIR.fullmatch(text)
    if match is None:
        raise fault("ODataSyntax", message=f"Bad Request - Error in query syntax: '{text[:100]}'.")
    name, value = match[1], match[2].strip()
    if value.startswith("@"):
        return name, Alias(value[1:])
    return name, parameter_value(value)


def _not_found(text: str) -> Fault:
    return fault("ResourceNotFound", segment=text[:100])
