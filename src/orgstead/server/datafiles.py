"""Files of data management as the engine reads them: opened once, and left open between two pieces of a job."""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import BinaryIO, cast

from orgstead.engine.ports import DataMember, DataRow, DataSource
from orgstead.errors import fault
from orgstead.model.content import Content, ContentReader
from orgstead.server.transforms import transformed
from orgstead.wire.finops.files.formats import source_format
from orgstead.wire.finops.files.opening import open_rows
from orgstead.wire.finops.files.package import Package
from orgstead.wire.finops.files.shapes import FileRow

__all__ = ["DataReaders"]

BUFFER = 1024 * 1024
# Files that are left open; more are opened anew, at the row where they were left.
MAX_OPEN = 32


class _Reading:
    """An opened file of rows, and the number of the last row that was read."""

    def __init__(self, source: DataSource) -> None:
        self.stack = ExitStack()
        self.at = 0
        try:
            self._open(source)
        except BaseException:
            self.stack.close()
            raise

    def _open(self, source: DataSource) -> None:
        form = source_format(source.format)
        file = cast(BinaryIO, self.stack.enter_context(_opened(source.content)))
        if source.member is not None:
            package = self.stack.enter_context(Package(file))
            entity = next((each for each in package.manifest.entities if each.file == source.member), None)
            if entity is None:
                raise fault("DataPackageInvalid", reason=f"{source.member[:100]!r} is missing")
            file = cast(BinaryIO, self.stack.enter_context(package.open(entity)))
            if entity.sheet:
                form = replace(form, sheet=entity.sheet)
        if source.style:
            if form.kind != "xml":
                raise fault("DataFormatUnsupported", feature=f"A transformation of the format {form.name}")
            file = cast(
                BinaryIO, self.stack.enter_context(transformed(file, source.style.encode("utf-8", "replace")))
            )
        found = open_rows(file, form)
        self.columns = found.columns
        self._rows: Iterator[FileRow] = iter(found)

    def read(self, after: int, limit: int) -> list[FileRow]:
        """The next rows behind a row."""
        while self.at < after:
            skipped = next(self._rows, None)
            if skipped is None:
                return []
            self.at = skipped.number
        rows = list(islice(self._rows, limit))
        if rows:
            self.at = rows[-1].number
        return rows


class DataReaders:
    """Reads files of data management; see ``engine.ports.DataFiles``."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Reading] = OrderedDict()
        self._lock = threading.Lock()

    def members(self, content: Content) -> Sequence[DataMember]:
        """The files of a data package, in the order in which they are worked on."""
        with _opened(content) as file, Package(cast(BinaryIO, file)) as package:
            return [each for each in package.manifest.entities if not each.disabled]

    def read(
        self, source: DataSource, after: int, limit: int
    ) -> tuple[Sequence[str] | None, Sequence[DataRow]]:
        """Some rows behind the row ``after``."""
        with self._lock:
            reading = self._open.pop(source.key, None)
        if reading is not None and reading.at != after:
            # What was read last has been given up with its transaction.
            reading.stack.close()
            reading = None
        if reading is None:
            reading = _Reading(source)
        try:
            rows = reading.read(after, limit)
        except BaseException:
            reading.stack.close()
            raise
        with self._lock:
            self._open[source.key] = reading
            _, oldest = self._open.popitem(last=False) if len(self._open) > MAX_OPEN else ("", None)
        if oldest is not None:
            oldest.stack.close()
        return reading.columns, rows

    def leave(self, key: str) -> None:
        """Read no more of the sources whose keys begin like this."""
        with self._lock:
            found = [self._open.pop(each) for each in list(self._open) if each.startswith(key)]
        for reading in found:
            reading.stack.close()


def _opened(content: Content) -> io.BufferedReader:
    return io.BufferedReader(ContentReader(content), BUFFER)
