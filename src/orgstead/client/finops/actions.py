"""Bound actions of data management, by which both of its APIs tell what becomes of something.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api
"""

from typing import Any

from orgstead.client.flow import Flow
from orgstead.client.session import Session
from orgstead.client.values import decode

__all__ = ["manage"]

GROUPS = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."


def manage(session: Session, action: str, *, idempotent: bool = True, **parameters: Any) -> Flow[Any]:
    """Invoke an action and answer its value. Raises ServiceError, TransportError, CredentialError."""
    answer, _ = yield from session.call("POST", f"{GROUPS}{action}", parameters, idempotent=idempotent)
    found = decode(answer.content) if answer.content else None
    # A value within a value is how the documentation shows some of them.
    while isinstance(found, dict) and "value" in found:
        found = found["value"]
    return found
