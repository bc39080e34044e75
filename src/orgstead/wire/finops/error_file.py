"""The error file of a message: its wrong rows as a delimited file that can be mended and sent again."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.wire.finops.files.delimited import DelimitedWriter
from orgstead.wire.finops.files.formats import source_format
from orgstead.wire.finops.files.shapes import Cell

__all__ = ["error_columns", "error_lines"]

FIRST = ("Entity", "RowNumber", "ErrorMessage")


def error_columns(page: Mapping[str, Any]) -> list[str]:
    """The columns of the file, by its first page: a row's own, or one for all of them where entities differ."""
    if page["Several"]:
        return ["Values"]
    return list(dict.fromkeys(name for *_, values in page["Rows"] for name in values))


def error_lines(page: Mapping[str, Any], columns: Sequence[str], *, first: bool) -> bytes:
    """The lines of a page. What a row has beyond the columns stands behind its reason."""
    file = io.BytesIO()
    writer = DelimitedWriter(file, source_format("CSV"), [*FIRST, *columns])
    if not first:
        file.seek(0)
        file.truncate()
    for reason in page["Whole"]:
        writer.write(["", 0, reason, *[""] * len(columns)])
    for entity, number, reason, values in page["Rows"]:
        cells: list[Cell] = [values.get(name) for name in columns]
        if page["Several"]:
            cells = [json.dumps(values, ensure_ascii=False)]
        elif more := {name: value for name, value in values.items() if name not in columns}:
            reason = f"{reason} ({json.dumps(more, ensure_ascii=False)})"
        writer.write([entity, number, reason, *cells])
    writer.close()
    return file.getvalue()
