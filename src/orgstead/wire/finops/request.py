"""A request of ``/data``, and in which form its answer is asked for.

https://docs.oasis-open.org/odata/odata-json-format/v4.0/errata03/os/odata-json-format-v4.0-errata03-os-complete.html#_Toc453766613
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orgstead.errors import fault
from orgstead.model.datamanagement import BlobLink

__all__ = ["LEVELS", "Request", "read_level"]

LEVELS = ("none", "minimal", "full")
_RANGE = re.compile(r"\s*([\w.*+-]+/[\w.*+-]+)\s*((?:;[^,]*)?)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the service's root. Header names are lower case.

    ``path`` and ``query`` are still percent-encoded; ``base`` is the root as the client addressed it, with a slash at
    its end; ``company`` is the one that the caller works in; ``link`` makes the address of a blob. ``pending`` maps a
    Content-ID of the same change set to the place of its request and the collection of its row.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    company: str
    new_id: Callable[[], str]
    link: Callable[[BlobLink], str]
    pending: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    in_batch: bool = False

    @property
    def address(self) -> str:
        """The whole address."""
        return f"{self.base}{self.path.lstrip('/')}{'?' if self.query else ''}{self.query}"


def read_level(headers: Mapping[str, str], format: str | None) -> str:
    """How much metadata JSON is to carry: by ``$format``, else by the Accept header; minimal when neither says so.

    Raises ODataUnsupported for a format that is no JSON, or JSON that differs in another way.
    """
    if format is not None:
        text = "application/json" if format == "json" else format
        level = _level(text)
        if level is None:
            raise fault("ODataUnsupported", feature=f"$format={format[:100]}")
        return level
    accept = headers.get("accept", "")
    found = [level for part in accept.split(",") if (level := _level(part)) is not None]
    if not found and accept.strip():
        raise fault("ODataUnsupported", feature=f"Accept: {accept[:100]}")
    return found[0] if found else "minimal"


def _level(text: str) -> str | None:
    """The level that one media range asks for; None when it is not of JSON."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    kind, parameters = match[1].lower(), match[2].lower().replace(" ", "")
    if kind not in ("application/json", "application/*", "*/*") or "ieee754compatible=true" in parameters:
        return None
    for level in LEVELS:
        if f"odata.metadata={level}" in parameters or f"odata={level}metadata" in parameters:
            return level
    return None if "odata.metadata=" in parameters else "minimal"
