"""Values that lie outside the row, put in where a page of rows shows them."""

import base64
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from orgstead.engine.files import Opening, open_file
from orgstead.errors import fault
from orgstead.model.plan import Nested, Plan, width

__all__ = ["with_content"]

# Of all rows of a page together.
MAX_BYTES = 128 * 1024 * 1024


def with_content(call: Opening, plan: Plan, rows: list[Any]) -> list[Any]:
    """The rows with base64 in the place of the ids of files; raises QueryTooComplex when it is too much at once."""
    places = _places(plan)
    if not places:
        return rows
    filled: list[Any] = []
    size = 0
    for row in rows:
        values = list(row)
        for place in places:
            content = open_file(call, values[place]) if values[place] is not None else None
            if content is None:
                values[place] = None
                continue
            size += content.size
            if size > MAX_BYTES:
                raise fault("QueryTooComplex", limit=f"{MAX_BYTES} bytes of attachments in a page")
            values[place] = base64.b64encode(content.read(0, content.size)).decode()
        filled.append(tuple(values))
    return filled


@lru_cache(maxsize=4096)
def _places(plan: Plan) -> tuple[int, ...]:
    """The places of outputs whose values lie outside."""
    own = [i for i, each in enumerate(plan.outputs) if each.column is not None and each.column.outside]
    return (*own, *_nested(plan.nested, len(plan.outputs)))


def _nested(nested: Sequence[Nested], start: int) -> Iterator[int]:
    for part in nested:
        for index, output in enumerate(part.outputs):
            if output.column is not None and output.column.outside:
                yield start + index
        start += len(part.outputs)
        yield from _nested(part.nested, start)
        start += sum(width(inner) for inner in part.nested)
