"""The published operators of QueryExpression and those that the engine evaluates are the same.

https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.query.conditionoperator
"""

import pytest

from orgstead.engine.operators import OPERATORS
from orgstead.errors import Fault
from orgstead.languages.queryexpression import parse_query_expression, print_query_expression
from orgstead.model.query import Condition, Field, Query
from orgstead.wire.soap.contracts import CONTRACTS

PUBLISHED = CONTRACTS["xrm", "ConditionOperator"].values
# Published for internal use only.
INTERNAL = frozenset({"ChildOf", "Mask", "NotMask", "MasksSelect", "EqualRoleBusinessId"})
# Another spelling in FetchXML of one that has a name already.
ALIASES = frozenset({"neq"})


def asked(name: str) -> Condition:
    """The condition that an operator of QueryExpression becomes."""
    condition = {"AttributeName": "a", "Operator": name, "Values": []}
    query = parse_query_expression(
        {
            "EntityName": "account",
            "ColumnSet": {"AllColumns": False, "Columns": ["a"]},
            "Criteria": {"FilterOperator": "And", "Conditions": [condition], "Filters": []},
        }
    )
    found = query.where
    while not isinstance(found, Condition):
        (found,) = found.items  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - INTERNAL))
def test_each_published_operator_is_evaluated(name: str) -> None:
    assert asked(name).operator in OPERATORS


@pytest.mark.parametrize("name", sorted(INTERNAL))
def test_what_is_for_internal_use_only_is_evaluated_by_nobody(name: str) -> None:
    try:
        operator = asked(name).operator
    except Fault:
        return
    assert operator not in OPERATORS


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_each_evaluated_operator_has_a_published_name(operator: str) -> None:
    printed = print_query_expression(
        Query(table="account", columns=("a",), where=Condition(Field("a"), operator, ()))
    )
    (condition,) = printed["Criteria"]["Conditions"]
    assert condition["Operator"] in PUBLISHED
    told = asked(condition["Operator"]).operator
    assert told == operator or operator in ALIASES
