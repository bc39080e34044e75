"""What rows keep outside of themselves: files of columns, the attachments of notes.

https://learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files
"""

import base64
import binascii
from functools import lru_cache
from typing import Any

from orgstead.engine.files import FILES, forget, forget_all, keep, largest_attachment, open_file, usable_name
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Table
from orgstead.model.types import is_guid

__all__ = ["drop_files", "keep_files_apart", "take_attachments"]

# A file that has no name yet.
UNNAMED = "file"


@lru_cache(maxsize=4096)
def _outside(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.stored if column.outside)


@hook("Create", "Update", stage=20, applies=lambda table: bool(_outside(table)))
def take_attachments(call: Call, change: Change) -> None:
    """The row keeps the id of its attachment, and how large it is; raises FileTooLarge, FileBlocked, NotBase64."""
    name = change.values.get("filename")
    if name:
        usable_name(call, name)
    for column in _outside(change.table):
        if column.name in change.values:
            _take(call, change, column)


def _take(call: Call, change: Change, column: Column) -> None:
    value, old = change.values[column.name], change.before.get(column.name)
    size = 0
    if value is not None and call.caller.system and is_guid(value):
        # Content that has come in blocks.
        content = open_file(call, value)
        size = content.size if content is not None else 0
    elif value is not None:
        data = _decoded(call, value, column)
        row = Ref(change.table.logical_name, change.id)
        name, mime = (
            change.after("filename") or UNNAMED,
            change.after("mimetype") or "application/octet-stream",
        )
        change.values[column.name], size = keep(call, row, column, name, mime, data)
    if old is not None:
        forget(call, old)
    told: dict[str, Any] = {"filesize": size, "isdocument": value is not None}
    change.values.update({name: each for name, each in told.items() if name in change.table.columns})


def _decoded(call: Call, value: str, column: Column) -> bytes:
    if len(value) > largest_attachment(call):
        raise fault("FileTooLarge")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise fault("NotBase64", column=column.name) from None


@lru_cache(maxsize=4096)
def _keeps_files(table: Table) -> bool:
    return any(column.outside or column.type in ("file", "image") for column in table.stored)


@hook("Delete", stage=40, applies=_keeps_files)
def drop_files(call: Call, change: Change) -> None:
    """The files of a row go with it."""
    forget_all(call, objectid=Ref(change.table.logical_name, change.id))


@hook("Create", "Update", "Delete", stage=20, applies=lambda table: table.logical_name == FILES)
def keep_files_apart(call: Call, change: Change) -> None:
    """Files are made and removed through the columns that they belong to; raises NotSupported."""
    raise fault("NotSupported", feature=f"{change.event} of {FILES}")
