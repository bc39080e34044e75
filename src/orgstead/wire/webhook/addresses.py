"""Where an endpoint is called, and what proves to it who is calling.

https://learn.microsoft.com/power-apps/developer/data-platform/register-web-hook#authentication-options
"""

import re
from urllib.parse import quote, urlsplit, urlunsplit

from lxml import etree

from orgstead.errors import Fault, fault
from orgstead.model.endpoints import Endpoint

__all__ = ["HTTP_HEADER", "HTTP_QUERY_STRING", "WEBHOOK_KEY", "address"]

WEBHOOK_KEY, HTTP_HEADER, HTTP_QUERY_STRING = 4, 5, 6
MAX_URL = 2000
MAX_SECRET = 20_000
MAX_SETTINGS = 20
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}")
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")
# What belongs to the message itself.
OURS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "te", "upgrade"}
)


def address(endpoint: Endpoint) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The URL of an endpoint with the keys that it wants there, and the headers that it wants.

    Raises InvalidEndpoint for what is no address, or no such key.
    """
    url = endpoint.url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("its url is none") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > MAX_URL or port == 0:
        raise _refused("its url is an absolute one of http or https, of at most 2,000 characters")
    if not url.isascii() or any(ord(each) <= 32 for each in url):
        raise _refused("its url is ASCII without spaces")
    if parts.username is not None or parts.password is not None:
        raise _refused("its url holds no user and no password")
    if endpoint.authentication is None:
        return url, ()
    secret = endpoint.secret or ""
    if len(secret) > MAX_SECRET:
        raise _refused(f"its authvalue has at most {MAX_SECRET} characters")
    if endpoint.authentication == WEBHOOK_KEY:
        if not secret:
            raise _refused("a webhook key is wanted as its authvalue")
        return _with_query(url, (("code", secret),)), ()
    if endpoint.authentication == HTTP_QUERY_STRING:
        return _with_query(url, _settings(secret)), ()
    if endpoint.authentication == HTTP_HEADER:
        headers = _settings(secret)
        for name, value in headers:
            if not _TOKEN.fullmatch(name) or name.lower() in OURS or not _VALUE.fullmatch(value):
                raise _refused(f"{name[:100]!r} is not a header that can be sent")
        return url, headers
    raise _refused("its authtype is 4 (webhook key), 5 (HTTP header) or 6 (HTTP query string)")


def _refused(reason: str) -> Fault:
    return fault("InvalidEndpoint", reason=reason)


def _with_query(url: str, pairs: tuple[tuple[str, str], ...]) -> str:
    parts = urlsplit(url)
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added, fragment=""))


def _settings(text: str) -> tuple[tuple[str, str], ...]:
    """The names and values of ``<settings><setting name="…" value="…"/></settings>``; raises InvalidEndpoint."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None or root.tag != "settings" or root.getroottree().docinfo.internalDTD is not None:
        raise _refused('its authvalue is <settings><setting name="…" value="…" />…</settings>')
    found = [(each.get("name") or "", each.get("value") or "") for each in root if each.tag == "setting"]
    if len(found) != len(root) or not 0 < len(found) <= MAX_SETTINGS or not all(name for name, _ in found):
        raise _refused(f"its settings are 1 to {MAX_SETTINGS}, each with a name and a value")
    return tuple(found)
