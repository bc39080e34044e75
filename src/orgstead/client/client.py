"""The two clients: one that blocks, one for event loops, with the same namespaces, methods and parameters."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

import httpx2

from orgstead.client.associations import Associations
from orgstead.client.batch import Batch
from orgstead.client.bulk import Bulk
from orgstead.client.calls import Calls
from orgstead.client.changes import Changes, Watermark
from orgstead.client.choices import Choices
from orgstead.client.connection_string import Connection, read_connection_string
from orgstead.client.credentials import credential_of
from orgstead.client.drive import AsyncDriver, SyncDriver
from orgstead.client.environment import read_environment
from orgstead.client.files import Files
from orgstead.client.finops.finops import FinOps
from orgstead.client.flow import Answer, Flow
from orgstead.client.languages import FetchXml, OData, Sql
from orgstead.client.literals import guid
from orgstead.client.methods import Bound, operation
from orgstead.client.query import Query
from orgstead.client.records import Records
from orgstead.client.retry import Retry
from orgstead.client.session import Session
from orgstead.client.tables import Tables

__all__ = ["AsyncClient", "Client"]

D = TypeVar("D")
TIMEOUT = httpx2.Timeout(120.0, connect=10.0, pool=60.0)


class _Client(Bound[D], Generic[D]):
    """What both clients have."""

    records: Records[D]
    """Single rows."""

    bulk: Bulk[D]
    """Many rows."""

    associations: Associations[D]
    """Relations between rows."""

    files: Files[D]
    """The contents of file and image columns."""

    tables: Tables[D]
    """Definitions of tables, columns, keys and relationships."""

    choices: Choices[D]
    """Choices and their labels."""

    functions: Calls[D]
    """Functions: ``client.functions.call("WhoAmI")``."""

    actions: Calls[D]
    """Actions: ``client.actions.invoke("WinOpportunity", {…})``."""

    finops: FinOps[D]
    """Finance and Operations: ``client.finops.connector``, ``packages``, ``entities``."""

    def _begin(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session
        self.records = Records(driver, session)
        self.bulk = Bulk(driver, session)
        self.associations = Associations(driver, session)
        self.files = Files(driver, session)
        self.tables = Tables(driver, session)
        self.choices = Choices(driver, session)
        self.functions = self.actions = Calls(driver, session)
        self.finops = FinOps(driver, session)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.url!r}, {self._session.credential!r})"

    @property
    def url(self) -> str:
        """The origin of the organisation."""
        return self._session.url

    @property
    def concurrency(self) -> float:
        """How many requests of bulk operations may be under way now, as far as has been found out."""
        return self._session.window.size

    def acting_for(self, user: str | UUID) -> Self:
        """The same client, acting for another user, by the ``systemuserid``; it shares the connections.

        The one who is signed in needs the privilege to act for others.
        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/impersonate-another-user-web-api
        """
        other = copy(self)
        other._begin(self._driver, self._session.acting({"MSCRMCallerID": guid(user)}))
        return other

    def query(self, table: str) -> Query[D]:
        """A query of a table, to be built upon."""
        return Query(self._driver, self._session, table)

    def batch(self) -> Batch[D]:
        """An empty batch, to be filled and sent."""
        return Batch(self._driver, self._session)

    def changes(
        self, table: str, *, select: Sequence[str] = (), watermark: Watermark | str | None = None
    ) -> Changes[D]:
        """The rows of a table that are new, changed or gone since the watermark."""
        return Changes(self._driver, self._session, table, select, watermark)

    def odata(self, path: str, *, headers: Mapping[str, str] | None = None) -> OData[D]:
        """The rows at a path below the root of the Web API, along its next links."""
        return OData(self._driver, self._session, path, headers or {})

    def fetchxml(self, xml: str, *, page_size: int | None = None, annotations: bool = False) -> FetchXml[D]:
        """The rows of a FetchXML query. Raises ConfigurationError for what is none."""
        return FetchXml(self._driver, self._session, xml, page_size, annotations)

    def sql(self, statement: str, *, page_size: int | None = None, annotations: bool = False) -> Sql[D]:
        """The rows of a SELECT statement. Raises ConfigurationError for one without FROM."""
        return Sql(self._driver, self._session, statement, page_size, annotations)

    @operation
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
    ) -> Flow[Answer]:
        """Send any request to a path below the root, or to an address of the organisation.

        ``idempotent`` says whether it may be repeated when its answer is lost: what is not a POST may, unless it says
        otherwise. Raises ServiceError for an answer of 400 and above, TransportError, CredentialError.
        """
        answer, _ = yield from self._session.call(
            method.upper(), path, json, content=content, headers=headers, idempotent=idempotent
        )
        return answer

    @operation
    def authority(self) -> Flow[tuple[str, str]]:
        """Who signs in for the organisation, and its tenant, as it says itself. Raises ConfigurationError."""
        return (yield from self._session.discover())

    @operation
    def who_am_i(self) -> Flow[Mapping[str, str]]:
        """``UserId``, ``BusinessUnitId`` and ``OrganizationId`` of whoever is signed in."""
        found = yield from self._session.json("WhoAmI")
        return {name: str(value) for name, value in found.items() if "@" not in name}


class Client(_Client[SyncDriver]):
    """A client of an organisation, Orgstead or Dynamics 365 online.

    ``url`` is its address. ``credential`` is one of this package, one of azure-identity, a token, or a function that
    answers tokens. ``retry`` says how patient it is, ``headers`` go with every request (``CallerObjectId``,
    ``MSCRM.SolutionUniqueName``…), ``verify`` is False or an ``ssl.SSLContext``, ``allow_http`` lets tokens go over
    plain http to others than loopback, ``max_concurrency`` bounds what bulk operations find out. It may be used by
    several threads. Raises ConfigurationError for an address or credential that is none.
    """

    def __init__(
        self,
        url: str,
        credential: Any,
        *,
        version: str = "9.2",
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        verify: Any = True,
        allow_http: bool = False,
        max_concurrency: int = 16,
        http: httpx2.Client | None = None,
    ) -> None:
        session = _session(url, credential, version, retry, headers, allow_http, max_concurrency)
        self._begin(SyncDriver(http or httpx2.Client(**_http(timeout, verify, max_concurrency))), session)

    @classmethod
    def from_connection_string(cls, text: str, **options: Any) -> Self:
        """A client as a connection string says; ``options`` are those of the class. Raises ConfigurationError."""
        return _made(cls, lambda: read_connection_string(text), options)

    @classmethod
    def from_environment(cls, url: str | None = None, **options: Any) -> Self:
        """A client as the environment says; ``options`` are those of the class. Raises ConfigurationError."""
        return _made(cls, lambda: read_environment(url=url), options)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Client[AsyncDriver]):
    """The client for event loops: as ``Client``, with coroutine functions for functions, ``async for`` for ``for``."""

    def __init__(
        self,
        url: str,
        credential: Any,
        *,
        version: str = "9.2",
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        verify: Any = True,
        allow_http: bool = False,
        max_concurrency: int = 16,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        session = _session(url, credential, version, retry, headers, allow_http, max_concurrency)
        made = http or httpx2.AsyncClient(**_http(timeout, verify, max_concurrency))
        self._begin(AsyncDriver(made), session)

    @classmethod
    def from_connection_string(cls, text: str, **options: Any) -> Self:
        """A client as a connection string says; ``options`` are those of the class. Raises ConfigurationError."""
        return _made(cls, lambda: read_connection_string(text), options)

    @classmethod
    def from_environment(cls, url: str | None = None, **options: Any) -> Self:
        """A client as the environment says; ``options`` are those of the class. Raises ConfigurationError."""
        return _made(cls, lambda: read_environment(url=url), options)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


C = TypeVar("C")


def _made(kind: Callable[..., C], read: Callable[[], Connection], options: Mapping[str, Any]) -> C:
    connection = read()
    return kind(connection.url, connection.credential, **options)


def _session(
    url: str,
    credential: Any,
    version: str,
    retry: Retry | None,
    headers: Mapping[str, str] | None,
    allow_http: bool,
    max_concurrency: int,
) -> Session:
    return Session(
        url,
        credential_of(credential),
        retry=retry or Retry(),
        version=version,
        headers=headers,
        allow_http=allow_http,
        max_concurrency=max_concurrency,
    )


def _http(timeout: float | None, verify: Any, max_concurrency: int) -> dict[str, Any]:
    limits = httpx2.Limits(
        max_connections=max_concurrency + 8,
        max_keepalive_connections=max_concurrency + 8,
        keepalive_expiry=20.0,
    )
    return {
        "timeout": TIMEOUT if timeout is None else timeout,
        "verify": verify,
        "limits": limits,
        "follow_redirects": False,
    }
