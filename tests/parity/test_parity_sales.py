"""From a lead to an invoice: what each message makes, closes and adds up."""

from typing import Any

import pytest

from tests.parity.conftest import Answer, Web

CRM = "Microsoft.Dynamics.CRM"


def action(web: Web, path: str, /, **body: Any) -> Answer:
    return web.call("POST", path, body)


def product(web: Web, price: float) -> dict[str, str]:
    """A product with a unit, and a price list that has its price."""
    schedule = web.make("uomschedules", name=web.name("group"), baseuomname="Each")
    units = web.get(f"uoms?$filter=_uomscheduleid_value eq {schedule}&$select=uomid").rows
    unit = (
        units[0]["uomid"]
        if units
        else web.make(
            "uoms", name="Each", quantity=1, **{"uomscheduleid@odata.bind": f"uomschedules({schedule})"}
        )
    )
    made = web.make("products", name="Feed", productnumber=web.name("F"), quantitydecimal=2, **{
        "defaultuomid@odata.bind": f"uoms({unit})",
        "defaultuomscheduleid@odata.bind": f"uomschedules({schedule})",
    })  # fmt: skip
    prices = web.make("pricelevels", name=web.name("list"))
    web.make("productpricelevels", amount=price, **{
        "pricelevelid@odata.bind": f"pricelevels({prices})",
        "productid@odata.bind": f"products({made})",
        "uomid@odata.bind": f"uoms({unit})",
    })  # fmt: skip
    return {"product": made, "unit": unit, "prices": prices}


def line(of: str, id: str, thing: dict[str, str], **values: Any) -> dict[str, Any]:
    return {
        f"{of}id@odata.bind": f"{'opportunities' if of == 'opportunity' else of + 's'}({id})",
        "productid@odata.bind": f"products({thing['product']})",
        "uomid@odata.bind": f"uoms({thing['unit']})",
        **values,
    }


TOTALS = (
    "totallineitemamount,totallineitemdiscountamount,totaldiscountamount,totalamountlessfreight,"
    "totaltax,totalamount"
)


def totals(web: Web, path: str) -> tuple[float, ...]:
    row = web.get(f"{path}?$select={TOTALS}").json
    return tuple(float(row[name]) for name in TOTALS.split(","))


def test_a_qualified_lead_becomes_what_is_asked_for(web: Web) -> None:
    currency = web.get("transactioncurrencies?$top=1&$select=transactioncurrencyid").rows[0][
        "transactioncurrencyid"
    ]
    lead = web.make(
        "leads", subject="Ten thousand feeders", firstname="Ada", lastname="Thorn", companyname="Thorn Mills",
        telephone1="555 1", emailaddress1="ada@example.org", address1_city="Oslo", jobtitle="Buyer",
        estimatedamount=1200, budgetamount=1500, websiteurl="https://example.org",
    )  # fmt: skip
    answer = action(
        web,
        f"leads({lead})/{CRM}.QualifyLead",
        CreateAccount=True,
        CreateContact=True,
        CreateOpportunity=True,
        OpportunityCurrency={"transactioncurrencyid": currency, "@odata.type": f"{CRM}.transactioncurrency"},
        Status=3,
    )
    assert answer.status == 200, answer.text
    made = {each["@odata.type"].rpartition(".")[2]: each for each in answer.json["value"]}
    assert set(made) == {"account", "contact", "opportunity"}
    account = web.get(f"accounts({made['account']['accountid']})").json
    assert (account["name"], account["address1_city"], account["telephone1"]) == (
        "Thorn Mills",
        "Oslo",
        "555 1",
    )
    assert account["_originatingleadid_value"] == lead
    assert account["_primarycontactid_value"] == made["contact"]["contactid"]
    contact = web.get(f"contacts({made['contact']['contactid']})").json
    assert (contact["fullname"], contact["jobtitle"]) == ("Ada Thorn", "Buyer")
    assert contact["_parentcustomerid_value"] == account["accountid"]
    deal = web.get(f"opportunities({made['opportunity']['opportunityid']})").json
    assert (deal["name"], deal["estimatedvalue"], deal["budgetamount"]) == (
        "Ten thousand feeders",
        1200,
        1500,
    )
    assert (deal["_customerid_value"], deal["_parentcontactid_value"]) == (
        account["accountid"],
        contact["contactid"],
    )
    assert deal["_transactioncurrencyid_value"] == currency
    row = web.get(f"leads({lead})?$select=statecode,statuscode,_qualifyingopportunityid_value").json
    assert (row["statecode"], row["statuscode"]) == (1, 3)
    assert row["_qualifyingopportunityid_value"] == deal["opportunityid"]
    # Only once.
    again = action(
        web,
        f"leads({lead})/{CRM}.QualifyLead",
        CreateAccount=True,
        CreateContact=False,
        CreateOpportunity=False,
    )
    assert again.fault == (400, "0x80040233")
    assert len(web.get(f"accounts?$filter=_originatingleadid_value eq {lead}").rows) == 1


def test_what_a_lead_does_not_become_is_not_made(web: Web) -> None:
    customer = web.make("accounts", name="There already")
    lead = web.make("leads", subject="Small", lastname="None")
    answer = action(
        web,
        f"leads({lead})/{CRM}.QualifyLead",
        CreateAccount=False,
        CreateContact=False,
        CreateOpportunity=True,
        OpportunityCustomer={"accountid": customer, "@odata.type": f"{CRM}.account"},
        Status=-1,
    )
    (made,) = answer.json["value"]
    deal = web.get(
        f"opportunities({made['opportunityid']})?$select=_customerid_value,_parentaccountid_value"
    ).json
    assert deal["_customerid_value"] == deal["_parentaccountid_value"] == customer
    assert web.get(f"contacts?$filter=_originatingleadid_value eq {lead}").rows == []
    missing = action(web, f"leads({lead})/{CRM}.QualifyLead", CreateAccount=True)
    assert missing.status == 400
    assert action(web, "QualifyLead", CreateAccount=True).status == 404


@pytest.mark.parametrize(
    ("name", "status", "state", "given"),
    [("WinOpportunity", 3, 1, 3), ("LoseOpportunity", 5, 2, 5), ("WinOpportunity", -1, 1, 3)],
)
def test_an_opportunity_is_closed_once_and_says_how(
    web: Web, name: str, status: int, state: int, given: int
) -> None:
    deal = web.make("opportunities", name="Deal", estimatedvalue=10)
    close = {
        "subject": "Signed", "actualrevenue": 12.5, "actualend": "2026-03-04T10:00:00Z",
        "opportunityid@odata.bind": f"/opportunities({deal})",
    }  # fmt: skip
    answer = action(web, name, OpportunityClose=close, Status=status)
    assert answer.status == 204, answer.text
    row = web.get(f"opportunities({deal})?$select=statecode,statuscode,actualvalue,actualclosedate").json
    assert (row["statecode"], row["statuscode"], row["actualvalue"]) == (state, given, 12.5)
    assert row["actualclosedate"] == "2026-03-04"
    (activity,) = web.get(
        f"opportunitycloses?$filter=_opportunityid_value eq {deal}&$select=subject,statecode"
    ).rows
    assert (activity["subject"], activity["statecode"]) == ("Signed", 1)
    assert action(web, name, OpportunityClose=close, Status=status).fault == (400, "0x80040233")
    assert len(web.get(f"opportunitycloses?$filter=_opportunityid_value eq {deal}").rows) == 1
    # A status of another state changes nothing.
    other = web.make("opportunities", name="Other")
    close["opportunityid@odata.bind"] = f"/opportunities({other})"
    assert action(web, name, OpportunityClose=close, Status=1).status == 400
    assert web.get(f"opportunities({other})?$select=statecode").json["statecode"] == 0
    assert web.get(f"opportunitycloses?$filter=_opportunityid_value eq {other}").rows == []
    assert action(web, name, OpportunityClose={"subject": "nothing"}, Status=status).status == 400


def test_lines_take_their_price_and_documents_add_them_up(web: Web) -> None:
    thing = product(web, 12.5)
    quote = web.make("quotes", name="Q", discountpercentage=10, freightamount=7, **{
        "pricelevelid@odata.bind": f"pricelevels({thing['prices']})"
    })  # fmt: skip
    first = web.make("quotedetails", **line("quote", quote, thing, quantity=4, manualdiscountamount=5, tax=3))
    row = web.get(f"quotedetails({first})?$select=priceperunit,baseamount,extendedamount").json
    assert (row["priceperunit"], row["baseamount"], row["extendedamount"]) == (12.5, 50, 48)
    assert totals(web, f"quotes({quote})") == (45, 5, 4.5, 40.5, 3, 50.5)
    second = web.make("quotedetails", quantity=2, priceperunit=100, isproductoverridden=True,
                      productdescription="By hand", **{"quoteid@odata.bind": f"quotes({quote})"})  # fmt: skip
    assert totals(web, f"quotes({quote})") == (245, 5, 24.5, 220.5, 3, 230.5)
    assert web.call("PATCH", f"quotedetails({second})", {"quantity": 1}).status == 204
    assert web.call("PATCH", f"quotes({quote})", {"freightamount": 0}).status == 204
    assert totals(web, f"quotes({quote})") == (145, 5, 14.5, 130.5, 3, 133.5)
    assert web.call("DELETE", f"quotedetails({second})").status == 204
    assert totals(web, f"quotes({quote})") == (45, 5, 4.5, 40.5, 3, 43.5)
    # Base amounts follow, and totals are nobody's to set.
    base = web.get(f"quotes({quote})?$select=totalamount_base").json["totalamount_base"]
    assert base == 43.5
    assert web.call("PATCH", f"quotes({quote})", {"totalamount": 1}).status == 204
    assert totals(web, f"quotes({quote})")[-1] == 43.5


def test_the_chain_from_opportunity_to_invoice(web: Web) -> None:
    thing, customer = product(web, 20), web.make("accounts", name="Chain")
    deal = web.make("opportunities", name="Chain", discountamount=10, **{
        "customerid_account@odata.bind": f"accounts({customer})",
        "pricelevelid@odata.bind": f"pricelevels({thing['prices']})",
    })  # fmt: skip
    web.make("opportunityproducts", **line("opportunity", deal, thing, quantity=3, tax=1))
    assert totals(web, f"opportunities({deal})") == (60, 0, 10, 50, 1, 51)
    made = action(
        web,
        "GenerateQuoteFromOpportunity",
        OpportunityId=deal,
        ColumnSet={"Columns": ["name", "totalamount"]},
    )
    assert made.status == 200, made.text
    assert made.json["@odata.context"].endswith("$metadata#quotes/$entity")
    assert made.json["name"] == "Chain"
    assert "quotenumber" not in made.json
    quote = made.json["quoteid"]
    row = web.get(f"quotes({quote})?$select=statecode,_opportunityid_value,_customerid_value").json
    assert (row["statecode"], row["_opportunityid_value"], row["_customerid_value"]) == (0, deal, customer)
    assert totals(web, f"quotes({quote})") == (60, 0, 10, 50, 1, 51)
    # A draft is not converted, an active one is won by it.
    convert = {"QuoteId": quote, "ColumnSet": {"AllColumns": True}}
    assert action(web, "ConvertQuoteToSalesOrder", **convert).fault == (400, "0x80040233")
    assert web.call("PATCH", f"quotes({quote})", {"statecode": 1, "statuscode": 2}).status == 204
    order = action(web, "ConvertQuoteToSalesOrder", **convert).json
    assert order["totalamount"] == 51
    assert order["_quoteid_value"] == quote
    assert web.get(f"quotes({quote})?$select=statecode").json["statecode"] == 2
    lines = web.get(f"salesorderdetails?$filter=_salesorderid_value eq {order['salesorderid']}").rows
    assert [(each["quantity"], each["priceperunit"], each["extendedamount"]) for each in lines] == [
        (3, 20, 61)
    ]
    # The price that was agreed on stays when the list changes.
    (listed,) = web.get(f"productpricelevels?$filter=_pricelevelid_value eq {thing['prices']}").rows
    assert (
        web.call("PATCH", f"productpricelevels({listed['productpricelevelid']})", {"amount": 99}).status
        == 204
    )
    invoice = action(
        web,
        "ConvertSalesOrderToInvoice",
        SalesOrderId=order["salesorderid"],
        ColumnSet={"Columns": ["totalamount"]},
    ).json
    assert invoice["totalamount"] == 51
    assert (
        web.get(f"invoices({invoice['invoiceid']})?$select=_salesorderid_value").json["_salesorderid_value"]
        == (order["salesorderid"])
    )
    closed = {"subject": "Delivered", "salesorderid@odata.bind": f"/salesorders({order['salesorderid']})"}
    assert action(web, "FulfillSalesOrder", OrderClose=closed, Status=100001).status == 204
    assert web.get(f"salesorders({order['salesorderid']})?$select=statecode").json["statecode"] == 3
    assert action(web, "CancelSalesOrder", OrderClose=closed, Status=4).fault == (400, "0x80040233")


def test_a_quote_is_won_closed_and_revised(web: Web) -> None:
    quote = web.make("quotes", name="R")
    web.make("quotedetails", quantity=1, priceperunit=9, isproductoverridden=True, productdescription="x",
             **{"quoteid@odata.bind": f"quotes({quote})"})  # fmt: skip
    close = {"subject": "No", "quoteid@odata.bind": f"/quotes({quote})"}
    assert action(web, "CloseQuote", QuoteClose=close, Status=5).fault == (400, "0x80040233")
    assert web.call("PATCH", f"quotes({quote})", {"statecode": 1, "statuscode": 2}).status == 204
    assert action(web, "CloseQuote", QuoteClose=close, Status=5).status == 204
    revised = action(
        web, "ReviseQuote", QuoteId=quote, ColumnSet={"Columns": ["statecode", "revisionnumber"]}
    ).json
    assert (revised["statecode"], revised["revisionnumber"]) == (0, 1)
    assert len(web.get(f"quotedetails?$filter=_quoteid_value eq {revised['quoteid']}").rows) == 1
    assert web.call("PATCH", f"quotes({revised['quoteid']})", {"statecode": 1, "statuscode": 2}).status == 204
    close["quoteid@odata.bind"] = f"/quotes({revised['quoteid']})"
    assert action(web, "WinQuote", QuoteClose=close, Status=4).status == 204
    assert web.get(f"quotes({revised['quoteid']})?$select=statecode").json["statecode"] == 2
