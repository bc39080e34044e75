"""What privileges there are about a table, and what they are called.

Several tables share those of another one: all activities, an address and its account.
https://learn.microsoft.com/power-apps/developer/data-platform/security-concepts
https://learn.microsoft.com/previous-versions/dynamicscrm-2016/developers-guide/hh547441(v=crm.8)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from orgstead.model.schema import Schema, Table

__all__ = [
    "ACCESS", "DEPENDENT", "DEPTHS", "MISCELLANEOUS", "RIGHTS", "UNGUARDED", "Privilege", "holder", "other_privileges",
    "privilege_name", "table_privileges",
]  # fmt: skip

# https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.accessrights
ACCESS: Mapping[str, int] = {
    "Read": 1,
    "Write": 2,
    "Append": 4,
    "AppendTo": 16,
    "Create": 32,
    "Delete": 65536,
    "Share": 262144,
    "Assign": 524288,
}
RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")

# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/privilegedepth
DEPTHS: Mapping[str, int] = {"Basic": 1, "Local": 2, "Deep": 4, "Global": 8}

# Tables whose privileges do not go by their schema name.
NAMED: Mapping[str, str] = {
    "activitypointer": "Activity",
    "annotation": "Note",
    "salesorder": "Order",
    "savedquery": "Query",
    "systemuser": "User",
}
# Tables that have no privileges of their own, and whose they share.
SHARED: Mapping[str, str] = {
    "activityparty": "activitypointer",
    "customeraddress": "account",
    "invoicedetail": "invoice",
    "opportunityproduct": "opportunity",
    "privilege": "role",
    "productpricelevel": "pricelevel",
    "queueitem": "queue",
    "quotedetail": "quote",
    "salesorderdetail": "salesorder",
    "sdkmessagefilter": "sdkmessage",
    "solutioncomponent": "solution",
    "uom": "uomschedule",
}
# Tables without privileges: who sees what a row belongs to sees the row.
DEPENDENT = frozenset({"fileattachment"})
# What a person sets is a person's own.
PERSONAL = frozenset({"userquery"})
# Who there is to own something is open to whoever may sign in.
UNGUARDED = frozenset({"owner"})
# Rows that have no owner and are given to somebody all the same.
GIVEN = frozenset({"role"})

# Privileges that are not about rows of a table.
MISCELLANEOUS = (
    "prvActOnBehalfOfAnotherUser", "prvBulkDelete", "prvCreateAttribute", "prvCreateEntity", "prvCreateOptionSet",
    "prvCreateRelationship", "prvDeleteAttribute", "prvDeleteEntity", "prvDeleteOptionSet", "prvDeleteRelationship",
    "prvExportCustomization", "prvExportToExcel", "prvImportCustomization", "prvMerge",
    "prvOverrideCreatedOnCreatedBy", "prvPromoteToAdmin", "prvPublishCustomization",
    "prvReadAttribute", "prvReadEntity", "prvReadOptionSet", "prvReadRelationship", "prvRollupGoal", "prvSendAsUser",
    "prvWriteAttribute", "prvWriteEntity", "prvWriteOptionSet", "prvWriteRelationship",
)  # fmt: skip
_SPACE = UUID("0d365000-0000-4000-8000-00000000d368")


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """One privilege. ``depths`` are the names of the depths that a role may hold it at."""

    name: str
    right: str | None
    depths: tuple[str, ...]

    @property
    def id(self) -> str:
        """Made from the name, so that it never changes."""
        return str(uuid5(_SPACE, self.name.lower()))


def holder(table: Table) -> str:
    """The logical name of the table whose privileges count for this one."""
    if table.is_activity:
        return "activitypointer"
    return SHARED.get(table.logical_name, table.logical_name)


def privilege_name(table: Table, right: str, schema: Schema) -> str:
    """The privilege that ``right`` on rows of ``table`` needs."""
    name = holder(table)
    if name in NAMED:
        return f"prv{right}{NAMED[name]}"
    return f"prv{right}{schema.tables[name].schema_name if name in schema.tables else name}"


def table_privileges(table: Table, schema: Schema) -> tuple[Privilege, ...]:
    """The privileges that count for a table, its own or those that it shares; none for one that only ties others."""
    if table.is_intersect or table.is_private or table.logical_name in UNGUARDED | DEPENDENT:
        return ()
    of = schema.tables.get(holder(table), table)
    rights: tuple[str, ...] = RIGHTS
    depths: tuple[str, ...] = ("Basic",) if of.logical_name in PERSONAL else tuple(DEPTHS)
    if of.ownership != "UserOwned":
        without = ("Share",) if of.logical_name in GIVEN else ("Assign", "Share")
        rights = tuple(right for right in RIGHTS if right not in without)
        depths = ("Local", "Deep", "Global") if of.ownership == "BusinessOwned" else ("Global",)
    return tuple(
        Privilege(name=privilege_name(table, right, schema), right=right, depths=depths) for right in rights
    )


def other_privileges() -> Iterator[Privilege]:
    """The privileges that are not about a table."""
    for name in MISCELLANEOUS:
        yield Privilege(name=name, right=None, depths=("Global",))
