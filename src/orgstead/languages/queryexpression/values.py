"""Reading plain values (of JSON, or of XML that has been read) as parts of a QueryExpression.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/conditionexpression
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.query.conditionoperator
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.query import Untyped

__all__ = [
    "OPERATORS",
    "as_list",
    "as_object",
    "as_text",
    "known",
    "member",
    "operator_of",
    "value_of",
    "wrong",
]

# Names of operators that are not the FetchXML name in another case.
OPERATORS: Mapping[str, str] = {
    "Equal": "eq", "NotEqual": "ne", "GreaterThan": "gt", "LessThan": "lt", "GreaterEqual": "ge", "LessEqual": "le",
    "Last7Days": "last-seven-days", "Next7Days": "next-seven-days", "EqualUserId": "eq-userid",
    "NotEqualUserId": "ne-userid", "EqualBusinessId": "eq-businessid", "NotEqualBusinessId": "ne-businessid",
    "EqualUserTeams": "eq-userteams", "EqualUserOrUserTeams": "eq-useroruserteams",
    "EqualUserOrUserHierarchy": "eq-useroruserhierarchy",
    "EqualUserOrUserHierarchyAndTeams": "eq-useroruserhierarchyandteams", "EqualUserLanguage": "eq-userlanguage",
    "AboveOrEqual": "eq-or-above", "UnderOrEqual": "eq-or-under", "DoesNotBeginWith": "not-begin-with",
    "DoesNotEndWith": "not-end-with", "DoesNotContainValues": "not-contain-values",
    "DoesNotContain": "not-contains", "BeginsWith": "begins-with", "EndsWith": "ends-with",
}  # fmt: skip
_WORD = re.compile(r"(?<=[a-zX])(?=[A-Z])")
# Members that say how rows are shown or found, not which ones.
_QUIET = frozenset({
    "QueryHints", "ForceSeek", "DataSource", "NoLock", "IsQuickFindFilter", "FilterHint", "ExtensionData",
})  # fmt: skip


def wrong(reason: str) -> Fault:
    """The fault of what is no QueryExpression."""
    return fault("InvalidQueryExpression", reason=reason)


def as_object(value: Any, what: str) -> Mapping[str, Any]:
    """The members of a value; raises InvalidQueryExpression for what has none."""
    if not isinstance(value, Mapping):
        raise wrong(f"{what} is no object")
    return {name: each for name, each in value.items() if not name.startswith("@")}


def as_list(value: Any, what: str) -> Sequence[Any]:
    """The items of a value; raises InvalidQueryExpression for what has none."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise wrong(f"{what} is no collection")
    return value


def as_text(value: Any, what: str) -> str:
    """A text that is not empty; raises InvalidQueryExpression."""
    if not isinstance(value, str) or not value:
        raise wrong(f"{what} is no text")
    return value


def known(given: Mapping[str, Any], names: frozenset[str], what: str) -> None:
    """Raise ODataUnsupported for a member that is not known and says something."""
    for name, value in given.items():
        if name not in names and name not in _QUIET and value not in (None, False, [], ()):
            raise fault("ODataUnsupported", feature=f"{name[:50]} in {what}")


def member(value: Any, names: Sequence[str], what: str) -> str:
    """A member of an enumeration, by its name or its number; raises InvalidQueryExpression."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if value not in names:
        raise wrong(f"the {what} {str(value)[:50]}")
    return str(value)


def operator_of(name: str) -> str:
    """The FetchXML name of a ConditionOperator."""
    return OPERATORS.get(name) or _WORD.sub("-", name).lower().replace("older-than-x", "olderthan-x")


def value_of(given: Any) -> Any:
    """A value of a condition: as it is, or an object of its text and its .NET type."""
    if isinstance(given, Mapping):
        given = given.get("Value")
    match given:
        case list() | tuple():
            return [value_of(each) for each in given]
        case bool():
            return Untyped("1" if given else "0")
        case str():
            return Untyped(given)
        case int() | float() | Decimal():
            return Untyped(str(given))
    raise wrong("a value of a condition")
