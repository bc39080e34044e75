"""The headers that steer a request: Prefer, If-Match and If-None-Match, and Dataverse's own.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors#http-headers
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orgstead.errors import fault

__all__ = ["Match", "Prefer", "parse_match", "parse_prefer"]

FORMATTED = "OData.Community.Display.V1.FormattedValue"
MAX_PAGE_SIZE = 5000

_ITEM = re.compile(
    r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^,;\s]*)))?[^,]*(?:,|$)"""
)
_ETAG = re.compile(r'(?:W/)?"?([0-9A-Fa-f]{1,19})"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefer:
    """What the Prefer header asks for; ``applied`` is the text of Preference-Applied.

    ``annotations`` are patterns such as ``*`` or ``Microsoft.Dynamics.CRM.*``; a leading ``-`` takes away.
    """

    representation: bool = False
    minimal: bool = False
    annotations: tuple[str, ...] = ()
    page_size: int | None = None
    continue_on_error: bool = False
    track_changes: bool = False
    applied: str | None = None

    def wants(self, annotation: str) -> bool:
        """Whether an annotation, by its full name, was asked for."""
        wanted = False
        for pattern in self.annotations:
            if fnmatchcase(annotation, pattern.lstrip("-")):
                wanted = not pattern.startswith("-")
        return wanted


_NONE = Prefer()


def parse_prefer(text: str, *, largest: int = MAX_PAGE_SIZE) -> Prefer:
    """Read a Prefer header; raises InvalidHeader for a bad value of a known preference.

    ``largest`` is how many rows a page has at most.

    Preferences that nobody knows are ignored, as RFC 7240 wants.
    """
    if not text:
        return _NONE
    if len(text) > 4096:
        raise fault("InvalidHeader", name="Prefer", value=text[:50])
    asked: dict[str, str] = {}
    for match in _ITEM.finditer(text):
        name = match[1].lower().removeprefix("odata.")
        asked.setdefault(name, match[2] if match[2] is not None else match[3] or "")
    applied: list[str] = []
    page_size = None
    if "maxpagesize" in asked:
        number = asked["maxpagesize"]
        if not number.isdecimal() or int(number) < 1:
            raise fault("InvalidHeader", name="Prefer: odata.maxpagesize", value=number[:50])
        page_size = min(int(number), largest)
        applied.append(f"odata.maxpagesize={page_size}")
    returned = asked.get("return", "").lower()
    if returned == "representation":
        applied.append("return=representation")
    annotations = tuple(
        part.strip() for part in asked.get("include-annotations", "").split(",") if part.strip()
    )
    if annotations:
        applied.append(f'odata.include-annotations="{",".join(annotations)}"')
    if "continue-on-error" in asked and asked["continue-on-error"].lower() != "false":
        applied.append("odata.continue-on-error")
    if "track-changes" in asked:
        applied.append("odata.track-changes")
    if "respond-async" in asked:
        raise fault("ODataUnsupported", feature="Prefer: respond-async")
    return Prefer(
        representation=returned == "representation",
        minimal=returned == "minimal",
        annotations=annotations,
        page_size=page_size,
        continue_on_error="odata.continue-on-error" in applied,
        track_changes="odata.track-changes" in applied,
        applied=", ".join(applied) or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The conditional headers. ``exists``/``missing`` are ``If-Match: *`` and ``If-None-Match: *``."""

    if_match: int | None = None
    if_none_match: int | None = None
    exists: bool = False
    missing: bool = False


_ANY = Match()


def parse_match(headers: Mapping[str, str], read: Callable[[str], int | None] | None = None) -> Match:
    """Read If-Match and If-None-Match. ``If-None-Match: null`` means nothing, as clients send it.

    ``read`` makes a tag into a version, None for what is no tag.

    Raises InvalidHeader for what is no ETag.
    """
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is None and none_match is None:
        return _ANY
    if none_match is not None and none_match.strip().lower() in ("null", ""):
        none_match = None
    return Match(
        if_match=None if match in (None, "*") else _version("If-Match", match or "", read),
        if_none_match=None
        if none_match in (None, "*")
        else _version("If-None-Match", none_match or "", read),
        exists=match == "*",
        missing=none_match == "*",
    )


def _version(header: str, text: str, read: Callable[[str], int | None] | None) -> int:
    version = (read or _decimal)(text.strip())
    if version is None:
        raise fault("InvalidHeader", name=header, value=text[:50])
    return version


def _decimal(text: str) -> int | None:
    found = _ETAG.fullmatch(text)
    if found is None:
        return None
    # The Web API's tags are decimal; other hexadecimal digits make a well-formed tag that no row has.
    return int(found[1]) if found[1].isdigit() else -1
