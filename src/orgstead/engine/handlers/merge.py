"""Merge: two rows that are the same thing become one.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/merge
https://learn.microsoft.com/power-apps/developer/data-platform/merge-records
"""

from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Associate, Parameter, Signature, Update
from orgstead.model.record import Record, Ref

__all__ = ["merge"]

MERGED = frozenset({"account", "contact", "lead", "incident"})
STATUS_MERGED = {"incident": (2, 2000)}
MANY = 5_000


@handles(
    "Merge",
    privilege="prvMerge",
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="Target", type="mscrm.crmbaseentity"),
            Parameter(name="Subordinate", type="mscrm.crmbaseentity"),
            Parameter(name="UpdateContent", type="mscrm.crmbaseentity", optional=True),
            Parameter(name="PerformParentingChecks", type="Edm.Boolean"),
        ),
    ),
)
def merge(call: Call) -> Any:
    """Take what hangs on the subordinate over to the target, and deactivate the subordinate.

    Raises InvalidArgument for rows that cannot be merged, InvalidState when one of them is not active.
    """
    target = named_row(call, call.parameters["Target"], "Target", *sorted(MERGED))
    other = named_row(call, call.parameters["Subordinate"], "Subordinate", target.table)
    if target == other:
        raise fault("InvalidArgument", message="A row is not merged with itself.")
    table = call.schema.tables[target.table]
    rows = {ref: stored_row(call, ref) for ref in (target, other)}
    for ref, row in rows.items():
        check_row(call, "Write", table, row)
        if row["statecode"] != 0 or row.get("merged"):
            raise fault("InvalidState", table=ref.table, id=ref.id, wanted="active")
    if call.parameters["PerformParentingChecks"]:
        parents = [rows[ref].get("parentaccountid") or rows[ref].get("parentcustomerid") for ref in rows]
        if parents[0] != parents[1]:
            raise fault("InvalidArgument", message="The rows that are merged have different parents.")
    content = call.parameters.get("UpdateContent")
    if isinstance(content, Record) and content.values:
        values = {name: value for name, value in content.values.items() if name != table.primary_id}
        call.send(Update(ref=target, record=Record(table=target.table, values=values)))
    _take_over(call, target, other)
    state, status = STATUS_MERGED.get(target.table, (1, None))
    ended: dict[str, Any] = {"statecode": state}
    if status is not None:
        ended["statuscode"] = status
    ended |= {
        name: value for name, value in (("masterid", target), ("merged", True)) if name in table.columns
    }
    call.send_as_system(Update(ref=other, record=Record(table=other.table, values=ended)))


def _take_over(call: Call, target: Ref, other: Ref) -> None:
    for rel in call.schema.referenced.get(target.table, ()):
        table = call.schema.tables[rel.referencing]
        column = table.columns[rel.referencing_attribute]
        if rel.cascade.merge != "Cascade" or not column.stored or not column.is_lookup or table.is_intersect:
            continue
        while ids := call.unit.find(table, {column.name: other}, MANY):
            for id in ids:
                # The target itself may have hung on the subordinate.
                new = None if Ref(table.logical_name, id) in (target, other) else target
                values = {column.name: new}
                call.send_as_system(
                    Update(
                        ref=Ref(table.logical_name, id),
                        record=Record(table=table.logical_name, values=values),
                    )
                )
    for many in call.schema.crossing.get(target.table, ()):
        if many.entity1 == many.entity2:
            continue
        table = call.schema.tables[many.intersect]
        near, far, kind = many.entity1_attribute, many.entity2_attribute, many.entity2
        if many.entity2 == target.table:
            near, far, kind = far, near, many.entity1
        mine = other if table.columns[near].is_lookup else other.id
        for id in call.unit.find(table, {near: mine}, MANY):
            tied = (call.unit.get(table, id, (far,)) or {}).get(far)
            end = tied if isinstance(tied, Ref) else Ref(kind, str(tied))
            call.send_as_system(Associate(ref=target, relationship=many.schema_name, related=end))
