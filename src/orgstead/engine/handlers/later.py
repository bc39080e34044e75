"""Steps that run after the commit: Python functions as system jobs like all others."""

from functools import partial

from orgstead.engine.callbacks import CALL_BACK
from orgstead.engine.events import read_event
from orgstead.engine.jobs import SYSTEM_EVENT, Task, kind
from orgstead.engine.registry import Call
from orgstead.engine.stages import FUNCTION, NOTIFY
from orgstead.engine.steps import Passage
from orgstead.errors import fault

__all__ = ["run_later", "told_elsewhere"]

# The type of system jobs that call back.
# https://learn.microsoft.com/power-apps/developer/data-platform/bypass-power-automate-flows
CALLBACK_EXPANDER = 79


@kind(FUNCTION, operation_type=SYSTEM_EVENT)
def run_later(call: Call, task: Task) -> None:
    """Run the Python function of an asynchronous step; raises NotSupported when it is no longer there."""
    event = read_event(task.payload["event"])
    code = call.steps.code(event.step_id)
    if code is None:
        raise fault("NotSupported", feature=f"The step {event.step_name}, whose function is not there,")
    passage = Passage(
        message=event.message,
        inputs=dict(event.inputs),
        outputs=dict(event.outputs),
        table=call.schema.tables.get(event.table),
        id=event.id,
        shared=dict(event.shared),
    )
    with call.inside(event):
        call.limit.run(event.step_name, partial(code.run, call, event, passage))


@kind(NOTIFY, operation_type=SYSTEM_EVENT, outside=True)
@kind(CALL_BACK, operation_type=CALLBACK_EXPANDER, outside=True)
def told_elsewhere(call: Call, task: Task) -> None:
    """Endpoints are told outside of any transaction, by a runner of their own."""
    raise fault("NotSupported", feature=f"The delivery {task.id} inside of a transaction")
