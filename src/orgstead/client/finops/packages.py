"""The package API: data packages over Blob Storage, and what became of each entity.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api
"""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from orgstead.client.errors import NotFoundError, ServerError
from orgstead.client.exchange import exchange
from orgstead.client.finops.actions import manage
from orgstead.client.finops.landing import Landing
from orgstead.client.flow import Call, Emit, Flow, Pause, Request, Stream, Stretch, collected
from orgstead.client.methods import Bound, operation, stream
from orgstead.client.session import Session
from orgstead.client.tokens import check_address

__all__ = ["EXECUTED", "ExecutionError", "Packages"]

D = TypeVar("D")
EXECUTED = frozenset({"Succeeded", "PartiallySucceeded", "Failed", "Canceled"})
"""The statuses in which nothing more becomes of an execution."""
TRANSFER = 3600.0
# What goes up in one request; more goes in blocks of this size.
BLOCK = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionError:
    """What was wrong with a row: its key or number, the field where there is one to blame, and why."""

    record: str
    field: str
    message: str


class Packages(Bound[D], Generic[D]):
    """Import and export of data packages. A data project is given by its name, an execution by its id.

    Everything here raises ServiceError, TransportError, CredentialError and OSError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def import_package(
        self,
        path: str | Path,
        project: str,
        *,
        company: str = "",
        execution_id: str = "",
        execute: bool = True,
        overwrite: bool = True,
    ) -> Flow[str]:
        """Upload a package and begin to import it; the id of the execution.

        ``execute`` goes on from staging to the tables; ``overwrite`` is false for a composite entity. Give an
        ``execution_id`` to find the execution by when the answer is lost.
        """
        url = yield from self._upload(Path(path))
        found = yield from manage(
            self._session, "ImportFromPackage", idempotent=False, packageUrl=url, definitionGroupId=project,
            executionId=execution_id, execute=execute, overwrite=overwrite, legalEntityId=company,
        )  # fmt: skip
        return str(found)

    @operation
    def upload(self, path: str | Path) -> Flow[str]:
        """Put a package into Blob Storage; its address, which is what ``ImportFromPackage`` takes."""
        return (yield from self._upload(Path(path)))

    def _upload(self, path: Path) -> Flow[str]:
        found = yield from manage(
            self._session, "GetAzureWriteUrl", uniqueFileName=f"{uuid4()}{path.suffix or '.zip'}"
        )
        try:
            url = str(json.loads(found)["BlobUrl"])
        except (TypeError, ValueError, KeyError):
            raise ServerError("the answer of GetAzureWriteUrl names no address", status=200) from None
        check_address(url, allow_http=self._session.url.startswith("http://"), what="the blob's address")
        file: BinaryIO = yield Call(lambda: path.open("rb"))
        try:
            size: int = yield Call(lambda: file.seek(0, 2))
            if size <= BLOCK:
                yield from self._put(
                    url, Stretch(file=file, start=0, length=size), {"x-ms-blob-type": "BlockBlob"}
                )
            else:
                yield from self._put_blocks(url, file, size)
        finally:
            file.close()
        return url

    def _put_blocks(self, url: str, file: BinaryIO, size: int) -> Flow[None]:
        names = []
        for number, start in enumerate(range(0, size, BLOCK)):
            name = base64.b64encode(f"{number:08d}".encode()).decode()
            part = Stretch(file=file, start=start, length=min(BLOCK, size - start))
            yield from self._put(f"{url}&comp=block&blockid={quote(name, safe='')}", part, {})
            names.append(name)
        listed = "".join(f"<Latest>{name}</Latest>" for name in names)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode()
        yield from self._put(f"{url}&comp=blocklist", body, {"Content-Type": "application/xml"})

    def _put(self, url: str, content: bytes | Stretch, headers: Mapping[str, str]) -> Flow[None]:
        """What is in the address is all that Blob Storage wants to know: the token is not for it."""
        sent = {"Content-Type": "application/octet-stream", "x-ms-version": "2024-11-04", **headers}
        request = Request(method="PUT", url=url, headers=sent, content=content, timeout=TRANSFER)
        yield from exchange(request, self._session.retry, idempotent=True)

    @operation
    def export(
        self,
        project: str,
        *,
        company: str = "",
        package_name: str = "",
        execution_id: str = "",
        re_execute: bool = True,
    ) -> Flow[str]:
        """Begin to export a data project to a package; the id of the execution."""
        found = yield from manage(
            self._session, "ExportToPackage", idempotent=False, definitionGroupId=project,
            packageName=package_name or project, executionId=execution_id, reExecute=re_execute, legalEntityId=company,
        )  # fmt: skip
        return str(found)

    @operation
    def status(self, execution: str) -> Flow[str]:
        """``Unknown``, ``NotRun``, ``Executing``, ``Succeeded``, ``PartiallySucceeded``, ``Failed``, ``Canceled``."""
        return str((yield from manage(self._session, "GetExecutionSummaryStatus", executionId=execution)))

    @stream
    def watch(self, execution: str, *, seconds: float | None = None, every: float = 5.0) -> Stream[str]:
        """Each status that an execution is seen in, until nothing more becomes of it or ``seconds`` are over."""
        yield from self._watch(execution, seconds, every)

    @operation
    def wait(self, execution: str, *, seconds: float | None = None, every: float = 5.0) -> Flow[str]:
        """The status in which an execution ended, or the one it is in when ``seconds`` are over."""
        found = yield from collected(self._watch(execution, seconds, every))
        return found[-1]

    def _watch(self, execution: str, seconds: float | None, every: float) -> Stream[str]:
        begun, last, pause = time.monotonic(), "", min(every, 0.2)
        while True:
            status = str(
                (yield from manage(self._session, "GetExecutionSummaryStatus", executionId=execution))
            )
            if status != last:
                last = status
                yield Emit(status)
            if status in EXECUTED or (seconds is not None and time.monotonic() - begun >= seconds):
                return
            yield Pause(pause)
            pause = min(every, pause * 1.5)

    @operation
    def entity_statuses(self, execution: str) -> Flow[Sequence[Any]]:
        """What became of each entity of an execution, as the service says it."""
        found = yield from manage(self._session, "GetEntityExecutionSummaryStatusList", executionId=execution)
        return found if isinstance(found, list) else [found]

    @operation
    def download(self, execution: str, target: str | Path) -> Flow[int]:
        """Put the exported package at ``target``, whole or not at all; its size in bytes."""
        url = yield from manage(self._session, "GetExportedPackageUrl", executionId=execution)
        return (yield from self._fetch(url, Path(target)))

    @operation
    def errors(self, execution: str) -> Flow[Sequence[ExecutionError]]:
        """What was wrong with the rows of an execution."""
        found = yield from manage(self._session, "GetExecutionErrors", executionId=execution)
        return _errors(found)

    @operation
    def staging_errors(self, execution: str, entity: str, target: str | Path) -> Flow[int]:
        """Put the rows that did not reach staging at ``target``; its size, 0 without a file when there are none."""
        url = yield from manage(
            self._session, "GetImportStagingErrorFileUrl", executionId=execution, entityName=entity
        )
        return (yield from self._fetch(url, Path(target))) if url else 0

    @operation
    def target_errors(
        self, execution: str, entity: str, target: str | Path, *, seconds: float = 120.0
    ) -> Flow[int]:
        """Put the keys of the rows that did not leave staging at ``target``; 0 without a file when there are none."""
        exist = yield from manage(
            self._session, "GenerateImportTargetErrorKeysFile", executionId=execution, entityName=entity
        )
        if not exist:
            return 0
        begun = time.monotonic()
        while True:
            url = yield from manage(
                self._session, "GetImportTargetErrorKeysFileUrl", executionId=execution, entityName=entity
            )
            if url:
                return (yield from self._fetch(url, Path(target)))
            if time.monotonic() - begun > seconds:
                raise NotFoundError("the file of keys is still being made", status=404)
            yield Pause(1.0)

    def _fetch(self, url: Any, target: Path) -> Flow[int]:
        if not isinstance(url, str) or not url:
            raise NotFoundError("the service names no file", status=404)
        check_address(url, allow_http=self._session.url.startswith("http://"), what="the file's address")
        landing: Landing = yield Call(lambda: Landing(target))
        try:
            request = Request(method="GET", url=url, into=landing.file, timeout=TRANSFER)
            yield from exchange(request, self._session.retry, idempotent=True)
            size: int = yield Call(landing.finish)
        finally:
            landing.abandon()
        return size


def _errors(found: Any) -> Sequence[ExecutionError]:
    """The service answers a text that is JSON but for the control characters in its messages."""
    if isinstance(found, str):
        try:
            found = json.loads(found or "[]", strict=False)
        except ValueError:
            return [ExecutionError(record="", field="", message=found)]
    rows = found if isinstance(found, list) else []
    return [
        ExecutionError(
            record=str(each.get("RecordId") or "").strip(),
            field=str(each.get("Field") or ""),
            message=str(each.get("ErrorMessage") or "").strip(),
        )
        for each in rows
        if isinstance(each, dict)
    ]
