"""Cases: close them, and how long they took.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/closeincident
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/calculatetotaltimeincident
"""

from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import completed, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, RetrieveMultiple, Signature, Update
from orgstead.model.query import Aggregate, And, Condition, Field, Query
from orgstead.model.record import Record, Ref

__all__ = ["calculate_total_time", "close_incident"]

RESOLVED = 1
PROBLEM_SOLVED = 5


@handles(
    "CloseIncident",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="IncidentResolution", type="mscrm.incidentresolution"),
            Parameter(name="Status", type="Edm.Int32"),
        ),
    ),
)
def close_incident(call: Call) -> Any:
    """Resolve an active case, with a case resolution activity. Raises InvalidState when it is not active."""
    record = call.parameters["IncidentResolution"]
    if not isinstance(record, Record) or not isinstance(record.values.get("incidentid"), Ref):
        raise fault("InvalidArgument", message="IncidentResolution must have incidentid set to a case.")
    ref = call.resolve(record.values["incidentid"])
    row = stored_row(call, ref)
    check_row(call, "Write", call.schema.tables["incident"], row)
    if row["statecode"] != 0:
        raise fault("InvalidState", table="incident", id=ref.id, wanted="active")
    values = {**record.values, "incidentid": ref}
    values.setdefault("subject", "Case closed")
    values.setdefault("actualend", call.now)
    values.setdefault("totaltimespent", _minutes(call, ref) + (values.get("timespent") or 0))
    completed(call, Record(table="incidentresolution", values=values))
    status = call.parameters["Status"]
    changes = {"statecode": RESOLVED, "statuscode": PROBLEM_SOLVED if status == -1 else status}
    call.send(Update(ref=ref, record=Record(table="incident", values=changes)))


@handles(
    "CalculateTotalTimeIncident",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function", returns=(Parameter(name="TotalTime", type="Edm.Int64"),), bound=("incident",)
    ),
)
def calculate_total_time(call: Call) -> Any:
    """The minutes that the completed activities about a case took."""
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a case")
    check_row(call, "Read", call.schema.tables["incident"], stored_row(call, call.target))
    return {"TotalTime": _minutes(call, call.target)}


def _minutes(call: Call, incident: Ref) -> int:
    query = Query(
        table="activitypointer",
        where=And(
            (
                Condition(Field("regardingobjectid"), "eq", (incident.id,)),
                Condition(Field("statecode"), "eq", (1,)),
            )
        ),
        aggregates=(Aggregate(function="sum", alias="minutes", field=Field("actualdurationminutes")),),
    )
    page = call.send_as_system(RetrieveMultiple(query=query)).page
    return int(page.rows[0][0] or 0) if page is not None and page.rows else 0
