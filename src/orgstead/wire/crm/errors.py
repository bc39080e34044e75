"""Faults as answers: ``{"error": {"code", "message", "field"}}``, and the gateway's own shape for a key that fails.

https://teamswork.app/crmapi
https://learn.microsoft.com/troubleshoot/azure/api-mgmt/unauthorized-errors-invoke-apis
"""

import re
from collections.abc import Mapping
from typing import Any

from orgstead.errors import Fault
from orgstead.wire.crm.request import Reply, json_reply

__all__ = ["HEADER", "error_of", "failure", "status_of"]

HEADER = "Ocp-Apim-Subscription-Key"
GATEWAY = frozenset({"SubscriptionKeyMissing", "SubscriptionKeyInvalid"})
TAKEN = frozenset({"DuplicateKey", "DuplicateRecord", "RecordExists", "CannotDeleteReferenced"})
MISSING = frozenset({"ObjectDoesNotExist", "RecordNotFoundByKey"})
CODES: Mapping[str, str] = {
    "AccessDenied": "forbidden",
    "ConcurrencyMismatch": "version_conflict",
    "CrmFieldHidden": "field_hidden",
    "CrmFieldInvalid": "field_invalid",
    "CrmFieldReadOnly": "field_read_only",
    "CrmFieldRequired": "field_required",
    "CrmFieldUnknown": "field_unknown",
    "CrmParameterInvalid": "parameter_invalid",
    "CrmParameterUnknown": "parameter_unknown",
    "ObjectDoesNotExist": "not_found",
    "PrivilegeDenied": "forbidden",
    "RecordNotFoundByKey": "not_found",
    "ResourceNotFound": "not_found",
    "StoreBusy": "busy",
    "Unexpected": "unexpected",
}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def status_of(error: Fault, *, row: str | None = None) -> int:
    """The status of a fault in a request about ``row``."""
    if _unseen(error):
        return 404 if _about(error, row) else 400
    return 409 if error.name in TAKEN else error.status


def error_of(error: Fault, *, row: str | None = None) -> dict[str, Any]:
    """A fault as the value of ``error``."""
    code = CODES.get(error.name) or _WORDS.sub("_", error.name).lower()
    message = error.message
    if error.status == 429:
        code = "too_many_requests"
    if _unseen(error):
        code = "not_found" if _about(error, row) else "related_not_found"
        message = (
            "There is no such row." if code == "not_found" else "A row that this one refers to is not there."
        )
    elif error.name in ("AccessDenied", "PrivilegeDenied"):
        message = "The role of the subscription key does not allow this."
    said = {"code": code, "message": message}
    if "field" in error.details:
        said["field"] = error.details["field"]
    return said


def failure(error: Fault, *, base: str = "", row: str | None = None, allow: str | None = None) -> Reply:
    """The answer that a fault is. ``allow`` names the methods that the address takes."""
    if error.name in GATEWAY:
        challenge = f'AzureApiManagementKey realm="{base}",name="{HEADER}",type="header"'
        body = {"statusCode": 401, "message": error.message}
        return json_reply(body, status=401, headers=(("WWW-Authenticate", challenge),))
    headers = (("Allow", allow),) if allow is not None else ()
    return json_reply({"error": error_of(error, row=row)}, status=status_of(error, row=row), headers=headers)


def _unseen(error: Fault) -> bool:
    """Whether a row is missing, or out of reach: nobody is told which."""
    hidden = error.name == "AccessDenied" and any(
        f"no {right}Access" in error.message for right in ("Read", "AppendTo")
    )
    return hidden or error.name in MISSING


def _about(error: Fault, row: str | None) -> bool:
    """Whether the row that is missing is the one that was asked for."""
    return row is not None and row in error.message.lower()
