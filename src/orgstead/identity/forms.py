"""Forms that only the browser that was given them can send: a sealed value tied to a cookie.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hashlib
import re
import secrets
from collections.abc import Mapping

from orgstead.identity.errors import refuse
from orgstead.identity.request import Request
from orgstead.identity.services import Services

__all__ = ["browser_cookie", "open_form", "seal_form"]

_VALUE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def browser_cookie(request: Request) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The browser's random value, and the headers that set it where the browser had none."""
    known = _sent_cookie(request)
    if known:
        return known, ()
    value = secrets.token_urlsafe(32)
    secure = "; Secure" if _secure(request) else ""
    return value, (("Set-Cookie", f"{_name(request)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"),)


def seal_form(services: Services, purpose: str, values: Mapping[str, str], cookie: str) -> str:
    """The hidden field of a form: ``values``, tied to the browser's cookie."""
    tied = {**values, "browser": _digest(cookie)}
    return services.sealer.seal(purpose, tied, seconds=services.config.sign_in_seconds)


def open_form(services: Services, purpose: str, request: Request) -> dict[str, str]:
    """The values of a posted form.

    Raises OAuthError (AADSTS50089) when it is too old or another browser's.
    """
    values = services.sealer.open(purpose, request.form.get("ctx", ""))
    cookie = _sent_cookie(request)
    if values is None or not cookie or not secrets.compare_digest(values.pop("browser"), _digest(cookie)):
        raise refuse(50089)
    return values


def _sent_cookie(request: Request) -> str:
    name = _name(request)
    for part in request.headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and _VALUE.fullmatch(value):
            return value
    return ""


def _secure(request: Request) -> bool:
    return request.base_url.startswith("https:")


def _name(request: Request) -> str:
    return "__Host-orgstead-sign-in" if _secure(request) else "orgstead-sign-in"


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
