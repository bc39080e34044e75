"""The ceiling: the same requests answered with the same bytes from the same typed tables, without any rule.

A bare ASGI application on uvicorn and httptools, apsw on the event loop. It knows the benchmark's requests
and nothing else: no parsing of options, no access check, no audit. Concurrent writes share one commit, as a
server's may; nothing is acknowledged before it is on the disk. ``python -m bench.ceiling FILE`` prints its
address.
"""

import argparse
import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote
from uuid import UUID

import apsw
import msgspec
import uvicorn

from bench import operations, rows, tables
from bench.spelling import ORGSTEAD

__all__ = ["Ceiling", "shape"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
T = TypeVar("T")

ROOT: Final = ORGSTEAD.root
LOOKUP: Final = ORGSTEAD.lookup
ETAG: Final = "'W/\"' || accounts.versionnumber || '\"'"
JSON: Final[Header] = (b"content-type", b"application/json; odata.metadata=minimal")
VERSION: Final[Header] = (b"odata-version", b"4.0")
NO_CONTENT: Final = "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n"


def shape(name: str, fields: Sequence[str], **nested: Any) -> type[Any]:
    """A class whose instances msgspec writes as an object of ``fields``: faster than a mapping a row."""
    members = [(f"f{i}", nested.get(field, Any)) for i, field in enumerate(fields)]
    return msgspec.defstruct(name, members, rename={f"f{i}": f for i, f in enumerate(fields)}, gc=False)


WHOLE: Final = shape(
    "Whole",
    ["@odata.context", "@odata.etag", *(LOOKUP if c == "primarycontactid" else c for c in rows.ACCOUNT)],
)
LISTED: Final = shape("Listed", ["@odata.etag", *operations.LIST_COLUMNS, "accountid"])
PAGED: Final = shape("Paged", ["@odata.etag", *operations.PAGE_COLUMNS, "accountid"])
CONTACT: Final = shape("Contact", ["@odata.etag", "fullname", "emailaddress1", "contactid"])
EXPANDED: Final = shape(
    "Expanded", ["@odata.etag", *operations.LIST_COLUMNS, "accountid", "primarycontactid"]
)
ANSWER: Final = shape("Answer", ["@odata.context", "value"])
LINKED: Final = shape("Linked", ["@odata.context", "value", "@odata.nextLink"])
IDS: Final = shape("Ids", ["@odata.context", "Ids"])
Fresh: Final = msgspec.defstruct("Fresh", [(c, Any, None) for c in rows.WRITABLE], gc=False)
Targets: Any = msgspec.defstruct("Targets", [("Targets", list[Fresh])])  # type: ignore[valid-type]

POINT_SQL: Final = f"SELECT {ETAG}, {', '.join(rows.ACCOUNT)} FROM accounts WHERE accountid = ?"
LIST_COLUMNS: Final = f"{ETAG}, {', '.join(operations.LIST_COLUMNS)}, accountid"
LIST_SQL: Final = (
    f"SELECT {LIST_COLUMNS} FROM accounts WHERE revenue > ? AND statecode = ? "
    "ORDER BY name, accountid LIMIT ?"
)
PAGE_SQL: Final = (
    f"SELECT {ETAG}, {', '.join(operations.PAGE_COLUMNS)}, accountid FROM accounts ORDER BY accountid LIMIT ?"
)
EXPAND_SQL: Final = (
    f"SELECT {ETAG}, {', '.join('accounts.' + c for c in operations.LIST_COLUMNS)}, accountid, "
    "'W/\"' || contacts.versionnumber || '\"', contacts.fullname, contacts.emailaddress1, contacts.contactid "
    "FROM accounts LEFT JOIN contacts ON contactid = primarycontactid ORDER BY name, accountid LIMIT ?"
)
COUNT_SQL: Final = "SELECT count(*) FROM (SELECT 1 FROM accounts LIMIT 5000)"
WALK_SQL: Final = f"SELECT {LIST_COLUMNS} FROM accounts ORDER BY name, accountid LIMIT ?"
NEXT_SQL: Final = (
    f"SELECT {LIST_COLUMNS} FROM accounts WHERE (name, accountid) > (?, ?) ORDER BY name, accountid LIMIT ?"
)
INSERT_SQL: Final = tables.insert(
    "accounts",
    (
        *rows.WRITABLE,
        "accountid",
        "exchangerate",
        "statecode",
        "statuscode",
        "createdon",
        "modifiedon",
        "versionnumber",
    ),
)
NOW: Final = "2026-01-01T00:00:00Z"


class Ceiling:
    """The application over one connection; ``url`` is set once the port is known."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.url = ""
        self.encode = msgspec.json.Encoder().encode
        self.fresh = msgspec.json.Decoder(Fresh)
        self.targets: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Targets)
        self.changes: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
        self.waiting: list[asyncio.Future[None]] = []
        self.made = 0
        self.stamp = 10_000_000
        self.reads: dict[str, Callable[[int], bytes]] = {
            operations.list_query(ORGSTEAD): self.listed,
            operations.expand_query(ORGSTEAD): self.expanded,
            operations.page_query(ORGSTEAD): self.paged,
            operations.walk_query(ORGSTEAD): self.first,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        query: str = scope["query_string"].decode()
        if scope["method"] == "GET":
            await answer(send, 200, *self.read(path, query, scope))
            return
        body = await whole(receive)
        if scope["method"] == "PATCH":
            await self.write(lambda: self.update(path[-37:-1], self.changes.decode(body)))
            await answer(send, 204, b"", ((b"odata-entityid", (self.url + path).encode()),))
        elif path == f"{ROOT}/accounts":
            key = await self.write(lambda: self.insert([self.fresh.decode(body)]))
            await answer(send, 204, b"", ((b"odata-entityid", f"{self.url}{path}({key[0]})".encode()),))
        elif path == f"{ROOT}/$batch":
            await answer(send, 200, *await self.write(lambda: self.batch(body)))
        else:
            made = await self.write(lambda: self.insert(self.targets.decode(body).Targets))
            await answer(send, 200, self.encode(IDS(self.context("CreateMultipleResponse"), made)), (JSON,))

    def read(self, path: str, query: str, scope: Scope) -> tuple[bytes, tuple[Header, ...]]:
        if path.endswith(")"):
            [row] = self.connection.execute(POINT_SQL, (path[-37:-1],))
            return self.encode(WHOLE(self.context("accounts/$entity"), *row)), (JSON,)
        if path.endswith("$count"):
            [[found]] = self.connection.execute(COUNT_SQL)
            return str(found).encode(), ((b"content-type", b"text/plain"),)
        size = next((int(v.rpartition(b"=")[2]) for n, v in scope["headers"] if n == b"prefer"), 0)
        if (read := self.reads.get(query)) is not None:
            return read(size), (JSON,)
        return self.after(query.rpartition("$skiptoken=")[2], size), (JSON,)

    def context(self, what: str) -> str:
        return f"{self.url}{ROOT}/$metadata#{what}"

    def listed(self, size: int) -> bytes:
        found = self.connection.execute(LIST_SQL, (operations.THRESHOLD, 0, operations.LISTED))
        return self.encode(ANSWER(self.context("accounts"), [LISTED(*row) for row in found]))

    def paged(self, size: int) -> bytes:
        found = self.connection.execute(PAGE_SQL, (operations.PAGE_SIZE,))
        return self.encode(ANSWER(self.context("accounts"), [PAGED(*row) for row in found]))

    def expanded(self, size: int) -> bytes:
        found = self.connection.execute(EXPAND_SQL, (operations.LISTED,))
        return self.encode(
            ANSWER(self.context("accounts"), [EXPANDED(*row[:7], CONTACT(*row[7:])) for row in found])
        )

    def first(self, size: int) -> bytes:
        return self.linked(self.connection.execute(WALK_SQL, (size,)))

    def after(self, token: str, size: int) -> bytes:
        name, _, key = unquote(token).rpartition("|")
        return self.linked(self.connection.execute(NEXT_SQL, (name, key, size)))

    def linked(self, found: Iterator[Any]) -> bytes:
        made = [LISTED(*row) for row in found]
        token = quote(f"{made[-1].f1}|{made[-1].f6}") if made else ""
        link = f"{self.url}{ROOT}/accounts?{operations.walk_query(ORGSTEAD)}&$skiptoken={token}"
        return self.encode(LINKED(self.context("accounts"), made, link))

    async def write(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        if not self.waiting:
            # Every request that is ready in this turn of the loop joins; the next turn commits.
            self.connection.execute("BEGIN IMMEDIATE")
            loop.call_soon(self.commit)
        result = work()
        done: asyncio.Future[None] = loop.create_future()
        self.waiting.append(done)
        await done
        return result

    def commit(self) -> None:
        self.connection.execute("COMMIT")
        acknowledged, self.waiting = self.waiting, []
        for done in acknowledged:
            done.set_result(None)

    def insert(self, made: Sequence[Any]) -> list[str]:
        ids = [self.key() for _ in made]
        self.connection.executemany(
            INSERT_SQL,
            (
                (*(getattr(row, c) for c in rows.WRITABLE), key, 1.0, 0, 1, NOW, NOW, self.stamp)
                for row, key in zip(made, ids, strict=True)
            ),
        )
        return ids

    def update(self, key: str, changes: dict[str, Any]) -> None:
        self.stamp += 1
        assigned = ", ".join(f"{column} = ?" for column in changes)
        self.connection.execute(
            f"UPDATE accounts SET {assigned}, modifiedon = ?, versionnumber = ? WHERE accountid = ?",
            (*changes.values(), NOW, self.stamp, key),
        )

    def batch(self, body: bytes) -> tuple[bytes, tuple[Header, ...]]:
        parts = body.split(b"\r\n--changeset_1\r\n")[1:]
        made = self.insert(
            [self.fresh.decode(part[part.index(b"{") : part.rindex(b"}") + 1]) for part in parts]
        )
        lines = ["--batchresponse_1\r\nContent-Type: multipart/mixed;boundary=changesetresponse_1\r\n\r\n"]
        lines += [
            "--changesetresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: {number}\r\n\r\n{NO_CONTENT}"
            f"OData-EntityId: {self.url}{ROOT}/accounts({key})\r\n\r\n\r\n"
            for number, key in enumerate(made, 1)
        ]
        lines.append("--changesetresponse_1--\r\n--batchresponse_1--\r\n")
        return "".join(lines).encode(), ((b"content-type", b"multipart/mixed; boundary=batchresponse_1"),)

    def key(self) -> str:
        self.made += 1
        return str(UUID(int=0x01A0_0000_0000_7000_8000_0000_0000_0000 + (self.made << 80)))


async def whole(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


async def answer(send: Send, status: int, body: bytes, headers: tuple[Header, ...]) -> None:
    sent: list[Header] = [VERSION, *headers]
    if body:
        sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ceiling")
    parser.add_argument("file", type=Path)
    application = Ceiling(tables.connect(parser.parse_args().file))
    # The protocol is named because asyncio turns Nagle's delay off only where a socket tells that it is TCP:
    # without it every answer that is written in two parts waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    application.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        application, http="httptools", loop="asyncio", lifespan="off", access_log=False, log_level="warning"
    )
    print(f"listening on {application.url}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
