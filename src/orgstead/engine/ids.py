"""Row ids that grow with time, so that new rows land at the end of a table's key.

The layout is that of UUID version 7: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
"""

import os
import threading
import time

__all__ = ["NO_ID", "new_id"]

# .NET's Guid.Empty: an id that nobody has set.
NO_ID = "00000000-0000-0000-0000-000000000000"

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A GUID greater than every one that this process made before."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 26 bits of a counter that also counts the fraction of a millisecond.
        now = (time.time_ns() << 26) // 1_000_000
        _last = max(_last + 1, now)
        stamp = _last
    milliseconds, fraction = stamp >> 26, stamp & 0x3FFFFFF
    tail = int.from_bytes(os.urandom(6), "big")
    high = (milliseconds << 16) | 0x7000 | (fraction >> 14)
    low = (0b10 << 62) | ((fraction & 0x3FFF) << 48) | tail
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
