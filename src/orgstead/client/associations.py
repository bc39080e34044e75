"""Relations between rows: ``$ref``.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
"""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from orgstead.client.errors import NotFoundError
from orgstead.client.flow import Flow, Stream
from orgstead.client.literals import Ref, name, query_text
from orgstead.client.methods import Bound, operation
from orgstead.client.record import Page, Record
from orgstead.client.rows import Rows, linked_pages
from orgstead.client.session import Session
from orgstead.client.shapes import address_of, shape_of, with_navigation

__all__ = ["Associations", "Related"]

D = TypeVar("D")


class Related(Rows[D]):
    """The rows at the end of a collection-valued navigation property."""

    def __init__(
        self, driver: D, session: Session, source: Ref, navigation: str, select: Sequence[str]
    ) -> None:
        super().__init__(driver, session)
        self._source = source
        self._navigation = navigation
        self._select = select

    def _pages(self) -> Stream[Page]:
        shape = yield from with_navigation(self._session, self._source.table)
        target = (shape.navigation or {}).get(self._navigation)
        found = None if target is None else (yield from shape_of(self._session, target))
        path = yield from address_of(self._session, self._source)
        text = query_text({"$select": ",".join(map(name, self._select)) or None})
        path = f"{path}/{self._navigation}" + (f"?{text}" if text else "")
        yield from linked_pages(self._session, path, found)


class Associations(Bound[D], Generic[D]):
    """Adding, removing and following relations. Rows are given as ``Ref("account", id)``.

    Everything here raises ServiceError, TransportError, CredentialError; ConfigurationError for what is no name or key.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def add(self, source: Ref, navigation: str, targets: Ref | Iterable[Ref]) -> Flow[None]:
        """Relate rows to a row by a collection-valued navigation property. Doing so again changes nothing."""
        path = yield from address_of(self._session, source)
        for target in [targets] if isinstance(targets, Ref) else targets:
            body = {"@odata.id": (yield from self._link(target))}
            # Relating twice is relating once, so this POST may be repeated.
            yield from self._session.call("POST", f"{path}/{name(navigation)}/$ref", body, idempotent=True)

    @operation
    def set(self, source: Ref, navigation: str, target: Ref) -> Flow[None]:
        """Point a lookup, by its single-valued navigation property, at a row."""
        path = yield from address_of(self._session, source)
        body = {"@odata.id": (yield from self._link(target))}
        yield from self._session.call("PUT", f"{path}/{name(navigation)}/$ref", body)

    @operation
    def remove(self, source: Ref, navigation: str, target: Ref | None = None) -> Flow[None]:
        """Take a row out of a collection, or without ``target`` empty a lookup."""
        path = yield from address_of(self._session, source)
        path = f"{path}/{name(navigation)}/$ref"
        if target is not None:
            path += "?" + query_text({"$id": (yield from self._link(target))})
        try:
            yield from self._session.call("DELETE", path)
        except NotFoundError as error:
            if not error.maybe_applied:
                raise

    def follow(self, source: Ref, navigation: str, *, select: Sequence[str] = ()) -> "Related[D]":
        """The rows in a collection of a row, to be iterated over."""
        return Related(self._driver, self._session, source, name(navigation), select)

    @operation
    def target(self, source: Ref, navigation: str, *, select: Sequence[str] = ()) -> Flow[Record | None]:
        """The row at the end of a single-valued navigation property, or None."""
        shape = yield from with_navigation(self._session, source.table)
        kind = (shape.navigation or {}).get(name(navigation))
        found = None if kind is None else (yield from shape_of(self._session, kind))
        path = yield from address_of(self._session, source)
        text = query_text({"$select": ",".join(map(name, select)) or None})
        row = yield from self._session.json(f"{path}/{navigation}" + (f"?{text}" if text else ""))
        return Record(row, found, self._session.shapes) if row else None

    def _link(self, target: Ref) -> Flow[str]:
        return self._session.address((yield from address_of(self._session, target)))
