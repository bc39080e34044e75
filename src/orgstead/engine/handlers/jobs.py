"""The work of the job runner: what is due, who takes it, a piece of it. No client can call these messages."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog

from orgstead.engine.callers import load_caller
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
    Kind,
    Task,
    find_kind,
    next_run,
)
from orgstead.engine.ports import RolledBack
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import Fault, fault
from orgstead.model.messages import Update
from orgstead.model.plan import (
    AllOf,
    AnyOf,
    Col,
    IsNull,
    NoneOf,
    OneOf,
    Output,
    Param,
    Plan,
    Related,
    Sort,
    Source,
    Test,
)
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = [
    "claim_jobs", "count_due", "end_job", "free_job", "hold_job", "put_back_job", "release_jobs", "rescue_jobs",
    "see_host", "show_job", "work_on_job",
]  # fmt: skip

log = structlog.get_logger()

HOSTS = "orgstead_host"
# A host that was not seen for so long is gone, and others take over what it had taken.
LEASE = timedelta(seconds=60)
# A job that its process did not survive so often is given up.
MAX_ATTEMPTS = 5
MAX_RELEASED = 10_000
MAX_WAIT = 300
TRANSIENT = frozenset({"StoreBusy", "StoreFailure", "SqlTimeout"})


@lru_cache(maxsize=16)
def _due(table: Table, *, claiming: bool) -> Plan:
    """Jobs for transactions that may begin by the time in parameter 0, out of other lanes than those of parameter 1."""
    columns = {name: Col("t0", table.columns[name]) for name in ("orgstead_jobid", "kind", "lane", "number")}
    key, number = columns["orgstead_jobid"], columns["number"]
    due, lane = Col("t0", table.columns["due"]), columns["lane"]
    token, held = Col("t0", table.columns["token"]), Col("t0", table.columns["held"])
    outside = Col("t0", table.columns["outside"])
    other = Source("t1", table)
    earlier = Related(
        other,
        (
            Test("eq", Col("t1", table.columns["token"]), token),
            Test("lt", Col("t1", table.columns["number"]), number),
        ),
    )
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(name, of, of.column) for name, of in columns.items()),
        where=AllOf((
            Test("eq", outside, Param(4, outside.column)),
            IsNull(Col("t0", table.columns["host"])),
            Test("le", due, Param(0, due.column)),
            Test("eq", held, Param(3, held.column)),
            NoneOf(OneOf(lane, Param(1, lane.column, many=True))),
            AnyOf((IsNull(token), NoneOf(earlier))),
        )),
        order=(Sort(number), Sort(key)),
        limit=Param(2),
        claiming=claiming,
    )  # fmt: skip


@handles("CountDueJobs", privilege=OPEN, writes=False)
def count_due(call: Call) -> int:
    """1 when a job is due outside the lanes ``Full``, 0 when none is."""
    plan = _due(call.schema.tables[JOBS], claiming=False)
    return len(call.unit.fetch(plan, [call.now, tuple(call.parameters["Full"]), 1, False, False]))


@handles("ClaimJobs", privilege=OPEN, heavy=True)
def claim_jobs(call: Call) -> Sequence[Mapping[str, Any]]:
    """Take up to ``Limit`` due jobs for ``Host``, of no lane more than ``PerLane``, and none of the lanes ``Full``."""
    table = call.schema.tables[JOBS]
    given = call.parameters
    rows = call.unit.fetch(
        _due(table, claiming=True), [call.now, tuple(given["Full"]), given["Limit"], False, False]
    )
    taken: list[Mapping[str, Any]] = []
    lanes: dict[str, int] = {}
    for id, kind, lane, _ in rows:
        lanes[lane] = lanes.get(lane, 0) + 1
        if lanes[lane] <= given["PerLane"]:
            call.unit.update(table, id, {"host": given["Host"]})
            taken.append({"id": id, "kind": kind, "lane": lane})
    return taken


@handles("SeeHost", privilege=OPEN)
def see_host(call: Call) -> None:
    """Note that ``Host`` is alive, or with ``Gone`` that it ends and wants nothing left behind.

    ``Now`` is the real time, wherever somebody has set the organisation's clock to.
    """
    table, host = call.schema.tables[HOSTS], call.parameters["Host"]
    if call.parameters.get("Gone"):
        call.unit.delete(table, [host])
        return
    now = call.parameters["Now"]
    if not call.unit.update(table, host, {"seenon": now}):
        call.unit.insert(table, [{"orgstead_hostid": host, "seenon": now}])


@handles("ReleaseJobs", privilege=OPEN, heavy=True)
def release_jobs(call: Call) -> int:
    """Free what hosts had taken that are gone: all but ``Host`` when it is ``Alone``, else those not seen any more.

    ``Now`` is the real time, as that of ``SeeHost``.
    """
    jobs, hosts = call.schema.tables[JOBS], call.schema.tables[HOSTS]
    mine, alone = call.parameters["Host"], call.parameters["Alone"]
    for id in call.unit.find(jobs, {"outside": None}, MAX_RELEASED):
        # Made by a version that had no other kind.
        call.unit.update(jobs, id, {"outside": False})
    since = (datetime.fromisoformat(call.parameters["Now"]) - LEASE).strftime("%Y-%m-%dT%H:%M:%SZ")
    taken = call.unit.fetch(_taken(jobs), [MAX_RELEASED])
    gone: dict[str, bool] = {mine: False}
    released = 0
    for id, host in taken:
        if host not in gone:
            row = call.unit.get(hosts, host, ("seenon",))
            gone[host] = alone or row is None or row["seenon"] is None or row["seenon"] < since
        if gone[host]:
            released += free_job(call, id, host, begun=True)
    call.unit.delete(hosts, [host for host, is_gone in gone.items() if is_gone])
    return released


@handles("RescueJobs", privilege=OPEN, heavy=True)
def rescue_jobs(call: Call) -> Sequence[str]:
    """Free what ``Host`` has taken and does not know of: neither now (``Known``) nor the last time (``Suspects``).

    Such a job could not be put back, or settled, while the database was away. Answers the suspects of this time: what
    has just been taken may not be known yet.
    """
    host, known = call.parameters["Host"], frozenset(call.parameters["Known"])
    before = frozenset(call.parameters["Suspects"])
    suspects = []
    for id, taken_by in call.unit.fetch(_taken(call.schema.tables[JOBS]), [MAX_RELEASED]):
        if taken_by != host or id in known:
            continue
        if id in before:
            free_job(call, id, host, begun=True)
        else:
            suspects.append(id)
    return suspects


def free_job(call: Call, id: str, host: str, *, begun: bool, due: str | None = None) -> bool:
    """Let anybody take what a host has taken, at once or when it is ``due``. Whether it had taken it.

    ``begun`` counts it as begun in vain. What endpoints are told is taken without a look at what users want: what was
    to end or to wait meanwhile does so.
    """
    jobs, operations = call.schema.tables[JOBS], call.schema.tables[OPERATIONS]
    # In the order in which users who change the job lock the two rows.
    operation = call.unit.get(operations, id)
    job = call.unit.get(jobs, id)
    if job is None or job["host"] != host:
        return False
    attempts = {"attempts": (job["attempts"] or 0) + 1} if begun else {}
    call.unit.update(jobs, id, {"host": None, **attempts, **({"due": due} if due is not None else {})})
    if job["outside"] and operation is not None:
        if operation["statuscode"] == CANCELING["statuscode"]:
            end_job(call, None, Task(id=id, payload=None, progress=None, attempts=0), operation, CANCELED, {})
        elif operation["statuscode"] == PAUSING["statuscode"]:
            hold_job(call, id)
    _show_idle(call, id, operation, due)
    return True


def _show_idle(call: Call, id: str, operation: Mapping[str, Any] | None, due: str | None) -> None:
    """Let everybody see that nobody works on a job any more: it is ready, or waits until it is ``due``."""
    if operation is not None and operation["statuscode"] == IN_PROGRESS["statuscode"]:
        later = {**WAITING, "postponeuntil": due} if due is not None else READY
        show_job(call, id, {**later, "hostid": None})


@lru_cache(maxsize=4)
def _taken(table: Table) -> Plan:
    host, key = Col("t0", table.columns["host"]), Col("t0", table.columns["orgstead_jobid"])
    return Plan(
        source=Source("t0", table),
        outputs=(Output("id", key, key.column), Output("host", host, host.column)),
        where=NoneOf(IsNull(host)),
        order=(Sort(host), Sort(key)),
        limit=Param(0),
    )


@handles("WorkOnJob", privilege=OPEN, heavy=True, tracks=True)
def work_on_job(call: Call) -> bool:
    """Do a piece of the job ``Id``, which ``Host`` has taken. Answers whether there is more to do at once."""
    jobs, operations = call.schema.tables[JOBS], call.schema.tables[OPERATIONS]
    id, host = call.parameters["Id"], call.parameters["Host"]
    # In the order in which users who change the job lock the two rows.
    operation = call.unit.get(operations, id)
    job = call.unit.get(jobs, id)
    if job is None or job["host"] != host:
        return False
    if operation is None:
        call.unit.delete(jobs, [id])
        return False
    task = Task(
        id=id,
        payload=json.loads(job["payload"]),
        progress=None if job["progress"] is None else json.loads(job["progress"]),
        attempts=job["attempts"] or 0,
    )
    kind = find_kind(job["kind"])
    status = operation["statuscode"]
    if status == CANCELING["statuscode"]:
        end_job(call, kind, task, operation, CANCELED, {})
        return False
    if status == PAUSING["statuscode"]:
        hold_job(call, id)
        return False
    return _piece(call, kind, task, operation)


def _piece(call: Call, kind: Kind | None, task: Task, operation: Mapping[str, Any]) -> bool:
    if operation["statuscode"] != IN_PROGRESS["statuscode"]:
        show_job(call, task.id, {**IN_PROGRESS, "startedon": call.now, "hostid": call.parameters["Host"]})
    try:
        if kind is None:
            raise fault("NotSupported", feature=f"A job of the kind {operation['messagename']}")
        if task.attempts >= MAX_ATTEMPTS:
            raise fault("JobGivenUp", attempts=task.attempts)
        owner = load_caller(call.unit, call.schema, user_id=operation["ownerid"].id)
        if owner is None or not owner.enabled:
            raise fault("UserDisabled", user=operation["ownerid"].id)
        with call.savepoint(), call.acting(owner):
            progress = kind.work(call, task)
    except Fault as error:
        if error.name in TRANSIENT:
            raise
        end_job(call, kind, task, operation, FAILED, _told(error))
        return False
    except RolledBack:
        raise
    except Exception:
        # A mistake of ours ends one job, and is not tried for ever.
        log.exception("a job failed", job=task.id)
        end_job(call, kind, task, operation, FAILED, _told(fault("Unexpected")))
        return False
    if progress is None:
        end_job(call, kind, task, operation, SUCCEEDED, {})
        return False
    call.unit.update(call.schema.tables[JOBS], task.id, {"progress": json.dumps(progress), "attempts": 0})
    return True


def hold_job(call: Call, id: str) -> None:
    """Let a job wait until somebody resumes it."""
    call.unit.update(call.schema.tables[JOBS], id, {"host": None, "held": True})
    show_job(call, id, WAITING)


def _told(error: Fault) -> Mapping[str, Any]:
    return {"errorcode": error.signed_code, "message": error.message, "friendlymessage": error.message}


def end_job(
    call: Call,
    kind: Kind | None,
    task: Task,
    operation: Mapping[str, Any],
    status: Mapping[str, int],
    told: Mapping[str, Any],
) -> None:
    """Note how a run of a job ended; a recurring one waits for its next run unless it was canceled."""
    if kind is not None and kind.ended is not None:
        kind.ended(call, task, status)
    jobs, rule = call.schema.tables[JOBS], operation["recurrencepattern"]
    due = None
    if rule is not None and status is not CANCELED:
        due = next_run(rule, operation["recurrencestarttime"] or call.now, call.now)
    if due is not None:
        again = {
            "host": None,
            "due": due,
            "progress": None,
            "attempts": 0,
            "number": call.unit.next_version(),
        }
        call.unit.update(jobs, task.id, again)
        show_job(
            call, task.id, {**WAITING, **told, "postponeuntil": due, "completedon": call.now, "hostid": None}
        )
        return
    call.unit.delete(jobs, [task.id])
    began = operation["startedon"] or call.now
    seconds = (datetime.fromisoformat(call.now) - datetime.fromisoformat(began)).total_seconds()
    show_job(
        call, task.id, {**status, **told, "completedon": call.now, "executiontimespan": max(0.0, seconds)}
    )


def show_job(call: Call, id: str, values: Mapping[str, Any]) -> None:
    """Let everybody see what became of a job."""
    record = Record(table=OPERATIONS, values=dict(values))
    call.send_as_system(Update(ref=Ref(OPERATIONS, id), record=record))


@handles("PutBackJob", privilege=OPEN)
def put_back_job(call: Call) -> None:
    """Give up the job ``Id`` that ``Host`` had taken: for anybody at once, or after a failure (``Late``) later."""
    jobs, id = call.schema.tables[JOBS], call.parameters["Id"]
    # In the order in which users who change the job lock the two rows.
    operation = call.unit.get(call.schema.tables[OPERATIONS], id)
    job = call.unit.get(jobs, id)
    if job is None or job["host"] != call.parameters["Host"]:
        return
    values: dict[str, Any] = {"host": None}
    due = None
    if call.parameters["Late"]:
        attempts = (job["attempts"] or 0) + 1
        wait = timedelta(seconds=min(2**attempts, MAX_WAIT))
        due = (datetime.fromisoformat(call.now) + wait).strftime("%Y-%m-%dT%H:%M:%SZ")
        values |= {"attempts": attempts, "due": due}
    call.unit.update(jobs, id, values)
    _show_idle(call, id, operation, due)
