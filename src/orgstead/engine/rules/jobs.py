"""What users may do with system jobs: pause, resume, postpone and cancel them, and clear away those that have ended.

https://learn.microsoft.com/power-apps/developer/data-platform/asynchronous-service#manage-system-jobs
"""

from orgstead.engine.hooks import Change, hook
from orgstead.engine.jobs import CANCELED, CANCELING, JOBS, OPERATIONS, PAUSING, READY, WAITING, check_rule
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.schema import Table

__all__ = ["clear_away", "manage_job"]

ASKED = {0: READY, 1: WAITING, 3: CANCELED}


def _operations(table: Table) -> bool:
    return table.logical_name == OPERATIONS


# Before the rule that fills in the half of a state and its status reason that is not given.
@hook("Update", stage=20, applies=_operations, rank=-6)
def manage_job(call: Call, change: Change) -> None:
    """A change of a job's state is one of what the runner does with it. Raises JobStateChange, JobNotRecurring."""
    if call.caller.system:
        return
    values, before = change.values, change.before
    rule = values.get("recurrencepattern")
    if rule is not None:
        if before.get("recurrencepattern") is None:
            raise fault("JobNotRecurring")
        check_rule(rule, change.after("recurrencestarttime") or call.now)
    jobs = call.schema.tables[JOBS]
    # The whole row: nobody takes it before this has been decided.
    job = call.unit.get(jobs, change.id)
    if "postponeuntil" in values and job is not None:
        call.unit.update(jobs, change.id, {"due": values["postponeuntil"] or call.now})
        call.wake_workers()
    if "statecode" not in values and "statuscode" not in values:
        return
    state = values.get("statecode", before["statecode"])
    wanted = ASKED.get(state)
    if wanted is None or values.get("statuscode", wanted["statuscode"]) != wanted["statuscode"]:
        raise fault("JobStateChange")
    if before["statecode"] == 3:
        if wanted != {name: before[name] for name in wanted}:
            raise fault("JobStateChange")
        return
    if job is None:
        # No runner knows it: it is only a row.
        values.update(wanted)
    elif job["host"] is not None:
        # Whoever works on it looks before the next piece.
        if wanted is READY:
            raise fault("JobStateChange")
        values.update(PAUSING if wanted is WAITING else CANCELING)
    else:
        values.update(wanted)
        if wanted is CANCELED:
            call.unit.delete(jobs, [change.id])
            values["completedon"] = call.now
        else:
            # One that waits for another attempt, and was not paused, need not wait any longer.
            at_once = wanted is READY and job["outside"] and not job["held"]
            if at_once:
                values.setdefault("postponeuntil", None)
            due = {"due": call.now} if at_once and values["postponeuntil"] is None else {}
            call.unit.update(jobs, change.id, {"held": wanted is WAITING, **due})
            call.wake_workers()


@hook("Delete", stage=20, applies=_operations)
def clear_away(call: Call, change: Change) -> None:
    """Raises JobNotCompleted for a job that has not ended."""
    if change.before["statecode"] != 3 and call.unit.get(call.schema.tables[JOBS], change.id, ("host",)):
        raise fault("JobNotCompleted")
