"""Who is a member of a live segment: those that its query finds and those that were added, without those removed.

Members are ties between a segment and its contacts. A change of a contact moves that contact alone; what else decides,
other tables and the clock, has the whole segment evaluated anew by a system job (``handlers.segments``), which changes
the members that differ.
"""

from collections.abc import Collection, Iterable, Set
from typing import Any

from orgstead.engine.access import check_table, unrestricted_units
from orgstead.engine.audience import MEMBERS, PERSON, SEGMENT, Audience, audience_of, belongs_to
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.messages import RetrieveMultiple
from orgstead.model.query import And, Condition, Exists, Field, Join, Not, Or, Predicate, Query
from orgstead.model.segments import STATIC, Segment, Selection

__all__ = [
    "EXCEPTIONS", "add_members", "audience", "except_for", "find_segment", "member_ids", "missing", "move",
    "permitted", "remove_members", "surplus", "who",
]  # fmt: skip

EXCEPTIONS = "orgstead_segmentexception"
NOBODY: Predicate = Or(())


def find_segment(call: Call, name: str) -> str | None:
    """The id of a segment that has members, by its name or its query name."""
    wanted = name.lower()
    for segment in call.schema.segments.values():
        if wanted in (segment.name.lower(), segment.query_name.lower()):
            return segment.id
    table = call.schema.tables[SEGMENT]
    for column in ("msdyncrm_segmentqueryname", "msdyncrm_segmentname"):
        for id in call.unit.find(table, {column: name, "statuscode": 192350002}, 1):
            return id
    return None


def audience(call: Call, text: str) -> Audience:
    """Who a query is about, by the call's schema and clock; raises what the language and binding raise.

    Members have no order and no number: a query that says more than who they are is refused (InvalidSegment).
    """
    selection = call.queries.read_segment(text)
    if selection != Selection(of=selection.of):
        reason = "ORDERBY, SKIP, TAKE and SELECT are for reading contacts, not for who belongs to a segment"
        raise fault("InvalidSegment", name=text, reason=reason)
    return who(call, selection)


def who(call: Call, selection: Selection) -> Audience:
    """Who is read of, in whatever order and number."""
    return audience_of(selection.of, call.schema, call.now, lambda name: find_segment(call, name))


def permitted(call: Call, text: str) -> Audience:
    """Who a query is about, for a caller who may have it asked of all rows, whoever they belong to.

    Members show what the query found out: of rows and columns that the caller may not read it must find out nothing.
    Raises PrivilegeDenied, InvalidSegment, and what binding raises.
    """
    found = audience(call, text)
    if found.table != PERSON:
        raise fault("InvalidSegment", name=found.table, reason="members are contacts")
    for name in sorted({PERSON, *found.tables}):
        table = call.schema.tables[name]
        check_table(call, "Read", table)
        if not table.is_intersect and unrestricted_units(call, table) is not None:
            raise fault("InvalidSegment", name=name, reason="its rows are not all yours to read")
    if found.secured and not call.caller.administrator:
        raise fault("InvalidSegment", name=PERSON, reason="a secured column is compared")
    member_ids(call, found.where, 1)
    return found


# -- what is and what should be -----------------------------------------------------------------------------------
def _excepted(segment: str, *, removed: bool) -> Predicate:
    which = (
        Condition(Field("msdyncrm_segmentid"), "eq", (segment,)),
        Condition(Field("removed"), "eq", (removed,)),
    )
    return Exists(
        link=Join(
            table=EXCEPTIONS,
            alias="exception",
            from_column="contactid",
            to_column="contactid",
            where=And(which),
        )
    )


def _wanted(segment: Segment, found: Audience | None) -> Predicate:
    matching = NOBODY if found is None else found.where
    return And((
        Or((matching, _excepted(segment.id, removed=False))),
        Not(_excepted(segment.id, removed=True)),
    ))  # fmt: skip


def missing(segment: Segment, found: Audience | None) -> Predicate:
    """That a contact should be a member, and is not."""
    return And((_wanted(segment, found), Not(belongs_to(segment.id))))


def surplus(segment: Segment, found: Audience | None) -> Predicate:
    """That a contact is a member, and should not be."""
    return And((belongs_to(segment.id), Not(_wanted(segment, found))))


def member_ids(
    call: Call, where: Predicate, size: int, after: tuple[Any, ...] | None = None
) -> tuple[list[str], Any]:
    """Ids of contacts that satisfy a condition, whoever may see them, and where the next ones begin."""
    query = Query(
        table=PERSON, columns=("contactid",), where=where, page_size=size, after=after, bulk=size > 5000
    )
    page = call.send_as_system(RetrieveMultiple(query=query)).page
    if page is None:
        return [], None
    place = next(index for index, each in enumerate(page.plan.outputs) if each.name == "contactid")
    return [row[place] for row in page.rows], page.after


# -- changes --------------------------------------------------------------------------------------------------------
def add_members(call: Call, segment: str, contacts: Collection[str]) -> None:
    """Tie contacts that are not tied."""
    if not contacts:
        return
    table = call.schema.tables[MEMBERS]
    version = call.unit.next_version(len(contacts))
    call.unit.insert(
        table,
        [
            {
                table.primary_id: call.new_id(),
                "msdyncrm_segmentid": segment,
                "contactid": contact,
                "versionnumber": version + place,
            }
            for place, contact in enumerate(contacts)
        ],
    )


def remove_members(call: Call, segment: str, contacts: Iterable[str]) -> None:
    """Untie contacts."""
    table = call.schema.tables[MEMBERS]
    for contact in contacts:
        call.unit.delete(
            table, call.unit.find(table, {"msdyncrm_segmentid": segment, "contactid": contact}, 2)
        )


def except_for(call: Call, segment: str, contacts: Iterable[str], *, removed: bool) -> None:
    """Add contacts whatever the query says, or keep them out; the last word counts."""
    table = call.schema.tables[EXCEPTIONS]
    for contact in contacts:
        ends = {"msdyncrm_segmentid": segment, "contactid": contact}
        call.unit.delete(table, call.unit.find(table, ends, 2))
        call.unit.insert(table, [{table.primary_id: call.new_id(), **ends, "removed": removed}])


def move(call: Call, contact: str, changed: Set[str] | None) -> None:
    """Make a contact a member of what it belongs to by now; ``changed`` are its columns, None when it is new."""
    moved: set[str] = set()
    waiting = [segment for segment in call.schema.segments.values() if segment.kind != STATIC]
    # Segments that are made of others come after them.
    while waiting:
        ready = [
            segment
            for segment in waiting
            if not any(other.id in segment.sources for other in waiting if other is not segment)
        ]
        for segment in ready or waiting[:1]:
            waiting.remove(segment)
            if changed is None or moved & set(segment.sources) or not changed.isdisjoint(segment.columns):
                if _moved(call, segment, contact):
                    moved.add(segment.id)


def _moved(call: Call, segment: Segment, contact: str) -> bool:
    found = audience(call, segment.text)
    one = Condition(Field("contactid"), "eq", (contact,))
    if member_ids(call, And((one, missing(segment, found))), 1)[0]:
        add_members(call, segment.id, [contact])
    elif member_ids(call, And((one, surplus(segment, found))), 1)[0]:
        remove_members(call, segment.id, [contact])
    else:
        return False
    return True
