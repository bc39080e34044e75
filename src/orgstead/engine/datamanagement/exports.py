"""Packages that wait to be fetched: the rows of a data project's entities, all of them or what has changed.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/entity-change-track
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.datamanagement.blobs import share_content
from orgstead.engine.datamanagement.executions import (
    begin_execution,
    entities_of,
    put_entity,
    show_entity,
    show_execution,
)
from orgstead.engine.datamanagement.formats import EXTENSIONS, FORMATS, find_entity, mapping
from orgstead.engine.datamanagement.jobs import project_entities
from orgstead.engine.datamanagement.messages import LANE, put_message
from orgstead.engine.files import note_pieces
from orgstead.engine.jobs import SUCCEEDED, Task, enqueue, kind
from orgstead.engine.ports import DataTarget
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Parameter, RetrieveMultiple, Signature
from orgstead.model.query import And, Condition, Field, Order, Query
from orgstead.model.record import Ref

__all__ = ["EXPORT", "export_data", "run_now", "schedule"]

EXPORT = "orgstead_ExportData"
# The type of system jobs; it is none of the published ones, all of which are about something else.
OPERATION_TYPE = 5
CHUNK = 2000


@handles(
    "orgstead_RunNow",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        bound=(dm.JOBS,),
        returns=(Parameter(name="AsyncOperationId", type="Edm.Guid"),),
    ),
)
def run_now(call: Call) -> Mapping[str, Any]:
    """Export what a recurring data job exports, now. Raises DataJobNotFound, DataJobDirection, DataJobInactive."""
    id = call.target.id if isinstance(call.target, Ref) else ""
    table = call.schema.tables[dm.JOBS]
    job = call.unit.get(table, id)
    if job is None:
        raise fault("DataJobNotFound", id=id)
    check_row(call, "Write", table, job)
    if job["operation"] != dm.Operation.Export:
        raise fault("DataJobDirection", name=job["name"], operation="Import")
    if not job["isactive"]:
        raise fault("DataJobInactive", name=job["name"])
    return {"AsyncOperationId": _enqueue(call, id, job["name"], {"job": id}).id}


def _enqueue(call: Call, id: str, name: str, payload: Mapping[str, Any], due: str | None = None) -> Ref:
    # One at a time, in order: what is incremental goes on where the one before stopped.
    token = f"datajob {id}"
    return enqueue(call, EXPORT, f"Data export: {name}"[:250], payload, due=due, token=token, lane=LANE)


def schedule(call: Call, id: str, job: Mapping[str, Any]) -> Ref | None:
    """Let a job run again when its time has come; None for one that has none."""
    minutes = job["recurrenceminutes"]
    if job["operation"] != dm.Operation.Export or not job["isactive"] or not minutes:
        return None
    due = (datetime.fromisoformat(call.now) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _enqueue(call, id, job["name"], {"job": id, "recurring": True}, due)


def _ended(call: Call, task: Task, status: Mapping[str, int]) -> None:
    """A recurring export is followed by the next one; one that failed says so in its execution."""
    id = task.payload.get("job")
    execution = (task.progress or task.payload).get("execution")
    if status is not SUCCEEDED and execution is not None:
        show_execution(
            call, execution, dm.Execution.Failed, completedon=call.now,
            errormessage="The system job did not come to its end: it says why.",
        )  # fmt: skip
    call.data_files.leave(task.id)
    table = call.schema.tables[dm.JOBS]
    job = None if id is None else call.unit.get(table, id)
    if id is None or job is None or not task.payload.get("recurring"):
        return
    if job["systemjobid"] is not None and job["systemjobid"].id == task.id:
        call.unit.update(table, id, {"systemjobid": schedule(call, id, job)})


@kind(EXPORT, operation_type=OPERATION_TYPE, ended=_ended)
def export_data(call: Call, task: Task) -> Any:
    """Do a piece of an export; progress is the execution, the entity that it is at, and where its next page begins."""
    id = task.payload.get("job")
    job = call.unit.get(call.schema.tables[dm.JOBS], id) if id is not None else _by_itself(task.payload)
    if job is None or not job["isactive"]:
        return None
    current = job["systemjobid"].id if job["systemjobid"] is not None else None
    if task.payload.get("recurring") and current != task.id:
        # The schedule has been changed since.
        return None
    at = task.progress
    if at is None:
        return _begin(call, task, job)
    entities = entities_of(call, at["execution"])
    if at["at"] >= len(entities):
        return _finish(call, task, id, job, at, entities)
    return _page(call, task, job, at, entities[at["at"]])


def _by_itself(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an export that nobody repeats has in place of a job."""
    return {
        "projectid": Ref(dm.PROJECTS, payload["project"]),
        "company": payload["company"],
        "isactive": True,
        "preventuploadwhenzero": False,
        "systemjobid": None,
    }


def _begin(call: Call, task: Task, job: Mapping[str, Any]) -> Any:
    project = job["projectid"]
    name = (call.unit.get(call.schema.tables[dm.PROJECTS], project.id, ("name",)) or {})["name"]
    values = {"company": job["company"]}
    execution = task.payload.get("execution") or begin_execution(
        call, project, dm.Operation.Export, f"{name}-{call.new_id().upper()}", values
    )
    for own in project_entities(call, project.id):
        if find_entity(call.schema, own["entityname"]) is None:
            raise fault("DataJobEntity", project=name, entity=own["entityname"])
        form = own["sourceformat"] or dm.Format.Csv
        put_entity(
            call,
            execution,
            {
                "entityname": own["entityname"],
                "projectentityid": own["orgstead_dataprojectentityid"],
                "filename": f"{own['entityname']}.{EXTENSIONS[form]}",
                "sourceformat": form,
                "company": job["company"],
                **{each: own[each] for each in ("executionunit", "level", "sequence")},
            },
        )
    return {"execution": execution, "at": 0, "after": None, "rows": 0, "until": call.horizon}


def _settings(call: Call, part: Mapping[str, Any]) -> Mapping[str, Any]:
    table = call.schema.tables[dm.PROJECT_ENTITIES]
    columns = ("fieldmapping", "refreshtype", "exportedversion")
    own = call.unit.get(table, part["projectentityid"], columns)
    if own is None:
        raise fault("DataJobEntity", project="of this job", entity=part["entityname"])
    return own


def _target(call: Call, part: Mapping[str, Any], own: Mapping[str, Any]) -> DataTarget:
    entity = find_entity(call.schema, part["entityname"])
    if entity is None:
        raise fault("DataJobEntity", project="of this job", entity=part["entityname"])
    pairs = mapping(own["fieldmapping"]) or [(name.upper(), name) for name in entity.fields]
    fields = [(column, entity.folded.get(name.lower())) for column, name in pairs if name]
    return DataTarget(
        entity=entity,
        file=part["filename"],
        format=FORMATS[part["sourceformat"]],
        columns=tuple(column for column, field in fields if field is not None),
        fields=tuple(field for _, field in fields if field is not None),
    )


def _page(call: Call, task: Task, job: Mapping[str, Any], at: dict[str, Any], part: Mapping[str, Any]) -> Any:
    """Write a page of an entity's rows; begin anew when what was written before is in another process."""
    own = _settings(call, part)
    target = _target(call, part, own)
    table = call.schema.tables[target.entity.table]
    conditions = []
    if target.entity.company is not None and job["company"]:
        conditions.append(Condition(Field(target.entity.company), "eq", (job["company"],)))
    if own["refreshtype"] == dm.Refresh.Incremental and "versionnumber" in table.columns:
        conditions.append(Condition(Field("versionnumber"), "gt", (own["exportedversion"] or 0,)))
        conditions.append(Condition(Field("versionnumber"), "le", (at["until"],)))
    query = Query(
        table=table.logical_name,
        columns=tuple(dict.fromkeys(field.column for field in target.fields)),
        where=And(tuple(conditions)) if conditions else None,
        order=(Order(Field(table.primary_id)),),
        page_size=CHUNK,
        after=tuple(at["after"]) if at["after"] else None,
    )
    page = call.send(RetrieveMultiple(query=query)).page
    if page is None:
        raise TypeError("a page was promised")
    places = {output.name: place for place, output in enumerate(page.plan.outputs)}
    chosen = [places[field.column] for field in target.fields]
    rows = [[row[place] for place in chosen] for row in page.rows]
    if not call.data_files.write(task.id, at["at"], target, at["rows"], rows):
        return _again(call, task, at)
    count = at["rows"] + len(rows)
    own_id = part["orgstead_dataexecutionentityid"]
    if page.after is not None:
        show_entity(call, own_id, stagingrecords=count, stagingstatus=int(dm.Execution.Executing))
        return {**at, "after": list(page.after), "rows": count}
    done = int(dm.Execution.Succeeded)
    show_entity(
        call, own_id, stagingrecords=count, createdrecords=count, stagingstatus=done, targetstatus=done,
        completedon=call.now,
    )  # fmt: skip
    return {**at, "at": at["at"] + 1, "after": None, "rows": 0}


def _again(call: Call, task: Task, at: Mapping[str, Any]) -> Any:
    call.data_files.leave(task.id)
    return {**at, "at": 0, "after": None, "rows": 0, "until": call.horizon}


def _finish(
    call: Call,
    task: Task,
    id: str | None,
    job: Mapping[str, Any],
    at: Mapping[str, Any],
    entities: Sequence[Mapping[str, Any]],
) -> Any:
    """Make the package, and the message that waits for whoever fetches it."""
    project = call.unit.get(call.schema.tables[dm.PROJECTS], job["projectid"].id, ("name",)) or {}
    settings = [_settings(call, part) for part in entities]
    targets = [_target(call, part, own) for part, own in zip(entities, settings, strict=True)]
    records = sum(part["createdrecords"] for part in entities)
    values: dict[str, Any] = {
        "name": f"{project['name']}.zip",
        "company": job["company"],
        "contenttype": "application/zip",
        "recordcount": records,
        "errorcount": 0,
        "executionid": Ref(dm.EXECUTIONS, at["execution"]),
        "createdby": Ref("systemuser", call.caller.user_id),
    }
    if records or not job["preventuploadwhenzero"]:
        chunks = call.data_files.package(task.id, project["name"], targets)
        if chunks is None:
            return _again(call, task, at)
        pieces: list[tuple[str, int]] = []
        for chunk in chunks:
            key = call.new_id()
            call.blobs.put(key, chunk)
            pieces.append((key, len(chunk)))
        content = call.new_id()
        values |= {"contentid": content, "filesize": note_pieces(call, content, pieces)}
    if id is not None:
        put_message(call, dm.Operation.Export, id, values)
    else:
        share_content(call, f"{task.payload['package']}.zip", values["contentid"], values["filesize"])
        show_execution(call, at["execution"], contentid=values["contentid"])
    table = call.schema.tables[dm.PROJECT_ENTITIES]
    for part in entities:
        call.unit.update(table, part["projectentityid"], {"exportedversion": at["until"]})
    show_execution(call, at["execution"], dm.Execution.Succeeded, completedon=call.now)
    return None
