"""What several actions do: find who and what is meant, and show rows."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta

from orgstead.actions.action import Steps
from orgstead.actions.failures import Refusal
from orgstead.client import Record, Ref, col
from orgstead.client.literals import guid

__all__ = [
    "Fields", "Long", "RowLimit", "Title", "account_named", "deep_link", "literally", "moment", "readable", "row_of",
    "rows_of", "user_by_email",
]  # fmt: skip

Fields = dict[str, Any]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Long = Annotated[str, Meta(max_length=100_000)]
RowLimit = Annotated[int, Meta(ge=1, le=500, description="Rows to answer at most.")]

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
TARGET = "@Microsoft.Dynamics.CRM.lookuplogicalname"


def row_of(row: Mapping[str, Any]) -> Fields:
    """A row as the Web API has it, without the columns that hold nothing and without annotations."""
    found = row.raw if isinstance(row, Record) else row
    return {name: _value(value) for name, value in found.items() if value is not None and "@" not in name}


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(each) for each in value]
    return row_of(value) if isinstance(value, dict) else value


def rows_of(rows: Iterable[Mapping[str, Any]]) -> list[Fields]:
    """Rows as ``row_of`` shows them."""
    return [row_of(each) for each in rows]


def readable(row: Mapping[str, Any]) -> Fields:
    """A row with labels beside the numbers of choices and the ids of lookups, and the tables that those lead to."""
    found = row.raw if isinstance(row, Record) else row
    shown = row_of(found)
    for name, value in list(shown.items()):
        text = found.get(name + FORMATTED)
        lookup = name.endswith("_value")
        choice = isinstance(value, int) and not isinstance(value, bool)
        if text is not None and (lookup or (choice and any(each.isalpha() for each in text))):
            shown[f"{name}@label"] = text
        if lookup and name + TARGET in found:
            shown[f"{name}@table"] = found[name + TARGET]
    return shown


def literally(text: str) -> str:
    """A text to be looked for as it is, where the service takes some characters for wildcards.

    https://learn.microsoft.com/power-apps/developer/data-platform/wildcard-characters
    """
    return re.sub(r"[%_\[]", lambda found: f"[{found[0]}]", text)


def deep_link(client: Any, table: str, id: str) -> str:
    """The address of a row's form, as Dynamics has it.

    https://learn.microsoft.com/power-apps/developer/model-driven-apps/open-forms-views-dialogs-reports-url
    """
    query = urlencode({"etn": table, "id": guid(id), "pagetype": "entityrecord"})
    return f"{client.url}/main.aspx?{query}"


def account_named(client: Any, id: str) -> Steps[Ref]:
    """The account of an id. Raises Refusal when there is none."""
    found = yield client.records.find("account", guid(id), select=["accountid"])
    if found is None:
        raise Refusal(f"There is no account with the id {guid(id)}. search_accounts finds ids by name.")
    return Ref("account", guid(id))


def user_by_email(client: Any, email: str) -> Steps[Ref]:
    """The one user who has an e-mail address and may sign in. Raises Refusal for none, and for several."""
    asked = email.strip()
    query = client.query("systemuser").select("systemuserid", "fullname", "isdisabled")
    users = yield query.where(col("internalemailaddress") == asked).order_by("fullname").top(20).all()
    enabled = [user for user in users if not user["isdisabled"]]
    if len(enabled) == 1:
        return Ref("systemuser", enabled[0].id)
    if enabled:
        names = ", ".join(f"{user['fullname']} ({user.id})" for user in enabled)
        raise Refusal(
            f"{len(enabled)} users have the e-mail address {asked}: {names}. "
            "Use an address that only one of them has, or have an administrator change one."
        )
    if users:
        raise Refusal(f"The user with the e-mail address {asked}, {users[0]['fullname']}, is disabled.")
    raise Refusal(
        f"No user has the e-mail address {asked}. Attendees are users of the organisation, found by the address "
        "internalemailaddress of their row."
    )


def moment(text: str, name: str) -> datetime:
    """A time of ISO 8601; without an offset it is UTC. Raises Refusal for what is none."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refusal(f"{name} is a time such as 2026-02-20T12:00:00Z, not {text[:60]!r}.") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
