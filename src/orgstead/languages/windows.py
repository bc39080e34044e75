"""Windows of change tracking as the tokens that clients pass back.

A token is the change number that a window ended at, and when; that of a window's next page adds where the window ends,
and the last deletion that has been told.
https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from datetime import datetime

from orgstead.errors import fault
from orgstead.model.messages import Changes, Window

__all__ = ["next_window", "read_window"]

MARK = "!"
WRITTEN = "%m/%d/%Y %H:%M:%S"
CANONICAL = "%Y-%m-%dT%H:%M:%SZ"
LARGEST = 2**63


def next_window(changes: Changes, window: Window) -> str:
    """The token that leads on from an answer: to the next window, or to the next page of this one."""
    now = datetime.strptime(changes.at, CANONICAL).strftime(WRITTEN)
    if changes.complete:
        return f"{changes.until}{MARK}{now}"
    taken = datetime.strptime(window.taken, CANONICAL).strftime(WRITTEN) if window.taken is not None else now
    place = [window.since, taken, changes.until]
    if changes.last_deleted is not None:
        place.append(changes.last_deleted)
    return MARK.join(str(part) for part in place)


def read_window(text: str) -> Window:
    """A token; raises InvalidDeltaToken for one that was not given out here."""
    number, _, rest = text.partition(MARK)
    when, *more = rest.split(MARK)
    numbers = [number, *more]
    if not 1 <= len(numbers) <= 3 or not all(each.isascii() and each.isdecimal() for each in numbers):
        raise fault("InvalidDeltaToken")
    values = [int(each) for each in numbers]
    try:
        taken = datetime.strptime(when, WRITTEN).strftime(CANONICAL)
    except ValueError:
        raise fault("InvalidDeltaToken") from None
    if any(value >= LARGEST for value in values):
        raise fault("InvalidDeltaToken")
    since, until, deleted = (*values, None, None)[:3]
    return Window(since=since or 0, taken=taken, until=until, deleted=deleted)
