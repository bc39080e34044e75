"""The part of an execution that is about one entity: what its data project says of it, and its file."""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.datamanagement.formats import FORMATS, find_entity, mapping
from orgstead.engine.datamanagement.messages import message_content
from orgstead.engine.datamanagement.values import Fields
from orgstead.engine.ports import DataSource
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model import datamanagement as dm

__all__ = ["ABOUT_FILES", "CHUNK", "settings_of", "source_of", "status_of"]

# Rows of a piece: others wait for their turn to write meanwhile.
CHUNK = 2000
# Faults that are about the file, and not about who sends it or about us.
ABOUT_FILES = frozenset({
    "DataFileMalformed", "DataFileEmpty", "DataFileEncoding", "DataFileColumns", "DataFileTooLarge",
    "DataFormatUnsupported", "DataPackageInvalid", "DataTransformFailed", "DataJobEntity",
})  # fmt: skip


def settings_of(call: Call, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the data project says of an entity; raises DataJobEntity when it says nothing any more."""
    own = call.unit.get(call.schema.tables[dm.PROJECT_ENTITIES], part["projectentityid"])
    if own is None:
        raise fault("DataJobEntity", project="of this message", entity=part["entityname"])
    return own


def source_of(
    call: Call, id: str, message: Mapping[str, Any], part: Mapping[str, Any]
) -> tuple[DataSource, Fields]:
    """What is read of a file, and as what. Raises DataJobEntity when the entity has gone meanwhile."""
    entity = find_entity(call.schema, part["entityname"])
    own = settings_of(call, part)
    if entity is None:
        raise fault("DataJobEntity", project="of this message", entity=part["entityname"])
    whole = message_content(call, message)
    source = DataSource(
        key=f"{id} {part['orgstead_dataexecutionentityid']}",
        content=whole,
        format=FORMATS[part["sourceformat"]],
        member=part["filename"] if message["entityname"] is None else None,
        style=own["xslt"],
    )
    return source, Fields(entity, call.schema.tables[entity.table], mapping(own["fieldmapping"]))


def status_of(errors: int) -> dm.Execution:
    """How well a step went, by its errors."""
    return dm.Execution.PartiallySucceeded if errors else dm.Execution.Succeeded
