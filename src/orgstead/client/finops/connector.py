"""Recurring integrations: files pushed in, watched, and fetched, by the id of a recurring data job.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from orgstead.client.errors import ConfigurationError, NotFoundError, ServerError
from orgstead.client.finops.actions import manage
from orgstead.client.finops.landing import Landing, Received, safe_name
from orgstead.client.flow import Call, Emit, Flow, Pause, Stream, Stretch
from orgstead.client.literals import guid
from orgstead.client.methods import Bound, operation, stream
from orgstead.client.session import Session
from orgstead.client.values import decode, encode

__all__ = ["ENDED", "Connector", "Dequeued", "Pulled", "has_failed"]

D = TypeVar("D")
ROOT = "/api/connector"
# Seconds for a file of any size to go up or come down.
TRANSFER = 3600.0
ENDED = frozenset({"Acked", "Processed", "PreProcessingError", "ProcessedWithErrors", "PostProcessingFailed"})
"""The statuses in which nothing more becomes of a message."""


def has_failed(status: str) -> bool:
    """Whether a message ended otherwise than it should."""
    return status in ENDED - {"Acked", "Processed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequeued:
    """A message that is lent: ``key`` is the same when it is lent again, ``location`` None when it brings no file.

    ``raw`` is the answer as it came, which is what the service wants back.
    """

    key: str
    correlation_id: str
    location: str | None
    problem: str
    last_dequeued: str | None
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A file that was received: where it lies, its size in bytes, and the message. ``again`` if it had been before."""

    path: Path
    size: int
    message: Dequeued
    again: bool = False


class Connector(Bound[D], Generic[D]):
    """The queues of recurring data jobs. ``job`` is the id of one, with braces or without.

    Everything here raises ServiceError, TransportError, CredentialError, ConfigurationError and OSError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    # -- in
    @operation
    def enqueue(
        self,
        job: str,
        content: str | Path | bytes | BinaryIO,
        *,
        entity: str | None = None,
        company: str | None = None,
        external_id: str | None = None,
    ) -> Flow[str]:
        """Push a file to a job and return the id of its message.

        ``content`` is a path, bytes, or an open binary file that can be sought; it is read while it is sent. ``entity``
        is what data management calls the entity, and is left out for a data package. A push whose answer is lost is not
        repeated, because it may have arrived: the TransportError says so by ``maybe_applied``; ``external_id`` is what
        to find it by.
        """
        opened = isinstance(content, str | Path)
        file: BinaryIO = yield Call(lambda: _opened(content))
        try:
            size: int = yield Call(lambda: file.seek(0, 2))
            given = {"entity": entity, "company": company}
            query = urlencode({name: value for name, value in given.items() if value}, quote_via=quote)
            headers = {"Content-Type": "application/octet-stream"}
            if external_id is not None:
                headers["x-ms-dyn-externalidentifier"] = external_id
            answer, _ = yield from self._session.call(
                "POST", f"{_path('enqueue', job)}{'?' if query else ''}{query}",
                content=Stretch(file=file, start=0, length=size), headers=headers, timeout=TRANSFER,
            )  # fmt: skip
        finally:
            if opened or isinstance(content, bytes):
                file.close()
        return _message_id(answer.content)

    @operation
    def status(self, message: str) -> Flow[str]:
        """The status of a message by its name: ``Enqueued``, ``Processing``, ``Processed``…"""
        return str((yield from manage(self._session, "GetMessageStatus", messageId=guid(message))))

    @operation
    def execution(self, message: str) -> Flow[str]:
        """The id of the execution that a message led to, for ``packages.errors``; empty as long as there is none."""
        return str(
            (yield from manage(self._session, "GetExecutionIdByMessageId", messageId=guid(message))) or ""
        )

    @stream
    def watch(self, message: str, *, seconds: float | None = None, every: float = 2.0) -> Stream[str]:
        """Each status that a message is seen in, until nothing more becomes of it or ``seconds`` are over."""
        yield from _watch(self._session, message, seconds, every)

    @operation
    def wait(self, message: str, *, seconds: float | None = None, every: float = 2.0) -> Flow[str]:
        """The status in which a message ended, or the one it is in when ``seconds`` are over."""
        last = ""
        sent: Any = None
        watching = _watch(self._session, message, seconds, every)
        while True:
            try:
                step = watching.send(sent)
            except StopIteration:
                return last
            if isinstance(step, Emit):
                last, sent = step.value, None
            else:
                sent = yield step

    # -- out
    @operation
    def dequeue(self, job: str) -> Flow[Dequeued | None]:
        """Borrow the next message of a job, or None when there is none. Unless acknowledged it comes back."""
        return (yield from self._dequeue(job))

    def _dequeue(self, job: str) -> Flow[Dequeued | None]:
        # Lost on the way it is lent again later, so it may be asked for again.
        answer, _ = yield from self._session.call("GET", _path("dequeue", job))
        if answer.status == 204 or not answer.content.strip():
            return None
        try:
            found = decode(answer.content)
        except msgspec.DecodeError:
            found = None
        if not isinstance(found, dict) or not found.get("CorrelationId"):
            raise ServerError("the answer of dequeue is none", status=answer.status)
        location = found.get("DownloadLocation") or None
        correlation = str(found["CorrelationId"])
        blob = parse_qs(urlsplit(location or "").query).get("blob", [""])[0]
        there = found.get("IsDownLoadFileExist", True)
        return Dequeued(
            key=blob or correlation,
            correlation_id=correlation,
            location=str(location) if location and there else None,
            problem=str(found.get("FileDownLoadErrorMessage") or ""),
            last_dequeued=found.get("LastDequeueDateTime") or None,
            raw=found,
        )

    @operation
    def download(self, message: Dequeued, target: str | Path) -> Flow[int]:
        """Put the file of a message at ``target``, whole or not at all; its size in bytes."""
        return (yield from self._download(message, Path(target)))

    def _download(self, message: Dequeued, target: Path) -> Flow[int]:
        if message.location is None:
            raise NotFoundError(message.problem or "the message brings no file", status=404)
        landing: Landing = yield Call(lambda: Landing(target))
        try:
            yield from self._session.call(
                "GET",
                self._own(message.location),
                headers={"Accept": "*/*"},
                into=landing.file,
                timeout=TRANSFER,
            )
            size: int = yield Call(landing.finish)
        finally:
            landing.abandon()
        return size

    def _own(self, location: str) -> str:
        """The service may name itself by http behind its load balancer, and says so in its documentation."""
        if location.startswith("http://") and self._session.url.startswith("https://"):
            return f"https://{location.removeprefix('http://')}"
        return location

    @operation
    def acknowledge(self, job: str, message: Dequeued) -> Flow[None]:
        """Give a message back as received: it is not lent again."""
        yield from self._acknowledge(job, message)

    def _acknowledge(self, job: str, message: Dequeued) -> Flow[None]:
        sent = {"Content-Type": "application/json; charset=utf-8"}
        yield from self._session.call(
            "POST", _path("ack", job), content=encode(dict(message.raw)), headers=sent, idempotent=True
        )

    @stream
    def pull(self, job: str, folder: str | Path, *, limit: int | None = None) -> Stream[Pulled]:
        """Receive the files that wait, one by one, until none does: each is on the disk before it is acknowledged.

        A file takes its name when it is whole. The folder remembers what it received, so that a message that comes
        again, because its acknowledgement was lost or the program ended before, is acknowledged and not received
        twice: what is moved away meanwhile does not matter.
        """
        target = Path(folder)
        received: Received = yield Call(lambda: Received(target))
        count = 0
        while limit is None or count < limit:
            message = yield from self._dequeue(job)
            if message is None:
                return
            count += 1
            name = received.get(message.key)
            if name is not None:
                yield from self._acknowledge(job, message)
                yield Emit(Pulled(path=target / name, size=0, message=message, again=True))
            elif message.location is None:
                # No records to export: there is nothing to receive, and nothing to come back for.
                yield from self._acknowledge(job, message)
            else:
                name = f"{safe_name(message.key)}.zip"
                size = yield from self._download(message, target / name)
                yield Call(partial(received.add, message.key, name))
                yield from self._acknowledge(job, message)
                yield Emit(Pulled(path=target / name, size=size, message=message))

    # -- what was pushed
    @operation
    def pushed_file(self, message: str, target: str | Path) -> Flow[int]:
        """Put the file that a message brought in at ``target``: an address that only Orgstead has."""
        return (yield from self._fetch(f"{ROOT}/file/{guid(message)}", Path(target)))

    @operation
    def error_file(self, message: str, target: str | Path) -> Flow[int]:
        """Put the rows of a message that failed, each with its reason, at ``target``: only Orgstead has it."""
        return (yield from self._fetch(f"{ROOT}/errors/{guid(message)}", Path(target)))

    def _fetch(self, path: str, target: Path) -> Flow[int]:
        landing: Landing = yield Call(lambda: Landing(target))
        try:
            answer, _ = yield from self._session.call(
                "GET", path, headers={"Accept": "*/*"}, into=landing.file
            )
            if answer.status != 200:
                raise NotFoundError("there is no such file", status=404)
            size: int = yield Call(landing.finish)
        finally:
            landing.abandon()
        return size


def _watch(session: Session, message: str, seconds: float | None, every: float) -> Stream[str]:
    id, begun, last, pause = guid(message), time.monotonic(), "", min(every, 0.2)
    while True:
        status = str((yield from manage(session, "GetMessageStatus", messageId=id)))
        if status != last:
            last = status
            yield Emit(status)
        if status in ENDED or (seconds is not None and time.monotonic() - begun >= seconds):
            return
        yield Pause(pause)
        # Small files are ready in no time, and large ones are not asked after all the time.
        pause = min(every, pause * 1.5)


def _path(verb: str, job: str) -> str:
    return f"{ROOT}/{verb}/{guid(job)}"


def _message_id(content: bytes) -> str:
    text = content.decode("utf-8", "replace").strip().strip('"')
    try:
        return guid(text)
    except ConfigurationError:
        raise ServerError(f"the answer of enqueue is no id of a message: {text[:60]!r}", status=200) from None


def _opened(content: Any) -> BinaryIO:
    if isinstance(content, bytes):
        return BytesIO(content)
    if isinstance(content, str | Path):
        return Path(content).open("rb")
    if not hasattr(content, "seek") or not hasattr(content, "read"):
        raise ConfigurationError("the content is bytes, a path, or a binary file that can be sought")
    found: BinaryIO = content
    return found
