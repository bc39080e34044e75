"""Faults in the shape of Finance and Operations.

What went wrong stands in ``innererror``; the outer message says only that, or that an address is not valid. A row that
is to be changed and is not there is a bad request, not a missing one.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/services-home-page
"""

from orgstead.errors import Fault
from orgstead.wire.odatav4.reply import JSON_TYPE, VERSION, Reply, dump

__all__ = ["failure"]

WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
MISSING = frozenset({"ObjectDoesNotExist", "RecordNotFoundByKey"})
# What is said of the address alone.
ABOUT_ADDRESS = frozenset({
    "InvalidPagingCookie", "ODataSyntax", "ODataUnsupported", "OperatorArity", "PropertyNotFound", "QueryTooComplex",
    "UnknownOperator",
})  # fmt: skip
# What goes wrong before a row is written, or around it.
ABOUT_REQUEST = frozenset({
    "BatchTooLarge", "ConcurrencyMismatch", "InvalidBatch", "InvalidHeader", "InvalidPayload", "InvalidProperty",
    "KeyIncomplete", "MethodNotAllowed", "MissingParameter", "PayloadTooLarge", "RequestTimeout", "ResourceNotFound",
    "StoreBusy", "Unauthenticated", "UnexpectedParameter", "UnsupportedMediaType", "UserDisabled", "UserNotFound",
})  # fmt: skip
DUPLICATES = frozenset({"DuplicateKey", "DuplicateRecord", "RecordExists"})
GENERAL = "An error has occurred."


def failure(error: Fault, *, method: str = "GET", address: str = "", target: str | None = None) -> Reply:
    """The answer that a fault is. ``target`` is the name of the data entity that a request is about, if of any."""
    status, outer, inner = error.status, GENERAL, error.message
    if error.name in MISSING and method in WRITES and target is not None:
        status, inner = 400, "No resources were found when selecting for update."
    elif error.name in MISSING or error.name == "ResourceNotFound":
        status = 404
        outer = f"No HTTP resource was found that matches the request URI '{address[:2000]}'."
    elif error.name in ABOUT_ADDRESS:
        outer = f"The query specified in the URI is not valid. {error.message}"
    elif (
        target is not None
        and method in WRITES
        and error.name not in ABOUT_REQUEST
        and status < 500
        and status != 429
    ):
        status = 400 if error.name in DUPLICATES else status
        verb = "Delete" if method == "DELETE" else "Write"
        inner = f"{verb} failed for table row of type '{target}'. Infolog: Error: {error.message}"
    said = {"message": inner, "type": error.name, "stacktrace": ""}
    if error.hint:
        said["hint"] = error.hint
    body = {"error": {"code": "", "message": outer, "innererror": said}}
    return Reply(status=status, headers=(("Content-Type", JSON_TYPE), VERSION), body=dump(body))
