"""Relative dates become half-open ranges of instants: here the sugar of FetchXML's date operators dies.

All arithmetic is in the caller's local time; ``Calendar.utc`` turns a local instant into canonical text.
https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/operators
https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/filter-rows#fiscal-date-values
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orgstead.errors import fault

__all__ = ["Calendar", "FiscalYear", "Range", "fiscal_ranges", "ranges_with_number", "ranges_without_value"]

# (start, end) as local instants; None is open. The end is not in the range.
Range = tuple[datetime | None, datetime | None]

MAX_UNITS = 100_000


# https://learn.microsoft.com/power-platform/admin/work-fiscal-year-settings
_PERIODS = {2000: 1, 2001: 2, 2002: 4, 2003: 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class FiscalYear:
    """The fiscal year starts on the first day of ``month`` and has ``periods`` periods (1, 2, 4 or 12)."""

    month: int = 1
    periods: int = 4

    @classmethod
    def of(cls, start: str | None, kind: int | None) -> "FiscalYear":
        """What ``fiscalcalendarstart`` and ``fiscalperiodtype`` of an organisation say; raises NotSupported."""
        if start is not None and start[8:10] != "01":
            raise fault("NotSupported", feature=f"A fiscal year that starts on day {start[8:10]} of a month")
        if kind is not None and kind not in _PERIODS:
            raise fault("NotSupported", feature=f"The fiscal period type {kind}")
        month = int(start[5:7]) if start is not None else 1
        return cls(month=month, periods=4 if kind is None else _PERIODS[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What "now" and "this year" mean to the caller.

    ``now`` is local; ``offset`` the minutes between local time and UTC; ``fiscal`` tells what the organisation says
    about its fiscal year, once it is asked for.
    """

    now: datetime
    offset: int = 0
    fiscal: Callable[[], FiscalYear] = field(default=FiscalYear, compare=False)

    @property
    def fiscal_month(self) -> int:
        """The month whose first day begins the fiscal year."""
        return self.fiscal().month

    @property
    def fiscal_periods(self) -> int:
        """How many periods a fiscal year has."""
        return self.fiscal().periods

    @property
    def today(self) -> datetime:
        """Local midnight at the start of today."""
        return self.now.replace(hour=0, minute=0, second=0, microsecond=0)

    def utc(self, local: datetime, *, date_only: bool = False) -> str:
        """Canonical text of a local instant (of its day when ``date_only``)."""
        if date_only:
            return local.strftime("%Y-%m-%d")
        return (local - timedelta(minutes=self.offset)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _months(when: datetime, count: int) -> datetime:
    month = when.year * 12 + when.month - 1 + count
    year, month = month // 12, month % 12 + 1
    if not 1 <= year <= 9999:
        raise fault("InvalidArgument", message="The date is out of range.")
    return when.replace(year=year, month=month, day=min(when.day, monthrange(year, month)[1]))


def _shift(when: datetime, unit: str, count: int) -> datetime:
    try:
        match unit:
            case "years":
                return _months(when, 12 * count)
            case "months":
                return _months(when, count)
            case _:
                return when + timedelta(**{unit: count})
    except OverflowError:
        raise fault("InvalidArgument", message="The date is out of range.") from None


def _span(start: datetime, unit: str, count: int = 1) -> Range:
    return start, _shift(start, unit, count)


def _week(calendar: Calendar) -> datetime:
    # Weeks start on Sunday in the organisation's default culture.
    return calendar.today - timedelta(days=(calendar.today.weekday() + 1) % 7)


def _month(calendar: Calendar) -> datetime:
    return calendar.today.replace(day=1)


def _year(calendar: Calendar) -> datetime:
    return calendar.today.replace(month=1, day=1)


def _fiscal_year(calendar: Calendar, year: int | None = None) -> datetime:
    if year is None:
        today = calendar.today
        year = today.year if today.month >= calendar.fiscal_month else today.year - 1
    if not 1900 <= year <= 9998:
        raise fault("InvalidArgument", message="The fiscal year is out of range.")
    return datetime(year, calendar.fiscal_month, 1)


def _fiscal_period(calendar: Calendar) -> datetime:
    start, length = _fiscal_year(calendar), 12 // calendar.fiscal_periods
    elapsed = (calendar.today.year - start.year) * 12 + calendar.today.month - start.month
    return _months(start, elapsed // length * length)


def _period_months(calendar: Calendar) -> int:
    return 12 // calendar.fiscal_periods


ranges_without_value: Mapping[str, Callable[[Calendar], Range]] = {
    "today": lambda c: _span(c.today, "days"),
    "yesterday": lambda c: _span(_shift(c.today, "days", -1), "days"),
    "tomorrow": lambda c: _span(_shift(c.today, "days", 1), "days"),
    "last-seven-days": lambda c: (_shift(c.today, "days", -7), _shift(c.now, "seconds", 1)),
    "next-seven-days": lambda c: (c.now, _shift(c.today, "days", 8)),
    "last-week": lambda c: _span(_shift(_week(c), "days", -7), "days", 7),
    "this-week": lambda c: _span(_week(c), "days", 7),
    "next-week": lambda c: _span(_shift(_week(c), "days", 7), "days", 7),
    "last-month": lambda c: _span(_shift(_month(c), "months", -1), "months"),
    "this-month": lambda c: _span(_month(c), "months"),
    "next-month": lambda c: _span(_shift(_month(c), "months", 1), "months"),
    "last-year": lambda c: _span(_shift(_year(c), "years", -1), "years"),
    "this-year": lambda c: _span(_year(c), "years"),
    "next-year": lambda c: _span(_shift(_year(c), "years", 1), "years"),
    "this-fiscal-year": lambda c: _span(_fiscal_year(c), "years"),
    "last-fiscal-year": lambda c: _span(_shift(_fiscal_year(c), "years", -1), "years"),
    "next-fiscal-year": lambda c: _span(_shift(_fiscal_year(c), "years", 1), "years"),
    "this-fiscal-period": lambda c: _span(_fiscal_period(c), "months", _period_months(c)),
    "last-fiscal-period": lambda c: _span(
        _shift(_fiscal_period(c), "months", -_period_months(c)), "months", _period_months(c)
    ),
    "next-fiscal-period": lambda c: _span(
        _shift(_fiscal_period(c), "months", _period_months(c)), "months", _period_months(c)
    ),
}


def _last(unit: str) -> Callable[[Calendar, int], Range]:
    # Hours count from this instant; longer units from the start of the day that far back.
    def span(calendar: Calendar, count: int) -> Range:
        start = calendar.now if unit == "hours" else calendar.today
        return _shift(start, unit, -count), _shift(calendar.now, "seconds", 1)

    return span


def _next(unit: str) -> Callable[[Calendar, int], Range]:
    def span(calendar: Calendar, count: int) -> Range:
        if unit == "hours":
            return calendar.now, _shift(calendar.now, "hours", count)
        return calendar.now, _shift(_shift(calendar.today, unit, count), "days", 1)

    return span


def _older(unit: str) -> Callable[[Calendar, int], Range]:
    def span(calendar: Calendar, count: int) -> Range:
        start = calendar.now if unit in ("minutes", "hours") else calendar.today
        return None, _shift(start, unit, -count)

    return span


def _fiscal_units(years: bool, sign: int) -> Callable[[Calendar, int], Range]:
    def span(calendar: Calendar, count: int) -> Range:
        months = 12 if years else _period_months(calendar)
        start = _fiscal_year(calendar) if years else _fiscal_period(calendar)
        if sign < 0:
            return _months(start, -months * count), start
        return _months(start, months), _months(start, months * (count + 1))

    return span


_UNITS = ("hours", "days", "weeks", "months", "years")

_NUMBERED: Mapping[str, Callable[[Calendar, int], Range]] = {
    **{f"last-x-{unit}": _last(unit) for unit in _UNITS},
    **{f"next-x-{unit}": _next(unit) for unit in _UNITS},
    **{f"olderthan-x-{unit}": _older(unit) for unit in ("minutes", *_UNITS)},
    "last-x-fiscal-years": _fiscal_units(True, -1),
    "last-x-fiscal-periods": _fiscal_units(False, -1),
    "next-x-fiscal-years": _fiscal_units(True, 1),
    "next-x-fiscal-periods": _fiscal_units(False, 1),
    "in-fiscal-year": lambda c, year: _span(_fiscal_year(c, year), "years"),
}
ranges_with_number = _NUMBERED


def _in_period(calendar: Calendar, period: int, year: int) -> Range:
    if not 1 <= period <= calendar.fiscal_periods:
        raise fault(
            "InvalidArgument", message=f"The fiscal period must be between 1 and {calendar.fiscal_periods}."
        )
    months = _period_months(calendar)
    return _span(_months(_fiscal_year(calendar, year), (period - 1) * months), "months", months)


fiscal_ranges: Mapping[str, Callable[[Calendar, int, int], Range]] = {
    "in-fiscal-period-and-year": _in_period,
    "in-or-before-fiscal-period-and-year": lambda c, period, year: (None, _in_period(c, period, year)[1]),
    "in-or-after-fiscal-period-and-year": lambda c, period, year: (_in_period(c, period, year)[0], None),
}
