"""Messages of segments, and the system job that finds out who belongs to one.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/extend-segments
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.audience import MEMBERS, PERSON, SEGMENT
from orgstead.engine.handlers.targets import stored_row
from orgstead.engine.jobs import FAILED, Task, do_at_once, enqueue, kind
from orgstead.engine.membership import (
    add_members,
    audience,
    except_for,
    member_ids,
    missing,
    permitted,
    remove_members,
    surplus,
    who,
)
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import Fault, fault
from orgstead.model.messages import Parameter, RetrieveMultiple, Signature, Update
from orgstead.model.query import And, Condition, Field, Predicate, Query
from orgstead.model.record import Record, Ref
from orgstead.model.segments import COMPOUND, DYNAMIC, STATIC
from orgstead.model.types import is_guid

__all__ = [
    "evaluate", "evaluate_soon", "fetch_contacts", "read_ids", "seen", "update_members", "validate_segment",
]  # fmt: skip

KIND = "EvaluateSegment"
# https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/asyncoperation
EXECUTE_ASYNC = 54
DRAFT, LIVE, STOPPED, GOING_LIVE, ERROR = 192350000, 192350001, 192350002, 192350006, 192350005
PENDING, WORKING, DONE = "Pending", "InProgress", "Succeeded"
STATE = "msdyncrm_segmentevaluationstate"
# Of so few contacts it is known at once who belongs to a segment.
SMALL = 2000
CHUNK = 5000
BATCH = 1000
MAX_PASSES = 3
MAX_MEMBERS = 10_000
MAX_BY_QUERY = 100_000
DEFAULT_REFRESH = 60
ORGANIZATION, BUSINESS_UNIT = 270100000, 270100001
PREFIX = "crm"


# -- evaluation -----------------------------------------------------------------------------------------------------
def evaluate_soon(call: Call, segment: str, *, name: str, later: bool = False) -> None:
    """Have a system job find out who belongs to a segment; of few contacts at once, unless ``later``."""
    table = call.schema.tables[SEGMENT]
    row = call.unit.get(table, segment, (STATE,))
    if later and row is not None and row[STATE] == PENDING:
        return
    call.unit.update(table, segment, {STATE: PENDING})
    job = enqueue(call, KIND, f"Evaluate {name}", {"segment": segment, "first": not later})
    if not later and len(member_ids(call, And(()), SMALL + 1)[0]) <= SMALL:
        do_at_once(call, job)


def _ended(call: Call, task: Task, status: Mapping[str, int]) -> None:
    """A segment whose evaluation failed says so."""
    if status == FAILED and task.payload["segment"] in call.schema.segments:
        _set(call, task.payload["segment"], {"statuscode": ERROR, STATE: "Failed"})


def _set(call: Call, segment: str, values: Mapping[str, Any]) -> None:
    record = Record(table=SEGMENT, values=dict(values))
    call.send_as_system(Update(ref=Ref(SEGMENT, segment), record=record))


@kind(KIND, operation_type=EXECUTE_ASYNC, ended=_ended)
def evaluate(call: Call, task: Task) -> Any:
    """Add some of those who are missing, or take out some of those who are too many.

    Progress is the pass, whether it adds or removes, where the next ones begin and how many the pass has moved. What
    changes meanwhile is followed too, so that a pass that moves nobody is the last.
    """
    id = task.payload["segment"]
    segment = call.schema.segments.get(id)
    if segment is None:
        return None
    due = task.payload.get("due")
    row = stored_row(call, Ref(SEGMENT, id))
    if task.progress is None:
        if due is not None and row["msdyncrm_nextevaluation"] != due:
            # It has been stopped or evaluated otherwise since then, and has another time to come.
            return None
        call.unit.update(call.schema.tables[SEGMENT], id, {STATE: WORKING})
    at = task.progress or {"adding": True, "after": None, "moved": 0, "passes": 0, "began": call.now}
    found = None if segment.kind == STATIC else audience(call, segment.text)
    where = (missing if at["adding"] else surplus)(segment, found)
    after = tuple(at["after"]) if at["after"] else None
    ids, next_ = member_ids(call, where, CHUNK, after)
    (add_members if at["adding"] else remove_members)(call, id, ids)
    at = {**at, "moved": at["moved"] + len(ids), "after": None if next_ is None else list(next_)}
    if next_ is not None:
        return at
    if at["adding"]:
        return {**at, "adding": False}
    if at["moved"] and at["passes"] + 1 < MAX_PASSES:
        return {**at, "adding": True, "moved": 0, "passes": at["passes"] + 1}
    _finished(call, id, row, at["began"], again=segment.timed and (task.payload["first"] or due is not None))
    return None


def _finished(call: Call, segment: str, row: Mapping[str, Any], began: str, *, again: bool) -> None:
    now = datetime.fromisoformat(call.now)
    values = {
        "statuscode": LIVE,
        "msdyncrm_islive": True,
        "msdyncrm_segmentsize": _size(call, segment),
        "msdyncrm_lastevaluationtime": call.now,
        "msdyncrm_lastupdatedtime": call.now,
        "msdyncrm_segmentevaluationdurationinminutes": int(
            (now - datetime.fromisoformat(began)).total_seconds() // 60
        ),
        "msdyncrm_segmenttargetprofiletypename": PERSON,
    }
    state = call.unit.get(call.schema.tables[SEGMENT], segment, (STATE,))
    if state is None or state[STATE] != PENDING:
        values[STATE] = DONE
    if again:
        minutes = row["msdyncrm_segmentrefreshrateintervalminutes"] or DEFAULT_REFRESH
        due = (now + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        values["msdyncrm_nextevaluation"] = due
        payload = {"segment": segment, "first": False, "due": due}
        enqueue(call, KIND, f"Evaluate {row['msdyncrm_segmentname']}", payload, due=due)
    _set(call, segment, values)


def _size(call: Call, segment: str) -> int:
    where = Condition(Field("msdyncrm_segmentid"), "eq", (segment,))
    query = Query(table=MEMBERS, where=where, count_only=True, bulk=True)
    page = call.send_as_system(RetrieveMultiple(query=query)).page
    return 0 if page is None else page.total or 0


# -- members --------------------------------------------------------------------------------------------------------
def read_ids(text: str, name: str) -> list[str]:
    """The ids of contacts in a JSON array, with or without the prefix ``crm``; raises InvalidArgument."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list) or len(given) > MAX_MEMBERS:
        raise fault(
            "InvalidArgument", message=f"{name} is a JSON array of at most {MAX_MEMBERS:,} ids of contacts."
        )
    ids = [each.removeprefix(PREFIX).lower() if isinstance(each, str) else each for each in given]
    for id in ids:
        if not isinstance(id, str) or not is_guid(id):
            raise fault("InvalidArgument", message=f"{name}: {str(id)[:50]!r} is not the id of a contact.")
    return list(dict.fromkeys(ids))


@handles(
    "msdyncrm_SegmentMembersUpdate",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="msdyncrm_segmentid", type="Edm.String"),
            Parameter(name="msdyncrm_operation", type="Edm.String"),
            Parameter(name="msdyncrm_memberids", type="Edm.String", optional=True),
            Parameter(name="msdyncrm_query", type="Edm.String", optional=True),
        ),
        returns=(Parameter(name="State", type="Edm.String"),),
    ),
)
def update_members(call: Call) -> Any:
    """Add contacts to a segment or keep them out of it, by their ids or by a query; or say how its evaluation stands.

    Raises ObjectDoesNotExist, also for contacts that are not there, InvalidArgument, and InvalidSegment for a dynamic
    one and for a draft.
    """
    given = call.parameters
    id = str(given["msdyncrm_segmentid"]).strip("{}").lower()
    if not is_guid(id):
        raise fault("InvalidArgument", message="msdyncrm_segmentid is not the id of a segment.")
    row = stored_row(call, Ref(SEGMENT, id))
    operation = given["msdyncrm_operation"]
    table = call.schema.tables[SEGMENT]
    if operation == "getState":
        check_row(call, "Read", table, row)
        return {"State": row[STATE] or DONE}
    check_row(call, "Write", table, row)
    if operation not in ("addByIds", "removeByIds", "addByQuery", "removeByQuery"):
        raise fault("InvalidArgument", message=f"There is no operation {str(operation)[:50]!r} on members.")
    if row["msdyncrm_segmenttype"] == DYNAMIC or row["statuscode"] not in (LIVE, STOPPED, GOING_LIVE):
        reason = "members are added to static and compound segments that are live or stopped"
        raise fault("InvalidSegment", name=row["msdyncrm_segmentname"], reason=reason)
    removing = operation.startswith("remove")
    if operation.endswith("Ids"):
        people = seen(call, read_ids(given.get("msdyncrm_memberids") or "", "msdyncrm_memberids"))
    else:
        people = _found(call)
    for ids in people:
        except_for(call, id, ids, removed=removing)
        if removing:
            remove_members(call, id, ids)
        else:
            there = set(_among(call, ids, id))
            add_members(call, id, [each for each in ids if each not in there])
    call.unit.update(table, id, {"msdyncrm_segmentsize": _size(call, id)})
    return {"State": DONE}


def seen(call: Call, ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Ids of contacts in batches; raises ObjectDoesNotExist for one that the caller does not see."""
    for batch in _batches(ids):
        there = set(_ids(call, Condition(Field("contactid"), "in", batch)))
        for id in batch:
            if id not in there:
                raise fault("ObjectDoesNotExist", table=PERSON, id=id)
        yield batch


def _found(call: Call) -> Iterator[Sequence[str]]:
    found = audience(call, call.parameters.get("msdyncrm_query") or "")
    if found.table != PERSON:
        raise fault("InvalidSegment", name="msdyncrm_query", reason=f"it is about {found.table}")
    ids: list[str] = []
    after: tuple[Any, ...] | None = None
    while True:
        query = Query(table=PERSON, columns=("contactid",), where=found.where, page_size=CHUNK, after=after)
        page = call.send(RetrieveMultiple(query=query)).page
        if page is None:
            break
        place = next(i for i, each in enumerate(page.plan.outputs) if each.name == "contactid")
        ids += [row[place] for row in page.rows]
        if len(ids) > MAX_BY_QUERY:
            raise fault("QueryTooComplex", limit=f"{MAX_BY_QUERY:,} contacts of one query")
        after = page.after
        if after is None:
            break
    yield from _batches(ids)


def _batches(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), BATCH):
        yield tuple(ids[start : start + BATCH])


def _ids(call: Call, where: Predicate) -> list[str]:
    """The contacts of a condition that the caller may read."""
    page = call.send(RetrieveMultiple(query=Query(table=PERSON, columns=("contactid",), where=where))).page
    if page is None:
        return []
    place = next(i for i, each in enumerate(page.plan.outputs) if each.name == "contactid")
    return [row[place] for row in page.rows]


def _among(call: Call, ids: Sequence[str], segment: str) -> list[str]:
    """Those of the contacts that are members."""
    where = And((
        Condition(Field("msdyncrm_segmentid"), "eq", (segment,)),
        Condition(Field("contactid"), "in", tuple(ids)),
    ))  # fmt: skip
    page = call.send_as_system(
        RetrieveMultiple(query=Query(table=MEMBERS, columns=("contactid",), where=where))
    ).page
    if page is None:
        return []
    place = next(i for i, each in enumerate(page.plan.outputs) if each.name == "contactid")
    return [row[place] for row in page.rows]


# -- questions ------------------------------------------------------------------------------------------------------
@handles(
    "msdyncrm_ValidateSegment",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="msdyncrm_segmentname", type="Edm.String", optional=True),
            Parameter(name="msdyncrm_query", type="Edm.String", optional=True),
            Parameter(name="msdyncrm_segmentquery", type="Edm.String", optional=True),
            Parameter(name="msdyncrm_memberids", type="Edm.String", optional=True),
            Parameter(name="msdyncrm_segmenttype", type="Edm.Int32", optional=True),
            Parameter(name="statuscode", type="Edm.Int32", optional=True),
        ),
        returns=(Parameter(name="ValidationResult", type="Edm.String"),),
    ),
)
def validate_segment(call: Call) -> Any:
    """What is wrong with a segment that is about to be made, as a JSON array that is empty for a good one."""
    given, wrong = call.parameters, []

    def note(column: str, reason: str) -> None:
        wrong.append(
            {"ErrorCode": "SegmentDciValidator_SegmentInvalid", "FieldName": column, "Message": reason}
        )

    if not given.get("msdyncrm_segmentname"):
        note("msdyncrm_segmentname", "A segment needs a name.")
    type_ = given.get("msdyncrm_segmenttype")
    if type_ not in (DYNAMIC, STATIC, COMPOUND):
        note("msdyncrm_segmenttype", "A segment is dynamic, static or compound.")
    elif type_ != STATIC:
        text = given.get("msdyncrm_query") or given.get("msdyncrm_segmentquery") or ""
        try:
            permitted(call, text)
        except Fault as error:
            note("msdyncrm_query", error.message)
    elif given.get("msdyncrm_memberids"):
        try:
            read_ids(given["msdyncrm_memberids"], "msdyncrm_memberids")
        except Fault as error:
            note("msdyncrm_memberids", error.message)
    return {"ValidationResult": json.dumps(wrong)}


@handles(
    "msdyncrm_FetchContactsByQuery",
    privilege=OPEN,
    writes=False,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="Query", type="Edm.String"),
            Parameter(name="FetchXml", type="Edm.String", optional=True),
            Parameter(name="OwningBusinessUnit", type="Edm.String", optional=True),
            Parameter(name="Scope", type="Edm.Int32", optional=True),
            Parameter(name="TimeZone", type="Edm.Int32", optional=True),
        ),
        returns=(Parameter(name="", type="Collection(mscrm.crmbaseentity)"),),
    ),
)
def fetch_contacts(call: Call) -> Any:
    """The contacts that a segment query finds among those that the caller may read, with the columns of the FetchXml.

    Order, skip and take are those of the query, then those of the FetchXml; at most 5,000 come at once.
    """
    given = call.parameters
    if given.get("TimeZone"):
        raise fault("NotSupported", feature="TimeZone in msdyncrm_FetchContactsByQuery")
    selection = call.queries.read_segment(given["Query"])
    found = who(call, selection)
    if found.table != PERSON:
        raise fault("InvalidSegment", name="Query", reason=f"it is about {found.table}, not contacts")
    where = [found.where]
    if given.get("Scope") == BUSINESS_UNIT:
        where.append(Condition(Field("owningbusinessunit"), "eq", (given.get("OwningBusinessUnit"),)))
    elif given.get("Scope") not in (None, ORGANIZATION):
        raise fault(
            "InvalidArgument", message="Scope is 270100000 (organization) or 270100001 (business unit)."
        )
    columns, order, limit = selection.columns or ("contactid",), selection.order, CHUNK
    if given.get("FetchXml"):
        shown = call.queries.read(given["FetchXml"])
        if shown.page_number != 1 or shown.after is not None:
            raise fault(
                "NotSupported", feature="A page of the FetchXml: SKIP and TAKE of the query turn pages;"
            )
        limit = min(shown.top or CHUNK, shown.page_size or CHUNK, CHUNK)
        if (
            shown.table != PERSON
            or shown.joins
            or shown.groups
            or shown.aggregates
            or shown.where is not None
        ):
            raise fault("NotSupported", feature="FetchXml that is more than columns and an order of contacts")
        columns = tuple(dict.fromkeys((*(shown.columns or ()), *selection.columns))) or ("contactid",)
        order = order or shown.order
    query = Query(
        table=PERSON,
        columns=tuple(name.lower() for name in columns),
        where=And(tuple(where)),
        order=order,
        offset=selection.skip,
        page_size=min(selection.take if selection.take is not None else limit, limit) or 1,
    )
    page = call.send(RetrieveMultiple(query=query)).page
    if page is None or selection.take == 0:
        return []
    rows = []
    for row in page.rows:
        values = {each.name: row[at] for at, each in enumerate(page.plan.outputs) if each.part == "value"}
        id = next(row[at] for at, each in enumerate(page.plan.outputs) if each.name == "contactid")
        rows.append(Record(table=PERSON, id=id, values=values))
    return rows
