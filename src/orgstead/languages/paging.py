"""Paging cookies: a cursor as the text that Dataverse's clients pass back.

The cursor's values stand in the order of the sort keys. The outer element and the doubly encoded inner XML are
what clients take apart: https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/page-results
"""

import re
from collections.abc import Sequence
from html import unescape
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from orgstead.errors import Fault, fault
from orgstead.model.query import Untyped

__all__ = ["read_cookie", "read_inner", "write_cookie", "write_inner"]

MAX_COOKIE = 16_384

_OUTER = re.compile(r'<cookie\s+pagenumber="(\d{1,9})"\s+pagingcookie="([^"]*)"(?:\s+istracking="\w*")?\s*/>')
_INNER = re.compile(
    r'<cookie page="\d+">((?:<[\w.-]+ (?:last="[^"]*"(?: first="[^"]*")?|lastnull="1") ?/>)*)</cookie>'
)
_VALUE = re.compile(r'<[\w.-]+ (?:last="([^"]*)"|lastnull="1")')
_HEX = re.compile("%[0-9A-F]{2}")


def write_cookie(page: int, names: Sequence[str], values: Sequence[Any]) -> str:
    """The cookie that leads to page number ``page``: ``<cookie pagenumber= pagingcookie= istracking=/>``.

    Raises QueryTooComplex when the values are too long for one.
    """
    twice = _encode(_encode(write_inner(page - 1, names, values)))
    cookie = f'<cookie pagenumber="{page}" pagingcookie="{twice}" istracking="False" />'
    if len(cookie) > MAX_COOKIE:
        raise _too_long()
    return cookie


def write_inner(page: int, names: Sequence[str], values: Sequence[Any]) -> str:
    """The inner XML of the cookie that page number ``page`` ends with, as the Organization Service gives it.

    Raises QueryTooComplex when the values are too long for one.
    """
    inner = "".join(
        f'<{name} lastnull="1" />' if value is None else f'<{name} last="{_text(value)}" />'
        for name, value in zip(names, values, strict=True)
    )
    if len(inner) > MAX_COOKIE:
        raise _too_long()
    return f'<cookie page="{page}">{inner}</cookie>'


def _too_long() -> Fault:
    return fault(
        "QueryTooComplex", limit=f"{MAX_COOKIE} characters of a paging cookie: order by shorter values"
    )


def read_cookie(text: str) -> tuple[int, tuple[Untyped | None, ...]]:
    """The page number and the cursor out of a cookie, whole or as its inner XML, encoded or not.

    Raises InvalidPagingCookie.
    """
    if len(text) > MAX_COOKIE:
        raise fault("InvalidPagingCookie")
    for _ in range(3):
        if text.startswith("<"):
            break
        text = unquote(text)
    outer = _OUTER.fullmatch(text.strip())
    if outer is None:
        raise fault("InvalidPagingCookie")
    if int(outer[1]) < 1:
        raise fault("InvalidPagingCookie")
    return int(outer[1]), read_inner(outer[2])


def read_inner(text: str) -> tuple[Untyped | None, ...]:
    """The cursor out of a cookie's inner XML, encoded or not; raises InvalidPagingCookie."""
    if len(text) > MAX_COOKIE:
        raise fault("InvalidPagingCookie")
    for _ in range(2):
        # An address that was read has lost one of the two levels; decoding once too often would change values.
        if text.startswith("<"):
            break
        text = unquote(text)
    inner = _INNER.fullmatch(text)
    if inner is None:
        raise fault("InvalidPagingCookie")
    return tuple(
        None if match[1] is None else Untyped(unescape(match[1])) for match in _VALUE.finditer(inner[1])
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return escape(str(value), {'"': "&quot;"})


def _encode(text: str) -> str:
    # Lower-case hexadecimal digits, as the platform writes them.
    return _HEX.sub(lambda match: match[0].lower(), quote(text, safe="-_.!~*()"))
