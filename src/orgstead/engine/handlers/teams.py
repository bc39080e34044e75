"""Who is in a team.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addmembersteam
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/removemembersteam
"""

from collections.abc import Iterator
from typing import Any

from orgstead.engine.handlers.targets import named_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.model.messages import Associate, Disassociate, Parameter, Signature
from orgstead.model.record import Ref

__all__ = ["add_members", "remove_members"]

MEMBERSHIP = "teammembership_association"
_SIGNATURE = Signature(
    kind="action",
    parameters=(Parameter(name="Members", type="Collection(mscrm.systemuser)"),),
    bound=("team",),
)


@handles("AddMembersTeam", privilege=OPEN, signature=_SIGNATURE)
def add_members(call: Call) -> Any:
    """Put users into a team; those who are in it stay."""
    for team, member in _members(call):
        call.send(Associate(ref=team, relationship=MEMBERSHIP, related=member))


@handles("RemoveMembersTeam", privilege=OPEN, signature=_SIGNATURE)
def remove_members(call: Call) -> Any:
    """Take users out of a team."""
    for team, member in _members(call):
        call.send(Disassociate(ref=team, relationship=MEMBERSHIP, related=member))


def _members(call: Call) -> Iterator[tuple[Ref, Ref]]:
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a team")
    for member in call.parameters["Members"]:
        yield call.target, named_row(call, member, "Members", "systemuser")
