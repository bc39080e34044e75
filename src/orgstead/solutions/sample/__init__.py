"""Sample rows: a small, lively organisation to look at."""

from collections.abc import Iterator

from orgstead.model.messages import Message
from orgstead.solutions.first import FirstIds, read_rows

__all__ = ["SAMPLE_COMPANY", "sample_messages"]

# The company that most sample rows of data entities are of.
SAMPLE_COMPANY = "usmf"


def sample_messages() -> Iterator[Message]:
    """The sample rows as messages, always the same."""
    names = {
        "administrator": FirstIds.administrator,
        "currency": FirstIds.currency,
        "salesperson": FirstIds.salesperson_role,
        "unit": FirstIds.business_unit,
    }
    yield from read_rows("sample", names)
    yield from read_rows("finops", names, "sample.jsonl")
