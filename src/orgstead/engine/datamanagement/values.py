"""Values of files as values of fields: which column fills which field, and what a text means in it.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-import-export-job#validate-that-the-source-data-and-target-data-are-mapped-correctly
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from orgstead.engine.ports import DataRow
from orgstead.errors import Fault, fault
from orgstead.model.dataentities import DataEntity, DataField, EnumType
from orgstead.model.schema import Table
from orgstead.model.types import coercion

__all__ = ["Fields", "Unfit"]

# Makes the canonical value of a column of a value that is not empty; raises Unfit.
Read = Callable[[Any], Any]

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,12})?)?(Z|[+-]\d\d:\d\d)?)?")
# What the language en-us has, which data management takes unless a format says otherwise.
_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[T ](\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AP])M)?)?", re.IGNORECASE
)
# An empty date, as the service writes it.
NO_DATE = "1900-01-01"
LONGEST_NUMBER = 60
TRUTHS: Mapping[str, bool] = {
    "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False,
}  # fmt: skip
MAX_NAMED, MAX_PLANS = 10, 256


class Unfit(ValueError):
    """A value that its field cannot have; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A column of a file, the field that it fills, and how; ``size``: texts up to it are taken as they are."""

    column: str
    field: DataField
    read: Read
    needed: bool
    size: int | None


class _Steps:
    """What is done with the values of certain columns, written out as one function: a file spends its time here."""

    __slots__ = ("names", "read")

    def __init__(self, steps: Sequence[Step]) -> None:
        self.names = frozenset(step.field.name for step in steps)
        scope: dict[str, Any] = {"Unfit": Unfit}
        lines = ["def read(given, problems):"]
        for place, step in enumerate(steps):
            scope |= {f"c{place}": step.column, f"r{place}": step.read, f"n{place}": step.field.name}
            lines += [f"    v = given[c{place}]", '    if v is None or v == "":', f"        v{place} = None"]
            if step.needed:
                lines.append(f'        problems.append(n{place} + " must be filled in")')
            if step.size is not None:
                lines += [
                    f"    elif v.__class__ is str and len(v) <= {step.size:d} and v.isascii() and '\\0' not in v:",
                    f"        v{place} = v",
                ]
            lines += [
                "    else:",
                "        try:",
                f"            v{place} = r{place}(v)",
                "        except Unfit as error:",
                f"            v{place} = None",
                "            problems.append(str(error))",
            ]
        lines.append(f"    return {{{', '.join(f'n{place}: v{place}' for place in range(len(steps)))}}}")
        # Its source is made of numbers only.
        exec("\n".join(lines), scope)
        self.read: Callable[[Mapping[str, Any], list[str]], dict[str, Any]] = scope["read"]


class Fields:
    """Makes rows of a file rows of an entity.

    ``pairs`` maps columns to public names of fields, an empty name leaves a column out; without any a column is the
    field of its name, in any case.
    """

    def __init__(self, entity: DataEntity, table: Table, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self._entity = entity
        self._table = table
        self._pairs = {column.casefold(): field for column, field in pairs}
        for column, name in pairs:
            if name and name.lower() not in entity.folded:
                raise fault(
                    "DataFileColumns", reason=f"{column[:60]!r} is mapped to {name[:60]!r}, which is no field"
                )
        self._plans: dict[tuple[str, ...], tuple[_Steps, Sequence[str]]] = {}

    def check(self, columns: Sequence[str]) -> None:
        """Raises DataFileColumns for columns that are no fields, or when a field that is needed has none."""
        steps, unknown = self._plan(tuple(columns))
        if unknown:
            raise fault("DataFileColumns", reason=f"{self._entity.label} has no field {_listed(unknown)}")
        there = steps.names
        company = self._entity.company_field
        missing = [
            field.name
            for field in self._entity.fields.values()
            if field.mandatory and field != company and field.name not in there
        ]
        if missing:
            raise fault("DataFileColumns", reason=f"the mandatory field {_listed(missing)} has no column")

    def _plan(self, columns: tuple[str, ...]) -> tuple[_Steps, Sequence[str]]:
        """What is done with the values of these columns, and those that are no fields; raises DataFileColumns."""
        found = self._plans.get(columns)
        if found is not None:
            return found
        steps: list[Step] = []
        unknown: list[str] = []
        for column in columns:
            name = self._pairs.get(column.casefold(), column if not self._pairs else None)
            if name == "":
                continue
            field = None if name is None else self._entity.folded.get(name.lower())
            if field is None:
                unknown.append(column)
            elif any(step.field == field for step in steps):
                raise fault("DataFileColumns", reason=f"two columns fill the field {field.name}")
            else:
                steps.append(self._step(column, field))
        if len(self._plans) >= MAX_PLANS:
            self._plans.clear()
        made = self._plans[columns] = _Steps(steps), unknown
        return made

    def _step(self, column: str, field: DataField) -> Step:
        kept = self._table.columns[field.column]
        limit = (kept.max_length or 100) if kept.type == "string" else None
        return Step(
            column=column,
            field=field,
            read=_reader(self._entity, field, self._table),
            needed=field.mandatory and field != self._entity.company_field,
            size=limit if field.kind == "String" else None,
        )

    def read(
        self, columns: Sequence[str] | None, rows: Sequence[DataRow]
    ) -> Iterator[tuple[int, Mapping[str, Any], Sequence[str]]]:
        """Rows as number, values by public names of fields, and what is wrong with each.

        A wrong row keeps what the file says, as text. Raises DataFileColumns.
        """
        plan = self._plan(tuple(columns)) if columns is not None else None
        for row in rows:
            given = row.values
            made, unknown = plan or self._plan(tuple(given))
            problems = list(row.problems)
            if unknown:
                problems.append(f"there is no field {_listed(unknown)}")
            values = made.read(given, problems)
            if problems:
                values = {name: _plain(value) for name, value in given.items()}
            yield row.number, values, problems


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(repr(name[:60]) for name in names[:MAX_NAMED]) + more


def _plain(value: Any) -> str | None:
    return None if value is None else str(value)


@lru_cache(maxsize=65536)
def _reader(entity: DataEntity, field: DataField, table: Table) -> Read:
    """What reads values of a field."""
    column = table.columns[field.column]
    check = coercion(column, table.logical_name)
    raw = _raw(field)

    def read(value: Any) -> Any:
        try:
            found = raw(value)
            return None if found is None else check(found)
        except Unfit:
            raise
        except Fault as error:
            raise Unfit(f"{field.name}: {error.message}") from None
        except (ValueError, ArithmeticError, TypeError):
            raise Unfit(f"{field.name}: {_short(value)} is no {_spoken(field)}") from None

    # A file has many rows and few days.
    return lru_cache(maxsize=4096)(read) if field.kind in ("Date", "DateTime") else read


def _spoken(field: DataField) -> str:
    return {"Real": "number", "Int32": "whole number", "Int64": "whole number"}.get(
        field.kind, field.kind.lower()
    )


def _short(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 100 else f"{text[:100]}…")


def _raw(field: DataField) -> Read:
    match field.kind:
        case "Int32" | "Int64":
            return _whole
        case "Real":
            return _real
        case "Boolean":
            return _truth
        case "Date":
            return _day
        case "DateTime":
            return _instant
        case "Guid":
            return _guid
        case "Enum" if field.enum is not None:
            return _member(field.enum, field.name)
    return _text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        # A whole number of a workbook is one, however the workbook keeps it.
        return str(int(value))
    return ("Yes" if value else "No") if isinstance(value, bool) else str(value)


def _guid(value: Any) -> str:
    return _text(value).strip().strip("{}")


def _whole(value: Any) -> int:
    number = _real(value)
    if number != number.to_integral_value() or abs(number.adjusted()) > 30:
        raise ValueError(value)
    return int(number)


def _real(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    text = repr(value) if isinstance(value, float) else str(value)
    if len(text) > LONGEST_NUMBER or "_" in text:
        raise ValueError(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(value) from None
    if not number.is_finite() or abs(number.adjusted()) > LONGEST_NUMBER:
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    truth = TRUTHS.get(_text(value).strip().lower())
    if truth is None:
        raise ValueError(value)
    return truth


def _day(value: Any) -> str | None:
    text = _moment(value)[:10]
    return None if text == NO_DATE else text


def _instant(value: Any) -> str | None:
    text = _moment(value)
    return None if text.startswith(NO_DATE) else text


def _moment(value: Any) -> str:
    """ISO 8601 with a T and, without another offset, Z; raises ValueError."""
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None, microsecond=0).isoformat()}Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    text = str(value).strip()
    match = _MOMENT.fullmatch(text)
    if match is not None:
        day, hour, minute, second, offset = match.groups()
        return f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{offset or 'Z'}"
    match = _AMERICAN.fullmatch(text)
    if match is None:
        raise ValueError(value)
    month, day, year, hour, minute, second, half = match.groups()
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError(value)
        hours = hours % 12 + (12 if half in "Pp" else 0)
    moment = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0))
    return f"{moment.isoformat()}Z"


def _member(enum: EnumType, name: str) -> Read:
    known: dict[str, int] = {}
    # A name goes before a number, and a number before a label, where one text is two of them.
    for texts in ("label", "value", "name"):
        known.update({str(getattr(each, texts)).casefold(): each.value for each in enum.members})

    def member(value: Any) -> int:
        found = known.get(_text(value).strip().casefold())
        if found is None:
            names = _listed([each.name for each in enum.members])
            raise Unfit(f"{name}: {_short(value)} is none of {names}")
        return found

    return member
