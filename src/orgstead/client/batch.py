"""Several operations in one request, and change sets that are applied as a whole or not at all.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from orgstead.client.answers import body_of
from orgstead.client.errors import ConfigurationError, DynamicsError, ServerError, ServiceError, service_error
from orgstead.client.flow import Answer, Flow
from orgstead.client.literals import Ref, guid, key_text, name
from orgstead.client.methods import Bound, operation
from orgstead.client.multipart import Group, Part, read_multipart, write_multipart
from orgstead.client.payload import payload
from orgstead.client.query import Expand
from orgstead.client.record import Page, Record, Shape
from orgstead.client.records import Key, expanded, id_of, selected
from orgstead.client.rows import page_of
from orgstead.client.session import PARTS, Session
from orgstead.client.shapes import shape_of
from orgstead.client.values import encode

__all__ = ["Batch", "BatchOperation", "BatchResult", "ChangeSet", "Outcome"]

D = TypeVar("D")
MAX_OPERATIONS = 1000
CREATED = frozenset({"0x80040237"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchOperation:
    """An operation that waits in a batch; in a change set, as the value of a lookup, the row that it makes."""

    number: int
    method: str
    table: str
    path: str = ""
    key: Key | None = None
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    select: Sequence[str] = ()
    expand: Sequence[Expand] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an operation. ``error`` is set where it failed, and ``status`` is 0 where it was not tried."""

    status: int
    error: DynamicsError | None = None
    id: str | None = None
    record: Record | None = None
    page: Page | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return 0 < self.status < 400


class BatchResult(Sequence[Outcome]):
    """The outcomes in the order of the operations; also by operation."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._outcomes = outcomes

    def __getitem__(self, place: Any) -> Any:
        return self._outcomes[place.number if isinstance(place, BatchOperation) else place]

    def __len__(self) -> int:
        return len(self._outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """Those that failed or were not tried."""
        return [each for each in self._outcomes if not each]

    @property
    def succeeded(self) -> list[Outcome]:
        """Those that were done."""
        return [each for each in self._outcomes if each]


class _Writes:
    """What a batch and a change set both take."""

    _operations: list[BatchOperation]
    _counter: list[int]

    def _add(self, method: str, table: str, **values: Any) -> BatchOperation:
        made = BatchOperation(number=self._counter[0], method=method, table=table, **values)
        self._counter[0] += 1
        self._operations.append(made)
        return made

    def create(self, table: str, data: Mapping[str, Any]) -> BatchOperation:
        """Make a row."""
        return self._add("POST", table, data=data)

    def update(self, table: str, key: Key, data: Mapping[str, Any], *, if_match: str = "*") -> BatchOperation:
        """Change a row that exists."""
        return self._add("PATCH", table, key=key, data=data, headers={"If-Match": if_match})

    def upsert(self, table: str, key: Key, data: Mapping[str, Any]) -> BatchOperation:
        """Change a row, or make it."""
        return self._add("PATCH", table, key=key, data=data)

    def delete(self, table: str, key: Key) -> BatchOperation:
        """Delete a row."""
        return self._add("DELETE", table, key=key)

    def associate(
        self, source: "Ref | BatchOperation", navigation: str, target: "Ref | BatchOperation"
    ) -> BatchOperation:
        """Add a row to a collection of another row."""
        data = {"@odata.id": target}
        if isinstance(source, BatchOperation):
            path = f"${source.number + 1}/{name(navigation)}/$ref"
            return self._add("POST", "", path=path, data=data)
        return self._add("POST", source.table, key=source.key, path=f"/{name(navigation)}/$ref", data=data)


class ChangeSet(_Writes):
    """Changes that are applied together. A row of an earlier operation may be the value of a lookup of a later one."""

    def __init__(self, counter: list[int]) -> None:
        self._operations = []
        self._counter = counter


class Batch(_Writes, Bound[D], Generic[D]):
    """Operations that are gathered and sent by ``send``: up to 1,000."""

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session
        self._operations = []
        self._counter = [0]
        self._sets: list[ChangeSet] = []
        self._order: list[tuple[int, ChangeSet]] = []

    def change_set(self) -> ChangeSet:
        """A change set at this place of the batch."""
        made = ChangeSet(self._counter)
        self._order.append((len(self._operations), made))
        return made

    def retrieve(
        self, table: str, key: Key, *, select: Sequence[str] = (), expand: Sequence[Expand] = ()
    ) -> BatchOperation:
        """Read a row."""
        return self._add("GET", table, key=key, select=tuple(select), expand=tuple(expand))

    def read(self, path: str) -> BatchOperation:
        """GET a path below the root, percent-encoded as it is to be sent: rows of one page, or an object."""
        return self._add("GET", "", path=path)

    def __len__(self) -> int:
        return self._counter[0]

    @operation
    def send(self, *, continue_on_error: bool = False) -> Flow[BatchResult]:
        """Send all operations and return their outcomes.

        The service stops at the first failure, unless it is to continue. Failures of operations are in the result.
        Raises ServiceError where the batch as a whole is refused, ConfigurationError for more than 1,000 operations.
        """
        return (yield from sent(self._session, self._items(), self._counter[0], continue_on_error))

    def _items(self) -> list[BatchOperation | Sequence[BatchOperation]]:
        items: list[BatchOperation | Sequence[BatchOperation]] = list(self._operations)
        for place, group in reversed(self._order):
            if group._operations:
                items.insert(place, list(group._operations))
        return items


def sent(
    session: Session,
    items: Sequence[BatchOperation | Sequence[BatchOperation]],
    count: int,
    continue_on_error: bool,
) -> Flow[BatchResult]:
    """Send operations, those of change sets as sequences, and return their outcomes by number."""
    if count > MAX_OPERATIONS:
        raise ConfigurationError(f"a batch has at most {MAX_OPERATIONS} operations")
    outcomes = [Outcome(status=0) for _ in range(count)]
    if not items:
        return BatchResult(outcomes)
    parts: list[Part | Group] = []
    shapes: dict[int, Shape | None] = {}
    idempotent = True
    for item in items:
        inner = [item] if isinstance(item, BatchOperation) else item
        made = []
        for each in inner:
            part, shapes[each.number] = yield from _part(session, each)
            made.append((str(each.number + 1), part))
            alone = isinstance(item, BatchOperation)
            idempotent = idempotent and (
                each.method != "POST" or (alone and _chosen(each, shapes[each.number]))
            )
        parts.append(made[0][1] if isinstance(item, BatchOperation) else Group(parts=made))
    kind, content = write_multipart(parts)
    headers = {"Content-Type": kind, "Accept": "multipart/mixed"}
    if continue_on_error:
        headers["Prefer"] = "odata.continue-on-error"
    answer, uncertain = yield from session.call(
        "POST", "$batch", content=content, headers=headers, idempotent=idempotent,
        accepted=PARTS,
    )  # fmt: skip
    if "multipart" not in answer.headers.get("content-type", "").lower():
        raise service_error(answer.status, answer.headers, answer.content, maybe_applied=uncertain)
    for item, got in zip(items, read_multipart(answer), strict=False):
        inner = [item] if isinstance(item, BatchOperation) else item
        answers = got if isinstance(got, list) else [got] * len(inner)
        for each, one in zip(inner, answers, strict=False):
            outcomes[each.number] = _outcome(session, each, shapes[each.number], one, uncertain)
    return BatchResult(outcomes)


def _chosen(each: BatchOperation, shape: Shape | None) -> bool:
    """Whether a row is made with an id that the caller chose."""
    return shape is not None and bool(each.data) and not each.path and shape.key in (each.data or {})


def _part(session: Session, each: BatchOperation) -> Flow[tuple[Part, Shape | None]]:
    shape: Shape | None = None
    path = each.path
    if each.table:
        shape = yield from expanded(session, each.table, each.expand)
        row = f"({key_text(each.key)})" if each.key is not None else ""
        path = shape.set + row + each.path + selected(shape, each.select, each.expand)
    content = None
    if each.data is not None:
        content = encode((yield from _body(session, each.data)))
    url = path if path.startswith("$") else session.address(path)
    return Part(method=each.method, url=url, headers=each.headers, content=content), shape


def _body(session: Session, data: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """The JSON of a row in a change set, where an operation stands for the row that it makes."""
    own: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for column, value in data.items():
        if column == "@odata.id":
            own[column] = yield from _link(session, value)
        elif isinstance(value, BatchOperation):
            own[f"{column.removesuffix('@odata.bind')}@odata.bind"] = f"${value.number + 1}"
        else:
            rest[column] = value
    return {**(yield from payload(session, rest)), **own}


def _link(session: Session, value: Any) -> Flow[str]:
    if isinstance(value, BatchOperation):
        return f"${value.number + 1}"
    shape = yield from shape_of(session, value.table)
    return session.address(f"{shape.set}({key_text(value.key)})")


def _outcome(
    session: Session, each: BatchOperation, shape: Shape | None, got: Answer, uncertain: bool
) -> Outcome:
    if got.status >= 400:
        error = service_error(got.status, got.headers, got.content, maybe_applied=uncertain)
        if uncertain and _done_before(each, shape, error):
            return Outcome(status=204, id=guid(each.data[shape.key]) if each.data and shape else None)
        return Outcome(status=got.status, error=error)
    if each.method == "GET":
        body = body_of(got) if got.content else {}
        if isinstance(body.get("value"), list):
            return Outcome(status=got.status, page=page_of(session, got, shape))
        return Outcome(status=got.status, record=Record(body, shape, session.shapes))
    try:
        return Outcome(status=got.status, id=id_of(got))
    except ServerError:
        return Outcome(status=got.status)


def _done_before(each: BatchOperation, shape: Shape | None, error: ServiceError) -> bool:
    """Whether a failure shows that an earlier try has done the work."""
    if each.method == "DELETE":
        return error.status == 404
    return each.method == "POST" and error.code.lower() in CREATED and _chosen(each, shape)
