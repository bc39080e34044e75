"""Bytes of a text file as lines, in the encoding that its first bytes or its format say."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from orgstead.errors import fault
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.shapes import Limits

__all__ = ["Lines", "Prefixed"]

CHUNK = 65536
_UTF32 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8 = b"\xef\xbb\xbf"


class Prefixed(io.RawIOBase):
    """Bytes that were read ahead, and after them the rest of a file, which stays open when this closes."""

    def __init__(self, first: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if self._first:
            taken, self._first = self._first[: len(buffer)], self._first[len(buffer) :]
        else:
            taken = self._rest.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)


class Lines:
    """The lines of a file with their ends, one by one.

    Raises DataFileEmpty when it is made of an empty file; DataFileEncoding and DataFileTooLarge while it is read.
    """

    def __init__(self, file: BinaryIO, form: SourceFormat, limits: Limits) -> None:
        first = file.read(CHUNK)
        self.number = 0
        self._limit = limits.line
        self.encoding = _encoding(first, form)
        raw = io.BufferedReader(Prefixed(first, file), CHUNK)
        self._text = io.TextIOWrapper(raw, encoding=self.encoding, errors="strict", newline="")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._text.readline(self._limit)
        except UnicodeDecodeError as error:
            raise fault(
                "DataFileEncoding",
                encoding=_spoken(self.encoding),
                reason=f"the byte 0x{error.object[error.start]:02x} after line {self.number}: {error.reason}",
            ) from None
        except UnicodeError as error:
            raise fault(
                "DataFileEncoding", encoding=_spoken(self.encoding), reason=str(error)[:100]
            ) from None
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= self._limit:
            raise fault("DataFileTooLarge", limit=f"{self._limit} characters in line {self.number}")
        if "\0" in line:
            raise fault(
                "DataFileEncoding",
                encoding=_spoken(self.encoding),
                reason=f"a null character in line {self.number}; UTF-16 needs a byte order mark",
            )
        return line


def _spoken(encoding: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-16": "Unicode (UTF-16)"}.get(encoding, encoding)


def _encoding(first: bytes, form: SourceFormat) -> str:
    if not first.strip():
        raise fault("DataFileEmpty")
    if first.startswith(_UTF32):
        raise fault("DataFileEncoding", encoding=_spoken(form.encoding), reason="UTF-32 is not supported")
    if first.startswith(_UTF16):
        return "utf-16"
    if form.unicode:
        raise fault("DataFileEncoding", encoding="Unicode (UTF-16)", reason="it has no byte order mark")
    if first.startswith(_UTF8):
        return "utf-8-sig"
    return {"utf-8": "utf-8-sig"}.get(form.encoding.lower(), form.encoding)
