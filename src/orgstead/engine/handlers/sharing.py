"""Shares of single rows: give, change and take them, and tell who may do what with a row.

https://learn.microsoft.com/power-apps/developer/data-platform/security-sharing-assigning
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/grantaccess
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveprincipalaccess
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orgstead.engine.access import SHARES, check_row, may
from orgstead.engine.callers import among
from orgstead.engine.handlers.permits import principal_of
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature
from orgstead.model.privileges import ACCESS, privilege_name
from orgstead.model.record import Ref
from orgstead.model.schema import Table

__all__ = [
    "grant_access", "modify_access", "retrieve_principal_access", "retrieve_shared_principals", "revoke_access",
]  # fmt: skip

PRINCIPALS = ("systemuser", "team")
# No row is shared with more.
MAX_SHARES = 10_000
_TARGET = Parameter(name="Target", type="mscrm.crmbaseentity")
_ACCESS = Parameter(name="PrincipalAccess", type="mscrm.PrincipalAccess")


@handles("GrantAccess", privilege=OPEN, signature=Signature(kind="action", parameters=(_TARGET, _ACCESS)))
def grant_access(call: Call) -> Any:
    """Give rights on a row to a user or a team, beside those that have been given before."""
    _give(call, replace=False)


@handles("ModifyAccess", privilege=OPEN, signature=Signature(kind="action", parameters=(_TARGET, _ACCESS)))
def modify_access(call: Call) -> Any:
    """Replace the rights that a user or a team has been given on a row."""
    _give(call, replace=True)


@handles(
    "RevokeAccess",
    privilege=OPEN,
    signature=Signature(
        kind="action", parameters=(_TARGET, Parameter(name="Revokee", type="mscrm.crmbaseentity"))
    ),
)
def revoke_access(call: Call) -> Any:
    """Take all rights back that a user or a team has been given on a row."""
    target, table = _target(call)
    revokee = named_row(call, call.parameters["Revokee"], "Revokee", *PRINCIPALS)
    check_row(call, "Share", table, stored_row(call, target))
    for ref, over in _with_shared(call, target, "unshare"):
        shares = call.schema.tables[SHARES]
        call.unit.delete(shares, call.unit.find(shares, {"objectid": ref.id, "principalid": revokee.id}))
        _touch(call, over, ref)


def _give(call: Call, *, replace: bool) -> None:
    target, table = _target(call)
    access = call.parameters["PrincipalAccess"]
    principal = named_row(call, access.get("Principal"), "PrincipalAccess.Principal", *PRINCIPALS)
    mask = _mask(access.get("AccessMask"))
    row = stored_row(call, target)
    check_row(call, "Share", table, row)
    if principal == row.get("ownerid"):
        raise fault("CannotShareWithOwner")
    stored_row(call, principal)
    _check_given(call, table, row, principal, mask)
    for ref, over in _with_shared(call, target, "share"):
        own = "accessrightsmask" if ref == target else "inheritedaccessrightsmask"
        _put(call, ref, principal, own, mask, replace=replace)
        _touch(call, over, ref)


def _check_given(call: Call, table: Table, row: Mapping[str, Any], principal: Ref, mask: int) -> None:
    """Nobody gives away what they have not got, nor what the other could never use."""
    other = principal_of(call, principal)
    for right, bit in ACCESS.items():
        if not mask & bit:
            continue
        check_row(call, right, table, row)
        privilege = privilege_name(table, right, call.schema)
        # An access team has no roles: its members bring their own.
        if other is not None and principal.table == "systemuser" and not other.administrator:
            if privilege not in other.rights.reach:
                raise fault("PrivilegeDenied", caller=principal.id, privilege=privilege)


def _put(call: Call, ref: Ref, principal: Ref, column: str, mask: int, *, replace: bool) -> None:
    shares = call.schema.tables[SHARES]
    found = call.unit.find(shares, {"objectid": ref.id, "principalid": principal.id}, 1)
    if found:
        before = call.unit.get(shares, found[0], (column,)) or {}
        rights = mask if replace else mask | (before.get(column) or 0)
        values = {column: rights, "changedon": call.now, "versionnumber": call.unit.next_version()}
        call.unit.update(shares, found[0], values)
        return
    row: dict[str, Any] = {
        shares.primary_id: call.new_id(),
        "objectid": ref.id,
        "objecttypecode": ref.table,
        "principalid": principal.id,
        "principaltypecode": principal.table,
        "accessrightsmask": 0,
        "inheritedaccessrightsmask": 0,
        "changedon": call.now,
        "versionnumber": call.unit.next_version(),
    }
    call.unit.insert(shares, [row | {column: mask}])


def _touch(call: Call, table: Table, ref: Ref) -> None:
    """Whoever follows the changes of a table sees what has newly come into view."""
    if "versionnumber" in table.columns:
        call.unit.update(table, ref.id, {"versionnumber": call.unit.next_version()})


def _with_shared(call: Call, target: Ref, what: str) -> Iterator[tuple[Ref, Table]]:
    """A row and the rows that its relationships share with it."""
    seen, waiting = {target.id}, [target]
    while waiting:
        ref = waiting.pop()
        yield ref, call.schema.tables[ref.table]
        for rel in call.schema.referenced.get(ref.table, ()):
            cascade = rel.cascade.share if what == "share" else rel.cascade.unshare
            table = call.schema.tables[rel.referencing]
            column = table.columns[rel.referencing_attribute]
            if cascade not in ("Cascade", "Active", "UserOwned") or not column.stored or not table.user_owned:
                continue
            for id in call.unit.find(table, {column.name: ref}, MAX_SHARES):
                below = Ref(table.logical_name, id)
                if id not in seen and _included(call, table, id, ref, cascade):
                    seen.add(id)
                    waiting.append(below)


def _included(call: Call, table: Table, id: str, above: Ref, cascade: str) -> bool:
    """Whether a cascade reaches a row: only active ones, only those of the same owner, or all."""
    if cascade == "Cascade":
        return True
    row = call.unit.get(table, id) or {}
    if cascade == "Active":
        state = table.state_column
        return state is None or row.get(state.name) == 0
    parent = call.unit.get(call.schema.tables[above.table], above.id, ("ownerid",)) or {}
    return bool(row.get("ownerid") == parent.get("ownerid"))


def _target(call: Call) -> tuple[Ref, Table]:
    target = named_row(call, call.parameters["Target"], "Target")
    table = call.schema.tables[target.table]
    if not table.user_owned:
        raise fault(
            "InvalidArgument", message=f"Rows of {table.logical_name} have no owner and are not shared."
        )
    return target, table


def _mask(text: Any) -> int:
    """Access rights as the wires write them: ``ReadAccess, WriteAccess``, or their number."""
    if isinstance(text, int) and not isinstance(text, bool):
        mask, rest = text, text & ~sum(ACCESS.values())
    elif isinstance(text, str):
        names = [name.strip().removesuffix("Access") for name in text.split(",")]
        wrong = [name for name in names if name not in ACCESS and name not in ("None", "")]
        mask, rest = sum({ACCESS[name] for name in names if name in ACCESS}), len(wrong)
    else:
        mask, rest = 0, 1
    if rest or not mask:
        raise fault("InvalidArgument", message="AccessMask must name access rights such as ReadAccess.")
    return mask


def _named(mask: int) -> str:
    return ", ".join(f"{right}Access" for right, bit in ACCESS.items() if mask & bit) or "None"


@handles(
    "RetrievePrincipalAccess",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(_TARGET,),
        returns=(Parameter(name="AccessRights", type="mscrm.AccessRights"),),
        bound=PRINCIPALS,
    ),
)
def retrieve_principal_access(call: Call) -> Any:
    """The rights that a user or a team has on a row, from roles, ownership and shares together."""
    target = named_row(call, call.parameters["Target"], "Target")
    table = call.schema.tables[target.table]
    row = stored_row(call, target)
    check_row(call, "Read", table, row)
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a row")
    stored_row(call, call.target)
    principal = principal_of(call, call.target)
    mask = 0
    if principal is not None and principal.enabled:
        asking = _As(call, principal)
        for right, bit in ACCESS.items():
            privilege = privilege_name(table, right, call.schema)
            held = principal.administrator or privilege in principal.rights.reach
            if held and may(asking, right, table, row):
                mask |= bit
    return {"AccessRights": _named(mask)}


class _As:
    """A run as somebody else sees it."""

    def __init__(self, call: Call, caller: Any) -> None:
        self.caller, self.schema, self.unit = caller, call.schema, call.unit


@handles(
    "RetrieveSharedPrincipalsAndAccess",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(_TARGET,),
        returns=(Parameter(name="PrincipalAccesses", type="Collection(mscrm.PrincipalAccess)"),),
    ),
)
def retrieve_shared_principals(call: Call) -> Any:
    """With whom a row is shared, and which rights each has been given."""
    target, table = _target(call)
    check_row(call, "Read", table, stored_row(call, target))
    plan = among(
        call.schema.tables[SHARES],
        "objectid",
        "principalid",
        "principaltypecode",
        "accessrightsmask",
        "inheritedaccessrightsmask",
    )
    found = call.unit.fetch(plan, [(target.id,)])
    return {
        "PrincipalAccesses": [
            {"AccessMask": _named((own or 0) | (inherited or 0)), "Principal": Ref(kind, id)}
            for id, kind, own, inherited in sorted(found, key=lambda row: str(row[0]))
            if (own or 0) | (inherited or 0)
        ]
    }
