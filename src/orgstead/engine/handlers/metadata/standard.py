"""What every new table and column gets without being asked for: standard columns, companions, relationships.

https://learn.microsoft.com/power-apps/maker/data-platform/data-platform-create-entity
https://learn.microsoft.com/power-apps/developer/data-platform/entity-attribute-metadata
"""

from collections.abc import Callable, Iterator

from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.model.schema import Cascade, Column, ColumnType, OneToMany, Option, Table

__all__ = [
    "NOTHING", "companions", "regard", "relate_activities", "relate_files", "relate_notes", "standard_columns",
    "standard_relationships", "tie",
]  # fmt: skip

NewId = Callable[[], str]

NOTHING = Cascade(delete="NoCascade")
EVERYTHING = Cascade(
    assign="Cascade",
    delete="Cascade",
    merge="Cascade",
    reparent="Cascade",
    share="Cascade",
    unshare="Cascade",
)
# Lookups to these tables also have a companion for the name's reading.
WITH_YOMI = frozenset({"account", "contact", "lead", "owner", "systemuser", "team"})
STATES = (Option(0, "Active", default_status=1), Option(1, "Inactive", default_status=2))
STATUSES = (Option(1, "Active", state=0), Option(2, "Inactive", state=1))
# Tables of activities whose collections do not end in a plain "s".
COLLECTIONS = {"fax": "Faxes", "phonecall": "PhoneCalls", "socialactivity": "SocialActivities"}


def standard_columns(table: Table, new_id: NewId) -> dict[str, Column]:
    """The columns of a new table beside those that it is made with, companions included."""
    columns = [column for plain in _plain(table, new_id) for column in (plain, *companions(plain, new_id))]
    return {column.name: column for column in columns}


def _plain(table: Table, new_id: NewId) -> Iterator[Column]:
    def column(schema_name: str, kind: ColumnType, label: str, **more: object) -> Column:
        values = {"create": False, "update": False, "display_name": label, **more}
        return Column(
            name=schema_name.lower(),
            schema_name=schema_name,
            type=kind,
            metadata_id=new_id(),
            **values,  # type: ignore[arg-type]
        )

    user = ("systemuser",)
    yield Column(
        name=table.primary_id,
        schema_name=f"{table.schema_name}Id",
        type="uniqueidentifier",
        metadata_id=new_id(),
        display_name=table.display_name,
        required="SystemRequired",
        update=False,
    )
    yield column("CreatedBy", "lookup", "Created By", targets=user)
    yield column("CreatedOn", "datetime", "Created On", format="DateAndTime", behavior="UserLocal")
    yield column("CreatedOnBehalfBy", "lookup", "Created By (Delegate)", targets=user)
    yield column("ModifiedBy", "lookup", "Modified By", targets=user)
    yield column("ModifiedOn", "datetime", "Modified On", format="DateAndTime", behavior="UserLocal")
    yield column("ModifiedOnBehalfBy", "lookup", "Modified By (Delegate)", targets=user)
    yield column(
        "ImportSequenceNumber", "integer", "Import Sequence Number", create=True, min=-(2**31), max=2**31 - 1
    )
    yield column(
        "OverriddenCreatedOn",
        "datetime",
        "Record Created On",
        create=True,
        format="DateOnly",
        behavior="UserLocal",
    )
    yield from (_owning(column) if table.ownership == "UserOwned" else _organization(column))
    yield column("StateCode", "state", "Status", required="SystemRequired", update=True, options=STATES)
    yield column("StatusCode", "status", "Status Reason", create=True, update=True, options=STATUSES)
    for name, label in (
        ("TimeZoneRuleVersionNumber", "Time Zone Rule Version Number"),
        ("UTCConversionTimeZoneCode", "UTC Conversion Time Zone Code"),
    ):
        yield column(name, "integer", label, create=True, update=True, min=-1, max=2**31 - 1)
    yield column("VersionNumber", "bigint", "Version Number")


def _owning(column: Callable[..., Column]) -> Iterator[Column]:
    yield column(
        "OwnerId",
        "owner",
        "Owner",
        required="SystemRequired",
        create=True,
        update=True,
        targets=("systemuser", "team"),
    )
    yield column("OwningBusinessUnit", "lookup", "Owning Business Unit", targets=("businessunit",))
    yield column("OwningTeam", "lookup", "Owning Team", targets=("team",), is_logical=True)
    yield column("OwningUser", "lookup", "Owning User", targets=("systemuser",), is_logical=True)


def _organization(column: Callable[..., Column]) -> Iterator[Column]:
    yield column("OrganizationId", "lookup", "Organization Id", targets=("organization",))


def companions(column: Column, new_id: NewId) -> Iterator[Column]:
    """The read-only columns that stand beside one: names of lookups and choices, addresses of images and files."""

    def companion(suffix: str, kind: ColumnType, *, stored: bool = False, **more: object) -> Column:
        return Column(
            name=f"{column.name}{suffix.lower()}",
            schema_name=f"{column.schema_name}{suffix}",
            type=kind,
            metadata_id=new_id(),
            create=False,
            update=False,
            attribute_of=column.name,
            is_logical=True,
            stored=stored,
            is_custom=column.is_custom,
            **more,  # type: ignore[arg-type]
        )

    match column.type:
        case "lookup" | "customer" | "owner":
            yield companion("Name", "string", max_length=100)
            if column.type != "lookup":
                yield companion("Type", "entityname")
            if column.type != "lookup" or WITH_YOMI & set(column.targets):
                yield companion("YomiName", "string", max_length=100)
        case "boolean" | "choice" | "multichoice" | "state" | "status":
            yield companion("Name", "virtual")
        case "file":
            yield companion("_Name", "string", stored=True, max_length=255)
        case "image":
            yield companion("_Timestamp", "bigint", stored=True)
            yield companion("_URL", "string", stored=True, max_length=200, format="Url")
            yield companion("Id", "uniqueidentifier", stored=True)


def standard_relationships(table: Table, draft: Draft, new_id: NewId) -> None:
    """The 1:N relationships behind the standard lookups of a new table."""
    name = table.logical_name
    ties = [
        (f"lk_{name}_{column}", "systemuser", column)
        for column in ("createdby", "createdonbehalfby", "modifiedby", "modifiedonbehalfby")
    ]
    if table.ownership == "UserOwned":
        ties += [
            (f"owner_{name}", "owner", "ownerid"),
            (f"business_unit_{name}", "businessunit", "owningbusinessunit"),
            (f"team_{name}", "team", "owningteam"),
            (f"user_{name}", "systemuser", "owninguser"),
        ]
    else:
        ties.append((f"organization_{name}", "organization", "organizationid"))
    for schema_name, referenced, column in ties:
        if draft.has_table(referenced):
            draft.relate(tie(schema_name, draft.table(referenced), name, column, column, NOTHING, new_id()))
    if draft.has_table("asyncoperation"):
        tied = tie(
            f"{name}_AsyncOperations", table, "asyncoperation", "regardingobjectid", f"regardingobjectid_{name}",
            NOTHING, new_id(),
        )  # fmt: skip
        draft.relate(tied)


def relate_notes(table: Table, draft: Draft, new_id: NewId) -> None:
    """Notes (annotations) may hang on rows of the table."""
    if draft.has_table("annotation"):
        name = table.logical_name
        tied = tie(
            f"{name}_Annotations", table, "annotation", "objectid", f"objectid_{name}", EVERYTHING, new_id()
        )
        draft.relate(tied)


def relate_files(table: Table, draft: Draft, new_id: NewId) -> None:
    """Files of the table's rows are found from them."""
    name = f"{table.logical_name}_FileAttachments"
    if draft.has_table("fileattachment") and not draft.has_relationship(name):
        draft.relate(
            tie(
                name, table, "fileattachment", "objectid", f"objectid_{table.logical_name}", NOTHING, new_id()
            )
        )


def relate_activities(table: Table, draft: Draft, new_id: NewId) -> None:
    """Activities may regard rows of the table: each activity table, and all of them as activity pointers."""
    for activity in draft.tables():
        if activity.is_activity and "regardingobjectid" in activity.columns:
            regard(table, activity, draft, new_id)


def regard(regarded: Table, activity: Table, draft: Draft, new_id: NewId) -> None:
    """Rows of one activity table may regard those of a table."""
    name, other = regarded.logical_name, activity.logical_name
    pointer = other == "activitypointer"
    navigation = f"regardingobjectid_{name}" if pointer else f"regardingobjectid_{name}_{other}"
    plain = f"{other if activity.is_custom else activity.schema_name}s"
    schema_name = f"{name}_{COLLECTIONS.get(other, plain)}"
    cascade = Cascade() if pointer else EVERYTHING
    draft.relate(tie(schema_name, regarded, other, "regardingobjectid", navigation, cascade, new_id()))


def tie(
    schema_name: str,
    referenced: Table,
    referencing: str,
    column: str,
    navigation: str,
    cascade: Cascade,
    id: str,
) -> OneToMany:
    """A 1:N relationship that comes with a table, by the referenced table's primary key."""
    return OneToMany(
        schema_name=schema_name,
        metadata_id=id,
        referenced=referenced.logical_name,
        referenced_attribute=referenced.primary_id,
        referencing=referencing,
        referencing_attribute=column,
        referenced_navigation=schema_name,
        referencing_navigation=navigation,
        cascade=cascade,
        is_custom=False,
    )
