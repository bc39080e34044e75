"""What a server does for itself from time to time."""

import threading
from types import TracebackType

import structlog

from orgstead.engine.context import SYSTEM
from orgstead.engine.pipeline import Engine
from orgstead.errors import Fault
from orgstead.model.messages import Execute

__all__ = ["Housekeeping"]

log = structlog.get_logger()

EVERY_SECONDS = 600.0
# Looking through a whole directory is done once a day.
ORPHANS_EVERY = 144
MAX_RUNS = 1000


class Housekeeping:
    """A thread that takes back the room of files, and of what has ended, as long as the block runs.

    ``days`` is how long ended system jobs and deliveries are kept, 0 for ever.
    """

    def __init__(self, engine: Engine, *, days: int, seconds: float = EVERY_SECONDS) -> None:
        self._engine = engine
        self._days = days
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orgstead-housekeeping", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        rounds = 0
        while not self._ended.wait(self._seconds):
            try:
                self._sweep(Execute(name="SweepFiles"))
                if self._days:
                    self._sweep(Execute(name="SweepJobs", parameters={"Days": self._days}))
                if rounds % ORPHANS_EVERY == 0:
                    self._engine.run([Execute(name="SweepOrphans")], SYSTEM)
            except Fault as error:
                log.warning("housekeeping failed, and is tried again", reason=error.message, hint=error.hint)
            rounds += 1

    def _sweep(self, message: Execute) -> None:
        """Send a message again and again, in transactions of their own, until there is nothing more to remove."""
        for _ in range(MAX_RUNS):
            (result,) = self._engine.run([message], SYSTEM)
            if not result.value["More"] or self._ended.is_set():
                return
