"""What one caller wants done in one transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.engine.context import Caller
from orgstead.errors import Fault
from orgstead.model.messages import Execute, Message, Options, Result, Upsert

__all__ = ["Job", "changes_definitions", "lost_a_race"]

# Tables whose rows are definitions.
DEFINING = frozenset({
    "callbackregistration", "msdyncrm_segment", "customapi", "customapirequestparameter", "customapiresponseproperty",
    "sdkmessageprocessingstep", "sdkmessageprocessingstepimage", "serviceendpoint",
})  # fmt: skip


class Job:
    """Messages that run in one transaction on behalf of one caller, and what became of them."""

    __slots__ = ("caller", "horizon", "messages", "options", "outcome", "told", "woken")

    def __init__(self, messages: Sequence[Message], caller: Caller, options: Options = Options()) -> None:
        self.messages = messages
        self.caller = caller
        self.options = options
        self.outcome: list[Result] | Exception = []
        self.horizon = 0
        # Whether there is something for the job runner.
        self.woken = False
        # What endpoints were told meanwhile.
        self.told: list[Mapping[str, Any]] = []


def changes_definitions(message: Message) -> bool:
    """Whether a message about a row changes what the organisation is made of."""
    record = getattr(message, "record", None)
    table = record.table if record is not None else getattr(getattr(message, "ref", None), "table", "")
    return table in DEFINING


def lost_a_race(job: Job) -> bool:
    """Whether an upsert found a key taken that was free when it looked."""
    error = job.outcome
    return (
        isinstance(error, Fault)
        and error.name in ("DuplicateKey", "DuplicateRecord")
        and any(
            type(each) is Upsert or (type(each) is Execute and each.name == "UpsertMultiple")
            for each in job.messages
        )
    )
