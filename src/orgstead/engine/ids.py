"""Row ids that grow with time, so that new rows land at the end of a table's key.

The layout is that of UUID version 7: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import os
import threading
import time

__all__ = ["NO_ID", "new_id", "new_ids"]

# .NET's Guid.Empty: an id that nobody has set.
NO_ID = "00000000-0000-0000-0000-000000000000"

# Bytes that end an id, and for how many ids they are drawn at a time: asking the system costs more than all the rest.
TAIL, DRAWN = 6, 256

_lock = threading.Lock()
_last = 0
_tails: list[str] = []


def new_id() -> str:
    """A GUID greater than every one that this process made before."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 26 bits of a counter that also counts the fraction of a millisecond.
        now = (time.time_ns() << 26) // 1_000_000
        _last = max(_last + 1, now)
        stamp = _last
        if not _tails:
            _tails.extend(os.urandom(TAIL * DRAWN).hex("-", TAIL).split("-"))
        tail = _tails.pop()
    milliseconds, high, low = stamp >> 26, 0x7000 | (stamp >> 14 & 0xFFF), 0x8000 | (stamp & 0x3FFF)
    return f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-{high:04x}-{low:04x}-{tail}"


def new_ids(count: int) -> list[str]:
    """So many GUIDs in order, each greater than every one that this process made before."""
    global _last
    with _lock:
        first = max(_last + 1, (time.time_ns() << 26) // 1_000_000)
        _last = first + count - 1
    tails = os.urandom(TAIL * count).hex("-", TAIL).split("-") if count else []
    made: list[str] = []
    for stamp, tail in enumerate(tails, first):
        milliseconds, high, low = stamp >> 26, 0x7000 | (stamp >> 14 & 0xFFF), 0x8000 | (stamp & 0x3FFF)
        made.append(f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-{high:04x}-{low:04x}-{tail}")
    return made


# A forked process draws its own.
os.register_at_fork(after_in_child=_tails.clear)
