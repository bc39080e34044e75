"""Many rows of one table in one message, all or nothing.

https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

from typing import Any

from orgstead.engine.handlers.targets import row_of
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import Fault, fault
from orgstead.model.messages import Create, Parameter, Signature, Update, Upsert
from orgstead.model.record import Record, Ref

__all__ = ["TARGETS", "create_multiple", "named", "naming", "update_multiple", "upsert_multiple"]

TARGETS = (Parameter(name="Targets", type="Collection(mscrm.crmbaseentity)"),)


def _targets(call: Call) -> tuple[Record, ...]:
    targets = call.parameters["Targets"]
    if not targets:
        raise fault("InvalidArgument", message="Targets must hold at least one row.")
    for record in targets:
        if not isinstance(record, Record) or record.table != call.target:
            raise fault(
                "InvalidArgument",
                message="All rows of Targets must be of the table that the message is bound to.",
            )
    return tuple(targets)


def named(call: Call) -> tuple[tuple[Ref, Record], ...]:
    """The rows that the targets name, with what is said of each."""
    return tuple((row_of(call, record), record) for record in _targets(call))


@handles(
    "CreateMultiple",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=TARGETS,
        returns=(Parameter(name="Ids", type="Collection(Edm.Guid)"),),
        bound=("*",),
        collection=True,
    ),
)
def create_multiple(call: Call) -> Any:
    """Create all rows; their ids in the same order. Each row is created with the caller's own rights."""
    ids = []
    for index, record in enumerate(_targets(call)):
        with naming(index):
            made = call.send(Create(record=record)).ref
            ids.append(made.id if made is not None else None)
    return {"Ids": ids}


@handles(
    "UpdateMultiple",
    privilege=OPEN,
    heavy=True,
    signature=Signature(kind="action", parameters=TARGETS, bound=("*",), collection=True),
)
def update_multiple(call: Call) -> Any:
    """Update all rows, which must exist."""
    for index, (ref, record) in enumerate(named(call)):
        with naming(index):
            call.send(Update(ref=ref, record=record))


@handles(
    "UpsertMultiple",
    privilege=OPEN,
    heavy=True,
    signature=Signature(kind="action", parameters=TARGETS, bound=("*",), collection=True),
)
def upsert_multiple(call: Call) -> Any:
    """Create or update each row by its key."""
    for index, (ref, record) in enumerate(named(call)):
        with naming(index):
            call.send(Upsert(ref=ref, record=record))


class naming:
    """Adds the failing row's place to a fault's details."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Fault):
            error.details.setdefault("TargetIndex", str(self.index))
