"""Conditions: ``(col("revenue") > 10) & ~col("name").contains("Ltd")``, printed as OData that nothing slips into.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import msgspec

from orgstead.client.errors import ConfigurationError
from orgstead.client.literals import Ref, literal, name, path_name, text_literal
from orgstead.client.values import plain

__all__ = ["Column", "Condition", "col", "raw"]

# More comparisons than these become one function call, where the values hold nothing that would need an escape.
MANY = 15
_SIMPLE = re.compile(r"[\w .@+-]*")
_FUNCTION = re.compile(r"[A-Z][A-Za-z]{1,60}")


class Condition(ABC):
    """What a row must fulfil: ``&``, ``|`` and ``~`` make others of it. ``and``, ``or`` and ``not`` cannot."""

    @abstractmethod
    def text(self, variable: str = "", depth: int = 0) -> str:
        """As OData; ``variable`` is what stands before the columns inside of a lambda."""

    def __and__(self, other: "Condition") -> "Condition":
        return _Text(lambda v, d: f"{_inner(self, v, d)} and {_inner(other, v, d)}", joined=True)

    def __or__(self, other: "Condition") -> "Condition":
        return _Text(lambda v, d: f"{_inner(self, v, d)} or {_inner(other, v, d)}", joined=True)

    def __invert__(self) -> "Condition":
        return _Text(lambda v, d: f"not ({self.text(v, d)})")

    def __bool__(self) -> bool:
        raise TypeError("conditions are joined by &, | and ~ with parentheses, not by and, or, not and in")

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Condition {self.text()}>"


class _Text(Condition):
    def __init__(self, make: Callable[[str, int], str], *, joined: bool = False) -> None:
        self._make = make
        self.joined = joined

    def text(self, variable: str = "", depth: int = 0) -> str:
        return self._make(variable, depth)


def _inner(condition: Condition, variable: str, depth: int) -> str:
    if not isinstance(condition, Condition):
        raise ConfigurationError(f"{type(condition).__name__} is no condition")
    text = condition.text(variable, depth)
    return f"({text})" if getattr(condition, "joined", False) else text


class Column:
    """A column, or one behind a lookup (``primarycontactid/fullname``), to be compared."""

    def __init__(self, column: str) -> None:
        self.column = path_name(column)

    # A comparison answers a condition; so a path equals nothing and is in no set.
    __hash__ = None  # type: ignore[assignment]

    def _compare(self, operator: str, value: Any) -> Condition:
        if isinstance(value, Column):
            return _Text(lambda v, d: f"{self._at(v)} {operator} {value._at(v)}")
        text = literal(value)
        return _Text(lambda v, d: f"{self._at(v)} {operator} {text}")

    def _at(self, variable: str) -> str:
        return f"{variable}/{self.column}" if variable else self.column

    def __eq__(self, value: Any) -> Condition:  # type: ignore[override]
        return self._compare("eq", value)

    def __ne__(self, value: Any) -> Condition:  # type: ignore[override]
        return self._compare("ne", value)

    def __lt__(self, value: Any) -> Condition:
        return self._compare("lt", value)

    def __le__(self, value: Any) -> Condition:
        return self._compare("le", value)

    def __gt__(self, value: Any) -> Condition:
        return self._compare("gt", value)

    def __ge__(self, value: Any) -> Condition:
        return self._compare("ge", value)

    def is_null(self) -> Condition:
        """There is no value."""
        return self._compare("eq", None)

    def is_not_null(self) -> Condition:
        """There is a value."""
        return self._compare("ne", None)

    def between(self, least: Any, most: Any) -> Condition:
        """From ``least`` to ``most``, both included."""
        return self._compare("ge", least) & self._compare("le", most)

    def contains(self, text: str) -> Condition:
        """The text is part of it."""
        return self._text_function("contains", text)

    def startswith(self, text: str) -> Condition:
        """It begins with the text."""
        return self._text_function("startswith", text)

    def endswith(self, text: str) -> Condition:
        """It ends with the text."""
        return self._text_function("endswith", text)

    def _text_function(self, function: str, text: str) -> Condition:
        if not isinstance(text, str):
            raise ConfigurationError(f"{function} takes a text")
        return _Text(lambda v, d: f"{function}({self._at(v)},{text_literal(text)})")

    def in_(self, values: Iterable[Any]) -> Condition:
        """It is one of the values. Raises ConfigurationError for none."""
        wanted = list(values)
        if not wanted:
            raise ConfigurationError("a list of no values is in no row: leave the condition out")
        if len(wanted) > MANY and "/" not in self.column and all(_plain(each) for each in wanted):
            return self.function("In", *wanted)
        parts = [self._compare("eq", each) for each in wanted]
        if len(parts) == 1:
            return parts[0]
        return _Text(lambda v, d: " or ".join(each.text(v, d) for each in parts), joined=True)

    def not_in(self, values: Iterable[Any]) -> Condition:
        """It is none of the values."""
        return ~self.in_(values)

    def function(self, function: str, *values: Any) -> Condition:
        """A query function of Dataverse, such as ``LastXDays`` or ``UnderOrEqual``, by its name and values.

        https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/queryfunctions
        """
        if not _FUNCTION.fullmatch(function):
            raise ConfigurationError(f"{function[:60]!r} is no name of a query function")
        parts = [f"PropertyName='{name(self.column)}'"]
        several = function in _SEVERAL
        if several:
            parts.append(f"PropertyValues={msgspec.json.encode([_listed(each) for each in values]).decode()}")
        elif values:
            parts.append(f"PropertyValue={literal(values[0])}")
        return _Text(lambda v, d: f"Microsoft.Dynamics.CRM.{function}({','.join(parts)})")

    def any(self, condition: Condition | None = None) -> Condition:
        """Some related row fulfils the condition; without one, there is a related row."""
        return self._lambda("any", condition)

    def all(self, condition: Condition) -> Condition:
        """Every related row fulfils the condition."""
        return self._lambda("all", condition)

    def _lambda(self, kind: str, condition: Condition | None) -> Condition:
        def text(variable: str, depth: int) -> str:
            if condition is None:
                return f"{self._at(variable)}/{kind}()"
            own = f"o{depth + 1}"
            return f"{self._at(variable)}/{kind}({own}:{condition.text(own, depth + 1)})"

        return _Text(text)


_SEVERAL = frozenset(
    {
        "Between", "ContainValues", "DoesNotContainValues", "In", "InFiscalPeriodAndYear", "NotBetween", "NotIn",
        "InOrAfterFiscalPeriodAndYear", "InOrBeforeFiscalPeriodAndYear",
    }
)  # fmt: skip


def _plain(value: Any) -> bool:
    """Whether a value holds nothing that a list in an address would need to escape."""
    if isinstance(value, str):
        return _SIMPLE.fullmatch(value) is not None
    return isinstance(value, int | UUID | Ref) and not isinstance(value, bool)


def _listed(value: Any) -> str:
    return value.id if isinstance(value, Ref) else str(plain(value))


def col(column: str) -> Column:
    """A column to be compared: ``col("name") == "Contoso"``, ``col("contact_customer_accounts").any(…)``.

    Raises ConfigurationError for what is no name.
    """
    return Column(column)


def raw(text: str) -> Condition:
    """A condition that is OData already. It goes out as it is: never put into it what strangers wrote."""
    return _Text(lambda v, d: text, joined=True)
