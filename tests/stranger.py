"""A server that is no organisation: it answers what a test says, and notes what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

__all__ = ["Stranger", "strange"]


@dataclass(slots=True)
class Stranger:
    """``status``, ``headers`` and ``body`` are what is answered, ``asked`` the paths that were asked for."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: list[str] = field(default_factory=list)


@contextmanager
def strange() -> Iterator[Stranger]:
    """A stranger on a port of its own."""
    stranger = Stranger()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stranger.asked.append(self.path)
            self.send_response(stranger.status)
            for name, value in {"Content-Length": str(len(stranger.body)), **stranger.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(stranger.body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stranger.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield stranger
        server.shutdown()
        thread.join()
