"""Marketing lists: put members in and take them out.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addlistmemberslist
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/addmemberlist
"""

from typing import Any

from orgstead.engine.access import check_row
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Associate, Disassociate, Parameter, Signature
from orgstead.model.record import Ref

__all__ = ["add_member", "add_members", "remove_member"]

# Which table a list is made of, by its createdfromcode, and the relationship of its members.
KINDS = {1: "account", 2: "contact", 4: "lead"}
_ENTITY = Parameter(name="EntityId", type="Edm.Guid")


@handles(
    "AddListMembersList",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="List", type="mscrm.list"),
            Parameter(name="Members", type="Collection(mscrm.crmbaseentity)"),
        ),
    ),
)
def add_members(call: Call) -> Any:
    """Put members into a static list; those who are in it stay."""
    wanted = named_row(call, call.parameters["List"], "List", "list")
    kind = _kind(call, wanted)
    for member in call.parameters["Members"]:
        _add(call, wanted, named_row(call, member, "Members", kind))


@handles(
    "AddMemberList",
    privilege=OPEN,
    signature=Signature(
        kind="action",
        parameters=(_ENTITY,),
        returns=(Parameter(name="Id", type="Edm.Guid"),),
        bound=("list",),
    ),
)
def add_member(call: Call) -> Any:
    """Put one member into a static list. Answers the id of the list member."""
    wanted = _bound(call)
    member = Ref(_kind(call, wanted), call.parameters["EntityId"])
    _add(call, wanted, member)
    table = call.schema.tables["listmember"]
    found = call.unit.find(table, {"listid": wanted, "entityid": member}, 1)
    return {"Id": found[0]}


@handles(
    "RemoveMemberList",
    privilege=OPEN,
    signature=Signature(kind="action", parameters=(_ENTITY,), bound=("list",)),
)
def remove_member(call: Call) -> Any:
    """Take one member out of a static list; raises ObjectDoesNotExist when it is not in it."""
    wanted = _bound(call)
    kind = _kind(call, wanted)
    member = Ref(kind, call.parameters["EntityId"])
    call.send(Disassociate(ref=wanted, relationship=f"list{kind}_association", related=member))


def _bound(call: Call) -> Ref:
    if not isinstance(call.target, Ref):
        raise TypeError("the message is bound to a list")
    return call.target


def _kind(call: Call, wanted: Ref) -> str:
    """The table that a list's members are of; raises InvalidArgument for one whose members follow from a query."""
    row = stored_row(call, wanted)
    check_row(call, "Read", call.schema.tables["list"], row)
    if row.get("type"):
        raise fault("InvalidArgument", message="The members of a dynamic list follow from its query.")
    if row.get("lockstatus"):
        raise fault("InvalidState", table="list", id=wanted.id, wanted="unlocked")
    return KINDS[row["createdfromcode"]]


def _add(call: Call, wanted: Ref, member: Ref) -> None:
    call.send(Associate(ref=wanted, relationship=f"list{member.table}_association", related=member))
