"""Signing people in on a web page of one's own: the authorization code grant in its two steps.

For a program that serves many people: it sends each to the address of ``begin``, and gives ``finish`` the code that
comes back. From then on the person's refresh token, kept encrypted, gets tokens. A program on somebody's own machine
uses ``orgstead.client.Browser``; one without people, ``orgstead.client.ClientSecret``.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
https://www.rfc-editor.org/rfc/rfc7636
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from orgstead.client import Credential, CredentialError, Retry, TokenStore
from orgstead.client.flow import Call, Flow
from orgstead.client.tokens import Token, Where, check_address, form_request, token_of

__all__ = ["SCOPES", "AuthorizationCode", "SignInPage"]

AUTHORITY, TENANT = "https://login.microsoftonline.com", "common"
SCOPES = ("https://dynamics.microsoft.com/user_impersonation", "offline_access")
"""What is asked for: to act as the person, and to go on when the person is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPage:
    """Where to send a person. ``state`` and ``verifier`` are kept in the person's own session until they come back."""

    url: str
    state: str
    verifier: str = field(repr=False)


@dataclass(kw_only=True)
class AuthorizationCode(Credential):
    """A person who signed in on a web page, by an application's id and secret.

    ``holder`` tells the person from others in ``store``. ``authority`` and ``tenant_id`` are those of Entra unless
    given. Where an organisation does not take tokens for the scope of ``SCOPES``, ask for its own:
    ``scopes=("https://org12345.crm.dynamics.com/user_impersonation", "offline_access")``.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    store: TokenStore
    holder: str
    scopes: tuple[str, ...] = SCOPES
    authority: str | None = AUTHORITY
    tenant_id: str | None = TENANT
    _code: tuple[str, str] | None = field(default=None, repr=False, init=False)

    def begin(self) -> SignInPage:
        """The page to send the person to. Raises ConfigurationError for an authority that is none."""
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "response_mode": "query",
            "scope": " ".join(self.scopes),
            "state": state,
            "code_challenge": digest,
            "code_challenge_method": "S256",
        }
        authority = check_address(self.authority or AUTHORITY, allow_http=False, what="the authority")
        address = f"{authority}/{self.tenant_id or TENANT}/oauth2/v2.0/authorize"
        return SignInPage(url=f"{address}?{urlencode(query)}", state=state, verifier=verifier)

    def finish(self, page: SignInPage, answer: Mapping[str, str]) -> None:
        """Take what came back to ``redirect_uri``; the next request of a client exchanges the code.

        Raises CredentialError for an answer to another page, and when the person or the authority declined.
        """
        if not secrets.compare_digest(answer.get("state", "").encode(), page.state.encode()):
            raise CredentialError("the answer belongs to another sign-in", error="invalid_state")
        if "code" not in answer:
            text = answer.get("error_description") or answer.get("error") or "no code came"
            raise CredentialError(text, error=answer.get("error", ""))
        self._code = (answer["code"], page.verifier)

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        """Get a token by the code that came, or the refresh token that is kept. Raises CredentialError."""
        name = f"{where.authority} {where.resource} {self.client_id} {self.holder}"
        if self._code is not None:
            (code, verifier), self._code = self._code, None
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uri,
                "code_verifier": verifier,
            }
        else:
            kept: str | None = yield Call(lambda: self.store.get(name))
            if kept is None:
                raise CredentialError(
                    "nobody has signed in: send the person to the page of begin()", error="login_required"
                )
            form = {"grant_type": "refresh_token", "refresh_token": kept}
        body: Mapping[str, Any] = yield from form_request(
            where.endpoint("token"),
            {
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "scope": " ".join(self.scopes),
                **form,
            },
            retry,
            idempotent=False,
        )
        if body.get("error") in ("invalid_grant", "interaction_required") and "refresh_token" in form:
            yield Call(lambda: self.store.set(name, None))
        token = token_of(body)
        if body.get("refresh_token"):
            yield Call(lambda: self.store.set(name, str(body["refresh_token"])))
        return token

    @property
    def key(self) -> str:
        """The application and the person."""
        return f"{type(self).__name__} {self.client_id} {self.holder}"
