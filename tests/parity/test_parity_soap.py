"""The Organization Service over SOAP: rows, types, faults, queries, requests."""

from decimal import Decimal

import pytest

from tests.parity.conftest import Web
from tests.parity.soap import (
    EMPTY,
    SERVICES,
    SOAP12,
    XRM,
    Aliased,
    Of,
    Ref,
    Row,
    Rows,
    Soap,
    SoapFault,
    columns,
    envelope,
    fetch,
    guid,
    guids,
    moment,
    money,
    name_of,
    option,
    options,
    parts_of,
    raw,
    references,
    relationship,
    request,
    type_of,
    value_of,
    written,
)

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def soap(web: Web) -> Soap:
    """The other client of the same organisation."""
    return Soap(web)


def test_a_row_is_created_read_changed_and_deleted(soap: Soap) -> None:
    id = soap.create("account", name="Grey <Heron> & Sons", revenue=money("1234.5"), donotemail=True)
    row = soap.retrieve("account", id, "name", "revenue", "donotemail", "statecode")
    assert (row.table, row.id) == ("account", id)
    assert row.values["name"] == "Grey <Heron> & Sons"
    assert row.values["accountid"] == id
    assert (row.values["revenue"], row.values["donotemail"]) == (Decimal("1234.5000"), True)
    assert row.formatted["revenue"] == "$1,234.50"
    assert row.formatted["statecode"] == "Active"
    soap.update("account", id, name="Renamed", revenue=None)
    row = soap.retrieve("account", id, "name", "revenue")
    assert row.values["name"] == "Renamed"
    assert "revenue" not in row.values
    soap.delete("account", id)
    with pytest.raises(SoapFault) as failed:
        soap.retrieve("account", id, "name")
    assert failed.value.code == -2147220969
