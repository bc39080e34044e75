"""From a lead to an invoice: qualify, win and lose, and turn opportunities into quotes, orders and invoices.

https://learn.microsoft.com/dynamics365/sales/developer/opportunity-entities
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/qualifylead
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/winopportunity
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import completed, named_row, stored_row
from orgstead.engine.mapping import LINES, entity_map, taken_over
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Create, Parameter, Result, Retrieve, Signature, Update
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref

__all__ = [
    "cancel_order", "close_quote", "convert_order", "convert_quote", "fulfill_order", "generate_invoice",
    "generate_order", "generate_quote", "lose_opportunity", "make_from", "qualify_lead", "revise_quote",
    "win_opportunity", "win_quote",
]  # fmt: skip

MAX_LINES = 10_000
QUALIFIED = 3
_STATUS = Parameter(name="Status", type="Edm.Int32")
_COLUMNS = Parameter(name="ColumnSet", type="mscrm.ColumnSet", optional=True)


def _flag(name: str) -> Parameter:
    return Parameter(name=name, type="Edm.Boolean")


@handles(
    "QualifyLead",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        parameters=(
            _flag("CreateAccount"),
            _flag("CreateContact"),
            _flag("CreateOpportunity"),
            Parameter(name="OpportunityCurrency", type="mscrm.transactioncurrency", optional=True),
            Parameter(name="OpportunityCustomer", type="mscrm.crmbaseentity", optional=True),
            Parameter(name="SourceCampaign", type="mscrm.campaign", optional=True),
            Parameter(name="Status", type="Edm.Int32", optional=True),
            Parameter(name="ProcessInstanceId", type="Edm.Guid", optional=True),
            Parameter(name="SuppressDuplicateDetection", type="Edm.Boolean", optional=True),
        ),
        returns=(Parameter(name="", type="Collection(mscrm.crmbaseentity)"),),
        bound=("lead",),
    ),
)
def qualify_lead(call: Call) -> Any:
    """Qualify a lead and make of it what is asked for: an account, a contact, an opportunity.

    Raises InvalidState when it is no longer open.
    """
    lead, row = _bound(call)
    table, asked = call.schema.tables["lead"], call.parameters
    check_row(call, "Write", table, row)
    if row["statecode"] != 0:
        raise fault("InvalidState", table="lead", id=lead.id, wanted="open")
    made: list[Ref] = []
    account, contact = row.get("parentaccountid"), row.get("parentcontactid")
    if asked.get("CreateAccount"):
        values = taken_over(call.caller, table, row, call.schema.tables["account"])
        values.setdefault("name", row.get("fullname"))
        account = _make(call, "account", values)
        made.append(account)
    if asked.get("CreateContact"):
        values = taken_over(call.caller, table, row, call.schema.tables["contact"])
        if account is not None:
            values["parentcustomerid"] = account
        contact = _make(call, "contact", values)
        made.append(contact)
        if account in made:
            call.send(
                Update(ref=account, record=Record(table="account", values={"primarycontactid": contact}))
            )
    changes: dict[str, Any] = {"parentaccountid": account, "parentcontactid": contact}
    if asked.get("CreateOpportunity"):
        opportunity = _opportunity(call, row, account, contact)
        made.append(opportunity)
        changes["qualifyingopportunityid"] = opportunity
    status = asked.get("Status")
    changes |= {"statecode": 1, "statuscode": QUALIFIED if status in (None, -1) else status}
    values = {name: value for name, value in changes.items() if value is not None and name in table.columns}
    call.send(Update(ref=lead, record=Record(table="lead", values=values)))
    return made


def _opportunity(call: Call, lead: Mapping[str, Any], account: Ref | None, contact: Ref | None) -> Ref:
    tables, asked = call.schema.tables, call.parameters
    values = taken_over(call.caller, tables["lead"], lead, tables["opportunity"])
    customer = asked.get("OpportunityCustomer")
    who = (
        named_row(call, customer, "OpportunityCustomer", "account", "contact")
        if customer is not None
        else None
    )
    if who is not None:
        values["customerid"] = who
    elif account is not None or contact is not None:
        values["customerid"] = account or contact
    account = who if who is not None and who.table == "account" else account
    contact = who if who is not None and who.table == "contact" else contact
    values |= {
        name: ref
        for name, ref in (("parentaccountid", account), ("parentcontactid", contact))
        if ref is not None
    }
    for name, column in (("OpportunityCurrency", "transactioncurrencyid"), ("SourceCampaign", "campaignid")):
        if asked.get(name) is not None:
            values[column] = named_row(call, asked[name], name)
    return _make(call, "opportunity", values)


def _make(call: Call, table: str, values: Mapping[str, Any]) -> Ref:
    made = call.send(Create(record=Record(table=table, values=values))).ref
    if made is None:
        raise TypeError("a created row has a reference")
    return made


def _bound(call: Call) -> tuple[Ref, dict[str, Any]]:
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a row")
    return call.target, stored_row(call, call.target)


# -- closing ---------------------------------------------------------------------------------------------------------
def _closing(parameter: str, table: str) -> Signature:
    return Signature(kind="action", parameters=(Parameter(name=parameter, type=f"mscrm.{table}"), _STATUS))


def _close(
    call: Call, parameter: str, lookup: str, state: int, *, open_: tuple[int, ...], **more: Any
) -> None:
    """Record the closing of a row as an activity and set its state; raises InvalidState when it is closed."""
    record = call.parameters[parameter]
    if not isinstance(record, Record) or not isinstance(record.values.get(lookup), Ref):
        raise fault(
            "InvalidArgument", message=f"{parameter} must have {lookup} set to the row that is closed."
        )
    ref = call.resolve(record.values[lookup])
    row = stored_row(call, ref)
    table = call.schema.tables[ref.table]
    check_row(call, "Write", table, row)
    if row["statecode"] not in open_:
        raise fault("InvalidState", table=ref.table, id=ref.id, wanted="open")
    values = {**record.values, lookup: ref}
    values.setdefault("subject", f"{table.display_name} closed")
    values.setdefault("actualend", call.now)
    completed(call, Record(table=record.table, values=values))
    status = call.parameters["Status"]
    changes = {"statecode": state, **more} | ({} if status == -1 else {"statuscode": status})
    call.send(Update(ref=ref, record=Record(table=ref.table, values=changes)))


@handles("WinOpportunity", privilege=OPEN, signature=_closing("OpportunityClose", "opportunityclose"))
def win_opportunity(call: Call) -> Any:
    """Close an opportunity as won, with an opportunity close activity. Raises InvalidState unless it is open."""
    _close(call, "OpportunityClose", "opportunityid", 1, open_=(0,), **_actual(call))


@handles("LoseOpportunity", privilege=OPEN, signature=_closing("OpportunityClose", "opportunityclose"))
def lose_opportunity(call: Call) -> Any:
    """Close an opportunity as lost, with an opportunity close activity. Raises InvalidState unless it is open."""
    _close(call, "OpportunityClose", "opportunityid", 2, open_=(0,), **_actual(call))


def _actual(call: Call) -> dict[str, Any]:
    """What the closing says about the opportunity: the value that it really had, and when it was closed."""
    close = call.parameters["OpportunityClose"]
    values = close.values if isinstance(close, Record) else {}
    actual = {"actualclosedate": (values.get("actualend") or call.now)[:10]}
    return actual | (
        {"actualvalue": values["actualrevenue"]} if values.get("actualrevenue") is not None else {}
    )


@handles("WinQuote", privilege=OPEN, signature=_closing("QuoteClose", "quoteclose"))
def win_quote(call: Call) -> Any:
    """Close an active quote as won. Raises InvalidState unless it is active."""
    _close(call, "QuoteClose", "quoteid", 2, open_=(1,), closedon=call.now[:10])


@handles("CloseQuote", privilege=OPEN, signature=_closing("QuoteClose", "quoteclose"))
def close_quote(call: Call) -> Any:
    """Close an active quote as lost or canceled. Raises InvalidState unless it is active."""
    _close(call, "QuoteClose", "quoteid", 3, open_=(1,), closedon=call.now[:10])


@handles("FulfillSalesOrder", privilege=OPEN, signature=_closing("OrderClose", "orderclose"))
def fulfill_order(call: Call) -> Any:
    """Close an order as fulfilled. Raises InvalidState unless it is open."""
    _close(call, "OrderClose", "salesorderid", 3, open_=(0, 1))


@handles("CancelSalesOrder", privilege=OPEN, signature=_closing("OrderClose", "orderclose"))
def cancel_order(call: Call) -> Any:
    """Close an order as canceled. Raises InvalidState unless it is open."""
    _close(call, "OrderClose", "salesorderid", 2, open_=(0, 1))


# -- one document from another ---------------------------------------------------------------------------------------
def _making(parameter: str, table: str) -> Signature:
    return Signature(
        kind="action",
        parameters=(
            Parameter(name=parameter, type="Edm.Guid"),
            _COLUMNS,
            Parameter(name="ProcessInstanceId", type="Edm.Guid", optional=True),
        ),
        returns=(Parameter(name="", type=f"mscrm.{table}"),),
    )


def make_from(call: Call, source: Ref, target: str, **more: Any) -> Ref:
    """Make a row, and its lines, from another one."""
    tables = call.schema.tables
    row = stored_row(call, source)
    check_row(call, "Read", tables[source.table], row)
    made = _make(call, target, taken_over(call.caller, tables[source.table], row, tables[target]) | more)
    found = entity_map(source.table, target)
    if found is not None and found.lines is not None:
        near, far = (tables[name] for name in found.lines)
        ids = call.unit.find(near, {LINES[near.logical_name]: source}, MAX_LINES)
        for id in ids:
            values = taken_over(call.caller, near, call.unit.get(near, id) or {}, far)
            # A price that was agreed on stays, whatever the list says by now.
            values["ispriceoverridden"] = True
            _make(call, far.logical_name, values | {LINES[far.logical_name]: made})
    return made


def _answer(call: Call, made: Ref) -> Result:
    """The new row with the columns that were asked for."""
    asked = call.parameters.get("ColumnSet") or {}
    columns = asked.get("Columns") if isinstance(asked, Mapping) and not asked.get("AllColumns") else None
    wanted = None if columns is None else tuple(str(name) for name in columns)
    return call.send(Retrieve(ref=made, query=Query(table=made.table, columns=wanted)))


def _from(
    call: Call, parameter: str, source: str, target: str, allowed: tuple[int, ...] = (), **more: Any
) -> Result:
    ref = Ref(source, call.parameters[parameter])
    row = stored_row(call, ref)
    # Nobody is told about the state of a row that they do not see.
    check_row(call, "Read", call.schema.tables[source], row)
    if allowed and row["statecode"] not in allowed:
        raise fault("InvalidState", table=source, id=ref.id, wanted="active or won")
    return _answer(call, make_from(call, ref, target, **more))


@handles("GenerateQuoteFromOpportunity", privilege=OPEN, signature=_making("OpportunityId", "quote"))
def generate_quote(call: Call) -> Any:
    """Make a draft quote with the customer, the terms and the products of an opportunity."""
    return _from(call, "OpportunityId", "opportunity", "quote")


@handles(
    "GenerateSalesOrderFromOpportunity", privilege=OPEN, signature=_making("OpportunityId", "salesorder")
)
def generate_order(call: Call) -> Any:
    """Make an order with the customer, the terms and the products of an opportunity."""
    return _from(call, "OpportunityId", "opportunity", "salesorder")


@handles("GenerateInvoiceFromOpportunity", privilege=OPEN, signature=_making("OpportunityId", "invoice"))
def generate_invoice(call: Call) -> Any:
    """Make an invoice with the customer, the terms and the products of an opportunity."""
    return _from(call, "OpportunityId", "opportunity", "invoice")


@handles("ConvertQuoteToSalesOrder", privilege=OPEN, signature=_making("QuoteId", "salesorder"))
def convert_quote(call: Call) -> Any:
    """Make an order of an active or won quote; an active one is won by it. Raises InvalidState for others."""
    ref = Ref("quote", call.parameters["QuoteId"])
    made = _from(call, "QuoteId", "quote", "salesorder", (1, 2))
    if stored_row(call, ref)["statecode"] == 1:
        won = {"statecode": 2, "statuscode": 4, "closedon": call.now[:10]}
        call.send(Update(ref=ref, record=Record(table="quote", values=won)))
    return made


@handles("ConvertSalesOrderToInvoice", privilege=OPEN, signature=_making("SalesOrderId", "invoice"))
def convert_order(call: Call) -> Any:
    """Make an invoice of an order that is not canceled. Raises InvalidState for others."""
    return _from(call, "SalesOrderId", "salesorder", "invoice", (0, 1, 3, 4))


@handles("ReviseQuote", privilege=OPEN, signature=_making("QuoteId", "quote"))
def revise_quote(call: Call) -> Any:
    """Make a draft of a closed quote with the same number and the next revision. Raises InvalidState for others."""
    ref = Ref("quote", call.parameters["QuoteId"])
    row = stored_row(call, ref)
    check_row(call, "Read", call.schema.tables["quote"], row)
    if row["statecode"] != 3:
        raise fault("InvalidState", table="quote", id=ref.id, wanted="closed")
    made = make_from(call, ref, "quote")
    revision = {"revisionnumber": (row.get("revisionnumber") or 0) + 1}
    call.send_as_system(Update(ref=made, record=Record(table="quote", values=revision)))
    return _answer(call, made)
