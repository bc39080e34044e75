"""Callback registrations: whether one wants to know of a row, and the system job that tells it.

All is found out in the transaction of the change, so that the row is told as it was then. It is read as the owner of
the registration sees it: what the owner may not read is not told.
https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
https://learn.microsoft.com/power-automate/dataverse/powerautomate-callbackregistration-flow
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import may
from orgstead.engine.callers import units_below
from orgstead.engine.context import Caller
from orgstead.engine.handlers.jobs import end_job
from orgstead.engine.handlers.permits import principal_of
from orgstead.engine.jobs import FAILED, OPERATIONS, Task, enqueue
from orgstead.engine.registry import Call
from orgstead.engine.steps import Passage
from orgstead.errors import Fault
from orgstead.model.events import NOBODY, RowEvent
from orgstead.model.messages import Retrieve
from orgstead.model.record import Page, Ref
from orgstead.model.schema import Table
from orgstead.model.steps import Callback, Step

__all__ = [
    "CALLBACKS", "CALL_BACK", "FLOW_OWNER", "ORGANIZATION", "UNSEEN", "call_back", "read_seen",
]  # fmt: skip

CALLBACKS = "callbackregistration"
# The kind of jobs that call back.
CALL_BACK = "CallBack"
USER, BUSINESS_UNIT, UNITS_BELOW, ORGANIZATION = range(1, 5)
MODIFYING_USER, ROW_OWNER, FLOW_OWNER = range(1, 4)
# What says that the owner of a registration does not see a row, or that its condition is not met.
UNSEEN = frozenset({"AccessDenied", "ObjectDoesNotExist", "PrivilegeDenied"})


def call_back(call: Call, passage: Passage, step: Step) -> None:
    """Make the system job of a callback registration for a row that it wants to know of.

    A registration whose condition the row can no longer be asked for fails visibly, and does not fail the change.
    """
    callback, table = step.callback, passage.table
    if callback is None or table is None or _silenced(call):
        return
    owner = principal_of(call, Ref("systemuser", callback.owner))
    gone = passage.message == "Delete"
    row = passage.before if gone else call.unit.get(table, passage.id)
    if owner is None or not owner.enabled or not row or not _in_scope(call, callback, owner, row):
        return
    page, failure = None, None
    if gone:
        with call.acting(owner):
            if not may(call, "Read", table, {**row, table.primary_id: passage.id}):
                return
    else:
        try:
            with call.savepoint():
                page = read_seen(call, owner, table, passage.id, callback.condition)
        except Fault as error:
            if error.name in UNSEEN:
                return
            failure = error
    _queue(call, passage, step, callback, _event(call, passage, callback, row, page), failure)


def read_seen(call: Call, owner: Caller, table: Table, id: str, condition: str) -> Page | None:
    """A row that meets a condition, as the owner of a registration sees it.

    Raises what is in UNSEEN when there is none, and the faults of the condition.
    """
    query = call.outside.condition(table, condition, call.schema)
    with call.acting(owner):
        return call.send(Retrieve(ref=Ref(table.logical_name, id), query=query)).page


def _silenced(call: Call) -> bool:
    """Whether the request asks for no calls back, which holds for what it does itself."""
    return not call.options.callbacks and call.step_depth == 1


def _in_scope(call: Call, callback: Callback, owner: Caller, row: Mapping[str, Any]) -> bool:
    if callback.scope == ORGANIZATION:
        return True
    if callback.scope == USER:
        return bool(row.get("ownerid") == Ref("systemuser", callback.owner))
    unit = row.get("owningbusinessunit")
    if not isinstance(unit, Ref):
        return False
    mine = owner.business_unit_id
    return unit.id == mine or (
        callback.scope == UNITS_BELOW and unit.id in units_below(call.unit, call.schema, mine)
    )


def _event(
    call: Call, passage: Passage, callback: Callback, row: Mapping[str, Any], page: Page | None
) -> RowEvent:
    owner = row.get("ownerid")
    user = callback.owner
    if callback.run_as == MODIFYING_USER:
        user = call.caller.user_id
    elif callback.run_as == ROW_OWNER and isinstance(owner, Ref) and owner.table == "systemuser":
        user = owner.id
    return RowEvent(
        message=passage.message,
        table=passage.table.logical_name if passage.table is not None else "none",
        id=passage.id,
        page=page,
        version=row.get("versionnumber"),
        user_id=user,
        operation_id=call.new_id(),
        correlation_id=call.correlation_id,
    )


def _queue(
    call: Call, passage: Passage, step: Step, callback: Callback, event: RowEvent, failure: Fault | None
) -> None:
    parcel = call.outside.pack_row(event, call.schema)
    lane, id = step.endpoint or NOBODY, event.operation_id
    values: dict[str, Any] = {
        "messagename": event.message,
        "primaryentitytype": event.table,
        "correlationid": event.correlation_id,
        "depth": call.step_depth,
        "requestid": id,
        "ownerid": Ref("systemuser", callback.owner),
    }
    regarding = call.schema.tables[OPERATIONS].columns["regardingobjectid"]
    if event.table in regarding.targets and event.message != "Delete":
        values["regardingobjectid"] = Ref(event.table, event.id)
    payload = {
        "step": NOBODY,
        "forgets": False,
        "row": event.id,
        "correlation": event.correlation_id,
        "headers": parcel.headers,
        "body": parcel.body,
    }
    due = callback.until if callback.until is not None and callback.until > call.now else None
    enqueue(
        call,
        CALL_BACK,
        step.name,
        payload,
        id=id,
        values=values,
        due=due,
        lane=lane,
        token=f"{lane}:{event.id}",
    )
    if failure is not None:
        operation = call.unit.get(call.schema.tables[OPERATIONS], id) or {}
        told = {
            "errorcode": failure.signed_code,
            "message": failure.message,
            "friendlymessage": failure.message,
        }
        end_job(call, None, Task(id=id, payload=None, progress=None, attempts=0), operation, FAILED, told)
