"""Executions: what a data project has done with its files, entity by entity."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from orgstead.engine.registry import Call
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Create, Update
from orgstead.model.plan import AllOf, Col, Output, Param, Plan, Sort, Source, Test
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = ["begin_execution", "entities_of", "put_entity", "show_entity", "show_execution", "summary"]

MAX_TEXT = 4000
MAX_ENTITIES = 1000


def begin_execution(
    call: Call, project: Ref, operation: dm.Operation, name: str, values: Mapping[str, Any]
) -> str:
    """Make an execution that is under way; its id (its name is what clients call its id)."""
    row = {
        "name": name[:100],
        "projectid": project,
        "operation": int(operation),
        "executionstatus": int(dm.Execution.Executing),
        "createdby": Ref("systemuser", call.caller.user_id),
        "createdon": call.now,
        "startedon": call.now,
        **values,
    }
    id = call.new_id()
    call.send_as_system(Create(record=Record(table=dm.EXECUTIONS, id=id, values=row)))
    return id


def put_entity(call: Call, execution: str, values: Mapping[str, Any]) -> str:
    """Make the part of an execution that is about an entity; its id."""
    id = call.new_id()
    row = {
        "executionid": Ref(dm.EXECUTIONS, execution),
        "stagingstatus": int(dm.Execution.NotRun),
        "targetstatus": int(dm.Execution.NotRun),
        **dict.fromkeys(COUNTS, 0),
        **values,
    }
    call.send_as_system(Create(record=Record(table=dm.EXECUTION_ENTITIES, id=id, values=row)))
    return id


COUNTS = ("stagingrecords", "stagingerrors", "createdrecords", "updatedrecords", "targeterrors")
COLUMNS = (
    "orgstead_dataexecutionentityid", "entityname", "projectentityid", "filename", "sourceformat", "company",
    "stagingstatus", "targetstatus", *COUNTS, "errormessage",
)  # fmt: skip


def entities_of(call: Call, execution: str) -> list[dict[str, Any]]:
    """The parts of an execution in the order in which they are worked on, as stored values by column."""
    rows = call.unit.fetch(_entities(call.schema.tables[dm.EXECUTION_ENTITIES]), [execution, MAX_ENTITIES])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


@lru_cache(maxsize=4)
def _entities(table: Table) -> Plan:
    columns = {name: Col("t0", table.columns[name]) for name in COLUMNS}
    execution = Col("t0", table.columns["executionid"])
    order = [Col("t0", table.columns[name]) for name in ("executionunit", "level", "sequence")]
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(name, of, of.column) for name, of in columns.items()),
        where=AllOf((Test("eq", execution, Param(0, execution.column)),)),
        order=tuple(map(Sort, (*order, columns[table.primary_id]))),
        limit=Param(1),
    )


def show_entity(call: Call, id: str, **values: Any) -> None:
    """Let everybody see how far an entity has come. It is a count that changes often: no step is told."""
    call.unit.update(call.schema.tables[dm.EXECUTION_ENTITIES], id, _cut(values))


def show_execution(call: Call, id: str, status: dm.Execution | None = None, **values: Any) -> None:
    """Let everybody see what has become of an execution."""
    if status is not None:
        values["executionstatus"] = int(status)
    call.send_as_system(
        Update(ref=Ref(dm.EXECUTIONS, id), record=Record(table=dm.EXECUTIONS, values=_cut(values)))
    )


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    text = values.get("errormessage")
    return {**values, "errormessage": text[:MAX_TEXT]} if text else values


def summary(entities: Sequence[Mapping[str, Any]]) -> dm.Execution:
    """How an execution ended, by its entities."""
    wrong = sum(each["stagingerrors"] + each["targeterrors"] for each in entities)
    right = sum(each["createdrecords"] + each["updatedrecords"] for each in entities)
    if not wrong:
        return dm.Execution.Succeeded
    return dm.Execution.PartiallySucceeded if right else dm.Execution.Failed
