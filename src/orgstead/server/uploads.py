"""Bodies that are files: taken a piece at a time, so that a file of any size costs the memory of one piece."""

import base64
from collections.abc import AsyncIterator
from typing import Any

from orgstead.engine.context import Caller
from orgstead.engine.job import Job
from orgstead.errors import fault
from orgstead.model.messages import Execute, Message
from orgstead.server.lanes import Lanes
from orgstead.wire.odata.files import CHUNK_BYTES, Upload
from orgstead.wire.odatav4.reply import VERSION, Reply

__all__ = ["receive_upload"]


async def receive_upload(lanes: Lanes, caller: Caller, upload: Upload, parts: AsyncIterator[bytes]) -> Reply:
    """Take the body of an upload. A file in one request is one in blocks, whose blocks the server cuts itself.

    https://learn.microsoft.com/power-apps/developer/data-platform/file-column-data#upload-files
    """

    async def run(message: Message) -> Any:
        (result,) = await lanes.run(Job((message,), caller))
        return result.value

    if upload.token is not None:
        return await _chunk(run, upload, parts)
    begin = Execute(
        name="InitializeFileBlocksUpload",
        parameters={"Target": upload.target, "FileAttributeName": upload.column, "FileName": upload.name},
    )
    token = (await run(begin))["FileContinuationToken"]
    if upload.chunked:
        async for _ in parts:
            raise fault("InvalidPayload", message="The request that begins an upload in chunks has no body.")
        headers = (
            VERSION,
            ("Location", f"{upload.address}?sessiontoken={token}"),
            ("x-ms-chunk-size", str(CHUNK_BYTES)),
            ("Accept-Ranges", "bytes"),
        )
        return Reply(status=200, headers=headers)
    blocks: list[str] = []
    async for part in parts:
        block = base64.b64encode(f"{len(blocks):08d}".encode()).decode()
        blocks.append(block)
        sent = {"BlockId": block, "BlockData": part, "FileContinuationToken": token}
        await run(Execute(name="UploadBlock", parameters=sent))
    ended = {
        "FileName": upload.name,
        "MimeType": upload.mime,
        "BlockList": blocks,
        "FileContinuationToken": token,
    }
    await run(Execute(name="CommitFileBlocksUpload", parameters=ended))
    return Reply(status=204)


async def _chunk(run: Any, upload: Upload, parts: AsyncIterator[bytes]) -> Reply:
    if upload.span is None:
        raise TypeError("a chunk has a span")
    start, last, total = upload.span
    data = b""
    async for part in parts:
        if data:
            raise fault("BlockTooLarge", limit=CHUNK_BYTES)
        data = part
    if len(data) != last - start + 1:
        raise fault("RangesDoNotFit")
    sent = {
        "FileContinuationToken": upload.token,
        "Target": upload.target,
        "FileAttributeName": upload.column,
        "Start": start,
        "Total": total,
        "BlockData": data,
        "MimeType": upload.mime,
    }
    done = await run(Execute(name="UploadChunk", parameters=sent))
    return Reply(status=206 if done is None else 204)
