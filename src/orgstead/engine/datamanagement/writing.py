"""From staging, or straight from a file, to the tables: a chunk of rows at a time."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from orgstead.engine.access import check_table
from orgstead.engine.datamanagement.executions import entities_of, show_entity
from orgstead.engine.datamanagement.formats import find_entity
from orgstead.engine.datamanagement.parts import ABOUT_FILES, CHUNK, settings_of, source_of, status_of
from orgstead.engine.datamanagement.staging import mark_done, mark_wrong, stage, staged_rows
from orgstead.engine.datamanagement.target import transfer
from orgstead.engine.handlers.rows import Writing
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model import datamanagement as dm
from orgstead.model.dataentities import DataEntity
from orgstead.model.messages import Delete
from orgstead.model.record import Ref

__all__ = ["write_chunk"]


def write_chunk(call: Call, id: str, message: Mapping[str, Any], at: dict[str, Any]) -> Any:
    """Take a chunk of rows over from staging."""
    entities = entities_of(call, at["execution"])
    if at["at"] >= len(entities):
        return {**at, "phase": "finish", "at": 0}
    part = entities[at["at"]]
    own = part["orgstead_dataexecutionentityid"]
    entity = find_entity(call.schema, part["entityname"])
    if entity is None:
        raise fault("DataJobEntity", project="of this message", entity=part["entityname"])
    settings = settings_of(call, part)
    if settings["truncateentity"] and at["row"] == 0 and not at.get("truncated"):
        gone = _truncate(call, entity, part["company"])
        return {**at, "truncated": gone < CHUNK}
    if settings["skipstaging"] and not at.get("again"):
        return _straight(call, id, message, at, part, entity)
    rows = staged_rows(call, own, at["row"], CHUNK, dm.Transfer.NotStarted)
    if not rows:
        status = (
            status_of(part["targeterrors"])
            if part["stagingerrors"] != part["stagingrecords"]
            else dm.Execution.NotRun
        )
        if part["targeterrors"] and not part["createdrecords"] + part["updatedrecords"]:
            status = dm.Execution.Failed
        if not part["stagingrecords"]:
            status = dm.Execution.Succeeded
        show_entity(call, own, targetstatus=int(status), completedon=call.now)
        return {**at, "at": at["at"] + 1, "row": 0, "truncated": False}
    done = transfer(
        cast(Writing, call),
        entity,
        part["company"],
        [row[2] for row in rows],
        checked=not any(row[3] for row in rows),
    )
    mark_wrong(call, [(rows[place][0], reason) for place, reason in done.wrong])
    mark_done(call, own, rows[0][1], rows[-1][1])
    show_entity(
        call, own, targetstatus=int(dm.Execution.Executing),
        createdrecords=part["createdrecords"] + done.created,
        updatedrecords=part["updatedrecords"] + done.updated,
        targeterrors=part["targeterrors"] + len(done.wrong),
    )  # fmt: skip
    return {**at, "row": rows[-1][1]}


def _straight(
    call: Call,
    id: str,
    message: Mapping[str, Any],
    at: dict[str, Any],
    part: Mapping[str, Any],
    entity: DataEntity,
) -> Any:
    """Take a chunk of rows over from the file itself; only those that are wrong are kept in staging."""
    own = part["orgstead_dataexecutionentityid"]
    source, fields = source_of(call, id, message, part)
    broken, more = None, False
    rows: list[tuple[int, Mapping[str, Any], Sequence[str]]] = []
    try:
        columns, found, more = call.data_files.read(source, at["row"], CHUNK)
        rows = list(fields.read(columns, found))
    except Fault as error:
        if error.name not in ABOUT_FILES:
            raise
        broken = error.message
    right = [(number, values) for number, values, problems in rows if not problems]
    done = transfer(
        cast(Writing, call), entity, part["company"], [values for _, values in right], checked=True
    )
    wrong = [row for row in rows if row[2]]
    wrong += [(*right[place], (reason,)) for place, reason in done.wrong]
    if broken is not None:
        wrong.append((at["row"] + 1, {}, (f"The rest of the file was not read: {broken}",)))
    stage(call, own, sorted(wrong, key=lambda row: row[0]))
    counts = {
        "createdrecords": part["createdrecords"] + done.created,
        "updatedrecords": part["updatedrecords"] + done.updated,
        "targeterrors": part["targeterrors"] + len(wrong),
    }
    if more and rows and broken is None:
        show_entity(call, own, targetstatus=int(dm.Execution.Executing), **counts)
        return {**at, "row": rows[-1][0]}
    call.data_files.leave(source.key)
    status = status_of(counts["targeterrors"])
    if counts["targeterrors"] and not counts["createdrecords"] + counts["updatedrecords"]:
        status = dm.Execution.Failed
    show_entity(call, own, targetstatus=int(status), completedon=call.now, **counts)
    return {**at, "at": at["at"] + 1, "row": 0, "truncated": False}


def _truncate(call: Call, entity: DataEntity, company: str | None) -> int:
    """Delete some of the rows that the entity has, of the company where it has one; how many there were.

    Raises what Delete raises: then nothing of the file is written.
    """
    table = call.schema.tables[entity.table]
    check_table(call, "Delete", table)
    where = {entity.company: company} if entity.company is not None else {}
    found = call.unit.find(table, where, CHUNK)
    for id in found:
        call.send(Delete(ref=Ref(table.logical_name, id)))
    return len(found)
