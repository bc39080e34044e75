"""XML files: rows out of elements, one record in memory at a time.

The outermost element holds records. In the element style a record's values are elements of it, in the attribute style
its attributes. Records in records make a composite file: every record is a row that knows the row it stands in.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/develop-composite-data-entities
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, BinaryIO, cast

from lxml import etree

from orgstead.errors import fault
from orgstead.wire.finops.files.formats import SourceFormat
from orgstead.wire.finops.files.shapes import LIMITS, Cell, FileRow, FileRows, Limits

__all__ = ["Element", "local_name", "picked", "prolog", "read_xml"]

CHUNK = 65536
XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"
Element = etree._Element
# Nothing is fetched, and nothing is expanded; the parser's own limits hold.
SAFELY: Mapping[str, Any] = {
    "resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False,
    "remove_comments": True, "remove_pis": True, "collect_ids": False,
}  # fmt: skip

_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"\xef\xbb\xbf": "utf-8"}
_DECLARED = re.compile(r"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ENCODINGS = frozenset({"utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "windows-1252"})
_FIRST = re.compile("<[^?!]")


def prolog(first: bytes) -> None:
    """Look at the beginning of a document. Raises DataFileEmpty, DataFileEncoding, DataFileMalformed for a DOCTYPE.

    A document type can stand only before the first element; what declares entities is refused before it is parsed.
    """
    if not first.strip():
        raise fault("DataFileEmpty")
    bom = next((mark for mark in _BOMS if first.startswith(mark)), b"")
    # Text in which what is asked below can be found, whatever the characters of the values are.
    text = first[len(bom) :].decode(_BOMS.get(bom, "latin-1"), "replace")
    if "\0" in text[:100]:
        raise fault("DataFileEncoding", encoding="Unicode (UTF-16)", reason="it has no byte order mark")
    declared = _DECLARED.match(text.lstrip())
    if declared and declared[1].lower() not in _ENCODINGS:
        raise fault("DataFileEncoding", encoding=declared[1], reason="this encoding is not supported")
    start = _FIRST.search(text)
    if "<!doctype" in text[: start.start() if start else len(text)].lower():
        raise fault("DataFileMalformed", reason="a document type is not allowed")
    if start is None:
        raise fault("DataFileMalformed", reason=f"no element in its first {len(first)} bytes")


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def read_xml(file: BinaryIO, form: SourceFormat, limits: Limits = LIMITS) -> FileRows:
    """The rows of an XML file in document order, a record before those in it.

    Raises DataFileEmpty, DataFileEncoding, DataFileMalformed, DataFileTooLarge; but for the first two, while rows are
    read.
    """
    first = file.read(CHUNK)
    prolog(first)
    return FileRows(
        columns=None, rows=_rows(chain((first,), iter(lambda: file.read(CHUNK), b"")), form, limits)
    )


def _rows(chunks: Iterator[bytes], form: SourceFormat, limits: Limits) -> Iterator[FileRow]:
    count = 0
    for record in _records(chunks, limits):
        for row in _flat(record, 0, count, form, limits):
            count += 1
            yield row


def pulled(chunks: Iterator[bytes]) -> Iterator[tuple[bool, Element]]:
    """The elements of a document, each when it begins (true) and when it has ended. Raises DataFileMalformed."""
    parser = etree.XMLPullParser(events=("start", "end"), **SAFELY)
    for events in _fed(parser, chunks):
        for event, element in events:
            # No other kind of event was asked for.
            yield event == "start", cast(Element, element)


def picked(chunks: Iterator[bytes], names: Iterable[str], most: int) -> Iterator[Element]:
    """The elements of these local names, each when it has ended, and gone when the next is asked for.

    Raises DataFileMalformed, and DataFileTooLarge where more than ``most`` bytes hold none of them.
    """
    parser = etree.XMLPullParser(events=("end",), tag=[f"{{*}}{name}" for name in names], **SAFELY)
    left = most
    for events in _fed(parser, chunks):
        left = most if events else left - CHUNK
        if left < 0:
            raise fault("DataFileTooLarge", limit=f"{most} bytes of one element")
        for _, found in events:
            element = cast(Element, found)
            yield element
            element.clear()
            parent = element.getparent()
            if parent is not None:
                parent.remove(element)


def _fed(parser: etree.XMLPullParser, chunks: Iterator[bytes]) -> Iterator[list[Any]]:
    """What a parser has to tell after each part of a document. Raises DataFileMalformed."""
    for chunk in chain(chunks, (b"",)):
        try:
            parser.feed(chunk) if chunk else parser.close()
            events = list(parser.read_events())
        except (etree.XMLSyntaxError, ValueError) as error:
            reason = str(getattr(error, "msg", None) or error)[:200].rstrip(".")
            raise fault("DataFileMalformed", reason=reason) from None
        yield events


def _records(chunks: Iterator[bytes], limits: Limits) -> Iterator[Element]:
    depth = elements = 0
    root: Element | None = None
    for begins, element in pulled(chunks):
        if begins:
            root = element if root is None else root
            depth, elements = depth + 1, elements + 1
            if depth > limits.depth:
                raise fault("DataFileTooLarge", limit=f"{limits.depth} levels of elements")
            if elements > limits.elements:
                raise fault("DataFileTooLarge", limit=f"{limits.elements} elements of one record")
            continue
        depth -= 1
        if depth <= 1 and root is not None:
            # What stands between records that are gone has become text of the root.
            _no_text(root.text)
            root.text = None
        if depth == 1:
            yield element
            elements = 0
            _no_text(element.tail)
            parent = element.getparent()
            if parent is not None:
                parent.remove(element)


def _no_text(text: str | None) -> None:
    if text is not None and text.strip():
        raise fault("DataFileMalformed", reason="text between the records")


def _flat(record: Element, parent: int, before: int, form: SourceFormat, limits: Limits) -> Iterator[FileRow]:
    """A record and those in it; ``before`` is the number of the last row."""
    values: dict[str, Cell] = {}
    problems: list[str] = []
    inner: list[Element] = []
    for name, value in record.attrib.items():
        plain = str(name).rpartition("}")[2]
        if form.style == "attribute":
            _put(values, problems, plain, str(value), limits)
        else:
            problems.append(f"{plain}: an attribute, and the values of this format are elements")
    if (record.text or "").strip():
        problems.append("text beside the elements")
    for child in record:
        if (child.tail or "").strip():
            problems.append("text beside the elements")
        if form.style == "attribute" or len(child):
            inner.append(child)
        else:
            nil = child.get(NIL) in ("true", "1")
            _put(values, problems, local_name(child), None if nil else child.text or "", limits)
            problems.extend(f"{local_name(child)}: it has attributes" for name in child.attrib if name != NIL)
    number = before + 1
    yield FileRow(
        number=number,
        values=values,
        problems=tuple(dict.fromkeys(problems)),
        element=local_name(record),
        parent=parent,
    )
    for child in inner:
        for row in _flat(child, number, before + 1, form, limits):
            before += 1
            yield row


def _put(values: dict[str, Cell], problems: list[str], name: str, value: str | None, limits: Limits) -> None:
    if name in values:
        problems.append(f"{name[:100]} is there twice")
    elif value is not None and len(value) > limits.cell:
        problems.append(f"{name[:100]}: more than {limits.cell} characters")
    elif len(values) >= limits.columns:
        raise fault("DataFileTooLarge", limit=f"{limits.columns} columns")
    else:
        values[name] = value
