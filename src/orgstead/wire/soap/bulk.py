"""Many requests in one, and many rows in one request.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/execute-multiple-requests
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/use-executetransaction
https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

from collections.abc import Sequence
from dataclasses import replace

from orgstead.errors import fault
from orgstead.model.messages import Execute, Message, Result, Update, Upsert
from orgstead.model.record import Record, Ref
from orgstead.wire.soap.answers import Many, Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.crud import created, target_of
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.write import Typed
from orgstead.wire.soap.xml import Element, children, is_nil

__all__ = ["MAX_REQUESTS"]

# https://learn.microsoft.com/power-apps/developer/data-platform/org-service/execute-multiple-requests#run-time-limitations
MAX_REQUESTS = 1000
MAX_ROWS = 1000
COLLECTION = ("xrm", "EntityCollection")


def _requests(ask: Ask) -> Sequence[Element]:
    given = ask.element("Requests")
    found = [each for each in children(given) if not is_nil(each)] if given is not None else []
    if not found:
        raise fault("MissingParameter", name="Requests", message=f"{ask.name} needs it")
    if len(found) > MAX_REQUESTS:
        raise fault("BatchTooLarge", limit=MAX_REQUESTS, details={"MaxBatchSize": str(MAX_REQUESTS)})
    return found


@request("ExecuteMultiple")
def _execute_multiple(ask: Ask) -> Many:
    settings = ask.value("Settings", ("xrm12", "ExecuteMultipleSettings")) or {}
    found = _requests(ask)
    ask.finish()
    return Many(
        requests=found,
        continue_on_error=bool(settings.get("ContinueOnError")),
        return_responses=bool(settings.get("ReturnResponses")),
        options=ask.options,
    )


@request("ExecuteTransaction")
def _execute_transaction(ask: Ask) -> Many:
    return_responses, found = ask.flag("ReturnResponses"), _requests(ask)
    ask.finish()
    return Many(requests=found, return_responses=return_responses, together=True, options=ask.options)


def _targets(ask: Ask) -> tuple[str, tuple[Record, ...]]:
    rows = ask.needed("Targets", COLLECTION)
    if not isinstance(rows, tuple) or not all(isinstance(each, Record) for each in rows):
        raise ask.wrong("Targets", "EntityCollection")
    if len(rows) > MAX_ROWS:
        raise fault("QueryTooComplex", limit=f"{MAX_ROWS} items in Targets")
    if not rows:
        raise fault("InvalidArgument", message="Targets must hold at least one row.")
    return rows[0].table, rows


@request("CreateMultiple")
def _create_multiple(ask: Ask) -> Operation:
    table, rows = _targets(ask)
    ask.finish()
    targets = tuple(created(each, ask) for each in rows)

    def render(results: Sequence[Result]) -> Response:
        ids = results[0].value["Ids"]
        return Response(name="CreateMultiple", results=(("Ids", Typed(("arrays", "ArrayOfguid"), ids)),))

    message = Execute(name="CreateMultiple", parameters={"Targets": targets}, target=table)
    return Operation(messages=(message,), render=render, options=ask.options)


@request("UpdateMultiple")
def _update_multiple(ask: Ask) -> Operation:
    versions = ask.versions()
    table, rows = _targets(ask)
    ask.finish()
    refs = [target_of(each, "Update") for each in rows]
    messages: tuple[Message, ...] = (
        Execute(name="UpdateMultiple", parameters={"Targets": rows}, target=table),
    )
    if versions is not None:
        if any(each.table != table for each in rows):
            raise fault("InvalidArgument", message="All rows of Targets must be of one table.")
        # The message for all of them asks for no version; together they are one transaction all the same.
        messages = tuple(
            Update(ref=ref, record=replace(each, key=None), if_match=version)
            for ref, each, version in zip(refs, rows, versions, strict=True)
        )
    return Operation(messages=messages, render=lambda _: Response(name="UpdateMultiple"), options=ask.options)


@request("UpsertMultiple")
def _upsert_multiple(ask: Ask) -> Operation:
    table, rows = _targets(ask)
    ask.finish()
    if any(each.table != table for each in rows):
        raise fault("InvalidArgument", message="All rows of Targets must be of one table.")
    refs = [each.key or Ref(each.table, ask.context.new_id()) for each in rows]
    # Each answers whether it has been made, which the message for all of them does not.
    messages = tuple(
        Upsert(ref=ref, record=replace(each, key=None)) for ref, each in zip(refs, rows, strict=True)
    )

    def render(results: Sequence[Result]) -> Response:
        answers = [
            {
                "ResponseName": "Upsert",
                "Results": {"RecordCreated": each.created, "Target": each.ref or ref},
            }
            for each, ref in zip(results, refs, strict=True)
        ]
        return Response(
            name="UpsertMultiple", results=(("Results", Typed(("xrm", "ArrayOfUpsertResponse"), answers)),)
        )

    return Operation(messages=messages, render=render, options=ask.options)


@request("DeleteMultiple")
def _delete_multiple(ask: Ask) -> Operation:
    rows = ask.needed("Targets")
    if not isinstance(rows, tuple) or not all(isinstance(each, Ref) for each in rows) or not rows:
        raise ask.wrong("Targets", "EntityReferenceCollection")
    if len(rows) > MAX_ROWS:
        raise fault("QueryTooComplex", limit=f"{MAX_ROWS} items in Targets")
    ask.finish()
    targets = tuple(Record(table=each.table, key=each) for each in rows)
    message = Execute(name="DeleteMultiple", parameters={"Targets": targets}, target=rows[0].table)
    return Operation(
        messages=(message,), render=lambda _: Response(name="DeleteMultiple"), options=ask.options
    )
