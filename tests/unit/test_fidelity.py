"""The table of imitated behaviours is complete, well-formed and true to the tests and faults that it names."""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import orgstead

PACKAGE = Path(orgstead.__file__).parent
ROOT = Path(__file__).parents[2]
TABLE: dict[str, dict[str, Any]] = tomllib.loads((PACKAGE / "fidelity.toml").read_text("utf-8"))
FAULTS: dict[str, Any] = tomllib.loads((PACKAGE / "errors.toml").read_text("utf-8"))

REQUIRED = {"area", "behaviour", "status", "source", "tests"}
WITHOUT_DIFFERENCE = {"same"}
WITH_DIFFERENCE = {"differs", "unsupported"}

# Whose pages a family of behaviours is documented on, where that is not Microsoft alone.
VENDORS = {"crm": {"learn.microsoft.com", "teamswork.app"}}

ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?:\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*){2}")
QUOTED = re.compile(r"`([^`]*)`")

each_row = pytest.mark.parametrize("id", TABLE)


@cache
def functions(file: str) -> frozenset[str]:
    """The test functions at the top of a file."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def sentence(text: str) -> bool:
    """Whether a text is one tidy line that ends like a sentence and fits a cell of the printed matrix."""
    return text == " ".join(text.split()) and text.endswith((".", ")")) and not set("|\n") & set(text)


@each_row
def test_an_id_is_area_feature_and_detail(id: str) -> None:
    assert ID.fullmatch(id)


@each_row
def test_a_row_has_what_its_status_asks_for_and_nothing_else(id: str) -> None:
    row = TABLE[id]
    assert row["status"] in WITHOUT_DIFFERENCE | WITH_DIFFERENCE
    assert set(row) == REQUIRED | ({"difference"} if row["status"] in WITH_DIFFERENCE else set())
    assert row["area"]
    assert row["area"] == row["area"].strip()
    assert sentence(row["behaviour"])
    assert row["status"] in WITHOUT_DIFFERENCE or sentence(row["difference"])


@each_row
def test_a_source_is_a_page_of_the_vendor(id: str) -> None:
    source = urlsplit(TABLE[id]["source"])
    assert source.scheme == "https"
    assert source.hostname in VENDORS.get(id.partition(".")[0], {"learn.microsoft.com"})
    assert len(source.path) > 1
    assert not source.query


@each_row
def test_every_test_that_is_named_exists(id: str) -> None:
    named = TABLE[id]["tests"]
    assert len(set(named)) == len(named)
    for name in named:
        file, _, function = name.partition("::")
        assert file.startswith("tests/")
        assert function.startswith("test_")
        assert function in functions(file), name


@each_row
def test_every_fault_that_is_named_exists(id: str) -> None:
    row = TABLE[id]
    assert "`" not in row["behaviour"]
    named = QUOTED.findall(row.get("difference", ""))
    assert set(named) <= set(FAULTS)
    assert named or row["status"] != "unsupported"


def test_rows_of_an_area_stand_together_sorted_by_id() -> None:
    runs = [(area, list(ids)) for area, ids in groupby(TABLE, key=lambda id: str(TABLE[id]["area"]))]
    assert [area for area, count in Counter(area for area, _ in runs).items() if count > 1] == []
    assert [area for area, ids in runs if ids != sorted(ids)] == []


def test_no_behaviour_is_told_twice() -> None:
    told = Counter(row["behaviour"].casefold() for row in TABLE.values())
    assert [text for text, count in told.items() if count > 1] == []
