"""A session: where the service is, who asks, and how a request becomes an answer."""

import logging
from collections.abc import Collection, Mapping
from copy import copy
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import orgstead
from orgstead.client.answers import body_of, not_redirected
from orgstead.client.credentials import Credential
from orgstead.client.errors import ConfigurationError, UnauthorizedError, service_error
from orgstead.client.exchange import exchange
from orgstead.client.flow import Answer, Flow, Once, Request, Stretch
from orgstead.client.limits import Window
from orgstead.client.multipart import Part, read_multipart, write_multipart
from orgstead.client.record import Shape
from orgstead.client.retry import Retry
from orgstead.client.tokens import Token, Where, challenged, check_address
from orgstead.client.values import encode

__all__ = ["PARTS", "Session"]

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Of an address in characters; the service takes 32,768.
LONGEST = 30_000
# A batch with a failure in it has the status of the failure and is an answer all the same.
PARTS = frozenset(range(400, 500)) - {401, 408, 429} | {500}
ENTRA = "https://login.microsoftonline.com"

log = logging.getLogger("orgstead.client")


class Session:
    """What all calls of one client share; it holds no connection and runs nothing by itself.

    ``url`` is the origin of the organisation, ``root`` the address of its Web API. ``headers`` go with every request.
    ``shapes`` are the tables that were asked about.
    """

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        retry: Retry,
        version: str = "9.2",
        headers: Mapping[str, str] | None = None,
        allow_http: bool = False,
        max_concurrency: int = 16,
    ) -> None:
        self.url = check_address(url, allow_http=allow_http)
        if not version.replace(".", "").isdigit():
            raise ConfigurationError(f"the version is one such as 9.2, not {version[:20]!r}")
        self.root = f"{self.url}/api/data/v{version}/"
        self.credential = credential
        self.retry = retry
        self.window = Window(largest=max_concurrency)
        self.shapes: dict[str, Shape] = {}
        self._headers = {
            "Accept": "application/json",
            "OData-Version": "4.0",
            "OData-MaxVersion": "4.0",
            "User-Agent": f"orgstead/{orgstead.__version__}",
            **(headers or {}),
        }
        self._allow_http = allow_http
        self._token: Token | None = None
        self._found: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"Session({self.url!r}, {self.credential!r})"

    def acting(self, headers: Mapping[str, str]) -> "Session":
        """The same session with further headers; token, window and known tables are shared or go with it."""
        other = copy(self)
        other._headers = {**self._headers, **headers}
        return other

    def address(self, path: str) -> str:
        """The whole address of a path below the root, or of a link of an answer.

        Raises ConfigurationError for a link to elsewhere: a token goes to nobody but the service that it is for.
        """
        if "://" not in path.partition("?")[0]:
            return self.url + path if path.startswith("/") else self.root + path
        parts, own = urlsplit(path), urlsplit(self.url)
        ports = {"https": 443, "http": 80}
        if (parts.scheme, parts.hostname, parts.port or ports.get(parts.scheme)) != (
            own.scheme, own.hostname, own.port or ports[own.scheme],
        ):  # fmt: skip
            raise ConfigurationError(f"the link leads to {parts.scheme}://{parts.netloc}, not to {self.url}")
        return path

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | Stretch | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        accepted: Collection[int] = (),
        timeout: float | None = None,
        into: BinaryIO | None = None,
    ) -> Flow[tuple[Answer, bool]]:
        """Send a request; also answers whether an earlier try of it may have been applied.

        ``body`` is a plain value for JSON, ``content`` bytes as they are, ``into`` a file that takes the answer's body.
        Raises ServiceError, TransportError,
        CredentialError.
        """
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            content = encode(body)
            sent.setdefault("Content-Type", "application/json; charset=utf-8")
        repeat = method in IDEMPOTENT if idempotent is None else idempotent
        token = yield from self.token()
        url = self.address(path)
        for last in (False, True):
            request = Request(
                method=method,
                url=url,
                headers={**sent, "Authorization": f"Bearer {token}"},
                content=content,
                timeout=timeout,
                into=into,
            )
            try:
                answer, uncertain = yield from exchange(
                    request, self.retry, idempotent=repeat, window=self.window, accepted=accepted
                )
                log.debug("%s %s: %s", method, url.partition("?")[0], answer.status)
                not_redirected(answer)
                return answer, uncertain
            except UnauthorizedError:
                # A 401 comes before anything is done, so whatever it was may be sent once more.
                renewed = token if last else (yield from self.token(instead_of=token))
                if renewed == token:
                    raise
                token = renewed
        raise AssertionError("the last round returns or raises")

    def read(self, path: str, *, headers: Mapping[str, str] | None = None) -> Flow[Answer]:
        """GET a path. One that is longer than an address may be goes in a batch, which takes twice as much.

        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview#url-length-limitations
        """
        url = self.address(path)
        if len(url) <= LONGEST:
            answer, _ = yield from self.call("GET", path, headers=headers)
            return answer
        kind, content = write_multipart([Part(method="GET", url=url, headers=headers or {})])
        sent = {"Content-Type": kind, "Accept": "multipart/mixed"}
        answer, _ = yield from self.call(
            "POST", "$batch", content=content, headers=sent, idempotent=True, accepted=PARTS
        )
        if "multipart" not in answer.headers.get("content-type", "").lower():
            raise service_error(answer.status, answer.headers, answer.content)
        (found,) = read_multipart(answer)
        assert isinstance(found, Answer)
        if found.status >= 400:
            raise service_error(found.status, found.headers, found.content)
        return found

    def json(self, path: str, *, headers: Mapping[str, str] | None = None) -> Flow[dict[str, Any]]:
        """GET an object; raises what ``call`` raises."""
        answer = yield from self.read(path, headers=headers)
        if answer.status == 204 or not answer.content:
            return {}
        return body_of(answer)

    def token(self, *, instead_of: str | None = None) -> Flow[str]:
        """A token that is good for now, and is not the one that was refused. Raises CredentialError."""
        held = self._token
        if held is not None and held.fresh and held.value != instead_of:
            return held.value
        value: str = yield Once("token", lambda: self._renew(instead_of))
        return value

    def _renew(self, instead_of: str | None) -> Flow[str]:
        # Whoever came first has got one for all.
        held = self._token
        if held is not None and held.fresh and held.value != instead_of:
            return held.value
        where = yield from self._where()
        self._token = yield from self.credential.token(where, self.retry)
        if not self._token.value.isprintable() or not self._token.value.isascii():
            raise ConfigurationError("the credential answered something that is no token")
        return self._token.value

    def _where(self) -> Flow[Where]:
        """Authority and tenant: as given, or else as the service says when it is asked without a token."""
        authority, tenant = self.credential.authority, self.credential.tenant_id
        if authority is not None:
            authority = check_address(authority, allow_http=self._allow_http, what="the authority")
        if not self.credential.needs_authority:
            return Where(authority=authority or ENTRA, tenant=tenant or "common", resource=self.url)
        if authority is None or tenant is None:
            if self._found is None:
                self._found = yield from self.discover(tenant)
            authority, tenant = authority or self._found[0], tenant or self._found[1]
        return Where(authority=authority, tenant=tenant, resource=self.url)

    def discover(self, tenant: str | None = None) -> Flow[tuple[str, str]]:
        """Authority and tenant, as the service says when it is asked without a token. Raises ConfigurationError.

        Where it says nothing, and a ``tenant`` is known, it is Entra that signs in.
        """
        request = Request(method="GET", url=f"{self.root}WhoAmI", headers=self._headers)
        answer, _ = yield from exchange(request, self.retry, idempotent=True, accepted=(400, 401, 403, 404))
        found = challenged(answer.headers.get("www-authenticate", ""), allow_http=self._allow_http)
        if found is None and tenant is not None:
            # Finance and Operations says nothing.
            return ENTRA, tenant
        if found is None:
            raise ConfigurationError(
                f"{self.url} does not say who signs in for it: give tenant_id and authority, or check the address"
            )
        return found
