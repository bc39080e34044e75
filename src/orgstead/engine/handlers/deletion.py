"""Many rows deleted in one go: named ones all or none, or those of queries by a job.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
https://learn.microsoft.com/power-apps/developer/data-platform/delete-data-bulk
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/bulkdelete
"""

from dataclasses import replace
from typing import Any

from orgstead.engine.handlers.bulk import TARGETS, named, naming
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import Fault, fault
from orgstead.model.messages import Create, Delete, Parameter, RetrieveMultiple, Signature
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref

__all__ = ["bulk_delete", "delete_multiple"]

BULK_DELETE = 13
COMPLETED, SUCCEEDED, FAILED = 3, 30, 31
CHUNK = 1_000
# What one job deletes, since it has one transaction.
MAX_ROWS = 100_000
MAX_QUERIES = 100


@handles(
    "DeleteMultiple",
    privilege=OPEN,
    heavy=True,
    signature=Signature(kind="action", parameters=TARGETS, bound=("*",), collection=True),
)
def delete_multiple(call: Call) -> Any:
    """Delete all rows, which must exist, or none."""
    for index, (ref, _) in enumerate(named(call)):
        with naming(index):
            call.send(Delete(ref=ref))


@handles(
    "BulkDelete",
    privilege="prvBulkDelete",
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="QuerySet", type="Collection(mscrm.QueryExpression)"),
            Parameter(name="JobName", type="Edm.String"),
            Parameter(name="SendEmailNotification", type="Edm.Boolean", optional=True),
            Parameter(name="ToRecipients", type="Collection(mscrm.crmbaseentity)", optional=True),
            Parameter(name="CCRecipients", type="Collection(mscrm.crmbaseentity)", optional=True),
            Parameter(name="RecurrencePattern", type="Edm.String", optional=True),
            Parameter(name="StartDateTime", type="Edm.DateTimeOffset", optional=True),
            Parameter(name="SourceImportId", type="Edm.Guid", optional=True),
            Parameter(name="RunNow", type="Edm.Boolean", optional=True),
        ),
        returns=(Parameter(name="JobId", type="Edm.Guid"),),
    ),
)
def bulk_delete(call: Call) -> Any:
    """Delete the rows that queries find, those that cannot be deleted left out. Answers the id of the system job.

    The job has run when the answer comes. Raises NotSupported for one that is to run later or again.
    """
    if call.parameters.get("RecurrencePattern"):
        raise fault("NotSupported", feature="A recurring bulk deletion")
    queries = call.parameters["QuerySet"]
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise fault("InvalidArgument", message=f"QuerySet holds between 1 and {MAX_QUERIES} queries.")
    deleted, failed = 0, 0
    for query in queries:
        for ref in _found(call, query, MAX_ROWS - deleted - failed):
            try:
                with call.savepoint():
                    call.send(Delete(ref=ref))
                deleted += 1
            except Fault as error:
                # Another row of the same job may have taken it along.
                failed += error.name != "ObjectDoesNotExist"
    values = {
        "name": str(call.parameters["JobName"])[:256],
        "operationtype": BULK_DELETE,
        "statecode": COMPLETED,
        "statuscode": FAILED if failed and not deleted else SUCCEEDED,
        "startedon": call.now,
        "completedon": call.now,
        "message": f"{deleted} rows were deleted, {failed} could not be.",
    }
    made = call.send_as_system(Create(record=Record(table="asyncoperation", values=values))).ref
    return {"JobId": made.id if made is not None else None}


def _found(call: Call, query: Query, limit: int) -> list[Ref]:
    """The rows that a query finds; raises TooManyRows for more than a job deletes."""
    table = call.schema.tables.get(query.table)
    if table is None:
        raise fault("TableNotFound", name=query.table[:100])
    bare = replace(
        query, columns=(table.primary_id,), aliased=(), count=False, page_size=5000, distinct=False
    )
    found: list[str] = []
    after, number = None, 1
    while True:
        page = call.send(RetrieveMultiple(query=replace(bare, after=after, page_number=number))).page
        if page is None:
            break
        place = next(i for i, o in enumerate(page.plan.outputs) if o.name == table.primary_id)
        found += [row[place] for row in page.rows]
        if len(found) > limit:
            raise fault("TooManyRows", limit=MAX_ROWS)
        if page.after is None:
            break
        after, number = page.after, number + 1
    return [Ref(table.logical_name, id) for id in dict.fromkeys(found)]
