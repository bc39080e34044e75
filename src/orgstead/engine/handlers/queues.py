"""Queues: put rows into them, take them on, hand them over.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addtoqueue
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/pickfromqueue
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/routeto
"""

from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Create, Delete, Parameter, Signature, Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = ["add_to_queue", "pick_from_queue", "release_to_queue", "remove_from_queue", "route_to"]

ACTIVE = 0


def _item_action(*parameters: Parameter) -> Signature:
    return Signature(kind="action", parameters=parameters, bound=("queueitem",))


@handles(
    "AddToQueue",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="Target", type="mscrm.crmbaseentity"),
            Parameter(name="SourceQueue", type="mscrm.queue", optional=True),
            Parameter(name="QueueItemProperties", type="mscrm.queueitem", optional=True),
        ),
        returns=(Parameter(name="QueueItemId", type="Edm.Guid"),),
        bound=("queue",),
    ),
)
def add_to_queue(call: Call) -> Any:
    """Put a row into a queue, out of the one that it was in. Answers the id of its queue item."""
    queue, _ = _bound(call)
    target = named_row(call, call.parameters["Target"], "Target")
    items = call.schema.tables["queueitem"]
    if target.table not in items.columns["objectid"].targets:
        raise fault("InvalidArgument", message=f"Rows of {target.table} are not put into queues.")
    row = stored_row(call, target)
    check_row(call, "Read", call.schema.tables[target.table], row)
    properties = call.parameters.get("QueueItemProperties")
    values = dict(properties.values) if isinstance(properties, Record) else {}
    values |= {"queueid": queue, "objectid": target, "enteredon": call.now}
    source = call.parameters.get("SourceQueue")
    found = call.unit.find(items, {"objectid": target, "statecode": ACTIVE}, 1)
    if source is not None:
        wanted = {"objectid": target, "queueid": named_row(call, source, "SourceQueue", "queue")}
        found = call.unit.find(items, wanted, 1)
        if not found:
            raise fault("InvalidArgument", message="The row is not in the source queue.")
    if found:
        item = Ref("queueitem", found[0])
        call.send(Update(ref=item, record=Record(table="queueitem", values=values)))
        _move(call, item, queue)
    else:
        made = call.send(Create(record=Record(table="queueitem", values=values))).ref
        if made is None:
            raise TypeError("a created row has a reference")
        item = made
    title = {"title": row.get(call.schema.tables[target.table].primary_name or "")}
    call.send_as_system(Update(ref=item, record=Record(table="queueitem", values=title)))
    return {"QueueItemId": item.id}


@handles(
    "PickFromQueue",
    privilege=OPEN,
    signature=_item_action(
        Parameter(name="SystemUser", type="mscrm.systemuser"),
        Parameter(name="RemoveQueueItem", type="Edm.Boolean"),
    ),
)
def pick_from_queue(call: Call) -> Any:
    """Give a queue item to a user to work on: its row becomes the user's, and leaves the queue when that is asked."""
    item, row = _bound(call)
    user = named_row(call, call.parameters["SystemUser"], "SystemUser", "systemuser")
    _hand_over(call, row.get("objectid"), user)
    if call.parameters["RemoveQueueItem"]:
        call.send(Delete(ref=item))
    else:
        _work(call, item, user)


@handles("ReleaseToQueue", privilege=OPEN, signature=_item_action())
def release_to_queue(call: Call) -> Any:
    """Give a queue item that somebody works on back to its queue, and its row to the queue's owner."""
    item, row = _bound(call)
    owner = stored_row(call, row["queueid"]).get("ownerid")
    if isinstance(owner, Ref):
        _hand_over(call, row.get("objectid"), owner)
    _work(call, item, None)


@handles("RemoveFromQueue", privilege=OPEN, signature=_item_action())
def remove_from_queue(call: Call) -> Any:
    """Take a queue item out of its queue; the row that it stands for stays."""
    item, _ = _bound(call)
    call.send(Delete(ref=item))


@handles(
    "RouteTo",
    privilege=OPEN,
    signature=_item_action(Parameter(name="Target", type="mscrm.crmbaseentity")),
)
def route_to(call: Call) -> Any:
    """Move a queue item to another queue, or give it to a user or a team."""
    item, row = _bound(call)
    target = named_row(call, call.parameters["Target"], "Target", "queue", "systemuser", "team")
    if target.table != "queue":
        _hand_over(call, row.get("objectid"), target)
        _work(call, item, target)
        return
    values: dict[str, Any] = {"enteredon": call.now, "workerid": None}
    call.send(Update(ref=item, record=Record(table="queueitem", values=values)))
    _move(call, item, target)


def _bound(call: Call) -> tuple[Ref, dict[str, Any]]:
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a row")
    row = stored_row(call, call.target)
    check_row(call, "Read", call.schema.tables[call.target.table], row)
    return call.target, row


def _move(call: Call, item: Ref, queue: Ref) -> None:
    """Put an item that the caller may change into another queue, which no plain update does."""
    check_row(call, "Write", call.schema.tables["queue"], stored_row(call, queue))
    call.send_as_system(Update(ref=item, record=Record(table="queueitem", values={"queueid": queue})))


def _work(call: Call, item: Ref, worker: Ref | None) -> None:
    values: dict[str, Any] = {"workerid": worker, "workeridmodifiedon": call.now}
    call.send(Update(ref=item, record=Record(table="queueitem", values=values)))


def _hand_over(call: Call, target: Any, owner: Ref) -> None:
    """Make a row the owner's, where its table knows owners."""
    table: Table | None = call.schema.tables.get(target.table) if isinstance(target, Ref) else None
    if table is not None and table.user_owned:
        call.send(Update(ref=target, record=Record(table=target.table, values={"ownerid": owner})))
