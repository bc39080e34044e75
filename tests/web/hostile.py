"""What an attacker of the live server needs: a token, and requests that no client library would send."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.live import Live

__all__ = ["API", "Answer", "Attacker"]

API = "/api/data/v9.2/"
SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and body of an answer; status 0 is a connection that ended without one."""

    status: int
    text: str

    def is_fault(self) -> bool:
        """Whether this is a refusal in the Web API's own shape."""
        try:
            error = json.loads(self.text)["error"]
        except (ValueError, KeyError, TypeError):
            return False
        return 400 <= self.status < 500 and error["code"].startswith("0x") and bool(error["message"])


class Attacker:
    """Signed in, and up to no good."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.session = requests.Session()
        self.token = self.sign_in()

    def sign_in(self) -> str:
        """A token of the development application."""
        answer = self.session.post(
            f"{self.live.http}/{self.live.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.live.client_id,
                "client_secret": self.live.client_secret,
                "scope": f"{self.live.http}/.default",
            },
            timeout=SECONDS,
        )
        token: str = answer.json()["access_token"]
        return token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request as a library sends it; ``path`` goes on the wire as it is."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {
            "authorization": f"Bearer {self.token}",
            **({} if content is None else {"content-type": "application/json"}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{method} {path if path.startswith('/') else API + path} HTTP/1.1", "host: localhost"]
        lines += [f"{name}: {value}" for name, value in sent.items()]
        lines += [f"content-length: {len(content or b'')}", "connection: close", "", ""]
        return self.raw("\r\n".join(lines).encode("utf-8", "surrogatepass") + (content or b""))

    def raw(self, data: bytes) -> Answer:
        """Bytes on a connection, and what comes back until it ends."""
        address = urlsplit(self.live.http)
        with socket.create_connection(
            (address.hostname or "", address.port or 0), timeout=SECONDS
        ) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
            parts = []
            with suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    parts.append(part)
        head, _, body = b"".join(parts).partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        return Answer(status=status, text=body.decode("utf-8", "replace"))

    def count(self, entity_set: str) -> int:
        """How many rows there are."""
        return int(self.ask("GET", f"{entity_set}/$count").text)

    def alive(self) -> bool:
        """Whether the server still answers others."""
        return self.ask("GET", "WhoAmI").status == 200
