"""What became of an execution: its status, its package, what was wrong and the files that say so.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.datamanagement.blobs import share_content
from orgstead.engine.datamanagement.executions import entities_of
from orgstead.engine.datamanagement.formats import find_entity
from orgstead.engine.datamanagement.packages import action
from orgstead.engine.datamanagement.staging import wrong_rows
from orgstead.engine.files import note_pieces
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Parameter

__all__ = [
    "entity_statuses", "execution_errors", "execution_status", "exported_package", "make_target_keys", "staging_errors",
    "target_keys",
]  # fmt: skip

PAGE = 1000
# Of one answer, and of one file; the rows themselves are all to be seen in staging.
MAX_ERRORS, MAX_LISTED = 10_000, 200_000
_EXECUTION = Parameter(name="executionId", type="Edm.String")
_ENTITY = Parameter(name="entityName", type="Edm.String")
_OF_ENTITY = action(_EXECUTION, _ENTITY)


def _execution(call: Call, right: str = "Read") -> tuple[str, dict[str, Any]]:
    """The execution of the parameter ``executionId``. Raises DataExecutionNotFoundByName, PrivilegeDenied."""
    name = str(call.parameters["executionId"])
    table = call.schema.tables[dm.EXECUTIONS]
    found = call.unit.find(table, {"name": name}, 1) if 0 < len(name) <= 100 else ()
    row = call.unit.get(table, found[0]) if found else None
    if row is None:
        raise fault("DataExecutionNotFoundByName", id=name[:100])
    check_row(call, right, table, row)
    return str(row[table.primary_id]), row


@handles(
    "DataManagement.GetExecutionSummaryStatus",
    privilege=OPEN,
    writes=False,
    signature=action(_EXECUTION, returns="Microsoft.Dynamics.DataEntities.DMFExecutionSummaryStatus"),
)
def execution_status(call: Call) -> str:
    """The status of an execution by its name."""
    _, row = _execution(call)
    return dm.Execution(row["executionstatus"]).name


@handles(
    "DataManagement.GetEntityExecutionSummaryStatusList",
    privilege=OPEN,
    writes=False,
    signature=action(_EXECUTION, returns="Collection(Edm.String)"),
)
def entity_statuses(call: Call) -> Sequence[str]:
    """For each entity of an execution a JSON text with its name, its statuses and counts."""
    names = {
        "EntityName": "entityname", "StagingRecordsCount": "stagingrecords", "StagingErrorsCount": "stagingerrors",
        "TargetRecordsCreatedCount": "createdrecords", "TargetRecordsUpdatedCount": "updatedrecords",
        "TargetErrorsCount": "targeterrors",
    }  # fmt: skip
    return [
        json.dumps(
            {
                **{name: part[column] for name, column in names.items()},
                "StagingStatus": dm.Execution(part["stagingstatus"]).name,
                "TargetStatus": dm.Execution(part["targetstatus"]).name,
            }
        )
        for part in entities_of(call, _execution(call)[0])
    ]


@handles("DataManagement.GetExportedPackageUrl", privilege=OPEN, writes=False, signature=action(_EXECUTION))
def exported_package(call: Call) -> dm.BlobLink | str:
    """The package that an execution exported; an empty text as long as there is none."""
    _, row = _execution(call)
    if row["contentid"] is None or row["executionstatus"] == dm.Execution.Executing:
        return ""
    return _link(call, {"contentid": row["contentid"]})


def _link(call: Call, of: Mapping[str, Any]) -> dm.BlobLink | str:
    table = call.schema.tables[dm.BLOBS]
    found = call.unit.find(table, dict(of), 1)
    row = call.unit.get(table, found[0]) if found else None
    # It was made longer ago than blobs are kept.
    return "" if row is None else dm.BlobLink(blob=found[0], name=row["filename"] or "")


@handles("DataManagement.GetExecutionErrors", privilege=OPEN, writes=False, signature=action(_EXECUTION))
def execution_errors(call: Call) -> str:
    """What was wrong with the rows of an execution, as the text of a JSON array."""
    id, row = _execution(call)
    said = []
    if row["errormessage"]:
        said.append({"RecordId": "", "Field": "", "ErrorMessage": row["errormessage"]})
    for part in entities_of(call, id):
        for number, _, reason in _wrong(
            call, part["orgstead_dataexecutionentityid"], None, MAX_ERRORS - len(said)
        ):
            field, colon, _ = reason.partition(": ")
            plain = bool(colon) and field.isidentifier()
            said.append({"RecordId": str(number), "Field": field if plain else "", "ErrorMessage": reason})
    return json.dumps(said, ensure_ascii=False)


def _wrong(call: Call, part: str, staging: bool | None, most: int) -> Iterator[tuple[int, str, str]]:
    after, count = 0, 0
    while count < most:
        found = wrong_rows(call, part, after, min(PAGE, most - count), staging=staging)
        yield from found
        if not found:
            return
        after, count = found[-1][0], count + len(found)


# -- files -------------------------------------------------------------------------------------------------------------
def _part(call: Call) -> dict[str, Any]:
    """The part of the execution that is about the entity ``entityName``; raises DataExecutionNotFoundByName."""
    id, _ = _execution(call)
    name = str(call.parameters["entityName"])
    wanted = find_entity(call.schema, name)
    for part in entities_of(call, id):
        if part["entityname"].casefold() == name.casefold() or (
            wanted is not None and find_entity(call.schema, part["entityname"]) is wanted
        ):
            return part
    raise fault("DataExecutionNotFoundByName", id=f"{call.parameters['executionId']} {name}"[:100])


@handles(
    "DataManagement.GetImportStagingErrorFileUrl",
    privilege=OPEN,
    heavy=True,
    signature=action(_EXECUTION, _ENTITY),
)
def staging_errors(call: Call) -> dm.BlobLink | str:
    """A file of the rows that did not reach staging, as they came and with the reasons; empty when there are none."""
    part = _part(call)
    if not part["stagingerrors"]:
        return ""
    return _file(call, part, "stagingerrorsid", True, None)


@handles(
    "DataManagement.GenerateImportTargetErrorKeysFile",
    privilege=OPEN,
    heavy=True,
    signature=action(_EXECUTION, _ENTITY, returns="Edm.Boolean"),
)
def make_target_keys(call: Call) -> bool:
    """Make the file of the keys of the rows that did not leave staging; whether there are any."""
    part = _part(call)
    if not part["targeterrors"]:
        return False
    entity = find_entity(call.schema, part["entityname"])
    _file(call, part, "targeterrorsid", False, tuple(entity.key) if entity is not None else ())
    return True


@handles("DataManagement.GetImportTargetErrorKeysFileUrl", privilege=OPEN, writes=False, signature=_OF_ENTITY)
def target_keys(call: Call) -> dm.BlobLink | str:
    """The file of keys that was made; an empty text when none was."""
    table = call.schema.tables[dm.EXECUTION_ENTITIES]
    row = call.unit.get(table, _part(call)["orgstead_dataexecutionentityid"], ("targeterrorsid",)) or {}
    blob = row.get("targeterrorsid")
    return "" if blob is None else _link(call, {"orgstead_datablobid": blob})


def _file(
    call: Call, part: Mapping[str, Any], column: str, staging: bool, key: Sequence[str] | None
) -> dm.BlobLink:
    """Make a file of wrong rows, and note its blob at the part of the execution; ``key`` narrows it to these fields."""
    id = part["orgstead_dataexecutionentityid"]
    found = _wrong(call, id, staging, MAX_LISTED)
    first = next(found, None)
    names = list(json.loads(first[1])) if first is not None else []
    if key is not None:
        names = [name for name in key if name in names] or names
    pieces = []
    rows = (_line(*each, names) for each in chain((first,) if first is not None else (), found))
    for piece in call.data_files.listing([*names, "ROWNUMBER", "ERRORMESSAGE"], rows):
        piece_id = call.new_id()
        call.blobs.put(piece_id, piece)
        pieces.append((piece_id, len(piece)))
    content = call.new_id()
    size = note_pieces(call, content, pieces)
    name = f"{part['entityname']} {'staging errors' if staging else 'error keys'}.csv"
    blob = share_content(call, name, content, size, "text/csv")
    call.unit.update(call.schema.tables[dm.EXECUTION_ENTITIES], id, {column: blob})
    return dm.BlobLink(blob=blob, name=name)


def _line(number: int, text: str, reason: str, names: Sequence[str]) -> Sequence[Any]:
    values = json.loads(text)
    return [*("" if values.get(name) is None else str(values[name]) for name in names), number, reason]
