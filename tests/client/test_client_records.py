"""Single rows through the client, over TLS, in both colours."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orgstead.client import (
    BadRequestError,
    ConfigurationError,
    DuplicateError,
    Expand,
    NotFoundError,
    PreconditionError,
    Record,
    Ref,
    col,
    new_id,
)
from tests.client.conftest import Make

NOBODY = "00000000-0000-4000-8000-0000000000ff"


def test_a_row_is_made_read_changed_and_deleted(client: Any) -> None:
    id = client.records.create("account", {"name": "Grey Wagtail Forge"})
    found = client.records.retrieve("account", id, select=["name", "createdon"])
    assert (found["name"], found.id, found.table) == ("Grey Wagtail Forge", id, "account")
    client.records.update("account", id, {"telephone1": "555 0100"})
    assert client.records.retrieve("account", UUID(id))["telephone1"] == "555 0100"
    client.records.delete("account", id)
    assert client.records.find("account", id) is None
    with pytest.raises(NotFoundError) as failure:
        client.records.retrieve("account", id)
    assert (failure.value.status, failure.value.code) == (404, "0x80040217")
    assert failure.value.request_id
    assert not failure.value.transient


def test_money_is_exact_and_times_have_a_zone(client: Any) -> None:
    amount = Decimal("123456789012.3456")
    paris = datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=1)))
    id = client.records.create(
        "account", {"name": "exact", "revenue": amount, "lastonholdtime": paris, "creditlimit": 5}
    )
    found = client.records.retrieve("account", id)
    assert found["revenue"] == amount
    assert isinstance(found["revenue"], Decimal)
    assert isinstance(found["creditlimit"], Decimal)
    assert found["lastonholdtime"] == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert isinstance(client.records.get_value("account", id, "creditlimit"), Decimal)
    contact = client.records.create("contact", {"lastname": "Day", "birthdate": date(1980, 2, 29)})
    assert client.records.retrieve("contact", contact)["birthdate"] == date(1980, 2, 29)


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 1, 1), float("nan"), Decimal("Infinity"), object()],
    ids=["datetime", "nan", "infinity", "object"],
)
def test_what_would_be_ambiguous_or_lost_is_refused_before_it_is_sent(client: Any, value: Any) -> None:
    with pytest.raises(ConfigurationError):
        client.records.create("account", {"name": "never", "revenue": value})


def test_lookups_are_bound_by_references_and_related_rows_are_made_along(client: Any) -> None:
    account = client.records.create(
        "account",
        {"name": "deep", "contact_customer_accounts": [{"lastname": "One"}, {"lastname": "Two"}]},
    )
    contact = client.records.create(
        "contact", {"lastname": "Bound", "parentcustomerid_account": Ref("account", account)}
    )
    found = client.records.retrieve(
        "account", account, expand=[Expand("contact_customer_accounts", select=["lastname", "createdon"])]
    )
    assert {each["lastname"] for each in found["contact_customer_accounts"]} == {"One", "Two", "Bound"}
    assert all(isinstance(each["createdon"], datetime) for each in found["contact_customer_accounts"])
    row = client.records.retrieve("contact", contact, annotations=True)
    assert row["parentcustomerid"] == row["_parentcustomerid_value"] == account
    assert row.lookups["parentcustomerid"] == Ref("account", account)
    assert row.formatted[
        "parentcustomerid" if "parentcustomerid" in row.formatted else "_parentcustomerid_value"
    ]
    # What was read may be sent back as it is.
    client.records.update("contact", contact, row)


def test_an_etag_guards_a_change(client: Any) -> None:
    made = client.records.create_returning("account", {"name": "guarded"}, select=["name"])
    assert isinstance(made, Record)
    client.records.update("account", made.id, {"name": "changed"}, if_match=made.etag)
    with pytest.raises(PreconditionError) as failure:
        client.records.update("account", made.id, {"name": "late"}, if_match=made.etag)
    assert not failure.value.maybe_applied
    newer = client.records.refresh(made)
    assert newer["name"] == "changed"
    assert client.records.refresh(newer) is None
    again = client.records.update_returning("account", made.id, {"name": "third"}, if_match=newer.etag)
    assert again["name"] == "third"


def test_an_update_makes_no_row_and_an_upsert_says_what_it_did(client: Any) -> None:
    with pytest.raises(NotFoundError):
        client.records.update("account", new_id(), {"name": "nobody"})
    id = new_id()
    assert client.records.upsert("account", id, {"name": "up"}).created
    second = client.records.upsert("account", id, {"name": "up again"})
    assert (second.id, second.created) == (id, False)


def test_a_chosen_id_is_kept_and_taken_once(client: Any) -> None:
    id = new_id()
    assert client.records.create("account", {"name": "chosen"}, id=id) == id
    with pytest.raises(DuplicateError):
        client.records.create("account", {"name": "chosen"}, id=id)


def test_single_values_are_read_set_and_emptied(client: Any) -> None:
    id = client.records.create("account", {"name": "single"})
    client.records.set_value("account", id, "telephone1", "1")
    assert client.records.get_value("account", id, "telephone1") == "1"
    client.records.set_value("account", id, "telephone1", None)
    assert client.records.get_value("account", id, "telephone1") is None


def test_the_service_names_what_is_wrong(client: Any) -> None:
    with pytest.raises(BadRequestError, match="nope") as failure:
        client.records.create("account", {"nope": 1})
    assert failure.value.code.startswith("0x")
    with pytest.raises(NotFoundError):
        client.records.create("nosuchtable", {})


@pytest.mark.parametrize("key", ["", "1", "x' or 1 eq 1", {"a b": 1}, {}, None], ids=repr)
def test_what_is_no_key_is_never_sent(client: Any, key: Any) -> None:
    with pytest.raises(ConfigurationError):
        client.records.retrieve("account", key)


def test_a_table_may_be_named_by_its_entity_set(client: Any) -> None:
    id = client.records.create("accounts", {"name": "by set"})
    assert client.records.retrieve("account", id)["name"] == "by set"


def test_a_client_acts_for_another_user(client: Any) -> None:
    own = client.who_am_i()["UserId"]
    enabled = (col("systemuserid") != own) & col("isdisabled").in_([False])
    other = client.query("systemuser").where(enabled).first()
    acting = client.acting_for(other.id)
    assert acting.who_am_i()["UserId"] == other.id
    assert client.who_am_i()["UserId"] == own


def test_any_request_can_be_sent_but_only_to_the_organisation(client: Any, make: Make) -> None:
    assert client.request("GET", "WhoAmI").status == 200
    assert client.request("get", "/healthz").status == 200
    assert client.who_am_i().keys() == {"UserId", "BusinessUnitId", "OrganizationId"}
    with pytest.raises(ConfigurationError, match="leads to"):
        client.request("GET", "https://elsewhere.example/api/data/v9.2/WhoAmI")
    with pytest.raises(NotFoundError):
        make(version="9.2").request("GET", "nothing/here")
