"""Rows of custom APIs become definitions, which every protocol reads.

https://learn.microsoft.com/power-apps/developer/data-platform/custom-api-tables
"""

import re
from typing import Any

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.apis import ENTITIES
from orgstead.model.messages import Create, Delete
from orgstead.model.record import Record, Ref
from orgstead.model.schema import ApiValue, CustomApi, Table

__all__ = ["announce_api", "check_api", "check_part", "define_api"]

API = "customapi"
MESSAGES, FILTERS = "sdkmessage", "sdkmessagefilter"
PARAMETERS, PROPERTIES = "customapirequestparameter", "customapiresponseproperty"
GLOBAL, ENTITY, COLLECTION = range(3)
MAX_PARTS = 100
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,7}_[A-Za-z0-9_]{1,119}")
_PART_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


def _refused(name: Any, reason: str) -> Exception:
    return fault("InvalidDefinition", what=f"the custom API {name}", reason=reason)


@hook("Create", "Update", stage=20, applies=lambda table: table.logical_name == API)
def check_api(call: Call, change: Change) -> None:
    """Raises InvalidDefinition for a custom API that nobody could call."""
    name = change.after("uniquename")
    if change.event == "Create":
        if not isinstance(name, str) or not _API_NAME.fullmatch(name):
            raise _refused(name, "its unique name is a publisher's prefix, an underscore and a name")
        if any(known.lower() == name.lower() for known in call.schema.apis):
            raise fault("DuplicateRecord")
        change.values.setdefault("bindingtype", GLOBAL)
    bound = change.after("boundentitylogicalname")
    binding = change.after("bindingtype")
    if (binding == GLOBAL) != (bound is None):
        raise _refused(name, "a bound one names its table, a global one none")
    if bound is not None and (bound not in call.schema.tables or call.schema.tables[bound].is_private):
        raise _refused(name, f"there is no table {bound}")


@hook("Create", stage=20, applies=lambda table: table.logical_name in (PARAMETERS, PROPERTIES))
def check_part(call: Call, change: Change) -> None:
    """Raises InvalidDefinition for a parameter or a property that no call could have."""
    name, api = change.after("uniquename"), change.after("customapiid")
    if not isinstance(api, Ref):
        raise fault("MissingRequired", column="customapiid", table=change.table.logical_name)
    if not isinstance(name, str) or not _PART_NAME.fullmatch(name):
        raise _refused(name, "a unique name is made of letters, digits and underscores")
    there = call.unit.find(change.table, {"customapiid": api}, MAX_PARTS + 1)
    if len(there) >= MAX_PARTS:
        raise _refused(name, f"it has {MAX_PARTS} of these already")
    if call.unit.find(change.table, {"customapiid": api, "uniquename": name}, 1):
        raise fault("DuplicateRecord")
    if change.after("type") is None:
        raise fault("MissingRequired", column="type", table=change.table.logical_name)
    table = change.after("logicalentityname")
    if table is not None and table not in call.schema.tables:
        raise _refused(name, f"there is no table {table}")
    function = (call.unit.get(call.schema.tables[API], api.id, ("isfunction",)) or {}).get("isfunction")
    if function and change.table.logical_name == PARAMETERS and change.after("type") == ENTITIES:
        raise _refused(name, "a function has no parameter of many rows")


@hook(
    "Create", "Update", "Delete", stage=40, applies=lambda table: table.logical_name in (API, PARAMETERS, PROPERTIES)
)  # fmt: skip
def define_api(call: Call, change: Change) -> None:
    """What the rows say now is the definition from now on."""
    own = change.table.logical_name == API
    owner = change.after("customapiid")
    id = change.id if own else owner.id if isinstance(owner, Ref) else None
    row = call.unit.get(call.schema.tables[API], id) if id is not None else None
    if id is None or row is None:
        known = next((api.name for api in call.schema.apis.values() if api.metadata_id == id), None)
        if known is not None:
            call.replace_schema(call.schema.evolve(apis={known: None}))
        return
    api = CustomApi(
        name=row["uniquename"],
        metadata_id=id,
        function=bool(row["isfunction"]),
        bound=row["boundentitylogicalname"],
        collection=row["bindingtype"] == COLLECTION,
        private=bool(row["isprivate"]),
        privilege=row["executeprivilegename"] or None,
        parameters=_parts(call, call.schema.tables[PARAMETERS], id),
        returns=_parts(call, call.schema.tables[PROPERTIES], id),
    )
    if call.schema.apis.get(api.name) != api:
        call.replace_schema(call.schema.evolve(apis={api.name: api}))


@hook("Create", "Delete", stage=40, applies=lambda table: table.logical_name == API)
def announce_api(call: Call, change: Change) -> None:
    """A custom API is a message, which one registers steps for."""
    messages, filters = call.schema.tables.get(MESSAGES), call.schema.tables.get(FILTERS)
    if messages is None or filters is None:
        return
    name, table = change.after("uniquename"), change.after("boundentitylogicalname")
    if change.event == "Create":
        values = {"name": name, "isprivate": bool(change.after("isprivate"))}
        made = call.send_as_system(Create(record=Record(table=MESSAGES, values=values)))
        if table is not None:
            values = {
                "primaryobjecttypecode": table,
                "iscustomprocessingstepallowed": bool(change.after("allowedcustomprocessingsteptype")),
                "sdkmessageid": made.ref,
            }
            call.send_as_system(Create(record=Record(table=FILTERS, values=values)))
        return
    for id in call.unit.find(messages, {"name": name}, 1):
        for each in call.unit.find(filters, {"sdkmessageid": Ref(MESSAGES, id)}, MAX_PARTS):
            call.send_as_system(Delete(ref=Ref(FILTERS, each)))
        call.send_as_system(Delete(ref=Ref(MESSAGES, id)))


def _parts(call: Call, table: Table, id: str) -> tuple[ApiValue, ...]:
    rows = [
        call.unit.get(table, each) or {}
        for each in call.unit.find(table, {"customapiid": Ref(API, id)}, MAX_PARTS)
    ]
    parts = (
        ApiValue(
            name=row["uniquename"],
            type=row["type"],
            table=row["logicalentityname"] or None,
            optional=bool(row.get("isoptional")),
        )
        for row in rows
    )
    return tuple(sorted(parts, key=lambda part: part.name))
