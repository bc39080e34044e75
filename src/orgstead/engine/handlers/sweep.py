"""Taking back the room of files that nobody needs: replaced and deleted ones, uploads that were never ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from orgstead.engine.callers import among
from orgstead.engine.datamanagement.blobs import sweep_blobs
from orgstead.engine.files import free, pieces_of
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.model.plan import AllOf, Col, Output, Param, Plan, Sort, Source, Test
from orgstead.model.schema import Table
from orgstead.model.types import is_guid

__all__ = ["sweep_files", "sweep_orphans"]

PIECES, UPLOADS = "orgstead_piece", "orgstead_upload"
# Whoever has begun to download a file that is replaced meanwhile is given so long to come to an end.
GRACE = timedelta(hours=1)
ABANDONED = timedelta(days=1)
BATCH = 200


@handles("SweepFiles", privilege=OPEN, heavy=True)
def sweep_files(call: Call) -> Mapping[str, Any]:
    """Remove some of what has been freed, and give up some uploads that were begun long ago.

    Answers ``Removed``, how many pieces went, and ``More``, whether another run would find something. It is the
    product's own work: no client can call it.
    """
    uploads, pieces = call.schema.tables[UPLOADS], call.schema.tables[PIECES]
    abandoned = _older(call, uploads, "createdon", ABANDONED)
    for id in abandoned:
        free(call, pieces_of(call, id))
    call.unit.delete(uploads, abandoned)
    blobs = sweep_blobs(call)
    freed = _older(call, pieces, "freedon", GRACE)
    for id in freed:
        # Before the row: a row whose piece has gone is swept again, a piece without a row only by chance.
        call.blobs.delete(id)
    call.unit.delete(pieces, freed)
    return {"Removed": len(freed), "More": max(len(freed), len(abandoned)) == BATCH or blobs > 0}


def _older(call: Call, table: Table, column: str, age: timedelta) -> Sequence[str]:
    when, key = Col("t0", table.columns[column]), Col("t0", table.columns[table.primary_id])
    plan = Plan(
        source=Source("t0", table),
        outputs=(Output("id", key, key.column),),
        where=AllOf((Test("lt", when, Param(0, when.column)),)),
        order=(Sort(when), Sort(key)),
        limit=Param(1),
    )
    since = (datetime.fromisoformat(call.now) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [row[0] for row in call.unit.fetch(plan, [since, BATCH])]


@handles("SweepOrphans", privilege=OPEN, heavy=True, writes=False)
def sweep_orphans(call: Call) -> Mapping[str, Any]:
    """Remove pieces that no row knows: those of transactions that failed. It is the product's own work."""
    table = call.schema.tables[PIECES]
    plan = among(table, table.primary_id, table.primary_id)
    keys = iter(call.blobs.older((datetime.fromisoformat(call.now) - ABANDONED).timestamp()))
    removed = 0
    while batch := tuple(islice(filter(is_guid, keys), BATCH)):
        known = {row[0] for row in call.unit.fetch(plan, [batch])}
        for key in batch:
            if key not in known:
                call.blobs.delete(key)
                removed += 1
    return {"Removed": removed}
