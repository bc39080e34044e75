"""Parts of dates are taken in the caller's time and equal the calendar's, to the ends of the range."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from orgstead.engine.dates import Calendar, FiscalYear
from orgstead.model.query import Aggregate, Field, Group, Order, Query
from tests.store.store_pieces import Database, ask

INSTANTS = (
    "1753-01-01T00:00:00Z", "1899-12-31T23:00:00Z", "1970-01-01T00:00:00Z", "2000-02-29T12:00:00Z",
    "2022-12-31T23:30:00Z", "2023-01-01T00:00:00Z", "2023-01-01T00:30:00Z", "2023-01-07T23:59:59Z",
    "2023-01-08T00:00:00Z", "2023-03-31T23:59:59Z", "2023-04-01T00:00:00Z", "2023-12-31T12:00:00Z",
    "2024-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z", "2024-06-30T22:00:00Z",
    "2024-07-01T00:00:00Z", "2024-12-29T00:00:00Z", "2024-12-31T00:00:00Z", "9999-12-30T12:00:00Z",
    "9999-12-31T23:59:59Z",
)  # fmt: skip
PARTS = ("day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year")


@pytest.fixture(scope="module")
def dated(database: Database) -> Database:
    database.add("thing", *({"local": at, "free": at, "day": at[:10]} for at in INSTANTS), {})
    return database


def _part(when: datetime | date, part: str, first_month: int) -> int:
    first = date(when.year, 1, 1)
    match part:
        case "day":
            return when.day
        case "week":
            # Week 1 holds the first of January; weeks start on Sunday.
            return (when.timetuple().tm_yday - 1 + (first.weekday() + 1) % 7) // 7 + 1
        case "month":
            return when.month
        case "quarter":
            return (when.month + 2) // 3
        case "fiscal-period":
            return (when.month - first_month) % 12 // 3 + 1
        case "fiscal-year":
            return when.year - (when.month < first_month)
        case _:
            return when.year


def _moved(when: datetime, by: timedelta) -> datetime:
    """Local time; it ends with the year 9999, as UTC does."""
    try:
        return when + by
    except OverflowError:
        return datetime.max


def _expected(name: str, part: str, offset: int, first_month: int) -> Counter[int | None]:
    found: Counter[int | None] = Counter([None])
    for text in INSTANTS:
        if name == "day":
            found[_part(date.fromisoformat(text[:10]), part, first_month)] += 1
        else:
            moved = timedelta(minutes=offset if name == "local" else 0)
            found[_part(_moved(datetime.fromisoformat(text[:-1]), moved), part, first_month)] += 1
    return found


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["local", "free", "day"])
@pytest.mark.parametrize(("offset", "first_month"), [(0, 1), (0, 4), (120, 7), (-480, 12), (765, 10)])
def test_rows_are_grouped_by_a_part_of_a_date(
    dated: Database, name: str, part: Any, offset: int, first_month: int
) -> None:
    query = Query(
        table="thing",
        groups=(Group(field=Field(name), alias="part", dategrouping=part),),
        aggregates=(Aggregate(function="count", alias="rows"),),
        order=(Order(Field("part")),),
    )
    year = FiscalYear(month=first_month)
    calendar = Calendar(now=datetime(2024, 5, 15), offset=offset, fiscal=lambda: year)
    with dated.store.read() as unit:
        rows = ask(unit, dated.schema, query, calendar=calendar)
    assert {row["part"]: row["rows"] for row in rows} == _expected(name, part, offset, first_month)
    values = [row["part"] for row in rows]
    assert values == [None, *sorted(value for value in values if value is not None)]
    assert all(isinstance(value, int) for value in values[1:])
