"""Uploads to file and image columns, in blocks, and their removal.

https://learn.microsoft.com/power-apps/developer/data-platform/file-column-data
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.engine.access import check_row, check_table
from orgstead.engine.columns import check_columns, hidden
from orgstead.engine.files import (
    MAX_PIECES,
    PIECE_BYTES,
    add_piece,
    forget,
    free,
    keep,
    pieces_of,
    usable_name,
)
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.content import Piece
from orgstead.model.messages import Execute, Parameter, Signature, Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Column, Table
from orgstead.model.types import is_guid, largest_file

__all__ = [
    "clear_file", "column_of", "commit_file", "delete_file", "finished", "initialize_upload", "listed", "session",
    "start_upload", "upload_block", "upload_chunk",
]  # fmt: skip

UPLOADS = "orgstead_upload"
MAX_BLOCK_ID = 64

_TOKEN = Parameter(name="FileContinuationToken", type="Edm.String")
_TARGET = Parameter(name="Target", type="mscrm.crmbaseentity")
_COLUMN = Parameter(name="FileAttributeName", type="Edm.String")
_NAME = Parameter(name="FileName", type="Edm.String")
_SIZE = Parameter(name="FileSizeInBytes", type="Edm.Int64")


# -- upload ------------------------------------------------------------------------------------------------------------
@handles(
    "InitializeFileBlocksUpload",
    privilege=OPEN,
    signature=Signature(kind="action", parameters=(_TARGET, _COLUMN, _NAME), returns=(_TOKEN,)),
)
def initialize_upload(call: Call) -> Mapping[str, Any]:
    """Begin to upload a file to a column; answers the token that the blocks are sent with.

    Raises NotAFileColumn, FileNameInvalid, FileBlocked, and what a change of the row would raise.
    """
    ref, column = column_of(call, change=True)
    check_row(call, "Write", call.schema.tables[ref.table], stored_row(call, ref))
    return {"FileContinuationToken": start_upload(call, ref.table, ref.id, column.name, _name(call))}


def start_upload(call: Call, table: str, id: str | None, column: str, name: str) -> str:
    """A new upload of the caller; its token."""
    token = call.new_id()
    row = {
        "orgstead_uploadid": token,
        "userid": call.caller.user_id,
        "objecttypecode": table,
        "objectid": id,
        "attribute": column,
        "filename": usable_name(call, name),
        "size": 0,
        "createdon": call.now,
    }
    call.unit.insert(call.schema.tables[UPLOADS], [row])
    return token


@handles(
    "UploadBlock",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="BlockId", type="Edm.String"),
            Parameter(name="BlockData", type="Edm.Binary"),
            _TOKEN,
        ),
    ),
)
def upload_block(call: Call) -> None:
    """Send a block of an upload; one that is sent again takes the place of the first.

    Raises BlockTooLarge, BlockIdInvalid, UnknownUpload, FileTooLarge.
    """
    block, data = str(call.parameters["BlockId"]), call.parameters["BlockData"]
    if not _is_block_id(block):
        raise fault("BlockIdInvalid")
    _add(call, session(call), block, data)


def _is_block_id(text: str) -> bool:
    try:
        return 0 < len(base64.b64decode(text, validate=True)) <= MAX_BLOCK_ID
    except (binascii.Error, ValueError):
        return False


def _add(call: Call, upload: Mapping[str, Any], block: str, data: bytes, start: int = 0) -> int:
    """Keep a block; how many bytes the upload has with it."""
    if not 0 < len(data) <= PIECE_BYTES:
        raise fault("BlockTooLarge", limit=PIECE_BYTES)
    token = upload["orgstead_uploadid"]
    known = pieces_of(call, token)
    again = [piece for piece in known if piece.block == block]
    if len(known) - len(again) >= MAX_PIECES:
        raise fault("QueryTooComplex", limit=f"{MAX_PIECES} blocks of a file")
    size = sum(piece.length for piece in known) - sum(piece.length for piece in again) + len(data)
    table = call.schema.tables[upload["objecttypecode"]]
    if size > largest_file(table.columns[upload["attribute"]]):
        raise _too_large(table.columns[upload["attribute"]], size)
    free(call, again)
    add_piece(call, token, data, start=start, block=block)
    return size


def _too_large(column: Column, size: int) -> Exception:
    if column.type != "image":
        return fault("FileTooLarge")
    most = largest_file(column) // 1024 // 1024
    return fault(
        "ImageRefused",
        reason=f"File size is too big. MaxSize: {most} MB, Uploaded filesize: {size // 1024 // 1024} MB.",
    )


@handles("UploadChunk", privilege=OPEN, heavy=True)
def upload_chunk(call: Call) -> Any:
    """Send the bytes from ``Start`` of an upload of ``Total`` bytes; the chunk that completes it commits it.

    Answers what CommitFileBlocksUpload does, or None as long as something is missing.
    """
    start, total, data = call.parameters["Start"], call.parameters["Total"], call.parameters["BlockData"]
    upload = session(call)
    ref, column = column_of(call, change=True)
    if (upload["objecttypecode"], upload["objectid"], upload["attribute"]) != (
        ref.table,
        ref.id,
        column.name,
    ):
        raise fault("UnknownUpload")
    if _add(call, upload, str(start), data, start) < total:
        return None
    place = 0
    pieces = pieces_of(call, upload["orgstead_uploadid"])
    for piece in pieces:
        if piece.start != place:
            raise fault("RangesDoNotFit")
        place += piece.length
    if place != total:
        raise fault("RangesDoNotFit")
    mime = call.parameters["MimeType"]
    return finished(call, upload, upload["filename"], mime, pieces)


@handles(
    "CommitFileBlocksUpload",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            _NAME,
            Parameter(name="MimeType", type="Edm.String"),
            Parameter(name="BlockList", type="Collection(Edm.String)"),
            _TOKEN,
        ),
        returns=(_SIZE, Parameter(name="FileId", type="Edm.Guid")),
    ),
)
def commit_file(call: Call) -> Mapping[str, Any]:
    """Make the blocks of an upload, in the order given, the content of its column.

    Raises UnknownUpload, UnknownBlock, and what a change of the row raises.
    """
    upload = session(call)
    if upload["objectid"] is None:
        raise fault("UnknownUpload")
    pieces = listed(call, upload["orgstead_uploadid"], call.parameters["BlockList"])
    return finished(call, upload, _name(call), str(call.parameters["MimeType"]), pieces)


def listed(call: Call, token: str, blocks: Sequence[str]) -> list[Piece]:
    """The pieces of an upload in the order of the block ids; what is not listed is given up."""
    known = {piece.block: piece for piece in pieces_of(call, token)}
    try:
        wanted = [known.pop(block) for block in blocks]
    except KeyError as error:
        raise fault("UnknownBlock", block=str(error.args[0])[:100]) from None
    free(call, list(known.values()))
    return wanted


def finished(
    call: Call, upload: Mapping[str, Any], name: str, mime: str, pieces: Sequence[Piece]
) -> Mapping[str, Any]:
    """End an upload: its pieces become the column's content."""
    table = call.schema.tables[upload["objecttypecode"]]
    column, ref = table.columns[upload["attribute"]], Ref(table.logical_name, upload["objectid"])
    stored = stored_row(call, ref)
    check_row(call, "Write", table, stored)
    call.unit.delete(call.schema.tables[UPLOADS], [upload["orgstead_uploadid"]])
    name = usable_name(call, name)
    if column.type == "image":
        data = b"".join(call.blobs.get(piece.key, 0, piece.length) for piece in pieces)
        free(call, pieces)
        call.send(Update(ref=ref, record=Record(table=ref.table, values={column.name: data})))
        row = stored_row(call, ref)
        files = call.schema.tables["fileattachment"]
        for whole in call.unit.find(files, {"objectid": ref, "regardingfieldname": column.name}, 1):
            call.unit.update(files, whole, {"filename": name})
        return {"FileId": row.get(f"{column.name}id"), "FileSizeInBytes": len(data)}
    id, size = keep(call, ref, column, name, mime, pieces)
    _set(call, table, ref, column, id, name)
    if stored.get(column.name) is not None:
        forget(call, stored[column.name])
    return {"FileId": id, "FileSizeInBytes": size}


def _set(call: Call, table: Table, ref: Ref, column: Column, id: str | None, name: str | None) -> None:
    values = {column.name: id, f"{column.name}_name": name}
    known = {key: value for key, value in values.items() if key in table.columns}
    call.send_as_system(Update(ref=ref, record=Record(table=ref.table, values=known)))


def session(call: Call) -> Mapping[str, Any]:
    """The upload that a token names; raises UnknownUpload for what is none of the caller's."""
    token = str(call.parameters["FileContinuationToken"]).lower()
    row = call.unit.get(call.schema.tables[UPLOADS], token) if is_guid(token) else None
    if row is None or row["userid"] != call.caller.user_id:
        raise fault("UnknownUpload")
    table = call.schema.tables.get(row["objecttypecode"])
    if table is None or row["attribute"] not in table.columns:
        raise fault("UnknownUpload")
    return row


# -- deletion ----------------------------------------------------------------------------------------------------------
@handles(
    "DeleteFile",
    privilege=OPEN,
    heavy=True,
    signature=Signature(kind="action", parameters=(Parameter(name="FileId", type="Edm.Guid"),)),
)
def delete_file(call: Call) -> None:
    """Remove a file from its column. Raises ObjectDoesNotExist, and what a change of the row raises."""
    id = call.parameters["FileId"]
    row = call.unit.get(call.schema.tables["fileattachment"], id)
    if row is None:
        check_table(call, "Read", call.schema.tables["fileattachment"])
        raise fault("ObjectDoesNotExist", table="fileattachment", id=id)
    whole = row["objectid"]
    call.send(
        Execute(name="ClearFile", target=whole, parameters={"FileAttributeName": row["regardingfieldname"]})
    )


@handles("ClearFile", privilege=OPEN, heavy=True)
def clear_file(call: Call) -> None:
    """Empty a file or image column of the target."""
    ref, column = column_of(call, change=True)
    table = call.schema.tables[ref.table]
    stored = stored_row(call, ref)
    check_row(call, "Write", table, stored)
    if column.type == "image":
        call.send(Update(ref=ref, record=Record(table=ref.table, values={column.name: None})))
    elif stored.get(column.name) is not None:
        _set(call, table, ref, column, None, None)
        forget(call, stored[column.name])


def column_of(call: Call, *, change: bool = False) -> tuple[Ref, Column]:
    """The row and the column that the parameters name; ``change`` says that its content is to be set.

    Raises NotAFileColumn, and for a secured column ColumnReadDenied and ColumnUpdateDenied.
    """
    target = call.target if isinstance(call.target, Ref) else call.parameters["Target"]
    ref = named_row(call, target, "Target")
    table = call.schema.tables[ref.table]
    check_table(call, "Read", table)
    name = str(call.parameters["FileAttributeName"])
    column = table.columns.get(name.lower())
    if column is None or column.type not in ("file", "image") or not column.stored:
        raise fault("NotAFileColumn", column=name[:100], table=ref.table)
    if change:
        check_columns(call.caller, table, (column.name,), "Update")
    elif hidden(call.caller, table, column.name):
        raise fault("ColumnReadDenied", column=column.name, table=ref.table)
    return ref, column


def _name(call: Call) -> str:
    return str(call.parameters["FileName"])
