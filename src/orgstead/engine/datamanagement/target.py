"""From staging to the tables of entities: many rows together, and the wrong ones found without trying each alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.engine.handlers.many import upsert_many
from orgstead.engine.handlers.rows import Writing
from orgstead.engine.ports import RolledBack
from orgstead.errors import Fault
from orgstead.model.dataentities import DataEntity
from orgstead.model.schema import Table

__all__ = ["Transferred", "transfer"]

# What is no fault of a row.
TRANSIENT = frozenset({"StoreBusy", "StoreFailure", "SqlTimeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """How many rows were made and changed, and the places of those that could not be, each with the reason."""

    created: int
    updated: int
    wrong: Sequence[tuple[int, str]]


def transfer(
    call: Writing,
    entity: DataEntity,
    company: str | None,
    rows: Sequence[Mapping[str, Any] | None],
    *,
    checked: bool = False,
) -> Transferred:
    """Write rows of an entity, given by public names of fields, for a company.

    Those that are right are written whatever becomes of the others. ``checked``: the values are such as their columns
    take, because they are as they were read.
    """
    table = call.schema.tables[entity.table]
    if entity.read_only:
        reason = f"{entity.label} is read only"
        return Transferred(created=0, updated=0, wrong=[(place, reason) for place in range(len(rows))])
    wrong: list[tuple[int, str]] = []
    ready: list[tuple[int, dict[str, Any]]] = []
    plans: dict[tuple[str, ...], Sequence[tuple[str, str]]] = {}
    for place, row in enumerate(rows):
        try:
            if row is None:
                raise ValueError("its values in staging are no JSON object")
            names = tuple(row)
            plan = plans.get(names)
            if plan is None:
                plan = plans[names] = _plan(entity, names)
            values = {column: row[name] for name, column in plan}
            if entity.company is not None:
                _place(values, entity.company, company)
        except ValueError as error:
            wrong.append((place, str(error)))
        else:
            ready.append((place, values))
    key = tuple(field.column for field in entity.key_fields)
    created, updated = _write(call, table, key, ready, wrong, checked=checked)
    return Transferred(created=created, updated=updated, wrong=sorted(wrong))


def _plan(entity: DataEntity, names: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Which fields go to which columns; raises ValueError for what is no field."""
    found: list[tuple[str, str]] = []
    for name in names:
        field = entity.fields.get(name) or entity.folded.get(name.lower())
        if field is None:
            raise ValueError(f"there is no field {name[:100]}")
        # What nobody sets comes along in files that were exported.
        if not field.read_only or field.name in entity.key:
            found.append((name, field.column))
    return found


def _place(values: dict[str, Any], column: str, company: str | None) -> None:
    """Give a row the company of its message; raises ValueError for a row of another one, or of none."""
    given = values.get(column)
    if not given:
        values[column] = company
        if not company:
            raise ValueError("it has no company, and neither has the message")
    elif company and str(given).lower() != company.lower():
        raise ValueError(f"its company is {str(given)[:20]}, and the message is for {company}")


def _write(
    call: Writing,
    table: Table,
    key: tuple[str, ...],
    rows: Sequence[tuple[int, dict[str, Any]]],
    wrong: list[tuple[int, str]],
    *,
    checked: bool,
) -> tuple[int, int]:
    """How many rows were made and changed.

    All are tried at once; after a failure as many as went well before it, then the one to blame alone, and from there
    twice as many each time: what is tried in vain stays in proportion to what is written.
    """
    created = updated = start = 0
    size = len(rows)
    while start < len(rows):
        block = rows[start : start + size]
        try:
            with call.savepoint():
                written = upsert_many(call, table, key, [row for _, row in block], checked=checked)
        except RolledBack:
            raise
        except Fault as error:
            if error.name in TRANSIENT:
                raise
            if len(block) == 1:
                wrong.append((block[0][0], error.message))
                start += 1
            elif error.index is None:
                size = len(block) // 2
            else:
                size = max(1, min(error.index, len(block) - 1))
            continue
        created, updated = created + written.created, updated + written.updated
        start, size = start + len(block), size * 2
    return created, updated
