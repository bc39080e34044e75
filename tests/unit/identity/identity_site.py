"""What the tests of the authorization server share: a server with a browser, on a clock that they move."""

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt

from orgstead.identity import Answer, AuthorizationServer, IdentityConfig, KeyRing, MemoryDirectory
from orgstead.identity.apps import Application, User
from orgstead.identity.development import ADMIN_PASSWORD, ADMIN_UPN, CLIENT_ID, TENANT_ID

ORG = "https://org.example"
SCOPE = f"{ORG}/.default"


class Clock:
    """Unix seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """The server under test and a browser's cookies."""

    server: AuthorizationServer
    directory: MemoryDirectory
    clock: Clock
    keys: KeyRing
    config: IdentityConfig
    base: str = ORG
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request as a browser or a client would, keeping cookies."""
        path, _, query = path.partition("?")
        body = urlencode(fields or {}).encode() if method == "POST" else b""
        if method != "POST" and fields:
            query = urlencode(fields)
        sent = {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.server.answer(
            method=method,
            path=path,
            base_url=self.base,
            query=query.encode(),
            headers=sent | dict(headers or {}),
            body=body,
        )
        assert answer is not None, f"{path} is not the server's"
        for name, value in answer.headers:
            if name == "Set-Cookie":
                cookie = value.partition(";")[0]
                self.cookies[cookie.partition("=")[0]] = cookie.partition("=")[2]
        return answer

    def token(
        self,
        fields: Mapping[str, str],
        *,
        version: int = 2,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask the token endpoint of a version."""
        path = "oauth2/v2.0/token" if version == 2 else "oauth2/token"
        return self.ask("POST", f"/{TENANT_ID}/{path}", fields, headers)

    def tokens(self, fields: Mapping[str, str], *, version: int = 2) -> dict[str, Any]:
        """Ask for tokens and expect them."""
        answer = self.token(fields, version=version)
        assert answer.status == 200, answer.body
        return body(answer)

    def refused(
        self,
        fields: Mapping[str, str],
        *,
        version: int = 2,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, int]:
        """Ask for tokens and expect a refusal: its status, error name and AADSTS number."""
        answer = self.token(fields, version=version, headers=headers)
        assert answer.status >= 400, answer.body
        values = body(answer)
        assert values["error_description"].startswith(f"AADSTS{values['error_codes'][0]}: ")
        return answer.status, values["error"], values["error_codes"][0]

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is checked."""
        key = self.keys.public[jwt.get_unverified_header(token)["kid"]]
        names = ("aud", "exp", "nbf", "iat", "iss")
        options: Any = {f"verify_{name}": False for name in names}
        return jwt.decode(token, key, algorithms=["RS256"], options=options)

    def sign_in(
        self, page: Answer, username: str = ADMIN_UPN, password: str = ADMIN_PASSWORD, **more: str
    ) -> Answer:
        """Fill in the sign-in page and send it."""
        action, hidden = form(page)
        given = {"username": username, "password": password, "action": "sign-in"}
        return self.ask("POST", action, hidden | given | more)

    def application(self, **changes: Any) -> Application:
        """Register a changed copy of the confidential application."""
        application = self.directory.application(CLIENT_ID)
        assert application is not None
        changed = replace(application, **changes)
        self.directory.add_application(changed)
        return changed

    def change_user(self, **changes: Any) -> User:
        """Change the administrator."""
        user = self.directory.user(ADMIN_UPN)
        assert user is not None
        changed = replace(user, **changes)
        self.directory.add_user(changed)
        return changed


def body(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer."""
    values = json.loads(answer.body)
    assert isinstance(values, dict)
    return values


def form(page: Answer) -> tuple[str, dict[str, str]]:
    """The action and the hidden fields of the form on a page."""
    text = page.body.decode()
    action = re.search(r'<form method="post" action="([^"]*)"', text)
    assert action, text
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in hidden}


def location(answer: Answer) -> tuple[str, dict[str, str]]:
    """Where an answer redirects to, and the values that it takes along in the query or the fragment."""
    assert answer.status == 302, answer.body
    target = dict(answer.headers)["Location"]
    parts = urlsplit(target)
    values = dict(parse_qsl(parts.query or parts.fragment, strict_parsing=True))
    return target.partition("?")[0].partition("#")[0], values
