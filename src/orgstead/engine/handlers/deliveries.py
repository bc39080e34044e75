"""What endpoints are told after the commit: who takes it, and what became of it. No client can call these messages.

A delivery is a system job whose work is done outside of any transaction: it is taken in one, posted, and settled in
another. What a process does not survive is delivered again, by itself or another: at least once, and what is told of
one row in the order in which it happened. https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from orgstead.engine.callbacks import CALL_BACK, CALLBACKS
from orgstead.engine.handlers.jobs import end_job, free_job, hold_job, show_job
from orgstead.engine.jobs import (
    CANCELED,
    CANCELING,
    FAILED,
    IN_PROGRESS,
    JOBS,
    OPERATIONS,
    PAUSING,
    READY,
    SUCCEEDED,
    WAITING,
    Task,
    enqueue,
)
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.engine.stages import DELIVERIES, ENDPOINTS, NOTIFY, STEPS, read_endpoint, what_failed
from orgstead.errors import fault
from orgstead.model.endpoints import Answered, Endpoint
from orgstead.model.events import ASYNCHRONOUS, NOBODY, SYNCHRONOUS, Event
from orgstead.model.messages import Delete, Parameter, Signature
from orgstead.model.plan import (
    AllOf,
    AnyOf,
    Col,
    IsNull,
    NoneOf,
    Output,
    Param,
    Plan,
    Related,
    Sort,
    Source,
    Test,
)
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = [
    "claim_deliveries", "list_lanes", "note_deliveries", "return_deliveries", "send_again", "settle_deliveries",
    "show_deliveries",
]  # fmt: skip

# Answers that say that the endpoint is out of order for the moment.
PASSING = frozenset({502, 503, 504})
# How long a delivery waits before each further attempt, in seconds; then it has failed.
RETRIES = (10, 60, 300)
# A delivery that a process did not survive so often is given up: it may be what they died of.
MAX_BEGUN = 10
MAX_LANES = 1000
# Status reasons of a job that nobody is working on and that nobody has stopped.
IDLE = frozenset({READY["statuscode"], WAITING["statuscode"]})
MAX_TEXT = 2000


@lru_cache(maxsize=16)
def _lanes(table: Table) -> Plan:
    """The endpoints that have something waiting."""
    lane, outside = Col("t0", table.columns["lane"]), Col("t0", table.columns["outside"])
    return Plan(
        source=Source("t0", table),
        outputs=(Output("lane", lane, lane.column),),
        where=Test("eq", outside, Param(0, outside.column)),
        groups=(lane,),
        order=(Sort(lane),),
        limit=Param(1),
    )


@lru_cache(maxsize=16)
def _waiting(table: Table) -> Plan:
    """What is due (parameter 1) for a lane (parameter 0), nothing before what was told earlier of the same row."""
    key, number, lane = (Col("t0", table.columns[name]) for name in ("orgstead_jobid", "number", "lane"))
    due, held = Col("t0", table.columns["due"]), Col("t0", table.columns["held"])
    token = Col("t0", table.columns["token"])
    earlier = Related(
        Source("t1", table),
        (
            Test("eq", Col("t1", table.columns["token"]), token),
            Test("lt", Col("t1", table.columns["number"]), number),
        ),
    )
    return Plan(
        source=Source("t0", table),
        outputs=(Output("id", key, key.column), Output("number", number, number.column)),
        where=AllOf((
            Test("eq", lane, Param(0, lane.column)),
            IsNull(Col("t0", table.columns["host"])),
            Test("le", due, Param(1, due.column)),
            Test("eq", held, Param(2, held.column)),
            AnyOf((IsNull(token), NoneOf(earlier))),
        )),
        order=(Sort(number), Sort(key)),
        limit=Param(3),
        claiming=True,
    )  # fmt: skip


@handles("ListLanes", privilege=OPEN, writes=False)
def list_lanes(call: Call) -> Sequence[str]:
    """Ids of the endpoints that something is to be told, or was to be told when they were still there."""
    return [row[0] for row in call.unit.fetch(_lanes(call.schema.tables[JOBS]), [True, MAX_LANES])]


@handles("ClaimDeliveries", privilege=OPEN)
def claim_deliveries(call: Call) -> Sequence[Mapping[str, Any]]:
    """Take for ``Host`` what is due: ``Free`` in all, and of each endpoint of ``Room`` from so many to so many.

    What an endpoint does not need is left for those behind it. Answers the deliveries, each with its endpoint (None
    when that has gone), body and headers.
    """
    table, host = call.schema.tables[JOBS], call.parameters["Host"]
    free: int = call.parameters["Free"]
    taken: list[Mapping[str, Any]] = []
    for lane, (least, most) in call.parameters["Room"].items():
        limit = max(least, min(most, free))
        found = call.unit.fetch(_waiting(table), [lane, call.now, False, limit]) if limit else ()
        free = max(0, free - len(found))
        endpoint = read_endpoint(call, lane) if found else None
        for id, _ in found:
            row = call.unit.get(table, id, ("payload", "attempts")) or {}
            if (row["attempts"] or 0) >= MAX_BEGUN:
                _give_up(call, id, row["attempts"])
                continue
            call.unit.update(table, id, {"host": host})
            payload = json.loads(row["payload"])
            taken.append({"id": id, "lane": lane, "endpoint": endpoint, **payload})
    return taken


@handles("ShowDeliveries", privilege=OPEN, heavy=True)
def show_deliveries(call: Call) -> None:
    """Let everybody see that the deliveries ``Ids`` are in progress, which ``Host`` has taken.

    In a transaction of its own: users who change a job lock its two rows in the other order than who takes it.
    """
    jobs, operations = call.schema.tables[JOBS], call.schema.tables[OPERATIONS]
    host = call.parameters["Host"]
    # As all do who change some.
    for id in sorted(call.parameters["Ids"]):
        operation = call.unit.get(operations, id)
        if operation is None or operation["statuscode"] not in IDLE:
            continue
        if (call.unit.get(jobs, id, ("host",)) or {}).get("host") != host:
            continue
        began = operation["startedon"] or call.now
        call.unit.update(operations, id, {**IN_PROGRESS, "startedon": began, "hostid": host})


@handles("ReturnDeliveries", privilege=OPEN, heavy=True)
def return_deliveries(call: Call) -> None:
    """Give back the deliveries ``Ids``, which ``Host`` had taken: for all at once, or after a failure (``Late``)."""
    due = _after(call, RETRIES[0]) if call.parameters["Late"] else None
    for id in call.parameters["Ids"]:
        free_job(call, id, call.parameters["Host"], begun=due is not None, due=due)


@handles("SettleDeliveries", privilege=OPEN, heavy=True)
def settle_deliveries(call: Call) -> None:
    """Note what became of deliveries that ``Host`` had taken: ``Outcomes`` with ``Id``, ``Answered`` and ``Sent``.

    An endpoint that is out of order for the moment is told again later; whatever else is not a success is a failure.
    """
    for outcome in call.parameters["Outcomes"]:
        _settle(call, outcome["Id"], outcome["Answered"], outcome["Sent"])


def _give_up(call: Call, id: str, attempts: int) -> None:
    operation = call.unit.get(call.schema.tables[OPERATIONS], id)
    if operation is None:
        call.unit.delete(call.schema.tables[JOBS], [id])
        return
    error = fault("JobGivenUp", attempts=attempts)
    told = {"errorcode": error.signed_code, "message": error.message, "friendlymessage": error.message}
    end_job(call, None, _task(id), operation, FAILED, told)


def _after(call: Call, seconds: int) -> str:
    return (datetime.fromisoformat(call.now) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _settle(call: Call, id: str, answered: Answered, sent: str) -> None:
    jobs = call.schema.tables[JOBS]
    operation = call.unit.get(call.schema.tables[OPERATIONS], id)
    job = call.unit.get(jobs, id)
    if job is None or job["host"] != call.parameters["Host"]:
        return
    payload = json.loads(job["payload"])
    begun = (job["attempts"] or 0) + 1
    done = 0 if job["progress"] is None else json.loads(job["progress"])
    attempt = done + 1
    forgotten = operation is None or (answered.good and payload["forgets"])
    _note(
        call,
        sent,
        answered,
        payload,
        endpoint=job["lane"],
        operation=None if forgotten else id,
        message=(operation or {}).get("messagename"),
        table=(operation or {}).get("primaryentitytype"),
        name=(operation or {}).get("name"),
        attempt=attempt,
        mode=ASYNCHRONOUS,
    )
    if operation is None:
        call.unit.delete(jobs, [id])
        return
    again = answered.status in PASSING or (answered.status is None and answered.passing)
    status = operation["statuscode"]
    if answered.good:
        _succeed(call, id, payload, operation)
    elif status == CANCELING["statuscode"]:
        end_job(call, None, _task(id), operation, CANCELED, {})
    elif again and attempt <= len(RETRIES) and begun < MAX_BEGUN:
        due = _after(call, RETRIES[attempt - 1])
        call.unit.update(jobs, id, {"host": None, "due": due, "progress": json.dumps(attempt)})
        if status == PAUSING["statuscode"]:
            hold_job(call, id)
        show_job(call, id, {**WAITING, "retrycount": attempt, "postponeuntil": due, "hostid": None})
    else:
        error = what_failed(answered)
        told = {
            "errorcode": error.signed_code,
            "message": f"{error.message} {error.hint}",
            "friendlymessage": error.message,
        }
        end_job(call, None, _task(id), operation, FAILED, told)


def _task(id: str) -> Task:
    return Task(id=id, payload=None, progress=None, attempts=0)


def _succeed(call: Call, id: str, payload: Mapping[str, Any], operation: Mapping[str, Any]) -> None:
    if payload["forgets"]:
        call.unit.delete(call.schema.tables[JOBS], [id])
        call.send_as_system(Delete(ref=Ref(OPERATIONS, id)))
    else:
        end_job(call, None, _task(id), operation, SUCCEEDED, {})


@handles("NoteDeliveries", privilege=OPEN)
def note_deliveries(call: Call) -> None:
    """Note what endpoints were told while a transaction was open, whatever became of that: ``Told``."""
    for each in call.parameters["Told"]:
        event: Event = each["event"]
        endpoint: Endpoint = each["endpoint"]
        _note(
            call,
            each["sent"],
            each["answered"],
            {
                "step": event.step_id,
                "row": event.id,
                "correlation": event.correlation_id,
                "headers": each["parcel"].headers,
                "body": each["parcel"].body,
            },
            endpoint=endpoint.id,
            operation=None,
            message=event.message,
            table=event.table,
            name=event.step_name,
            attempt=1,
            mode=SYNCHRONOUS,
        )


def _note(
    call: Call,
    sent: str,
    answered: Answered,
    payload: Mapping[str, Any],
    *,
    endpoint: str,
    operation: str | None,
    message: str | None,
    table: str | None,
    name: str | None,
    attempt: int,
    mode: int,
) -> None:
    """Add a row that tells of one attempt."""
    row = {
        "orgstead_deliveryid": call.new_id(),
        "name": (name or "")[:400],
        "asyncoperationid": None if operation is None else Ref(OPERATIONS, operation),
        "attempt": attempt,
        "body": payload["body"],
        "callbackregistrationid": _there(call, CALLBACKS, endpoint),
        "correlationid": payload["correlation"],
        "error": None if answered.good else answered.reason[:MAX_TEXT],
        "headers": json.dumps(payload["headers"]),
        "httpstatus": answered.status,
        "messagename": message,
        "milliseconds": round(answered.seconds * 1000, 3),
        "mode": mode,
        "organizationid": _organization(call),
        "primaryentityid": None if payload["row"] == NOBODY else payload["row"],
        "primaryentitytype": table,
        "response": answered.excerpt or None,
        "sdkmessageprocessingstepid": _there(call, STEPS, payload["step"]),
        "senton": sent,
        "serviceendpointid": _there(call, ENDPOINTS, endpoint),
        "succeeded": answered.good,
        "versionnumber": call.unit.next_version(),
    }
    call.unit.insert(call.schema.tables[DELIVERIES], [row])


def _organization(call: Call) -> Ref | None:
    """Whoever runs this belongs to none."""
    found = call.unit.find(call.schema.tables["organization"], {}, 1)
    return Ref("organization", found[0]) if found else None


def _there(call: Call, table: str, id: str) -> Ref | None:
    found = call.schema.tables[table]
    return None if call.unit.get(found, id, (found.primary_id,)) is None else Ref(table, id)


@handles(
    "orgstead_SendAgain",
    privilege="prvWritesdkmessageprocessingstep",
    signature=Signature(
        kind="action",
        bound=(DELIVERIES,),
        returns=(Parameter(name="AsyncOperationId", type="Edm.Guid"),),
    ),
)
def send_again(call: Call) -> Mapping[str, Any]:
    """Post what an endpoint was told once more, to the letter, as a new system job.

    Raises ObjectDoesNotExist, NotSupported when the endpoint has gone.
    """
    target = call.target
    if not isinstance(target, Ref):
        raise fault("MissingParameter", name="Target", message="orgstead_SendAgain")
    row = call.unit.get(call.schema.tables[DELIVERIES], target.id)
    if row is None:
        raise fault("ObjectDoesNotExist", table=DELIVERIES, id=target.id)
    callback, step = row["callbackregistrationid"], row["sdkmessageprocessingstepid"]
    endpoint = row["serviceendpointid"] or callback
    if endpoint is None:
        raise fault("NotSupported", feature="Sending again what was for an endpoint that has gone")
    payload = {
        "step": step.id if step is not None else NOBODY,
        "forgets": False,
        "row": row["primaryentityid"] or NOBODY,
        "correlation": row["correlationid"],
        "headers": json.loads(row["headers"]),
        "body": row["body"],
    }
    values = {
        "messagename": row["messagename"],
        "primaryentitytype": row["primaryentitytype"],
        "correlationid": row["correlationid"],
    }
    token = None if row["primaryentityid"] is None else f"{endpoint.id}:{row['primaryentityid']}"
    kind = NOTIFY if callback is None else CALL_BACK
    made = enqueue(call, kind, row["name"], payload, values=values, lane=endpoint.id, token=token)
    return {"AsyncOperationId": made.id}
