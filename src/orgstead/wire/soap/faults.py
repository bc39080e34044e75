"""Faults as the Organization Service tells them: an OrganizationServiceFault inside of a SOAP fault.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/handle-exceptions-code
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.organizationservicefault
"""

from collections.abc import Mapping
from typing import Any

from orgstead.errors import Fault
from orgstead.wire.soap.contracts import NAMESPACES, TypeName
from orgstead.wire.soap.envelope import SERVICES, SOAP11, close, open_
from orgstead.wire.soap.write import Scope, Typed, element
from orgstead.wire.soap.xml import XSI, escape

__all__ = ["fault_envelope", "fault_values"]

FAULT: TypeName = ("xrm", "OrganizationServiceFault")
TRANSACTION: TypeName = ("xrm71", "ExecuteTransactionFault")
ACTION = f"{SERVICES}/IOrganizationService/OrganizationServiceFaultFault"
HELP_LINK = "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException%3a"


def fault_values(error: Fault, *, activity: str, now: str, index: int | None = None) -> Mapping[str, Any]:
    """The members of an OrganizationServiceFault; ``index`` is the place of the request in a transaction."""
    values: dict[str, Any] = {
        "ActivityId": activity,
        "ErrorCode": error.signed_code,
        "ErrorDetails": {
            "OperationStatus": "0",
            **{name: _detail(name, value) for name, value in error.details.items()},
            **({"RequestIndex": Typed(("xs", "int"), index)} if index is not None else {}),
        },
        "HelpLink": f"{HELP_LINK}{error.kind.code:X}",
        "Message": error.message,
        "Timestamp": now,
        "ExceptionRetriable": error.status in (429, 503),
        "TraceText": error.hint or None,
    }
    if index is not None:
        values["FaultedRequestIndex"] = index
    return values


def _detail(name: str, value: str) -> Any:
    """A detail; the time to wait is a TimeSpan.

    https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#how-to-re-try
    """
    return Typed(("ser", "duration"), f"PT{value}S") if name == "Retry-After" else value


def fault_envelope(
    error: Fault,
    version: str,
    *,
    activity: str,
    now: str,
    index: int | None = None,
    relates_to: str | None = None,
) -> str:
    """The whole answer that a fault is. ``now`` is xs:dateTime in UTC."""
    values: Any = fault_values(error, activity=activity, now=now, index=index)
    if index is not None:
        values = Typed(TRANSACTION, values)
    declared = f'OrganizationServiceFault xmlns="{NAMESPACES["xrm"]}" xmlns:i="{XSI}"'
    detail = element("OrganizationServiceFault", values, FAULT, Scope({"xrm": ""}))
    detail = detail.replace("OrganizationServiceFault", declared, 1)
    text = escape(error.message)
    ours = error.status in (500, 503)
    if version == SOAP11:
        inner = (
            f"<s:Fault><faultcode>s:{'Server' if ours else 'Client'}</faultcode>"
            f'<faultstring xml:lang="en-US">{text}</faultstring><detail>{detail}</detail></s:Fault>'
        )
    else:
        inner = (
            f"<s:Fault><s:Code><s:Value>s:{'Receiver' if ours else 'Sender'}</s:Value></s:Code><s:Reason>"
            f'<s:Text xml:lang="en-US">{text}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>'
        )
    return f"{open_(version, relates_to, ACTION)}{inner}{close()}"
