"""Many rows deleted in one go: named ones all or none, or those of queries by a job.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
https://learn.microsoft.com/power-apps/developer/data-platform/delete-data-bulk
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/bulkdelete
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orgstead.engine.access import check_table
from orgstead.engine.handlers.bulk import TARGETS, named, naming
from orgstead.engine.ids import NO_ID
from orgstead.engine.jobs import IN_PROGRESS, READY, Task, do_at_once, enqueue, kind
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import Fault, fault
from orgstead.model.messages import (
    Create,
    Delete,
    Parameter,
    RetrieveMultiple,
    Signature,
    Update,
)
from orgstead.model.query import Join, Query
from orgstead.model.record import Record, Ref

__all__ = ["bulk_delete", "delete_multiple", "delete_some"]

KIND, OPERATION, FAILURE = "BulkDelete", "bulkdeleteoperation", "bulkdeletefailure"
BULK_DELETE = 13
# Rows that go in one transaction, while others wait.
CHUNK = 100
# The most that a query with TopCount finds.
MAX_TOP = 5_000
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
    """Begin a job that deletes the rows that queries find, and leaves out those that cannot be deleted.

    Answers the id of the system job. Raises NotSupported for what such a job does not do.
    """
    given = call.parameters
    queries = given["QuerySet"]
    if not 1 <= len(queries) <= MAX_QUERIES:
        raise fault("InvalidArgument", message=f"QuerySet holds between 1 and {MAX_QUERIES} queries.")
    if given.get("SendEmailNotification") or given.get("ToRecipients") or given.get("CCRecipients"):
        raise fault("NotSupported", feature="An email at the end of a bulk deletion")
    if given.get("SourceImportId") not in (None, NO_ID):
        raise fault("NotSupported", feature="A bulk deletion of what an import made")
    found = [_found(call, query) for query in queries]
    texts = [call.queries.write(_bare(query)) for query in queries]
    rule = given.get("RecurrencePattern") or None
    due = None if given.get("RunNow") else given.get("StartDateTime")
    id = call.new_id()
    job = enqueue(
        call,
        KIND,
        str(given["JobName"]),
        {"queries": texts, "operation": id},
        due=max(due, call.now) if due is not None else None,
        recurrence=rule,
    )
    values = {
        "bulkdeleteoperationid": id,
        "name": str(given["JobName"])[:256],
        "asyncoperationid": job,
        "ownerid": Ref("systemuser", call.caller.user_id),
        "isrecurring": rule is not None,
        "nextrun": due,
        "orderedquerysetxml": "".join(texts),
        "successcount": 0,
        "failurecount": 0,
        **READY,
    }
    call.send_as_system(Create(record=Record(table=OPERATION, values=values)))
    if rule is None and (due is None or due <= call.now) and sum(found) <= CHUNK:
        # Clients look for what is left as soon as they have the answer, and delete it one by one: a race.
        do_at_once(call, job)
    return {"JobId": job.id}


def _found(call: Call, query: Query) -> int:
    """How many rows a query finds, up to one more than a piece of a job has.

    Raises TableNotFound, PrivilegeDenied, NotSupported and what binding raises for a query that no job could run.
    """
    table = call.schema.tables.get(query.table)
    if table is None or table.is_private:
        raise fault("TableNotFound", name=query.table[:100])
    check_table(call, "Delete", table)
    if query.top is not None and query.top > MAX_TOP:
        raise fault("NotSupported", feature=f"A TopCount above {MAX_TOP} in a bulk deletion")
    page = call.send(RetrieveMultiple(query=replace(_only_ids(call, query), page_size=CHUNK + 1))).page
    return 0 if page is None else len(page.rows)


def _bare(query: Query) -> Query:
    """A query for the rows alone: without columns, counts and pages."""
    return replace(
        query, columns=(), aliased=(), count=False, page_size=None, page_number=1, after=None, offset=0,
        joins=tuple(map(_bare_join, query.joins)), order=query.order if query.top is not None else (),
    )  # fmt: skip


def _bare_join(join: Join) -> Join:
    return replace(join, columns=(), aliased=(), joins=tuple(map(_bare_join, join.joins)))


def _only_ids(call: Call, query: Query) -> Query:
    return replace(_bare(query), columns=(call.schema.tables[query.table].primary_id,))


def _ended(call: Call, task: Task, status: Mapping[str, int]) -> None:
    """The operation's own row shows how its job ended."""
    record = Record(table=OPERATION, values=dict(status))
    call.send_as_system(Update(ref=Ref(OPERATION, task.payload["operation"]), record=record))


@kind(KIND, operation_type=BULK_DELETE, ended=_ended)
def delete_some(call: Call, task: Task) -> Any:
    """Delete the rows of a page of a query; progress is the query, where its next page begins, and what is left of it.

    A query for the first so many rows is asked once, and what it found is kept.
    """
    at = task.progress or {"query": 0, "after": None, "ids": None, "deleted": 0, "failed": 0}
    queries = task.payload["queries"]
    if at["query"] == len(queries):
        return None
    query = _only_ids(call, call.queries.read(queries[at["query"]]))
    table = call.schema.tables[query.table]
    after = None
    if at["ids"] is None:
        asked = replace(query, after=tuple(at["after"])) if at["after"] else query
        page = call.send(RetrieveMultiple(query=replace(asked, page_size=query.top or CHUNK))).page
        if page is None:
            raise TypeError("a page was promised")
        place = next(i for i, each in enumerate(page.plan.outputs) if each.name == table.primary_id)
        ids, after = (
            list(dict.fromkeys(row[place] for row in page.rows)),
            page.after if query.top is None else None,
        )
    else:
        ids = at["ids"]
    deleted, failed = _delete(call, task, at["query"], [Ref(table.logical_name, id) for id in ids[:CHUNK]])
    rest = ids[CHUNK:] or None
    done = rest is None and after is None
    at = {
        "query": at["query"] + done,
        "after": after,
        "ids": rest,
        "deleted": at["deleted"] + deleted,
        "failed": at["failed"] + failed,
    }
    shown = {
        "successcount": at["deleted"],
        "failurecount": at["failed"],
        "processingqeindex": min(at["query"], len(queries) - 1),
        **IN_PROGRESS,
    }
    ref = Ref(OPERATION, task.payload["operation"])
    call.send_as_system(Update(ref=ref, record=Record(table=OPERATION, values=shown)))
    return at


def _delete(call: Call, task: Task, query: int, refs: Sequence[Ref]) -> tuple[int, int]:
    """How many of some rows were deleted, and how many could not be: those have a row that says why."""
    deleted = failed = 0
    for ref in refs:
        try:
            with call.savepoint():
                call.send(Delete(ref=ref))
            deleted += 1
        except Fault as error:
            # Another row of the same job may have taken it along.
            if error.name != "ObjectDoesNotExist":
                failed += 1
                _note(call, task, query, ref, error)
    return deleted, failed


def _note(call: Call, task: Task, query: int, ref: Ref, error: Fault) -> None:
    column = call.schema.tables[FAILURE].columns["regardingobjectid"]
    values = {
        "asyncoperationid": Ref("asyncoperation", task.id),
        "bulkdeleteoperationid": Ref(OPERATION, task.payload["operation"]),
        "regardingobjectid": ref if ref.table in column.targets else None,
        "ownerid": Ref("systemuser", call.caller.user_id),
        "errornumber": error.signed_code,
        "errordescription": error.message[:512],
        "orderedqueryindex": query,
    }
    call.send_as_system(Create(record=Record(table=FAILURE, values=values)))
