"""The form of a row, as deep links address it: a plain page until there is an application for people.

A request with a token gets the row as its caller may see it. One without gets a page that repeats what was asked for
and says how to ask; it tells nothing of what is there.
https://learn.microsoft.com/power-apps/developer/model-driven-apps/open-forms-views-dialogs-reports-url
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from orgstead.errors import Fault, fault
from orgstead.identity.request import Answer
from orgstead.model.schema import Table
from orgstead.model.types import is_guid
from orgstead.server.callers import Callers
from orgstead.server.dataverse import Dataverse
from orgstead.server.limits import Limits
from orgstead.server.soap import Origin
from orgstead.server.visits import Visit
from orgstead.wire.odatav4.reply import Reply

__all__ = ["Forms"]

PATH = "/main.aspx"
MAX_QUERY = 4096
FORMATTED = "@OData.Community.Display.V1.FormattedValue"
ASKED = {"accept": "application/json", "prefer": 'odata.include-annotations="*"'}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,127}")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "code{font:14px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem 1rem .3rem 0;border-bottom:1px solid #d0d5da}"
    "th{font-weight:600;width:16rem}td{white-space:pre-wrap;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{background:#15181c;color:#e6e8ea}th,td{border-color:#3a414a}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", f"{_CLOSED}; style-src 'sha256-{_DIGEST}'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


class Forms:
    """Answers ``/main.aspx``."""

    def __init__(self, dataverse: Dataverse, callers: Callers, limits: Limits) -> None:
        self._dataverse = dataverse
        self._callers = callers
        self._limits = limits

    async def answer(
        self, method: str, path: str, query: bytes, headers: Mapping[str, str], origin: Origin
    ) -> Answer | None:
        """The page of a row; None for a path of somebody else's."""
        if path.lower() != PATH:
            return None
        if method not in ("GET", "HEAD"):
            return _page(405, "No such method", ["A form is read by GET."], (("Allow", "GET, HEAD"),))
        given = _given(query)
        table, id = given.get("etn", "").lower(), given.get("id", "").strip("{}").lower()
        if given.get("pagetype", "").lower() != "entityrecord" or "extraqs" in given:
            error = fault(
                "NotSupported", feature="main.aspx with another page than the form of a row that is there"
            )
            self._dataverse.unsupported.note(error)
            text = "What it has are forms: pagetype=entityrecord with etn, the name of a table, and id."
            return _page(error.status, "Not supported", [error.message, text])
        if not _NAME.fullmatch(table) or not is_guid(id):
            return _page(400, "Which row?", ["etn is the logical name of a table, and id is a GUID."])
        if "authorization" not in headers:
            return _unknown(table, id, origin.address)
        try:
            return await self._row(table, id, headers, origin)
        except Fault as error:
            asked = (("WWW-Authenticate", origin.challenge(error)),) if error.status == 401 else ()
            return _page(error.status, "Not to be shown", [error.message], asked)

    async def _row(self, table: str, id: str, headers: Mapping[str, str], origin: Origin) -> Answer:
        caller = await self._callers.find(headers["authorization"], origin.audiences)
        extra: list[tuple[str, str]] = []
        with Visit(self._limits) as visit:
            try:
                visit.enter(caller, extra)
            except Fault as error:
                return _page(error.status, "Not now", [error.message], extra)
            caller = await self._callers.acting(caller, headers)
            found = self._dataverse.engine.schema.tables.get(table)
            if found is None or found.is_private:
                return _page(404, "No such table", [f"There is no table {table}."], extra)
            base = f"{origin.address}/api/data/v9.2/"
            visit.begin()
            reply = await self._dataverse.answer(
                "GET", f"{found.entity_set}({id})", "", ASKED, b"", base, caller
            )
            return _shown(found, id, base, reply, extra)


def _given(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(query[:MAX_QUERY].decode("latin-1"), max_num_fields=50)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in pairs}


def _shown(table: Table, id: str, base: str, reply: Reply, extra: Sequence[tuple[str, str]]) -> Answer:
    body: dict[str, Any] = msgspec.json.decode(reply.body)
    if reply.status != 200:
        return _page(reply.status, "Not to be shown", [str(body["error"]["message"])], extra)
    name = body.get(table.primary_name or "") or id
    address = f"{base}{table.entity_set}({id})"
    rows = "".join(f"<tr><th>{escape(label)}<td>{escape(text)}" for label, text in _values(table, body))
    title = f"{table.display_name or table.logical_name}: {name}"
    more = f"<table>{rows}</table><p>API: <code>{escape(address)}</code>"
    return _page(200, title, [], extra, more)


def _values(table: Table, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a person reads: the label of each column that has a value, and the value as it is shown."""
    for key, value in body.items():
        if "@" in key or value is None or value == "":
            continue
        column = table.columns.get(key.removeprefix("_").removesuffix("_value") if key[0] == "_" else key)
        yield (column.display_name if column else "") or key, str(body.get(key + FORMATTED, value))


def _unknown(table: str, id: str, origin: str) -> Answer:
    return _page(
        401,
        "Sign in to see this row",
        [
            f"You asked for the row {id} of the table {table}.",
            "It is shown to whoever brings a token: Authorization: Bearer … with this very address.",
            f"Programs read it from the Web API: {origin}/api/data/v9.2/",
            "orgstead token prints a token in development mode.",
        ],
        (("WWW-Authenticate", "Bearer"),),
    )


def _page(
    status: int, title: str, lines: Sequence[str], headers: Sequence[tuple[str, str]] = (), more: str = ""
) -> Answer:
    text = "".join(f"<p>{escape(line)}" for line in lines)
    body = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{text}{more}</html>"
    )
    return Answer(status=status, headers=(*_HEADERS, *headers), body=body.encode())
