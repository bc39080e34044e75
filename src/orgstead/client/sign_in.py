"""Ways to get a token for a person: a password, a code for another device, a browser; and staying signed in.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
"""

import base64
import hashlib
import secrets
import sys
import time
import webbrowser
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from orgstead.client.credentials import Credential
from orgstead.client.errors import CredentialError
from orgstead.client.flow import Call, Flow, Pause
from orgstead.client.loopback import Listener
from orgstead.client.retry import Retry
from orgstead.client.token_store import TokenStore
from orgstead.client.tokens import Token, Where, form_request, token_of

__all__ = ["SAMPLE_CLIENT_ID", "Browser", "DeviceCode", "Password", "RefreshToken", "UserCredential"]

SAMPLE_CLIENT_ID = "51f81489-12ee-4a9e-aaae-a2591f45987d"
"""The application that Microsoft's samples use, known to every tenant and to Orgstead."""

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
BROWSER_SECONDS = 300.0


def _tell(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - the person has to read it


@dataclass(kw_only=True)
class UserCredential(Credential):
    """Signs a person in once and then lives on refresh tokens, kept in ``store`` when there is one.

    ``client_secret`` is for applications that have one. ``prompt``: ``auto`` signs in when there is no refresh token
    that works, ``always`` signs in once whatever is kept, ``never`` does not and raises CredentialError.
    """

    client_id: str = SAMPLE_CLIENT_ID
    client_secret: str | None = field(default=None, repr=False)
    store: TokenStore | None = None
    prompt: Literal["auto", "always", "never"] = "auto"
    _refresh: str | None = field(default=None, repr=False, init=False)
    _asked: bool = field(default=False, repr=False, init=False)

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a new token. Raises CredentialError when the authority or the person refuses."""
        kept = yield from self._kept(where)
        if kept is not None and not (self.prompt == "always" and not self._asked):
            form = {"grant_type": "refresh_token", "refresh_token": kept, "scope": self._scope(where)}
            body = yield from self._post(where, form, retry, idempotent=False)
            if "access_token" in body:
                return (yield from self._keep(where, body))
            if body.get("error") not in ("invalid_grant", "interaction_required"):
                raise token_error(body)
            yield from self._forget(where)
        if self.prompt == "never" and self.interactive:
            raise CredentialError(
                "nobody is signed in, and signing in is not allowed", error="login_required"
            )
        self._asked = True
        return (yield from self._keep(where, (yield from self.sign_in(where, retry))))

    interactive = True

    @abstractmethod
    def sign_in(self, where: Where, retry: Retry) -> Flow[Mapping[str, Any]]:
        """What the authority answers once the person has signed in."""

    @property
    def key(self) -> str:
        """Tells holders of refresh tokens apart."""
        return f"{type(self).__name__} {self.client_id}"

    def _scope(self, where: Where) -> str:
        return f"{where.scope} offline_access openid profile"

    def _post(
        self,
        where: Where,
        form: Mapping[str, str],
        retry: Retry,
        *,
        idempotent: bool,
        endpoint: str = "token",
    ) -> Flow[dict[str, Any]]:
        sent = {"client_id": self.client_id, **form}
        if self.client_secret and endpoint == "token":
            sent["client_secret"] = self.client_secret
        return (yield from form_request(where.endpoint(endpoint), sent, retry, idempotent=idempotent))

    def _name(self, where: Where) -> str:
        return f"{where.authority} {where.tenant} {where.resource} {self.key}"

    def _kept(self, where: Where) -> Flow[str | None]:
        store, name = self.store, self._name(where)
        if store is None:
            return self._refresh
        found: str | None = yield Call(lambda: store.get(name))
        return found or self._refresh

    def _keep(self, where: Where, body: Mapping[str, Any]) -> Flow[Token]:
        token = token_of(body)
        store, name, refresh = self.store, self._name(where), body.get("refresh_token")
        if refresh:
            self._refresh = str(refresh)
            if store is not None:
                yield Call(lambda: store.set(name, str(refresh)))
        return token

    def _forget(self, where: Where) -> Flow[None]:
        self._refresh = None
        store, name = self.store, self._name(where)
        if store is not None:
            yield Call(lambda: store.set(name, None))


def token_error(body: Mapping[str, Any]) -> CredentialError:
    """The refusal in an answer, as an exception."""
    try:
        token_of(body)
    except CredentialError as error:
        return error
    raise AssertionError("the answer is no refusal")


@dataclass(kw_only=True)
class Password(UserCredential):
    """A person by name and password; works for people without a second factor."""

    username: str
    password: str = field(repr=False)

    interactive = False

    def sign_in(self, where: Where, retry: Retry) -> Flow[Mapping[str, Any]]:
        """Ask with the name and the password. Raises CredentialError: AADSTS50126 for a wrong one."""
        form = {"grant_type": "password", "username": self.username, "password": self.password}
        form["scope"] = self._scope(where)
        return (yield from self._post(where, form, retry, idempotent=True))

    @property
    def key(self) -> str:
        """The name of the person, too."""
        return f"{super().key} {self.username.lower()}"


@dataclass(kw_only=True)
class RefreshToken(UserCredential):
    """A person who has signed in elsewhere, by the refresh token of that."""

    refresh_token: str = field(repr=False)

    def __post_init__(self) -> None:
        self._refresh = self.refresh_token
        self.prompt = "never"

    def sign_in(self, where: Where, retry: Retry) -> Flow[Mapping[str, Any]]:
        """Nobody can be asked. Raises CredentialError."""
        yield from ()
        raise CredentialError("the refresh token is used up", error="login_required")


@dataclass(kw_only=True)
class DeviceCode(UserCredential):
    """A person who enters a code on another device.

    ``tell`` is called with a message that says where and which; without it the message goes to standard error.
    """

    tell: Callable[[str], Any] = _tell

    def sign_in(self, where: Where, retry: Retry) -> Flow[Mapping[str, Any]]:
        """Ask for a code, tell it, and wait for the person. Raises CredentialError when it is declined or expires."""
        scope = {"scope": self._scope(where)}
        code = yield from self._post(where, scope, retry, idempotent=True, endpoint="devicecode")
        if "device_code" not in code:
            raise token_error(code)
        yield Call(lambda: self.tell(str(code.get("message") or code["user_code"])))
        until = time.monotonic() + float(code.get("expires_in") or 900)
        interval = float(code.get("interval") or 5)
        form = {"grant_type": DEVICE_GRANT, "device_code": str(code["device_code"])}
        while time.monotonic() < until:
            body = yield from self._post(where, form, retry, idempotent=True)
            if body.get("error") == "slow_down":
                interval += 5
            elif body.get("error") != "authorization_pending":
                return body
            yield Pause(interval)
        raise CredentialError("the code has expired", error="expired_token")


@dataclass(kw_only=True)
class Browser(UserCredential):
    """A person who signs in with a browser on this machine: authorization code with PKCE (RFC 7636, RFC 8252).

    ``redirect_uri`` is on http and loopback and registered for the application; without a port a free one is taken.
    ``open`` shows the page; it is called with its address. ``timeout`` is in seconds.
    """

    redirect_uri: str = "http://localhost"
    login_hint: str | None = None
    open: Callable[[str], Any] = webbrowser.open
    timeout: float = BROWSER_SECONDS

    def sign_in(self, where: Where, retry: Retry) -> Flow[Mapping[str, Any]]:
        """Open the page and wait for the code. Raises CredentialError when the person does not sign in."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        listener: Listener = yield Call(lambda: Listener(self.redirect_uri))
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": listener.redirect_uri,
            "scope": self._scope(where),
            "state": state,
            "code_challenge": digest,
            "code_challenge_method": "S256",
        }
        if self.login_hint:
            query["login_hint"] = self.login_hint
        page = f"{where.endpoint('authorize')}?{urlencode(query)}"
        code = yield Call(lambda: listener.wait(lambda: self.open(page), state, self.timeout))
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": listener.redirect_uri,
            "code_verifier": verifier,
            "scope": self._scope(where),
        }
        return (yield from self._post(where, form, retry, idempotent=False))
