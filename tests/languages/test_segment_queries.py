"""The language of segment queries: what it reads, and that nothing breaks it.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/segment-query-definition
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orgstead.errors import Fault
from orgstead.languages.segments import read_segment_query
from orgstead.model.query import And, Condition, Field, Order
from orgstead.model.segments import (
    Filtered,
    Members,
    Moment,
    Profile,
    Selection,
    SetOperation,
    Shift,
    Traversed,
)

TRAVERSED = Traversed(
    Filtered(Profile("Campaign"), Condition(Field("Name"), "eq", ("Campaign 1",))),
    "ActivityContactProcessed_Campaign",
)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("PROFILE(contact)", Profile("contact")),
        ("profile ( contact , c ) ", Profile("contact", "c")),
        ("PROFILE(Campaign).FILTER(Name == 'Campaign 1').TRAVERSE(ActivityContactProcessed_Campaign)", TRAVERSED),
        (
            "PROFILE(Membership).TRAVERSE(InSubscription, FILTER(Status == 'Active'))",
            Filtered(
                Traversed(Profile("Membership"), "InSubscription"), Condition(Field("Status"), "eq", ("Active",))
            ),
        ),
        (
            "SEGMENT(a) INTERSECT SEGMENT(b)EXCEPT SEGMENT(c)",
            SetOperation("except", SetOperation("intersect", Members("a"), Members("b")), Members("c")),
        ),
        (
            "SEGMENT(a).UNION(b).EXCEPT(c)",
            SetOperation("except", SetOperation("union", Members("a"), Members("b")), Members("c")),
        ),
        (
            "PROFILE(CreditCard).FILTER(DATEDIFF(day, ExpirationDate, DateTimeNowUtc()) < 30)",
            Filtered(
                Profile("CreditCard"),
                Condition(Field("ExpirationDate"), "gt", (Moment(shifts=(Shift("day", -30),)),)),
            ),
        ),
        (
            "PROFILE(Contact).FILTER(Sex == 'M' && Age >= 15 && Name == 'O''Neill')",
            Filtered(
                Profile("Contact"),
                And((
                    Condition(Field("Sex"), "eq", ("M",)),
                    Condition(Field("Age"), "ge", (15,)),
                    Condition(Field("Name"), "eq", ("O'Neill",)),
                )),
            ),
        ),
    ],
)  # fmt: skip
def test_published_queries_are_read(text: str, of: object) -> None:
    assert read_segment_query(text) == Selection(of=of)  # type: ignore[arg-type]


def test_what_is_read_of_a_query() -> None:
    text = "(SEGMENT(s)).ORDERBY(fullname ASC, c.createdon DESC).SKIP(30).TAKE(15).SELECT(contactid,fullname)"
    assert read_segment_query(text) == Selection(
        of=Members("s"),
        order=(Order(Field("fullname")), Order(Field("createdon", alias="c"), True)),
        skip=30,
        take=15,
        columns=("contactid", "fullname"),
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", 1), ("PROFILE", 8), ("PROFILE()", 9), ("PROFILE(contact", 16), ("PROFILE(contact))", 17),
        ("PROFILE(contact).DANCE()", 18), ("PROFILE(contact).FILTER(a = 1)", 27),
        ("PROFILE(contact).FILTER(a == )", 30), ("PROFILE(contact).FILTER(a CONTAINS 5)", 27),
        ("PROFILE(contact).FILTER(1 == 2)", 27),
        ("PROFILE(contact).FILTER(a == DATE(2020, 13, 1))", 30), ("SEGMENT(a) UNION", 17),
    ],
)  # fmt: skip
def test_a_wrong_query_says_where(text: str, at: int) -> None:
    with pytest.raises(Fault) as caught:
        read_segment_query(text)
    assert caught.value.name == "InvalidSegmentQuery"
    assert f"position {at}:" in caught.value.message


WORDS = [
    "PROFILE", "SEGMENT", "(", ")", ".", ",", "FILTER", "TRAVERSE", "UNION",
    "a", "'x'", "1", "-", "==", "&&", "||", "NOT", "!",
    "DATEDIFF", "DATE", "day", "DATETIMEUTCNOW", "ISNULL",
    "CONTAINS", "ORDERBY", "SKIP", "TAKE", "SELECT", "INTERACTION",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)))
def test_anything_else_is_a_fault(text: str) -> None:
    try:
        found: object = read_segment_query(text)
    except Fault as error:
        found = error.name
    assert isinstance(found, Selection) or found in ("InvalidSegmentQuery", "NotSupported")


@pytest.mark.parametrize(
    "text", ["(" * 5000, "PROFILE(a)" + ".FILTER(a == 1)" * 5000, "PROFILE(a).FILTER(" + "!" * 5000]
)
def test_a_deep_or_long_query_is_refused(text: str) -> None:
    with pytest.raises(Fault):
        read_segment_query(text)
