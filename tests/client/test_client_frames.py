"""Data frames of pandas in and out: types are kept, decimals stay decimals, nulls are nulls."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas

from orgstead.client import Record, col, new_id
from orgstead.client.frames import rows_of, to_pandas
from orgstead.client.record import Page, Shape

ROWS = [
    {"name": "Ada", "amount": Decimal("10.25"), "seen": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
     "born": date(1980, 2, 29), "count": 1, "yes": True, "ratio": 0.5},
    {"name": "Bo", "amount": None, "seen": None, "born": None, "count": None, "yes": None, "ratio": None},
]  # fmt: skip
SHAPE = Shape(
    name="thing", set="things", key="thingid",
    types={"amount": "Money", "seen": "DateTime", "born": "DateTime", "ratio": "Double"},
)  # fmt: skip
WIRE = [
    {"@odata.etag": 'W/"1"', "name": "Ada", "amount": Decimal("10.25"), "seen": "2026-01-02T03:04:00Z",
     "born": "1980-02-29", "count": 1, "yes": True, "ratio": Decimal("0.5"),
     "amount@OData.Community.Display.V1.FormattedValue": "€10.25"},
    {"name": "Bo", "amount": None, "seen": None, "born": None, "count": None, "yes": None, "ratio": None},
]  # fmt: skip


def pages() -> list[Page]:
    return [Page(rows=[Record(row, SHAPE)]) for row in WIRE]


def test_a_frame_of_pandas_has_exact_values() -> None:
    frame = to_pandas(pages())
    assert list(frame.columns) == [*ROWS[0], "amount@formatted"]
    assert frame["amount"].tolist() == [Decimal("10.25"), None]
    assert str(frame["seen"].dtype).startswith("datetime64")
    assert "UTC" in str(frame["seen"].dtype)
    assert [str(frame[name].dtype) for name in ("count", "yes", "ratio")] == ["Int64", "boolean", "Float64"]
    assert frame["amount@formatted"].tolist() == ["€10.25", None]


def test_rows_of_a_frame_are_the_rows_that_it_was_made_of() -> None:
    for found, row in zip(rows_of(pandas.DataFrame(ROWS)), ROWS, strict=True):
        assert {name: found[name] for name in row if name != "seen"} == {
            name: row[name] for name in row if name != "seen"
        }
        assert (found["seen"] is None) == (row["seen"] is None)


def test_a_frame_goes_in_and_comes_out_through_the_service(client: Any) -> None:
    mark = new_id()[:8]
    frame = pandas.DataFrame(
        {"lastname": [f"{mark} a", f"{mark} b"], "annualincome": [Decimal("1.25"), None]}
    )
    assert client.bulk.create("contact", frame).done == 2
    query = client.query("contact").where(col("lastname").startswith(mark)).order_by("lastname")
    assert query.to_pandas()["annualincome"].tolist() == [Decimal("1.25"), None]
    assert query.where(col("lastname") == "nobody").to_pandas().empty
