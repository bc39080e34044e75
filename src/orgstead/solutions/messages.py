"""Which messages there are and which tables take them, as rows: what one registers steps for."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from orgstead.model.messages import Create, Message
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema
from orgstead.model.sdkmessages import SdkMessage
from orgstead.solutions.load import metadata_id

__all__ = ["message_rows"]


def message_rows(
    schema: Schema, messages: Iterable[SdkMessage], there: Collection[str] = ()
) -> Iterator[Message]:
    """The rows of ``sdkmessage`` and ``sdkmessagefilter`` whose ids are not ``there``."""
    for message in messages:
        id = metadata_id("row", "sdkmessage", message.name)
        if id not in there:
            yield _create("sdkmessage", id, {"name": message.name})
        for table in schema.tables.values():
            filter = metadata_id("row", "sdkmessagefilter", table.logical_name, message.name)
            if message.takes(table) and not table.is_custom and filter not in there:
                values = {
                    "primaryobjecttypecode": table.logical_name,
                    "iscustomprocessingstepallowed": message.steps,
                    "sdkmessageid": Ref("sdkmessage", id),
                }
                yield _create("sdkmessagefilter", filter, values)


def _create(table: str, id: str, values: dict[str, Any]) -> Create:
    return Create(record=Record(table=table, id=id, values=values))
