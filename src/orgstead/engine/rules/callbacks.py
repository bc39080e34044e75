"""Rows of callbackregistration become steps: each tells a URL of the rows of one table, on behalf of its owner.

https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/callbackregistration
https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
"""

from typing import Any

from orgstead.engine.callbacks import CALLBACKS, FLOW_OWNER, ORGANIZATION, UNSEEN, read_seen
from orgstead.engine.callers import ACT_ON_BEHALF
from orgstead.engine.context import Caller
from orgstead.engine.handlers.permits import principal_of
from orgstead.engine.hooks import UNSTEPPED, Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.endpoints import Endpoint
from orgstead.model.events import NOBODY
from orgstead.model.record import Ref
from orgstead.model.schema import Table
from orgstead.model.steps import DONE, Callback, Step
from orgstead.model.types import parse_datetime

__all__ = ["check_callback", "define_callback", "fill_callback"]

# Which messages each value of the column message is about.
MESSAGES = {
    1: ("Create",),
    2: ("Delete",),
    3: ("Update",),
    4: ("Create", "Update"),
    5: ("Create", "Delete"),
    6: ("Update", "Delete"),
    7: ("Create", "Update", "Delete"),
}
FIRST_VERSION = 1
# What one user may register: each is asked at every change of a row of its table.
MAX_PER_OWNER = 200
# Behind all other steps of its stage.
LAST = 2**31 - 1


def _callbacks(table: Table) -> bool:
    return table.logical_name == CALLBACKS


def _names(text: Any) -> tuple[str, ...]:
    return tuple(name for each in (text or "").split(",") if (name := each.strip().lower()))


@hook("Create", stage=20, applies=_callbacks)
def fill_callback(call: Call, change: Change) -> None:
    """What a registration says when it does not say otherwise: its name, its version, and to run as its owner."""
    defaults = {
        "name": f"Callback Registration Id: {change.id}",
        "version": FIRST_VERSION,
        "runas": FLOW_OWNER,
        "softdeletestatus": 0,
    }
    for name, value in defaults.items():
        if change.after(name) is None:
            change.values[name] = value


@hook("Create", "Update", stage=20, applies=_callbacks, rank=2)
def check_callback(call: Call, change: Change) -> None:
    """Raises MissingRequired, InvalidCallback, InvalidEndpoint, TableNotFound, AttributeNotFound, NotSupported,
    PrivilegeDenied, AccessDenied and the faults of the filter for a registration that could not be called back."""
    owner = _check_owner(call, change)
    if change.after("sdkmessagename"):
        raise fault("NotSupported", feature="A callback registration for an action (sdkmessagename)")
    for column in ("entityname", "message", "scope", "version", "runas", "url"):
        if change.after(column) in (None, ""):
            raise fault("MissingRequired", column=column, table=CALLBACKS)
    table = _table(call, change)
    if change.after("scope") != ORGANIZATION and not table.user_owned:
        raise fault("InvalidCallback", reason=f"rows of {table.logical_name} have no owner: its scope is 4")
    for name in _names(change.after("filteringattributes")):
        if name not in table.columns:
            raise fault("AttributeNotFound", name=name[:100], table=table.logical_name)
    if change.after("runas") != FLOW_OWNER and not (
        owner.administrator or ACT_ON_BEHALF in owner.rights.reach
    ):
        raise fault("PrivilegeDenied", caller=owner.user_id, privilege=ACT_ON_BEHALF)
    _until(change.after("postponeuntil"))
    call.outside.check(Endpoint(id=change.id, name="", url=change.after("url"), authentication=None))
    _check_condition(call, owner, table, change.after("filterexpression") or "")
    if change.event == "Create":
        known = call.unit.find(change.table, {"ownerid": change.after("ownerid")}, MAX_PER_OWNER)
        if len(known) >= MAX_PER_OWNER:
            raise fault("InvalidCallback", reason=f"its owner has {MAX_PER_OWNER} of them already")


def _check_owner(call: Call, change: Change) -> Caller:
    """The owner, who alone says what is told, since it is what the owner may see; administrators may for others."""
    owner, caller = change.after("ownerid"), call.caller
    if not isinstance(owner, Ref) or owner.table != "systemuser":
        raise fault("InvalidCallback", reason="its owner is a user")
    found = principal_of(call, owner)
    if found is None:
        raise fault("OwnerInvalid")
    owners = {owner.id, change.before["ownerid"].id} if change.before.get("ownerid") else {owner.id}
    # Whoever acts for somebody else may see less than that user does.
    whole = caller.initiating_user_id is None or (
        found.rights == caller.rights and found.administrator == caller.administrator
    )
    if not caller.administrator and not (owners == {caller.user_id} and whole):
        raise fault("AccessDenied", caller=caller.user_id, right="Write", table=CALLBACKS, id=change.id)
    return found


def _table(call: Call, change: Change) -> Table:
    name = change.after("entityname")
    table = call.schema.tables.get(name)
    if table is None or table.is_private:
        raise fault("TableNotFound", name=name[:100])
    if name in UNSTEPPED or table.is_intersect:
        raise fault("InvalidCallback", reason=f"nobody is called back for rows of {name}")
    return table


def _until(text: str | None) -> str | None:
    """The canonical time that ``postponeuntil`` names; raises NotSupported for an expression that is no time."""
    if not text:
        return None
    try:
        return parse_datetime(text.strip()).strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise fault(
            "NotSupported", feature=f"To postpone until {text[:100]!r}, which is not a time,"
        ) from None


def _check_condition(call: Call, owner: Caller, table: Table, condition: str) -> None:
    try:
        read_seen(call, owner, table, NOBODY, condition)
    except Fault as error:
        if error.name not in UNSEEN - {"PrivilegeDenied"}:
            raise


@hook("Create", "Update", "Delete", stage=40, applies=_callbacks)
def define_callback(call: Call, change: Change) -> None:
    """What the row says now is what is told from now on."""
    row = call.unit.get(change.table, change.id)
    found = {} if row is None or row["softdeletestatus"] else _steps(change.id, row)
    steps: dict[str, Step | None] = {
        id: found.get(id)
        for message in MESSAGES[7]
        if call.schema.steps.get(id := _step_id(change.id, message)) != found.get(id)
    }
    if steps:
        call.replace_schema(call.schema.evolve(steps=steps))


def _step_id(registration: str, message: str) -> str:
    return f"{registration}:{message}"


def _steps(id: str, row: dict[str, Any]) -> dict[str, Step]:
    callback = Callback(
        owner=row["ownerid"].id,
        scope=row["scope"],
        condition=(row["filterexpression"] or "").strip(),
        run_as=row["runas"],
        until=_until(row["postponeuntil"]),
    )
    return {
        _step_id(id, message): Step(
            id=_step_id(id, message),
            name=row["name"],
            message=message,
            stage=DONE,
            table=row["entityname"],
            asynchronous=True,
            rank=LAST,
            filtering=_names(row["filteringattributes"]),
            endpoint=id,
            callback=callback,
        )
        for message in MESSAGES[row["message"]]
    }
