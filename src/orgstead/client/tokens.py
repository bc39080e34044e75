"""Getting tokens: the requests of OAuth 2.0 as Entra shapes them, and the challenge that says where to send them.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
https://learn.microsoft.com/power-apps/developer/data-platform/authenticate-oauth
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from orgstead.client.errors import ConfigurationError, CredentialError
from orgstead.client.exchange import exchange
from orgstead.client.flow import Flow, Request
from orgstead.client.retry import Retry

__all__ = ["Token", "Where", "challenged", "check_address", "form_request", "token_of"]

# A token that ends sooner than this is replaced before it is used.
EARLY_SECONDS = 300
TIMEOUT = 30.0
_LOOPBACK = re.compile(r"localhost|.+\.localhost|127(\.\d{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``expires`` is its end in seconds of the epoch, None when it is not known."""

    value: str = field(repr=False)
    expires: float | None = None
    got: float = field(default_factory=time.time)

    @property
    def fresh(self) -> bool:
        """Whether it is good for a while: five minutes, or a tenth of its life if that is less."""
        if self.expires is None:
            return True
        left = self.expires - time.time()
        return left > min(EARLY_SECONDS, (self.expires - self.got) / 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Whom to ask for a token, and what for: ``authority`` is ``https://login.microsoftonline.com``."""

    authority: str
    tenant: str
    resource: str

    @property
    def scope(self) -> str:
        """Everything that the resource grants."""
        return f"{self.resource}/.default"

    def endpoint(self, name: str) -> str:
        """The address of an endpoint of version 2: ``token``, ``authorize``, ``devicecode``."""
        return f"{self.authority}/{self.tenant}/oauth2/v2.0/{name}"


def check_address(url: str, *, allow_http: bool, what: str = "the address") -> str:
    """The origin of an address: scheme, host and port. Raises ConfigurationError.

    Plain http sends tokens in the clear, so it is for loopback, or for those who allow it.
    """
    try:
        parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigurationError(f"{what} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise ConfigurationError(
            f"{what} is an address of https, without a user: got {parts.scheme}://{host}"
        )
    if parts.scheme == "http" and not allow_http and not _LOOPBACK.fullmatch(host):
        raise ConfigurationError(
            f"{what} is plain http on {host}, which sends tokens in the clear: use https, "
            "or allow it (allow_http=True, --allow-http)"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")


def challenged(header: str, *, allow_http: bool) -> tuple[str, str] | None:
    """Authority and tenant of a ``WWW-Authenticate`` header; None when it names none.

    Raises ConfigurationError for an authority on plain http.
    """
    found = re.search(r"authorization(?:_uri)?\s*=\s*\"?([^\s,\"]+)", header, re.IGNORECASE)
    if found is None:
        return None
    authority = check_address(found[1], allow_http=allow_http, what="the authority")
    tenant = urlsplit(found[1]).path.strip("/").split("/")[0]
    return (authority, tenant) if tenant else None


def form_request(
    url: str, form: Mapping[str, str], retry: Retry, *, idempotent: bool
) -> Flow[dict[str, Any]]:
    """Post a form to the authority and return its JSON, which may be a refusal with the member ``error``."""
    request = Request(
        method="POST",
        url=url,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        content=urlencode(form).encode(),
        timeout=TIMEOUT,
    )
    answer, _ = yield from exchange(request, retry, idempotent=idempotent, accepted=(400, 401, 403))
    try:
        body = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise CredentialError(f"the authority answered {answer.status} and no JSON: is {url} its address?")
    return body


def token_of(body: Mapping[str, Any]) -> Token:
    """The access token of an answer; raises CredentialError with what the authority said when it is a refusal."""
    if "access_token" in body:
        now = time.time()
        return Token(str(body["access_token"]), now + float(body.get("expires_in") or 3600), now)
    codes = body.get("error_codes") or ()
    raise CredentialError(
        str(body.get("error_description") or body.get("error") or "the authority gave no token"),
        error=str(body.get("error") or ""),
        codes=tuple(code for code in codes if isinstance(code, int)),
        correlation_id=str(body.get("correlation_id") or ""),
    )
