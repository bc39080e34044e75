"""What a step is told of a message: the event as a value, and as text that can be kept."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from orgstead.engine.registry import Call
from orgstead.engine.steps import Passage
from orgstead.model.events import ASYNCHRONOUS, NOBODY, SYNCHRONOUS, Event
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema, Table
from orgstead.model.steps import BEFORE_CHECKS, DONE, Image, Step

__all__ = ["event_of", "outward", "read_event", "write_event"]

# The stage between 20 and 40: the operation itself.
MAIN_OPERATION = 30
TEXTS = frozenset({"memo", "string"})
# The image that every asynchronous step gets of a row that was written.
PRIMARY_NAME = "AsynchronousStepPrimaryName"


def event_of(call: Call, passage: Passage, step: Step, operation: str) -> Event:
    """What ``step`` is told of a message at its stage; ``operation`` is the id of what runs it."""
    caller = call.caller
    user = step.user or caller.user_id
    initiator = caller.initiating_user_id or caller.user_id
    people = {id: _person(call, id) for id in (user, initiator)}
    organization = call.unit.get(call.schema.tables["organization"], caller.organization_id, ("name",))
    unit = people[user][1] if step.user is not None else caller.business_unit_id
    event = Event(
        message=passage.message,
        stage=step.stage,
        mode=ASYNCHRONOUS if step.asynchronous else SYNCHRONOUS,
        depth=call.step_depth,
        table=passage.table.logical_name if passage.table is not None else "none",
        id=passage.id,
        inputs=passage.inputs,
        outputs=passage.outputs if step.stage == DONE else {},
        shared=passage.shared,
        pre_images=_images(call, passage, step, before=True),
        post_images=_images(call, passage, step, before=False) if step.stage == DONE else {},
        user_id=user,
        user_object_id=people[user][0],
        initiating_user_id=initiator,
        initiating_object_id=people[initiator][0],
        business_unit_id=unit,
        organization_id=caller.organization_id,
        organization_name=(organization or {}).get("name") or "",
        correlation_id=call.correlation_id,
        operation_id=operation,
        request_id=operation if step.asynchronous else None,
        created_on=call.time,
        in_transaction=not step.asynchronous and step.stage != BEFORE_CHECKS,
        step_id=step.id,
        step_name=step.name,
        parent=call.parent,
    )
    if passage.asked is None or step.stage == BEFORE_CHECKS:
        return event
    # What the server does with a row is an event of its own, in whose midst the step runs.
    # https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
    main = replace(
        event,
        stage=MAIN_OPERATION,
        inputs={"Target": passage.asked},
        outputs={},
        shared={},
        pre_images={},
        post_images={},
    )
    return replace(event, parent=main)


def _person(call: Call, id: str) -> tuple[str, str]:
    """A user's id in the directory, and the business unit."""
    users = call.schema.tables["systemuser"]
    row = call.unit.get(users, id, ("azureactivedirectoryobjectid", "businessunitid")) or {}
    unit = row.get("businessunitid")
    return row.get("azureactivedirectoryobjectid") or NOBODY, unit.id if unit is not None else NOBODY


def _images(call: Call, passage: Passage, step: Step, *, before: bool) -> dict[str, Record]:
    table = passage.table
    wanted = [image for image in step.images if (image.before if before else image.after)]
    if table is None:
        return {}
    if step.asynchronous and not before and passage.asked is not None and table.primary_name:
        wanted.append(Image(id=step.id, alias=PRIMARY_NAME, after=True, columns=(table.primary_name,)))
    if not wanted:
        return {}
    row = passage.before if before else call.unit.get(table, passage.id)
    if not row:
        return {}
    return {
        image.alias: _picture(table.logical_name, passage.id, table.primary_id, row, image)
        for image in wanted
    }


def _picture(table: str, id: str, key: str, row: Mapping[str, Any], image: Image) -> Record:
    names = {*image.columns, key} if image.columns else row.keys()
    # Columns without a value are left out.
    return Record(
        table=table,
        id=id,
        values={name: row[name] for name in row if name in names and row[name] is not None},
    )


# -- events that leave the organisation ----------------------------------------------------------------------------
def outward(event: Event, schema: Schema) -> Event:
    """An event as endpoints are told of it: texts that nobody can read, such as keys of endpoints, are not in it."""
    changed = {
        name: _bared(getattr(event, name), schema)
        for name in ("inputs", "outputs", "shared", "pre_images", "post_images")
    }
    parent = None if event.parent is None else outward(event.parent, schema)
    return replace(event, **changed, parent=parent)


@lru_cache(maxsize=4096)
def _unreadable(table: Table) -> frozenset[str]:
    return frozenset(each.name for each in table.columns.values() if not each.read and each.type in TEXTS)


def _bared(value: Any, schema: Schema) -> Any:
    match value:
        case Record():
            table = schema.tables.get(value.table)
            hidden = frozenset() if table is None else _unreadable(table)
            values = {name: each for name, each in value.values.items() if name not in hidden}
            related = tuple(
                replace(each, records=tuple(_bared(row, schema) for row in each.records))
                for each in value.related
            )
            return replace(value, values=_bared(values, schema), related=related)
        case Mapping():
            return {name: _bared(each, schema) for name, each in value.items()}
        case list() | tuple():
            return tuple(_bared(each, schema) for each in value)
    return value


# -- events that are kept until a job runs -----------------------------------------------------------------------
def write_event(event: Event) -> str:
    """An event as text."""
    return msgspec.json.encode(_kept(event)).decode()


def read_event(text: str) -> Event:
    """The event of a text."""
    event = _restored(msgspec.json.decode(text))
    if not isinstance(event, Event):
        raise TypeError("not the text of an event")
    return event


def _kept(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case Ref():
            key = value.key if isinstance(value.key, str) else [[n, _kept(v)] for n, v in value.key]  # type: ignore[union-attr]
            return {"ref": [value.table, key]}
        case Record():
            return {"record": [value.table, value.id, _kept(value.values)]}
        case Event():
            return {"event": {each.name: _kept(getattr(value, each.name)) for each in fields(value)}}
        case Mapping():
            return {"map": {str(name): _kept(each) for name, each in value.items()}}
        case Sequence():
            return [_kept(each) for each in value]
    # A query, say: whoever runs later is told that there was something.
    return {"other": type(value).__name__}


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_restored, value))
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    match kind:
        case "decimal":
            return Decimal(inner)
        case "bytes":
            return base64.b64decode(inner)
        case "ref":
            table, key = inner
            return Ref(table, key if isinstance(key, str) else tuple((n, _restored(v)) for n, v in key))
        case "record":
            return Record(table=inner[0], id=inner[1], values=_restored(inner[2]))
        case "event":
            return Event(**{name: _restored(each) for name, each in inner.items()})
        case "map":
            return {name: _restored(each) for name, each in inner.items()}
    return None
