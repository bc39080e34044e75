"""A live server as a user starts it, on free ports, for tests that come over the network."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET, TENANT_ID

LISTENS = re.compile(r"Orgstead listens on (http://\S+) and (https://\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Where the server is, and what a client has to know to sign in. ``ca`` is the file of its authority."""

    http: str
    https: str
    ca: str
    tenant_id: str = TENANT_ID
    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client's process needs in its environment to trust the server's certificate."""
        return {
            **os.environ,
            "REQUESTS_CA_BUNDLE": self.ca,
            "SSL_CERT_FILE": self.ca,
            "NODE_EXTRA_CA_CERTS": self.ca,
        }


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A new organisation with sample rows, behind ``orgstead serve``. One to a process of the tests."""
    data = tmp_path_factory.mktemp("live")
    command = [sys.executable, "-m", "orgstead", "serve", "--data", str(data), "--sample"]
    server = subprocess.Popen(
        [*command, "--http-port", "0", "--https-port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=data,
    )  # fmt: skip
    try:
        yield _listening(server, data)
    finally:
        server.terminate()
        # Reading to the end lets the server write its last lines and end.
        server.communicate(timeout=30)
    assert server.returncode == 0, "the server did not end in order"


@contextmanager
def served(
    data: Path, *, database_url: str | None = None, **settings: str
) -> Iterator[tuple[Live, "subprocess.Popen[str]"]]:
    """A server of a test's own over ``data``; it is killed at the end, if it has not ended by then."""
    command = [
        sys.executable,
        "-m",
        "orgstead",
        "serve",
        "--data",
        str(data),
        "--http-port",
        "0",
        "--https-port",
        "0",
    ]
    environment = {**os.environ, **{f"ORGSTEAD_{name.upper()}": value for name, value in settings.items()}}
    if database_url is not None:
        environment["ORGSTEAD_DATABASE_URL"] = database_url
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=data, env=environment
    )
    try:
        yield _listening(server, data), server
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGKILL)
        server.communicate(timeout=30)


def _listening(server: "subprocess.Popen[str]", data: Path) -> Live:
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if found := LISTENS.search(line):
            return Live(http=found[1], https=found[2], ca=str(data / "certificates" / "ca.pem"))
    raise AssertionError("the server ended before it listened:\n" + "".join(said))


@pytest.fixture
def trusted(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """The server, trusted by the clients of this process."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", live.ca)
    monkeypatch.setenv("SSL_CERT_FILE", live.ca)
    return live
