"""``orgstead finops trigger``: the end of a push, as a workflow that begins with an HTTP request has it."""

import hmac
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from orgstead.terminal.groups import finops
from orgstead.terminal.output import say

__all__: list[str] = []

MAX_BODY = 4 * 1024 * 1024
# Seconds in which a request has to arrive.
PATIENCE = 30


class _Trigger(ThreadingHTTPServer):
    """Takes POSTs of JSON and prints each in a line."""

    daemon_threads = True

    def __init__(self, port: int, key: str | None, most: int | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.key = key
        self.left = most

    def took(self, body: Any) -> None:
        """Print what came, and end after the last that is wanted."""
        sys.stdout.write(f"{json.dumps(body, ensure_ascii=False)}\n")
        sys.stdout.flush()
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                # From another thread than the one that serves, which ``shutdown`` waits for.
                self.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: _Trigger
    timeout = PATIENCE
    server_version, sys_version = "orgstead", ""

    def do_POST(self) -> None:
        status, body = self._read()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if status == 202:
            self.server.took(body)

    def _read(self) -> tuple[int, Any]:
        key = self.server.key
        if key is not None:
            given = parse_qs(urlsplit(self.path).query).get("sig", [""])[0]
            if not hmac.compare_digest(given.encode(), key.encode()):
                return 401, None
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            return 411, None
        if int(length) > MAX_BODY:
            return 413, None
        try:
            return 202, json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return 400, None

    def log_message(self, format: str, *arguments: Any) -> None:
        """What came is printed; nothing else is."""


@finops.command("trigger")
@click.option("--port", default=0, show_default=True, help="The port to listen on; 0 takes a free one.")
@click.option("--key", help="What the address has to carry as its parameter sig.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many.")
def trigger(port: int, key: str | None, count: int | None) -> None:
    """Receive what is pushed out, as the trigger of a workflow does, and print each JSON body in a line.

    It listens on this machine alone and says the address on standard error. Register that address as the url of a
    callback registration or of a webhook.
    """
    with _Trigger(port, key, count) as server:
        query = "?sig=…" if key else ""
        say(f"http://127.0.0.1:{server.server_port}/workflows/orgstead/triggers/manual/paths/invoke{query}")
        server.serve_forever(poll_interval=0.1)
