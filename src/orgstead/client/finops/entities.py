"""Data entities: rows under their public names, at ``/data``.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Emit, Flow, Stream
from orgstead.client.literals import SAFE, literal, name, text_literal
from orgstead.client.methods import Bound, operation, stream
from orgstead.client.session import Session
from orgstead.client.values import decode, plain

__all__ = ["Entities"]

D = TypeVar("D")
ROOT = "/data/"
MAX_PAGES = 1_000_000


class Entities(Bound[D], Generic[D]):
    """Rows of data entities. ``collection`` is a public collection name (``CustomersV3``), in its own case.

    Keys are mappings: ``{"dataAreaId": "usmf", "CustomerAccount": "US-001"}``. Rows are plain mappings without
    annotations. Only the rows of the user's own company are seen unless ``cross_company`` says otherwise.
    Everything here raises ServiceError (NotFoundError where there is no such row or entity), TransportError,
    CredentialError and ConfigurationError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @stream
    def rows(
        self,
        collection: str,
        *,
        filter: str = "",
        select: Sequence[str] = (),
        orderby: Sequence[str] = (),
        expand: Sequence[str] = (),
        top: int | None = None,
        cross_company: bool = False,
    ) -> Stream[Mapping[str, Any]]:
        """The rows that meet an OData filter, page by page."""
        options = {
            "$filter": filter,
            "$select": ",".join(map(name, select)),
            "$orderby": ",".join(orderby),
            "$expand": ",".join(expand),
            "$top": "" if top is None else str(top),
        }
        path = f"{ROOT}{name(collection)}?{_query(options, cross_company)}"
        for _ in range(MAX_PAGES):
            found = yield from self._session.json(path)
            for row in found.get("value", ()):
                yield Emit(_bare(row))
            link = found.get("@odata.nextLink")
            if not link:
                return
            path = str(link)

    @operation
    def count(self, collection: str, *, filter: str = "", cross_company: bool = False) -> Flow[int]:
        """How many rows meet a filter."""
        query = _query({"$filter": filter}, cross_company)
        answer, _ = yield from self._session.call(
            "GET", f"{ROOT}{name(collection)}/$count?{query}", headers={"Accept": "text/plain, */*"}
        )
        return int(answer.content.decode("utf-8-sig"))

    @operation
    def get(
        self, collection: str, key: Mapping[str, Any], *, cross_company: bool = True
    ) -> Flow[Mapping[str, Any]]:
        """One row by its key."""
        found = yield from self._session.json(_path(collection, key, cross_company))
        return _bare(found)

    @operation
    def create(self, collection: str, values: Mapping[str, Any]) -> Flow[Mapping[str, Any]]:
        """Make a row and return it as it was made. A create whose answer is lost is not repeated."""
        answer, _ = yield from self._session.call("POST", f"{ROOT}{name(collection)}", plain(dict(values)))
        return _bare(decode(answer.content)) if answer.content else {}

    @operation
    def update(
        self,
        collection: str,
        key: Mapping[str, Any],
        values: Mapping[str, Any],
        *,
        cross_company: bool = True,
    ) -> Flow[None]:
        """Change the given fields of a row."""
        yield from self._session.call("PATCH", _path(collection, key, cross_company), plain(dict(values)))

    @operation
    def delete(self, collection: str, key: Mapping[str, Any], *, cross_company: bool = True) -> Flow[None]:
        """Remove a row."""
        yield from self._session.call("DELETE", _path(collection, key, cross_company))


def _query(options: Mapping[str, str], cross_company: bool) -> str:
    pairs = [f"{key}={quote(text, safe=SAFE)}" for key, text in options.items() if text]
    return "&".join((*pairs, "cross-company=true") if cross_company else pairs)


def _path(collection: str, key: Mapping[str, Any], cross_company: bool) -> str:
    if not key:
        raise ConfigurationError("the key is empty")
    pairs = (
        # A text that looks like an id is a text all the same: keys of entities are natural ones.
        f"{name(field)}={quote(text_literal(value) if isinstance(value, str) else literal(value), safe='')}"
        for field, value in key.items()
    )
    return f"{ROOT}{name(collection)}({','.join(pairs)}){'?cross-company=true' if cross_company else ''}"


def _bare(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {field: value for field, value in row.items() if not field.startswith("@")}
