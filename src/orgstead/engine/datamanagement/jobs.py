"""Who may exchange files by a recurring data job, and of what.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.plan import AllOf, Col, Output, Param, Plan, Sort, Source, Test
from orgstead.model.schema import Table
from orgstead.model.types import is_guid

__all__ = ["Admitted", "admit", "company_named", "project_entities"]

# What is compared with when there is nothing to compare with.
NOBODY = "00000000-0000-0000-0000-000000000000"
MAX_ENTITIES = 1000
MAX_COMPANY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A recurring data job with its data project, both as stored values, for an application that may use it."""

    id: str
    job: Mapping[str, Any]
    project_id: str
    project: Mapping[str, Any]


def admit(call: Call, operation: dm.Operation) -> Admitted:
    """The job of the parameter ``Job`` for the application of the parameter ``Application``.

    Raises DataJobNotFound, DataJobForbidden, DataJobInactive, DataJobDirection.
    """
    given = str(call.parameters["Job"]).strip("{}").lower()
    job = call.unit.get(call.schema.tables[dm.JOBS], given) if is_guid(given) else None
    if job is None:
        raise fault("DataJobNotFound", id=given[:50])
    wanted, application = job["applicationid"] or NOBODY, call.parameters["Application"] or ""
    # Both lines, whatever the first one finds.
    same = hmac.compare_digest(wanted.encode(), application.lower().encode())
    if not (same and wanted != NOBODY and job["isauthorized"]):
        raise fault("DataJobForbidden")
    if not job["isactive"]:
        raise fault("DataJobInactive", name=job["name"])
    if job["operation"] != operation:
        raise fault("DataJobDirection", name=job["name"], operation=dm.Operation(job["operation"]).name)
    project_id = job["projectid"].id
    project = call.unit.get(call.schema.tables[dm.PROJECTS], project_id) or {}
    return Admitted(id=given, job=job, project_id=project_id, project=project)


def company_named(call: Call, company: str) -> str:
    """A company as it writes itself; raises DataCompanyNotFound."""
    entity = call.schema.entity_index.collections.get("LegalEntities")
    if entity is None or len(company) > MAX_COMPANY:
        raise fault("DataCompanyNotFound", company=company[:50])
    table, column = call.schema.tables[entity.table], entity.key_fields[0].column
    found = call.unit.find(table, {column: company}, 1)
    row = call.unit.get(table, found[0], (column,)) if found else None
    if row is None:
        raise fault("DataCompanyNotFound", company=company[:50])
    return str(row[column])


def project_entities(call: Call, project_id: str) -> list[dict[str, Any]]:
    """The entities of a data project in the order in which they are worked on, as stored values by column."""
    table = call.schema.tables[dm.PROJECT_ENTITIES]
    rows = call.unit.fetch(_entities(table), [project_id, MAX_ENTITIES])
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


COLUMNS = (
    "orgstead_dataprojectentityid", "entityname", "sourceformat", "executionunit", "level", "sequence", "fieldmapping",
    "xslt", "skipstaging", "truncatestaging", "truncateentity", "refreshtype", "posttargetprocess", "exportedversion",
)  # fmt: skip


def _entities(table: Table) -> Plan:
    columns = {name: Col("t0", table.columns[name]) for name in COLUMNS}
    project = Col("t0", table.columns["projectid"])
    order = ("executionunit", "level", "sequence", "entityname", "orgstead_dataprojectentityid")
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(name, of, of.column) for name, of in columns.items()),
        where=AllOf((Test("eq", project, Param(0, project.column)),)),
        order=tuple(Sort(columns[name]) for name in order),
        limit=Param(1),
    )
