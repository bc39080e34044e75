"""The adapter of the Web API: bytes in, operations through the engine, bytes out."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

import structlog

from orgstead.engine.context import Caller
from orgstead.engine.ids import new_id
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault, fault
from orgstead.model.apis import signature_of
from orgstead.model.messages import Signature
from orgstead.model.schema import Schema
from orgstead.model.types import is_guid
from orgstead.server.lanes import Lanes
from orgstead.server.observed import Unsupported
from orgstead.server.operations import Operations, own_address
from orgstead.server.uploads import receive_upload
from orgstead.wire.odata.csdl import csdl
from orgstead.wire.odata.decode import decode
from orgstead.wire.odata.files import Upload, read_upload
from orgstead.wire.odata.headers import check_headers
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.batch import Part
from orgstead.wire.odatav4.prefer import parse_prefer
from orgstead.wire.odatav4.reply import Operation, Reply

__all__ = ["VERSIONS", "Dataverse"]

log = structlog.get_logger()

VERSIONS = frozenset({"v9.0", "v9.1", "v9.2"})
ABOUT_DEFINITIONS = (
    "EntityDefinitions",
    "RelationshipDefinitions",
    "GlobalOptionSetDefinitions",
    "RetrieveMetadataChanges",
    "$metadata",
)
# Headers of a batch that hold for the requests in it.
INHERITED = frozenset({"mscrm.solutionuniquename", "mscrm.suppresscallbackregistrationexpanderjob"})
WHOLE = "@Microsoft.PowerApps.CDS.ErrorDetails"


class Dataverse(Operations[Request]):
    """Answers requests below ``/api/data/v9.x/``."""

    def __init__(self, engine: Engine, lanes: Lanes, unsupported: Unsupported) -> None:
        super().__init__(engine, lanes)
        self._unsupported = unsupported
        self._names = Names(engine.schema)
        self._shipped = engine.registry.signatures()
        self._signatures = {**self._shipped, **_custom(engine.schema)}

    @property
    def unsupported(self) -> Unsupported:
        """What was asked for in vain."""
        return self._unsupported

    def names(self, schema: Schema) -> Names:
        """The name tables of the current schema."""
        if self._names.schema is not schema:
            self._names = Names(schema)
            self._signatures = {**self._shipped, **_custom(schema)}
        return self._names

    def metadata(self) -> bytes:
        """The metadata document."""
        names = self.names(self._engine.schema)
        told = ((name, each) for name, each in self._signatures.items() if not each.private)
        return csdl(names, tuple(told))

    async def answer(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        base: str,
        caller: Caller,
    ) -> Reply:
        """Answer one request; every failure is an answer, too."""
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=body,
            base=base,
            signatures=self._signatures,
            new_id=new_id,
        )
        try:
            if path.strip("/") == "$batch":
                check_headers(headers, body=False)
                return await self.batch(request, caller, tells=True)
            return await self.single(request, caller)
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self.failed(error, request, headers)

    def upload(
        self, method: str, path: str, query: str, headers: Mapping[str, str], base: str
    ) -> Upload | None:
        """The upload that a request is, known before its body is read; raises faults for one that cannot be."""
        if method != "PATCH" or "/" not in path.strip("/") or path.startswith(ABOUT_DEFINITIONS):
            return None
        request = Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            body=b"",
            base=base,
            signatures=self._signatures,
            new_id=new_id,
        )
        return read_upload(request, self.names(self._engine.schema))

    def picture(self, query: str) -> tuple[str, str]:
        """Path and query of the column that an address of an image names; raises ResourceNotFound.

        https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data#download-url
        """
        given = {name.lower(): value for name, value in parse_qsl(query)}
        table = self._engine.schema.tables.get(given.get("entity", "").lower())
        id, column = given.get("id", "").lower(), given.get("attribute", "").lower()
        if (
            table is None
            or not is_guid(id)
            or column not in table.columns
            or table.columns[column].type != "image"
        ):
            raise fault("ResourceNotFound", segment="download.aspx")
        full = given.get("full", "").lower() == "true"
        return f"{table.entity_set}({id})/{column}/$value", "size=full" if full else ""

    async def receive(
        self, upload: Upload, parts: AsyncIterator[bytes], headers: Mapping[str, str], caller: Caller
    ) -> Reply:
        """Take an upload; every failure is an answer, too."""
        try:
            return await receive_upload(self._lanes, caller, upload, parts)
        except ConnectionResetError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self.failed(error, None, headers)

    async def decoded(self, request: Request) -> Operation:
        """The operation of a request."""
        if request.path.strip("/").startswith(ABOUT_DEFINITIONS):
            # Read without asking the database: what is shown has to be what stands.
            await asyncio.to_thread(self._engine.refresh)
            # The answer is made while the request is read, and it can be large.
            return await asyncio.to_thread(self._decode, request)
        return await self.read_anew(lambda: self._decode(request))

    def _decode(self, request: Request) -> Operation:
        names = self.names(self._engine.schema)
        if request.signatures is not self._signatures:
            request = replace(request, signatures=self._signatures)
        return decode(request, names)

    def failed(self, error: Exception, request: Request | None, headers: Mapping[str, str]) -> Reply:
        """The answer that a failure is."""
        if not isinstance(error, Fault):
            log.error("unexpected failure", exc_info=error)
            error = fault("Unexpected")
        self._unsupported.note(error)
        try:
            annotations = parse_prefer(headers.get("prefer", "")).wants(WHOLE)
        except Fault:
            annotations = False
        return failure(error, annotations=annotations)

    def part_of(self, part: Part, batch: Request, pending: Mapping[str, tuple[int, str]]) -> Request:
        """A part as a request of its own. Headers of the batch hold for its parts unless they say otherwise."""
        path, query = own_address(part.url, batch.base)
        if path.startswith("/"):
            prefix, _, rest = path.partition("/api/data/")
            version, _, path = rest.partition("/")
            if prefix or version not in VERSIONS:
                raise fault("ResourceNotFound", segment=part.url[:100])
        inherited = {name: value for name, value in batch.headers.items() if name in INHERITED}
        return replace(
            batch,
            method=part.method,
            path=path,
            query=query,
            headers={**inherited, **part.headers},
            body=part.body,
            pending=dict(pending),
            in_batch=True,
        )


def _custom(schema: Schema) -> dict[str, Signature]:
    return {name: signature_of(api) for name, api in schema.apis.items()}
