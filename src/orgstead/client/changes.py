"""What has changed in a table since the last time, with a watermark that is kept.

https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from orgstead.client.answers import body_of, onward
from orgstead.client.drive import AsyncDriver, SyncDriver
from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Call, Emit, Stream
from orgstead.client.literals import name, query_text
from orgstead.client.methods import Bound
from orgstead.client.record import Record
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of

__all__ = ["Change", "Changes", "Watermark"]

D = TypeVar("D")
TRACK = "odata.track-changes"
NEXT, DELTA = "@odata.nextLink", "@odata.deltaLink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A row that is new or changed, or, without ``record``, one that is gone."""

    id: str
    record: Record | None = None

    @property
    def deleted(self) -> bool:
        """Whether the row is gone."""
        return self.record is None


class Watermark:
    """Up to where the changes are known, in a file; it is replaced as a whole. Without the file everything is new."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def load(self) -> str | None:
        """The link that was saved, or None."""
        try:
            return self.path.read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def save(self, link: str) -> None:
        """Save a link."""
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        part.write_text(link, "utf-8")
        part.replace(self.path)


class Changes(Bound[D], Generic[D]):
    """The changes of a table, to be iterated over to the end: then the watermark moves, and not before.

    Whoever stops half-way gets the same changes again. The first time every row is a change. ``watermark`` is a
    ``Watermark``, the text of a former ``link``, or None. ``link`` is where the next time begins, once the end is
    reached.
    Raises ServiceError as it is read: BadRequestError when the watermark is too old, and all has to be read anew.
    """

    def __init__(
        self,
        driver: D,
        session: Session,
        table: str,
        select: Sequence[str],
        watermark: Watermark | str | None,
    ) -> None:
        self._driver = driver
        self._session = session
        self._table = table
        self._select = select
        self._watermark = watermark
        self.link: str | None = None

    def __iter__(self: "Changes[SyncDriver]") -> Iterator[Change]:
        if not isinstance(self._driver, SyncDriver):
            raise TypeError("changes of an AsyncClient are read by async for")
        for page in self._driver.iterate(self._pages()):
            yield from page

    async def __aiter__(self: "Changes[AsyncDriver]") -> AsyncIterator[Change]:
        if not isinstance(self._driver, AsyncDriver):
            raise TypeError("changes of a Client are read by for")
        async for page in self._driver.iterate(self._pages()):
            for change in page:
                yield change

    def _pages(self) -> Stream[list[Change]]:
        shape = yield from shape_of(self._session, self._table)
        mark = self._watermark
        link = (yield Call(mark.load)) if isinstance(mark, Watermark) else mark
        headers = {}
        if link is None:
            text = query_text({"$select": ",".join(map(name, self._select)) or None})
            link = f"{shape.set}?{text}" if text else shape.set
            headers = {"Prefer": TRACK}
        while True:
            answer, _ = yield from self._session.call("GET", link, headers=headers)
            body = body_of(answer)
            page = []
            for row in body["value"]:
                if "reason" in row and "id" in row and shape.key not in row:
                    page.append(Change(id=str(row["id"])))
                else:
                    page.append(
                        Change(id=str(row[shape.key]), record=Record(row, shape, self._session.shapes))
                    )
            yield Emit(page)
            if NEXT not in body:
                break
            link = onward(str(body[NEXT]), str(link)) or ""
        if DELTA not in body:
            raise ConfigurationError(f"change tracking is not enabled for {shape.name}")
        self.link = str(body[DELTA])
        if isinstance(mark, Watermark):
            yield Call(partial(mark.save, self.link))
