"""Where the browser comes back to after a sign-in: a listener on loopback (RFC 8252, 7.3)."""

import hmac
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from orgstead.client.errors import ConfigurationError, CredentialError

__all__ = ["Listener"]

MAX_ANSWERS = 50
POLL_SECONDS = 0.5
PAGE = b"<!doctype html><meta charset=utf-8><title>Signed in</title><p>%s You may close this page.\n"


class Listener:
    """Listens on the port of ``redirect_uri``, or a free one when it names none. Raises ConfigurationError."""

    def __init__(self, redirect_uri: str) -> None:
        parts = urlsplit(redirect_uri)
        if parts.scheme != "http" or parts.hostname not in ("localhost", "127.0.0.1"):
            raise ConfigurationError("a browser comes back to http://localhost or http://127.0.0.1 only")
        self.found: dict[str, str] = {}
        self._state = ""
        self._path = parts.path or "/"
        try:
            self._server = HTTPServer(("127.0.0.1", parts.port or 0), self._handler())
        except OSError as error:
            raise ConfigurationError(f"cannot listen for the browser: {error}") from None
        self.redirect_uri = f"http://{parts.hostname}:{self._server.server_port}{parts.path}"

    def wait(self, begin: Callable[[], Any], state: str, seconds: float) -> str:
        """Call ``begin`` and wait for the code that comes with ``state``.

        An answer to another question is passed over. Raises CredentialError when the person declines, or nobody comes.
        """
        self._state = state
        try:
            begin()
            until = time.monotonic() + seconds
            self._server.timeout = POLL_SECONDS
            for _ in range(MAX_ANSWERS + int(seconds / POLL_SECONDS)):
                if self.found or time.monotonic() > until:
                    break
                self._server.handle_request()
        finally:
            self._server.server_close()
        if not self.found:
            raise CredentialError(f"nobody has signed in for {seconds:g} seconds", error="timeout")
        if "code" not in self.found:
            text = self.found.get("error_description") or self.found.get("error") or "no code came"
            raise CredentialError(text, error=self.found.get("error", ""))
        return self.found["code"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # a connection on which nothing comes holds nobody up for longer

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                found = {name: values[0] for name, values in parse_qs(parts.query).items()}
                ours = hmac.compare_digest(found.get("state", "").encode(), listener._state.encode())
                wanted = ours and parts.path == listener._path and ("code" in found or "error" in found)
                if wanted:
                    listener.found = found
                text = PAGE % (
                    b"You are signed in." if wanted and "code" in found else b"You are not signed in."
                )
                self.send_response(200 if wanted else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing: the path holds the code."""

        return Handler
