"""Text is compared without regard to case, with regard to accents, beyond ASCII too; patterns match as LIKE does."""

from collections.abc import Callable
from typing import Any

import pytest

from orgstead.engine.ports import Store
from orgstead.model.query import Aggregate, And, Field, Group, Query
from orgstead.model.schema import Schema
from orgstead.store.open import MEMORY, open_store
from tests.store.store_pieces import SMALL, Database, condition, ids, names, order, pages, refusal

TEXTS = (
    "abc", "ABC", "äbc", "ÄBC", "àbc", "éa", "Éa", "ea", "ЖУК", "жук", "ŒUVRE", "œuvre", "a%c", "a_c", "a\\c", "a[b]c",
    "a]c", "a^c", "a-c", "adc", "ac", "", "abcabc", "line\nbreak", "😀", "é😀É", "日本", "it's", "a*c", "a.c", "(a|c)",
    "a+c", "a?c", "$a^",
)  # fmt: skip


@pytest.fixture(scope="module")
def texts(database: Database) -> Database:
    database.add("thing", *({"name": text, "text": text} for text in TEXTS), {"name": "(null)"})
    return database


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", ["ABC", "abc"]),
        ("aBc", ["ABC", "abc"]),
        ("Äbc", ["ÄBC", "äbc"]),
        ("äBC", ["ÄBC", "äbc"]),
        ("àBC", ["àbc"]),
        ("EA", ["ea"]),
        ("ÉA", ["Éa", "éa"]),
        ("Жук", ["ЖУК", "жук"]),
        ("Œuvre", ["ŒUVRE", "œuvre"]),
        ("oeuvre", []),
        ("", [""]),
        ("É😀é", ["é😀É"]),
        ("日本", ["日本"]),
        ("IT'S", ["it's"]),
    ],
)
def test_texts_are_equal_when_only_their_case_differs(
    texts: Database, value: str, expected: list[str]
) -> None:
    everything = names(texts, None)
    assert names(texts, condition("text", "eq", value)) == expected
    assert names(texts, condition("text", "ne", value)) == [
        text for text in everything if text not in expected
    ]
    assert names(texts, condition("text", "in", value)) == expected
    assert names(texts, condition("text", "in", "zzz", value, "ÖÖÖ")) == expected
    assert names(texts, condition("text", "not-in", value, "ÖÖÖ")) == names(
        texts, condition("text", "ne", value)
    )
    if not value.isascii():
        # By what a key holds, SQLite finds as its indexes compare: other letters than ASCII in their own case.
        return
    with texts.store.read() as unit:
        found = unit.find(texts.table("thing"), {"text": value}, 100)
        assert sorted(str((unit.get(texts.table("thing"), id) or {})["name"]) for id in found) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("contains", "BCA", ["abcabc"]),
        ("contains", "[%]", ["a%c"]),
        ("contains", "[_]", ["a_c"]),
        ("contains", "\\", ["a\\c"]),
        ("contains", "[[]b]", ["a[b]c"]),
        ("contains", "Ä", ["ÄBC", "äbc"]),
        ("contains", "😀é", ["é😀É"]),
        ("contains", "E\nB", ["line\nbreak"]),
        ("begins-with", "É", ["Éa", "éa", "é😀É"]),
        ("begins-with", "жУ", ["ЖУК", "жук"]),
        ("begins-with", "abc", ["ABC", "abc", "abcabc"]),
        ("ends-with", "CABC", ["abcabc"]),
        ("ends-with", "É", ["é😀É"]),
        ("ends-with", "ук", ["ЖУК", "жук"]),
    ],
)
def test_a_part_of_a_text_is_found_as_it_stands(
    texts: Database, operator: str, value: str, expected: list[str]
) -> None:
    negation = {"contains": "not-contains", "begins-with": "not-begin-with", "ends-with": "not-end-with"}[
        operator
    ]
    assert names(texts, condition("text", operator, value)) == expected
    assert names(texts, condition("text", negation, value)) == [
        n for n in names(texts, None) if n not in expected
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("ABC", ["ABC", "abc"]),
        ("abc%", ["ABC", "abc", "abcabc"]),
        ("%bc", ["ABC", "abc", "abcabc", "ÄBC", "àbc", "äbc"]),
        ("a_c", ["ABC", "a%c", "a*c", "a+c", "a-c", "a.c", "a?c", "a\\c", "a]c", "a^c", "a_c", "abc", "adc"]),
        ("a[%]c", ["a%c"]),
        ("a[_]c", ["a_c"]),
        ("a\\c", ["a\\c"]),
        ("a[\\]c", ["a\\c"]),
        ("a[b-d]c", ["ABC", "abc", "adc"]),
        ("a[B-D]c", ["ABC", "abc", "adc"]),
        ("a[bd]c", ["ABC", "abc", "adc"]),
        ("a[^bd]c", ["a%c", "a*c", "a+c", "a-c", "a.c", "a?c", "a\\c", "a]c", "a^c", "a_c"]),
        ("a[+*.?]c", ["a*c", "a+c", "a.c", "a?c"]),
        ("a[[]b]c", ["a[b]c"]),
        ("a[d-b]c", []),
        ("[äÖ]bc", ["ÄBC", "äbc"]),
        ("[^a]bc", ["ÄBC", "àbc", "äbc"]),
        ("[а-я]%", ["ЖУК", "жук"]),
        ("(a|c)", ["(a|c)"]),
        ("$a^", ["$a^"]),
        ("[$]a%", ["$a^"]),
        ("line_break", ["line\nbreak"]),
        ("[l]ine%break", ["line\nbreak"]),
        ("_", ["😀"]),
        ("É_é", ["é😀É"]),
        ("__", ["ac", "ea", "Éa", "éa", "日本"]),
        ("", [""]),
        ("%", sorted(TEXTS)),
        ("%%%", sorted(TEXTS)),
        ("[f-h]%", []),
        ("[a]%bc", ["ABC", "abc", "abcabc"]),
    ],
)  # fmt: skip
def test_a_pattern_matches_the_whole_text_without_regard_to_case(
    texts: Database, pattern: str, expected: list[str]
) -> None:
    assert names(texts, condition("text", "like", pattern)) == expected
    assert names(texts, condition("text", "not-like", pattern)) == [
        n for n in names(texts, None) if n not in expected
    ]


def _remove(database: Database, rows: list[str]) -> None:
    with database.store.write() as unit:
        assert unit.delete(database.table("thing"), rows) == len(rows)


def test_a_memo_is_compared_as_a_text_is(database: Database) -> None:
    (id,) = database.add("thing", {"memo": "Ärger\nund " + "x" * 20_000})
    for operator, value in (
        ("begins-with", "äRGER"),
        ("like", "ärger%"),
        ("like", "[ä]rger%x"),
        ("contains", "UND X"),
    ):
        assert ids(database, "thing", condition("memo", operator, value)) == [id]
    _remove(database, [id])


@pytest.mark.parametrize("length", [1_000, 100_000])
@pytest.mark.parametrize("unit", ["a", "%a", "_", "[ab]%", "ä"])
def test_a_very_long_pattern_is_answered_or_refused_by_a_coded_fault(
    texts: Database, unit: str, length: int
) -> None:
    pattern = unit * (length // len(unit))
    outcome = refusal(lambda: ids(texts, "thing", condition("text", "like", pattern)))
    assert outcome in (None, "QueryTooComplex")


@pytest.mark.parametrize(("unit", "operator"), [("a", "like"), ("%a", "like"), ("[ab]", "like"), ("ä", "like"),
                                              ("a", "contains"), ("\\", "contains"), ("a", "ends-with")])  # fmt: skip
def test_a_pattern_may_be_as_long_as_a_text_and_no_longer(texts: Database, unit: str, operator: str) -> None:
    longest = unit * (4_000 // len(unit))
    assert ids(texts, "thing", condition("text", operator, longest)) == []
    for longer in (longest + "abcd", unit * 100_000):
        assert (
            refusal(lambda value=longer: ids(texts, "thing", condition("text", operator, value)))
            == "QueryTooComplex"
        )


def _odd_texts(store: Store) -> dict[str, Any]:
    """What a database makes of letters beyond ASCII and of signs, where the databases differ."""
    with store.write() as unit:
        unit.migrate(Schema.empty(), SMALL)
    database = Database(store, SMALL, "")
    made = database.add("thing", {"text": "Ä", "other": "ä"}, {"text": "ä", "other": "ä"})
    count = Aggregate(function="count", alias="n")
    groups = Query(table="thing", groups=(Group(field=Field("text"), alias="t"),), aggregates=(count,))
    found = {
        "groups": sorted(row["n"] for row in database.ask(groups)),
        "equal to another column": len(ids(database, "thing", condition("text", "eq", Field("other")))),
        "equal to a value": len(ids(database, "thing", condition("text", "eq", "Ä"))),
        "twice in a key": refusal(lambda: database.add("order", {"name": "Ä"}, {"name": "ä"})),
    }
    _remove(database, made)
    database.add(
        "thing",
        *({"text": text} for text in ("z", "é", "a", "ä", "b", "e", "a_b", "a-c", "ab", "_", "1", "~")),
    )
    sorted_ = Query(table="thing", columns=("text",), order=(order("text"),))
    return {**found, "order": " ".join(row["text"] for row in database.ask(sorted_))}


def test_sqlite_folds_ascii_only_among_stored_texts_and_sorts_by_code_point() -> None:
    store = open_store(MEMORY)
    assert _odd_texts(store) == {
        "groups": [1, 1],
        "equal to another column": 1,
        "equal to a value": 2,
        "twice in a key": None,
        "order": "1 _ a a-c a_b ab b e z ~ ä é",
    }
    store.close()


def test_postgresql_folds_every_letter_and_sorts_as_people_do(
    new_postgres_database: Callable[[], str],
) -> None:
    store = open_store("", new_postgres_database())
    assert _odd_texts(store) == {
        "groups": [2],
        "equal to another column": 2,
        "equal to a value": 2,
        "twice in a key": "DuplicateKey",
        "order": "_ ~ 1 a ä a_b a-c ab b e é z",
    }
    store.close()


def test_order_of_words_is_that_of_their_letters_whatever_their_case(database: Database) -> None:
    words = ("b", "C", "a", "B2", "b1", "10", "9", "Aa", "", None)
    made = database.add("thing", *({"text": word} for word in words))
    mine = condition("thingid", "in", *made)
    query = Query(table="thing", columns=("text",), where=mine, order=(order("text"),))
    ascending = [None, "", "10", "9", "a", "Aa", "b", "b1", "B2", "C"]
    assert [row["text"] for row in database.ask(query)] == ascending
    falling = Query(table="thing", columns=("text",), where=mine, order=(order("text", True),))
    assert [row["text"] for row in database.ask(falling)] == ascending[::-1]
    for place, word in enumerate(ascending[1:], 1):
        for operator, expected in (
            ("lt", ascending[1:place]),
            ("le", ascending[1 : place + 1]),
            ("gt", ascending[place + 1 :]),
            ("ge", ascending[place:]),
        ):
            found = ids(database, "thing", And((mine, condition("text", operator, word))), order("text"))
            assert [(database.get("thing", id) or {})["text"] for id in found] == expected, (operator, word)
    _remove(database, made)


def test_texts_that_differ_by_case_only_share_a_place_in_an_order(database: Database) -> None:
    made = database.add("thing", *({"text": text} for text in ("x", "X", "y", "x", "Y", "X")))
    mine = condition("thingid", "in", *made)
    assert ids(database, "thing", mine, order("text")) == [made[n] for n in (0, 1, 3, 5, 2, 4)]
    query = Query(table="thing", columns=("text",), where=mine, order=(order("text"),))
    walked = [row["thingid"] for page in pages(database, query, 1) for row in page]
    assert walked == [made[n] for n in (0, 1, 3, 5, 2, 4)]
    _remove(database, made)
