"""Any query that OData can say is printed so that it reads as the same query; any text is read or refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orgstead.errors import Fault
from orgstead.languages.odata import (
    DateText,
    DateTimeText,
    EnumLiteral,
    Guid,
    NavName,
    QueryOptions,
    parse_filter,
    parse_options,
    print_filter,
    print_query,
)
from orgstead.languages.odata.functions import FUNCTIONS
from orgstead.model.query import And, Condition, Exists, Expand, Field, Join, Not, Or, Order, Predicate, Query

names = st.sampled_from(
    ["name", "statecode", "_ownerid_value", "new_Wörd", "primarycontactid", "Account_Tasks", "x1", "any"]
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)
moments = st.datetimes().map(lambda moment: DateTimeText(moment.isoformat() + "Z"))
values = st.one_of(
    texts,
    numbers,
    decimals,
    st.just(Decimal(2**63)),
    st.booleans(),
    st.uuids().map(lambda value: Guid(str(value))),
    st.dates().map(lambda day: DateText(day.isoformat())),
    moments,
    st.builds(EnumLiteral, st.just("OwnershipTypes"), texts),
)
hops = st.one_of(names, st.builds(NavName, names, st.sampled_from(["account", "contact"])))


@st.composite
def conditions(draw: st.DrawFn, scope: tuple[str, ...]) -> Condition:
    path = tuple(draw(st.lists(hops, max_size=2)))
    field = Field(draw(names), path, draw(st.sampled_from(scope)) if scope else None)
    kind = draw(st.sampled_from(["compare", "column", "null", "text", "in", "function"]))
    if kind == "compare":
        return Condition(field, draw(st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])), (draw(values),))
    if kind == "column":
        return Condition(field, "lt", (Field(draw(names), path, field.alias),))
    if kind == "null":
        return Condition(field, draw(st.sampled_from(["null", "not-null"])))
    if kind == "text":
        return Condition(
            field, draw(st.sampled_from(["contains", "begins-with", "ends-with"])), (draw(texts),)
        )
    if kind == "in":
        return Condition(field, "in", tuple(draw(st.lists(st.none() | values, min_size=1, max_size=3))))
    return draw(function_calls(field))


@st.composite
def function_calls(draw: st.DrawFn, field: Field) -> Condition:
    operator, shape = draw(st.sampled_from(sorted(FUNCTIONS.values())))
    arguments: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
        "none": st.just(()),
        "text": st.tuples(texts),
        "number": st.tuples(numbers),
        "two numbers": st.tuples(numbers, numbers),
        "texts": st.lists(texts, min_size=1, max_size=3).map(tuple),
        "two texts": st.tuples(texts, texts),
    }
    return Condition(field, operator, draw(arguments[shape]))


@st.composite
def predicates(draw: st.DrawFn, scope: tuple[str, ...] = (), depth: int = 3) -> Predicate:
    kind = (
        draw(st.sampled_from(["condition", "condition", "and", "or", "not", "exists", "any"]))
        if depth
        else ""
    )
    inner = predicates(scope, depth - 1)
    if kind in {"and", "or"}:
        items = tuple(draw(st.lists(inner, min_size=2, max_size=3)))
        return And(items) if kind == "and" else Or(items)
    if kind == "not":
        return Not(draw(inner))
    if kind == "any":
        return Exists(draw(hops))
    if kind == "exists":
        variable = f"v{len(scope)}"
        where = draw(predicates((*scope, variable), depth - 1))
        outer = draw(st.sampled_from([None, *scope[:-1]]))
        return Exists(draw(hops), where, draw(st.booleans()), (), variable, outer)
    return draw(conditions(scope))


orders = st.lists(
    st.builds(Order, st.builds(Field, names, st.lists(names, max_size=2).map(tuple)), st.booleans()),
    max_size=3,
).map(tuple)
columns = st.none() | st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def expands(draw: st.DrawFn, depth: int = 2) -> tuple[Expand, ...]:
    """One level with sorts and limits, or several without: Dataverse has no other."""
    nested = depth == 2 and draw(st.booleans())
    result = []
    for name in draw(st.lists(names, max_size=2, unique=True)):
        link = draw(st.just(name) | st.builds(NavName, st.just(name), st.just("account")))
        if draw(st.booleans()):
            result.append(Expand(link=link, name=name, refs_only=True))
            continue
        result.append(
            Expand(
                link=link,
                name=name,
                columns=draw(columns),
                where=draw(st.none() | predicates((), 1)),
                order=() if nested or depth < 2 else draw(orders),
                top=None if nested or depth < 2 else draw(st.none() | st.integers(0, 5000)),
                expand=draw(expands(depth - 1)) if nested else (),
            )
        )
    return tuple(result)


@settings(deadline=None, max_examples=200)
@given(predicates())
def test_a_predicate_survives_printing_and_reading(predicate: Predicate) -> None:
    # repr tells a Guid from a text and True from 1, which == does not.
    assert plain(parse_filter(print_filter(predicate))) == plain(predicate)


def plain(value: object) -> str:
    return repr(value).replace(".0')", "')")


@settings(deadline=None, max_examples=100)
@given(
    st.builds(
        Query,
        table=st.just("account"),
        columns=columns,
        where=st.none() | predicates((), 2),
        order=orders,
        expand=expands(),
        top=st.none() | st.integers(0, 5000),
        count=st.booleans(),
    )
)
def test_a_query_survives_printing_and_reading(query: Query) -> None:
    assert parse_options(print_query(query), "account").query == query


FRAGMENTS = st.sampled_from(
    [
        "a", "name", "e", "eq", "ne", "and", "or", "not", "in", "any", "all", "contains", "(", ")", ",",
        "/", ":", ";", "=", "'", "''", "'x'", "\"x\"", '"', "[", "]", "*", "@p", "@", "$select",
        "$filter", "$expand", "$orderby", "$top", "$apply", "$count", "$ref", "$it", "&", "5", "-1",
        "1.5e3", "2026-01-31", "2026-01-31T00:00Z", "null", "true", "%", "%27", "+", " ", "groupby",
        "aggregate", "filter", "with", "sum", "as", "Microsoft.Dynamics.CRM.In", "PropertyName",
        "PropertyValues", "Microsoft.Dynamics.CRM.account", "add", "year", "\\", "\u0000", "é",
        "\u0662",
    ]
)  # fmt: skip
OPTIONS = st.sampled_from(
    ["", "$filter=", "$select=", "$expand=", "$orderby=", "$apply=", "$top=", "$filter=a eq @p&@p="]
)


@settings(deadline=None, max_examples=400)
@given(OPTIONS, st.lists(FRAGMENTS, max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_gives_options_or_a_fault(option: str, text: str) -> None:
    result: QueryOptions | Fault
    try:
        result = parse_options(option + text)
    except Fault as refused:
        result = refused
    assert isinstance(result, QueryOptions) or result.status == 400


@pytest.mark.parametrize(
    "query",
    [
        Query(table="a", joins=(Join(table="b", alias="b", from_column="x", to_column="y"),)),
        Query(table="a", where=And(())),
        Query(table="a", where=Condition(Field("a"), "like", ("%x%",))),
        Query(table="a", where=Exists("tasks", path=("primarycontactid",))),
    ],
    ids=["join", "empty group", "like", "collection behind a lookup"],
)
def test_what_odata_cannot_say_is_a_fault_when_printed(query: Query) -> None:
    with pytest.raises(Fault) as caught:
        print_query(query)
    assert caught.value.name == "ODataUnsupported"
