"""Parquet: read and written in groups of rows by pyarrow, decimals as decimal128, times in UTC. Extra ``arrow``."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from orgstead.transfer.csv_files import text_of
from orgstead.transfer.formats import Sketch, SourceRow
from orgstead.transfer.problems import FileProblem

__all__ = ["ParquetReader", "ParquetWriter"]

GROUP = 10_000
# Money has up to 10 decimal places, decimals too: https://learn.microsoft.com/power-apps/maker/data-platform/types-of-fields
DIGITS, PLACES = 38, 10
NEEDS = "Parquet needs the extra arrow: pip install 'orgstead[arrow]'"


class ParquetReader:
    """A Parquet file; its rows count from 1."""

    unit = "row"

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
            import pyarrow.parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise FileProblem(NEEDS) from None
        try:
            self._file = pyarrow.parquet.ParquetFile(str(path))
        except (pyarrow.ArrowException, OSError) as error:
            raise FileProblem(f"{path.name} cannot be read as Parquet: {error}") from None
        self._failures = pyarrow.ArrowException
        self._name = path.name
        self._number = 0
        self._total: int = max(self._file.metadata.num_rows, 1)
        self.headers: Sequence[str] = list(self._file.schema_arrow.names)
        if len(set(self.headers)) < len(self.headers):
            raise FileProblem(f"{path.name} has two columns of one name")

    def rows(self) -> Iterator[SourceRow]:
        """Every row, a group in memory at a time."""
        try:
            for batch in self._file.iter_batches(batch_size=GROUP):
                for row in batch.to_pylist():
                    self._number += 1
                    yield SourceRow(number=self._number, cells=row)
        except self._failures as error:
            raise FileProblem(f"{self._name}, after row {self._number}: {error}") from None

    @property
    def share(self) -> float:
        """By rows."""
        return min(self._number / float(self._total), 1.0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetWriter:
    """A Parquet file, compressed, a group of rows at a time."""

    resumable = False

    def __init__(self, path: Path, columns: Sequence[Sketch]) -> None:
        try:
            import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]
            import pyarrow.parquet  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise FileProblem(NEEDS) from None
        self._arrow = pyarrow
        types = {
            "text": pyarrow.string(),
            "int": pyarrow.int64(),
            "bool": pyarrow.bool_(),
            "float": pyarrow.float64(),
            "decimal": pyarrow.decimal128(DIGITS, PLACES),
            "time": pyarrow.timestamp("us", tz="UTC"),
            "date": pyarrow.date32(),
        }
        self._columns = columns
        self._schema = pyarrow.schema([(each.header, types[each.kind]) for each in columns])
        self._file = pyarrow.parquet.ParquetWriter(str(path), self._schema, compression="zstd")
        self._held: list[Sequence[Any]] = []

    def write(self, values: Sequence[Any]) -> None:
        """Keep a row until its group is full. Raises FileProblem for a number with too many digits."""
        self._held.append(values)
        if len(self._held) == GROUP:
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, []
        if not held:
            return
        try:
            arrays = [
                self._arrow.array([_typed(column.kind, value) for value in values], type=field.type)
                for column, field, values in zip(
                    self._columns, self._schema, zip(*held, strict=True), strict=True
                )
            ]
        except (self._arrow.ArrowException, TypeError, ValueError) as error:
            raise FileProblem(f"a value does not fit into Parquet: {error}") from None
        self._file.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def place(self) -> int:
        """Nothing can be written on."""
        return 0

    def close(self) -> None:
        """End the file."""
        try:
            self._flush()
        finally:
            self._file.close()


def _typed(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "text":
        return text_of(value)
    if kind == "decimal":
        return Decimal(value)
    return value
