"""Which messages a table takes, as rows of sdkmessagefilter: clients ask them before they use bulk messages.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

from orgstead.engine.registry import Call
from orgstead.model.messages import Create, Delete
from orgstead.model.record import Record, Ref
from orgstead.model.sdkmessages import WITHOUT_STEPS, table_messages

__all__ = ["announce_messages", "count_steps", "forget_messages"]

FILTERS, STEPS = "sdkmessagefilter", "sdkmessageprocessingstep"
MAX_FILTERS = MAX_STEPS = 1000


def announce_messages(call: Call, table: str) -> None:
    """Add the rows of a new table, as far as the organisation has rows of these messages."""
    messages = call.schema.tables.get("sdkmessage")
    if messages is None or FILTERS not in call.schema.tables:
        return
    for name in table_messages(call.schema.tables[table]):
        for id in call.unit.find(messages, {"name": name}, 1):
            values = {
                "primaryobjecttypecode": table,
                "iscustomprocessingstepallowed": name not in WITHOUT_STEPS,
                "sdkmessageid": Ref("sdkmessage", id),
            }
            call.send_as_system(Create(record=Record(table=FILTERS, values=values)))


def forget_messages(call: Call, table: str) -> None:
    """Delete the rows of a deleted table."""
    filters = call.schema.tables.get(FILTERS)
    if filters is None:
        return
    for id in call.unit.find(filters, {"primaryobjecttypecode": table}, MAX_FILTERS):
        call.send_as_system(Delete(ref=Ref(FILTERS, id)))


def count_steps(call: Call, table: str) -> int:
    """How many steps are registered for the rows of a table, those that are disabled among them."""
    filters, steps = call.schema.tables.get(FILTERS), call.schema.tables.get(STEPS)
    if filters is None or steps is None:
        return 0
    return sum(
        len(call.unit.find(steps, {"sdkmessagefilterid": Ref(FILTERS, id)}, MAX_STEPS))
        for id in call.unit.find(filters, {"primaryobjecttypecode": table}, MAX_FILTERS)
    )
