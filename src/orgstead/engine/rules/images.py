"""Image columns: the row keeps a thumbnail and what tells about it, the full picture lies outside.

https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from orgstead.engine.files import forget_all, keep
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.engine.thumbnails import mime_of, thumbnail
from orgstead.errors import fault
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Table
from orgstead.model.types import largest_file

__all__ = ["take_images"]

EPOCH = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
TICKS = 10_000_000
MEGABYTE = 1024 * 1024


@lru_cache(maxsize=4096)
def _images(table: Table) -> tuple[Column, ...]:
    return tuple(column for column in table.stored if column.type == "image")


@hook("Create", "Update", stage=20, applies=lambda table: bool(_images(table)))
def take_images(call: Call, change: Change) -> None:
    """An image that is set or removed changes its id, its timestamp (in ticks) and its address.

    Raises ImageRefused for what is no picture or too large, ImageNotPrimary for another than the primary one of a
    new row.
    """
    for column in _images(change.table):
        if column.name in change.values:
            _take(call, change, column)


def _take(call: Call, change: Change, column: Column) -> None:
    table, name, data = change.table.logical_name, column.name, change.values[column.name]
    if data is not None and change.event == "Create" and name != change.table.primary_image:
        raise fault("ImageNotPrimary", column=name, table=table)
    id = call.new_id() if data is not None else None
    if change.event == "Update" and column.shown.get("CanStoreFullImage"):
        forget_all(call, objectid=Ref(table, change.id), regardingfieldname=name)
    if data is not None:
        change.values[name] = _thumbnail(change, column, data)
        if column.shown.get("CanStoreFullImage"):
            mime = mime_of(data)
            file = f"{name}.{mime.rpartition('/')[2]}"
            id, _ = keep(call, Ref(table, change.id), column, file, mime, data)
    _tell(call, change, name, id)


def _thumbnail(change: Change, column: Column, data: bytes) -> bytes:
    most = largest_file(column)
    if len(data) > most:
        raise fault(
            "ImageRefused",
            reason=f"File size is too big. MaxSize: {most // MEGABYTE} MB, "
            f"Uploaded filesize: {len(data) // MEGABYTE} MB.",
        )
    small = thumbnail(data)
    if small is None:
        raise fault(
            "ImageRefused",
            reason=f"Update image properties failed for objectid: {change.id}, "
            f"logicalName: {change.table.logical_name}, attribute: {column.name}",
        )
    return small


def _tell(call: Call, change: Change, name: str, id: str | None) -> None:
    ticks = int((datetime.fromisoformat(call.now) - EPOCH).total_seconds()) * TICKS
    table = change.table.logical_name
    address = f"/Image/download.aspx?Entity={table}&Attribute={name}&Id={change.id}&Timestamp={ticks}"
    told: dict[str, Any] = {f"{name}id": id, f"{name}_timestamp": ticks, f"{name}_url": address}
    for column, value in told.items():
        if column in change.table.columns:
            change.values[column] = value if id is not None else None
