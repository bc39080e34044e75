"""Long work as system jobs: rows of ``asyncoperation`` that everybody sees, and a queue that only the product does.

A job is made in the transaction that asks for it, so it is there exactly when that has committed. It runs a piece at a
time: a piece is one transaction that does some of the work and notes how far it came, so that neither is lost or
doubled wherever a process dies. https://learn.microsoft.com/power-apps/developer/data-platform/asynchronous-service
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from dateutil.rrule import rrulestr

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.messages import Create, Execute
from orgstead.model.record import Record, Ref

__all__ = [
    "CANCELED", "CANCELING", "FAILED", "IN_PROGRESS", "JOBS", "OPERATIONS", "PAUSING", "READY", "SUCCEEDED",
    "SYSTEM_EVENT", "WAITING", "Kind", "Task", "do_at_once", "enqueue", "find_kind", "kind", "next_run",
]  # fmt: skip

JOBS, OPERATIONS = "orgstead_job", "asyncoperation"
# The type of system jobs that steps make.
SYSTEM_EVENT = 1
# Status reasons of a system job, each with its state.
READY, WAITING = {"statecode": 0, "statuscode": 0}, {"statecode": 1, "statuscode": 10}
IN_PROGRESS, PAUSING, CANCELING = ({"statecode": 2, "statuscode": code} for code in (20, 21, 22))
SUCCEEDED, FAILED, CANCELED = ({"statecode": 3, "statuscode": code} for code in (30, 31, 32))
# https://learn.microsoft.com/power-apps/developer/data-platform/asynchronous-service#recurrence-pattern
_RULE = re.compile(
    r"FREQ=(?:DAILY|WEEKLY|MONTHLY|YEARLY)(?:;INTERVAL=[1-9]\d{0,2})?(?:;BYDAY=(?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:MO|TU|WE|TH|FR|SA|SU)){0,6})?;?"
)
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job that is being worked on.

    ``payload`` is what it was given and ``progress`` what its last piece answered (None before the first one), both as
    JSON has them; ``attempts`` counts how often it was begun anew.
    """

    id: str
    payload: Any
    progress: Any
    attempts: int


# Does a piece with the rights of the job's owner; answers where to go on, None when all is done.
Work = Callable[[Call, Task], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of jobs; ``operation_type`` is its number among the types of system jobs.

    ``ended`` is told of every end, good or bad, as the product's own work: the status that the job gets. ``outside``
    says that the work is done outside of transactions, by a runner of its own.
    """

    name: str
    operation_type: int
    work: Work
    ended: Callable[[Call, Task, Mapping[str, int]], None] | None = None
    outside: bool = False


_KINDS: dict[str, Kind] = {}


def kind(
    name: str,
    *,
    operation_type: int,
    ended: Callable[[Call, Task, Mapping[str, int]], None] | None = None,
    outside: bool = False,
) -> Callable[[Work], Work]:
    """Register the decorated function as what jobs of a kind do."""

    def register(work: Work) -> Work:
        _KINDS[name] = Kind(name=name, operation_type=operation_type, work=work, ended=ended, outside=outside)
        return work

    return register


def find_kind(name: str) -> Kind | None:
    """A kind of jobs by its name; None for one that this version does not know."""
    return _KINDS.get(name)


def enqueue(
    call: Call,
    kind: str,
    name: str,
    payload: Any,
    *,
    due: str | None = None,
    recurrence: str | None = None,
    token: str | None = None,
    lane: str = "",
    id: str | None = None,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> Ref:
    """Make a job that the caller owns, to be begun when this transaction has committed, or at ``due``.

    Jobs with the same ``token`` run one after another in the order in which they were made; ``lane`` names what jobs
    share that may be slow, so that they do not hold up others; ``values`` are what else the system job shows. Raises
    NotSupported for a recurrence that is none.
    """
    values = {
        "name": name[:256],
        "operationtype": _KINDS[kind].operation_type,
        "messagename": kind,
        "postponeuntil": due,
        "recurrencepattern": recurrence,
        "recurrencestarttime": None if recurrence is None else due or call.now,
        "dependencytoken": token,
        **values,
        **READY,
    }
    if recurrence is not None:
        check_rule(recurrence, due or call.now)
    ref = call.send_as_system(Create(record=Record(table=OPERATIONS, id=id, values=values))).ref
    if ref is None:
        raise TypeError("a created row has a reference")
    row = {
        "orgstead_jobid": ref.id,
        "number": call.unit.next_version(),
        "kind": kind,
        "due": due or call.now,
        "held": False,
        "outside": _KINDS[kind].outside,
        "token": token,
        "lane": lane,
        "attempts": 0,
        "payload": json.dumps(payload),
    }
    call.unit.insert(call.schema.tables[JOBS], [row])
    call.wake_workers()
    return ref


def do_at_once(call: Call, job: Ref) -> None:
    """Do a job of a few rows in this transaction: it has ended when its id is answered."""
    call.unit.update(call.schema.tables[JOBS], job.id, {"host": job.id})
    work = Execute(name="WorkOnJob", parameters={"Id": job.id, "Host": job.id})
    while call.send_as_system(work).value:
        pass


def check_rule(rule: str, start: str) -> None:
    """Raises NotSupported for a pattern of recurrence that jobs do not have, or that no day fits."""
    if not _RULE.fullmatch(rule):
        raise fault("NotSupported", feature=f"The recurrence pattern {rule[:100]}")
    if _never(rule, start):
        raise fault("NotSupported", feature=f"The recurrence pattern {rule[:100]}, which no day fits,")


def _never(rule: str, start: str) -> bool:
    """Whether a rule that counts whole weeks in days names other days than the one on which it starts."""
    parts = dict(part.partition("=")[::2] for part in rule.rstrip(";").split(";"))
    days = parts.get("BYDAY")
    if parts["FREQ"] != "DAILY" or days is None or int(parts.get("INTERVAL", "1")) % 7:
        return False
    return DAYS[datetime.fromisoformat(start).astimezone(UTC).weekday()] not in days.split(",")


def next_run(rule: str, start: str, now: str) -> str | None:
    """When a recurring job runs for the first time after ``now``; None when it never does."""
    if _never(rule, start):
        return None
    begin, after = datetime.fromisoformat(start), datetime.fromisoformat(now)
    found: datetime | None = rrulestr(rule.rstrip(";"), dtstart=begin).after(after)
    return None if found is None else found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
