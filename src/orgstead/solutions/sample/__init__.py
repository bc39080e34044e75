"""Sample rows: a small, lively organisation to look at."""

from collections.abc import Iterator

from orgstead.model.messages import Message
from orgstead.solutions.first import read_rows

__all__ = ["sample_messages"]


def sample_messages() -> Iterator[Message]:
    """The sample rows as messages, always the same."""
    return read_rows("sample", {})
