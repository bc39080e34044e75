"""Files into tables: read, checked by the table's definition, and written many at a time, no row twice.

Rows get their ids by their places in the file and a seed that is kept beside it, so that what was under way when an
import was interrupted is sent again under the same ids and is there once.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orgstead.client import BulkResult, Client, ConfigurationError, RowFailure, ServiceError
from orgstead.client.position import row_id
from orgstead.transfer.cells import Bad, is_empty, read_cell
from orgstead.transfer.definition import LOOKUPS, Table, describe_table
from orgstead.transfer.formats import Reader, SourceRow
from orgstead.transfer.journal import Journal, fingerprint
from orgstead.transfer.lookups import Lookups
from orgstead.transfer.mapping import Headings, checked_key, read_map
from orgstead.transfer.opening import FileOptions, open_file
from orgstead.transfer.problems import RowProblem
from orgstead.transfer.rejects import Rejects

__all__ = ["ImportOptions", "ImportReport", "import_file"]

CHUNK = 500
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is imported.

    ``key`` are the columns of the alternate key (or the primary key) that rows are found by to be changed.
    ``map_file`` maps headers to columns. ``zone`` is the time zone of times that name none. ``clear_empty`` lets empty
    cells empty columns. ``skip_read_only`` leaves out columns that cannot be written. ``resume`` goes on with an
    interrupted import, ``restart`` forgets it. ``dry_run`` checks the file and writes no row.
    """

    key: tuple[str, ...] = ()
    map_file: Path | None = None
    zone: ZoneInfo | None = None
    clear_empty: bool = False
    skip_read_only: bool = False
    resume: bool = False
    restart: bool = False
    dry_run: bool = False
    chunk: int = CHUNK
    state: Path | None = None
    rejects: Path | None = None
    file: FileOptions = field(default_factory=FileOptions)


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What came of an import: rows ``read``, ``written`` (``accepted`` by a dry run), ``rejected``.

    ``skipped`` of them an earlier run was through with. ``problems`` are the first that were refused.
    """

    table: str
    file: str
    dry_run: bool = False
    resumed: bool = False
    read: int = 0
    written: int = 0
    rejected: int = 0
    skipped: int = 0
    left_out: list[str] = field(default_factory=list)
    rejects_file: str | None = None
    seconds: float = 0.0
    problems: list[Mapping[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        made = {name: getattr(self, name) for name in self.__slots__}
        made["accepted" if self.dry_run else "written"] = made.pop("written")
        return made


class _Prepared(dict[str, Any]):
    """A row to be sent, which remembers where it came from."""

    __slots__ = ("source",)
    source: SourceRow


class _Refused(RowProblem):
    """A row that is not sent, which remembers where it came from."""

    def __init__(self, problem: RowProblem, source: SourceRow) -> None:
        super().__init__(problem.reason, problem.column)
        self.source = source


def import_file(
    client: Client,
    table: str,
    path: Path,
    options: ImportOptions,
    *,
    progress: Callable[[float, ImportReport], Any] | None = None,
) -> ImportReport:
    """Import a file; ``progress`` is called with the share of it that has been read, and the report as it stands.

    Raises FileProblem for a file that cannot be read, ConfigurationError when an interrupted import stands in the way,
    and what ends bulk operations: TransportError, ThrottledError, ServerError, CredentialError. After those it can be
    resumed.
    """
    with closing(open_file(path, options.file)) as reader:
        return _Import(client, table, path, options, progress, reader).run()


class _Import:
    """One import, from the definition of the table to the report."""

    def __init__(
        self,
        client: Client,
        table: str,
        path: Path,
        options: ImportOptions,
        progress: Callable[[float, ImportReport], Any] | None,
        reader: Reader,
    ) -> None:
        self._client = client
        self._path = path
        self._options = options
        self._progress = progress
        self._reader = reader
        self._table: Table = describe_table(client, table)
        given = read_map(options.map_file) if options.map_file else {}
        self._headings = Headings(self._table, given, skip_read_only=options.skip_read_only)
        if self._reader.headers is not None:
            self._headings.check(self._reader.headers)
        self._key = checked_key(self._table, options.key) if options.key else ()
        self._lookups = Lookups(client)
        state = options.state or path.with_name(f"{path.name}.import-state")
        ending = ".jsonl" if self._reader.headers is None else ".csv"
        # What a dry run finds must not take the place of what an interrupted import has refused.
        word = "problems" if options.dry_run else "rejected"
        refused = options.rejects or path.with_name(f"{path.stem}.{word}{ending}")
        delimiter = getattr(self._reader, "delimiter", ",")
        self._rejects = Rejects(refused, self._reader.headers, delimiter, guard=options.file.guard)
        self._journal = Journal(state)
        self._report = ImportReport(table=self._table.name, file=str(path), dry_run=options.dry_run)
        self._by_id: bool = self._key == (self._table.key,) or self._has_ids()

    def _has_ids(self) -> bool:
        """Whether the file brings ids, by its header or else by its first row: then rows are found by them."""
        headers: Iterable[str] | None = self._reader.headers
        if headers is None:
            with closing(open_file(self._path, self._options.file)) as reader:
                headers = next((row.cells for row in reader.rows()), {})
        for each in headers:
            try:
                found = self._headings.of(each)
            except RowProblem:
                continue
            if found is not None and found.column.name == self._table.key:
                return True
        return False

    def run(self) -> ImportReport:
        begun = time.monotonic()
        report, journal = self._report, self._journal
        try:
            if self._options.dry_run:
                self._rejects.begin()
                self._check()
            elif self._is_through():
                report.resumed, report.rejected = True, journal.rejected
                report.read = report.skipped = journal.done
                report.written = journal.done - journal.rejected
            else:
                self._write()
                journal.finish(self._rejects.count)
        finally:
            self._rejects.close()
        report.left_out = list(self._headings.left_out)
        if report.rejected and self._rejects.path.exists():
            report.rejects_file = str(self._rejects.path)
        report.seconds = round(time.monotonic() - begun, 3)
        return report

    def _is_through(self) -> bool:
        """Whether an earlier run has done all. Raises ConfigurationError for what is resumed and another import."""
        journal, options = self._journal, self._options
        about = fingerprint(
            self._path, self._client.url, self._table.name, self._key, options.zone, options.clear_empty,
            options.skip_read_only, options.file, options.map_file.read_text("utf-8") if options.map_file else "",
        )  # fmt: skip
        if journal.resumed and not options.restart:
            same = journal.about == about
            if options.resume:
                if not same:
                    raise ConfigurationError(
                        f"{journal.path} is of another import (the file, the table or the options differ): "
                        "--restart forgets it, --state names another"
                    )
                self._report.resumed = True
                return journal.finished
            if (
                journal.finished
                and same
                and not (self._by_id or self._key)
                and journal.done > journal.rejected
            ):
                raise ConfigurationError(
                    f"{self._path.name} has been imported, and its rows would be made once more: "
                    "--restart does that, --resume says what came of it"
                )
            if not journal.finished:
                raise ConfigurationError(
                    f"an import of {self._path.name} was interrupted after row {journal.done}: "
                    "--resume goes on with it, --restart begins anew and would double what it made"
                )
        if journal.resumed:
            journal.clear()
            self._journal = journal = Journal(journal.path)
        journal.about = about
        return False

    def _check(self) -> None:
        """Read the whole file, as it would be written."""
        for row in self._prepared(0):
            self._report.read += 1
            if isinstance(row, _Refused):
                self._refuse(row.source, row.column, row.reason)
            else:
                self._report.written += 1
            if self._progress is not None and self._report.read % CHUNK == 0:
                self._progress(self._reader.share, self._report)

    def _write(self) -> None:
        skip = self._journal.done
        if not skip:
            self._rejects.begin()
        bulk, options = self._client.bulk, self._options
        rows = self._prepared(skip)
        common: dict[str, Any] = {
            "chunk": options.chunk,
            "position": self._journal,
            "on_failure": self._failed,
            "progress": self._progressed,
            "strict": False,
        }
        if self._by_id:
            result = bulk.upsert(self._table.name, rows, **common)
        elif self._key:
            result = bulk.upsert(self._table.name, rows, key=self._key, **common)
        else:
            result = bulk.create(self._table.name, rows, **common)
        self._progressed(result)

    def _progressed(self, result: BulkResult) -> None:
        report = self._report
        report.read, report.skipped = result.total, result.skipped
        report.rejected = self._rejects.count
        report.written = result.skipped + result.done + result.failed - report.rejected
        if self._progress is not None:
            self._progress(self._reader.share, report)

    def _failed(self, failure: RowFailure) -> None:
        if isinstance(failure.error, _Refused):
            self._refuse(failure.error.source, failure.error.column, failure.error.reason)
            return
        reason = str(failure.error)
        if isinstance(failure.error, ServiceError):
            reason = f"{failure.error.message} ({failure.error.code or failure.error.status})"
        self._refuse(failure.row.source, "", reason)

    def _refuse(self, source: SourceRow, column: str, reason: str) -> None:
        self._rejects.add(source, column, reason)
        self._report.rejected = self._rejects.count
        if len(self._report.problems) < MAX_SHOWN:
            where = {self._reader.unit: source.number, "column": column or None, "reason": reason}
            self._report.problems.append(where)

    # -- rows ------------------------------------------------------------------------------------------------------

    def _prepared(self, skip: int) -> Iterator[Any]:
        """Every row of the file in its place: one that was written before as None, what is wrong as _Refused."""
        rows = self._reader.rows()
        through = None
        for _ in range(skip):
            source = next(rows, None)
            if source is None:
                break
            through = source.number
            yield None
        if skip:
            self._rejects.begin(through or 0)
        place = skip
        while part := list(islice(rows, CHUNK)):
            self._lookups.prepare(self._named(part))
            for source in part:
                try:
                    made = self._row(source)
                    if self._by_id and self._table.key not in made:
                        made[self._table.key] = row_id(self._journal.seed, place)
                    made.source = source
                    yield made
                except RowProblem as problem:
                    yield _Refused(problem, source)
                place += 1

    def _named(self, part: list[SourceRow]) -> Iterator[tuple[Any, Any]]:
        """The cells of lookups."""
        for source in part:
            if source.problem is not None:
                continue
            for header, cell in source.cells.items():
                try:
                    heading = self._headings.of(header)
                except RowProblem:
                    break
                if heading is not None and heading.column.type in LOOKUPS:
                    cell = _replaced(heading.values, cell)
                    if not is_empty(cell):
                        yield heading.column, cell

    def _row(self, source: SourceRow) -> _Prepared:
        if source.problem is not None:
            raise source.problem
        made = _Prepared()
        for header, cell in source.cells.items():
            heading = self._headings.of(header)
            if heading is None:
                continue
            column = heading.column
            cell = _replaced(heading.values, cell)
            try:
                if is_empty(cell):
                    if (
                        self._options.clear_empty
                        and column.update
                        and column.name not in (*self._key, self._table.key)
                    ):
                        for name in dict.fromkeys(column.targets.values()) or (column.name,):
                            made[name] = None
                elif column.type in LOOKUPS:
                    name, ref = self._lookups.bound(column, cell)
                    made[name] = ref
                else:
                    made[column.name] = read_cell(column, cell, self._options.zone)
            except Bad as bad:
                raise RowProblem(str(bad), header) from None
        if not made:
            raise RowProblem("the row is empty")
        if not self._by_id and self._table.key in made:
            raise RowProblem(
                "this row has an id, and the first had none: --key says how rows are found", self._table.key
            )
        return made


def _replaced(values: Mapping[str, Any], cell: Any) -> Any:
    if values and isinstance(cell, str | int | float):
        return values.get(str(cell).strip().casefold(), cell)
    return cell
