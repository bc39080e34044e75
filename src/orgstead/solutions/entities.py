"""The shipped data entities, as messages: rows like those of anybody's own, with ids that never change."""

from collections.abc import Collection, Iterator
from importlib.resources import files
from typing import Any

import msgspec

from orgstead.model.messages import Create, Message, Update
from orgstead.model.record import Record, Ref
from orgstead.solutions.load import metadata_id

__all__ = ["entity_messages"]

ENTITY = "orgstead_dataentity"
TABLES = {"entity": ENTITY, "field": "orgstead_dataentityfield", "relation": "orgstead_dataentityrelation"}


def entity_messages(there: Collection[str] = ()) -> Iterator[Message]:
    """The rows of the data entities whose public names are not ``there``; each is enabled when it is whole."""
    whole: str | None = None
    entity, number = "", 0
    for kind, values in _lines():
        if kind == "entity":
            if whole is not None:
                yield _enable(whole)
            entity, number = values["name"], 0
            whole = None if entity in there else metadata_id("row", ENTITY, entity)
        if whole is None:
            continue
        if kind == "entity":
            yield _create(ENTITY, whole, values)
            continue
        number += 1
        id = metadata_id("row", TABLES[kind], entity, values["name"])
        yield _create(TABLES[kind], id, {**values, "dataentityid": Ref(ENTITY, whole), "sequence": number})
    if whole is not None:
        yield _enable(whole)


def _lines() -> Iterator[tuple[str, dict[str, Any]]]:
    for line in files("orgstead.solutions").joinpath("finops", "entities.jsonl").read_bytes().splitlines():
        if line.startswith(b"{"):
            ((kind, values),) = msgspec.json.decode(line, type=dict[str, dict[str, Any]]).items()
            yield kind, values


def _create(table: str, id: str, values: dict[str, Any]) -> Create:
    return Create(record=Record(table=table, id=id, values=values))


def _enable(id: str) -> Update:
    return Update(ref=Ref(ENTITY, id), record=Record(table=ENTITY, values={"isenabled": True}))
