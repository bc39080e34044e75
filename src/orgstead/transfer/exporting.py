"""Tables into files: page by page, under another name until all is there.

Beside a CSV or JSON lines file is kept, after each page, where it stands, and the link to the next page. A link holds
the last row's place in the order, so that what changed meanwhile may be in the file or not, as in any long reading; no
row that stayed as it was is left out or there twice. Workbooks, Parquet and FetchXML begin anew.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from orgstead.client import Client, ConfigurationError, Page
from orgstead.transfer.definition import describe_table
from orgstead.transfer.formats import Writer, format_of
from orgstead.transfer.opening import FileOptions, create_file
from orgstead.transfer.selecting import ExportOptions, Output, selected

__all__ = ["ExportReport", "export_file"]


@dataclass(slots=True, kw_only=True)
class ExportReport:
    """What came of an export."""

    table: str
    file: str
    rows: int = 0
    resumed: bool = False
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        return {name: getattr(self, name) for name in self.__slots__}


class _Standing(msgspec.Struct):
    """Where an export stands: after so many bytes and rows, the rest behind ``link``, of a request ``about``."""

    about: str
    place: int
    rows: int
    link: str


def export_file(
    client: Client,
    table: str,
    path: Path,
    options: ExportOptions,
    *,
    progress: Callable[[ExportReport], Any] | None = None,
) -> ExportReport:
    """Export rows into a file, which appears under its name when it is whole.

    Raises FileProblem for what the format cannot hold, ConfigurationError for columns that are none and for a file that
    is there already, and what requests raise; after those it can be resumed.
    """
    kind = format_of(path, options.file.format)
    if path.exists() and not options.force:
        raise ConfigurationError(f"{path} is there already: --force replaces it")
    begun = time.monotonic()
    definition = describe_table(client, table)
    report = ExportReport(table=definition.name, file=str(path))
    outputs, pages = selected(client, definition, options)
    part = path.with_name(f"{path.name}.part")
    standing = _Resumption(path.with_name(f"{path.name}.export-state"), part)
    about = msgspec.json.encode(
        [client.url, kind, [str(each) for each in outputs], pages.first, str(options.file)]
    )
    kept = standing.read(about.decode()) if options.resume and pages.first else None
    if kept is not None:
        report.resumed, report.rows = True, kept.rows
    file = options.file
    if file.delimiter is None and path.suffix.lower() == ".tsv":
        file = FileOptions(format=file.format, delimiter="\t", guard=file.guard, bom=file.bom)
    sketches = [each.sketch for each in outputs]
    writer = create_file(part, kind, sketches, file, place=kept.place if kept else 0, title=definition.name)
    whole = False
    try:
        for page in pages.read(kept.link if kept else pages.first):
            _write(writer, outputs, page)
            report.rows += len(page.rows)
            if writer.resumable and page.next:
                standing.write(
                    _Standing(about=about.decode(), place=writer.place(), rows=report.rows, link=page.next)
                )
            if progress is not None:
                progress(report)
        whole = True
    finally:
        if whole or writer.resumable:
            writer.close()
        else:
            part.unlink(missing_ok=True)  # half a workbook is none
    with part.open("rb+") as finished:
        os.fsync(finished.fileno())
    part.replace(path)
    standing.clear()
    report.seconds = round(time.monotonic() - begun, 3)
    return report


def _write(writer: Writer, outputs: Sequence[Output], page: Page) -> None:
    for record in page.rows:
        writer.write([each.value(record) for each in outputs])


class _Resumption:
    """The file beside a file that is being written."""

    def __init__(self, path: Path, part: Path) -> None:
        self._path = path
        self._part = part

    def read(self, about: str) -> _Standing | None:
        """Where an export of the same stands, if there is one to go on with."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Standing)
            size = self._part.stat().st_size
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        if kept.about != about or size < kept.place:
            return None
        return kept

    def write(self, standing: _Standing) -> None:
        """Note where it stands; the file is replaced as a whole."""
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        part.write_bytes(msgspec.json.encode(standing))
        part.replace(self._path)

    def clear(self) -> None:
        """Forget it."""
        self._path.unlink(missing_ok=True)
