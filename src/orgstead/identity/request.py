"""The value that goes into the authorization server and the value that comes out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from orgstead.identity.errors import refuse

__all__ = ["NO_STORE", "Answer", "Request", "json_answer", "read_fields", "redirect"]

NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))

MAX_FIELDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, decoded.

    ``path`` is percent-decoded, header names are lower case, ``base_url`` is ``scheme://host[:port]``
    without a slash at the end, as the caller wrote it (behind a proxy: as the proxy's caller did).
    """

    method: str
    path: str
    base_url: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. ``headers`` has no Content-Length: the server that sends it knows."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> "Answer":
        """The same answer with more headers."""
        return replace(self, headers=self.headers + headers)


def json_answer(status: int, value: object, *headers: tuple[str, str]) -> Answer:
    """A JSON answer that no cache keeps, unless ``headers`` say otherwise."""
    names = {name.lower() for name, _ in headers}
    kept = () if "cache-control" in names else NO_STORE
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    kind = ("Content-Type", "application/json; charset=utf-8")
    return Answer(
        status=status, headers=(kind, ("X-Content-Type-Options", "nosniff"), *kept, *headers), body=body
    )


def redirect(location: str) -> Answer:
    """A 302, as Entra answers a finished sign-in."""
    return Answer(status=302, headers=(("Location", location), ("Referrer-Policy", "no-referrer"), *NO_STORE))


def read_fields(text: bytes) -> dict[str, str]:
    """Decode ``application/x-www-form-urlencoded`` text.

    Raises OAuthError (AADSTS9002313) for text that is not UTF-8, for more than 100 fields, for a field
    with a NUL, and for a name that comes twice: https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    """
    try:
        pairs = parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise refuse(9002313, reason="its fields cannot be decoded.") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise refuse(9002313, reason=f"the parameter '{name[:60]}' comes twice.")
        if "\0" in value:
            raise refuse(9002313, reason=f"the parameter '{name[:60]}' holds a NUL character.")
        fields[name] = value
    return fields
