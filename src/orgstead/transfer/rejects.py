"""The rows that were refused, in a file beside the source: with the reasons before their own columns.

It can be corrected and imported as it is: reading passes over the reasons.
"""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from orgstead.client.values import decode, encode, plain
from orgstead.transfer.csv_files import MAX_CELL, guarded, text_of
from orgstead.transfer.formats import SourceRow
from orgstead.transfer.mapping import REASONS

__all__ = ["Rejects"]


class Rejects:
    """Writes rows as JSON lines where ``headers`` is None, else as CSV. There is no file as long as there is no row.

    ``guard`` keeps texts from being formulas, as CSV files are written otherwise.
    """

    def __init__(
        self, path: Path, headers: Sequence[str] | None, delimiter: str, *, guard: bool = True
    ) -> None:
        self.path = path
        self.count = 0
        self._headers = None if headers is None else [each for each in headers if each not in REASONS]
        self._delimiter = delimiter
        self._guard = guard
        self._file: TextIO | None = None

    def begin(self, through: int | None = None) -> None:
        """Forget what an earlier run wrote, but for rows up to the one with the number ``through``."""
        if not self.path.exists():
            return
        if through is None:
            self.path.unlink()
            return
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with self._open(self.path, "r") as old, self._open(part, "w") as new:
            for number, line in self._numbered(old):
                if number is None or number <= through:
                    new.write(line)
                    self.count += number is not None
        part.replace(self.path)

    def _open(self, path: Path, mode: str) -> TextIO:
        file = path.open(mode, encoding="utf-8", newline="")
        assert not isinstance(file, bytes)
        return file  # type: ignore[return-value]

    def _numbered(self, file: TextIO) -> Iterator[tuple[int | None, str]]:
        """The rows with their numbers, as they are written; the header has none. The last may be half a row."""
        if self._headers is None:
            for line in file:
                if line.endswith("\n"):
                    yield _number(decode(line.encode()).get("_row")), line
            return
        csv.field_size_limit(MAX_CELL)
        taken: list[str] = []

        def noted() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line

        for number, cells in enumerate(csv.reader(noted(), delimiter=self._delimiter)):
            text = "".join(taken)
            taken.clear()
            if text.endswith("\n") and cells:
                yield (_number(cells[0]) if number else None), text

    def add(self, source: SourceRow, column: str, reason: str) -> None:
        """Write a row, at once to the file, before anybody notes that it is through.

        One that has not as many cells as the header keeps those that it has, so that it is not taken for a whole one.
        """
        number, cells = source.number, source.cells
        file = self._file
        if file is None:
            file = self._file = self._open(self.path, "a")
            if self._headers is not None and file.tell() == 0:
                csv.writer(file, delimiter=self._delimiter).writerow([*REASONS, *self._headers])
        if self._headers is None:
            own = {name: _shown(value) for name, value in cells.items() if name not in REASONS}
            file.write(encode({"_row": number, "_column": column, "_reason": reason, **own}).decode() + "\n")
        else:
            held = (
                self._headers if source.problem is None else [each for each in self._headers if each in cells]
            )
            texts = [column, reason, *map(text_of, (*(cells.get(name) for name in held), *source.rest))]
            if self._guard:
                texts = list(map(guarded, texts))
            csv.writer(file, delimiter=self._delimiter).writerow([number, *texts])
        file.flush()
        self.count += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _number(value: Any) -> int:
    """The number of a row; what was changed since by hand and has none is not kept."""
    return int(value) if str(value).isdigit() else sys.maxsize


def _shown(value: Any) -> Any:
    try:
        return plain(value, choices=False)
    except ValueError:
        return str(value)
