"""What becomes of a message that has come in: from its file to staging, from there to the tables, a piece at a time.

Each piece is a transaction of a system job that notes how far it came, so that nothing is applied twice and nothing is
lost wherever a process dies. https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-entities-data-packages
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.datamanagement.executions import (
    begin_execution,
    entities_of,
    put_entity,
    show_entity,
    show_execution,
    summary,
)
from orgstead.engine.datamanagement.formats import BY_NAME, find_entity
from orgstead.engine.datamanagement.jobs import project_entities
from orgstead.engine.datamanagement.messages import KIND, message_content, show_message
from orgstead.engine.datamanagement.parts import ABOUT_FILES, CHUNK, settings_of, source_of, status_of
from orgstead.engine.datamanagement.staging import forget, stage
from orgstead.engine.datamanagement.writing import write_chunk
from orgstead.engine.jobs import CANCELED, SUCCEEDED, Task, kind
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Execute
from orgstead.model.record import Ref

__all__ = ["process_message"]

# The type of system jobs that import data.
IMPORT = 5
MAX_EXECUTIONS = 10_000
ENDED = frozenset({
    dm.Message.Processed, dm.Message.PreProcessingError, dm.Message.ProcessedWithErrors,
    dm.Message.PostProcessingFailed,
})  # fmt: skip


def _ended(call: Call, task: Task, status: Mapping[str, int]) -> None:
    """A job that was canceled, or that failed by something else than its file, leaves no message under way."""
    if status is SUCCEEDED:
        return
    id = task.payload["message"]
    row = call.unit.get(call.schema.tables[dm.MESSAGES], id)
    if row is None or dm.Message(row["messagestatus"]) in ENDED:
        return
    early = row["messagestatus"] in (dm.Message.Enqueued, dm.Message.Preprocessing)
    said = "The system job was canceled." if status is CANCELED else "The system job failed: it says why."
    show_message(
        call, id, dm.Message.PreProcessingError if early else dm.Message.ProcessedWithErrors,
        completedon=call.now, errormessage=said,
    )  # fmt: skip
    if row["executionid"] is not None:
        failed = dm.Execution.Canceled if status is CANCELED else dm.Execution.Failed
        show_execution(call, row["executionid"].id, failed, completedon=call.now, errormessage=said)
    call.data_files.leave(id)


@kind(KIND, operation_type=IMPORT, ended=_ended)
def process_message(call: Call, task: Task) -> Any:
    """Do a piece of the work on a message; progress is the phase, the entity that it is at, and the row."""
    id = task.payload["message"]
    message = call.unit.get(call.schema.tables[dm.MESSAGES], id)
    if message is None:
        return None
    at = task.progress or task.payload.get("again") or {"phase": "begin"}
    try:
        match at["phase"]:
            case "begin":
                return _begin(call, id, message)
            case "stage":
                return _stage(call, id, message, at)
    except Fault as error:
        if error.name not in ABOUT_FILES:
            raise
        return _refuse(call, id, at, error)
    if at["phase"] == "write":
        return write_chunk(call, id, message, at)
    return _finish(call, id, at)


# -- the file ----------------------------------------------------------------------------------------------------------
def _begin(call: Call, id: str, message: Mapping[str, Any]) -> Any:
    """Look at the file as a whole: which entities it is about."""
    project = _project(call, message)
    name = (call.unit.get(call.schema.tables[dm.PROJECTS], project.id, ("name",)) or {})["name"]
    execution = begin_execution(
        call, project, dm.Operation.Import, f"{name}-{id.upper()}", {"company": message["company"]}
    )
    show_message(
        call,
        id,
        dm.Message.Preprocessing,
        preprocessingon=call.now,
        executionid=Ref(dm.EXECUTIONS, execution),
    )
    return {"phase": "stage", "execution": execution, "at": 0, "row": 0, "planned": False}


def _project(call: Call, message: Mapping[str, Any]) -> Ref:
    """The data project of a message: its job's, or for a package that was imported by itself its execution's."""
    owner = message["jobid"] or message["executionid"]
    row = call.unit.get(call.schema.tables[owner.table], owner.id, ("projectid",)) or {}
    project: Ref = row["projectid"]
    return project


def _plan(call: Call, message: Mapping[str, Any], at: Mapping[str, Any]) -> None:
    """Make the parts of the execution. Raises the faults of packages, and DataJobEntity."""
    project = _project(call, message)
    settings = {each["entityname"].casefold(): each for each in project_entities(call, project.id)}
    if message["entityname"] is not None:
        _part(call, message, at, settings, message["entityname"], None, None, 0)
        return
    members = call.data_files.members(message_content(call, message))
    for place, member in enumerate(members):
        _part(call, message, at, settings, member.name, member.file, member.source_format, place)


def _part(
    call: Call,
    message: Mapping[str, Any],
    at: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    name: str,
    file: str | None,
    format: str | None,
    place: int,
) -> None:
    own = settings.get(name.casefold())
    if own is None or find_entity(call.schema, name) is None:
        raise fault("DataJobEntity", project="of this message", entity=name[:100])
    if format is not None and format.lower() not in BY_NAME:
        raise fault("DataFormatUnsupported", feature=f"The format {format[:60]}")
    put_entity(
        call,
        at["execution"],
        {
            "entityname": own["entityname"],
            "projectentityid": own["orgstead_dataprojectentityid"],
            "filename": file or message["name"],
            "sourceformat": BY_NAME[format.lower()] if format is not None else own["sourceformat"],
            "company": message["company"],
            "executionunit": own["executionunit"],
            "level": own["level"],
            "sequence": own["sequence"] if file is None else place,
        },
    )


def _stage(call: Call, id: str, message: Mapping[str, Any], at: dict[str, Any]) -> Any:
    """Read a chunk of a file into staging; when all files are there, go on with writing."""
    with call.savepoint():
        if not at["planned"]:
            _plan(call, message, at)
    if message["messagestatus"] == dm.Message.Enqueued:
        show_message(call, id, dm.Message.Preprocessing, preprocessingon=call.now)
    entities = entities_of(call, at["execution"])
    if at["at"] >= len(entities):
        return _staged(call, id, at, entities)
    part = entities[at["at"]]
    own = part["orgstead_dataexecutionentityid"]
    source, fields = source_of(call, id, message, part)
    if not at["row"]:
        show_entity(call, own, stagingstatus=int(dm.Execution.Executing), startedon=call.now)
    settings = settings_of(call, part)
    if not at["row"] and settings["truncatestaging"]:
        _truncate_staging(call, part)
    # Without staging, a look at the first row shows whether it is a file of this entity at all.
    skipped = bool(settings["skipstaging"])
    columns, rows, more = call.data_files.read(source, at["row"], 1 if skipped else CHUNK)
    if columns is not None and not at["row"]:
        fields.check(columns)
    if skipped:
        call.data_files.leave(source.key)
        return {**at, "planned": True, "at": at["at"] + 1, "row": 0}
    wrong = stage(call, own, fields.read(columns, rows))
    counts = {
        "stagingrecords": part["stagingrecords"] + len(rows),
        "stagingerrors": part["stagingerrors"] + wrong,
    }
    if more and rows:
        show_entity(call, own, **counts)
        return {**at, "planned": True, "row": rows[-1].number}
    call.data_files.leave(source.key)
    none_fits = counts["stagingrecords"] and counts["stagingrecords"] == counts["stagingerrors"]
    status = dm.Execution.Failed if none_fits else status_of(counts["stagingerrors"])
    show_entity(call, own, stagingstatus=int(status), **counts)
    return {**at, "planned": True, "at": at["at"] + 1, "row": 0}


def _staged(call: Call, id: str, at: dict[str, Any], entities: list[dict[str, Any]]) -> Any:
    """All files have been read: what no row of fits is no file for this job."""
    records = sum(each["stagingrecords"] for each in entities)
    errors = sum(each["stagingerrors"] for each in entities)
    if records and records == errors:
        said = "No row of the file fits its entity: the rows in staging say why."
        return _stop(call, id, at, said, recordcount=records, errorcount=errors)
    if at.get("staging_only"):
        status = dm.Message.ProcessedWithErrors if errors else dm.Message.Processed
        show_message(call, id, status, completedon=call.now, recordcount=records, errorcount=errors)
        show_execution(call, at["execution"], status_of(errors), completedon=call.now)
        return None
    show_message(call, id, dm.Message.Processing, processingon=call.now, recordcount=records)
    return {**at, "phase": "write", "at": 0, "row": 0}


def _truncate_staging(call: Call, part: Mapping[str, Any]) -> None:
    """Forget what was staged for the entity by executions before this one."""
    own = part["orgstead_dataexecutionentityid"]
    table = call.schema.tables[dm.EXECUTION_ENTITIES]
    for id in call.unit.find(table, {"projectentityid": part["projectentityid"]}, MAX_EXECUTIONS):
        if id != own:
            forget(call, id)


def _refuse(call: Call, id: str, at: Mapping[str, Any], error: Fault) -> None:
    """A file that cannot be read as a whole changes nothing but its message."""
    entities = entities_of(call, at["execution"]) if "execution" in at else []
    if at.get("at", 0) < len(entities):
        show_entity(
            call, entities[at["at"]]["orgstead_dataexecutionentityid"], stagingstatus=int(dm.Execution.Failed),
            errormessage=error.message, completedon=call.now,
        )  # fmt: skip
    return _stop(call, id, at, error.message)


def _stop(call: Call, id: str, at: Mapping[str, Any], said: str, **counts: int) -> None:
    show_message(call, id, dm.Message.PreProcessingError, completedon=call.now, errormessage=said, **counts)
    show_execution(call, at["execution"], dm.Execution.Failed, completedon=call.now, errormessage=said)
    call.data_files.leave(id)


def _finish(call: Call, id: str, at: Mapping[str, Any]) -> Any:
    """Run what a data project wants run behind its entities, and say how it all ended."""
    entities = entities_of(call, at["execution"])
    errors = sum(each["stagingerrors"] + each["targeterrors"] for each in entities)
    counts = ("createdrecords", "updatedrecords", "stagingerrors", "targeterrors")
    records = sum(each[name] for each in entities for name in counts)
    status = dm.Message.ProcessedWithErrors if errors else dm.Message.Processed
    said, outcome = None, summary(entities)
    try:
        with call.savepoint():
            for part in entities:
                _post(call, at["execution"], part)
    except Fault as error:
        if error.name in ("StoreBusy", "StoreFailure", "SqlTimeout"):
            raise
        status, said = dm.Message.PostProcessingFailed, error.message
        outcome = dm.Execution.PartiallySucceeded
    show_message(
        call, id, status, completedon=call.now, recordcount=records, errorcount=errors, errormessage=said
    )
    show_execution(call, at["execution"], outcome, completedon=call.now, errormessage=said)
    return None


def _post(call: Call, execution: str, part: Mapping[str, Any]) -> None:
    """Send the message that is to follow when all rows of an entity have been written."""
    name = settings_of(call, part)["posttargetprocess"]
    if not name:
        return
    if name not in call.schema.apis:
        raise fault("UnknownMessage", name=name)
    api = call.schema.apis[name]
    known = {"ExecutionId": execution, "EntityName": part["entityname"], "Company": part["company"]}
    wanted = {each.name for each in api.parameters}
    call.send(Execute(name=name, parameters={k: v for k, v in known.items() if k in wanted}))
