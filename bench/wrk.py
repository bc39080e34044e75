"""The load generator: bounded bursts of ``wrk`` against a loopback server, and single requests."""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Answer", "Rate", "Request", "burst", "once", "require"]

SCRIPT: Final = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; ``path`` starts at the host's root and is already percent-encoded."""

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request was answered with."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a burst measured: answers a second, and latencies in milliseconds."""

    per_second: float
    median: float
    slowest_hundredth: float


def require() -> None:
    """Raises RuntimeError where ``wrk`` is missing."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing: apt-get install -y wrk")


def burst(
    url: str,
    requests: Sequence[Request],
    *,
    connections: int,
    seconds: int,
    warmup: int,
    work: Path,
) -> Rate:
    """Send ``requests`` in rotation over ``connections`` for ``seconds``, after ``warmup`` uncounted ones.

    Raises RuntimeError when any answer is an error or any connection breaks: such a rate means nothing.
    """
    host = urlsplit(url).netloc
    if not host.startswith(("127.0.0.1:", "localhost:", "[::1]:")):
        raise RuntimeError(f"{url} is not on the loopback")
    prepared = work / "requests.bin"
    with prepared.open("wb") as file:
        for raw in (encode(request, host) for request in requests):
            file.write(b"%d\n" % len(raw) + raw)
    if warmup:
        run(url, prepared, connections, warmup)
    return run(url, prepared, connections, seconds)


def run(url: str, prepared: Path, connections: int, seconds: int) -> Rate:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT), url]
    output = subprocess.run(
        [*command, "--", str(prepared)], capture_output=True, text=True, check=True, timeout=seconds + 60
    ).stdout
    found = re.search(r"^summary (\{.*\})$", output, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk printed no summary:\n{output}")
    told = json.loads(found[1])
    if not told["requests"]:
        raise RuntimeError(f"no answer within {seconds} s")
    if told["refused"] or told["broken"]:
        raise RuntimeError(f"of {told['requests']} requests {told['refused']} failed, {told['broken']} broke")
    return Rate(
        per_second=told["requests"] / told["microseconds"] * 1e6,
        median=told["p50"] / 1000,
        slowest_hundredth=told["p99"] / 1000,
    )


def encode(request: Request, host: str) -> bytes:
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode() + request.body


def once(url: str, request: Request) -> Answer:
    """Send one request. Raises OSError when the server cannot be reached."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        connection.request(request.method, request.path, request.body or None, dict(request.headers))
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read())
    finally:
        connection.close()
