"""What a custom activity table is born with: the columns of activitypointer, all party lists, its relationships.

https://learn.microsoft.com/power-apps/developer/data-platform/custom-activities
"""

from collections.abc import Callable
from dataclasses import replace

from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.handlers.metadata.standard import NOTHING, regard, relate_notes, tie
from orgstead.errors import fault
from orgstead.model.schema import Cascade, Column, ColumnType, Table

__all__ = ["PRIMARY_NAME", "activity_columns", "activity_relationships", "check_activity"]

ACTIVITY = "activitypointer"
PRIMARY_NAME = "subject"

NewId = Callable[[], str]

# What only all activities together have.
POINTERS_OWN = frozenset({"allparties", "descriptionblobid"})
PEOPLE = ("account", "contact", "lead", "systemuser")
PARTIES = (
    ("BCC", "BCC", PEOPLE),
    ("CC", "CC", PEOPLE),
    ("Customers", "Customers", ("account", "contact")),
    ("From", "From", PEOPLE),
    ("OptionalAttendees", "Optional Attendees", PEOPLE),
    ("Organizer", "Organizer", ("systemuser",)),
    ("RequiredAttendees", "Required Attendees", PEOPLE),
    ("Resources", "Resources", ("systemuser",)),
    ("To", "To", PEOPLE),
)
# Tables whose rows hang on an activity: the relationship's name, the lookup, what becomes of the rows.
HANGING = (
    ("activityparty", "{}_activity_parties", "activityid", NOTHING),
    ("bulkdeletefailure", "{}_BulkDeleteFailures", "regardingobjectid", Cascade(delete="Cascade")),
    ("connection", "{}_connections1", "record1id", Cascade(delete="Cascade")),
    ("connection", "{}_connections2", "record2id", Cascade(delete="Cascade")),
    ("queueitem", "{}_QueueItems", "objectid", Cascade(delete="Cascade")),
    ("asyncoperation", "{}_AsyncOperations", "regardingobjectid", NOTHING),
)


def check_activity(table: Table, draft: Draft) -> Table:
    """The definition of a new activity table with the name that all activities have.

    Raises InvalidDefinition: an activity has no other primary name than Subject, belongs to a user or team, and no
    activities regard it.
    """
    wrong = None
    if table.ownership != "UserOwned":
        wrong = "an activity table is owned by users or teams"
    elif table.has_activities:
        wrong = "activities cannot regard activities"
    elif table.primary_name not in (None, PRIMARY_NAME):
        wrong = "the primary name of an activity is Subject"
    elif not draft.has_table(ACTIVITY):
        wrong = "there are no activities"
    if wrong is not None:
        raise fault("InvalidDefinition", what=table.schema_name, reason=wrong)
    if table.primary_name is None:
        subject = replace(draft.table(ACTIVITY).columns[PRIMARY_NAME], metadata_id=draft.call.new_id())
        table = replace(table, primary_name=PRIMARY_NAME, columns={PRIMARY_NAME: subject, **table.columns})
    return table


def activity_columns(table: Table, draft: Draft, new_id: NewId) -> dict[str, Column]:
    """The standard columns of a new activity table."""
    pointer = draft.table(ACTIVITY)
    columns = [
        replace(column, metadata_id=new_id(), targets=() if name == "regardingobjectid" else column.targets)
        for name, column in pointer.columns.items()
        if name not in POINTERS_OWN
    ]
    for schema_name, label, targets in PARTIES:
        columns.append(_column(schema_name, "partylist", label, new_id(), targets=targets, stored=False))
    columns.append(
        _column(
            "ImportSequenceNumber",
            "integer",
            "Import Sequence Number",
            new_id(),
            update=False,
            min=-(2**31),
            max=2**31 - 1,
        )
    )
    columns.append(
        _column(
            "OverriddenCreatedOn",
            "datetime",
            "Record Created On",
            new_id(),
            update=False,
            format="DateOnly",
            behavior="UserLocal",
        )
    )
    made = {column.name: column for column in columns}
    made[pointer.primary_id] = replace(made[pointer.primary_id], display_name=table.display_name)
    return made


def _column(schema_name: str, kind: ColumnType, label: str, id: str, **more: object) -> Column:
    values = {"display_name": label, **more}
    return Column(name=schema_name.lower(), schema_name=schema_name, type=kind, metadata_id=id, **values)  # type: ignore[arg-type]


def activity_relationships(table: Table, draft: Draft, new_id: NewId) -> None:
    """What the lookups of a new activity table lead to, what it regards, and what hangs on it."""
    name = table.logical_name
    lookups = [
        (f"lk_{name}_{column}", "systemuser", column, NOTHING)
        for column in ("createdby", "createdonbehalfby", "modifiedby", "modifiedonbehalfby")
    ]
    lookups += [
        (f"owner_{name}", "owner", "ownerid", NOTHING),
        (f"business_unit_{name}", "businessunit", "owningbusinessunit", NOTHING),
        (f"team_{name}", "team", "owningteam", NOTHING),
        (f"user_{name}", "systemuser", "owninguser", NOTHING),
        (f"TransactionCurrency_{name}", "transactioncurrency", "transactioncurrencyid", Cascade()),
    ]
    for schema_name, referenced, column, cascade in lookups:
        if draft.has_table(referenced):
            draft.relate(
                tie(schema_name, draft.table(referenced), name, column, f"{column}_{name}", cascade, new_id())
            )
    pointed = tie(
        f"activity_pointer_{name}",
        draft.table(ACTIVITY),
        name,
        table.primary_id,
        f"{table.primary_id}_activitypointer",
        NOTHING,
        new_id(),
    )
    draft.relate(pointed)
    for other, schema_name, column, cascade in HANGING:
        if draft.has_table(other):
            draft.relate(
                tie(schema_name.format(name), table, other, column, f"{column}_{name}", cascade, new_id())
            )
    relate_notes(table, draft, new_id)
    for regarded in draft.tables():
        if regarded.has_activities:
            regard(regarded, table, draft, new_id)
