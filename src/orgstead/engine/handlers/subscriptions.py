"""Subscription keys are renewed one at a time, so that clients go over to the other one meanwhile.

https://learn.microsoft.com/azure/api-management/api-management-subscriptions#manage-subscription-keys
"""

from typing import Any

from orgstead.engine.registry import Call, handles
from orgstead.engine.subscriptions import KEYS, renew_key
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature

__all__ = ["regenerate_key"]


@handles(
    "RegenerateSubscriptionKey",
    privilege="prvWriteOrganization",
    signature=Signature(
        kind="action",
        parameters=(Parameter(name="Name", type="Edm.String"),),
        returns=(Parameter(name="Key", type="Edm.String"),),
    ),
)
def regenerate_key(call: Call) -> Any:
    """Replace the primary or the secondary key; the new one is told once, the old one opens nothing any more."""
    if not call.caller.administrator:
        raise fault("PrivilegeDenied", caller=call.caller.user_id, privilege="System Administrator")
    name = call.parameters.get("Name")
    if name not in KEYS:
        raise fault("InvalidArgument", message="Name must be primary or secondary.")
    key = renew_key(call.unit, name)
    # Whoever keeps the keys for a moment reads them again.
    call.people_changed()
    return {"Key": key}
