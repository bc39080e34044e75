"""Downloads of file and image columns.

https://learn.microsoft.com/power-apps/developer/data-platform/file-column-data#download-files
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.files import open_file
from orgstead.engine.handlers.files import column_of
from orgstead.engine.handlers.targets import stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.engine.thumbnails import mime_of
from orgstead.errors import fault
from orgstead.model.content import Content, Piece
from orgstead.model.messages import Parameter, Signature
from orgstead.model.record import Ref
from orgstead.model.schema import Column
from orgstead.model.types import is_guid

__all__ = ["download_block", "initialize_download", "open_column"]

# https://learn.microsoft.com/power-apps/developer/data-platform/file-attributes#retrieve-file-data
MAX_READ = 16 * 1024 * 1024

_TOKEN = Parameter(name="FileContinuationToken", type="Edm.String")
_NAME = Parameter(name="FileName", type="Edm.String")
_SIZE = Parameter(name="FileSizeInBytes", type="Edm.Int64")
_TARGET = Parameter(name="Target", type="mscrm.crmbaseentity")
_COLUMN = Parameter(name="FileAttributeName", type="Edm.String")


@handles(
    "InitializeFileBlocksDownload",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="action",
        parameters=(_TARGET, _COLUMN),
        returns=(_TOKEN, _NAME, _SIZE, Parameter(name="IsChunkingSupported", type="Edm.Boolean")),
    ),
)
def initialize_download(call: Call) -> Mapping[str, Any]:
    """Begin to download a column's file: its name, its size, and the token to ask for its blocks with.

    Raises NoFile where there is none, NotAFileColumn, and what reading the row raises.
    """
    ref, column = column_of(call)
    content = _content(call, ref, column, full=True)
    if content is None:
        raise fault("NoFile", column=column.name, table=ref.table, id=ref.id)
    return {
        "FileContinuationToken": content.id,
        "FileName": content.name,
        "FileSizeInBytes": content.size,
        "IsChunkingSupported": True,
    }


@handles(
    "DownloadBlock",
    privilege=OPEN,
    writes=False,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="BlockLength", type="Edm.Int64"),
            _TOKEN,
            Parameter(name="Offset", type="Edm.Int64"),
        ),
        returns=(Parameter(name="Data", type="Edm.Binary"),),
    ),
)
def download_block(call: Call) -> Mapping[str, Any]:
    """Some bytes of a file whose download has begun. Raises UnknownUpload, InvalidArgument."""
    length, offset = call.parameters["BlockLength"], call.parameters["Offset"]
    if not 0 < length <= MAX_READ or offset < 0:
        raise fault("InvalidArgument", message=f"Between 1 and {MAX_READ} bytes are downloaded at once.")
    content = _readable(call, str(call.parameters["FileContinuationToken"]).lower())
    if content is None:
        raise fault("UnknownUpload")
    return {"Data": content.read(offset, length)}


def _readable(call: Call, id: str) -> Content | None:
    """A file by its id, if the caller may read what it belongs to."""
    content = open_file(call, id) if is_guid(id) else None
    if content is None:
        return None
    row = call.unit.get(call.schema.tables["fileattachment"], id)
    whole = row["objectid"] if row is not None else None
    if isinstance(whole, Ref):
        check_row(call, "Read", call.schema.tables[whole.table], stored_row(call, whole))
    return content


@handles("OpenFile", privilege=OPEN, writes=False)
def open_column(call: Call) -> Content | None:
    """The content of a column of the target, or None; of an image in its full size when ``Full`` says so."""
    ref, column = column_of(call)
    return _content(call, ref, column, full=call.parameters["Full"])


def _content(call: Call, ref: Ref, column: Column, *, full: bool) -> Content | None:
    table = call.schema.tables[ref.table]
    stored = stored_row(call, ref)
    check_row(call, "Read", table, stored)
    value = stored.get(column.name)
    if value is None:
        return None
    if column.type == "file":
        return open_file(call, value)
    files = call.schema.tables["fileattachment"]
    whole = call.unit.find(files, {"objectid": ref, "regardingfieldname": column.name}, 1)
    if full:
        return open_file(call, whole[0]) if whole else None
    name = f"{column.name}.png"
    if whole:
        name = (call.unit.get(files, whole[0], ("filename",)) or {}).get("filename") or name
    shown = Piece(key="", start=0, length=len(value))
    return Content(
        id="", name=name, mime=mime_of(value), size=len(value), pieces=(shown,), source=_Thumbnail(value)
    )


class _Thumbnail:
    """The bytes of a thumbnail, which lie in the row."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get(self, key: str, start: int, length: int) -> bytes:
        return self._data[start : start + length]
