"""Faults in the Web API's own shape.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors#parse-errors-from-the-response
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from orgstead.errors import Fault

__all__ = ["fault_body", "fault_json"]

HELP_LINK = "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a"


def fault_json(error: Fault, *, annotations: bool = False) -> Mapping[str, Any]:
    """The error object; with ``annotations`` the details that ``Prefer: odata.include-annotations="*"`` asks for."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if annotations:
        body["@Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus"] = "0"
        for name, value in error.details.items():
            body[f"@Microsoft.PowerApps.CDS.ErrorDetails.{name}"] = value
        body["@Microsoft.PowerApps.CDS.HelpLink"] = f"{HELP_LINK}{error.kind.code:X}"
        body["@Microsoft.PowerApps.CDS.InnerError.Message"] = error.message
        if error.hint:
            body["@Orgstead.Hint"] = error.hint
    return {"error": body}


def fault_body(error: Fault, *, annotations: bool = False) -> bytes:
    """The error object as JSON."""
    return msgspec.json.encode(fault_json(error, annotations=annotations))
