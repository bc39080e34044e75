"""What is measured: each operation's requests in a server's spelling, how an answer is checked, the aims."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bench import rows
from bench.spelling import Spelling
from bench.wrk import Answer, Request

__all__ = [
    "BULKED", "LISTED", "LIST_COLUMNS", "OPERATIONS", "PAGE_COLUMNS", "PAGE_SIZE", "THRESHOLD", "Operation",
    "bulk", "expand_query", "list_query", "page_query", "walk_query", "walk_size",
]  # fmt: skip

BATCHED: Final = 100
BULKED: Final = 1000
LISTED: Final = 50
PAGE_SIZE: Final = 5000
KEYS: Final = 1000

LIST_COLUMNS: Final = ("name", "accountnumber", "telephone1", "address1_city", "revenue")
PAGE_COLUMNS: Final = (
    "name", "accountnumber", "emailaddress1", "telephone1", "address1_city", "address1_country", "revenue",
    "numberofemployees", "statecode", "createdon",
)  # fmt: skip
THRESHOLD: Final = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the table. ``check`` raises AssertionError on an answer that is not the one meant."""

    name: str
    title: str
    connections: int
    requests: Callable[[Spelling, int], list[Request]]
    check: Callable[[Answer], None]
    of_peer: float | None = None
    of_ceiling: float | None = None


def point_query(spelling: Spelling) -> str:
    """The options that select the columns of the comparison."""
    return "$select=" + ",".join(spelling.lookup if c == "primarycontactid" else c for c in rows.ACCOUNT)


def list_query(spelling: Spelling) -> str:
    """Five columns of the first fifty by name of about half of all rows."""
    columns = ",".join(LIST_COLUMNS)
    condition = f"revenue%20gt%20{THRESHOLD}%20and%20statecode%20eq%200"
    return f"$select={columns}&$filter={condition}&$orderby=name&$top={LISTED}"


def expand_query(spelling: Spelling) -> str:
    """Fifty rows, each with two columns of its primary contact."""
    inner = f"{spelling.navigation}($select=fullname,emailaddress1)"
    return f"$select={','.join(LIST_COLUMNS)}&$expand={inner}&$orderby=name&$top={LISTED}"


def page_query(spelling: Spelling) -> str:
    """One full page of ten columns."""
    return f"$select={','.join(PAGE_COLUMNS)}&$top={PAGE_SIZE}"


def walk_query(spelling: Spelling) -> str:
    """The first page of a walk in the order of names."""
    return f"$select={','.join(LIST_COLUMNS)}&$orderby=name"


def walk_size(count: int) -> int:
    """Rows a page, so that page 1,000 of ``count`` rows is full and not the last."""
    return max(1, min(LISTED, (count - 1) // 1000))


def keys(count: int) -> list[str]:
    step = max(1, count // KEYS)
    return [rows.account_id(number * step) for number in range(min(KEYS, count))]


def point(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get(f"/accounts({key})?{point_query(spelling)}") for key in keys(count)]


def whole(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get(f"/accounts({key})") for key in keys(count)]


def listed(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get(f"/accounts?{list_query(spelling)}")]


def expanded(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get(f"/accounts?{expand_query(spelling)}")]


def paged(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get(f"/accounts?{page_query(spelling)}")]


def counted(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.get("/accounts/$count", ("Accept", "text/plain"))]


def create(spelling: Spelling, count: int) -> list[Request]:
    return [spelling.send("POST", "/accounts", body(number)) for number in range(count, count + KEYS)]


def update(spelling: Spelling, count: int) -> list[Request]:
    # Two rounds of values over the same keys: no update leaves its row as it was.
    return [
        spelling.send("PATCH", f"/accounts({key})", changed(number, turn), ("If-Match", "*"))
        for turn in range(2)
        for number, key in enumerate(keys(count))
    ]


def batched(spelling: Spelling, count: int) -> list[Request]:
    return [change_set(spelling, count + turn * BATCHED) for turn in range(10)]


def bulk(spelling: Spelling, count: int) -> list[Request]:
    """Ten calls that each create a thousand accounts, numbered from ``count``."""
    return [bulk_call(spelling, count + turn * BULKED) for turn in range(10)]


def bulk_call(spelling: Spelling, first: int) -> Request:
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.account"} if spelling.bulk_rows == "Targets" else {}
    made = [kind | fresh(number) for number in range(first, first + BULKED)]
    return spelling.send("POST", spelling.bulk, dump({spelling.bulk_rows: made}))


def change_set(spelling: Spelling, first: int) -> Request:
    lines: list[str] = ["--batch_1", "Content-Type: multipart/mixed; boundary=changeset_1", ""]
    for number in range(BATCHED):
        lines += [
            "--changeset_1",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number + 1}",
            "",
            f"POST {spelling.part_root}accounts HTTP/1.1",
            "Content-Type: application/json",
            *(f"{name}: {value}" for name, value in spelling.write_headers),
            "",
            body(first + number).decode(),
        ]
    lines += ["--changeset_1--", "--batch_1--", ""]
    kind = "multipart/mixed; boundary=batch_1"
    accept = ("Accept", "multipart/mixed")
    return spelling.send("POST", "/$batch", "\r\n".join(lines).encode(), accept, kind=kind)


def fresh(number: int) -> dict[str, Any]:
    full = rows.account(number)
    return {column: full[column] for column in rows.WRITABLE}


def body(number: int) -> bytes:
    return dump(fresh(number))


def changed(number: int, turn: int) -> bytes:
    return dump({
        "telephone1": f"+1 557 {number:05d}{turn}",
        "revenue": number * 10 + turn + 0.25,
        "description": f"Called on round {turn} about order {number}.",
    })  # fmt: skip


def dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def ok(status: int) -> Callable[[Answer], None]:
    def check(answer: Answer) -> None:
        assert answer.status // 100 == status // 100, f"{answer.status}: {answer.body[:500]!r}"

    return check


def has(count: int, column: str) -> Callable[[Answer], None]:
    def check(answer: Answer) -> None:
        ok(200)(answer)
        value = json.loads(answer.body)["value"]
        assert len(value) == count, f"{len(value)} rows"
        assert column in value[0], f"first {value[:1]}"

    return check


def one(answer: Answer) -> None:
    ok(200)(answer)
    assert json.loads(answer.body)["name"], answer.body


def number(answer: Answer) -> None:
    ok(200)(answer)
    assert int(answer.body.decode("utf-8-sig")) > 0, answer.body


def all_created(answer: Answer) -> None:
    ok(200)(answer)
    made = answer.body.count(b"HTTP/1.1 204") + answer.body.count(b"HTTP/1.1 201")
    assert made == BATCHED, f"{made} parts of {BATCHED}: {answer.body[:800]!r}"


def operation(
    name: str,
    title: str,
    connections: int,
    requests: Callable[[Spelling, int], list[Request]],
    check: Callable[[Answer], None],
    of_peer: float | None = None,
    of_ceiling: float | None = None,
) -> Operation:
    return Operation(
        name=name,
        title=title,
        connections=connections,
        requests=requests,
        check=check,
        of_peer=of_peer,
        of_ceiling=of_ceiling,
    )


# The aims are times the peer's rate, and a share of the ceiling's. Reads come first: writes change the data.
OPERATIONS: Final = {
    made.name: made
    for made in (
        operation("point", "read one by key, 26 columns", 16, point, one, 8, 0.4),
        operation("whole", "read one by key, whole row", 16, whole, one),
        operation(
            "list", "list of 50, 5 columns, filter + order", 16, listed, has(LISTED, "revenue"), 5, 0.6
        ),
        operation("expand", "50 rows with a lookup expanded", 16, expanded, has(LISTED, "revenue"), 5, 0.6),
        operation("page", "page of 5,000 × 10 columns", 1, paged, has(PAGE_SIZE, "createdon"), 3.5, 0.7),
        operation("count", "count", 16, counted, number, 8),
        operation("update", "update", 16, update, ok(200), 3, 0.35),
        operation("create", "create", 16, create, ok(200), 3, 0.35),
        operation("batch", "$batch, one change set of 100 creates", 4, batched, all_created, 10, 0.4),
        operation("bulk", "1,000 rows in one bulk call", 1, bulk, ok(200), 2.5),
    )
}
