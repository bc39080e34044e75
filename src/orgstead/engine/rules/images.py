"""What tells about an image column: its id, when it was set, where it is.

https://learn.microsoft.com/power-apps/developer/data-platform/image-column-data#image-column-definitions
"""

from datetime import datetime
from functools import lru_cache

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.schema import Table

__all__ = ["tell_images"]

EPOCH = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
TICKS = 10_000_000


@lru_cache(maxsize=4096)
def _images(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.stored if column.type == "image")


@hook("Create", "Update", stage=20, applies=lambda table: bool(_images(table)))
def tell_images(call: Call, change: Change) -> None:
    """An image that is set or removed changes its id, its timestamp (in ticks) and its address."""
    for name in _images(change.table):
        if name not in change.values:
            continue
        there = change.values[name] is not None
        ticks = int((datetime.fromisoformat(call.now) - EPOCH).total_seconds()) * TICKS
        told = {
            f"{name}id": call.new_id() if there else None,
            f"{name}_timestamp": ticks if there else None,
            f"{name}_url": f"/Image/download.aspx?Entity={change.table.logical_name}&Attribute={name}"
            f"&Id={change.id}&Timestamp={ticks}"
            if there
            else None,
        }
        for column, value in told.items():
            if column in change.table.columns:
                change.values[column] = value
