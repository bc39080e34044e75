"""``$filter`` text and the predicate that it states."""

from decimal import Decimal

import pytest

from orgstead.errors import Fault
from orgstead.languages.odata import (
    DateText,
    DateTimeText,
    EnumLiteral,
    Guid,
    NavName,
    parse_filter,
    print_filter,
)
from orgstead.model.query import And, Condition, Exists, Field, Not, Or, Predicate

A, B, C = (Condition(Field(name), "eq", (number,)) for number, name in enumerate("abc", 1))


def on(
    name: str, operator: str, *values: object, path: tuple[object, ...] = (), alias: str | None = None
) -> Condition:
    return Condition(Field(name, path, alias), operator, values)


PREDICATES: list[tuple[str, Predicate]] = [
    # Comparisons and their literals.
    ("a eq 1", A),
    ("  a\teq\n1 ", A),
    ("a ne -5", on("a", "ne", -5)),
    ("a gt 9223372036854775807", on("a", "gt", 2**63 - 1)),
    ("a gt 9223372036854775808", on("a", "gt", Decimal(2**63))),
    ("a ge 1.50", on("a", "ge", Decimal("1.50"))),
    ("a lt 1e3", on("a", "lt", Decimal("1e3"))),
    ("a le 'x'", on("a", "le", "x")),
    ("a eq ''", on("a", "eq", "")),
    ("a eq 'O''Bryan'", on("a", "eq", "O'Bryan")),
    ("a eq ''''", on("a", "eq", "'")),
    ("a eq 'x and (y eq 1)'", on("a", "eq", "x and (y eq 1)")),
    ("a eq true or a eq false", Or((on("a", "eq", True), on("a", "eq", False)))),
    ("a eq null", on("a", "null")),
    ("a ne null", on("a", "not-null")),
    ("null eq a", on("a", "null")),
    ("a gt null", on("a", "gt", None)),
    (
        "a eq 70BF4D48-34cb-ed11-b596-0022481d68cd",
        on("a", "eq", Guid("70bf4d48-34cb-ed11-b596-0022481d68cd")),
    ),
    (
        "a eq bcbf4d48-34cb-ed11-b596-0022481d68cd",
        on("a", "eq", Guid("bcbf4d48-34cb-ed11-b596-0022481d68cd")),
    ),
    (
        "a eq '70bf4d48-34cb-ed11-b596-0022481d68cd'",
        on("a", "eq", "70bf4d48-34cb-ed11-b596-0022481d68cd"),
    ),
    ("a eq 2026-01-31", on("a", "eq", DateText("2026-01-31"))),
    ("a eq 2026-01-31T23:59Z", on("a", "eq", DateTimeText("2026-01-31T23:59Z"))),
    ("a eq 2026-01-31T23:59:59.123+02:00", on("a", "eq", DateTimeText("2026-01-31T23:59:59.123+02:00"))),
    (
        "OwnershipType eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'",
        on("OwnershipType", "eq", EnumLiteral("OwnershipTypes", "UserOwned")),
    ),
    ("1 eq a", A),
    ("5 lt a", on("a", "gt", 5)),
    ("5 ge a", on("a", "le", 5)),
    ("firstname eq lastname", on("firstname", "eq", Field("lastname"))),
    ("a in (1,2)", on("a", "in", 1, 2)),
    ("a in ('x', null)", on("a", "in", "x", None)),
    ('a in ["x","y"]', on("a", "in", "x", "y")),
    ("donotphone", on("donotphone", "eq", True)),
    # Logic and precedence.
    ("a eq 1 and b eq 2 and c eq 3", And((A, B, C))),
    ("a eq 1 or b eq 2 and c eq 3", Or((A, And((B, C))))),
    ("(a eq 1 or b eq 2) and c eq 3", And((Or((A, B)), C))),
    ("a eq 1 and (b eq 2 and c eq 3)", And((A, And((B, C))))),
    ("((a eq 1))", A),
    ("not (a eq 1)", Not(A)),
    ("not(a eq 1) and b eq 2", And((Not(A), B))),
    ("not not (a eq 1)", Not(Not(A))),
    ("not donotphone", Not(on("donotphone", "eq", True))),
    # Functions on text.
    ("contains(name,'(sample)')", on("name", "contains", "(sample)")),
    ("startswith( name , 'a%' )", on("name", "begins-with", "a%")),
    ("endswith(name,'Inc.')", on("name", "ends-with", "Inc.")),
    ("contains(name,'x') eq true", on("name", "contains", "x")),
    ("contains(name,'x') ne false", on("name", "contains", "x")),
    ("contains(name,'x') eq false", Not(on("name", "contains", "x"))),
    ("not contains(name,'x')", Not(on("name", "contains", "x"))),
    # Paths.
    ("primarycontactid/fullname eq 'x'", on("fullname", "eq", "x", path=("primarycontactid",))),
    (
        "primarycontactid/createdby/fullname eq 'x'",
        on("fullname", "eq", "x", path=("primarycontactid", "createdby")),
    ),
    (
        "contains(primarycontactid/fullname,'x')",
        on("fullname", "contains", "x", path=("primarycontactid",)),
    ),
    (
        "customerid/Microsoft.Dynamics.CRM.account/name eq 'x'",
        on("name", "eq", "x", path=(NavName("customerid", "account"),)),
    ),
    ("$it/a eq 1", A),
    # Related collections.
    ("Account_Tasks/any()", Exists("Account_Tasks")),
    ("not Account_Tasks/any()", Not(Exists("Account_Tasks"))),
    (
        "Account_Tasks/all(t:t/statecode eq 1)",
        Exists("Account_Tasks", on("statecode", "eq", 1, alias="t"), True, (), "t"),
    ),
    (
        "Account_Emails/any(e:contains(e/subject,'s') and e/statecode eq 0)",
        Exists(
            "Account_Emails",
            And((on("subject", "contains", "s", alias="e"), on("statecode", "eq", 0, alias="e"))),
            alias="e",
        ),
    ),
    (
        "contacts/any(c:c/jobtitle eq 'j' and c/opportunities/any(o:o/description ne 'N/A'))",
        Exists(
            "contacts",
            And(
                (
                    on("jobtitle", "eq", "j", alias="c"),
                    Exists("opportunities", on("description", "ne", "N/A", alias="o"), alias="o"),
                )
            ),
            alias="c",
        ),
    ),
    (
        "contacts/any(c:c/opportunities/any(o:c/tasks/any(t:t/a eq 1)))",
        Exists(
            "contacts",
            Exists(
                "opportunities",
                Exists("tasks", on("a", "eq", 1, alias="t"), alias="t", outer="c"),
                alias="o",
            ),
            alias="c",
        ),
    ),
    (
        "contacts/any(c:c/parentcustomerid/name eq 'x')",
        Exists("contacts", on("name", "eq", "x", path=("parentcustomerid",), alias="c"), alias="c"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PREDICATES, ids=[text for text, _ in PREDICATES])
def test_a_filter_reads_as_its_predicate(text: str, expected: Predicate) -> None:
    assert repr(parse_filter(text)) == repr(expected)


@pytest.mark.parametrize(("text", "expected"), PREDICATES, ids=[text for text, _ in PREDICATES])
def test_a_printed_filter_reads_as_the_same_predicate(text: str, expected: Predicate) -> None:
    assert repr(parse_filter(print_filter(expected))) == repr(expected)


ALIASES = {
    "field": "revenue",
    "path": "primarycontactid/fullname",
    "number": "100",
    "list": '["OBrian","O\'Brian"]',
    "collection": "(1,2)",
    "text": "'x'",
    "again": "@number",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@field ne @absent", on("revenue", "not-null")),
        ("@field gt @number", on("revenue", "gt", 100)),
        ("@path eq @text", on("fullname", "eq", "x", path=("primarycontactid",))),
        ("contains(@path,@text)", on("fullname", "contains", "x", path=("primarycontactid",))),
        ("lastname in @list", on("lastname", "in", "OBrian", "O'Brian")),
        ("a in @collection", on("a", "in", 1, 2)),
        ("Tasks/any(t:t/a eq @number)", Exists("Tasks", on("a", "eq", 100, alias="t"), alias="t")),
    ],
)
def test_a_parameter_alias_stands_for_its_value(text: str, expected: Predicate) -> None:
    assert repr(parse_filter(text, ALIASES)) == repr(expected)


REFUSED: list[tuple[str, str, str]] = [
    ("", "ODataSyntax", "Expression expected at position 0"),
    ("a eq", "ODataSyntax", "Expression expected at position 4"),
    ("a eq 1 b", "ODataSyntax", "Syntax error at position 7"),
    ("a eq 1)", "ODataSyntax", "Syntax error at position 6"),
    ("(a eq 1", "ODataSyntax", "')' expected"),
    ("and a eq 1", "ODataSyntax", "Expression expected at position 0"),
    ("a = 1", "ODataSyntax", "Syntax error at position 2"),
    ("a eq #", "ODataSyntax", "Unrecognized literal '#'"),
    ("a eq {x}", "ODataSyntax", "Unrecognized literal '{'"),
    (
        "lastname eq 'O'Bryan'",
        "ODataSyntax",
        "There is an unterminated literal at position 21 in 'lastname eq 'O'Bryan''.",
    ),
    ("a eq '", "ODataSyntax", "unterminated literal"),
    ("a eq '''", "ODataSyntax", "unterminated literal"),
    ("a eq 5x", "ODataSyntax", "Unrecognized literal '5x'"),
    ("a eq 2026-02-31", "ODataSyntax", "Unrecognized literal '2026-02-31'"),
    ("a eq 2026-01-31T25:00:00Z", "ODataSyntax", "Unrecognized literal"),
    ("a eq 0001-01-01T00:00:00+10:00", "ODataSyntax", "Unrecognized literal"),
    ("a eq 2026-01-31T10:00:00", "ODataSyntax", "time zone information is missing"),
    ("a eq 1e999", "ODataSyntax", "out of range"),
    ("a eq " + "9" * 61, "ODataSyntax", "out of range"),
    ("a eq guid'x'", "ODataSyntax", "Unrecognized literal"),
    ("not a eq 1", "ODataSyntax", "needs parentheses"),
    ("a/ eq 1", "ODataSyntax", "Syntax error"),
    ("a/b/ eq 1", "ODataSyntax", "Syntax error"),
    ("a in ()", "ODataSyntax", "Unrecognized literal ')'"),
    ("a in []", "ODataSyntax", "empty"),
    ("a in 5", "ODataSyntax", "'(' expected"),
    ("a in @absent", "ODataSyntax", "collection"),
    ("contains(name)", "ODataSyntax", "',' expected"),
    ("contains(name,'x','y')", "ODataSyntax", "')' expected"),
    ("contains(name,5)", "ODataSyntax", "No function signature for the function with name 'contains'"),
    ("contains(name,null)", "ODataSyntax", "No function signature"),
    ("contains('x',name)", "ODataSyntax", "No function signature"),
    ("contains(name,'x') eq 1", "ODataSyntax", "true or false"),
    ("contains(name,'x') gt true", "ODataUnsupported", "operator 'gt' after a boolean expression"),
    ("nonsense(name,'x')", "ODataSyntax", "An unknown function with name 'nonsense' was found"),
    ("substringof('x',name)", "ODataUnsupported", "The function 'substringof'"),
    ("tolower(name) eq 'x'", "ODataUnsupported", "The function 'tolower'"),
    ("contains(tolower(name),'x')", "ODataUnsupported", "The function 'tolower'"),
    ("length(name) gt 5", "ODataUnsupported", "The function 'length'"),
    ("year(createdon) eq 2026", "ODataUnsupported", "The function 'year'"),
    ("createdon lt now()", "ODataUnsupported", "The function 'now'"),
    ("isof(a)", "ODataUnsupported", "The function 'isof'"),
    ("revenue add 5 gt 10", "ODataUnsupported", "The operator 'add'"),
    ("10 gt revenue sub 5", "ODataUnsupported", "The operator 'sub'"),
    ("style has Sales.Pattern'Yellow'", "ODataUnsupported", "The operator 'has'"),
    ("1 eq 1", "ODataUnsupported", "The query node Constant is not supported"),
    ("true", "ODataUnsupported", "The query node Constant is not supported"),
    ("Account_Tasks/$count gt 5", "ODataUnsupported", "The query node Count is not supported"),
    ("firstname eq primarycontactid/firstname", "ODataUnsupported", "columns of different tables"),
    ("primarycontactid/tasks/any(t:t/a eq 1)", "ODataUnsupported", "nested in a lookup navigation property"),
    ("any(t:t/a eq 1)", "ODataSyntax", "An unknown function with name 'any'"),
    ("Tasks/all()", "ODataSyntax", "'all' needs an expression"),
    ("Tasks/any(t)", "ODataSyntax", "':' expected"),
    ("Tasks/any(t:)", "ODataSyntax", "Unrecognized literal"),
    ("Tasks/any(t:t/x/any(t:t/a eq 1))", "ODataSyntax", "'t' has already been declared"),
    ("Tasks/any(t:name eq 'x')", "ODataUnsupported", "outermost row inside a lambda"),
    ("Tasks/any(t:t eq 1)", "ODataSyntax", "A property name was expected"),
    ("Tasks/some(t:t/a eq 1)", "ODataSyntax", "An unknown function with name 'some'"),
    ("a eq @again", "ODataUnsupported", "parameter alias @number"),
    ("a eq @", "ODataSyntax", "parameter alias was expected"),
    ("(" * 101 + "a eq 1" + ")" * 101, "QueryTooComplex", "100 levels"),
    ("not " * 101 + "(a eq 1)", "QueryTooComplex", "100 levels"),
    (" or ".join(["a eq 1"] * 501), "QueryTooComplex", "500 conditions"),
    ("a in (" + ",".join("1" * 2001) + ")", "QueryTooComplex", "2000 values"),
    ("a eq '" + "x" * 32_768 + "'", "QueryTooComplex", "32768 characters"),
]


@pytest.mark.parametrize(("text", "name", "message"), REFUSED, ids=[text[:60] for text, _, _ in REFUSED])
def test_a_filter_that_dataverse_refuses_is_a_fault(text: str, name: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_filter(text, ALIASES)
    assert message in caught.value.message
    assert (caught.value.name, caught.value.status) == (name, 400)


@pytest.mark.parametrize(
    "text",
    ["(" * 100 + "a eq 1" + ")" * 100, " and ".join(["a eq 1"] * 500), "a in (" + ",".join("1" * 2000) + ")"],
    ids=["depth", "conditions", "values"],
)
def test_a_filter_at_a_limit_is_read(text: str) -> None:
    assert parse_filter(text) is not None


def test_the_syntax_fault_has_the_code_that_the_web_api_gives() -> None:
    with pytest.raises(Fault) as caught:
        parse_filter("a eq")
    assert caught.value.code == "0x80060888"


@pytest.mark.parametrize("text", ["'" * 32_001, '"\\' * 16_000, "a'" * 10_000, "[" * 32_000, "-1-" * 10_000])
def test_a_hostile_text_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(Fault):
        parse_filter(text)
