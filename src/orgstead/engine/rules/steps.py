"""Rows that register steps become definitions: registering a row is what registers a step.

https://learn.microsoft.com/power-apps/developer/data-platform/register-plug-in
https://learn.microsoft.com/power-apps/developer/data-platform/register-web-hook
"""

from typing import Any

from orgstead.engine.hooks import UNSTEPPED, Change, hook
from orgstead.engine.registry import Call
from orgstead.engine.stages import DELIVERIES, ENDPOINTS, STEPS
from orgstead.errors import fault
from orgstead.model.endpoints import Endpoint
from orgstead.model.record import Ref
from orgstead.model.schema import Table
from orgstead.model.steps import BEFORE_CHECKS, BEFORE_WRITE, DONE, Image, Step

__all__ = ["check_endpoint", "check_image", "check_step", "define_step", "keep_deliveries"]

IMAGES = "sdkmessageprocessingstepimage"
MESSAGES, FILTERS, APIS = "sdkmessage", "sdkmessagefilter", "customapi"
# What a custom API says of steps.
ASYNCHRONOUS_STEP, ANY_STEP = 1, 2
WEBHOOK = 8
# Where a step is to run: https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/sdkmessageprocessingstep
OUTLOOK_ALONE = 1
ENABLED = 0
PRE, POST, BOTH = range(3)
MAX_IMAGES = 50
# By which property of the message a picture is taken.
# https://learn.microsoft.com/power-apps/developer/data-platform/register-plug-in#define-entity-images
PICTURED = {"Create": "Id", "Update": "Target", "Delete": "Target"}


def _id(value: Any) -> str:
    return value.id if isinstance(value, Ref) else ""


def _names(text: Any) -> tuple[str, ...]:
    return tuple(name for each in (text or "").split(",") if (name := each.strip().lower()))


def _is(name: str) -> Any:
    return lambda table: table.logical_name == name


# -- endpoints ---------------------------------------------------------------------------------------------------
@hook("Create", "Update", stage=20, applies=_is(ENDPOINTS))
def check_endpoint(call: Call, change: Change) -> None:
    """Raises InvalidEndpoint for an endpoint that could not be called, NotSupported for one that is no webhook."""
    if change.after("contract") != WEBHOOK:
        raise fault("NotSupported", feature="A service endpoint that is not a webhook (contract 8)")
    change.values.setdefault("messageformat", 2)
    if "authvalue" in change.values:
        change.values["isauthvalueset"] = bool(change.values["authvalue"])
    endpoint = Endpoint(
        id=change.id,
        name=change.after("name") or "",
        url=change.after("url") or "",
        authentication=change.after("authtype") or 0,
        secret=change.after("authvalue"),
    )
    call.outside.check(endpoint)


# -- steps -------------------------------------------------------------------------------------------------------
@hook("Create", "Update", stage=20, applies=_is(STEPS))
def check_step(call: Call, change: Change) -> None:
    """Raises InvalidStep, StepNotAllowed, MissingRequired, NotSupported for a step that could not run."""
    for column in ("sdkmessageid", "stage", "mode"):
        if change.after(column) is None:
            raise fault("MissingRequired", column=column, table=STEPS)
    change.values.setdefault("rank", change.before.get("rank") or 1)
    message, table = _message(call, change), _table(call, change)
    stage, mode = change.after("stage"), change.after("mode")
    if not _allowed(call, message, change.after("sdkmessagefilterid"), table, mode):
        raise fault("StepNotAllowed", hint=f"Message {message}, table {table or 'none'}.")
    if stage not in (BEFORE_CHECKS, BEFORE_WRITE, DONE):
        raise fault("InvalidStep", reason=f"steps run at the stages 10, 20 and 40, not at {stage}")
    if change.after("supporteddeployment") == OUTLOOK_ALONE:
        raise fault("NotSupported", feature="A step that runs in Outlook alone (supporteddeployment 1)")
    if mode and stage != DONE:
        raise fault("InvalidStep", reason="an asynchronous step runs at the stage 40")
    handler = change.after("eventhandler")
    if not isinstance(handler, Ref):
        raise fault("MissingRequired", column="eventhandler", table=STEPS)
    if handler.table != ENDPOINTS:
        raise fault("NotSupported", feature="A step whose event handler is not a service endpoint")
    filtering = _names(change.after("filteringattributes"))
    if filtering and message != "Update":
        raise fault("InvalidStep", reason="only steps of Update have filtering attributes")
    if filtering and table is not None:
        _check_columns(call.schema.tables[table], filtering)
    if change.after("rank") < 0:
        raise fault("InvalidStep", reason="a rank is not below 0")


def _message(call: Call, change: Change) -> str:
    row = call.unit.get(call.schema.tables[MESSAGES], _id(change.after("sdkmessageid")), ("name",))
    return (row or {}).get("name") or ""


def _table(call: Call, change: Change) -> str | None:
    """The table that a step's filter names, which has to be one of its message; raises InvalidStep."""
    filter = change.after("sdkmessagefilterid")
    if filter is None:
        return None
    row = call.unit.get(call.schema.tables[FILTERS], _id(filter), ("sdkmessageid", "primaryobjecttypecode"))
    if row is None or _id(row["sdkmessageid"]) != _id(change.after("sdkmessageid")):
        raise fault("InvalidStep", reason="the filter is not one of the message")
    table: str = row["primaryobjecttypecode"]
    return table


def _allowed(call: Call, message: str, filter: Ref | None, table: str | None, mode: int) -> bool:
    """Whether one may register a step for a message, and for the rows of a table."""
    if table is not None and (table not in call.schema.tables or table in UNSTEPPED):
        return False
    if filter is not None:
        row = call.unit.get(call.schema.tables[FILTERS], filter.id, ("iscustomprocessingstepallowed",))
        if row is None or not row["iscustomprocessingstepallowed"]:
            return False
    api = call.schema.apis.get(message)
    if api is None:
        return call.takes_steps(message)
    said = (
        call.unit.get(call.schema.tables[APIS], api.metadata_id, ("allowedcustomprocessingsteptype",)) or {}
    )
    kind = said.get("allowedcustomprocessingsteptype") or 0
    return not api.function and (kind == ANY_STEP or (kind == ASYNCHRONOUS_STEP and mode == 1))


def _check_columns(table: Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in table.columns:
            raise fault("AttributeNotFound", name=name, table=table.logical_name)


# -- images ------------------------------------------------------------------------------------------------------
@hook("Create", "Update", stage=20, applies=_is(IMAGES))
def check_image(call: Call, change: Change) -> None:
    """Raises InvalidImage, InvalidImageType, InvalidMessageProperty, PostImageTooEarly, MissingRequired."""
    for column in ("sdkmessageprocessingstepid", "imagetype", "entityalias", "messagepropertyname"):
        if change.after(column) in (None, ""):
            raise fault("MissingRequired", column=column, table=IMAGES)
    step = _id(change.after("sdkmessageprocessingstepid"))
    row = call.unit.get(call.schema.tables[STEPS], step, ("sdkmessageid", "sdkmessagefilterid", "stage"))
    if row is None:
        raise fault("ObjectDoesNotExist", table=STEPS, id=step)
    of = Change(event="Update", table=call.schema.tables[STEPS], id=step, values={}, before=row)
    message, table = _message(call, of), _table(call, of)
    kind = change.after("imagetype")
    if kind not in (PRE, POST, BOTH):
        raise fault("InvalidImage", reason=f"there is no image type {kind}")
    if message == "Create" and kind != POST:
        raise fault("InvalidImageType", message=message, hint="There is no row before it is created.")
    if message == "Delete" and kind != PRE:
        raise fault("InvalidImageType", message=message, hint="There is no row after it is deleted.")
    if kind != PRE and row["stage"] != DONE:
        raise fault("PostImageTooEarly", hint="There is no row as it will be before the stage 40.")
    if change.after("messagepropertyname") != PICTURED.get(message, change.after("messagepropertyname")):
        name = str(change.after("messagepropertyname"))[:100]
        raise fault("InvalidMessageProperty", name=name, message=message, hint=f"It is {PICTURED[message]}.")
    if table is not None:
        _check_columns(call.schema.tables[table], _names(change.after("attributes")))
    known = call.unit.find(change.table, {"sdkmessageprocessingstepid": Ref(STEPS, step)}, MAX_IMAGES + 1)
    if len(known) >= MAX_IMAGES and change.event == "Create":
        raise fault("InvalidImage", reason=f"the step has {MAX_IMAGES} of them already")


@hook("Create", "Update", stage=20, applies=_is(DELIVERIES))
def keep_deliveries(call: Call, change: Change) -> None:
    """What endpoints were told is written by the product alone; raises NotSupported."""
    if not call.caller.system:
        raise fault("NotSupported", feature="A delivery that was not made")


# -- what they define --------------------------------------------------------------------------------------------
@hook("Create", "Update", "Delete", stage=40, applies=lambda table: table.logical_name in (STEPS, IMAGES))
def define_step(call: Call, change: Change) -> None:
    """What the rows say now is the step from now on."""
    id = change.id if change.table.logical_name == STEPS else _id(change.after("sdkmessageprocessingstepid"))
    table = call.schema.tables[STEPS]
    row = call.unit.get(table, id)
    if row is None or row["statecode"] != ENABLED:
        if id in call.schema.steps:
            call.replace_schema(call.schema.evolve(steps={id: None}))
        return
    of = Change(event="Update", table=table, id=id, values={}, before=row)
    user = row["impersonatinguserid"]
    step = Step(
        id=id,
        name=row["name"] or "",
        message=_message(call, of),
        stage=row["stage"],
        table=_table(call, of),
        asynchronous=bool(row["mode"]),
        rank=row["rank"],
        filtering=_names(row["filteringattributes"]),
        images=_images(call, id),
        endpoint=_id(row["eventhandler"]),
        user=_id(user) or None,
        forgets=bool(row["asyncautodelete"]),
    )
    if call.schema.steps.get(id) != step:
        call.replace_schema(call.schema.evolve(steps={id: step}))


def _images(call: Call, step: str) -> tuple[Image, ...]:
    table = call.schema.tables[IMAGES]
    found = call.unit.find(table, {"sdkmessageprocessingstepid": Ref(STEPS, step)}, MAX_IMAGES)
    rows = ((id, call.unit.get(table, id) or {}) for id in sorted(found))
    return tuple(
        Image(
            id=id,
            alias=row["entityalias"],
            before=row["imagetype"] in (PRE, BOTH),
            after=row["imagetype"] in (POST, BOTH),
            columns=_names(row["attributes"]),
        )
        for id, row in rows
    )
