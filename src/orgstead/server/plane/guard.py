"""Who may come to the admin plane: whoever holds its key; in development mode without one, anybody on this machine.

A page in a browser on this machine is not anybody: it must not reset an organisation because its author guessed a port.
A browser tells where a page comes from (Origin, Sec-Fetch-Site), names the host that it believes it speaks to, which
gives away a page that has had its own name point here, and sends no JSON across origins without asking first.
https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import hmac
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from orgstead.config import Config
from orgstead.server.plane.answers import Refused

__all__ = ["Guard"]


class Guard:
    """Lets in or refuses. ``own_urls`` are the addresses that the server knows itself by."""

    def __init__(self, config: Config, own_urls: Iterable[str]) -> None:
        self.is_open = config.dev or config.admin_key is not None
        self._key = None if config.admin_key is None else config.admin_key.encode()
        self._hosts = {urlsplit(url).hostname for url in own_urls}

    def check(self, origins: Collection[str], headers: Mapping[str, str]) -> None:
        """Raise Refused for who may not come. ``origins`` are those of the server's own pages."""
        self._check_key(headers.get("authorization", ""))
        host = headers.get("host", "")
        # A page that has its own name point here does not know the key.
        if self._key is None and not self._is_own(host):
            raise Refused(403, "foreign_host", f"The admin plane is not there for the host '{host[:100]}'.")
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "none")
        own = origin is None or origin.lower() in [each.lower() for each in origins]
        if not own or site not in ("none", "same-origin"):
            raise Refused(403, "foreign_origin", "The admin plane is not there for pages of another origin.")
        kind = headers.get("content-type")
        if kind is not None and kind.partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "not_json", "The admin plane takes bodies of the type application/json.")

    def _check_key(self, authorization: str) -> None:
        if self._key is None:
            return
        scheme, _, given = authorization.partition(" ")
        # Compared first, so that every refusal takes as long.
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._key)
        if not same or scheme.lower() != "bearer":
            raise Refused(401, "no_key", "The admin plane wants its key: Authorization: Bearer <admin_key>.")

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (name in self._hosts or _is_here(name))


def _is_here(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
