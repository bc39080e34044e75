"""Rows that a message names as parameters: by address, or by the primary key among their values."""

from typing import Any

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.messages import Create, Update
from orgstead.model.record import Record, Ref

__all__ = ["completed", "named_row", "row_of", "stored_row"]


def row_of(call: Call, record: Record) -> Ref:
    """The row that a record names; raises InvalidArgument when it names none."""
    if record.key is not None:
        return record.key
    id = record.values.get(call.schema.tables[record.table].primary_id)
    if not isinstance(id, str):
        raise fault(
            "InvalidArgument",
            message=f"The {record.table} among the parameters has neither a primary key nor an @odata.id.",
        )
    return Ref(record.table, id.lower())


def named_row(call: Call, value: Any, name: str, *tables: str) -> Ref:
    """A parameter as the row that it names, of one of ``tables`` when any are given; raises InvalidArgument."""
    ref = row_of(call, value) if isinstance(value, Record) else value
    if not isinstance(ref, Ref) or (tables and ref.table not in tables):
        wanted = " or ".join(tables) or "row"
        raise fault("InvalidArgument", message=f"{name} must name a {wanted}.")
    return call.resolve(ref)


def stored_row(call: Call, ref: Ref) -> dict[str, Any]:
    """The stored values of a row; raises ObjectDoesNotExist."""
    row = call.unit.get(call.schema.tables[ref.table], ref.id)
    if row is None:
        raise fault("ObjectDoesNotExist", table=ref.table, id=ref.id)
    return row


def completed(call: Call, activity: Record) -> None:
    """Make an activity that records what has been done, and so is completed from the start."""
    made = call.send(Create(record=activity)).ref
    if made is not None:
        ended = Record(table=made.table, values={"statecode": 1})
        call.send_as_system(Update(ref=made, record=ended))
