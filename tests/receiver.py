"""An endpoint that takes what webhooks post, on loopback, and behaves as its test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Post", "Receiver", "receiving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def id(self) -> str:
        """The row that it is about."""
        id: str = self.json["PrimaryEntityId"]
        return id


@dataclass(slots=True)
class Receiver:
    """Where it is, what has arrived, and how it answers: a status for each post, by what it holds."""

    url: str
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[Post], int] = lambda post: 200
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def take(self, post: Post) -> int:
        """Note a post, and say how it is answered."""
        with self._arrived:
            self.posts.append(post)
            self._arrived.notify_all()
        return self.answer(post)

    def wait(self, number: int, seconds: float = 30) -> list[Post]:
        """All posts once ``number`` of them have arrived."""
        return self.wait_until(lambda posts: len(posts) >= number, seconds)

    def wait_until(self, enough: Callable[[list[Post]], bool], seconds: float = 30) -> list[Post]:
        """All posts once they are enough."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: enough(self.posts), seconds):
                raise AssertionError(f"only {len(self.posts)} posts have arrived")
            return list(self.posts)

    def about(self, id: str) -> list[Post]:
        """What has arrived about one row."""
        return [post for post in self.posts if post.id == id]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # The sender has gone in the middle.
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Post(path=self.path, headers=headers, body=body))
            # A 204 has no body: what follows it would be taken for the next answer.
            text = b"" if status == 204 else f"answered {status}".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A sender that is killed leaves connections behind."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(url=f"http://127.0.0.1:{server.server_address[1]}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
