"""Values of rows as agents write them: lookups as table and id, bound by the navigation property that leads there.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from orgstead.actions.action import Steps
from orgstead.actions.common import Fields
from orgstead.actions.failures import Refusal
from orgstead.client import Ref
from orgstead.client.literals import guid, name

__all__ = ["Values", "bound", "navigation", "written"]

MAX_COLUMNS = 500
Values = Annotated[
    Fields,
    Meta(
        description="Values by logical column name. A lookup is {table, id}, a choice its number, a time ISO 8601, "
        "null empties a column."
    ),
]


def written(crm: Any, table: str, values: Fields) -> Steps[Fields]:
    """Values as the client takes them. Raises Refusal for what is no value of a column."""
    if not values:
        raise Refusal("There are no values: describe tells the columns of a table.")
    if len(values) > MAX_COLUMNS:
        raise Refusal(f"At most {MAX_COLUMNS} columns are written at once.")
    made: Fields = {}
    lookups: dict[str, Mapping[str, Any]] = {}
    for column, value in values.items():
        if isinstance(value, dict):
            if value.keys() != {"table", "id"}:
                raise Refusal(f"{column[:60]} is no value of a column: a lookup is {{table, id}}.")
            lookups[column.removeprefix("_").removesuffix("_value")] = value
        else:
            made[column] = value
    if lookups:
        relations = yield crm.tables.relationships(table)
        for column, value in lookups.items():
            target = Ref(name(str(value["table"])), guid(value["id"]))
            made[navigation(relations, table, column, target.table)] = target
    return made


def bound(crm: Any, table: str, column: str, target: Ref) -> Steps[Fields]:
    """A lookup that leads to a row, as the client takes it. Raises Refusal."""
    relations = yield crm.tables.relationships(table)
    return {navigation(relations, table, column, target.table): target}


def navigation(relations: Any, table: str, column: str, target: str) -> str:
    """The navigation property of a lookup column to a table. Raises Refusal when it leads elsewhere."""
    found = [each for each in relations if each.kind == "ManyToOne" and each.column == column]
    for each in found:
        if each.other_table == target:
            property: str = each.navigation
            return property
    if column == "ownerid" and target in ("systemuser", "team"):
        return column
    if not found:
        raise Refusal(f"{table} has no lookup {column[:60]}: describe tells its columns.")
    targets = ", ".join(sorted({each.other_table for each in found}))
    raise Refusal(f"{column} of {table} does not lead to {target}, but to: {targets[:500]}.")
