"""Data entities at ``/data``: keys, companies, queries, pages, writes, batches, as Finance and Operations has them."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.parity.conftest import ORIGIN, opened
from tests.parity.finops import DATA, SPACE, Feed, why

CUSTOMER = {"CustomerGroupId": "30", "SalesCurrencyCode": "USD"}
PLAIN = "dataAreaId='usmf',CustomerAccount='{}'"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
TYPE = 'multipart/mixed;boundary="b"'


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def feed(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Feed]:
    """An organisation with sample rows on each database; whoever asks works in the company usmf."""
    with opened(request.param, tmp_path_factory, new_postgres_database, sample=True) as web:
        yield Feed(web)


def make(feed: Feed, account: str, **values: Any) -> str:
    """A customer; its address below the root."""
    made = feed.call("POST", "CustomersV3", {"CustomerAccount": account, **CUSTOMER, **values})
    assert made.status == 201, made.text
    return f"CustomersV3(dataAreaId='{values.get('dataAreaId', 'usmf')}',CustomerAccount='{account}')"


# -- what there is ---------------------------------------------------------------------------------------------------
def test_the_service_document_lists_collections_by_their_public_names(feed: Feed) -> None:
    listed = feed.get("").json
    assert listed["@odata.context"] == f"{DATA}$metadata"
    assert {"name": "CustomersV3", "kind": "EntitySet", "url": "CustomersV3"} in listed["value"]
    assert "customersv3" not in {each["name"] for each in listed["value"]}
    status, said = why(feed.get("customersv3"))
    assert status == 404
    assert "customersv3" in said


def test_the_description_tells_keys_types_and_enumerations(feed: Feed) -> None:
    tree = ElementTree.fromstring(feed.get("$metadata").text)
    (schema,) = tree.iter(f"{EDM}Schema")
    assert schema.get("Namespace") == "Microsoft.Dynamics.DataEntities"
    types = {each.get("Name"): each for each in schema.iter(f"{EDM}EntityType")}
    customer = types["CustomerV3"]
    assert [each.get("Name") for each in customer.iter(f"{EDM}PropertyRef")] == [
        "dataAreaId",
        "CustomerAccount",
    ]
    kinds = {each.get("Name"): each.get("Type") for each in customer.iter(f"{EDM}Property")}
    assert kinds["IsOneTimeCustomer"] == f"{SPACE}NoYes"
    assert kinds["CreditLimit"] == "Edm.Decimal"
    enums = {each.get("Name"): each for each in schema.iter(f"{EDM}EnumType")}
    assert [each.get("Name") for each in enums["NoYes"]] == ["No", "Yes"]
    sets = {each.get("Name"): each.get("EntityType") for each in schema.iter(f"{EDM}EntitySet")}
    assert sets["SalesOrderHeadersV2"] == f"{SPACE}SalesOrderHeaderV2"
    lines = next(each for each in types["SalesOrderHeaderV2"].iter(f"{EDM}NavigationProperty"))
    assert lines.get("Type") == f"Collection({SPACE}SalesOrderLine)"


def test_entities_enumerations_and_labels_describe_themselves(feed: Feed) -> None:
    for root in ("metadata", "Metadata"):
        page = feed.get(f"{ORIGIN}/{root}/DataEntities?$filter=PublicEntityName eq 'CustomerV3'").json
        assert [each["Name"] for each in page["value"]] == ["CustCustomerV3Entity"]
    entity = feed.get(f"{ORIGIN}/metadata/PublicEntities('CustomerV3')").json
    assert (entity["EntitySetName"], entity["IsReadOnly"]) == ("CustomersV3", False)
    held = next(each for each in entity["Properties"] if each["Name"] == "OnHoldStatus")
    assert (held["DataType"], held["TypeName"]) == ("Enum", f"{SPACE}CustVendorBlocked")
    account = next(each for each in entity["Properties"] if each["Name"] == "CustomerAccount")
    assert (account["IsKey"], account["IsMandatory"], account["AllowEdit"]) == (True, True, False)
    blocked = feed.get(f"{ORIGIN}/metadata/PublicEnumerations('CustVendorBlocked')").json
    assert [(each["Name"], each["Value"]) for each in blocked["Members"]][:3] == [
        ("No", 0),
        ("Invoice", 1),
        ("All", 2),
    ]
    label = f"{ORIGIN}/metadata/Labels(Id='{entity['LabelId']}',Language='en-us')"
    assert feed.get(label).json["Value"] == "Customers V3"
    assert feed.get(f"{ORIGIN}/metadata/Labels").status == 404
    assert feed.get(f"{ORIGIN}/metadata/PublicEntities?$top=2&$skip=1&$count=true").json["@odata.count"] > 5


# -- keys and companies ----------------------------------------------------------------------------------------------
def test_a_key_takes_all_of_its_fields_in_any_order(feed: Feed) -> None:
    for key in ("dataAreaId='usmf',CustomerAccount='US-001'", "CustomerAccount='US-001',dataAreaId='usmf'"):
        assert feed.get(f"CustomersV3({key})?$select=CustomerAccount").json["CustomerAccount"] == "US-001"
    status, said = why(feed.get("CustomersV3(CustomerAccount='US-001')"))
    assert status == 404
    assert said == "Only 1 of 2 keys provided for lookup, provide keys for dataAreaId,CustomerAccount."
    assert feed.get("CustomersV3(dataareaid='usmf',CustomerAccount='US-001')").status == 404
    assert feed.get("LegalEntities('usmf')?$select=Name").json["Name"] == "Heron Manufacturing"
    assert feed.get(f"CustomersV3({PLAIN.format('US-999')})").status == 404


def test_a_quote_in_a_key_is_doubled(feed: Feed) -> None:
    make(feed, "O'1")
    (location,) = feed.column("CustomersV3?$filter=CustomerAccount eq 'O''1'", "CustomerAccount")
    assert location == "O'1"
    assert feed.get(f"CustomersV3({PLAIN.format('O%27%271')})").status == 200


def test_without_cross_company_only_the_own_company_is_there(feed: Feed) -> None:
    own = feed.column("CustomersV3?$select=dataAreaId", "dataAreaId")
    assert set(own) == {"usmf"}
    every = feed.column("CustomersV3?cross-company=true&$select=dataAreaId", "dataAreaId")
    assert set(every) >= {"usmf", "demf"}
    # The filter narrows what is there, and does not widen it.
    assert feed.rows("CustomersV3?$filter=dataAreaId eq 'demf'") == []
    other = feed.column("CustomersV3?$filter=dataAreaId eq 'demf'&cross-company=true", "dataAreaId")
    assert set(other) == {"demf"}
    key = "dataAreaId='demf',CustomerAccount='DE-001'"
    assert feed.get(f"CustomersV3({key})").status == 404
    assert feed.get(f"CustomersV3({key})?cross-company=true").status == 200
    status, said = why(feed.call("PATCH", f"CustomersV3({key})", {"KnownAs": "x"}))
    assert (status, said) == (400, "No resources were found when selecting for update.")
    assert feed.call("PATCH", f"CustomersV3({key})?cross-company=true", {"KnownAs": "x"}).status == 204
    # What no company has is everybody's.
    assert len(feed.rows("ExchangeRates")) == 5


def test_a_new_row_is_of_the_company_that_it_names_or_else_of_the_callers(feed: Feed) -> None:
    own = feed.call("POST", "CustomersV3", {"CustomerAccount": "C-1", **CUSTOMER})
    assert own.json["dataAreaId"] == "usmf"
    other = feed.call("POST", "CustomersV3", {"dataAreaId": "demf", "CustomerAccount": "C-1", **CUSTOMER})
    assert other.status == 201
    assert other.headers["location"] == f"{DATA}CustomersV3(dataAreaId='demf',CustomerAccount='C-1')"


# -- queries ---------------------------------------------------------------------------------------------------------
def test_enumerations_are_names_in_rows_and_typed_literals_in_filters(feed: Feed) -> None:
    held = f"CustomersV3?$filter=OnHoldStatus eq {SPACE}CustVendorBlocked'All'&$select=CustomerAccount,OnHoldStatus"
    assert feed.rows(held) == [{"CustomerAccount": "US-006", "OnHoldStatus": "All"}]
    once = f"CustomersV3?$filter=IsOneTimeCustomer eq {SPACE}NoYes'Yes'&$select=IsOneTimeCustomer"
    assert feed.column(once, "IsOneTimeCustomer") == ["Yes"]
    others = feed.column(f"CustomersV3?$filter=IsOneTimeCustomer ne {SPACE}NoYes'Yes'", "CustomerAccount")
    assert "US-001" in others
    assert "US-008" not in others
    for wrong in ("'Yes'", "true", f"{SPACE}NoYes'Perhaps'", f"{SPACE}Gender'Male'"):
        assert feed.get(f"CustomersV3?$filter=IsOneTimeCustomer eq {wrong}").status == 400
    assert feed.get(f"CustomersV3?$filter=OnHoldStatus gt {SPACE}CustVendorBlocked'No'").status == 400


def test_a_star_in_a_comparison_stands_for_any_text(feed: Feed) -> None:
    def found(pattern: str) -> list[str]:
        return feed.column(f"CustomersV3?$filter=OrganizationName eq '{pattern}'", "CustomerAccount")

    assert found("*Stores*") == ["US-006"]
    assert found("Millrace*") == ["US-002"]
    assert found("*Sons") == ["US-005"]
    assert found("**ill***ale*") == ["US-002"]
    assert feed.get(f"CustomersV3?$filter=OrganizationName eq '{'*a' * 17}'").status == 400
    make(feed, "P-1", OrganizationName="100% wool")
    assert found("100%*") == ["P-1"]
    assert found("1_0*") == []


def test_what_has_no_value_reads_and_compares_as_the_default_of_its_type(feed: Feed) -> None:
    address = make(feed, "N-1")
    row = feed.get(address).json
    assert (row["KnownAs"], row["PersonAnniversaryDay"], row["CreditLimit"]) == ("", 0, 0)
    assert (row["PersonGender"], row["AddressValidFrom"]) == ("Unknown", "1900-01-01T00:00:00Z")
    mine = "CustomerAccount eq 'N-1' and "
    for holds in (
        "KnownAs eq ''", "KnownAs eq null", "CreditLimit eq 0", "CreditLimit ge 0", "CreditLimit lt 1",
        "PersonAnniversaryDay le 0", "AddressValidFrom lt 2020-01-01T00:00:00Z", "CreditLimit ne 1", "KnownAs ne 'x'",
        "not (CreditLimit gt 0)", f"PersonGender eq {SPACE}Gender'Unknown'",
    ):  # fmt: skip
        assert feed.column(f"CustomersV3?$filter={mine}{holds}", "CustomerAccount") == ["N-1"], holds
    for fails in (
        "KnownAs ne ''",
        "CreditLimit ne 0",
        "CreditLimit gt 0",
        "AddressValidFrom gt 1900-01-01T00:00:00Z",
    ):
        assert feed.rows(f"CustomersV3?$filter={mine}{fails}") == [], fails
    assert (
        feed.call("PATCH", address, {"AddressValidFrom": "2024-05-06T07:08:09Z", "CreditLimit": 7.25}).status
        == 204
    )
    changed = feed.get(address).json
    assert (changed["AddressValidFrom"], changed["CreditLimit"]) == ("2024-05-06T07:08:09Z", 7.25)
    assert feed.call("PATCH", address, {"AddressValidFrom": "1900-01-01T00:00:00Z"}).status == 204
    assert feed.get(address).json["AddressValidFrom"] == "1900-01-01T00:00:00Z"


def test_dates_are_at_noon_and_compare_by_their_day(feed: Feed) -> None:
    first = feed.rows("ExchangeRates?$filter=StartDate eq 2026-02-01T12:00:00Z&$select=StartDate,Rate")
    assert first == [{"StartDate": "2026-02-01T12:00:00Z", "Rate": 1.0925}]
    assert len(feed.rows("ExchangeRates?$filter=StartDate lt 2026-02-01T00:00:00Z")) == 4
    key = "RateTypeName='Default',FromCurrency='EUR',ToCurrency='USD',StartDate=2026-02-01T12:00:00Z"
    assert feed.get(f"ExchangeRates({key})?$select=Rate").json["Rate"] == 1.0925


def test_options_shape_a_page(feed: Feed) -> None:
    lines = "SalesOrderLines?$filter=SalesOrderNumber eq 'SO-0007*'&$orderby=LineAmount desc"
    page = feed.get(f"{lines}&$select=SalesOrderNumber,LineAmount&$top=2&$count=true").json
    assert page["@odata.count"] == 8
    assert [each["LineAmount"] for each in page["value"]] == [3780, 1700]
    assert page["@odata.context"] == f"{DATA}$metadata#SalesOrderLines(SalesOrderNumber,LineAmount)"
    assert feed.column(f"{lines}&$top=2&$skip=1", "LineAmount") == [1700, 999.98]
    many = "SalesOrderNumber eq 'SO-0007*' and LineAmount gt 900"
    assert feed.get(f"SalesOrderLines/$count?$filter={many}").text == "3"
    # Without an order rows come by their key.
    accounts = feed.column("CustomersV3?$filter=CustomerAccount eq 'US-*'", "CustomerAccount")
    assert accounts == sorted(accounts)


def test_expands_go_both_ways_one_level_deep(feed: Feed) -> None:
    (header,) = feed.rows(
        "SalesOrderHeadersV2?$filter=SalesOrderNumber eq 'SO-000768'&$select=SalesOrderNumber"
        "&$expand=SalesOrderLines($select=ItemNumber,OrderedSalesQuantity;$orderby=ItemNumber)"
    )
    assert [line["ItemNumber"] for line in header["SalesOrderLines"]] == ["A0001", "D0001"]
    (line,) = feed.rows(
        "SalesOrderLines?$filter=SalesOrderHeaderV2/OrderingCustomerAccountNumber eq 'US-002'"
        "&$expand=SalesOrderHeaderV2($select=SalesOrderName)&$select=ItemNumber"
    )
    assert line["SalesOrderHeaderV2"]["SalesOrderName"] == "Millrace Wholesale"
    head = "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='SO-000768')"
    assert len(feed.rows(f"{head}/SalesOrderLines")) == 2
    lot = feed.column(f"{head}/SalesOrderLines?$top=1", "InventoryLotId")[0]
    line = f"SalesOrderLines(dataAreaId='usmf',InventoryLotId='{lot}')"
    back = feed.get(f"{line}/SalesOrderHeaderV2?$select=SalesOrderNumber")
    assert back.json["SalesOrderNumber"] == "SO-000768"
    assert feed.get(f"{head}/SalesOrderName").json["value"] == "Larkspur Hardware"
    assert feed.get(f"{head}/SalesOrderName/$value").text == "Larkspur Hardware"
    deep = "SalesOrderHeadersV2?$expand=SalesOrderLines($expand=SalesOrderHeaderV2)"
    assert why(feed.get(deep)) == (400, "$expand inside of $expand on data entities is not supported")


def test_pages_are_walked_by_their_links(feed: Feed) -> None:
    address, seen, sizes = (
        f"{DATA}CustomersV3?$select=CustomerAccount&$filter=CustomerAccount eq 'US-*'",
        [],
        [],
    )
    while address:
        answer = feed.get(address, prefer="odata.maxpagesize=3")
        assert answer.headers["preference-applied"] == "odata.maxpagesize=3"
        page = answer.json
        seen += [row["CustomerAccount"] for row in page["value"]]
        sizes.append(len(page["value"]))
        address = page.get("@odata.nextLink")
    assert sizes == [3, 3, 2]
    assert seen == [f"US-00{n}" for n in range(1, 9)]


def test_a_page_has_ten_thousand_rows_at_most_and_counts_go_on(feed: Feed) -> None:
    organisation = feed.web.organisation
    assert organisation is not None
    table = organisation.engine.schema.tables["finops_demandforecastentry"]
    with organisation.engine.store.write() as unit:
        rows = [
            {
                table.primary_id: str(uuid4()), "dataareaid": "many", "forecastentrynumber": f"M-{n:06d}",
                "forecastedquantity": Decimal(n), "versionnumber": unit.next_version(),
            }
            for n in range(10_003)
        ]  # fmt: skip
        unit.insert(table, rows)
    many = "cross-company=true&$filter=dataAreaId eq 'many'"
    first = feed.get(f"DemandForecastEntries?{many}&$select=ForecastEntryNumber&$count=true").json
    assert (len(first["value"]), first["@odata.count"]) == (10_000, 10_003)
    rest = feed.get(first["@odata.nextLink"]).json
    assert [row["ForecastEntryNumber"] for row in rest["value"]] == ["M-010000", "M-010001", "M-010002"]
    assert "@odata.nextLink" not in rest
    assert feed.get(f"DemandForecastEntries/$count?{many}").text == "10003"


def test_json_carries_as_much_metadata_as_is_asked_for(feed: Feed) -> None:
    address = (
        f"CustomersV3({PLAIN.format('US-001')})?$select=dataAreaId,CustomerAccount,CreditLimit,OnHoldStatus"
    )
    bare = feed.get(address, accept="application/json;odata.metadata=none")
    assert set(bare.json) == {"dataAreaId", "CustomerAccount", "CreditLimit", "OnHoldStatus"}
    usual = feed.get(
        address, accept="application/json;odata.metadata=minimal;q=1.0,application/atom+xml;q=0.8"
    ).json
    assert set(usual) == {"@odata.context", "@odata.etag", *bare.json}
    full = feed.get(address, accept="application/json;odata.metadata=full")
    assert full.headers["content-type"] == "application/json; odata.metadata=full"
    assert full.json["@odata.type"] == f"#{SPACE}CustomerV3"
    assert full.json["@odata.id"] == f"{DATA}CustomersV3({PLAIN.format('US-001')})"
    assert full.json["CreditLimit@odata.type"] == "#Decimal"
    assert full.json["OnHoldStatus@odata.type"] == f"#{SPACE}CustVendorBlocked"
    assert feed.get(f"{address}&$format=application/json;odata.metadata=none").json == bare.json
    assert feed.get(address, accept="application/atom+xml").status == 400


NUMBERS = st.tuples(
    st.just("CreditLimit"),
    st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]),
    st.sampled_from(["0", "12000", "75000.5", "50000", "-1"]),
)
TEXTS = st.tuples(
    st.sampled_from(["CustomerAccount", "CustomerGroupId", "OrganizationName"]),
    st.sampled_from(["eq", "ne", "gt", "le"]),
    st.sampled_from(["'US-003'", "'30'", "'m'", "'O''Hara''s Supply'"]),
)
FUNCTIONS = st.sampled_from(
    ["contains(OrganizationName,'er')", "startswith(CustomerAccount,'US')", "endswith(OrganizationName,'s')"]
)
FILTERS = st.recursive(
    st.one_of(NUMBERS, TEXTS).map(" ".join) | FUNCTIONS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({' '.join(each)})")
        | inner.map(lambda text: f"not ({text})")
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=FILTERS)
def test_both_services_give_the_same_rows_for_a_filter(feed: Feed, asked: str) -> None:
    """What every row has a value for compares on ``/data`` as it does on the Web API."""
    scope = "AddressCountryRegionId ne ''"
    ours = feed.column(f"CustomersV3?cross-company=true&$filter=({asked}) and {scope}", "CustomerAccount")
    theirs = asked
    for name in ("CreditLimit", "CustomerAccount", "CustomerGroupId", "OrganizationName"):
        theirs = theirs.replace(name, name.lower())
    order = "$orderby=dataareaid,customeraccount"
    page = feed.web.get(f"finops_customers?$filter=({theirs}) and addresscountryregionid ne null&{order}")
    assert ours == [row["customeraccount"] for row in page.rows]


# -- writes ----------------------------------------------------------------------------------------------------------
def test_a_row_is_made_read_changed_and_removed(feed: Feed) -> None:
    body = {
        "dataAreaId": "usmf", "CustomerAccount": "W-1", "OrganizationName": "Weir & Co", "CreditLimit": 1234567.891234,
        "IsOneTimeCustomer": "Yes", "OnHoldStatus": "Invoice", **CUSTOMER,
    }  # fmt: skip
    made = feed.call("POST", "CustomersV3", body)
    assert made.status == 201
    assert made.headers["location"] == f"{DATA}CustomersV3({PLAIN.format('W-1')})"
    assert made.headers["etag"] == made.json["@odata.etag"]
    assert {name: made.json[name] for name in body} == body
    address = made.headers["location"]
    changed = feed.call("PATCH", address, {"OrganizationName": "Weir", "IsOneTimeCustomer": "No"})
    assert (changed.status, changed.text) == (204, "")
    row = feed.get(address).json
    assert (row["OrganizationName"], row["IsOneTimeCustomer"], row["OnHoldStatus"]) == (
        "Weir",
        "No",
        "Invoice",
    )
    replaced = feed.call("PUT", address, {"OrganizationName": "Weir again", **CUSTOMER})
    assert replaced.status == 204
    row = feed.get(address).json
    assert (row["OrganizationName"], row["OnHoldStatus"], row["CreditLimit"]) == ("Weir again", "No", 0)
    assert feed.call("DELETE", address).status == 204
    assert feed.get(address).status == 404
    status, said = why(feed.call("DELETE", address))
    assert (status, said) == (400, "No resources were found when selecting for update.")


def test_changing_what_is_not_there_makes_nothing(feed: Feed) -> None:
    address = f"CustomersV3({PLAIN.format('W-404')})"
    for method in ("PATCH", "PUT"):
        status, said = why(feed.call(method, address, {"OrganizationName": "x", **CUSTOMER}))
        assert (status, said) == (400, "No resources were found when selecting for update.")
    assert feed.get(address).status == 404


def test_a_change_can_insist_on_the_version_that_was_read(feed: Feed) -> None:
    address = make(feed, "W-2")
    old = feed.get(address).headers["etag"]
    assert feed.call("PATCH", address, {"KnownAs": "1"}, if_match=old).status == 204
    assert feed.call("PATCH", address, {"KnownAs": "2"}, if_match=old).status == 412
    assert feed.call("DELETE", address, if_match=old).status == 412
    assert feed.call("PATCH", address, {"KnownAs": "3"}, if_match="*").status == 204
    now = feed.get(address)
    assert now.json["KnownAs"] == "3"
    assert feed.get(address, if_none_match=now.headers["etag"]).status == 304
    assert feed.call("PATCH", address, {"KnownAs": "4"}, if_match="nonsense").status == 400


def test_a_refused_write_says_why_inside(feed: Feed) -> None:
    make(feed, "W-3")
    status, said = why(feed.call("POST", "CustomersV3", {"CustomerAccount": "W-3", **CUSTOMER}))
    assert status == 400
    assert said.startswith("Write failed for table row of type 'CustCustomerV3Entity'. Infolog: Error: ")
    _, said = why(feed.call("POST", "CustomersV3", {"CustomerAccount": "W-4", "SalesCurrencyCode": "USD"}))
    assert said.endswith("Field 'Customer group id' must be filled in.")
    for wrong in (
        {"Nope": 1}, {"CreditLimit": "much"}, {"IsOneTimeCustomer": True}, {"OnHoldStatus": "Sometimes"},
        {"AddressValidFrom": "yesterday"}, {"PersonAnniversaryDay": 1.5}, {"LanguageId": "x" * 8},
        {"KnownAs": {"a": 1}},
        {"CreditLimit": 1e30}, {"@odata.type": "#Other"}, {"OrganizationName": "a\u0000b"},
    ):  # fmt: skip
        body = {"CustomerAccount": "W-5", **CUSTOMER, **wrong}
        assert feed.call("POST", "CustomersV3", body).status == 400, wrong
    assert feed.get(f"CustomersV3({PLAIN.format('W-5')})").status == 404
    row = f"CustomersV3({PLAIN.format('W-3')})"
    assert feed.call("PATCH", row, {"CustomerAccount": "W-6"}).status == 400
    assert feed.call("PATCH", row, {"CustomerAccount": "W-3", "KnownAs": "same key"}).status == 204
    order = {"OrderingCustomerAccountNumber": "US-001", "OrderTotalAmount": 1}
    _, said = why(feed.call("POST", "SalesOrderHeadersV2", order))
    assert said.endswith("The field 'OrderTotalAmount' of 'SalesOrderHeaderV2' cannot be edited.")


def test_numbers_are_given_out_and_lines_hang_on_their_header(feed: Feed) -> None:
    made = feed.call(
        "POST", "SalesOrderHeadersV2", {"OrderingCustomerAccountNumber": "US-001", "CurrencyCode": "USD"}
    )
    number = made.json["SalesOrderNumber"]
    assert number.startswith("SO-")
    line = {"SalesOrderNumber": number, "ItemNumber": "D0001", "OrderedSalesQuantity": 2, "SalesPrice": 10}
    assert feed.call("POST", "SalesOrderLines", line).status == 201
    _, said = why(feed.call("POST", "SalesOrderLines", {**line, "SalesOrderNumber": "SO-none"}))
    assert said.endswith("is not found in the related table 'Sales order headers V2'.")
    assert (
        len(feed.rows(f"SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='{number}')/SalesOrderLines"))
        == 1
    )
    assert (
        feed.call("DELETE", f"SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='{number}')").status
        == 204
    )
    assert feed.rows(f"SalesOrderLines?$filter=SalesOrderNumber eq '{number}'") == []


def test_a_row_that_is_made_need_not_be_sent_back(feed: Feed) -> None:
    body = {"CustomerAccount": "W-9", **CUSTOMER}
    made = feed.call("POST", "CustomersV3", body, prefer="return=minimal")
    assert (made.status, made.text) == (204, "")
    assert made.headers["odata-entityid"] == f"{DATA}CustomersV3({PLAIN.format('W-9')})"


# -- batches ---------------------------------------------------------------------------------------------------------
def part(method: str, path: str, body: str = "", number: int = 0) -> str:
    content_id = f"Content-ID: {number}\r\n" if number else ""
    kind = "Content-Type: application/json\r\n" if body else ""
    return (
        f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{content_id}\r\n"
        f"{method} {path} HTTP/1.1\r\n{kind}\r\n{body}\r\n"
    )


def change_set(*parts: str) -> str:
    inner = "".join(f"--c\r\n{each}" for each in parts)
    return f"Content-Type: multipart/mixed;boundary=c\r\n\r\n{inner}--c--\r\n"


def batch(feed: Feed, *parts: str, **headers: str) -> str:
    body = "".join(f"--b\r\n{each}" for each in parts) + "--b--\r\n"
    answer = feed.call("POST", "$batch", body.encode(), content_type=TYPE, **headers)
    assert answer.status == 200, answer.text
    return answer.text


def test_a_change_set_is_done_whole_or_not_at_all(feed: Feed) -> None:
    one = '{"CustomerAccount":"B-1","CustomerGroupId":"30","SalesCurrencyCode":"USD"}'
    two = '{"CustomerAccount":"B-2","SalesCurrencyCode":"USD"}'
    said = batch(
        feed, change_set(part("POST", "CustomersV3", one, 1), part("POST", "/data/CustomersV3", two, 2))
    )
    assert "HTTP/1.1 400" in said
    assert "must be filled in" in said
    assert "Content-ID: 2" in said
    assert feed.get(f"CustomersV3({PLAIN.format('B-1')})").status == 404
    order = '{"OrderingCustomerAccountNumber":"US-001","SalesOrderNumber":"B-SO"}'
    line = '{"SalesOrderNumber":"B-SO","ItemNumber":"D0001"}'
    said = batch(
        feed,
        change_set(
            part("POST", f"{DATA}SalesOrderHeadersV2", order, 1), part("POST", "SalesOrderLines", line, 2),
            part("PATCH", "$1", '{"SalesOrderName":"named later"}', 3),
        ),
        part("GET", "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='B-SO')?$select=SalesOrderName"),
    )  # fmt: skip
    assert said.count("HTTP/1.1 201") == 2
    assert said.count("HTTP/1.1 204") == 1
    assert '"SalesOrderName":"named later"' in said


def test_a_batch_goes_on_after_a_failure_when_that_is_preferred(feed: Feed) -> None:
    parts = (part("GET", "Nope"), part("GET", "CustomersV3/$count"))
    assert "HTTP/1.1 200" not in batch(feed, *parts)
    assert "HTTP/1.1 200" in batch(feed, *parts, prefer="odata.continue-on-error")


def test_the_status_of_a_message_is_an_action_of_definition_groups(feed: Feed) -> None:
    action = f"DataManagementDefinitionGroups/{SPACE}GetMessageStatus"
    status, said = why(feed.call("POST", action, {"messageId": str(uuid4())}))
    assert status == 404
    assert "message" in said.lower()
    assert feed.call("POST", action, {}).status == 400
