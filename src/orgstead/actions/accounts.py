"""Accounts and contacts: found and read.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
"""

from typing import Annotated, Any

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.common import Fields, literally, row_of, rows_of
from orgstead.actions.failures import Refusal
from orgstead.client import col, raw

__all__ = [
    "FindContact", "FindContactOutput", "GetAccount", "GetAccountOutput", "ListAccounts", "ListAccountsOutput",
    "SearchAccounts", "SearchAccountsOutput", "find_contact", "get_account", "list_accounts", "search_accounts",
]  # fmt: skip

FOUND = 50


class GetAccount(Parameters, frozen=True):
    """Which account."""

    account_id: Annotated[str, Meta(description="Id of the account: a GUID.")]


class GetAccountOutput(Result, frozen=True):
    """The account."""

    account: Fields | None = None


@action("Get an account", reads=True)
def get_account(crm: Any, asked: GetAccount) -> Steps[GetAccountOutput]:
    """Read one account by its id: every column that has a value.

    Find the id with ``search_accounts``.
    """
    found = yield crm.records.retrieve("account", asked.account_id)
    return GetAccountOutput(success=True, account=row_of(found))


class ListAccounts(Parameters, frozen=True):
    """Which accounts, and how many."""

    filter: Annotated[
        str | None,
        Meta(description="OData $filter over columns of account, such as: statecode eq 0 (active ones)."),
    ] = None
    records_per_page: Annotated[int, Meta(ge=1, le=5000, description="Accounts to answer at most.")] = 50


class ListAccountsOutput(Result, frozen=True):
    """The accounts."""

    accounts: list[Fields] = field(default_factory=list)


@action("List accounts", reads=True)
def list_accounts(crm: Any, asked: ListAccounts) -> Steps[ListAccountsOutput]:
    """List accounts by name, those that fulfil an OData filter or all of them, up to ``records_per_page``.

    Rows hold every column that has a value. To look one up by its name, ``search_accounts`` is simpler.
    """
    query = crm.query("account").order_by("name").top(asked.records_per_page)
    found = yield (query.where(raw(asked.filter)) if asked.filter else query).all()
    return ListAccountsOutput(success=True, accounts=rows_of(found))


class SearchAccounts(Parameters, frozen=True):
    """What to look for."""

    search_term: Annotated[str, Meta(min_length=1, description="Part of the account's name, in any case.")]


class SearchAccountsOutput(Result, frozen=True):
    """The accounts."""

    accounts: list[Fields] = field(default_factory=list)


@action("Search accounts", reads=True)
def search_accounts(crm: Any, asked: SearchAccounts) -> Steps[SearchAccountsOutput]:
    """Find accounts whose name contains a text, without regard to case: the first 50 by name."""
    query = crm.query("account").where(col("name").contains(literally(asked.search_term)))
    found = yield query.order_by("name").top(FOUND).all()
    return SearchAccountsOutput(success=True, accounts=rows_of(found))


class FindContact(Parameters, frozen=True):
    """Which contacts: at least one of these; name and filter narrow each other."""

    contact_id: Annotated[str | None, Meta(description="Id of the contact, a GUID, to read that one.")] = None
    name: Annotated[str | None, Meta(description="Part of the full name, in any case.")] = None
    filter: Annotated[
        str | None, Meta(description="OData $filter over columns of contact, such as: lastname eq 'Smith'.")
    ] = None


class FindContactOutput(Result, frozen=True):
    """The contacts."""

    contacts: list[Fields] = field(default_factory=list)


@action("Find a contact", reads=True)
def find_contact(crm: Any, asked: FindContact) -> Steps[FindContactOutput]:
    """Find contacts by id, by a part of their full name, or by an OData filter: the first 50 by name."""
    if asked.contact_id:
        one = yield crm.records.retrieve("contact", asked.contact_id)
        return FindContactOutput(success=True, contacts=[row_of(one)])
    query = crm.query("contact").order_by("fullname").top(FOUND)
    if not asked.name and not asked.filter:
        raise Refusal("Say which contact: give contact_id, name or filter.")
    if asked.name:
        query = query.where(col("fullname").contains(literally(asked.name)))
    if asked.filter:
        query = query.where(raw(asked.filter))
    found = yield query.all()
    return FindContactOutput(success=True, contacts=rows_of(found))
