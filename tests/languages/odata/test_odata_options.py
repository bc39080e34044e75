"""Whole query strings, ``$select``, ``$expand``, ``$orderby`` and what is refused among them."""

from typing import Any

import pytest

from orgstead.errors import Fault
from orgstead.languages.odata import NavName, parse_expand, parse_options, parse_orderby, parse_select
from orgstead.model.query import And, Condition, Exists, Expand, Field, Or, Order, Query

ACTIVE = Condition(Field("statecode"), "eq", (0,))


def asked(**given: Any) -> Query:
    return Query(table="account", **given)


def expand(link: Any, **given: Any) -> Expand:
    return Expand(link=link, name=link.name if isinstance(link, NavName) else link, **given)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", asked()),
        ("?", asked()),
        ("&&", asked()),
        ("$select=a,b,c", asked(columns=("a", "b", "c"))),
        ("?$select=a&$filter=statecode eq 0", asked(columns=("a",), where=ACTIVE)),
        ("%24select=a&%24filter=statecode%20eq%200", asked(columns=("a",), where=ACTIVE)),
        ("$select=a,%20b&$filter=statecode+eq+0", asked(columns=("a", "b"), where=ACTIVE)),
        ("$filter=name%20eq%20%27R%26D%27", asked(where=Condition(Field("name"), "eq", ("R&D",)))),
        ("$filter=name eq 'a%2Bb'", asked(where=Condition(Field("name"), "eq", ("a+b",)))),
        ("$filter=name eq 'a+b'", asked(where=Condition(Field("name"), "eq", ("a b",)))),
        ("$filter=name eq 'x=y'", asked(where=Condition(Field("name"), "eq", ("x=y",)))),
        ("$filter=name eq '100%'", asked(where=Condition(Field("name"), "eq", ("100%",)))),
        ("$filter=name eq '%C3%A9'", asked(where=Condition(Field("name"), "eq", ("é",)))),
        ("$orderby=a desc,b", asked(order=(Order(Field("a"), True), Order(Field("b"))))),
        ("$top=3&$count=true", asked(top=3, count=True)),
        ("$top=0&$count=false", asked(top=0)),
        ("$select=", asked()),
        ("$expand=", asked()),
        (
            "$orderby=@p1 asc,@p2 desc&$filter=@p1 ne @p3&@p1=revenue&@p2=name",
            asked(
                order=(Order(Field("revenue")), Order(Field("name"), True)),
                where=Condition(Field("revenue"), "not-null"),
            ),
        ),
        (
            "$select=name&\n$expand=primarycontactid($select=fullname)",
            asked(columns=("name",), expand=(expand("primarycontactid", columns=("fullname",)),)),
        ),
    ],
)
def test_a_query_string_reads_as_its_query(text: str, query: Query) -> None:
    assert parse_options(text, "account").query == query


def test_what_is_not_the_query_is_given_apart() -> None:
    options = parse_options(
        "$select=a&$skiptoken=%3Ccookie%20pagenumber=%222%22%20/%3E&fetchxml=%3Cfetch/%3E&userQuery=x&@p1=%5B%22a%22%5D&size=full",
        extra={"size"},
    )
    assert options.skiptoken == '<cookie pagenumber="2" />'
    assert options.deltatoken is None
    assert options.custom == {"fetchXml": "<fetch/>", "userQuery": "x", "size": "full"}
    assert options.aliases == {"p1": '["a"]'}
    assert list(options.given) == ["$select", "$skiptoken"]


def test_the_sql_and_delta_options_of_real_clients_are_returned() -> None:
    options = parse_options(
        "sql=SELECT+TOP+5+name+FROM+account&tag=x&partitionId=1&api-version=9.1&$deltatoken=42!x"
    )
    assert options.custom["sql"] == "SELECT TOP 5 name FROM account"
    assert set(options.custom) == {"sql", "tag", "partitionId", "api-version"}
    assert options.deltatoken == "42!x"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("$skip=5", "ODataSyntax", "Skip Clause is not supported in CRM"),
        ("$search=x", "ODataUnsupported", "The query parameter $search is not supported"),
        ("$format=json", "ODataUnsupported", "The query parameter $format is not supported"),
        ("$compute=a add b as c", "ODataUnsupported", "The query parameter $compute is not supported"),
        ("$fetchXml=<fetch/>", "ODataUnsupported", "The query parameter $fetchXml is not supported"),
        ("$Filter=a eq 1", "ODataUnsupported", "The query parameter $Filter is not supported"),
        ("utm_source=x", "ODataUnsupported", "The query parameter utm_source is not supported"),
        ("filter=a eq 1", "ODataUnsupported", "The query parameter filter is not supported"),
        ("=x", "ODataUnsupported", "The query parameter  is not supported"),
        ("@=x", "ODataUnsupported", "The query parameter @ is not supported"),
        ("$top=1&$top=2", "ODataSyntax", "'$top' was specified more than once"),
        ("$top=1&%24top=2", "ODataSyntax", "'$top' was specified more than once"),
        ("@p=1&@p=2", "ODataSyntax", "'@p' was specified more than once"),
        ("sql=1&SQL=2", "ODataSyntax", "'SQL' was specified more than once"),
        ("$filter=", "ODataSyntax", "The value for OData query '$filter' cannot be empty."),
        ("$filter", "ODataSyntax", "cannot be empty"),
        ("$top=-1", "ODataSyntax", "Invalid value '-1' for $top"),
        ("$top=five", "ODataSyntax", "Invalid value 'five' for $top"),
        ("$top=2147483648", "ODataSyntax", "Invalid value"),
        ("$top=٣", "ODataSyntax", "Invalid value"),
        ("$count=yes", "ODataSyntax", "Invalid value 'yes' for $count"),
        ("$filter=a eq %FF", "ODataSyntax", "not valid UTF-8"),
        ("$filter=a eq '%00'", "ODataSyntax", "NUL"),
        ("$filter=a eq %zz", "ODataSyntax", "Unrecognized literal '%'"),
        ("$filter=a eq 'x&y'", "ODataUnsupported", "The query parameter y' is not supported"),
        ("$select=a," + "x" * 32_768, "QueryTooComplex", "32768 characters"),
    ],
)
def test_a_query_string_that_is_refused_is_a_fault(text: str, name: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_options(text)
    assert (caught.value.name, caught.value.status) == (name, 400)
    assert message in caught.value.message


def test_a_query_string_in_a_batch_may_be_twice_as_long() -> None:
    text = "$filter=a eq '" + "x" * 40_000 + "'"
    assert parse_options(text, max_chars=65_536).query.where is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name", ("name",)),
        ("name,_ownerid_value,name", ("name", "_ownerid_value")),
        (" name , revenue ", ("name", "revenue")),
        ("*", None),
        ("name,*", None),
        ("DisplayName/UserLocalizedLabel", ("DisplayName/UserLocalizedLabel",)),
    ],
)
def test_a_select_reads_as_its_names(text: str, expected: tuple[str, ...] | None) -> None:
    assert parse_select(text) == expected


@pytest.mark.parametrize("text", ["a,", ",a", "a b", "a,,b", "a/", "'a'", "a(b)", "$count", "a;b", "5"])
def test_a_malformed_select_is_a_syntax_fault(text: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_select(text)
    assert caught.value.name == "ODataSyntax"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name", (Order(Field("name")),)),
        ("name asc", (Order(Field("name")),)),
        ("name  desc , a", (Order(Field("name"), True), Order(Field("a")))),
        ("primarycontactid/fullname desc", (Order(Field("fullname", ("primarycontactid",)), True),)),
        ("asc desc", (Order(Field("asc"), True),)),
    ],
)
def test_an_orderby_reads_as_its_fields(text: str, expected: tuple[Order, ...]) -> None:
    assert parse_orderby(text) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name up", "ODataSyntax"),
        ("name,", "ODataSyntax"),
        ("'name'", "ODataSyntax"),
        ("5", "ODataSyntax"),
        ("@absent", "ODataSyntax"),
        ("name eq 1", "ODataSyntax"),
        ("tolower(name)", "ODataUnsupported"),
        ("Account_Tasks/$count", "ODataUnsupported"),
        (",".join(["a"] * 2001), "QueryTooComplex"),
    ],
)
def test_a_malformed_orderby_is_a_fault(text: str, name: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_orderby(text)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("primarycontactid", (expand("primarycontactid"),)),
        ("a,b", (expand("a"), expand("b"))),
        ("primarycontactid/$ref", (expand("primarycontactid", refs_only=True),)),
        (
            "Account_Tasks($select=subject;$filter=contains(subject,'a;b)');$orderby=createdon desc;$top=5)",
            (
                expand(
                    "Account_Tasks",
                    columns=("subject",),
                    where=Condition(Field("subject"), "contains", ("a;b)",)),
                    order=(Order(Field("createdon"), True),),
                    top=5,
                ),
            ),
        ),
        (
            "a($select=x;\n $expand=b($select=y;$expand=c($select=z)),d)",
            (
                expand(
                    "a",
                    columns=("x",),
                    expand=(expand("b", columns=("y",), expand=(expand("c", columns=("z",)),)), expand("d")),
                ),
            ),
        ),
        (
            "a($filter=x eq 1 or y in (1,2);)",
            (
                expand(
                    "a", where=Or((Condition(Field("x"), "eq", (1,)), Condition(Field("y"), "in", (1, 2))))
                ),
            ),
        ),
        (
            "a($filter=x eq 1 and t/any(v:v/z eq 1))",
            (
                expand(
                    "a",
                    where=And(
                        (
                            Condition(Field("x"), "eq", (1,)),
                            Exists("t", Condition(Field("z", (), "v"), "eq", (1,)), alias="v"),
                        )
                    ),
                ),
            ),
        ),
        (
            "customerid/Microsoft.Dynamics.CRM.account($select=name)",
            (expand(NavName("customerid", "account"), columns=("name",)),),
        ),
        ("OptionSet($select=*)", (expand("OptionSet"),)),
    ],
)
def test_an_expand_reads_as_its_tree(text: str, expected: tuple[Expand, ...]) -> None:
    assert parse_expand(text) == expected


NESTED = "Only $select and $filter clause can be provided while doing $expand"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("a($expand=b;$top=5)", "ODataSyntax", NESTED),
        ("a($expand=b($orderby=x))", "ODataSyntax", NESTED),
        ("a($expand=b),c($top=1)", "ODataSyntax", NESTED),
        ("a($levels=2)", "ODataUnsupported", "$levels in $expand"),
        ("a($count=true)", "ODataUnsupported", "$count in $expand"),
        ("a($skip=1)", "ODataUnsupported", "$skip in $expand"),
        ("a($search=x)", "ODataUnsupported", "$search in $expand"),
        ("a/$count", "ODataUnsupported", "$count in $expand"),
        ("*", "ODataUnsupported", "'*' at the start of $expand"),
        ("a($filter=x eq @p)", "ODataUnsupported", "The parameter alias @p inside $expand"),
        ("a/b", "ODataSyntax", "A second navigation property"),
        ("a,a", "ODataSyntax", "'a' is expanded twice"),
        ("a()", "ODataSyntax", "expected"),
        ("a(", "ODataSyntax", "'=' expected"),
        ("a($select)", "ODataSyntax", "'=' expected"),
        ("a($select=x", "ODataSyntax", "';' expected"),
        ("a($select=x;$select=y)", "ODataSyntax", "'$select' was specified more than once"),
        ("a($nonsense=x)", "ODataSyntax", "'$nonsense' is not known in $expand"),
        ("a($top=-5)", "ODataSyntax", "Invalid value '-5' for $top"),
        ("a/$ref($select=x)", "ODataSyntax", "Syntax error"),
        (",".join(f"a{number}" for number in range(16)), "QueryTooComplex", "15 $expand items"),
    ],
)
def test_an_expand_that_is_refused_is_a_fault(text: str, name: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_expand(text)
    assert caught.value.name == name
    assert message in caught.value.message
