"""Rows under and above a row, also where the rows go round in a circle."""

import pytest

from orgstead.errors import Fault
from orgstead.model.record import Ref
from tests.store.store_pieces import Database, condition, guid, names

# A tree, a circle, and one alone: the name of each row and of its parent.
PARENTS = {
    "root": None, "left": "root", "right": "root", "leaf": "left", "tip": "leaf", "alone": None,
    "round1": "round2", "round2": "round3", "round3": "round1", "own": "own",
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(database: Database) -> dict[str, str]:
    """The id of each row by its name."""
    made = dict(zip(PARENTS, database.fresh(len(PARENTS)), strict=True))
    with database.store.write() as unit:
        unit.insert(
            database.table("thing"),
            [
                {
                    "thingid": made[name],
                    "name": name,
                    "parentid": Ref("thing", made[parent]) if parent else None,
                }
                for name, parent in PARENTS.items()
            ],
        )
    return made


@pytest.mark.parametrize(
    ("operator", "root", "expected"),
    [
        ("under", "root", ["leaf", "left", "right", "tip"]),
        ("eq-or-under", "root", ["leaf", "left", "right", "root", "tip"]),
        ("under", "tip", []),
        ("eq-or-under", "alone", ["alone"]),
        ("above", "tip", ["leaf", "left", "root"]),
        ("eq-or-above", "tip", ["leaf", "left", "root", "tip"]),
        ("above", "root", []),
        ("not-under", "left", ["alone", "left", "own", "right", "root", "round1", "round2", "round3"]),
        ("under", "round1", ["round2", "round3"]),
        ("eq-or-under", "round1", ["round1", "round2", "round3"]),
        ("above", "round1", ["round2", "round3"]),
        ("under", "own", []),
        ("eq-or-above", "own", ["own"]),
    ],
)
def test_a_hierarchy_is_walked_to_its_ends_once(
    database: Database, tree: dict[str, str], operator: str, root: str, expected: list[str]
) -> None:
    assert names(database, condition("thingid", operator, tree[root])) == expected


def test_a_lookup_into_a_hierarchy_is_compared_with_it(database: Database, tree: dict[str, str]) -> None:
    assert names(database, condition("parentid", "eq-or-under", tree["left"])) == ["leaf", "tip"]
    assert names(database, condition("parentid", "under", tree["left"])) == ["tip"]


def test_nothing_hangs_under_a_row_that_is_not_there(database: Database, tree: dict[str, str]) -> None:
    for operator in ("under", "above", "eq-or-under", "eq-or-above"):
        assert names(database, condition("thingid", operator, guid(0xFFFFFFFF))) == []


def test_a_table_without_a_hierarchy_is_refused_by_a_coded_fault(database: Database) -> None:
    with pytest.raises(Fault) as caught:
        names(database, condition("makerid", "under", guid(1)), "maker")
    assert caught.value.name == "NoHierarchy"
