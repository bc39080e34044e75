"""A message goes past its steps: who runs at a stage, with what, and what a refusal does.

Synchronous steps run inside the transaction and may refuse the message; asynchronous ones become system jobs in the
same transaction, and so happen exactly when it has committed.
https://learn.microsoft.com/power-apps/developer/data-platform/event-framework
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from orgstead.engine.callbacks import CALLBACKS, call_back
from orgstead.engine.callers import load_caller
from orgstead.engine.events import event_of, outward, write_event
from orgstead.engine.handlers.values import bind_values
from orgstead.engine.jobs import OPERATIONS, enqueue
from orgstead.engine.registry import Call
from orgstead.engine.steps import Passage
from orgstead.errors import Fault, fault
from orgstead.model.endpoints import LEFT_ALONE, TIMED_OUT, Answered, Endpoint
from orgstead.model.events import NOBODY, Event
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.model.steps import DONE, Step

__all__ = [
    "DELIVERIES",
    "ENDPOINTS",
    "FUNCTION",
    "MAX_STEP_DEPTH",
    "NOTIFY",
    "STEPS",
    "read_endpoint",
    "run_stage",
    "wants_row",
    "what_failed",
]

# Messages that steps send are one deeper than the message that set the step off.
# https://learn.microsoft.com/power-apps/developer/data-platform/org-service/organization-service-execution-context
MAX_STEP_DEPTH = 8
DELIVERIES, ENDPOINTS, STEPS = "orgstead_delivery", "serviceendpoint", "sdkmessageprocessingstep"
# Kinds of jobs: a Python function that runs later, an endpoint that is told.
FUNCTION, NOTIFY = "RunStep", "NotifyEndpoint"


def run_stage(call: Call, stage: int, passage: Passage) -> None:
    """Run the steps of a stage that a message concerns, in order of their ranks.

    Raises TooDeep when steps set each other off without an end, and whatever a step refuses the message with.
    """
    for step in call.steps.of(call.schema).get(passage.message, ()):
        if step.stage != stage or not passage.concerns(step):
            continue
        if call.step_depth > MAX_STEP_DEPTH:
            raise fault("TooDeep", limit=MAX_STEP_DEPTH)
        if step.callback is not None:
            call_back(call, passage, step)
        elif step.asynchronous:
            _queue(call, passage, step)
        elif step.function is not None:
            _run(call, passage, step)
        else:
            _tell(call, passage, step)


def wants_row(call: Call, passage: Passage) -> bool:
    """Whether a step wants to see the row of a message as it was before."""
    return any(
        passage.concerns(step) and (step.function is not None or any(image.before for image in step.images))
        for step in call.steps.of(call.schema).get(passage.message, ())
    )


def _operation(call: Call, passage: Passage) -> str:
    if not passage.operation:
        passage.operation = call.new_id()
    return passage.operation


def _run(call: Call, passage: Passage, step: Step) -> None:
    """Run the Python function of a step. What it has changed of a row to be written is bound like what clients send."""
    code = call.steps.code(step.id)
    if code is None:
        raise fault("NotSupported", feature=f"The step {step.name}, whose function is not there,")
    event = event_of(call, passage, step, _operation(call, passage))
    target = passage.inputs.get("Target")
    live = cast(dict[str, Any], target.values) if isinstance(target, Record) else {}
    before = dict(live)
    caller = call.caller
    if step.user is not None:
        found = load_caller(call.unit, call.schema, user_id=step.user)
        if found is None or not found.enabled:
            raise fault("UserDisabled", user=step.user)
        caller = found
    with call.acting(caller), call.inside(event):
        call.limit.run(step.name, partial(code.run, call, event, passage))
    changed = {name: value for name, value in live.items() if name not in before or before[name] is not value}
    if changed and step.stage != DONE and passage.table is not None:
        _rebind(call, passage, passage.table, live, changed)


def _rebind(
    call: Call, passage: Passage, table: Table, live: dict[str, Any], changed: Mapping[str, Any]
) -> None:
    record = Record(table=table.logical_name, values=changed)
    bound = bind_values(call, table, record, "Create" if passage.message == "Create" else "Update")
    for name in changed:
        live.pop(name, None)
    live.update(bound)
    if passage.given is not None:
        # Steps after it see what is to be written.
        passage.given |= bound.keys()


def _tell(call: Call, passage: Passage, step: Step) -> None:
    """Post to an endpoint and wait for its answer; raises ``what_failed`` unless it takes what it was told."""
    endpoint = read_endpoint(call, step.endpoint or NOBODY)
    if endpoint is None:
        raise fault("EndpointFailed", hint="There is no such endpoint.")
    event = event_of(call, passage, step, _operation(call, passage))
    parcel = call.outside.pack(outward(event, call.schema), call.schema)
    answered = call.outside.post(endpoint, parcel)
    told = {"event": event, "endpoint": endpoint, "parcel": parcel, "answered": answered, "sent": call.now}
    call.told.append(told)
    if not answered.good:
        raise what_failed(answered)


def what_failed(answered: Answered) -> Fault:
    """EndpointRefused, EndpointTimedOut or EndpointFailed, by what became of a call to an endpoint."""
    hint = f"{answered.reason.capitalize()}."
    if answered.status is not None:
        return fault("EndpointRefused", hint=hint)
    if answered.error in (TIMED_OUT, LEFT_ALONE):
        return fault("EndpointTimedOut", hint=hint)
    return fault("EndpointFailed", hint=hint)


def _queue(call: Call, passage: Passage, step: Step) -> None:
    """Make the system job of an asynchronous step, in the transaction of the message."""
    id = call.new_id()
    event = event_of(call, passage, step, id)
    values: dict[str, Any] = {
        "messagename": passage.message,
        "primaryentitytype": event.table if passage.table is not None else None,
        "correlationid": event.correlation_id,
        "depth": event.depth,
        "requestid": event.request_id,
    }
    if step.user is not None:
        values["ownerid"] = Ref("systemuser", step.user)
    regarding = call.schema.tables[OPERATIONS].columns["regardingobjectid"]
    if passage.table is not None and event.table in regarding.targets and passage.message != "Delete":
        values["regardingobjectid"] = Ref(event.table, passage.id)
    if step.endpoint is None:
        payload: Any = {"event": write_event(event)}
        kind, lane, token = FUNCTION, step.id, _token(step.id, event)
    else:
        parcel = call.outside.pack(outward(event, call.schema), call.schema)
        payload = {
            "step": step.id,
            "forgets": step.forgets,
            "row": event.id,
            "correlation": event.correlation_id,
            "headers": parcel.headers,
            "body": parcel.body,
        }
        kind, lane, token = NOTIFY, step.endpoint, _token(step.endpoint, event)
    enqueue(call, kind, step.name, payload, id=id, values=values, lane=lane, token=token)


def _token(who: str, event: Event) -> str | None:
    """What is told of one row comes in order; all else need not."""
    return None if event.id == NOBODY else f"{who}:{event.id}"


def read_endpoint(call: Call, id: str) -> Endpoint | None:
    """An endpoint as its row has it now, which may be one of a callback registration."""
    row = call.unit.get(call.schema.tables[ENDPOINTS], id)
    if row is None:
        row = call.unit.get(call.schema.tables[CALLBACKS], id, ("name", "url"))
        if row is None:
            return None
        return Endpoint(id=id, name=row["name"] or "", url=row["url"] or "", authentication=None)
    return Endpoint(
        id=id,
        name=row["name"] or "",
        url=row["url"] or "",
        authentication=row["authtype"] or 0,
        secret=row["authvalue"],
    )
