"""E-mails: mark them as sent, or as waiting to be.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/sendemail
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature, Update
from orgstead.model.record import Record, Ref

__all__ = ["send_email"]

OPEN_STATE, COMPLETED = 0, 1
SENT, PENDING = 3, 6
# Recipients: to, cc, bcc. https://learn.microsoft.com/power-apps/developer/data-platform/activityparty-entity
SENDER, RECIPIENTS = 1, (2, 3, 4)


@handles(
    "SendEmail",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="IssueSend", type="Edm.Boolean"),
            Parameter(name="TrackingToken", type="Edm.String", optional=True),
        ),
        returns=(Parameter(name="Subject", type="Edm.String"),),
        bound=("email",),
    ),
)
def send_email(call: Call) -> Mapping[str, Any]:
    """Complete an outgoing draft: sent already (``IssueSend`` false), or pending; answers the subject with its token.

    Nothing is delivered from here: whoever delivers looks for what is pending.
    Raises EmailWithoutRecipient, EmailWithoutSender, InvalidState.
    """
    ref = call.target
    if not isinstance(ref, Ref):
        raise fault("InvalidArgument", message="SendEmail is called on an e-mail.")
    row = stored_row(call, ref)
    check_row(call, "Write", call.schema.tables["email"], row)
    if row.get("statecode") != OPEN_STATE or row.get("directioncode") is False:
        raise fault("InvalidArgument", message="Only an outgoing e-mail that is open can be sent.")
    if not _has_party(call, ref, (SENDER,)):
        raise fault("EmailWithoutSender")
    if not _has_party(call, ref, RECIPIENTS):
        raise fault("EmailWithoutRecipient")
    issue, token = call.parameters["IssueSend"], call.parameters.get("TrackingToken")
    subject = " ".join(filter(None, (row.get("subject"), token)))
    changed = {"subject": subject, "statecode": COMPLETED, "statuscode": PENDING if issue else SENT}
    if token:
        changed["trackingtoken"] = token
    call.send(Update(ref=ref, record=Record(table="email", values=changed)))
    if not issue:
        done = Record(table="email", values={"senton": call.now, "actualend": call.now})
        call.send_as_system(Update(ref=ref, record=done))
    return {"Subject": subject}


def _has_party(call: Call, ref: Ref, masks: tuple[int, ...]) -> bool:
    parties = call.schema.tables["activityparty"]
    return any(
        call.unit.find(parties, {"activityid": ref, "participationtypemask": mask}, 1) for mask in masks
    )
