"""Text to tokens, and the cursor that every part of the grammar reads them through.

A token is a plain str; its first character tells its kind. One ``findall`` makes them all, because the
common query is parsed in microseconds; positions are only worked out when a fault needs one.
"""

import re
from collections.abc import Mapping

from orgstead.errors import Fault, fault
from orgstead.languages.odata.limits import MAX_CONDITIONS, MAX_DEPTH, MAX_EXPANDS, MAX_QUERY_CHARS

__all__ = ["Cursor", "is_name", "syntax", "too_complex", "unsupported"]

# The closing quote is optional and everything is possessive, so that an unterminated literal is one token
# that runs to the end: no rescanning, linear time for any text.
_TOKEN = re.compile(
    r"""
      '[^']*+(?:''[^']*+)*+'?                                              # 'text', quotes doubled
    | "[^"\\]*+(?:\\.[^"\\]*+)*+"?                                         # "JSON text"
    | [0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}(?![\w-])
    | -?\d[\w.:+-]*+                                                       # a number, date or time
    | [@$]?[^\W\d]\w*+(?:\.[^\W\d]\w*+)*+(?:'[^']*+(?:''[^']*+)*+'?)?    # a name, @alias, $word, Enum'Member'
    | \S
    """,
    re.VERBOSE | re.DOTALL,
)
_END = ""


def syntax(message: str) -> Fault:
    """The fault for text that is no OData, and for refusals whose whole text is published."""
    return fault("ODataSyntax", message=message)


def unsupported(feature: str) -> Fault:
    """The fault for what OData has and Dataverse refuses: "``feature`` is not supported"."""
    return fault("ODataUnsupported", feature=feature)


def too_complex(limit: str) -> Fault:
    """The fault for a query above one of ``limits``: a number and what it counts."""
    return fault("QueryTooComplex", limit=limit)


def is_name(token: str) -> bool:
    """Whether the token is a plain identifier: no dots, no ``$``, no ``@``."""
    return token.isidentifier()


class Cursor:
    """A place in a list of tokens, and what has been counted on the way there.

    ``tokens`` ends with two empty tokens, so that reading one ahead never fails. ``aliases`` are the
    parameter aliases (``@p1``) that may be used, by name without ``@``; None forbids them.
    Raises QueryTooComplex for a text above ``MAX_QUERY_CHARS`` (``max_chars`` when given).
    """

    __slots__ = ("aliases", "conditions", "depth", "expands", "index", "text", "tokens")

    def __init__(
        self, text: str, aliases: Mapping[str, str] | None = None, *, max_chars: int = MAX_QUERY_CHARS
    ) -> None:
        if len(text) > max_chars:
            raise too_complex(f"{max_chars} characters")
        self.text = text
        self.tokens: list[str] = _TOKEN.findall(text)
        self.tokens += (_END, _END)
        self.index = 0
        self.aliases = aliases
        self.depth = 0
        self.conditions = 0
        self.expands = 0

    @property
    def token(self) -> str:
        """The current token; empty at the end of the text."""
        return self.tokens[self.index]

    def take(self, token: str) -> bool:
        """Step over ``token`` when it is the current one."""
        if self.tokens[self.index] == token:
            self.index += 1
            return True
        return False

    def expect(self, token: str) -> None:
        """Step over ``token`` or raise ODataSyntax."""
        if self.tokens[self.index] != token:
            raise self.fail(f"'{token}' expected")
        self.index += 1

    def name(self) -> str:
        """Take a plain identifier or raise ODataSyntax."""
        token = self.tokens[self.index]
        if not is_name(token):
            raise self.fail("A name was expected")
        self.index += 1
        return token

    def finish(self) -> None:
        """Raise ODataSyntax unless everything has been read."""
        if self.tokens[self.index]:
            raise self.fail("Syntax error")

    def enter(self) -> None:
        """One level of nesting more. Raises QueryTooComplex above ``MAX_DEPTH``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise too_complex(f"{MAX_DEPTH} levels of nesting")

    def leave(self) -> None:
        """One level of nesting less."""
        self.depth -= 1

    def count_condition(self) -> None:
        """One condition more. Raises QueryTooComplex above ``MAX_CONDITIONS``."""
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise too_complex(f"{MAX_CONDITIONS} conditions")

    def count_expand(self) -> None:
        """One expand more. Raises QueryTooComplex above ``MAX_EXPANDS``."""
        self.expands += 1
        if self.expands > MAX_EXPANDS:
            raise too_complex(f"{MAX_EXPANDS} $expand items")

    def fail(self, what: str) -> Fault:
        """The ODataSyntax fault at the current token.

        A literal without its closing quote is named instead, wherever parsing gave up: it is the cause.
        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows#manage-single-quotes
        """
        last = self.tokens[-3] if len(self.tokens) > 2 else _END
        if last.count("'") % 2 and not last.startswith('"'):
            message = f"There is an unterminated literal at position {len(self.text)} in '{self.text}'."
        else:
            message = f"{what} at position {self._position()} in '{self.text}'."
        return syntax(message)

    def _position(self) -> int:
        for number, match in enumerate(_TOKEN.finditer(self.text)):
            if number == self.index:
                return match.start()
        return len(self.text)
