"""Files of data management as the engine reads them: opened once, and left open between two pieces of a job."""

import io
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import IO, Any, BinaryIO, cast

from orgstead.engine.ports import DataMember, DataRow, DataSource, DataTarget
from orgstead.errors import fault
from orgstead.model.content import Content, ContentReader
from orgstead.model.dataentities import DataField
from orgstead.server.transforms import transformed
from orgstead.wire.finops.files.formats import source_format
from orgstead.wire.finops.files.manifest import FieldMap, Manifest, PackageEntity
from orgstead.wire.finops.files.opening import open_rows, open_writer
from orgstead.wire.finops.files.package import Package, write_package
from orgstead.wire.finops.files.shapes import Cell, FileRow

__all__ = ["DataFileStore"]

BUFFER = 1024 * 1024
PIECE_BYTES = 4 * 1024 * 1024
# Rows are taken in batches until they are enough, or have so many characters together.
BATCH = 100
MAX_CHARACTERS = 16 * 1024 * 1024
# Files that are left open; more are opened anew, at the row where they were left.
MAX_OPEN = 32


class _Reading:
    """An opened file of rows, and the number of the last row that was read."""

    def __init__(self, source: DataSource) -> None:
        self.stack = ExitStack()
        self.at = 0
        self.more = True
        self._fields: Mapping[str, str] = {}
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
            self._fields = {
                each.column.casefold(): each.field
                for each in entity.fields
                if each.column and each.column.casefold() != each.field.casefold()
            }
        if source.style:
            if form.kind != "xml":
                raise fault("DataFormatUnsupported", feature=f"A transformation of the format {form.name}")
            file = cast(
                BinaryIO, self.stack.enter_context(transformed(file, source.style.encode("utf-8", "replace")))
            )
        found = open_rows(file, form)
        self.columns = found.columns if found.columns is None else tuple(map(self._named, found.columns))
        self._rows: Iterator[FileRow] = iter(found)
        self._nested = form.kind == "xml"

    def _named(self, column: str) -> str:
        """A column as the manifest of a package maps it."""
        return self._fields.get(column.casefold(), column)

    def read(self, after: int, limit: int) -> list[FileRow]:
        """The next rows behind a row; ``more`` says whether there may be others."""
        while self.at < after:
            skipped = next(self._rows, None)
            if skipped is None:
                self.more = False
                return []
            self.at = skipped.number
        rows: list[FileRow] = []
        size = 0
        while len(rows) < limit and size < MAX_CHARACTERS:
            some = list(islice(self._rows, min(BATCH, limit - len(rows))))
            if not some:
                self.more = False
                break
            rows += some
            size += sum(len(cell) for row in some for cell in row.values.values() if cell.__class__ is str)
        if self._nested and any(row.parent for row in rows):
            raise fault("DataFormatUnsupported", feature="A file of a composite entity")
        if self._fields:
            rows = [
                row._replace(values={self._named(name): value for name, value in row.values.items()})
                for row in rows
            ]
        if rows:
            self.at = rows[-1].number
        return rows


class _Writing:
    """A file of rows that is being written, on the disk unless it is small."""

    def __init__(self, target: DataTarget) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(BUFFER)  # noqa: SIM115 - closed by whoever gives it up
        self.count = 0
        name = target.entity.target or target.entity.name
        self._writer = open_writer(
            cast(BinaryIO, self.file), source_format(target.format), target.columns, name.upper()
        )
        self._cells = [_cell(field) for field in target.fields]

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows."""
        for row in rows:
            self._writer.write(
                [None if v is None else c(v) if c else v for c, v in zip(self._cells, row, strict=True)]
            )
        self.count += len(rows)

    def end(self) -> IO[bytes]:
        """The whole file, at its beginning."""
        self._writer.close()
        self.file.seek(0)
        return self.file


def _cell(field: DataField) -> Callable[[Any], Cell] | None:
    """What makes a cell of a canonical value; None when it is one."""
    if field.kind == "Enum" and field.enum is not None:
        names = {each.value: each.name for each in field.enum.members}
        return lambda value: names.get(value, str(value))
    if field.kind == "Date":
        return date.fromisoformat
    if field.kind == "DateTime":
        return lambda value: datetime.fromisoformat(value).replace(tzinfo=None)
    return None


class DataFileStore:
    """Reads and writes files of data management; see ``engine.ports.DataFiles``."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Reading] = OrderedDict()
        self._written: dict[str, dict[int, _Writing]] = {}
        self._lock = threading.Lock()

    def members(self, content: Content) -> Sequence[DataMember]:
        """The files of a data package, in the order in which they are worked on."""
        with _opened(content) as file, Package(cast(BinaryIO, file)) as package:
            return [each for each in package.manifest.entities if not each.disabled]

    def read(
        self, source: DataSource, after: int, limit: int
    ) -> tuple[Sequence[str] | None, Sequence[DataRow], bool]:
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
        return reading.columns, rows, reading.more

    def write(self, key: str, place: int, target: DataTarget, at: int, rows: Sequence[Sequence[Any]]) -> bool:
        """Write rows to a file of a package that is being made; False when what was written before is not here."""
        with self._lock:
            files = self._written.setdefault(key, {})
            writing = files.get(place)
            if at == 0:
                if writing is not None:
                    writing.file.close()
                writing = files[place] = _Writing(target)
        if writing is None or writing.count != at:
            return False
        writing.write(rows)
        return True

    def package(self, key: str, project: str, targets: Sequence[DataTarget]) -> Iterator[bytes] | None:
        """The data package of the files that have been written."""
        with self._lock:
            files = self._written.get(key, {})
        if set(files) != set(range(len(targets))):
            return None
        return self._packed(key, project, targets, files)

    def _packed(
        self, key: str, project: str, targets: Sequence[DataTarget], files: Mapping[int, _Writing]
    ) -> Iterator[bytes]:
        entities = tuple(
            PackageEntity(
                name=target.entity.label,
                file=target.file,
                source_format=target.format,
                sequence=place,
                fields=tuple(
                    FieldMap(column=column, field=field.name)
                    for column, field in zip(target.columns, target.fields, strict=True)
                ),
            )
            for place, target in enumerate(targets, 1)
        )
        with tempfile.SpooledTemporaryFile(BUFFER) as package:
            write_package(
                cast(BinaryIO, package),
                Manifest(project=project, entities=entities),
                [(target.file, partial(_copy, files[place])) for place, target in enumerate(targets)],
            )
            package.seek(0)
            while piece := package.read(PIECE_BYTES):
                yield piece
        self.leave(key)

    def listing(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """A delimited file of texts, a piece at a time."""
        with tempfile.SpooledTemporaryFile(BUFFER) as file:
            writer = open_writer(cast(BinaryIO, file), source_format("CSV"), columns, "")
            for row in rows:
                writer.write(row)
            writer.close()
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece

    def leave(self, key: str) -> None:
        """Read no more of the sources whose keys begin like this, and give up what is written under it."""
        with self._lock:
            found = [self._open.pop(each) for each in list(self._open) if each.startswith(key)]
            written = self._written.pop(key, {})
        for reading in found:
            reading.stack.close()
        for writing in written.values():
            writing.file.close()


def _copy(writing: _Writing, member: IO[bytes]) -> None:
    shutil.copyfileobj(writing.end(), member, BUFFER)


def _opened(content: Content) -> io.BufferedReader:
    return io.BufferedReader(ContentReader(content), BUFFER)
