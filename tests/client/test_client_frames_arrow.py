"""Data frames of polars and tables of arrow in and out, and whatever else speaks Arrow's stream."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pandas
import polars
import pyarrow
import pytest

from orgstead.client import col, new_id
from orgstead.client.frames import rows_of, to_arrow, to_polars
from tests.client.test_client_frames import ROWS, pages


def test_a_frame_of_polars_has_exact_values() -> None:
    frame = to_polars(pages())
    assert frame.schema["amount"] == polars.Decimal(38, 2)
    assert frame.schema["seen"] == polars.Datetime("us", "UTC")
    assert frame.drop("amount@formatted").to_dicts() == ROWS


def test_a_table_of_arrow_has_exact_values() -> None:
    table = to_arrow(pages())
    assert table.schema.field("amount").type == pyarrow.decimal128(38, 2)
    assert str(table.schema.field("seen").type) == "timestamp[us, tz=UTC]"
    assert table.drop_columns(["amount@formatted"]).to_pylist() == ROWS


class Foreign:
    """A frame of a library that is not known by name."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


FRAMES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
    "arrow": pyarrow.Table.from_pylist,
    "foreign": lambda rows: Foreign(pyarrow.Table.from_pylist(rows)),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_rows_of_a_frame_are_the_rows_that_it_was_made_of(kind: str) -> None:
    for found, row in zip(rows_of(FRAMES[kind](ROWS)), ROWS, strict=True):
        assert {name: found[name] for name in ("name", "amount", "born", "yes")} == {
            name: row[name] for name in ("name", "amount", "born", "yes")
        }
        assert (found["seen"] is None) == (row["seen"] is None)
        assert found["count"] == row["count"]


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_goes_in_and_comes_out_through_the_service(client: Any, kind: str) -> None:
    mark = new_id()[:8]
    rows = [
        {
            "lastname": f"{mark} {n}",
            "annualincome": Decimal(n) / 4,
            "birthdate": date(1980, 1, n + 1) if n else None,
        }
        for n in range(5)
    ]
    assert client.bulk.create("contact", FRAMES[kind](rows)).done == 5
    query = client.query("contact").where(col("lastname").startswith(mark)).order_by("lastname")
    query = query.select("lastname", "annualincome", "birthdate")
    found = query.to_arrow().select(["lastname", "annualincome", "birthdate"]).to_pylist()
    assert found == rows
    assert query.to_polars()["annualincome"].to_list() == [row["annualincome"] for row in rows]
    assert query.to_pandas()["annualincome"].tolist() == [row["annualincome"] for row in rows]
    assert query.where(col("lastname") == "nobody").to_pandas().empty
