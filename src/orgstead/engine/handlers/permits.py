"""What writing a row needs beside the privilege itself: rights on what it is tied to, and an owner who may have it.

https://learn.microsoft.com/power-apps/developer/data-platform/security-sharing-assigning
https://learn.microsoft.com/power-platform/admin/how-record-access-determined
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import Asking, check_message, check_row
from orgstead.engine.callers import load_caller, load_team
from orgstead.engine.context import Caller
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.privileges import privilege_name
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = ["permit_create", "permit_tie", "permit_update", "principal_of", "ties"]

OVERRIDE = "prvOverrideCreatedOnCreatedBy"
PRINCIPALS = frozenset({"systemuser", "team"})


def ties(table: Table, values: Mapping[str, Any]) -> dict[str, Ref]:
    """The lookups that a message itself sets, the owner apart."""
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, Ref) and table.columns[name].type != "owner"
    }


def permit_create(call: Call, table: Table, row: Mapping[str, Any], tied: Mapping[str, Ref]) -> None:
    """Deny a new row that the caller may not make like this. Raises PrivilegeDenied, AccessDenied, OwnerInvalid."""
    if not call.caller.administrator:
        check_row(call, "Create", table, row)
        if row.get("overriddencreatedon") is not None:
            check_message(call.caller, "Create", OVERRIDE)
        permit_ties(call, table, row, tied)
    if table.user_owned:
        _permit_owner(call, table, row.get("ownerid"))


def permit_update(
    call: Call, table: Table, stored: Mapping[str, Any], values: Mapping[str, Any], tied: Mapping[str, Ref]
) -> None:
    """Deny a change that the caller may not make. Raises as ``permit_create`` does."""
    owner = values.get("ownerid")
    handed_over = table.user_owned and isinstance(owner, Ref) and owner != stored.get("ownerid")
    if not call.caller.administrator:
        if not handed_over or len(values) > 1:
            check_row(call, "Write", table, stored)
        if handed_over:
            check_row(call, "Assign", table, stored)
        permit_ties(call, table, stored, {n: ref for n, ref in tied.items() if ref != stored.get(n)})
    if handed_over:
        _permit_owner(call, table, owner)


def permit_ties(call: Call, table: Table, row: Mapping[str, Any], tied: Mapping[str, Ref]) -> None:
    """Deny lookups unless the row may be appended, and appended to what they point at."""
    if tied:
        check_row(call, "Append", table, row)
    for ref in tied.values():
        permit_tie(call, "AppendTo", ref)


def permit_tie(call: Asking, right: str, ref: Ref) -> None:
    """Deny unless the caller holds ``right`` on a row that a relationship ties; raises ObjectDoesNotExist."""
    table = call.schema.tables.get(ref.table)
    if table is None or call.caller.administrator:
        return
    row = call.unit.get(table, ref.id)
    if row is None:
        raise fault("ObjectDoesNotExist", table=ref.table, id=ref.id)
    check_row(call, right, table, row)


def _permit_owner(call: Call, table: Table, owner: Any) -> None:
    """Deny an owner who could not even read the row."""
    if not isinstance(owner, Ref) or call.caller.system or owner.id == call.caller.user_id:
        return
    principal = principal_of(call, owner)
    if principal is None:
        raise fault("OwnerInvalid")
    if not principal.enabled:
        raise fault("UserDisabled", user=owner.id)
    privilege = privilege_name(table, "Read", call.schema)
    if not principal.administrator and privilege not in principal.rights.reach:
        raise fault("PrivilegeDenied", caller=owner.id, privilege=privilege)


def principal_of(call: Call, ref: Ref) -> Caller | None:
    """What a user or a team may do; None when it cannot own anything (no such row, an access team)."""
    if ref.id not in call.principals:
        load = load_caller if ref.table == "systemuser" else load_team
        found = load(call.unit, call.schema, user_id=ref.id) if ref.table in PRINCIPALS else None
        call.principals[ref.id] = found
    return call.principals[ref.id]
