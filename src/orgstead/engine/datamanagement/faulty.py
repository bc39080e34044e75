"""What is wrong with the rows of a message, to be read, mended and sent again; and the rows that are tried again.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api#getexecutionerrors
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.engine.datamanagement.executions import entities_of, show_entity, show_execution
from orgstead.engine.datamanagement.messages import KIND, LANE, read_message, show_message
from orgstead.engine.datamanagement.staging import try_again, wrong_rows
from orgstead.engine.jobs import enqueue
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Parameter, Signature
from orgstead.model.record import Ref

__all__ = ["list_errors", "run_again"]

# Rows of a page: what is wrong with a row may be that it is very large.
PAGE = 200
WITH_ERRORS = frozenset({dm.Message.ProcessedWithErrors, dm.Message.PreProcessingError})


@handles("ListDataMessageErrors", privilege=OPEN, writes=False)
def list_errors(call: Call) -> Mapping[str, Any]:
    """A page of what is wrong with the message ``MessageId``, behind ``After`` (a place that a page before answered).

    Answers ``Rows`` as (entity, number, reason, values by column), ``Next`` or None, and of the first page what is
    wrong with the whole of the file. Raises DataMessageNotFound, PrivilegeDenied.
    """
    row = read_message(call)
    entities = entities_of(call, row["executionid"].id) if row["executionid"] is not None else []
    at, number = call.parameters.get("After") or (0, 0)
    rows: list[tuple[str, int, str, Mapping[str, Any]]] = []
    whole: Sequence[str] = ()
    if not at and not number and row["errormessage"]:
        whole = (row["errormessage"],)
    while at < len(entities) and not rows:
        part = entities[at]
        found = wrong_rows(call, part["orgstead_dataexecutionentityid"], number, PAGE)
        rows = [(part["entityname"], each, reason, json.loads(text)) for each, text, reason in found]
        at, number = (at, found[-1][0]) if len(found) == PAGE else (at + 1, 0)
    return {
        "Whole": whole,
        "Rows": rows,
        "Next": (at, number) if at < len(entities) else None,
        "Several": sum(bool(each["stagingerrors"] + each["targeterrors"]) for each in entities) > 1,
        "Name": row["name"],
    }


@handles(
    "orgstead_RunAgain",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action", bound=(dm.MESSAGES,), returns=(Parameter(name="Rows", type="Edm.Int32"),)
    ),
)
def run_again(call: Call) -> Mapping[str, Any]:
    """Try the rows of a message again that are wrong; how many there are.

    Their values are those in staging, which may have been mended. A file that could not be read is read again. Raises
    DataMessageNotEnded for a message that has no errors or is under way, and what reading it raises.
    """
    row = read_message(call, right="Write", id=call.target.id if isinstance(call.target, Ref) else "")
    id = row["orgstead_datamessageid"]
    if row["operation"] != dm.Operation.Import or dm.Message(row["messagestatus"]) not in WITH_ERRORS:
        raise fault("DataMessageNotEnded", status=dm.Message(row["messagestatus"]).name)
    execution = row["executionid"].id if row["executionid"] is not None else None
    entities = entities_of(call, execution) if execution is not None else []
    again = 0
    for part in entities:
        count = try_again(call, part["orgstead_dataexecutionentityid"])
        again += count
        show_entity(
            call, part["orgstead_dataexecutionentityid"], stagingerrors=0, targeterrors=0, errormessage=None,
            stagingstatus=int(dm.Execution.Succeeded),
        )  # fmt: skip
    payload: dict[str, Any] = {"message": id}
    if again and execution is not None:
        at = {"phase": "write", "execution": execution, "at": 0, "row": 0, "planned": True}
        # What was emptied for the first time is not emptied again.
        payload["again"] = {**at, "again": True, "truncated": True}
        show_execution(call, execution, dm.Execution.Executing, completedon=None, errormessage=None)
    job = enqueue(call, KIND, f"Data message again: {row['name']}"[:250], payload, lane=LANE)
    status = dm.Message.Processing if again else dm.Message.Enqueued
    show_message(
        call, id, status, systemjobid=job, completedon=None, errormessage=None, errorcount=None,
    )  # fmt: skip
    return {"Rows": again}
