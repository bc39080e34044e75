"""Staging: rows of a file as they were read, a narrow row each, whatever the entity.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-import-export-job
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from orgstead.engine.ids import new_ids
from orgstead.engine.registry import Call
from orgstead.model import datamanagement as dm
from orgstead.model.plan import AllOf, Col, IsNull, NoneOf, Output, Param, Plan, Sort, Source, Test
from orgstead.model.schema import Table

__all__ = ["Staged", "forget", "mark_done", "mark_wrong", "stage", "staged_rows", "try_again", "wrong_rows"]

MAX_TEXT = 4000
AT_ONCE = 5000
# Of rows with their values, which may be wrong because they are very large.
LARGE_AT_ONCE = 500
# Decimals are numbers digit by digit, in both directions.
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
# The id of a staging row, its number, its values by public names of fields (None when they are none any more), and
# whether somebody has changed them.
Staged = tuple[str, int, dict[str, Any] | None, bool]
STAGED = (
    "orgstead_stagingrowid", "executionentityid", "rownumber", "transferstatus", "sourcevalues", "errormessage",
    "isedited", "failedstaging",
)  # fmt: skip


def stage(call: Call, entity: str, rows: Iterable[tuple[int, Mapping[str, Any], Sequence[str]]]) -> int:
    """Keep rows of a file: number, values and what is wrong with each; how many of them are wrong."""
    kept = list(rows)
    fresh, error = int(dm.Transfer.NotStarted), int(dm.Transfer.Error)
    lines = [
        (
            id,
            entity,
            number,
            error if problems else fresh,
            _encode(values).decode(),
            _told(problems),
            False,
            True if problems else None,
        )
        for id, (number, values, problems) in zip(new_ids(len(kept)), kept, strict=True)
    ]
    call.unit.add(call.schema.tables[dm.STAGING], STAGED, lines)
    return sum(bool(problems) for *_, problems in kept)


def _told(problems: Sequence[str]) -> str | None:
    return "; ".join(problems)[:MAX_TEXT] if problems else None


def staged_rows(call: Call, entity: str, after: int, limit: int, status: dm.Transfer) -> list[Staged]:
    """Up to ``limit`` rows with a status, behind the row ``after``."""
    found = call.unit.fetch(_rows(call.schema.tables[dm.STAGING]), [entity, after, int(status), limit])
    return [(id, number, _read(text), bool(edited)) for id, number, text, _, edited in found]


def wrong_rows(
    call: Call, entity: str, after: int, limit: int, *, staging: bool | None = None
) -> list[tuple[int, str, str]]:
    """Rows that are wrong behind the row ``after``: number, values as JSON, reason.

    ``staging``: those that did not reach staging (true), or those that did not leave it; both by default.
    """
    plan = _rows(call.schema.tables[dm.STAGING], staging)
    found = call.unit.fetch(plan, [entity, after, int(dm.Transfer.Error), limit])
    return [(number, text or "{}", reason or "") for _, number, text, reason, _ in found]


def _read(text: str | None) -> dict[str, Any] | None:
    try:
        value = _decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@lru_cache(maxsize=12)
def _rows(table: Table, staging: bool | None = None) -> Plan:
    names = ("orgstead_stagingrowid", "rownumber", "sourcevalues", "errormessage", "isedited")
    columns = [Col("t0", table.columns[name]) for name in names]
    entity, status = Col("t0", table.columns["executionentityid"]), Col("t0", table.columns["transferstatus"])
    early = IsNull(Col("t0", table.columns["failedstaging"]))
    which = () if staging is None else ((NoneOf(early),) if staging else (early,))
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(of.column.name, of, of.column) for of in columns),
        where=AllOf((
            Test("eq", entity, Param(0, entity.column)),
            Test("gt", columns[1], Param(1, columns[1].column)),
            Test("eq", status, Param(2, status.column)),
            *which,
        )),
        order=(Sort(columns[1]), Sort(columns[0])),
        limit=Param(3),
    )  # fmt: skip


def forget(call: Call, entity: str) -> None:
    """Remove what was staged for a part of an execution."""
    table = call.schema.tables[dm.STAGING]
    while found := call.unit.find(table, {"executionentityid": entity}, AT_ONCE):
        call.unit.delete(table, found)


def try_again(call: Call, entity: str) -> int:
    """Let rows that are wrong count as those that nobody has looked at; how many there were."""
    table, after, count = call.schema.tables[dm.STAGING], 0, 0
    plan, status = _rows(table), int(dm.Transfer.Error)
    while found := call.unit.fetch(plan, [entity, after, status, LARGE_AT_ONCE]):
        lines = [(row[0], int(dm.Transfer.NotStarted), None, None) for row in found]
        call.unit.update_many(table, ("transferstatus", "errormessage", "failedstaging"), lines)
        after, count = found[-1][1], count + len(found)
    return count


def mark_done(call: Call, entity: str, first: int, last: int) -> None:
    """Note that the rows between two numbers have been taken over that are not wrong."""
    call.unit.update_range(
        call.schema.tables[dm.STAGING],
        {"transferstatus": int(dm.Transfer.Completed), "errormessage": None},
        {"executionentityid": entity, "transferstatus": int(dm.Transfer.NotStarted)},
        "rownumber",
        first,
        last,
    )


def mark_wrong(call: Call, wrong: Iterable[tuple[str, str]]) -> None:
    """Note why rows, by id, could not be taken over."""
    table = call.schema.tables[dm.STAGING]
    lines = [(id, int(dm.Transfer.Error), reason[:MAX_TEXT]) for id, reason in wrong]
    call.unit.update_many(table, ("transferstatus", "errormessage"), lines)
