"""Every money column has a twin in the organisation's base currency, at the row's exchange rate.

https://learn.microsoft.com/power-apps/developer/data-platform/transaction-currency-currency-entity
"""

from decimal import Decimal
from functools import lru_cache

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Table
from orgstead.model.types import coerce

__all__ = ["keep_base_amounts"]

ONE = Decimal(1)


@lru_cache(maxsize=4096)
def _twins(table: Table) -> tuple[tuple[str, str, bool], ...]:
    """Pairs of a money column and its base twin, each with whether they take the same values."""
    return tuple(
        (column.base_of, column.name, _limits(column) == _limits(table.columns[column.base_of]))
        for column in table.stored
        if column.base_of is not None and column.base_of in table.columns
    )


def _limits(column: Column) -> tuple[object, ...]:
    return column.type, column.min, column.max


def _has_currency(table: Table) -> bool:
    return "transactioncurrencyid" in table.columns and table.logical_name != "transactioncurrency"


@hook("Create", "Update", stage=20, applies=_has_currency)
def keep_base_amounts(call: Call, change: Change) -> None:
    """The currency defaults to the organisation's; rate and base amounts follow currency and amounts."""
    values, twins = change.values, _twins(change.table)
    if change.event == "Create" and values.get("transactioncurrencyid") is None and call.caller.currency_id:
        values["transactioncurrencyid"] = Ref("transactioncurrency", call.caller.currency_id)
    moved = values.get("transactioncurrencyid") is not None
    if moved and "exchangerate" in change.table.columns:
        values["exchangerate"] = _rate(call, values["transactioncurrencyid"])
    touched = [twin for twin in twins if twin[0] in values or (moved and change.event == "Update")]
    if not touched:
        return
    rate = change.after("exchangerate") or ONE
    for amount, base, alike in touched:
        value = change.after(amount)
        if value is not None and not (alike and rate == ONE):
            value = coerce(change.table.columns[base], value / rate, change.table.logical_name)
        values[base] = value


def _rate(call: Call, currency: Ref) -> Decimal:
    if currency.id == call.caller.currency_id:
        return ONE
    row = call.unit.get(call.schema.tables["transactioncurrency"], currency.id, ("exchangerate",))
    rate = row["exchangerate"] if row else None
    if not rate:
        raise fault("InvalidArgument", message="The currency has no exchange rate.")
    return Decimal(rate)
