"""Lines of opportunities, quotes, orders and invoices have their amounts worked out, and documents their totals.

A line takes its price from the document's price list unless the price is overridden; its base amount is price times
quantity, its extended amount that without the discount and with the tax. A document adds its lines up.
https://learn.microsoft.com/dynamics365/sales/developer/calculate-price-quote-order-invoice-or-opportunity-products
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orgstead.engine.hooks import Change, hook
from orgstead.engine.mapping import LINES
from orgstead.engine.registry import Call
from orgstead.model.messages import RetrieveMultiple, Update
from orgstead.model.query import Aggregate, Condition, Field, Query
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.model.types import coerce

__all__ = ["add_up", "price_line", "total_document"]

ZERO = Decimal(0)
HUNDRED = Decimal(100)
# What a document's totals depend on besides its lines.
OF_DOCUMENT = ("discountamount", "discountpercentage", "freightamount")
TOTALS = (
    "totallineitemamount", "totallineitemdiscountamount", "totaldiscountamount", "totalamountlessfreight", "totaltax",
    "totalamount",
)  # fmt: skip
DOCUMENTS = frozenset({"opportunity", "quote", "salesorder", "invoice"})
PRICED = (
    "priceperunit",
    "quantity",
    "productid",
    "uomid",
    "manualdiscountamount",
    "volumediscountamount",
    "tax",
)


def _is_line(table: Table) -> bool:
    return table.logical_name in LINES


@hook("Create", "Update", stage=20, applies=_is_line, rank=-8)
def price_line(call: Call, change: Change) -> None:
    """Fill price, base amount and extended amount of a line."""
    values, table = change.values, change.table
    if change.event == "Update" and not any(name in values for name in (*PRICED, "ispriceoverridden")):
        return
    if change.event == "Create" and values.get("quantity") is None:
        values["quantity"] = Decimal(1)
    overridden = change.after("ispriceoverridden") or change.after("isproductoverridden")
    if not overridden and values.get("priceperunit") is None:
        listed = _listed_price(call, change)
        if listed is not None:
            values["priceperunit"] = listed
    price = change.after("priceperunit")
    if price is None:
        return
    quantity = change.after("quantity") or ZERO
    base = _money(table, "baseamount", price * quantity)
    values["baseamount"] = base
    less = (change.after("manualdiscountamount") or ZERO) + (
        (change.after("volumediscountamount") or ZERO) * quantity
    )
    values["extendedamount"] = _money(table, "extendedamount", base - less + (change.after("tax") or ZERO))


def _money(table: Table, name: str, value: Decimal) -> Decimal:
    amount: Decimal = coerce(table.columns[name], value, table.logical_name)
    return amount


def _listed_price(call: Call, change: Change) -> Decimal | None:
    """The price of the line's product in the document's price list, per the line's unit."""
    document, product = change.after(LINES[change.table.logical_name]), change.after("productid")
    if document is None or product is None:
        return None
    stored = call.unit.get(call.schema.tables[document.table], document.id, ("pricelevelid",)) or {}
    prices = call.schema.tables["productpricelevel"]
    wanted = {"pricelevelid": stored.get("pricelevelid"), "productid": product}
    if change.after("uomid") is not None:
        wanted["uomid"] = change.after("uomid")
    if wanted["pricelevelid"] is None:
        return None
    for id in call.unit.find(prices, wanted, 1):
        row = call.unit.get(prices, id, ("amount",)) or {}
        return row.get("amount")
    return None


@hook("Create", "Update", "Delete", stage=40, applies=_is_line)
def add_up(call: Call, change: Change) -> None:
    """Bring the totals of a line's document up to date."""
    lookup = LINES[change.table.logical_name]
    for document in {change.before.get(lookup), change.after(lookup)}:
        if isinstance(document, Ref):
            _total(call, document, change.table)


@hook("Update", stage=40, applies=lambda table: table.logical_name in DOCUMENTS)
def total_document(call: Call, change: Change) -> None:
    """Bring the totals up to date when a discount, the freight or a total itself has changed."""
    watched = (*OF_DOCUMENT, *TOTALS)
    if any(name in change.values and change.values[name] != change.before.get(name) for name in watched):
        lines = next(name for name, lookup in LINES.items() if lookup == f"{change.table.logical_name}id")
        _total(call, Ref(change.table.logical_name, change.id), call.schema.tables[lines])


def _total(call: Call, document: Ref, lines: Table) -> None:
    table = call.schema.tables[document.table]
    row = call.unit.get(table, document.id)
    if row is None:
        # It goes with its lines.
        return
    sums = _sums(call, document, lines)
    items, tax = sums["baseamount"], sums["tax"]
    off_lines = sums["manualdiscountamount"]
    after_lines = items - off_lines
    off = (row.get("discountamount") or ZERO) + after_lines * (
        row.get("discountpercentage") or ZERO
    ) / HUNDRED
    totals: dict[str, Any] = {
        "totallineitemamount": after_lines,
        "totallineitemdiscountamount": off_lines,
        "totaldiscountamount": off,
        "totalamountlessfreight": after_lines - off,
        "totaltax": tax,
        "totalamount": after_lines - off + (row.get("freightamount") or ZERO) + tax,
    }
    if document.table == "opportunity" and row.get("isrevenuesystemcalculated"):
        totals["estimatedvalue"] = totals["totalamount"]
    changed = {name: value for name, value in totals.items() if row.get(name) != value}
    if changed:
        call.send_as_system(Update(ref=document, record=Record(table=document.table, values=changed)))


def _sums(call: Call, document: Ref, lines: Table) -> Mapping[str, Decimal]:
    names = ("baseamount", "manualdiscountamount", "tax")
    query = Query(
        table=lines.logical_name,
        where=Condition(Field(LINES[lines.logical_name]), "eq", (document.id,)),
        aggregates=tuple(Aggregate(function="sum", alias=name, field=Field(name)) for name in names),
    )
    page = call.send_as_system(RetrieveMultiple(query=query)).page
    if page is None or not page.rows:
        return dict.fromkeys(names, ZERO)
    places = {output.name: index for index, output in enumerate(page.plan.outputs)}
    (row,) = page.rows
    return {name: Decimal(row[places[name]] or 0) for name in names}
