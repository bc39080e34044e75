"""What every new or changed row gets without being told: defaults, who and when, owner.

https://learn.microsoft.com/power-apps/developer/data-platform/entity-metadata#standard-columns
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = ["fill_defaults", "fill_owner", "stamp_created", "stamp_modified", "stamp_organization"]


DEFAULTING = frozenset({"boolean", "choice", "managedproperty"})


def _any(table: Table) -> bool:
    return True


@lru_cache(maxsize=4096)
def _column_defaults(table: Table) -> Mapping[str, Any]:
    return {
        column.name: column.default if column.type == "choice" else bool(column.default)
        for column in table.stored
        if column.default is not None and column.type in DEFAULTING and column.default != -1
    }


@lru_cache(maxsize=4096)
def _lookups(table: Table, *names: str) -> tuple[str, ...]:
    """Those of the columns that are lookups of this table."""
    return tuple(name for name in names if name in table.columns and table.columns[name].is_lookup)


@hook("Create", stage=20, applies=_any, rank=-30, ahead=True)
def fill_defaults(call: Call, change: Change) -> None:
    """Yes/no and choice columns start with their default value."""
    change.values = {**_column_defaults(change.table), **change.values}


@hook("Create", stage=20, applies=lambda table: "createdon" in table.columns, rank=-20, ahead=True)
def stamp_created(call: Call, change: Change) -> None:
    """Created and modified by the caller now; ``overriddencreatedon`` moves the creation into the past."""
    values, columns, me = change.values, change.table.columns, Ref("systemuser", call.caller.user_id)
    backdated = values.get("overriddencreatedon")
    values["createdon"] = backdated or call.now
    if backdated:
        values["overriddencreatedon"] = call.now
    values["modifiedon"] = call.now
    for name in _lookups(change.table, "createdby", "modifiedby"):
        values[name] = me
    if call.caller.initiating_user_id is not None:
        for name in _lookups(change.table, "createdonbehalfby", "modifiedonbehalfby"):
            values[name] = Ref("systemuser", call.caller.initiating_user_id)
    if "administratorid" in columns:
        values.setdefault("administratorid", me)


@hook("Create", stage=20, applies=lambda table: "organizationid" in table.columns, rank=-20, ahead=True)
def stamp_organization(call: Call, change: Change) -> None:
    """Rows of the organisation say which one it is."""
    column = change.table.columns["organizationid"]
    if change.table.logical_name != "organization" and column.stored:
        id = call.caller.organization_id
        change.values["organizationid"] = Ref("organization", id) if column.is_lookup else id


@hook("Update", stage=20, applies=lambda table: "modifiedon" in table.columns, rank=-20, ahead=True)
def stamp_modified(call: Call, change: Change) -> None:
    """Modified by the caller now."""
    change.values["modifiedon"] = call.now
    column = change.table.columns.get("modifiedby")
    if column is not None and column.is_lookup:
        change.values["modifiedby"] = Ref("systemuser", call.caller.user_id)
    column = change.table.columns.get("modifiedonbehalfby")
    if column is not None and column.is_lookup:
        other = call.caller.initiating_user_id
        change.values["modifiedonbehalfby"] = None if other is None else Ref("systemuser", other)


@hook("Create", "Update", stage=20, applies=lambda table: table.user_owned, rank=-10, ahead=True)
def fill_owner(call: Call, change: Change) -> None:
    """The caller owns what nobody else does; the owning columns follow the owner."""
    values, columns = change.values, change.table.columns
    if change.event == "Create":
        if values.get("ownerid") is None:
            values["ownerid"] = Ref("systemuser", call.caller.user_id)
    elif values.get("ownerid") is None:
        values.pop("ownerid", None)
        return
    owner: Ref = values["ownerid"]
    user = owner.table == "systemuser"
    if "owninguser" in columns:
        values["owninguser"] = owner if user else None
    if "owningteam" in columns:
        values["owningteam"] = None if user else owner
    if "owningbusinessunit" in columns:
        if owner.id == call.caller.user_id:
            values["owningbusinessunit"] = Ref("businessunit", call.caller.business_unit_id)
        else:
            row = call.unit.get(call.schema.tables[owner.table], owner.id, ("businessunitid",))
            values["owningbusinessunit"] = row["businessunitid"] if row else None
