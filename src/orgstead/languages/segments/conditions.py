"""What stands in FILTER(…): comparisons, tests of text, dates.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/segment-query-definition#grammar
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from orgstead.errors import Fault, fault
from orgstead.languages.segments.lexer import Token, wrong
from orgstead.model.query import And, Condition, Field, Not, Or, Predicate
from orgstead.model.segments import Moment, Part, Shift

__all__ = ["Conditions"]

COMPARISONS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "ge", "<": "lt", "<=": "le"}
TURNED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
TEXTS = {"CONTAINS": "contains", "STARTSWITH": "begins-with", "ENDSWITH": "ends-with"}
CALLED = {**TEXTS, "ISEQUAL": "eq"}
PARTS: dict[str, Part] = {
    "YEAR": "year", "MONTH": "month", "DAY": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second",
    "MILLISECOND": "millisecond",
}  # fmt: skip
NOW = frozenset({"DATETIMEUTCNOW", "DATETIMENOWUTC", "UTCNOW"})
MAX_DEPTH = 50
MAX_SHIFT = 1_000_000
# A wildcard of the operators that search text, which means itself in brackets.
WILD = str.maketrans({"%": "[%]", "_": "[_]", "[": "[[]"})


class Difference(NamedTuple):
    """``DATEDIFF(part, column, moment)``: how much later the moment is; ``turned``: how much earlier."""

    part: Part
    field: Field
    moment: Moment
    turned: bool


Operand = Any


class Conditions:
    """A reader of conditions; the tokens, and where it stands among them."""

    def __init__(self, found: Sequence[Token]) -> None:
        self._tokens = found
        self._place = 0

    # -- tokens ----------------------------------------------------------------------------------------------------
    @property
    def next(self) -> Token:
        """What comes next."""
        return self._tokens[self._place]

    def peek(self, far: int) -> Token:
        """What comes so far after the next."""
        return self._tokens[min(self._place + far, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Take what comes next."""
        token = self._tokens[self._place]
        if token.kind != "end":
            self._place += 1
        return token

    def take(self, word: str) -> bool:
        """Take what comes next if it is this word or symbol."""
        if not self.next.says(word):
            return False
        self._place += 1
        return True

    def expect(self, word: str) -> None:
        """Take this word or symbol; raises InvalidSegmentQuery."""
        if not self.take(word):
            raise self.unexpected(wanted=word)

    def unexpected(self, token: Token | None = None, wanted: str = "") -> Fault:
        """The fault that tells of a token that has no place here."""
        token = token or self.next
        what = "the end of the query" if token.kind == "end" else repr(token.text[:40])
        return wrong(token.at, f"{what} was not expected" + (f", but {wanted!r}" if wanted else ""))

    def identifier(self) -> str:
        """A name, plain or in quotes."""
        token = self.advance()
        if token.kind not in ("name", "text") or not token.text:
            raise self.unexpected(token, "a name")
        return token.text

    def column(self) -> Field:
        """A column, with or without the alias of its profile."""
        first = self.advance()
        if first.kind != "name":
            raise self.unexpected(first, "a column")
        if self.take("."):
            second = self.advance()
            if second.kind != "name":
                raise self.unexpected(second, "a column")
            return Field(second.text, alias=first.text)
        return Field(first.text)

    # -- conditions ------------------------------------------------------------------------------------------------
    def in_parentheses(self) -> Predicate:
        """A condition in parentheses."""
        self.expect("(")
        found = self.any_of(0)
        self.expect(")")
        return found

    def any_of(self, depth: int) -> Predicate:
        """Conditions of which one holds."""
        if depth > MAX_DEPTH:
            raise wrong(self.next.at, f"a condition is at most {MAX_DEPTH} levels deep")
        items = [self.all_of(depth)]
        while self.take("||") or self.take("OR"):
            items.append(self.all_of(depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def all_of(self, depth: int) -> Predicate:
        """Conditions that all hold."""
        items = [self.one_of(depth)]
        while self.take("&&") or self.take("AND"):
            items.append(self.one_of(depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def one_of(self, depth: int) -> Predicate:
        """One condition."""
        token = self.next
        called = self.peek(1).says("(")
        word = token.text.upper() if token.kind == "name" else ""
        if token.says("!") or (word == "NOT" and called):
            self.advance()
            return Not(self.one_of(depth + 1)) if depth < MAX_DEPTH else self.any_of(depth + 1)
        if token.says("("):
            self.advance()
            found = self.any_of(depth + 1)
            self.expect(")")
            return found
        if called and word in ("ISNULL", "ISNOTNULL"):
            self.advance()
            self.advance()
            field = self.column()
            self.expect(")")
            return Condition(field, "null" if word == "ISNULL" else "not-null")
        if called and word in CALLED:
            self.advance()
            self.advance()
            field = self.column()
            self.expect(",")
            value = self.operand()
            self.expect(")")
            return self.compared(token, field, CALLED[word], value)
        left = self.operand()
        symbol = self.advance()
        if symbol.kind == "symbol" and symbol.text in COMPARISONS:
            return self.compared(symbol, left, COMPARISONS[symbol.text], self.operand())
        if symbol.kind == "name" and symbol.text.upper() in TEXTS:
            return self.compared(symbol, left, TEXTS[symbol.text.upper()], self.operand())
        raise self.unexpected(symbol, "a comparison")

    def compared(self, token: Token, left: Operand, operator: str, right: Operand) -> Predicate:
        """``left operator right`` as a condition on a column."""
        if operator in TEXTS.values():
            if not isinstance(left, Field) or not isinstance(right, str):
                raise wrong(token.at, "text is searched in a column, by a text in quotes")
            return Condition(left, operator, (right.translate(WILD),))
        if isinstance(left, Difference) and isinstance(right, int | Decimal):
            return _apart(token, left, operator, right)
        if isinstance(right, Difference) and isinstance(left, int | Decimal):
            return _apart(token, right, TURNED[operator], left)
        if isinstance(left, Field) and not isinstance(right, Difference):
            return Condition(left, operator, (right,))
        if isinstance(right, Field) and not isinstance(left, Difference):
            return Condition(right, TURNED[operator], (left,))
        raise wrong(token.at, "one side of a comparison is a column, or DATEDIFF and a number")

    def operand(self) -> Operand:
        """A column, a value, or a difference of dates."""
        token = self.next
        if token.kind == "text":
            return self.advance().text
        if token.kind == "number" or token.says("-"):
            return self.number()
        if token.kind != "name":
            raise self.unexpected(wanted="a value")
        word = token.text.upper()
        if word in ("TRUE", "FALSE") and not self.peek(1).says("."):
            self.advance()
            return word == "TRUE"
        if self.peek(1).says("("):
            return self.called()
        found = self.column()
        if self.next.kind == "symbol" and self.next.text in "+-*/":
            raise fault("NotSupported", feature="Arithmetic with columns in a segment query")
        return found

    def number(self) -> int | Decimal:
        """A number with its sign."""
        negative = self.take("-")
        token = self.advance()
        if token.kind != "number" or len(token.text) > 30:
            raise self.unexpected(token, "a number")
        value: int | Decimal = int(token.text) if token.text.isdigit() else Decimal(token.text)
        return -value if negative else value

    # -- dates -----------------------------------------------------------------------------------------------------
    def called(self) -> Operand:
        """DATEDIFF, or a moment."""
        if not self.next.says("DATEDIFF"):
            return self.moment()
        token = self.advance()
        self.expect("(")
        part = self.part()
        self.expect(",")
        first = self.date()
        self.expect(",")
        second = self.date()
        self.expect(")")
        if isinstance(first, Field) and isinstance(second, Moment):
            return Difference(part, first, second, False)
        if isinstance(first, Moment) and isinstance(second, Field):
            return Difference(part, second, first, True)
        raise wrong(token.at, "DATEDIFF compares a column with a date")

    def date(self) -> Field | Moment:
        """A column, a moment, or a date in quotes."""
        if self.next.kind == "text":
            token = self.advance()
            try:
                at = datetime.fromisoformat(token.text)
            except ValueError:
                raise wrong(token.at, f"{token.text[:40]!r} is not a date") from None
            return Moment(
                (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
            )
        return self.moment() if self.peek(1).says("(") else self.column()

    def part(self) -> Part:
        """A part of a date."""
        token = self.advance()
        found = PARTS.get(token.text.upper())
        if found is None:
            raise self.unexpected(token, "a part of a date")
        return found

    def moment(self) -> Moment:
        """A call that makes a date."""
        token = self.advance()
        word = token.text.upper()
        self.expect("(")
        if word in NOW:
            found = Moment()
        elif word == "DATE":
            found = self.calendar(token)
        elif word == "DATEADD":
            part = self.part()
            self.expect(",")
            number = self.number()
            if not isinstance(number, int) or abs(number) > MAX_SHIFT:
                raise wrong(token.at, f"DATEADD adds whole numbers of up to {MAX_SHIFT:,}")
            self.expect(",")
            base = self.date()
            if not isinstance(base, Moment):
                raise fault("NotSupported", feature="Arithmetic with columns in a segment query")
            found = replace(base, shifts=(*base.shifts, Shift(part, number)))
        else:
            raise self.unexpected(token)
        self.expect(")")
        return found

    def calendar(self, token: Token) -> Moment:
        """``DATE(year, month, day[, hour, minute, second, millisecond])``."""
        numbers = [self.number()]
        while self.take(","):
            numbers.append(self.number())
        if not 3 <= len(numbers) <= 7 or not all(isinstance(number, int) for number in numbers):
            raise wrong(token.at, "DATE takes a year, a month, a day and up to four parts of a time")
        whole = [int(number) for number in numbers]
        if len(whole) == 7:
            whole[6] *= 1000
        try:
            return Moment(datetime(*whole, tzinfo=UTC).isoformat())  # type: ignore[misc, arg-type]
        except (ValueError, OverflowError):
            raise wrong(token.at, "there is no such date") from None


def _apart(token: Token, difference: Difference, operator: str, number: int | Decimal) -> Predicate:
    """How far a column's date is from a moment, in whole parts that have passed: a range of the column."""
    if not isinstance(number, int) or abs(number) > MAX_SHIFT:
        raise wrong(token.at, f"a difference of dates is a whole number of up to {MAX_SHIFT:,}")
    part, field, moment, turned = difference

    def at(count: int) -> Moment:
        return replace(moment, shifts=(*moment.shifts, Shift(part, count if turned else -count)))

    def more(count: int) -> Predicate:
        """At least so many parts."""
        return Condition(field, "ge" if turned else "le", (at(count),))

    def fewer(count: int) -> Predicate:
        """Fewer than so many parts."""
        return Condition(field, "lt" if turned else "gt", (at(count),))

    match operator:
        case "lt":
            return fewer(number)
        case "le":
            return fewer(number + 1)
        case "ge":
            return more(number)
        case "gt":
            return more(number + 1)
        case "eq":
            return And((more(number), fewer(number + 1)))
        case _:
            return Or((fewer(number), more(number + 1)))
