"""What a chunk of rows is sent as: a bulk message at first, and row by row in a batch when that is refused.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations?tabs=webapi
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.client.answers import body_of
from orgstead.client.batch import BatchOperation, sent
from orgstead.client.errors import ConfigurationError, DynamicsError, NotFoundError, ServiceError
from orgstead.client.flow import Answer, Flow, Pause
from orgstead.client.literals import Ref, guid, key_text
from orgstead.client.payload import UnknownTable, payload, written
from orgstead.client.position import row_id
from orgstead.client.record import Record, Shape
from orgstead.client.session import Session

__all__ = ["CreateRows", "DeleteRows", "Item", "UpdateRows", "UpsertRows", "Work"]

EXISTS = "0x80040237"
# What may be about single rows; anything else is about all of them, now or for good.
ABOUT_ROWS = frozenset({400, 403, 404, 405, 409, 412, 413, 500, 501})
TRIES = 5


@dataclass(slots=True, kw_only=True)
class Item:
    """A row on its way: its place, what was given, what is sent, and what came of it."""

    index: int
    row: Any
    body: dict[str, Any] = field(default_factory=dict)
    key: str | Mapping[str, Any] | None = None
    id: str | None = None
    error: Exception | None = None


class Work(ABC):
    """A kind of bulk operation on a table."""

    message = ""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.type = f"Microsoft.Dynamics.CRM.{shape.name}"

    @abstractmethod
    def prepare(self, item: Item) -> None:
        """Make the key of a row whose body is made. Raises ConfigurationError for what is no row."""

    def body(self, session: Session, row: Any) -> dict[str, Any]:
        """The row as JSON has it. Raises ConfigurationError, and UnknownTable for one to be asked about first."""
        return written(row, session.shapes)

    @abstractmethod
    def single(self, item: Item, number: int) -> BatchOperation:
        """The row as an operation of its own."""

    def target(self, item: Item) -> dict[str, Any]:
        """The row as a target of the message."""
        return {"@odata.type": self.type, **item.body}

    @property
    def idempotent(self) -> bool:
        """Whether the message may be repeated when its answer is lost."""
        return True

    def done_before(self, item: Item, error: DynamicsError, everywhere: bool) -> bool:
        """Whether the refusal of a row shows that an earlier try has written it."""
        return False

    def took(self, items: Sequence[Item], answer: Answer) -> None:
        """Note what the answer to the message says of the rows."""
        return

    def write(self, session: Session, items: Sequence[Item]) -> Flow[Sequence[Item]]:
        """Write a chunk; refused rows have their error. Raises what is not about single rows."""
        good = []
        for item in items:
            if isinstance(item.row, DynamicsError):
                item.error = item.row
                continue
            try:
                try:
                    item.body = self.body(session, item.row)
                except UnknownTable:
                    item.body = yield from payload(session, item.row)
                self.prepare(item)
            except (ConfigurationError, NotFoundError) as error:
                item.error = error
            else:
                good.append(item)
        if good:
            yield from self._write(session, good)
        return items

    def _write(self, session: Session, items: Sequence[Item]) -> Flow[None]:
        body = {"Targets": [self.target(item) for item in items]}
        path = f"{self.shape.set}/Microsoft.Dynamics.CRM.{self.message}"
        try:
            answer, _ = yield from session.call("POST", path, body, idempotent=self.idempotent)
        except ServiceError as error:
            if error.status not in ABOUT_ROWS:
                raise
            yield from self.one_by_one(session, items, uncertain=error.maybe_applied)
        else:
            self.took(items, answer)

    def one_by_one(self, session: Session, items: Sequence[Item], *, uncertain: bool) -> Flow[None]:
        """Write rows each for itself in one batch, and those that the service had no time for in another."""
        for attempt in range(TRIES):
            yield from self._each(session, items, uncertain=uncertain)
            late = [item for item in items if _late(item.error) and (item.key or item.id)]
            if not late or attempt == TRIES - 1:
                return
            for item in late:
                item.error = None
            items, uncertain = late, True
            yield Pause(2.0**attempt)

    def _each(self, session: Session, items: Sequence[Item], *, uncertain: bool) -> Flow[None]:
        operations = [self.single(item, number) for number, item in enumerate(items)]
        outcomes = yield from sent(session, operations, len(operations), True)
        refused = [
            (item, each.error) for item, each in zip(items, outcomes, strict=True) if each.error is not None
        ]
        everywhere = len(refused) == len(items) and all(_exists(error) for _, error in refused)
        for item, error in refused:
            if not self.done_before(item, error, everywhere and (uncertain or _uncertain(error))):
                item.error = error
        for item, each in zip(items, outcomes, strict=True):
            item.id = each.id or item.id
            if each.status == 0:
                item.error = ServiceError("the batch ended before this row", status=0)


def _late(error: Exception | None) -> bool:
    return isinstance(error, ServiceError) and error.status in (429, 502, 503, 504)


def _exists(error: DynamicsError) -> bool:
    return isinstance(error, ServiceError) and error.code.lower() == EXISTS


def _uncertain(error: DynamicsError) -> bool:
    return isinstance(error, ServiceError) and error.maybe_applied


class CreateRows(Work):
    """CreateMultiple. Ids that are chosen here come of a seed and the places of the rows, and belong to nobody else."""

    message = "CreateMultiple"

    def __init__(self, shape: Shape, *, choose_ids: bool, seed: str | None) -> None:
        super().__init__(shape)
        self._choose = choose_ids
        self._seed = seed or secrets.token_hex(10)

    def prepare(self, item: Item) -> None:
        """Choose an id, if there is none."""
        given = item.body.get(self.shape.key)
        if given is not None:
            item.id = guid(given)
        elif self._choose:
            item.body[self.shape.key] = item.id = row_id(self._seed, item.index)
            item.key = item.id
        else:
            item.body.pop(self.shape.key, None)

    @property
    def idempotent(self) -> bool:
        """With ids it may be repeated: the message is atomic, and a row that exists makes itself known."""
        return self._choose

    def single(self, item: Item, number: int) -> BatchOperation:
        """POST."""
        return BatchOperation(number=number, method="POST", table=self.shape.name, data=item.body)

    def done_before(self, item: Item, error: DynamicsError, everywhere: bool) -> bool:
        """An id that was chosen here exists because of us; others, when all of the chunk exist after a doubt."""
        return _exists(error) and (item.key is not None or everywhere)

    def took(self, items: Sequence[Item], answer: Answer) -> None:
        """The ids that the service chose."""
        if not self._choose:
            for item, id in zip(items, body_of(answer).get("Ids") or (), strict=False):
                item.id = str(id)


class UpdateRows(Work):
    """UpdateMultiple."""

    message = "UpdateMultiple"

    def prepare(self, item: Item) -> None:
        """The primary key must be there."""
        if item.body.get(self.shape.key) is None:
            raise ConfigurationError(f"the row has no {self.shape.key}")
        item.key = item.id = item.body[self.shape.key] = guid(item.body[self.shape.key])

    def single(self, item: Item, number: int) -> BatchOperation:
        """PATCH of what exists."""
        return BatchOperation(
            number=number,
            method="PATCH",
            table=self.shape.name,
            key=item.key,
            data=item.body,
            headers={"If-Match": "*"},
        )


class UpsertRows(Work):
    """UpsertMultiple, by id or alternate key."""

    message = "UpsertMultiple"

    def __init__(self, shape: Shape, *, key: tuple[str, ...]) -> None:
        super().__init__(shape)
        self._key = key

    def prepare(self, item: Item) -> None:
        """The columns of the key must be there."""
        columns = self._key or (self.shape.key,)
        missing = [column for column in columns if item.body.get(column) is None]
        if missing:
            raise ConfigurationError(f"the row has no {', '.join(missing)}")
        values = {column: item.body.pop(column) for column in columns}
        item.key = values if self._key else guid(values[self.shape.key])

    def target(self, item: Item) -> dict[str, Any]:
        """The key stands in @odata.id."""
        assert item.key is not None
        return {"@odata.type": self.type, "@odata.id": f"{self.shape.set}({key_text(item.key)})", **item.body}

    def single(self, item: Item, number: int) -> BatchOperation:
        """PATCH."""
        return BatchOperation(
            number=number, method="PATCH", table=self.shape.name, key=item.key, data=item.body
        )


class DeleteRows(Work):
    """DELETE in batches: standard tables have no message for it."""

    def body(self, session: Session, row: Any) -> dict[str, Any]:
        """None is sent."""
        return {}

    def prepare(self, item: Item) -> None:
        """Take the id out of what was given."""
        row = item.row
        if isinstance(row, Record | Ref):
            item.key = row.id
        else:
            item.key = guid(row.get(self.shape.key) if isinstance(row, Mapping) else row)
        item.id = str(item.key)

    def single(self, item: Item, number: int) -> BatchOperation:
        """DELETE."""
        return BatchOperation(number=number, method="DELETE", table=self.shape.name, key=item.key)

    def _write(self, session: Session, items: Sequence[Item]) -> Flow[None]:
        yield from self.one_by_one(session, items, uncertain=False)
