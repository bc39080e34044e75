"""Segments: what a row of one has to be, when it goes live and stops, and that members follow what changes.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/extend-segments
"""

from typing import Any

from orgstead.engine.audience import MEMBERS, PERSON, SEGMENT
from orgstead.engine.handlers.segments import evaluate_soon, read_ids, seen
from orgstead.engine.hooks import Change, hook
from orgstead.engine.membership import EXCEPTIONS, audience, except_for, move, permitted
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.schema import Schema, Table
from orgstead.model.segments import STATIC, Segment

__all__ = [
    "check_segment", "define_segment", "drop_segment", "follow_contact", "follow_other_rows", "forget_contact",
    "guard_members",
]  # fmt: skip

DRAFT, LIVE, STOPPED, EDITABLE, EXPIRED, ERROR, GOING_LIVE, STOPPING = range(192350000, 192350008)
# https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/reference/entities/msdyncrm_segment
NEXT = {
    DRAFT: {GOING_LIVE, LIVE, EXPIRED},
    LIVE: {STOPPING, STOPPED, GOING_LIVE, EDITABLE, ERROR},
    STOPPED: {EXPIRED, GOING_LIVE},
    EDITABLE: {LIVE, ERROR, GOING_LIVE},
    EXPIRED: set(),
    ERROR: {GOING_LIVE, STOPPING},
    GOING_LIVE: {LIVE, ERROR},
    STOPPING: {STOPPED, ERROR},
}
FOLLOWING = frozenset({LIVE, EDITABLE, GOING_LIVE})
# Columns of one meaning, of which clients write the one or the other.
TWINS = (("msdyncrm_query", "msdyncrm_segmentquery"), ("msdyncrm_memberids", "msdyncrm_segmentmemberids"))
MAX_MEMBERS = 10_000
MAX_LIVE = 200
# What a live segment may say in columns that no evaluation looks at: organization-wide, active, in UTC.
PLAIN = {
    "msdyncrm_scope": (None, 270100000),
    "msdyncrm_segmentactivationstatus": (None, 192350000),
    "msdyncrm_segmentfilterquery": (None,),
    "msdyncrm_segmenttimezone": (None, 0),
}


def _is(name: str) -> Any:
    return lambda table: table.logical_name == name


def _refused(change: Change, reason: str) -> Fault:
    return fault("InvalidSegment", name=str(change.after("msdyncrm_segmentname"))[:100], reason=reason)


@hook("Create", "Update", stage=20, applies=_is(SEGMENT), rank=5)
def check_segment(call: Call, change: Change) -> None:
    """Raises InvalidSegment, InvalidSegmentQuery; the query of a draft may be anything."""
    values = change.values
    for one, other in TWINS:
        if values.get(one) is None and values.get(other) is not None:
            values[one] = values[other]
        elif one in values and (len(values[one] or "") <= 4000 or one != "msdyncrm_query"):
            values[other] = values[one]
    if change.event == "Create":
        values["msdyncrm_segmentqueryname"] = f"SEGMENT_CRM_ID_{change.id.replace('-', '')}"
        values["msdyncrm_islive"] = False
    old, new = change.before.get("statuscode"), change.after("statuscode")
    if change.event == "Create" and new not in (DRAFT, LIVE, GOING_LIVE, None):
        raise _refused(change, "a new segment is a draft, or goes live")
    if change.event == "Update" and "statuscode" in values and new != old and old in NEXT:
        if new not in NEXT[old]:
            raise _refused(change, f"its status cannot go from {old} to {new}")
    members = values.get("msdyncrm_memberids")
    if members is not None:
        read_ids(members, "msdyncrm_memberids")
    if new in (LIVE, GOING_LIVE, EDITABLE):
        _supported(change)
    if new in (LIVE, GOING_LIVE, EDITABLE) and change.after("msdyncrm_segmenttype") != STATIC:
        _checked(call, change)
    if new in (STOPPING, STOPPED):
        # There is nothing that takes time.
        values["statuscode"] = STOPPED


def _supported(change: Change) -> None:
    """Raises NotSupported for what would make other rows members than the query says."""
    for column, plain in PLAIN.items():
        if change.after(column) not in plain:
            raise fault("NotSupported", feature=f"{column} of a segment that goes live")


def _checked(call: Call, change: Change) -> None:
    text = change.after("msdyncrm_query")
    if not text:
        raise _refused(change, "a dynamic or compound segment needs a query")
    found = permitted(call, text)
    if change.id in found.sources or _leads_to(call, found.sources, change.id):
        raise _refused(change, "it is made of itself")


def _leads_to(call: Call, sources: frozenset[str], id: str) -> bool:
    known, open_ = set(sources), list(sources)
    while open_:
        segment = call.schema.segments.get(open_.pop())
        for source in segment.sources if segment is not None else ():
            if source == id:
                return True
            if source not in known:
                known.add(source)
                open_.append(source)
    return False


@hook("Create", "Update", stage=40, applies=_is(SEGMENT))
def define_segment(call: Call, change: Change) -> None:
    """A segment that goes live follows changes from now on and is evaluated; one that stops does not."""
    status, live = change.after("statuscode"), call.schema.segments.get(change.id)
    if change.values.get("msdyncrm_memberids") is not None:
        ids = read_ids(change.values["msdyncrm_memberids"], "msdyncrm_memberids")
        _replace_members(call, change.id, ids)
    if status not in FOLLOWING:
        if live is not None:
            _put(call, change.id, None)
            call.unit.update(change.table, change.id, {"msdyncrm_islive": False})
        return
    wanted = _definition(call, change)
    if wanted != live:
        if live is None and len(call.schema.segments) >= MAX_LIVE:
            raise fault("QueryTooComplex", limit=f"{MAX_LIVE} live segments")
        _put(call, change.id, wanted)
    began = change.event == "Create" or change.before.get("statuscode") not in (LIVE, GOING_LIVE)
    if began or wanted != live or "msdyncrm_memberids" in change.values or status == GOING_LIVE:
        evaluate_soon(call, change.id, name=wanted.name)


def _definition(call: Call, change: Change) -> Segment:
    kind, text = change.after("msdyncrm_segmenttype"), change.after("msdyncrm_query") or ""
    found = None if kind == STATIC else audience(call, text)
    return Segment(
        id=change.id,
        name=change.after("msdyncrm_segmentname") or "",
        query_name=f"SEGMENT_CRM_ID_{change.id.replace('-', '')}",
        kind=kind,
        text="" if found is None else text,
        columns=() if found is None else tuple(sorted(found.columns)),
        tables=() if found is None else tuple(sorted(found.tables)),
        sources=() if found is None else tuple(sorted(found.sources)),
        timed=found is not None and found.timed,
    )


def _put(call: Call, id: str, segment: Segment | None) -> None:
    call.replace_schema(call.schema.evolve(segments={id: segment}))


def _replace_members(call: Call, segment: str, ids: list[str]) -> None:
    """The members of a static segment are those that are named, whoever they were."""
    table = call.schema.tables[EXCEPTIONS]
    while old := call.unit.find(table, {"msdyncrm_segmentid": segment, "removed": False}, MAX_MEMBERS):
        call.unit.delete(table, old)
    for batch in seen(call, ids):
        except_for(call, segment, batch, removed=False)


@hook("Delete", stage=20, applies=_is(SEGMENT))
def drop_segment(call: Call, change: Change) -> None:
    """A deleted segment leaves nothing behind; raises ComponentInUse while a live one is made of it."""
    using = sum(change.id in segment.sources for segment in call.schema.segments.values())
    if using:
        raise fault("ComponentInUse", kind="Segment", id=change.id, count=using)
    for name in (MEMBERS, EXCEPTIONS):
        table = call.schema.tables[name]
        while ids := call.unit.find(table, {"msdyncrm_segmentid": change.id}, MAX_MEMBERS):
            call.unit.delete(table, ids)
    if change.id in call.schema.segments:
        _put(call, change.id, None)


# -- what changes ---------------------------------------------------------------------------------------------------
@hook("Create", "Update", stage=40, applies=_is(PERSON), rank=50)
def follow_contact(call: Call, change: Change) -> None:
    """A contact joins and leaves live segments with its values."""
    if call.schema.segments:
        move(call, change.id, None if change.event == "Create" else change.values.keys())


@hook("Delete", stage=40, applies=_is(PERSON))
def forget_contact(call: Call, change: Change) -> None:
    """Nothing is left of what was said of a deleted contact."""
    table = call.schema.tables.get(EXCEPTIONS)
    while table is not None and (ids := call.unit.find(table, {"contactid": change.id}, 1000)):
        call.unit.delete(table, ids)


def _others(table: Table) -> bool:
    return not table.is_private and table.logical_name != SEGMENT


def _unasked(schema: Schema, table: Table) -> bool:
    """Whether no live segment looks at rows of a table."""
    return all(table.logical_name not in segment.tables for segment in schema.segments.values())


@hook(
    "Create",
    "Update",
    "Delete",
    "Associate",
    "Disassociate",
    stage=40,
    applies=_others,
    rank=51,
    ahead=_unasked,
)
def follow_other_rows(call: Call, change: Change) -> None:
    """A segment whose query looks at rows of other tables is evaluated anew when one changes."""
    for segment in call.schema.segments.values():
        if change.table.logical_name in segment.tables:
            evaluate_soon(call, segment.id, name=segment.name, later=True)


@hook("Associate", "Disassociate", stage=20, applies=_is(MEMBERS))
def guard_members(call: Call, change: Change) -> None:
    """Members come and go by the segment's own messages; raises NotSupported."""
    raise fault("NotSupported", feature="Tying contacts to a segment: msdyncrm_SegmentMembersUpdate does it;")
