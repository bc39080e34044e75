"""Who am I, which version, which organisation.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/whoami
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveversion
"""

from typing import Any

from orgstead.engine.registry import OPEN, Call, handles
from orgstead.model.messages import Parameter, Signature

__all__ = ["VERSION", "retrieve_version", "who_am_i"]

# The version of the imitated platform that clients compare against.
VERSION = "9.2.24104.00187"


@handles(
    "WhoAmI",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        returns=tuple(
            Parameter(name=name, type="Edm.Guid") for name in ("BusinessUnitId", "UserId", "OrganizationId")
        ),
    ),
)
def who_am_i(call: Call) -> Any:
    """The ids of the caller, the caller's business unit and the organisation."""
    return {
        "BusinessUnitId": call.caller.business_unit_id,
        "UserId": call.caller.user_id,
        "OrganizationId": call.caller.organization_id,
    }


@handles(
    "RetrieveVersion",
    privilege=OPEN,
    writes=False,
    signature=Signature(kind="function", returns=(Parameter(name="Version", type="Edm.String"),)),
)
def retrieve_version(call: Call) -> Any:
    """The version of the platform."""
    return {"Version": VERSION}
