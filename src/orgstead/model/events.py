"""What happens in an organisation, as those who registered for it are told: the execution context of a message.

https://learn.microsoft.com/power-apps/developer/data-platform/understand-the-data-context
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orgstead.model.record import Page, Record

__all__ = ["ASYNCHRONOUS", "NOBODY", "SYNCHRONOUS", "Event", "RowEvent"]

SYNCHRONOUS, ASYNCHRONOUS = 0, 1
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One message at one stage of its way, for one step that is registered for it.

    ``inputs`` and ``outputs`` are the message's parameters by the names that Dynamics gives them (``Target`` is a
    Record or a Ref); the images are rows by alias. All values are canonical, see ``model.record.Record``. ``table`` is
    ``none`` for a message that is bound to no table. ``shared`` are the variables that the steps of one message pass on
    to each other, ``parent`` is the event in whose midst this one happened. Times are seconds since 1970.
    """

    message: str
    stage: int
    mode: int = SYNCHRONOUS
    depth: int = 1
    table: str = "none"
    id: str = NOBODY
    secondary: str = "none"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    shared: Mapping[str, Any] = field(default_factory=dict)
    pre_images: Mapping[str, Record] = field(default_factory=dict)
    post_images: Mapping[str, Record] = field(default_factory=dict)
    user_id: str
    user_object_id: str = NOBODY
    initiating_user_id: str
    initiating_object_id: str = NOBODY
    business_unit_id: str
    organization_id: str
    organization_name: str
    correlation_id: str
    operation_id: str
    request_id: str | None = None
    created_on: float
    in_transaction: bool
    step_id: str
    step_name: str
    parent: "Event | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEvent:
    """What has become of one row, as those are told who asked to be called back.

    ``page`` is the row as it is now, None when it has been deleted; ``version`` its change number, where the table has
    one. ``user_id`` is on whose behalf whoever is told should go on.
    https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
    """

    message: str
    table: str
    id: str
    page: Page | None
    version: int | None
    user_id: str
    operation_id: str
    correlation_id: str
