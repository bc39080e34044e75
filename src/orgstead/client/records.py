"""Single rows: made, read, changed, deleted.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

from orgstead.client.answers import body_of
from orgstead.client.errors import DuplicateError, NotFoundError, ServerError
from orgstead.client.flow import Answer, Flow
from orgstead.client.literals import guid, key_text, name, query_text
from orgstead.client.methods import Bound, operation
from orgstead.client.payload import payload
from orgstead.client.query import ANNOTATIONS, Expand
from orgstead.client.record import Record, Shape
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of, with_navigation
from orgstead.client.values import plain

__all__ = ["Key", "Records", "Upserted", "new_id"]

D = TypeVar("D")
Key = str | UUID | Mapping[str, Any]
"""An id, or the values of an alternate key by column."""

_ID = re.compile(r"\(([0-9a-fA-F-]{36})\)$")
RETURN = "return=representation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upserted:
    """What an upsert did: the id of the row, and whether it was made."""

    id: str
    created: bool


def new_id() -> str:
    """An id for a row to be made: with one of its own a create may be repeated without harm."""
    return str(uuid4())


def id_of(answer: Answer) -> str:
    """The id in the header OData-EntityId; raises ServerError for an answer without one."""
    found = _ID.search(answer.headers.get("odata-entityid", ""))
    if found is None:
        raise ServerError("the answer names no row", status=answer.status)
    return found[1].lower()


def selected(shape: Shape, select: Sequence[str], expand: Sequence[Expand]) -> str:
    """The query of a single row, with its question mark."""
    text = query_text(
        {
            "$select": ",".join(map(name, select)) or None,
            "$expand": ",".join(each.text() for each in expand) or None,
        }
    )
    return f"?{text}" if text else ""


def expanded(session: Session, table: str, expand: Sequence[Expand]) -> Flow[Shape]:
    """The shape of a table, and of those that are expanded."""
    if not expand:
        return (yield from shape_of(session, table))
    return (yield from with_navigation(session, table, [path for each in expand for path in each.paths()]))


class Records(Bound[D], Generic[D]):
    """Single rows of any table, by its logical name.

    Everything here raises ServiceError (NotFoundError, ForbiddenError, PreconditionError…), TransportError and
    CredentialError; ConfigurationError before anything is sent for what is no value, name or key.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def create(self, table: str, data: Mapping[str, Any], *, id: str | UUID | None = None) -> Flow[str]:
        """Make a row and return its id.

        With ``id``, or the primary key in ``data``, a create whose answer is lost is repeated; otherwise only one that
        did not reach the service is. Raises DuplicateError when the row exists.
        """
        shape = yield from shape_of(self._session, table)
        body = yield from payload(self._session, data)
        if id is not None:
            body[shape.key] = guid(id)
        chosen = body.get(shape.key)
        try:
            answer, _ = yield from self._session.call("POST", shape.set, body, idempotent=bool(chosen))
        except DuplicateError as error:
            # An id that was made for this row can only have been taken by an earlier try.
            if not (error.maybe_applied and chosen):
                raise
            return guid(chosen)
        return id_of(answer)

    @operation
    def create_returning(
        self,
        table: str,
        data: Mapping[str, Any],
        *,
        id: str | UUID | None = None,
        select: Sequence[str] = (),
        expand: Sequence[Expand] = (),
        annotations: bool = False,
    ) -> Flow[Record]:
        """Make a row and return it as it then is. Raises DuplicateError when the row exists."""
        shape = yield from expanded(self._session, table, expand)
        body = yield from payload(self._session, data)
        if id is not None:
            body[shape.key] = guid(id)
        query = selected(shape, select, expand)
        try:
            answer, _ = yield from self._session.call(
                "POST", shape.set + query, body, headers=_prefer(RETURN, annotations),
                idempotent=shape.key in body,
            )  # fmt: skip
        except DuplicateError as error:
            if not (error.maybe_applied and shape.key in body):
                raise
            path = f"{shape.set}({guid(body[shape.key])}){query}"
            answer, _ = yield from self._session.call("GET", path, headers=_prefer("", annotations))
        return Record(body_of(answer), shape, self._session.shapes)

    @operation
    def retrieve(
        self,
        table: str,
        key: Key,
        *,
        select: Sequence[str] = (),
        expand: Sequence[Expand] = (),
        annotations: bool = False,
    ) -> Flow[Record]:
        """A row by its id or alternate key. Raises NotFoundError when there is none."""
        return (yield from _retrieve(self._session, table, key, select, expand, annotations))

    @operation
    def find(
        self,
        table: str,
        key: Key,
        *,
        select: Sequence[str] = (),
        expand: Sequence[Expand] = (),
        annotations: bool = False,
    ) -> Flow[Record | None]:
        """A row by its id or alternate key, or None when there is none."""
        yield from shape_of(self._session, table)  # a table that does not exist is another matter
        try:
            return (yield from _retrieve(self._session, table, key, select, expand, annotations))
        except NotFoundError:
            return None

    @operation
    def refresh(self, record: Record) -> Flow[Record | None]:
        """The row as it is now, all its columns, or None when it is as it was (by its ETag)."""
        shape = yield from shape_of(self._session, record.table)
        headers = {"If-None-Match": record.etag} if record.etag else {}
        answer, _ = yield from self._session.call("GET", f"{shape.set}({record.id})", headers=headers)
        if answer.status == 304:
            return None
        return Record(body_of(answer), shape, self._session.shapes)

    @operation
    def update(self, table: str, key: Key, data: Mapping[str, Any], *, if_match: str = "*") -> Flow[None]:
        """Change columns of a row that exists.

        ``if_match`` is the ETag that the row must have. Raises NotFoundError when there is no row, PreconditionError
        when it has another ETag; its ``maybe_applied`` says that it may be this very change that gave it that.
        """
        shape = yield from shape_of(self._session, table)
        body = yield from payload(self._session, data)
        yield from self._session.call(
            "PATCH", f"{shape.set}({key_text(key)})", body, headers={"If-Match": if_match}
        )

    @operation
    def update_returning(
        self,
        table: str,
        key: Key,
        data: Mapping[str, Any],
        *,
        if_match: str = "*",
        select: Sequence[str] = (),
        annotations: bool = False,
    ) -> Flow[Record]:
        """Change columns of a row that exists and return it as it then is. Raises as ``update`` does."""
        shape = yield from shape_of(self._session, table)
        body = yield from payload(self._session, data)
        headers = {**_prefer(RETURN, annotations), "If-Match": if_match}
        path = f"{shape.set}({key_text(key)}){selected(shape, select, ())}"
        answer, _ = yield from self._session.call("PATCH", path, body, headers=headers)
        return Record(body_of(answer), shape, self._session.shapes)

    @operation
    def upsert(self, table: str, key: Key, data: Mapping[str, Any]) -> Flow[Upserted]:
        """Change the row of an id or alternate key, or make it when there is none."""
        shape = yield from shape_of(self._session, table)
        body = yield from payload(self._session, data)
        path = f"{shape.set}({key_text(key)})?$select={shape.key}"
        answer, _ = yield from self._session.call("PATCH", path, body, headers=_prefer(RETURN))
        if answer.status == 204 or not answer.content:
            return Upserted(id=id_of(answer), created=False)
        return Upserted(id=str(body_of(answer)[shape.key]), created=answer.status == 201)

    @operation
    def delete(self, table: str, key: Key, *, if_match: str | None = None) -> Flow[None]:
        """Delete a row. Raises NotFoundError when there is none, PreconditionError when it has another ETag."""
        shape = yield from shape_of(self._session, table)
        headers = {"If-Match": if_match} if if_match else {}
        try:
            yield from self._session.call("DELETE", f"{shape.set}({key_text(key)})", headers=headers)
        except NotFoundError as error:
            if not error.maybe_applied:
                raise

    @operation
    def get_value(self, table: str, key: Key, column: str) -> Flow[Any]:
        """The value of one column, None when it has none."""
        shape = yield from shape_of(self._session, table)
        found = yield from self._session.json(f"{shape.set}({key_text(key)})/{name(column)}")
        return Record({column: found.get("value")}, shape)[column]

    @operation
    def set_value(self, table: str, key: Key, column: str, value: Any) -> Flow[None]:
        """Set one column; None empties it."""
        shape = yield from shape_of(self._session, table)
        path = f"{shape.set}({key_text(key)})/{name(column)}"
        if value is None:
            yield from self._session.call("DELETE", path)
        else:
            yield from self._session.call("PUT", path, {"value": plain(value)})


def _prefer(preference: str, annotations: bool = False) -> dict[str, str]:
    text = ",".join(filter(None, (preference, ANNOTATIONS if annotations else "")))
    return {"Prefer": text} if text else {}


def _retrieve(
    session: Session, table: str, key: Key, select: Sequence[str], expand: Sequence[Expand], annotations: bool
) -> Flow[Record]:
    shape = yield from expanded(session, table, expand)
    path = f"{shape.set}({key_text(key)}){selected(shape, select, expand)}"
    answer, _ = yield from session.call("GET", path, headers=_prefer("", annotations))
    return Record(body_of(answer), shape, session.shapes)
