"""Operators on dates: relative ones, fiscal ones, and those of whole days."""

from datetime import date, timedelta

from orgstead.engine.binding import Binding, Rule, check_arity, column_operand, incompatible
from orgstead.engine.dates import Range, fiscal_ranges, ranges_with_number, ranges_without_value
from orgstead.errors import fault
from orgstead.model.plan import AllOf, DatePart, Test, Verdict
from orgstead.model.query import Condition
from orgstead.model.types import parse_datetime

__all__ = ["in_fiscal_period", "on_day", "relative"]


def _ranged(binding: Binding, condition: Condition, span: Range) -> Verdict:
    operand = column_operand(binding, condition)
    if operand.column.type != "datetime":
        raise incompatible(operand.column, condition.operator)
    start, end = span
    date_only, calendar, tests = operand.column.date_only, binding.calendar, []
    if start is not None:
        tests.append(
            Test("ge", operand, binding.param(calendar.utc(start, date_only=date_only), operand.column))
        )
    if end is not None:
        # A range may end within a day; for calendar dates that day is still in it.
        whole = not date_only or end == end.replace(hour=0, minute=0, second=0, microsecond=0)
        tests.append(
            Test(
                "lt" if whole else "le",
                operand,
                binding.param(calendar.utc(end, date_only=date_only), operand.column),
            )
        )
    return AllOf(tuple(tests))


def _whole(condition: Condition, index: int = 0) -> int:
    try:
        number = int(str(condition.values[index]))
    except (TypeError, ValueError):
        raise fault(
            "InvalidArgument", message=f"The operator {condition.operator} needs a whole number."
        ) from None
    if not 0 < number <= 100_000:
        raise fault(
            "InvalidArgument", message=f"The value of {condition.operator} must be between 1 and 100000."
        )
    return number


def relative(name: str) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        binding.dynamic()
        if name in ranges_without_value:
            check_arity(condition, 0)
            return _ranged(binding, condition, ranges_without_value[name](binding.calendar))
        if name in ranges_with_number:
            check_arity(condition, 1)
            return _ranged(binding, condition, ranges_with_number[name](binding.calendar, _whole(condition)))
        check_arity(condition, 2)
        return _ranged(
            binding, condition, fiscal_ranges[name](binding.calendar, _whole(condition), _whole(condition, 1))
        )

    return rule


def in_fiscal_period(binding: Binding, condition: Condition) -> Verdict:
    check_arity(condition, 1)
    binding.dynamic()
    year, period = binding.calendar.fiscal(), _whole(condition)
    if period > year.periods:
        raise fault("InvalidArgument", message=f"The fiscal period must be between 1 and {year.periods}.")
    operand = column_operand(binding, condition)
    if operand.column.type != "datetime":
        raise incompatible(operand.column, condition.operator)
    return Test(
        "eq", DatePart(operand, "fiscal-period", None, year.month, year.periods), binding.param(period)
    )


def on_day(before: bool, after: bool) -> Rule:
    def rule(binding: Binding, condition: Condition) -> Verdict:
        check_arity(condition, 1)
        try:
            day = parse_datetime(str(condition.values[0]).replace(" ", "T", 1)).replace(tzinfo=None)
        except ValueError:
            raise fault(
                "InvalidArgument", message=f"The operator {condition.operator} needs a date."
            ) from None
        day = day.replace(hour=0, minute=0, second=0)
        following = None if day.date() == date.max else day + timedelta(days=1)
        return _ranged(binding, condition, (None if before else day, None if after else following))

    return rule
