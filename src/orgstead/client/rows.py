"""Results that are read as they are iterated over: record by record, page by page, or at once."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Generic, TypeVar

from orgstead.client.answers import onward, page_in
from orgstead.client.drive import AsyncDriver, SyncDriver
from orgstead.client.flow import Answer, Done, Emit, Flow, Next, Start, Stream, collected
from orgstead.client.frames import to_arrow, to_pandas, to_polars
from orgstead.client.literals import Ref
from orgstead.client.methods import Bound, operation, stream
from orgstead.client.record import Page, Record, Shape
from orgstead.client.session import Session
from orgstead.client.values import PageBody

__all__ = ["Rows", "linked_pages", "page_of"]

D = TypeVar("D")


def page_of(session: Session, answer: Answer, shape: Shape | None) -> Page:
    """The page in an answer."""
    return _page(session, page_in(answer), shape)


def _page(session: Session, body: PageBody, shape: Shape | None) -> Page:
    return Page(rows=Record.page(body.value, shape, session.shapes), total=body.total, next=body.next)


def linked_pages(
    session: Session,
    path: str,
    shape: Shape | None,
    headers: Mapping[str, str] | None = None,
    *,
    limit: int | None = None,
) -> Stream[Page]:
    """Every page from an address on, along the links, up to a number of rows.

    From the second page on the next one is fetched while the reader is at work: whoever reads one page pays for one.
    """
    left = limit
    link: str | None = path
    fetching = False
    number = 0
    while link is not None and left != 0:
        if fetching:
            done: Done = yield Next()
            if done.error is not None:
                raise done.error
            answer: Answer = done.value
            del done
        else:
            answer = yield from session.read(link, headers=headers)
        body = page_in(answer)
        del answer
        link = onward(body.next, link)
        number += 1
        if left is not None:
            body.value = body.value[:left]
            left -= len(body.value)
        fetching = number > 1 and link is not None and left != 0
        if fetching and link is not None:
            # Before anything is made of the rows: the service is at work meanwhile.
            yield Start(session.read(link, headers=headers), None)
        page = _page(session, body, shape)
        del body
        yield Emit(page)
        del page


class Rows(Bound[D], Generic[D]):
    """Rows that are there when somebody asks for them: nothing is sent before, and each iteration asks anew.

    Iterate over it (``for`` with a Client, ``async for`` with an AsyncClient), take it by ``pages``, or ``all`` of it.
    Raises ServiceError, TransportError and CredentialError as it is read.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @abstractmethod
    def _pages(self) -> Stream[Page]:
        """The conversation that emits pages."""

    def __iter__(self: "Rows[SyncDriver]") -> Iterator[Record]:
        if not isinstance(self._driver, SyncDriver):
            raise TypeError("rows of an AsyncClient are read by async for")
        for page in self._driver.iterate(self._pages()):
            yield from page.rows
            page.rows = []  # makes room before the next page is read

    async def __aiter__(self: "Rows[AsyncDriver]") -> AsyncIterator[Record]:
        if not isinstance(self._driver, AsyncDriver):
            raise TypeError("rows of a Client are read by for")
        async for page in self._driver.iterate(self._pages()):
            for record in page.rows:
                yield record
            page.rows = []

    @stream
    def pages(self) -> Stream[Page]:
        """The rows page by page, each as the service answered it."""
        yield from self._pages()

    @operation
    def all(self) -> Flow[list[Record]]:
        """All rows in memory."""
        pages = yield from collected(self._pages())
        return [record for page in pages for record in page.rows]

    @operation
    def first(self) -> Flow[Record | None]:
        """The first row, or None."""
        for page in (yield from collected(self._pages(), 1)):
            for record in page.rows:
                return record
        return None

    @operation
    def refs(self) -> Flow[list[Ref]]:
        """The rows as references, for associations and bulk deletion."""
        pages = yield from collected(self._pages())
        return [record.ref for page in pages for record in page.rows]

    @operation
    def to_pandas(self) -> Flow[Any]:
        """A ``pandas.DataFrame``; needs the extra ``pandas``. Money and decimals are Decimal, times are in UTC."""
        return to_pandas((yield from collected(self._pages())))

    @operation
    def to_polars(self) -> Flow[Any]:
        """A ``polars.DataFrame``; needs the extra ``polars``. Money and decimals are Decimal, times are in UTC."""
        return to_polars((yield from collected(self._pages())))

    @operation
    def to_arrow(self) -> Flow[Any]:
        """A ``pyarrow.Table``; needs the extra ``arrow``. Money and decimals are decimal128, times are in UTC."""
        return to_arrow((yield from collected(self._pages())))
