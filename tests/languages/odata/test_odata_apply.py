"""``$apply``: filter, groupby and aggregate."""

import pytest

from orgstead.errors import Fault
from orgstead.languages.odata import parse_options, print_query
from orgstead.model.query import Aggregate, And, Condition, Field, Group, Order, Query

STATUS = Group(field=Field("statuscode"), alias="statuscode")
CONTACT = Group(field=Field("fullname", ("primarycontactid",)), alias="primarycontactid/fullname")
TOTAL = Aggregate(function="sum", alias="total", field=Field("revenue"))
COUNT = Aggregate(function="count", alias="n")
IN_WA = Condition(Field("address1_stateorprovince"), "eq", ("WA",))
FILTER = "filter(address1_stateorprovince eq 'WA')"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("$apply=groupby((statuscode))", Query(table="", groups=(STATUS,))),
        ("$apply=aggregate($count as n)", Query(table="", aggregates=(COUNT,))),
        (
            "$apply=groupby((statuscode),aggregate($count as n,revenue with sum as total))",
            Query(table="", groups=(STATUS,), aggregates=(COUNT, TOTAL)),
        ),
        (
            "$apply=aggregate(a with average as w,a with min as x,a with max as y,a with countdistinct as z)",
            Query(
                table="",
                aggregates=(
                    Aggregate(function="avg", alias="w", field=Field("a")),
                    Aggregate(function="min", alias="x", field=Field("a")),
                    Aggregate(function="max", alias="y", field=Field("a")),
                    Aggregate(function="countdistinct", alias="z", field=Field("a")),
                ),
            ),
        ),
        (
            f"$apply={FILTER}/groupby((primarycontactid/fullname),aggregate(revenue with sum as total))",
            Query(table="", where=IN_WA, groups=(CONTACT,), aggregates=(TOTAL,)),
        ),
        (f"$apply={FILTER}", Query(table="", where=IN_WA)),
        (f"$apply={FILTER}/{FILTER}", Query(table="", where=And((IN_WA, IN_WA)))),
        (
            f"$apply={FILTER}&$filter=a eq 1",
            Query(table="", where=And((IN_WA, Condition(Field("a"), "eq", (1,))))),
        ),
        (
            "$apply=groupby((statuscode))/filter(statuscode eq 1)",
            Query(table="", groups=(STATUS,), having=Condition(Field("statuscode"), "eq", (1,))),
        ),
        (
            "$apply=groupby((statuscode))&$filter=statuscode eq 1&$orderby=statuscode desc&$top=5",
            Query(
                table="",
                groups=(STATUS,),
                having=Condition(Field("statuscode"), "eq", (1,)),
                order=(Order(Field("statuscode"), True),),
                top=5,
            ),
        ),
        (
            "$apply=filter(a gt @p)/aggregate($count as n)&@p=5",
            Query(table="", where=Condition(Field("a"), "gt", (5,)), aggregates=(COUNT,)),
        ),
    ],
)
def test_an_apply_reads_as_its_query_and_prints_back(text: str, query: Query) -> None:
    assert parse_options(text).query == query
    assert parse_options(print_query(query)).query == query


OPEN_PROPERTY = "The query node SingleValueOpenPropertyAccess is not supported"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("$apply=aggregate(revenue with sum as total)&$orderby=total", "ODataUnsupported", OPEN_PROPERTY),
        ("$apply=groupby((a),aggregate($count as n))&$orderby=a,n desc", "ODataUnsupported", OPEN_PROPERTY),
        (
            "$apply=groupby((a),aggregate($count as n))&$filter=not (n gt 5)",
            "ODataUnsupported",
            OPEN_PROPERTY,
        ),
        (
            "$apply=groupby((a),aggregate($count as n))/filter(a eq 1 or n gt 5)",
            "ODataUnsupported",
            OPEN_PROPERTY,
        ),
        ("$apply=groupby((a))/filter(t/any())", "ODataUnsupported", "A lambda expression after groupby"),
        ("$apply=groupby((a))&$select=a", "ODataUnsupported", "$select together with $apply"),
        ("$apply=groupby((a))&$expand=b", "ODataUnsupported", "$expand together with $apply"),
        ("$apply=compute(a as b)", "ODataUnsupported", "The transformation 'compute' in $apply"),
        ("$apply=topcount(5,a)", "ODataUnsupported", "The transformation 'topcount' in $apply"),
        ("$apply=groupby((a))/groupby((a))", "ODataUnsupported", "'groupby' after groupby or aggregate"),
        ("$apply=groupby((rollup($all,a)))", "ODataUnsupported", "'rollup' in groupby"),
        ("$apply=groupby((year(createdon)))", "ODataUnsupported", "'year' in groupby"),
        ("$apply=groupby((a),filter(a eq 1))", "ODataUnsupported", "'filter' inside groupby"),
        ("$apply=aggregate(a with sum from b as c)", "ODataUnsupported", "'from' in aggregate"),
        ("$apply=nonsense(a)", "ODataSyntax", "Unknown transformation 'nonsense' at position 0"),
        ("$apply=groupby(a)", "ODataSyntax", "'(' expected"),
        ("$apply=groupby(())", "ODataSyntax", "Expression expected"),
        ("$apply=groupby((a)", "ODataSyntax", "')' expected"),
        ("$apply=groupby((a))/", "ODataSyntax", "A name was expected"),
        ("$apply=groupby((a,a))", "ODataSyntax", "'a' is used twice"),
        ("$apply=groupby((a),aggregate($count as a))", "ODataSyntax", "'a' is used twice"),
        ("$apply=aggregate($count)", "ODataSyntax", "'as' expected"),
        ("$apply=aggregate(a with sum)", "ODataSyntax", "'as' expected"),
        ("$apply=aggregate(a)", "ODataSyntax", "'with' expected"),
        ("$apply=aggregate(a with median as b)", "ODataSyntax", "Unrecognized with 'median'"),
    ],
)
def test_an_apply_that_is_refused_is_a_fault(text: str, name: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_options(text)
    assert caught.value.name == name
    assert message in caught.value.message
