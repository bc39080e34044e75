"""What callers asked for that is not supported: listed for whoever wants to know what to build next."""

from collections import OrderedDict
from collections.abc import Sequence

from orgstead.errors import Fault

__all__ = ["Unsupported"]

MAX_FEATURES = 500
KINDS = frozenset({"ODataUnsupported", "NotSupported", "UnknownMessage", "UnknownOperator"})


class Unsupported:
    """The last features refused, with how often; bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()

    def note(self, error: Fault) -> None:
        """Remember a refusal, if that is what the fault is."""
        if error.name not in KINDS:
            return
        self._seen[error.message] = self._seen.pop(error.message, 0) + 1
        if len(self._seen) > MAX_FEATURES:
            self._seen.popitem(last=False)

    def listed(self) -> Sequence[tuple[str, int]]:
        """Messages and counts, latest first."""
        return list(reversed(self._seen.items()))

    def clear(self) -> None:
        """Forget them."""
        self._seen.clear()
