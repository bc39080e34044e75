"""``$orderby``.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/order-rows
"""

from collections.abc import Mapping

from orgstead.languages.odata.lexer import Cursor, too_complex
from orgstead.languages.odata.limits import MAX_NAMES, MAX_QUERY_CHARS
from orgstead.languages.odata.parser import operand
from orgstead.model.query import Field, Order

__all__ = ["orders", "parse_orderby"]


def parse_orderby(
    text: str, aliases: Mapping[str, str] | None = None, *, max_chars: int = MAX_QUERY_CHARS
) -> tuple[Order, ...]:
    """The sort that the text of a ``$orderby`` states.

    Raises ODataSyntax, ODataUnsupported and QueryTooComplex.
    """
    cursor = Cursor(text, {} if aliases is None else aliases, max_chars=max_chars)
    result = orders(cursor)
    cursor.finish()
    return result


def orders(cursor: Cursor) -> tuple[Order, ...]:
    """Read the items, separated by commas; what follows is the caller's."""
    result: list[Order] = []
    while True:
        field = operand(cursor, ())
        if not isinstance(field, Field):
            raise cursor.fail("A property was expected in $orderby")
        descending = cursor.take("desc")
        if not descending:
            cursor.take("asc")
        result.append(Order(field, descending))
        if len(result) > MAX_NAMES:
            raise too_complex(f"{MAX_NAMES} $orderby items")
        if not cursor.take(","):
            return tuple(result)
