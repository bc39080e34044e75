"""New definitions as components of the solution that the caller names.

https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/solutioncomponent
"""

from typing import Any

from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.record import Ref

__all__ = [
    "ATTRIBUTE",
    "ENTITY",
    "ENTITY_KEY",
    "OPTION_SET",
    "RELATIONSHIP",
    "VIEW",
    "add_component",
    "add_to_solution",
    "forget_component",
    "option_prefix",
]

ENTITY, ATTRIBUTE, OPTION_SET, RELATIONSHIP, ENTITY_KEY, VIEW = 1, 2, 9, 10, 14, 26
# That of a default publisher.
OPTION_PREFIX = 10_000


def add_to_solution(call: Call, kind: int, id: str) -> None:
    """Make the definition ``id`` a component of the solution named in the parameters or the request, if any.

    Raises SolutionNotFound and SolutionManaged.
    """
    solution = _named(call)
    if solution is not None:
        add_component(call, solution, kind, id)


def add_component(call: Call, solution: str, kind: int, id: str, behavior: int = 0) -> None:
    """Make the definition ``id`` a component of the solution with this id, unless it is one already."""
    components = call.schema.tables["solutioncomponent"]
    if call.unit.find(components, {"objectid": id, "solutionid": Ref("solution", solution)}, 1):
        return
    caller = Ref("systemuser", call.caller.user_id)
    row: dict[str, Any] = {
        components.primary_id: call.new_id(),
        "componenttype": kind,
        "objectid": id,
        "solutionid": Ref("solution", solution),
        "rootcomponentbehavior": behavior,
        "ismetadata": kind != VIEW,
        "createdon": call.now,
        "modifiedon": call.now,
        "createdby": caller,
        "modifiedby": caller,
        "versionnumber": call.unit.next_version(),
    }
    call.unit.insert(components, [row])


def _named(call: Call) -> str | None:
    """The id of the solution that the caller names; what is named by ``solution_if_any`` need not be there."""
    name = call.parameters.get("solution") or call.options.solution
    if name:
        return _solution(call, str(name))
    wish = call.parameters.get("solution_if_any")
    if not wish or not call.unit.find(call.schema.tables["solution"], {"uniquename": str(wish)}, 1):
        return None
    return _solution(call, str(wish))


def option_prefix(call: Call) -> int:
    """What values of new options start with: the publisher of the named solution says, else 10,000.

    Raises SolutionNotFound and SolutionManaged.
    """
    solution = _named(call)
    if solution is None:
        return OPTION_PREFIX
    row = call.unit.get(call.schema.tables["solution"], solution, ("publisherid",))
    publisher = None if row is None else row["publisherid"]
    if not isinstance(publisher, Ref) or not isinstance(publisher.key, str):
        return OPTION_PREFIX
    row = call.unit.get(call.schema.tables["publisher"], publisher.key, ("customizationoptionvalueprefix",))
    prefix = None if row is None else row["customizationoptionvalueprefix"]
    return prefix if isinstance(prefix, int) else OPTION_PREFIX


def _solution(call: Call, name: str) -> str:
    table = call.schema.tables["solution"]
    found = call.unit.find(table, {"uniquename": name}, 1)
    if not found:
        raise fault("SolutionNotFound", name=name[:100])
    row = call.unit.get(table, found[0], ("ismanaged",))
    if row is not None and row["ismanaged"]:
        raise fault("SolutionManaged", name=name[:100])
    return found[0]


def forget_component(call: Call, *ids: str) -> None:
    """Take deleted definitions out of all solutions."""
    components = call.schema.tables.get("solutioncomponent")
    if components is None:
        return
    for id in ids:
        # A component stands once in each solution; there are a few of those at most.
        found = call.unit.find(components, {"objectid": id}, 1000)
        if found:
            call.unit.delete(components, found)
