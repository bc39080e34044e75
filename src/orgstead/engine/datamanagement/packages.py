"""The package API: data packages imported and exported by actions of the entity DataManagementDefinitionGroups.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api
"""

import re
from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import check_table
from orgstead.engine.datamanagement.blobs import blob_content, blob_row, share_content
from orgstead.engine.datamanagement.executions import begin_execution, entities_of, show_execution
from orgstead.engine.datamanagement.exports import EXPORT
from orgstead.engine.datamanagement.formats import BY_NAME, find_entity
from orgstead.engine.datamanagement.jobs import company_named, project_entities
from orgstead.engine.datamanagement.messages import KIND, LANE
from orgstead.engine.jobs import enqueue
from orgstead.engine.ports import DataMember
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.content import Content
from orgstead.model.messages import Create, Parameter, Signature, Update
from orgstead.model.record import Record, Ref
from orgstead.model.types import is_guid

__all__ = [
    "action", "azure_write_url", "export_package", "export_package_later", "import_package", "import_package_later",
]  # fmt: skip

GROUPS = "DataManagementDefinitionGroups"
# The id of a blob in an address that was told for it.
_BLOB = re.compile(r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[^/?#]*(?:[?#]|\Z)", re.IGNORECASE)


def action(*parameters: Parameter, returns: str = "Edm.String") -> Signature:
    """How an action of the package API shows."""
    return Signature(
        kind="action",
        entity=GROUPS,
        collection=True,
        parameters=parameters,
        returns=(Parameter(name="", type=returns),),
    )


def _text(name: str, *, optional: bool = False) -> Parameter:
    return Parameter(name=name, type="Edm.String", optional=optional)


def _truth(name: str, *, optional: bool = False) -> Parameter:
    return Parameter(name=name, type="Edm.Boolean", optional=optional)


IMPORT = (
    _text("packageUrl"), _text("definitionGroupId"), _text("executionId", optional=True), _truth("execute"),
    _truth("overwrite"), _text("legalEntityId", optional=True),
)  # fmt: skip
# What the asynchronous form has beyond: how it is run is the server's affair here.
LATER = (
    _truth("failOnError", optional=True), _truth("runAsyncWithoutBatch", optional=True),
    Parameter(name="thresholdToRunInBatch", type="Edm.Int32", optional=True),
)  # fmt: skip
EXPORTED = (
    _text("definitionGroupId"), _text("packageName", optional=True), _text("executionId", optional=True),
    _truth("reExecute", optional=True), _text("legalEntityId", optional=True),
)  # fmt: skip


# -- in ----------------------------------------------------------------------------------------------------------------
@handles("DataManagement.GetAzureWriteUrl", privilege=OPEN, signature=action(_text("uniqueFileName")))
def azure_write_url(call: Call) -> dm.BlobLink:
    """A blob for a package that is to be imported. Raises PrivilegeDenied."""
    check_table(call, "Write", call.schema.tables[dm.MESSAGES])
    name = str(call.parameters["uniqueFileName"])
    return dm.BlobLink(blob=share_content(call, name, None, 0), name=name, write=True)


@handles("DataManagement.ImportFromPackage", privilege=OPEN, heavy=True, signature=action(*IMPORT))
def import_package(call: Call) -> str:
    """Begin to import a package; the id of the execution.

    A data project that is not there is made of the manifest; with ``overwrite`` one that is there takes over what the
    manifest says. Raises DataBlobNotFound, DataProjectNotFound, DataJobEntity, DataCompanyNotFound,
    DataExecutionExists, PrivilegeDenied, and the faults of packages.
    """
    given = call.parameters
    check_table(call, "Write", call.schema.tables[dm.MESSAGES])
    blob, content = _uploaded(call, str(given["packageUrl"]))
    company = company_named(call, given["legalEntityId"]) if given.get("legalEntityId") else None
    name = str(given["definitionGroupId"])
    project = _project_for(call, name, content, bool(given["overwrite"]))
    shown = _new_execution(call, given.get("executionId"), name)
    execution = begin_execution(call, project, dm.Operation.Import, shown, {"company": company})
    id = call.new_id()
    row = {
        "operation": int(dm.Operation.Import),
        "messagestatus": int(dm.Message.Enqueued),
        "enqueuedon": call.now,
        "number": call.unit.next_version(),
        "name": str(blob["filename"])[:255],
        "company": company,
        "contenttype": content.mime[:100],
        "filesize": content.size,
        "contentid": content.id,
        "executionid": Ref(dm.EXECUTIONS, execution),
        "createdby": Ref("systemuser", call.caller.user_id),
    }
    at: dict[str, Any] = {"phase": "stage", "execution": execution, "at": 0, "row": 0, "planned": False}
    if not given["execute"]:
        at["staging_only"] = True
    payload = {"message": id, "again": at}
    # Packages for one data project come after one another, whoever sends them.
    job = enqueue(
        call, KIND, f"Data package: {shown}"[:250], payload, token=f"dataproject {project.id}", lane=LANE
    )
    call.send_as_system(Create(record=Record(table=dm.MESSAGES, id=id, values={**row, "systemjobid": job})))
    return shown


@handles(
    "DataManagement.ImportFromPackageAsync", privilege=OPEN, heavy=True, signature=action(*IMPORT, *LATER)
)
def import_package_later(call: Call) -> str:
    """As ``ImportFromPackage``, which works later, too."""
    return str(import_package(call))


def _uploaded(call: Call, url: str) -> tuple[Mapping[str, Any], Content]:
    """The blob of an address that the caller was told, and what is in it. Raises DataBlobNotFound.

    An address elsewhere is not asked: nobody gets this server to fetch something.
    """
    match = _BLOB.search(url[:4000])
    row = blob_row(call, match[1].lower() if match else url[:40])
    if row["userid"] != call.caller.user_id and not call.caller.administrator:
        raise fault("DataBlobNotFound", id=row["orgstead_datablobid"])
    return row, blob_content(call, row)


def _found_project(call: Call, name: str) -> tuple[str, Mapping[str, Any]] | None:
    table = call.schema.tables[dm.PROJECTS]
    found = call.unit.find(table, {"name": name}, 1)
    return (found[0], call.unit.get(table, found[0]) or {}) if found else None


def _project_for(call: Call, name: str, content: Content, overwrite: bool) -> Ref:
    """The data project of an import, made of the manifest where there is none."""
    found = _found_project(call, name)
    if found is not None and found[1]["operation"] != dm.Operation.Import:
        raise fault("DataProjectNotFound", name=name[:60], operation="import")
    members = call.data_files.members(content)
    for member in members:
        if find_entity(call.schema, member.name) is None:
            raise fault("DataJobEntity", project=name[:60], entity=member.name[:100])
        if member.source_format.lower() not in BY_NAME:
            raise fault("DataFormatUnsupported", feature=f"The format {member.source_format[:60]}")
    if found is not None:
        project = Ref(dm.PROJECTS, found[0])
    else:
        values = {"name": name, "operation": int(dm.Operation.Import)}
        project = Ref(dm.PROJECTS, call.new_id())
        call.send(Create(record=Record(table=dm.PROJECTS, id=project.id, values=values)))
    known = {each["entityname"].casefold(): each for each in project_entities(call, project.id)}
    for member in members:
        own = known.get(member.name.casefold())
        if own is None:
            _put_member(call, project, member)
            known[member.name.casefold()] = {}
        elif overwrite and own:
            id = own["orgstead_dataprojectentityid"]
            record = Record(table=dm.PROJECT_ENTITIES, values=_settings(member))
            call.send(Update(ref=Ref(dm.PROJECT_ENTITIES, id), record=record))
    return project


def _put_member(call: Call, project: Ref, member: DataMember) -> None:
    values = {"projectid": project, "entityname": member.name, **_settings(member)}
    call.send(Create(record=Record(table=dm.PROJECT_ENTITIES, id=call.new_id(), values=values)))


def _settings(member: DataMember) -> dict[str, Any]:
    return {
        "sourceformat": BY_NAME[member.source_format.lower()],
        "executionunit": member.unit,
        "level": member.level,
        "sequence": member.sequence,
    }


def _new_execution(call: Call, given: Any, project: str) -> str:
    """The id of a new execution, as clients call it. Raises DataExecutionExists."""
    name = str(given or "").strip() or f"{project[:60]}-{call.new_id().upper()}"
    if len(name) > 100 or call.unit.find(call.schema.tables[dm.EXECUTIONS], {"name": name}, 1):
        raise fault("DataExecutionExists", id=name[:100])
    return name


# -- out ---------------------------------------------------------------------------------------------------------------
@handles("DataManagement.ExportToPackage", privilege=OPEN, signature=action(*EXPORTED))
def export_package(call: Call) -> str:
    """Begin to export a data project; the id of the execution. With ``reExecute`` one that is there is run again.

    Raises DataProjectNotFound, DataCompanyNotFound, DataExecutionExists, PrivilegeDenied.
    """
    given = call.parameters
    check_table(call, "Write", call.schema.tables[dm.MESSAGES])
    name = str(given["definitionGroupId"])
    found = _found_project(call, name)
    if found is None or found[1]["operation"] != dm.Operation.Export:
        raise fault("DataProjectNotFound", name=name[:60], operation="export")
    company = company_named(call, given["legalEntityId"]) if given.get("legalEntityId") else None
    execution, shown = _again(call, given, found[0]) or ("", "")
    if not execution:
        shown = _new_execution(call, given.get("executionId"), name)
        values = {"company": company}
        execution = begin_execution(call, Ref(dm.PROJECTS, found[0]), dm.Operation.Export, shown, values)
    payload = {
        "project": found[0],
        "company": company,
        "execution": execution,
        "package": str(given.get("packageName") or name)[:200].removesuffix(".zip"),
    }
    # What is incremental goes on where the one before stopped.
    enqueue(call, EXPORT, f"Data export: {shown}"[:250], payload, token=f"dataproject {found[0]}", lane=LANE)
    return shown


@handles("DataManagement.ExportToPackageAsync", privilege=OPEN, signature=action(*EXPORTED, *LATER))
def export_package_later(call: Call) -> str:
    """As ``ExportToPackage``, which works later, too."""
    return str(export_package(call))


def _again(call: Call, given: Mapping[str, Any], project: str) -> tuple[str, str] | None:
    """An execution of this data project that has ended and is to be run again, empty."""
    name = str(given.get("executionId") or "").strip()
    if not name or not given.get("reExecute"):
        return None
    table = call.schema.tables[dm.EXECUTIONS]
    found = call.unit.find(table, {"name": name}, 1)
    row = call.unit.get(table, found[0]) if found else None
    if row is None:
        return None
    if row["projectid"].id != project or row["executionstatus"] == dm.Execution.Executing:
        raise fault("DataExecutionExists", id=name[:100])
    parts = [each["orgstead_dataexecutionentityid"] for each in entities_of(call, found[0])]
    call.unit.delete(call.schema.tables[dm.EXECUTION_ENTITIES], [id for id in parts if is_guid(id)])
    show_execution(
        call,
        found[0],
        dm.Execution.Executing,
        startedon=call.now,
        completedon=None,
        errormessage=None,
        contentid=None,
    )
    return found[0], name
