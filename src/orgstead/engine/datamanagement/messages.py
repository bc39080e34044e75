"""Messages of recurring data jobs: files that come in, files that wait to be fetched, and what becomes of each.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
"""

import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.datamanagement.formats import find_entity
from orgstead.engine.datamanagement.jobs import admit, company_named, project_entities
from orgstead.engine.files import note_pieces, pieces_of
from orgstead.engine.jobs import enqueue
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.content import Content
from orgstead.model.messages import Create, Update
from orgstead.model.plan import AllOf, AnyOf, Col, IsNull, OneOf, Output, Param, Plan, Sort, Source, Test
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.model.types import is_guid

__all__ = [
    "KIND", "LANE", "ack_message", "admit_message", "dequeue_message", "enqueue_message", "message_content",
    "open_download", "open_message_file", "put_message", "read_message", "show_message",
]  # fmt: skip

# The jobs that work on messages, and what they share: files must not hold up what else there is to do.
KIND, LANE = "orgstead_ProcessDataMessage", "datamanagement"
# https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations#api-for-acknowledgment
LEASE = timedelta(minutes=30)
MAX_TEXT = 4000


def show_message(call: Call, id: str, status: dm.Message | None = None, **values: Any) -> None:
    """Let everybody see what has become of a message."""
    if status is not None:
        values["messagestatus"] = int(status)
    if values.get("errormessage"):
        values["errormessage"] = values["errormessage"][:MAX_TEXT]
    call.send_as_system(Update(ref=Ref(dm.MESSAGES, id), record=Record(table=dm.MESSAGES, values=values)))


def put_message(call: Call, operation: dm.Operation, job: str, values: Mapping[str, Any]) -> str:
    """Make a message of a job that is enqueued now; its id."""
    id = call.new_id()
    row = {
        "jobid": Ref(dm.JOBS, job),
        "operation": int(operation),
        "messagestatus": int(dm.Message.Enqueued),
        "enqueuedon": call.now,
        "number": call.unit.next_version(),
        **values,
    }
    call.send_as_system(Create(record=Record(table=dm.MESSAGES, id=id, values=row)))
    return id


# -- in ----------------------------------------------------------------------------------------------------------------
@handles("AdmitDataMessage", privilege=OPEN, writes=False)
def admit_message(call: Call) -> Mapping[str, Any]:
    """Whether the application ``Application`` may send a file by the job ``Job``: of ``Entity``, for ``Company``.

    Answers both by their own names. Raises DataJobNotFound, DataJobForbidden, DataJobInactive, DataJobDirection,
    DataJobEntity, DataCompanyNotFound.
    """
    admitted = admit(call, dm.Operation.Import)
    entity = None
    if admitted.job["datasource"] != dm.Source.Package:
        asked = call.parameters.get("Entity") or ""
        known = {
            each["entityname"].lower(): each["entityname"]
            for each in project_entities(call, admitted.project_id)
        }
        found = find_entity(call.schema, asked)
        entity = known.get(asked.lower()) or (known.get(found.label.lower()) if found is not None else None)
        if entity is None:
            raise fault(
                "DataJobEntity", project=admitted.project.get("name"), entity=asked[:100] or "without a name"
            )
    company = call.parameters.get("Company") or admitted.job["company"]
    if company is not None:
        company = company_named(call, company)
    return {"Entity": entity, "Company": company, "InOrder": bool(admitted.job["processinorder"])}


@handles("EnqueueDataMessage", privilege=OPEN)
def enqueue_message(call: Call) -> str:
    """Take a file whose ``Pieces`` have been written, as (key, length) each; the id of its message.

    Raises what ``AdmitDataMessage`` raises: then no row knows of the pieces, and housekeeping removes them.
    """
    admitted = admit_message(call)
    given = call.parameters
    job = str(given["Job"]).strip("{}").lower()
    content = call.new_id()
    size = note_pieces(call, content, given["Pieces"])
    name = given.get("Name") or admitted["Entity"] or "Data package"
    values = {
        "name": str(name)[:255],
        "entityname": admitted["Entity"],
        "company": admitted["Company"],
        "externalidentifier": (given.get("ExternalIdentifier") or "")[:200] or None,
        "contenttype": (given.get("ContentType") or "")[:100] or None,
        "filesize": size,
        "contentid": content,
        "createdby": Ref("systemuser", call.caller.user_id),
    }
    id = put_message(call, dm.Operation.Import, job, values)
    token = f"datajob {job}" if admitted["InOrder"] else None
    system_job = enqueue(call, KIND, f"Data message: {name}", {"message": id}, token=token, lane=LANE)
    show_message(call, id, systemjobid=system_job)
    return id


def read_message(call: Call, right: str = "Read", id: str | None = None) -> dict[str, Any]:
    """A message, that of the parameter ``MessageId`` by default. Raises DataMessageNotFound, PrivilegeDenied."""
    given = str(call.parameters["MessageId"] if id is None else id).strip().strip('"{}').lower()
    table = call.schema.tables[dm.MESSAGES]
    row = call.unit.get(table, given) if is_guid(given) else None
    if row is None:
        raise fault("DataMessageNotFound", id=given[:50])
    check_row(call, right, table, row)
    return row


# -- out ---------------------------------------------------------------------------------------------------------------
@handles("DequeueDataMessage", privilege=OPEN)
def dequeue_message(call: Call) -> Mapping[str, Any] | None:
    """Lend the oldest message of the job ``Job`` that waits to be fetched; None when none does.

    It comes back half an hour later unless it has been acknowledged. Raises as ``jobs.admit`` does.
    """
    admitted = admit(call, dm.Operation.Export)
    table = call.schema.tables[dm.MESSAGES]
    waiting = (int(dm.Message.Enqueued), int(dm.Message.Dequeued))
    found = call.unit.fetch(_waiting(table), [admitted.id, int(dm.Operation.Export), waiting, call.now, 1])
    if not found:
        return None
    ((id, before, content, records),) = found
    until = (datetime.fromisoformat(call.now) + LEASE).strftime("%Y-%m-%dT%H:%M:%SZ")
    correlation, receipt = call.new_id(), secrets.token_urlsafe(24)
    show_message(
        call, id, dm.Message.Dequeued, correlationid=correlation, popreceipt=receipt, leaseduntil=until,
        dequeuedon=call.now,
    )  # fmt: skip
    return {
        "MessageId": id,
        "CorrelationId": correlation,
        "PopReceipt": receipt,
        "Content": content,
        "Records": records,
        "LastDequeued": before,
    }


@lru_cache(maxsize=4)
def _waiting(table: Table) -> Plan:
    """The first message of the job in parameter 0 that goes the way 1, has a status of 2 and no lease at 3."""
    columns = {
        name: Col("t0", table.columns[name])
        for name in (table.primary_id, "dequeuedon", "contentid", "recordcount", "number", "leaseduntil")
    }
    job, way = Col("t0", table.columns["jobid"]), Col("t0", table.columns["operation"])
    status, lease = Col("t0", table.columns["messagestatus"]), columns["leaseduntil"]
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(of.column.name, of, of.column) for of in list(columns.values())[:4]),
        where=AllOf((
            Test("eq", job, Param(0, job.column)),
            Test("eq", way, Param(1, way.column)),
            OneOf(status, Param(2, status.column, many=True)),
            AnyOf((IsNull(lease), Test("le", lease, Param(3, lease.column)))),
        )),
        order=(Sort(columns["number"]), Sort(columns[table.primary_id])),
        limit=Param(4),
        claiming=True,
    )  # fmt: skip


@handles("AckDataMessage", privilege=OPEN)
def ack_message(call: Call) -> str:
    """Note that a message has been fetched: by ``CorrelationId`` and ``PopReceipt``, or by ``MessageId`` alone.

    Saying it again changes nothing. Raises DataMessageNotDequeued, and as ``jobs.admit`` does.
    """
    admitted = admit(call, dm.Operation.Export)
    table, given = call.schema.tables[dm.MESSAGES], call.parameters
    id = str(given.get("MessageId") or "").strip("{}").lower()
    receipt = given.get("PopReceipt")
    correlation = str(given.get("CorrelationId") or "").strip("{}").lower()
    if not is_guid(id) and is_guid(correlation):
        # The id of the loan, or what a person sees in its place: the message's own.
        found = call.unit.find(table, {"correlationid": correlation}, 1)
        id = found[0] if found else correlation if receipt is None else ""
    row = call.unit.get(table, id) if is_guid(id) else None
    if row is None or row["jobid"] is None or row["jobid"].id != admitted.id:
        raise fault("DataMessageNotFound", id=(id or correlation)[:50])
    lent = row["messagestatus"] in (dm.Message.Dequeued, dm.Message.Acked)
    right = receipt is None or hmac.compare_digest(str(receipt).encode(), (row["popreceipt"] or "").encode())
    if not lent or not right:
        raise fault("DataMessageNotDequeued")
    if row["messagestatus"] != dm.Message.Acked:
        show_message(call, id, dm.Message.Acked, ackedon=call.now, leaseduntil=None)
    return id


# -- files -------------------------------------------------------------------------------------------------------------
def message_content(call: Call, row: Mapping[str, Any]) -> Content:
    """The file of a message, given by its stored values."""
    return Content(
        id=row["contentid"],
        name=row["name"] or "",
        mime=row["contenttype"] or "application/octet-stream",
        size=row["filesize"] or 0,
        pieces=pieces_of(call, row["contentid"]),
        source=call.blobs,
    )


@handles("OpenDataDownload", privilege=OPEN, writes=False)
def open_download(call: Call) -> Content:
    """The file of the loan ``CorrelationId`` of the job ``Job``. Raises DataMessageNotFound, and as ``jobs.admit``."""
    admitted = admit(call, dm.Operation.Export)
    table = call.schema.tables[dm.MESSAGES]
    given = str(call.parameters["CorrelationId"]).strip("{}").lower()
    found = call.unit.find(table, {"correlationid": given}, 1) if is_guid(given) else ()
    row = call.unit.get(table, found[0]) if found else None
    if row is None or row["jobid"].id != admitted.id or row["contentid"] is None:
        raise fault("DataMessageNotFound", id=given[:50])
    return message_content(call, row)


@handles("OpenDataMessageFile", privilege=OPEN, writes=False)
def open_message_file(call: Call) -> Content:
    """The file of the message ``MessageId`` as it came or is fetched. Raises DataMessageNotFound, PrivilegeDenied."""
    row = read_message(call)
    if row["contentid"] is None:
        raise fault("DataMessageNotFound", id=row["orgstead_datamessageid"])
    return message_content(call, row)
