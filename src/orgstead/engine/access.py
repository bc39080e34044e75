"""Who may do what: ``check`` for one message, ``restrict`` for sets. Both deny unless something allows.

First the privilege, which some role of the caller must hold; then the row, which must be within its reach: owned by
the caller or one of the caller's teams, in a business unit that the privilege extends to, or shared.

https://learn.microsoft.com/power-platform/admin/how-record-access-determined
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from orgstead.engine.callers import among
from orgstead.engine.context import Caller
from orgstead.engine.ports import UnitOfWork
from orgstead.engine.registry import OPEN
from orgstead.errors import Fault, fault
from orgstead.model.plan import AllOf, AnyOf, Bits, Col, OneOf, Param, Related, Source, Test, Verdict, Within
from orgstead.model.privileges import ACCESS, DEPENDENT, UNGUARDED, privilege_name
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema, Table

__all__ = [
    "Asking",
    "check_message",
    "check_row",
    "check_table",
    "may",
    "restrict",
    "shared_rights",
    "unrestricted_units",
]

SHARES = "principalobjectaccess"
# Rows whose access is that of the row they are part of, and the lookup that leads there.
PARTS: Mapping[str, str] = {
    "activityparty": "activityid",
    "customeraddress": "parentid",
    "fileattachment": "objectid",
    "invoicedetail": "invoiceid",
    "opportunityproduct": "opportunityid",
    "queueitem": "queueid",
    "quotedetail": "quoteid",
    "salesorderdetail": "salesorderid",
}


class Asking(Protocol):
    """What checking needs of a run."""

    @property
    def caller(self) -> Caller:
        """On whose behalf this runs."""

    @property
    def schema(self) -> Schema:
        """The schema of this run."""

    @property
    def unit(self) -> UnitOfWork:
        """The transaction."""


def check_message(caller: Caller, name: str, privilege: str) -> None:
    """Deny unless the caller holds the privilege that the message ``name`` declares."""
    if not privilege:
        raise fault("PrivilegeDenied", caller=caller.user_id, privilege=f"none is declared for {name}")
    if privilege != OPEN:
        _deny_unless(caller, privilege)
    elif not caller.enabled:
        raise fault("UserDisabled", user=caller.user_id)


def _deny_unless(caller: Caller, privilege: str) -> None:
    if not caller.enabled:
        raise fault("UserDisabled", user=caller.user_id)
    if not caller.administrator and privilege not in caller.rights.reach:
        raise fault("PrivilegeDenied", caller=caller.user_id, privilege=privilege)


def check_table(call: Asking, right: str, table: Table) -> None:
    """Deny unless the caller holds ``right`` on some rows of a table; raises PrivilegeDenied, UserDisabled."""
    caller = call.caller
    if table.is_private and not caller.system:
        # Nobody is told that the product has such a table.
        raise fault("TableNotFound", name=table.logical_name)
    if caller.administrator and caller.enabled:
        return
    if (
        caller.enabled
        and right == "Read"
        and (table.is_intersect or table.logical_name in UNGUARDED | DEPENDENT)
    ):
        # Which of its rows are seen depends on what they tie.
        return
    if table.is_intersect:
        for end in _ends(table, call.schema):
            check_table(call, "Append", end)
        return
    _deny_unless(caller, privilege_name(table, right, call.schema))


def check_row(call: Asking, right: str, table: Table, row: Mapping[str, Any]) -> None:
    """Deny unless the caller holds ``right`` on a row, given by its stored values.

    Raises PrivilegeDenied, AccessDenied, UserDisabled.
    """
    check_table(call, right, table)
    if not may(call, right, table, row):
        raise fault(
            "AccessDenied",
            caller=call.caller.user_id,
            right=right,
            table=table.logical_name,
            id=row.get(table.primary_id, ""),
        )


def may(call: Asking, right: str, table: Table, row: Mapping[str, Any]) -> bool:
    """Whether a row is within reach of the privilege that the caller needs for it."""
    caller = call.caller
    if caller.administrator or table.is_intersect or table.logical_name in UNGUARDED:
        return True
    part_of = PARTS.get(table.logical_name)
    if part_of is not None:
        whole = row.get(part_of)
        return whole is None or _may_whole(call, right, whole)
    privilege = privilege_name(table, right, call.schema)
    reach = caller.rights.reach.get(privilege, frozenset())
    if privilege not in caller.rights.reach:
        return False
    if reach is None or table.ownership not in ("UserOwned", "BusinessOwned"):
        return True
    owner, unit = row.get("ownerid"), row.get("owningbusinessunit") or row.get("businessunitid")
    mine = owner.id if isinstance(owner, Ref) else row.get(table.primary_id)
    if mine in caller.rights.principals:
        return True
    if (unit.id if isinstance(unit, Ref) else unit) in reach:
        return True
    id = row.get(table.primary_id)
    return id is not None and bool(shared_rights(call, id, caller.rights.principals) & ACCESS[right])


def _may_whole(call: Asking, right: str, whole: Ref) -> bool:
    table = call.schema.tables.get(whole.table)
    row = call.unit.get(table, whole.id) if table is not None else None
    if table is None or row is None:
        return True
    return may(call, _of_whole(right), table, row)


def _of_whole(right: str) -> str:
    """To change a part is to change the whole."""
    return "Read" if right == "Read" else "Write"


def unrestricted_units(call: Asking, table: Table) -> frozenset[str] | None:
    """The business units whose rows of a table the caller reads without owning them; None for all rows."""
    if call.caller.administrator or table.ownership not in ("UserOwned", "BusinessOwned"):
        return None
    return call.caller.rights.reach.get(privilege_name(table, "Read", call.schema), frozenset())


def shared_rights(call: Asking, id: str, principals: tuple[str, ...]) -> int:
    """The rights on a row that have been given to any of the principals, as a mask."""
    table = call.schema.tables[SHARES]
    plan = among(table, "objectid", "principalid", "accessrightsmask", "inheritedaccessrightsmask")
    mask = 0
    for principal, own, inherited in call.unit.fetch(plan, [(id,)]):
        if principal in principals:
            mask |= (own or 0) | (inherited or 0)
    return mask


def restrict(call: Asking, source: Source, param: Callable[..., Param]) -> Verdict | None:
    """What the caller may see of ``source``: None for everything; raises PrivilegeDenied for nothing at all."""
    check_table(call, "Read", source.table)
    return None if call.caller.administrator else _visible(call, source, param)


def _visible(call: Asking, source: Source, param: Callable[..., Param]) -> Verdict | None:
    table, caller, schema = source.table, call.caller, call.schema
    if table.is_intersect:
        return _both_ends(call, source, param)
    if table.logical_name in UNGUARDED:
        return None
    if table.logical_name in PARTS:
        lookup = table.columns[PARTS[table.logical_name]]
        return _whole_visible(call, source, lookup, param)
    privilege = privilege_name(table, "Read", schema)
    if privilege not in caller.rights.reach:
        return AnyOf(())
    units = caller.rights.reach[privilege]
    if units is None or table.ownership not in ("UserOwned", "BusinessOwned"):
        return None
    key = Col(source.alias, table.columns[table.primary_id])
    mine = Col(source.alias, table.columns["ownerid"]) if table.user_owned else key
    ways: list[Verdict] = [OneOf(mine, param(caller.rights.principals, mine.column, many=True))]
    unit = _unit_column(table)
    if units and unit is not None:
        ways.append(OneOf(Col(source.alias, unit), param(tuple(sorted(units)), unit, many=True)))
    if table.user_owned:
        ways.append(_shared(call, source, key, param))
    return AnyOf(tuple(ways))


def _unit_column(table: Table) -> Column | None:
    """The column that says to which business unit a row belongs."""
    for name in ("owningbusinessunit", "businessunitid"):
        column = table.columns.get(name)
        if column is not None and column.stored:
            return column
    return None


def _shared(call: Asking, source: Source, key: Col, param: Callable[..., Param]) -> Verdict:
    table = call.schema.tables[SHARES]
    shares = Source(f"{source.alias}_shares", table)
    given, inherited, principal, object_ = (
        Col(shares.alias, table.columns[name])
        for name in ("accessrightsmask", "inheritedaccessrightsmask", "principalid", "objectid")
    )
    bit = param(ACCESS["Read"])
    return Within(
        key,
        object_,
        shares,
        (
            OneOf(principal, param(call.caller.rights.principals, principal.column, many=True)),
            AnyOf((Bits(given, bit), Bits(inherited, bit))),
        ),
    )


def _whole_visible(call: Asking, source: Source, lookup: Column, param: Callable[..., Param]) -> Verdict:
    """A part is seen when its whole is; one without a whole is seen by whoever holds the privilege."""
    here = Col(source.alias, lookup)
    ways: list[Verdict] = []
    for place, name in enumerate(_wholes(lookup, call.schema)):
        table = call.schema.tables[name]
        try:
            check_table(call, "Read", table)
        except Fault:
            continue
        whole = Source(f"{source.alias}_whole{place}", table)
        on: list[Verdict] = [Test("eq", Col(whole.alias, table.columns[table.primary_id]), here)]
        seen = _visible(call, whole, param)
        ways.append(Related(whole, tuple(on if seen is None else (*on, seen))))
    return AnyOf(tuple(ways))


def _wholes(lookup: Column, schema: Schema) -> tuple[str, ...]:
    """The tables that a part's lookup leads to; activities of every kind are found in one."""
    targets = [schema.tables[name] for name in lookup.targets if name in schema.tables]
    activities = any(table.is_activity for table in targets)
    names = dict.fromkeys(table.logical_name for table in targets if not table.is_activity)
    return (*names, *(("activitypointer",) if activities else ()))


def _both_ends(call: Asking, source: Source, param: Callable[..., Param]) -> Verdict | None:
    """A tie is seen by whoever sees what it ties."""
    seen: list[Verdict] = []
    for rel in call.schema.many_to_many.values():
        if rel.intersect != source.table.logical_name:
            continue
        ways: list[Verdict] = []
        for entity, attribute in ((rel.entity1, rel.entity1_attribute), (rel.entity2, rel.entity2_attribute)):
            table = call.schema.tables[entity]
            end = Source(f"{source.alias}_end{len(seen)}{len(ways)}", table)
            on: list[Verdict] = [
                Test(
                    "eq",
                    Col(end.alias, table.columns[table.primary_id]),
                    Col(source.alias, source.table.columns[attribute]),
                )
            ]
            allowed = _visible(call, end, param)
            ways.append(Related(end, tuple(on if allowed is None else (*on, allowed))))
        seen.append(AllOf(tuple(ways)))
    return AnyOf(tuple(seen)) if seen else None


def _ends(table: Table, schema: Schema) -> list[Table]:
    return [
        schema.tables[end]
        for rel in schema.many_to_many.values()
        if rel.intersect == table.logical_name
        for end in (rel.entity1, rel.entity2)
    ]
