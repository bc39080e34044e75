"""A server in a process of its own, for as long as tests want it."""

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx2

from orgstead.testing.plane import Plane

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "TENANT_ID", "Orgstead", "running_server"]

# What development mode publishes. Not imported: that needs what only the server's extra installs.
TENANT_ID = "0d365000-0000-4000-8000-000000000001"
CLIENT_ID = "0d365000-0000-4000-8000-0000000000c1"
CLIENT_SECRET = "orgstead-dev-secret"
START_SECONDS = 60
END_SECONDS = 30
LINES = 200
MARGIN_SECONDS = 60
_LISTENS = re.compile(r"Orgstead listens on (http://\S+) and (https://\S+)")
_TRUST = re.compile(r"^\s+trust for TLS\s+(.+)$")


class Orgstead(Plane):
    """A running organisation: where it is, how to sign in, and its admin plane.

    ``url`` and ``https_url`` are addresses without a slash at the end, ``ca`` is the file of the certificate authority
    that its TLS certificate is from.
    """

    def __init__(self, url: str, https_url: str, ca: Path) -> None:
        super().__init__(url)
        self.https_url = https_url
        self.ca = ca
        self.tenant_id = TENANT_ID
        self.client_id = CLIENT_ID
        self.client_secret = CLIENT_SECRET
        self._token = ""
        self._valid = (0.0, 0.0)

    @property
    def authority(self) -> str:
        """The address of the tenant's authorization server."""
        return f"{self.https_url}/{self.tenant_id}"

    @property
    def env(self) -> Mapping[str, str]:
        """What clients read from their environment: whom to trust, and as whom to sign in where.

        It is for requests, httpx, aiohttp and Node, for azure-identity's EnvironmentCredential, and for tools that take
        DATAVERSE_URL.
        """
        trusted = str(self.ca)
        return {
            "SSL_CERT_FILE": trusted,
            "REQUESTS_CA_BUNDLE": trusted,
            "NODE_EXTRA_CA_CERTS": trusted,
            "AZURE_AUTHORITY_HOST": self.https_url,
            "AZURE_TENANT_ID": self.tenant_id,
            "AZURE_CLIENT_ID": self.client_id,
            "AZURE_CLIENT_SECRET": self.client_secret,
            "DATAVERSE_URL": self.https_url,
            "TENANT_ID": self.tenant_id,
            "CLIENT_ID": self.client_id,
            "CLIENT_SECRET": self.client_secret,
        }

    def token(self) -> str:
        """A bearer token of the development application, an administrator: a new one when the last one has expired."""
        now = self.clock.now().timestamp()
        begins, ends = self._valid
        if begins <= now < ends:
            return self._token
        answer = httpx2.post(
            f"{self.url}/{self.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "scope": f"{self.https_url}/.default",
            },
            trust_env=False,
        )
        answer.raise_for_status()
        told = answer.json()
        self._token = str(told["access_token"])
        self._valid = (now, now + told["expires_in"] - MARGIN_SECONDS)
        return self._token


@contextmanager
def running_server(
    options: Sequence[str], directory: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Orgstead]:
    """A server on free ports with its data in memory, unless ``options`` of ``orgstead serve`` say otherwise.

    ``directory`` is for what it leaves behind, ``environment`` has settings beside the options. Raises RuntimeError,
    with what it said, when it does not start.
    """
    command = [sys.executable, "-m", "orgstead.testing.child", "serve", "--data", ":memory:"]
    # What a developer has set for a server of theirs is not meant for this one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORGSTEAD_")}
    process = subprocess.Popen(
        [*command, "--http-port", "0", "--https-port", "0", *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**inherited, **environment, "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said: deque[str] = deque(maxlen=LINES)
    found: list[str] = []
    ready = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            for pattern in (_LISTENS, _TRUST):
                if (match := pattern.search(line)) is not None:
                    found.extend(match.groups())
            if len(found) >= 3:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        if not ready.wait(START_SECONDS) or len(found) < 3:
            raise RuntimeError("The server did not start:\n" + "".join(said))
        orgstead = Orgstead(found[0], found[1], Path(found[2].strip()))
        try:
            yield orgstead
        finally:
            orgstead.close()
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(END_SECONDS)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
