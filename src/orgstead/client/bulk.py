"""Many rows: any number of them in bounded memory, as many requests at once as the service likes, each bad row named.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from orgstead.client.bulk_messages import CreateRows, DeleteRows, Item, UpdateRows, UpsertRows, Work
from orgstead.client.errors import BulkError, ConfigurationError
from orgstead.client.flow import Call, Done, Flow, Next, Pull, Source, Start
from orgstead.client.frames import rows_of
from orgstead.client.literals import Ref
from orgstead.client.methods import Bound, operation
from orgstead.client.outcome import BulkResult, RowFailure
from orgstead.client.position import Position
from orgstead.client.record import Record
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of

__all__ = ["Bulk"]

D = TypeVar("D")
Rows = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]] | Any
CHUNK = 500
MAX_CHUNK = 1000
MAX_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    chunk: int
    progress: Callable[[BulkResult], Any] | None
    on_failure: Callable[[RowFailure], Any] | None
    position: Position | None
    strict: bool
    keep_ids: bool = False


class Bulk(Bound[D], Generic[D]):
    """Operations on many rows.

    Rows are any iterable of mappings (of an AsyncClient an asynchronous one, too), or a data frame of pandas, polars or
    arrow; they are read as they are sent. A chunk that is refused is sent again row by row in one batch, which names
    the bad rows; all others are written. An exception of this package in place of a row is a row that was
    refused before it came here: it keeps its place, and is told of like the others.

    All take ``chunk`` (rows to a request, up to 1,000), ``progress`` (called with the result as it stands after each
    chunk), ``on_failure`` (called with each ``RowFailure``), ``position`` (a ``Position`` to go on from after an
    interruption) and ``strict`` (raise BulkError at the end when rows were refused). They raise what ends the whole
    operation: CredentialError, TransportError, ThrottledError or ServerError once the retries are used up.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def create(
        self,
        table: str,
        rows: Rows,
        *,
        choose_ids: bool = True,
        keep_ids: bool = False,
        chunk: int = CHUNK,
        progress: Callable[[BulkResult], Any] | None = None,
        on_failure: Callable[[RowFailure], Any] | None = None,
        position: Position | None = None,
        strict: bool = True,
    ) -> Flow[BulkResult]:
        """Make rows.

        With ``choose_ids`` rows without a primary key get one here, so that a request whose answer was lost can be
        repeated and never doubles a row; without it such a request ends the operation. ``keep_ids`` keeps the ids in
        the result by the places of the rows.
        """
        options = _options(chunk, progress, on_failure, position, strict, keep_ids)
        if position is not None and not choose_ids:
            raise ConfigurationError(
                "a position needs choose_ids: else rows that were under way would be doubled"
            )
        shape = yield from shape_of(self._session, table)
        seed = position.seed if position is not None else None
        return (
            yield from _run(self._session, CreateRows(shape, choose_ids=choose_ids, seed=seed), rows, options)
        )

    @operation
    def update(
        self,
        table: str,
        rows: Rows,
        *,
        chunk: int = CHUNK,
        progress: Callable[[BulkResult], Any] | None = None,
        on_failure: Callable[[RowFailure], Any] | None = None,
        position: Position | None = None,
        strict: bool = True,
    ) -> Flow[BulkResult]:
        """Change rows that exist; each row has the primary key among its columns."""
        options = _options(chunk, progress, on_failure, position, strict)
        shape = yield from shape_of(self._session, table)
        return (yield from _run(self._session, UpdateRows(shape), rows, options))

    @operation
    def upsert(
        self,
        table: str,
        rows: Rows,
        *,
        key: Sequence[str] = (),
        chunk: int = CHUNK,
        progress: Callable[[BulkResult], Any] | None = None,
        on_failure: Callable[[RowFailure], Any] | None = None,
        position: Position | None = None,
        strict: bool = True,
    ) -> Flow[BulkResult]:
        """Change rows or make them; ``key`` names the columns of the alternate key, or the primary key counts."""
        options = _options(chunk, progress, on_failure, position, strict)
        shape = yield from shape_of(self._session, table)
        return (yield from _run(self._session, UpsertRows(shape, key=tuple(key)), rows, options))

    @operation
    def delete(
        self,
        table: str,
        rows: Iterable[str | Ref | Record | Mapping[str, Any]] | AsyncIterable[Any] | Any,
        *,
        chunk: int = CHUNK,
        progress: Callable[[BulkResult], Any] | None = None,
        on_failure: Callable[[RowFailure], Any] | None = None,
        position: Position | None = None,
        strict: bool = True,
    ) -> Flow[BulkResult]:
        """Delete rows: given by id, reference, record, or mapping with the primary key."""
        options = _options(chunk, progress, on_failure, position, strict)
        shape = yield from shape_of(self._session, table)
        return (yield from _run(self._session, DeleteRows(shape), rows, options))


def _options(
    chunk: int,
    progress: Callable[[BulkResult], Any] | None,
    on_failure: Callable[[RowFailure], Any] | None,
    position: Position | None,
    strict: bool,
    keep_ids: bool = False,
) -> _Options:
    if not 1 <= chunk <= MAX_CHUNK:
        raise ConfigurationError(f"a chunk has 1 to {MAX_CHUNK} rows")
    return _Options(
        chunk=chunk,
        progress=progress,
        on_failure=on_failure,
        position=position,
        strict=strict,
        keep_ids=keep_ids,
    )


def _run(session: Session, work: Work, rows: Any, options: _Options) -> Flow[BulkResult]:
    source = Source(rows_of(rows))
    result = BulkResult()
    position = options.position
    if position is not None:
        yield from _skip(source, position, result)
        # The ids of what is sent from now on must be known to whoever goes on.
        yield Call(partial(position.save, position.done))
    line = _Line(result.total)
    running, ended = 0, False
    while True:
        while not ended and running < max(int(session.window.size), 1):
            part = yield Pull(source, options.chunk)
            ended = len(part) < options.chunk
            if part:
                items = [Item(index=result.total + n, row=row) for n, row in enumerate(part)]
                result.total += len(part)
                yield Start(work.write(session, items), (items[0].index, len(items), time.monotonic()))
                running += 1
        if not running:
            break
        done: Done = yield Next()
        running -= 1
        if done.error is not None:
            raise done.error
        first, count, begun = done.tag
        if count == options.chunk:
            session.window.paced(time.monotonic() - begun)
        _merge(result, done.value, options)
        line.through(first, count)
        if position is not None:
            yield Call(partial(position.save, line.reached))
        if options.progress is not None:
            options.progress(result)
    result.failures.sort(key=lambda failure: failure.index)
    if options.strict and result.failed:
        raise BulkError(result)
    return result


def _skip(source: Source, position: Position, result: BulkResult) -> Flow[None]:
    """Read past what an earlier run has done."""
    while result.total < position.done:
        part = yield Pull(source, min(position.done - result.total, MAX_CHUNK))
        if not part:
            raise ConfigurationError(
                f"{position.path} stands at row {position.done}, and there are only {result.total} rows"
            )
        result.total += len(part)
    result.skipped = result.total


def _merge(result: BulkResult, items: Sequence[Item], options: _Options) -> None:
    for item in items:
        if item.error is not None:
            failure = RowFailure(index=item.index, row=item.row, error=item.error)
            result.failed += 1
            if options.on_failure is not None:
                options.on_failure(failure)
            if len(result.failures) < MAX_KEPT:
                result.failures.append(failure)
            continue
        result.done += 1
        if options.keep_ids and item.id is not None:
            result.ids[item.index] = item.id


class _Line:
    """How far everything from the first row on is through, while chunks end in any order."""

    def __init__(self, reached: int) -> None:
        self.reached = reached
        self._ahead: dict[int, int] = {}

    def through(self, first: int, count: int) -> None:
        self._ahead[first] = count
        while (count := self._ahead.pop(self.reached, 0)) > 0:
            self.reached += count
