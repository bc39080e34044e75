"""``Microsoft.Dynamics.CRM.*`` query functions and the conditions that they stand for."""

import pytest

from orgstead.errors import Fault
from orgstead.languages.odata import parse_filter, print_filter
from orgstead.languages.odata.functions import FUNCTIONS
from orgstead.model.query import Condition, Exists, Field

ARGUMENTS = {
    "none": ("", ()),
    "text": (",PropertyValue='v'", ("v",)),
    "number": (",PropertyValue=7", (7,)),
    "two numbers": (",PropertyValue1=2,PropertyValue2=2026", (2, 2026)),
    "texts": (',PropertyValues=["1","2","3"]', ("1", "2", "3")),
    "two texts": (',PropertyValues=["5","2000"]', ("5", "2000")),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_published_function_becomes_its_operator(name: str) -> None:
    operator, shape = FUNCTIONS[name]
    text, values = ARGUMENTS[shape]
    assert parse_filter(f"Microsoft.Dynamics.CRM.{name}(PropertyName='a'{text})") == Condition(
        Field("a"), operator, values
    )


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_operator_is_printed_so_that_it_reads_the_same(name: str) -> None:
    operator, shape = FUNCTIONS[name]
    condition = Condition(Field("a", ("nav",)), operator, ARGUMENTS[shape][1])
    assert parse_filter(print_filter(condition)) == condition


def test_every_operator_belongs_to_one_function() -> None:
    operators = [operator for operator, _ in FUNCTIONS.values()]
    assert len(set(operators)) == len(operators)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Microsoft.Dynamics.CRM.In(PropertyName=@p1,PropertyValues=@p2)",
            Condition(Field("lastname"), "in", ("OBrian", "O'Brian")),
        ),
        (
            "Microsoft.Dynamics.CRM.LastXDays( PropertyValue = @n , PropertyName = 'createdon' )",
            Condition(Field("createdon"), "last-x-days", (3,)),
        ),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['x','y'])",
            Condition(Field("a"), "in", ("x", "y")),
        ),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=[\"x\"])",
            Condition(Field("a"), "in", ("x",)),
        ),
        (
            r"""Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=["\"\u00e9\\"])""",
            Condition(Field("a"), "in", ('"é\\',)),
        ),
        (
            "Microsoft.Dynamics.CRM.Today(PropertyName='primarycontactid/createdon')",
            Condition(Field("createdon", ("primarycontactid",)), "today"),
        ),
        (
            "primarycontactid/Microsoft.Dynamics.CRM.Today(PropertyName='createdon')",
            Condition(Field("createdon", ("primarycontactid",)), "today"),
        ),
        (
            "Account_Tasks/any(t:t/Microsoft.Dynamics.CRM.Today(PropertyName='createdon'))",
            Exists("Account_Tasks", Condition(Field("createdon", (), "t"), "today"), alias="t"),
        ),
        (
            "Account_Tasks/any(t:Microsoft.Dynamics.CRM.Today(PropertyName='t/createdon'))",
            Exists("Account_Tasks", Condition(Field("createdon", (), "t"), "today"), alias="t"),
        ),
        (
            "Microsoft.Dynamics.CRM.EqualUserId(PropertyName='ownerid') eq true",
            Condition(Field("ownerid"), "eq-userid"),
        ),
    ],
)
def test_a_function_call_reads_as_its_condition(text: str, expected: object) -> None:
    aliases = {"p1": "'lastname'", "p2": '["OBrian","O\'Brian"]', "n": "3"}
    assert parse_filter(text, aliases) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Today()", "takes the parameters 'PropertyName'"),
        ("Today(PropertyName='a',PropertyValue='x')", "takes the parameters 'PropertyName'"),
        ("Today('a')", "A name was expected"),
        ("Today(PropertyName='a'", "',' expected"),
        ("Today(PropertyName='a',PropertyName='b')", "given twice"),
        ("Today(PropertyName=a)", "Unrecognized literal 'a'"),
        ("Today(PropertyName='')", "PropertyName must be"),
        ("Today(PropertyName='a b')", "PropertyName must be"),
        ("Today(PropertyName=@absent)", "PropertyName must be"),
        ("On(PropertyName='a',PropertyValue=5)", "PropertyValue of 'On' must be a text"),
        ("On(PropertyName='a',PropertyValue=2026-01-31)", "PropertyValue of 'On' must be a text"),
        ("LastXDays(PropertyName='a',PropertyValue='5')", "must be a whole number"),
        ("LastXDays(PropertyName='a',PropertyValue=5.5)", "must be a whole number"),
        ("LastXDays(PropertyName='a',PropertyValue=true)", "must be a whole number"),
        ("LastXDays(PropertyName='a',PropertyValue=null)", "must be a whole number"),
        ("InFiscalPeriodAndYear(PropertyName='a',PropertyValue1=1)", "takes the parameters"),
        ("In(PropertyName='a',PropertyValues='x')", "must be an array of texts"),
        ("In(PropertyName='a',PropertyValues=[])", "must be an array of texts"),
        (
            "In(PropertyName='a',PropertyValues=[1,2])",
            "Cannot read the value '1' as a quoted JSON string value",
        ),
        ("In(PropertyName='a',PropertyValues=['O''Brian'])", "A comma character ',' was expected"),
        ('In(PropertyName=\'a\',PropertyValues=["a" "b"])', "A comma character ',' was expected"),
        ("In(PropertyName='a',PropertyValues=[\"a\",])", "Cannot read the value ']'"),
        ("In(PropertyName='a',PropertyValues=[\"x])", "Invalid JSON"),
        ("In(PropertyName='a',PropertyValues=[\"\\ud800\"])", "Invalid JSON"),
        ("In(PropertyName='a',PropertyValues=[\"\\u0000\"])", "Invalid JSON"),
        ("Between(PropertyName='a',PropertyValues=[\"1\"])", "must be two texts"),
        ("Nonsense(PropertyName='a')", "An unknown function with name 'Microsoft.Dynamics.CRM.Nonsense'"),
    ],
)
def test_a_wrong_call_is_a_syntax_fault(call: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_filter("Microsoft.Dynamics.CRM." + call)
    assert caught.value.name == "ODataSyntax"
    assert message in caught.value.message
