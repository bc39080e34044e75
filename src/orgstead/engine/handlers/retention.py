"""What is kept of system jobs and deliveries that have come to their end, and for how long.

Dataverse keeps them until somebody deletes them, and says that somebody should: here a setting does.
https://learn.microsoft.com/power-platform/admin/cleanup-asyncoperationbase-table
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from orgstead.engine.jobs import JOBS, OPERATIONS, SUCCEEDED
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.engine.stages import DELIVERIES
from orgstead.model.messages import Delete
from orgstead.model.plan import AllOf, Col, NoneOf, Output, Param, Plan, Related, Sort, Source, Test, Verdict
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = ["sweep_jobs"]

FAILURES = "bulkdeletefailure"
# So many rows of each kind go in one transaction.
BATCH = 200
COMPLETED = SUCCEEDED["statecode"]


@lru_cache(maxsize=4)
def _ended(table: Table, when: str, of: str, jobs: Table) -> Plan:
    """Rows whose time ``when`` lies before parameter 0 and whose job, the one of the column ``of``, waits no more."""
    key, time, job = (Col("t0", table.columns[name]) for name in (table.primary_id, when, of))
    waits = Related(Source("t1", jobs), (Test("eq", Col("t1", jobs.columns[jobs.primary_id]), job),))
    where: list[Verdict] = [Test("lt", time, Param(0, time.column)), NoneOf(waits)]
    if "statecode" in table.columns:
        state = Col("t0", table.columns["statecode"])
        where.append(Test("eq", state, Param(2, state.column)))
    return Plan(
        source=Source("t0", table),
        outputs=(Output("id", key, key.column),),
        where=AllOf(tuple(where)),
        order=(Sort(time), Sort(key)),
        limit=Param(1),
        # Other processes sweep, too.
        claiming=True,
    )


@handles("SweepJobs", privilege=OPEN, heavy=True)
def sweep_jobs(call: Call) -> Mapping[str, Any]:
    """Remove some of the deliveries and system jobs that came to their end more than ``Days`` ago.

    What has not ended stays, however old, and so does what was delivered for it. Answers ``Removed``, how many rows
    went, and ``More``, whether another run would find something. It is the product's own work: no client can call it.
    """
    since = (datetime.fromisoformat(call.now) - timedelta(days=call.parameters["Days"])).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    tables = call.schema.tables
    jobs, deliveries, operations = tables[JOBS], tables[DELIVERIES], tables[OPERATIONS]
    params = [since, BATCH, COMPLETED]
    told = _ids(call, _ended(deliveries, "senton", "asyncoperationid", jobs), params)
    call.unit.delete(deliveries, told)
    room, gone = BATCH, 0
    for id in _ids(call, _ended(operations, "completedon", operations.primary_id, jobs), params):
        # A bulk deletion may have thousands of them.
        failed = call.unit.find(tables[FAILURES], {"asyncoperationid": Ref(OPERATIONS, id)}, room)
        call.unit.delete(tables[FAILURES], failed)
        room, gone = room - len(failed) - 1, gone + len(failed)
        if room <= 0:
            break
        # What hangs on a job goes with it as its relationships say.
        call.send_as_system(Delete(ref=Ref(OPERATIONS, id)))
        gone += 1
    return {"Removed": len(told) + gone, "More": len(told) == BATCH or room <= 0}


def _ids(call: Call, plan: Plan, params: Sequence[Any]) -> list[str]:
    return [row[0] for row in call.unit.fetch(plan, params)]
