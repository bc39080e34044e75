"""Small questions about tables and rows: how many there are, what a new one starts with, which states follow.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievetotalrecordcount
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/initializefrom
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/isvalidstatetransition
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/canbereferenced
"""

from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.mapping import taken_over
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, RetrieveMultiple, Signature
from orgstead.model.query import Aggregate, Query
from orgstead.model.record import Record
from orgstead.model.schema import Table

__all__ = [
    "can_be_referenced", "can_be_referencing", "can_many_to_many", "initialize_from", "is_valid_state_transition",
    "retrieve_total_record_count", "valid_many_to_many", "valid_referenced", "valid_referencing",
]  # fmt: skip

MAX_TABLES = 100
_NAME = (Parameter(name="EntityName", type="Edm.String"),)


@handles(
    "RetrieveTotalRecordCount",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(Parameter(name="EntityNames", type="Collection(Edm.String)"),),
        returns=(Parameter(name="EntityRecordCountCollection", type="mscrm.EntityRecordCountCollection"),),
    ),
)
def retrieve_total_record_count(call: Call) -> Any:
    """How many rows tables have that the caller sees."""
    names = call.parameters["EntityNames"]
    if not 1 <= len(names) <= MAX_TABLES:
        raise fault("InvalidArgument", message=f"EntityNames names between 1 and {MAX_TABLES} tables.")
    counts: dict[str, int] = {}
    for name in names:
        query = Query(table=str(name), aggregates=(Aggregate(function="count", alias="n"),))
        page = call.send(RetrieveMultiple(query=query)).page
        counts[str(name)] = int(page.rows[0][0]) if page is not None and page.rows else 0
    return {
        "EntityRecordCountCollection": {
            "Count": len(counts),
            "IsReadOnly": False,
            "Keys": list(counts),
            "Values": list(counts.values()),
        }
    }


@handles(
    "InitializeFrom",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(
            Parameter(name="EntityMoniker", type="mscrm.crmbaseentity"),
            Parameter(name="TargetEntityName", type="Edm.String"),
            Parameter(name="TargetFieldType", type="mscrm.TargetFieldType"),
        ),
        returns=(Parameter(name="", type="mscrm.crmbaseentity"),),
    ),
)
def initialize_from(call: Call) -> Any:
    """What a new row of a table starts with when it is made from another row; nothing is created."""
    source = named_row(call, call.parameters["EntityMoniker"], "EntityMoniker")
    table, target = call.schema.tables[source.table], _table(call, call.parameters["TargetEntityName"])
    row = stored_row(call, source)
    check_row(call, "Read", table, row)
    kind = call.parameters["TargetFieldType"]
    values = {
        name: value
        for name, value in taken_over(call.caller, table, row, target).items()
        if kind in ("All", "ValidForCreate")
        or (kind == "ValidForUpdate" and target.columns[name].update)
        or (kind == "ValidForRead" and target.columns[name].read)
    }
    if kind not in ("All", "ValidForCreate", "ValidForUpdate", "ValidForRead"):
        raise fault("InvalidArgument", message="TargetFieldType is not one of its members.")
    return Record(table=target.logical_name, values=values)


def _table(call: Call, name: Any) -> Table:
    table = call.schema.tables.get(str(name))
    if table is None or table.is_private:
        raise fault("TableNotFound", name=str(name)[:100])
    return table


@handles(
    "IsValidStateTransition",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(
            Parameter(name="Entity", type="mscrm.crmbaseentity"),
            Parameter(name="NewState", type="Edm.String"),
            Parameter(name="NewStatus", type="Edm.Int32"),
        ),
        returns=(Parameter(name="IsValid", type="Edm.Boolean"),),
    ),
)
def is_valid_state_transition(call: Call) -> Any:
    """Whether a row may get a state, by its name, with a status reason."""
    ref = named_row(call, call.parameters["Entity"], "Entity")
    table = call.schema.tables[ref.table]
    check_row(call, "Read", table, stored_row(call, ref))
    if table.state_column is None or table.status_column is None:
        return {"IsValid": False}
    wanted, status = str(call.parameters["NewState"]).casefold(), call.parameters["NewStatus"]
    state = next((each.value for each in table.state_column.options if each.label.casefold() == wanted), None)
    fits = any(each.value == status and each.state == state for each in table.status_column.options)
    return {"IsValid": state is not None and (status == -1 or fits)}


def _asks(name: str, returns: str) -> Signature:
    return Signature(kind="action", parameters=_NAME, returns=(Parameter(name=returns, type="Edm.Boolean"),))


@handles(
    "CanBeReferenced", privilege=OPEN, writes=False, signature=_asks("CanBeReferenced", "CanBeReferenced")
)
def can_be_referenced(call: Call) -> Any:
    """Whether a table can be the one side of a new relationship."""
    return {"CanBeReferenced": not _table(call, call.parameters["EntityName"]).is_intersect}


@handles(
    "CanBeReferencing", privilege=OPEN, writes=False, signature=_asks("CanBeReferencing", "CanBeReferencing")
)
def can_be_referencing(call: Call) -> Any:
    """Whether a table can be the many side of a new relationship."""
    return {"CanBeReferencing": not _table(call, call.parameters["EntityName"]).is_intersect}


@handles("CanManyToMany", privilege=OPEN, writes=False, signature=_asks("CanManyToMany", "CanManyToMany"))
def can_many_to_many(call: Call) -> Any:
    """Whether a table can be in a new N:N relationship."""
    return {"CanManyToMany": not _table(call, call.parameters["EntityName"]).is_intersect}


def _names(call: Call) -> list[str]:
    return sorted(
        name for name, table in call.schema.tables.items() if not table.is_intersect and not table.is_private
    )


def _lists(parameter: str | None) -> Signature:
    parameters = (Parameter(name=parameter, type="Edm.String", optional=True),) if parameter else ()
    return Signature(
        kind="function",
        parameters=parameters,
        returns=(Parameter(name="EntityNames", type="Collection(Edm.String)"),),
    )


@handles("GetValidManyToMany", privilege=OPEN, writes=False, signature=_lists(None))
def valid_many_to_many(call: Call) -> Any:
    """The tables that can be in a new N:N relationship."""
    return {"EntityNames": _names(call)}


@handles(
    "GetValidReferencedEntities", privilege=OPEN, writes=False, signature=_lists("ReferencingEntityName")
)
def valid_referenced(call: Call) -> Any:
    """The tables that can be the one side of a new relationship."""
    return {"EntityNames": _names(call)}


@handles(
    "GetValidReferencingEntities", privilege=OPEN, writes=False, signature=_lists("ReferencedEntityName")
)
def valid_referencing(call: Call) -> Any:
    """The tables that can be the many side of a new relationship."""
    return {"EntityNames": _names(call)}
