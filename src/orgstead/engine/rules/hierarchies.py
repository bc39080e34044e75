"""Rows below rows: no row comes to stand below itself, and what hangs on a row changes hands with it.

https://learn.microsoft.com/power-apps/developer/data-platform/configure-entity-relationship-cascading-behavior
"""

from collections.abc import Iterator, Mapping

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.messages import Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import OneToMany, Table

__all__ = ["hand_over", "refuse_loops"]

MAX_LEVELS = 1000
# Rows that change hands with one other through one relationship.
MAX_HANDED_OVER = 10_000
# Lookups that make a hierarchy whether or not their relationships say so.
PARENTS: Mapping[str, str] = {
    "account": "parentaccountid",
    "businessunit": "parentbusinessunitid",
    "contact": "parentcustomerid",
    "incident": "parentcaseid",
    "subject": "parentsubject",
    "systemuser": "parentsystemuserid",
}


def _below_itself(table: Table) -> bool:
    return any(table.logical_name in column.targets for column in table.columns.values())


@hook("Update", stage=20, applies=_below_itself)
def refuse_loops(call: Call, change: Change) -> None:
    """Raises AccountLoop, ContactLoop… when a row would stand below itself."""
    table = change.table.logical_name
    own = PARENTS.get(table)
    for name, value in change.values.items():
        if not isinstance(value, Ref) or value.table != table:
            continue
        rel = call.schema.lookup_relationship(table, name, table)
        if name == own or (rel is not None and rel.hierarchical):
            _walk_up(call, change, name, value)


def _walk_up(call: Call, change: Change, name: str, above: Ref | None) -> None:
    for _ in range(MAX_LEVELS):
        if above is None or above.table != change.table.logical_name:
            return
        if above.id == change.id:
            raise _loop(change.table.logical_name if PARENTS.get(change.table.logical_name) == name else "")
        above = (call.unit.get(change.table, above.id, (name,)) or {}).get(name)
    raise fault("TooDeep", limit=MAX_LEVELS)


def _loop(table: str) -> Fault:
    """What a loop through a table's own hierarchy is called."""
    match table:
        case "account":
            return fault("AccountLoop")
        case "businessunit":
            return fault("BusinessUnitLoop")
        case "contact":
            return fault("ContactLoop")
        case "subject":
            return fault("SubjectLoop")
        case "systemuser":
            return fault("UserLoop")
    return fault("RowLoop")


@hook("Update", stage=40, applies=lambda table: table.user_owned)
def hand_over(call: Call, change: Change) -> None:
    """A row that gets another owner takes those along that its relationships say."""
    owner, before = change.values.get("ownerid"), change.before.get("ownerid")
    if not isinstance(owner, Ref) or owner == before:
        return
    ref = Ref(change.table.logical_name, change.id)
    for rel in call.schema.referenced.get(change.table.logical_name, ()):
        for other in _handed_over(call, rel, ref, before, owner):
            call.follow(Update(ref=other, record=Record(table=other.table, values={"ownerid": owner})))


def _handed_over(call: Call, rel: OneToMany, ref: Ref, before: Ref | None, owner: Ref) -> Iterator[Ref]:
    table = call.schema.tables[rel.referencing]
    column = table.columns[rel.referencing_attribute]
    if rel.cascade.assign in ("NoCascade", "RemoveLink") or not (table.user_owned and column.stored):
        return
    ids = call.unit.find(table, {column.name: ref if column.is_lookup else ref.id}, MAX_HANDED_OVER + 1)
    if len(ids) > MAX_HANDED_OVER:
        raise fault("TooManyRows", limit=MAX_HANDED_OVER)
    for id in ids:
        row = call.unit.get(table, id, ("ownerid", *(("statecode",) if table.state_column else ())))
        if row is None or row["ownerid"] == owner:
            continue
        if rel.cascade.assign == "Active" and row.get("statecode") != 0:
            continue
        if rel.cascade.assign == "UserOwned" and row["ownerid"] != before:
            continue
        yield Ref(table.logical_name, id)
