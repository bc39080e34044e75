"""A customer is an account or a contact; ``accountid`` and ``contactid`` repeat it for each kind.

https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/contact
"""

from collections.abc import Mapping

from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.schema import Table

__all__ = ["copy_customer"]

# Per customer column, where its copies stand by the kind of customer.
COPIES: Mapping[str, Mapping[str, str]] = {
    "customerid": {"account": "accountid", "contact": "contactid"},
    "parentcustomerid": {"account": "accountid", "contact": "parentcontactid"},
}


def _copied(table: Table) -> bool:
    return any(
        name in table.columns and table.columns[name].type == "customer" and column in table.columns
        for name, copies in COPIES.items()
        for column in copies.values()
        if column != table.primary_id
    )


@hook("Create", "Update", stage=20, applies=_copied)
def copy_customer(call: Call, change: Change) -> None:
    """Fill the copy of the right kind, empty the other."""
    for name, copies in COPIES.items():
        if name not in change.values or name not in change.table.columns:
            continue
        customer = change.values[name]
        for kind, copy in copies.items():
            column = change.table.columns.get(copy)
            if column is not None and column.is_lookup and copy != change.table.primary_id:
                change.values[copy] = customer if customer is not None and customer.table == kind else None
