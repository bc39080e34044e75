"""Rows of any table: made, changed, deleted.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
"""

from typing import Annotated, Any

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.common import deep_link
from orgstead.actions.failures import Refusal
from orgstead.actions.links import Values, written
from orgstead.actions.reading import TABLE
from orgstead.client import new_id
from orgstead.client.literals import guid

__all__ = [
    "CreateRecord", "CreateRecordOutput", "DeleteRecord", "DeleteRecordOutput", "UpdateRecord", "UpdateRecordOutput",
    "create_record", "delete_record", "update_record",
]  # fmt: skip


class CreateRecord(Parameters, frozen=True):
    """A table and the values of a new row."""

    table: Annotated[str, Meta(description=TABLE)]
    values: Values


class CreateRecordOutput(Result, frozen=True):
    """The id of the row, and where to open it."""

    record_id: str | None = None
    deep_link: str | None = None


@action("Create a row")
def create_record(crm: Any, asked: CreateRecord) -> Steps[CreateRecordOutput]:
    """Make one row of any table and answer its id.

    A lead: table lead with {"subject": "Ten silos", "firstname": "Ada", "lastname": "Thorn", "companyname": "Thorn
    Mills"}. An opportunity: table opportunity with {"name": "Ten silos", "customerid": {"table": "account", "id": "…"},
    "estimatedvalue": 12000}. A case: table incident with {"title": "Silo leaks", "customerid": {"table": "account",
    "id": "…"}}. Look first with search whether it is there already.
    """
    values = yield from written(crm, asked.table, asked.values)
    made = yield crm.records.create(asked.table, values, id=new_id())
    return CreateRecordOutput(success=True, record_id=made, deep_link=deep_link(crm, asked.table, made))


class UpdateRecord(Parameters, frozen=True):
    """A row, and what is to change; what is left out stays."""

    table: Annotated[str, Meta(description=TABLE)]
    record_id: Annotated[str, Meta(description="Id of the row: a GUID.")]
    values: Values


class UpdateRecordOutput(Result, frozen=True):
    """What has changed."""

    record_id: str | None = None
    updated_fields: list[str] = field(default_factory=list)


@action("Update a row", changes=True, idempotent=True)
def update_record(crm: Any, asked: UpdateRecord) -> Steps[UpdateRecordOutput]:
    """Change columns of one row of any table that is there; only what is given is written.

    Overwrites what the columns held. To close an opportunity or a case, use close_opportunity and resolve_case.
    """
    values = yield from written(crm, asked.table, asked.values)
    yield crm.records.update(asked.table, asked.record_id, values)
    return UpdateRecordOutput(
        success=True, record_id=guid(asked.record_id), updated_fields=list(asked.values)
    )


class DeleteRecord(Parameters, frozen=True):
    """Which row, and that it is meant."""

    table: Annotated[str, Meta(description=TABLE)]
    record_id: Annotated[str, Meta(description="Id of the row: a GUID.")]
    confirm: Annotated[
        bool,
        Meta(description="True once the person who asked for it has agreed to this very row's deletion."),
    ] = False


class DeleteRecordOutput(Result, frozen=True):
    """Which row is gone."""

    record_id: str | None = None


@action("Delete a row", deletes=True, idempotent=True)
def delete_record(crm: Any, asked: DeleteRecord) -> Steps[DeleteRecordOutput]:
    """Delete one row of any table for good, with the rows that go along with it.

    Without ``confirm`` nothing is deleted, and the answer says which row it would be.
    """
    id = guid(asked.record_id)
    if not asked.confirm:
        info = yield crm.tables.get(asked.table)
        title = info.title or info.key
        row = yield crm.records.retrieve(info.name, id, select=[title])
        raise Refusal(
            f"This would delete the {info.name} '{row[title] or 'without a name'}' ({id}) for good. "
            "Ask the person, and if they agree call again with confirm true."
        )
    yield crm.records.delete(asked.table, id)
    return DeleteRecordOutput(success=True, record_id=id)
