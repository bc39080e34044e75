"""Data frames: pages of rows as columns, and the rows of frames. The packages are extras, imported when asked for.

Money and decimals stay decimals: ``Decimal`` objects in pandas, ``Decimal`` and ``decimal128`` columns in polars and
arrow. Times are in UTC, ids are text. A column is there when any row has it; where a row has none it is null.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from orgstead.client.errors import ConfigurationError
from orgstead.client.record import FORMATTED, Page

__all__ = ["rows_of", "to_arrow", "to_pandas", "to_polars"]

FRAME_ROWS = 10_000


def _columns(pages: Iterable[Page]) -> dict[str, list[Any]]:
    """The values by column, formatted ones under ``column@formatted``."""
    columns: dict[str, list[Any]] = {}
    total = 0
    for page in pages:
        for record in page.rows:
            for name in record:
                columns.setdefault(name, [None] * total).append(record[name])
            for key, text in record.raw.items():
                if key.endswith(FORMATTED):
                    name = f"{key.removesuffix(FORMATTED)}@formatted"
                    columns.setdefault(name, [None] * total).append(text)
            total += 1
            for values in columns.values():
                if len(values) < total:
                    values.append(None)
    return columns


def to_pandas(pages: Iterable[Page]) -> Any:
    """A ``pandas.DataFrame``. Raises ConfigurationError without the extra."""
    try:
        import pandas  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ConfigurationError("data frames of pandas need the extra pandas: orgstead[pandas]") from None
    made = {}
    for name, values in _columns(pages).items():
        kinds = {type(each) for each in values if each is not None}
        if kinds == {datetime}:
            made[name] = pandas.Series(pandas.to_datetime(values, utc=True))
        elif kinds == {int}:
            made[name] = pandas.Series(values, dtype="Int64")
        elif kinds == {bool}:
            made[name] = pandas.Series(values, dtype="boolean")
        elif kinds == {float}:
            made[name] = pandas.Series(values, dtype="Float64")
        else:
            made[name] = pandas.Series(values, dtype="object")
    return pandas.DataFrame(made)


def to_polars(pages: Iterable[Page]) -> Any:
    """A ``polars.DataFrame``. Raises ConfigurationError without the extra."""
    try:
        import polars  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ConfigurationError("data frames of polars need the extra polars: orgstead[polars]") from None
    made = []
    for name, values in _columns(pages).items():
        kinds = {type(each) for each in values if each is not None}
        kind: Any = None
        if kinds == {Decimal}:
            kind = polars.Decimal(38, _scale(values))
        elif kinds == {datetime}:
            kind = polars.Datetime("us", "UTC")
        elif kinds == {date}:
            kind = polars.Date
        made.append(polars.Series(name, values, dtype=kind, strict=kind is None))
    return polars.DataFrame(made)


def to_arrow(pages: Iterable[Page]) -> Any:
    """A ``pyarrow.Table``. Raises ConfigurationError without the extra."""
    try:
        import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ConfigurationError("tables of arrow need the extra arrow: orgstead[arrow]") from None
    made = {}
    for name, values in _columns(pages).items():
        kinds = {type(each) for each in values if each is not None}
        kind: Any = None
        if kinds == {Decimal}:
            kind = pyarrow.decimal128(38, _scale(values))
        elif kinds == {datetime}:
            kind = pyarrow.timestamp("us", tz="UTC")
        made[name] = pyarrow.array(values, type=kind)
    return pyarrow.table(made)


def _scale(values: Iterable[Any]) -> int:
    """The decimal places that hold every value."""
    exponents = (each.as_tuple().exponent for each in values if each is not None)
    return max((-each for each in exponents if isinstance(each, int)), default=0)


def rows_of(source: Any) -> Iterable[Mapping[str, Any]] | Any:
    """The rows of a data frame or table, nulls left as None; anything else is answered as it is.

    Frames of pandas and polars, tables and batches of arrow, and whatever has ``__arrow_c_stream__``.
    """
    if hasattr(source, "iter_rows") and hasattr(source, "lazy"):  # polars
        return source.iter_rows(named=True)
    if hasattr(source, "itertuples") and hasattr(source, "columns"):  # pandas
        return _of_pandas(source)
    if hasattr(source, "to_batches"):  # pyarrow
        return (row for batch in source.to_batches(max_chunksize=FRAME_ROWS) for row in batch.to_pylist())
    if hasattr(source, "__arrow_c_stream__"):
        try:
            import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise ConfigurationError("this frame is read through the extra arrow: orgstead[arrow]") from None
        reader = pyarrow.RecordBatchReader.from_stream(source)
        return (row for batch in reader for row in batch.to_pylist())
    return source


def _of_pandas(frame: Any) -> Iterator[Mapping[str, Any]]:
    names = [str(each) for each in frame.columns]
    rows = frame.itertuples(index=False, name=None)
    while part := list(islice(rows, FRAME_ROWS)):
        for row in part:
            yield {name: None if _missing(value) else value for name, value in zip(names, row, strict=True)}


def _missing(value: Any) -> bool:
    """Whether it is one of the nulls of pandas: None, NaN, NaT, NA."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    return isinstance(value, float) and value != value
