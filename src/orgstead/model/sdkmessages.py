"""Messages as rows of ``sdkmessage`` name them, which is how steps are registered for them and told of them.

An action of the Web API often names its table as well (WinQuote); the message that it sends does not (Win).
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/use-messages
https://learn.microsoft.com/power-apps/developer/data-platform/register-plug-in
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table

__all__ = ["WITHOUT_STEPS", "SdkMessage", "sdk_messages", "sdk_name", "subject", "table_messages"]

# Messages that exist per table: clients ask for these filters before they use bulk messages.
PER_TABLE = ("Create", "CreateMultiple", "Update", "UpdateMultiple", "Upsert", "UpsertMultiple", "Delete")
PER_SHARED_TABLE = ("GrantAccess", "ModifyAccess", "RevokeAccess")
# What goes on between rows of any two tables, and what only reads.
CORE = (*PER_TABLE, "Associate", "Disassociate", "Retrieve", "RetrieveMultiple")
# Older names for updates of the owner and of the state: whoever updates those sends Update.
SPECIALISED = ("Assign", "SetState", "SetStateDynamicEntity")
# No steps: reads, what is always one of two other messages, what nobody sends.
WITHOUT_STEPS = frozenset({"Retrieve", "RetrieveMultiple", "Upsert", "UpsertMultiple", *SPECIALISED})
# What they answer is a secret, which no step may see.
SECRET = frozenset({"RegenerateSubscriptionKey"})

_NAMES: Mapping[str, str] = {
    "AddListMembersList": "AddListMembers",
    "AddMemberList": "AddMember",
    "AddMembersTeam": "AddMembers",
    "AddPrivilegesRole": "AddPrivileges",
    "CalculateTotalTimeIncident": "CalculateTotalTime",
    "CancelSalesOrder": "Cancel",
    "CloseIncident": "Close",
    "CloseQuote": "Close",
    "FulfillSalesOrder": "Fulfill",
    "LoseOpportunity": "Lose",
    "RemoveMemberList": "RemoveMember",
    "RemoveMembersTeam": "RemoveMembers",
    "RemovePrivilegeRole": "RemovePrivilege",
    "ReplacePrivilegesRole": "ReplacePrivileges",
    "RetrieveRolePrivilegesRole": "RetrieveRolePrivileges",
    "ReviseQuote": "Revise",
    "SendEmail": "Send",
    "WinOpportunity": "Win",
    "WinQuote": "Win",
}
# The tables of actions that are bound to none.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "AddListMembersList": ("list",),
    "CancelSalesOrder": ("salesorder",),
    "CloseIncident": ("incident",),
    "CloseQuote": ("quote",),
    "ConvertQuoteToSalesOrder": ("quote",),
    "ConvertSalesOrderToInvoice": ("salesorder",),
    "FulfillSalesOrder": ("salesorder",),
    "GenerateInvoiceFromOpportunity": ("opportunity",),
    "GenerateQuoteFromOpportunity": ("opportunity",),
    "GenerateSalesOrderFromOpportunity": ("opportunity",),
    "LoseOpportunity": ("opportunity",),
    "Merge": ("account", "contact", "incident", "lead"),
    "ReviseQuote": ("quote",),
    "WinOpportunity": ("opportunity",),
    "WinQuote": ("quote",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkMessage:
    """A row of ``sdkmessage``; ``steps`` says whether one may register steps for it.

    ``tables`` are those that it has filters for, beside what every table has.
    """

    name: str
    steps: bool
    tables: tuple[str, ...] = ()

    def takes(self, table: Table) -> bool:
        """Whether the message has a filter for a table."""
        if table.is_private or table.is_intersect:
            return False
        return self.name in table_messages(table) or table.logical_name in self.tables


def sdk_name(name: str) -> str:
    """The name of the message that the action ``name`` of the Web API sends."""
    return _NAMES.get(name, name)


def subject(name: str, parameters: Mapping[str, Any]) -> Ref | None:
    """The row that a call of an unbound action is about: one of its parameters, or what a parameter's row names."""
    tables = _ABOUT.get(name, ())
    for value in parameters.values():
        if isinstance(value, Ref) and value.table in tables:
            return value
    for value in parameters.values():
        for inner in value.values.values() if isinstance(value, Record) else ():
            if isinstance(inner, Ref) and inner.table in tables:
                return inner
    return None


def table_messages(table: Table) -> tuple[str, ...]:
    """The messages that any table like this one has filters for."""
    return (*PER_TABLE, *PER_SHARED_TABLE) if table.user_owned else PER_TABLE


def sdk_messages(answered: Iterable[tuple[str, bool, tuple[str, ...]]]) -> Iterator[SdkMessage]:
    """All messages, by name, of an engine that answers these: their names, whether they write, their tables."""
    steps: dict[str, bool] = {name: name not in WITHOUT_STEPS for name in (*CORE, *SPECIALISED)}
    tables: dict[str, set[str]] = {}
    for name, writes, bound in answered:
        message = sdk_name(name)
        if message in CORE or message in SECRET:
            continue
        steps[message] = steps.get(message, False) or writes
        tables.setdefault(message, set()).update(_ABOUT.get(name, ()), set(bound) - {"*"})
    for name in sorted(steps):
        yield SdkMessage(name=name, steps=steps[name], tables=tuple(sorted(tables.get(name, ()))))
