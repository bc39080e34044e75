"""What has changed in a table since a client last looked: changed rows, deleted rows, and a token for the next time.

A window of change numbers is closed on both sides: its end is a number below which everything has been committed, so
that a change whose transaction ends late is in a later window and never lost.
https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from orgstead.engine.access import check_table, unrestricted_units
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Changes, RetrieveMultiple, Window
from orgstead.model.plan import (
    AllOf,
    AnyOf,
    Col,
    NoneOf,
    OneOf,
    Output,
    Param,
    Plan,
    Related,
    Sort,
    Source,
    Test,
    Verdict,
)
from orgstead.model.query import And, Condition, Field, Order, Query
from orgstead.model.record import Page, Ref
from orgstead.model.schema import Schema, Table

__all__ = ["note_deletion", "retrieve_entity_changes"]

DELETIONS = "orgstead_deletion"
# The setting that holds the number up to which deletions are no longer known.
FORGOTTEN = "deletions_forgotten"
# https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/organization
DAYS = "expirechangetrackingindays"
DEFAULT_DAYS = 7
PURGE_EVERY = 256
PURGED = 5_000
PAGE = 5_000


@handles("RetrieveEntityChanges", privilege=OPEN, writes=False, tracks=True)
def retrieve_entity_changes(call: Call) -> Any:
    """A page of what has changed: parameters ``query`` (of one table, no conditions) and ``window``.

    Raises ChangeTrackingDisabled, ExpiredVersionStamp for a window that begins too long ago.
    """
    query, window = call.parameters["query"], call.parameters["window"]
    table = call.schema.tables[query.table]
    if not table.change_tracking:
        raise fault("ChangeTrackingDisabled", table=table.logical_name)
    _check_age(call, window)
    until = window.until if window.until is not None else call.horizon
    size = min(query.page_size or PAGE, PAGE)
    told = partial(Changes, at=call.now, until=until, first=window.since == 0)
    page: Page | None = None
    if window.deleted is None:
        page = _changed(call, query, window.since, until, size)
        if page.after is not None:
            return told(page=page)
    # A first look shows what is there; nothing has been deleted before it.
    deleted = _deleted(call, table, window, until, size + 1) if window.since else []
    if len(deleted) > size:
        ids = [row[0] for row in deleted[:size]]
        return told(page=page, deleted=ids, last_deleted=deleted[size - 1][1])
    return told(page=page, deleted=[row[0] for row in deleted], complete=True)


def _check_age(call: Call, window: Window) -> None:
    if window.taken is None:
        return
    oldest = _instant(call.now) - timedelta(days=_days(call))
    if _instant(window.taken) < oldest or window.since < int(call.unit.read_setting(FORGOTTEN) or 0):
        raise fault("ExpiredVersionStamp")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _days(call: Call) -> int:
    row = call.unit.get(call.schema.tables["organization"], call.caller.organization_id, (DAYS,)) or {}
    return row.get(DAYS) or DEFAULT_DAYS


def _changed(call: Call, query: Query, since: int, until: int, size: int) -> Page:
    version = Field("versionnumber")
    where = And((Condition(version, "gt", (since,)), Condition(version, "le", (until,))))
    # The index of the numbers leads to what has changed; all rows come in the order of their keys.
    order = (Order(version),) if since else ()
    page = call.send(RetrieveMultiple(query=replace(query, where=where, order=order, page_size=size))).page
    if page is None:
        raise TypeError("a query has a page")
    return page


def _deleted(call: Call, table: Table, window: Window, until: int, limit: int) -> list[Any]:
    """Ids and numbers of deleted rows of the window that the caller could see."""
    check_table(call, "Read", table)
    reach = unrestricted_units(call, table)
    plan = _deletions(call.schema, table, reach is not None)
    params: list[Any] = [
        table.logical_name,
        window.since if window.deleted is None else window.deleted,
        until,
        limit,
        call.caller.rights.principals,
        tuple(sorted(reach or ())),
    ]
    return call.unit.fetch(plan, params)


@lru_cache(maxsize=256)
def _deletions(schema: Schema, table: Table, restricted: bool) -> Plan:
    source, rows = Source("t0", schema.tables[DELETIONS]), Source("t1", table)
    kind, version, id, owner, unit = (
        Col("t0", source.table.columns[name])
        for name in ("objecttypecode", "versionnumber", "objectid", "ownerid", "owningbusinessunit")
    )
    key = Col("t1", table.columns[table.primary_id])
    where: list[Verdict] = [
        Test("eq", kind, Param(0, kind.column)),
        Test("gt", version, Param(1, version.column)),
        Test("le", version, Param(2, version.column)),
        # What has been made again under its old id is not gone.
        NoneOf(Related(rows, (Test("eq", key, id),))),
    ]
    if restricted:
        mine = OneOf(owner, Param(4, owner.column, many=True))
        where.append(AnyOf((mine, OneOf(unit, Param(5, unit.column, many=True)))))
    return Plan(
        source=source,
        outputs=(Output("objectid", id, id.column), Output("versionnumber", version, version.column)),
        where=AllOf(tuple(where)),
        order=(Sort(version),),
        limit=Param(3),
    )


def note_deletion(call: Call, table: Table, id: str, stored: Mapping[str, Any], version: int) -> None:
    """Remember that a row has been deleted, and whose it was."""
    deletions = call.schema.tables.get(DELETIONS)
    if deletions is None:
        return
    owner = stored.get("ownerid")
    unit = stored.get("owningbusinessunit") or stored.get("businessunitid")
    call.unit.insert(
        deletions,
        [
            {
                deletions.primary_id: call.new_id(),
                "deletedon": call.now,
                "objectid": id,
                "objecttypecode": table.logical_name,
                "ownerid": owner.id if isinstance(owner, Ref) else id,
                "owningbusinessunit": unit.id if isinstance(unit, Ref) else None,
                "versionnumber": version,
            }
        ],
    )
    if version % PURGE_EVERY == 0:
        _purge(call, deletions)


def _purge(call: Call, deletions: Table) -> None:
    """Forget the deletions that no window may begin before any more."""
    oldest = (_instant(call.now) - timedelta(days=_days(call))).strftime("%Y-%m-%dT%H:%M:%SZ")
    when, version, key = (
        Col("t0", deletions.columns[name]) for name in ("deletedon", "versionnumber", deletions.primary_id)
    )
    plan = Plan(
        source=Source("t0", deletions),
        outputs=(Output("id", key, key.column), Output("versionnumber", version, version.column)),
        where=AllOf((Test("lt", when, Param(0, when.column)),)),
        order=(Sort(version),),
        limit=Param(1),
    )
    gone = call.unit.fetch(plan, [oldest, PURGED])
    if gone:
        call.unit.delete(deletions, [row[0] for row in gone])
        call.unit.write_setting(FORGOTTEN, str(gone[-1][1]))
