"""Reading XML that a stranger sent: bounded, without document types, without anything fetched.

https://lxml.de/FAQ.html#how-do-i-use-lxml-safely-as-a-web-service-endpoint
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lxml import etree

from orgstead.errors import Fault, fault
from orgstead.wire.soap.contracts import NAMESPACES, TypeName, find_type

__all__ = [
    "NIL",
    "XSI",
    "Element",
    "children",
    "escape",
    "escape_all",
    "is_nil",
    "local",
    "malformed",
    "parse",
    "stated_type",
]

MAX_DEPTH = 100
# A thousand rows with every column of the widest table.
MAX_ELEMENTS = 1_500_000
# Of one element, declarations of namespaces not counted.
MAX_ATTRIBUTES = 32
# Names of types are looked up among them.
MAX_NAMESPACES = 64
XSI = "http://www.w3.org/2001/XMLSchema-instance"
NIL = f"{{{XSI}}}nil"
TYPE = f"{{{XSI}}}type"

Element = etree._Element
_AWKWARD_ONES = "&<>\r\x01-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_AWKWARD = re.compile(f"[\0{_AWKWARD_ONES}]")
_AWKWARD_NOT_ZERO = re.compile(f"[{_AWKWARD_ONES}]")
_AWKWARD_BYTES = bytes(each for each in range(1, 128) if _AWKWARD_NOT_ZERO.match(chr(each)))
_DEEP = etree.XPath(f"boolean({'/*' * (MAX_DEPTH + 1)})")
_WIDE = etree.XPath(f"boolean(//*[count(@*) > {MAX_ATTRIBUTES}])")
_NUMBER = etree.XPath("count(//*)")
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def malformed(reason: str) -> Fault:
    """The fault of a message that is none."""
    return fault("SoapMalformed", reason=reason)


def parse(body: bytes) -> Element:
    """The root of a document. Raises SoapMalformed, QueryTooComplex."""
    if body.count(b"<") > 2 * MAX_ELEMENTS:
        raise fault("QueryTooComplex", limit=f"{MAX_ELEMENTS} elements of a message")
    if _DOCTYPE.search(body):
        raise malformed("a document type is not allowed")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=len(body) > 10_000_000,
        remove_comments=True, remove_pis=True, collect_ids=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise malformed(str(error)[:200]) from None
    info: Any = root.getroottree().docinfo
    if info.doctype:
        # In an encoding in which it could not be seen before.
        raise malformed("a document type is not allowed")
    _check(root)
    return root


def _check(root: Element) -> None:
    """Raise QueryTooComplex for what is too deep or too wide to be worked on in reasonable time."""
    if _DEEP(root):
        raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of elements")
    if _WIDE(root):
        raise fault("QueryTooComplex", limit=f"{MAX_ATTRIBUTES} attributes of an element")
    if float(str(_NUMBER(root))) > MAX_ELEMENTS:
        raise fault("QueryTooComplex", limit=f"{MAX_ELEMENTS} elements of a message")
    known = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        known += 1 if event == "start-ns" else -1
        if known > MAX_NAMESPACES:
            raise fault("QueryTooComplex", limit=f"{MAX_NAMESPACES} namespaces at once")


def children(element: Element) -> Iterator[Element]:
    """The elements in an element; raises SoapMalformed for text beside them."""
    if (element.text or "").strip():
        raise malformed(f"text in <{local(element)}>")
    for child in element:
        if (child.tail or "").strip():
            raise malformed(f"text in <{local(element)}>")
        yield child


def local(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2][:100]


def is_nil(element: Element) -> bool:
    """Whether an element says that there is no value."""
    return element.get(NIL) in ("true", "1")


def stated_type(element: Element) -> TypeName | None:
    """The type that an element states by xsi:type; None when it states none. Raises SoapMalformed for no type."""
    name = element.get(TYPE)
    if name is None:
        return None
    prefix, _, plain = name.strip().rpartition(":")
    uri = element.nsmap.get(prefix or None)
    found = find_type(uri, plain) if uri is not None else None
    if found is None:
        raise malformed(f"{name[:100]} is no type of this service")
    return found


def namespace(prefix: str) -> str:
    """The namespace behind a prefix of the table of contracts."""
    return NAMESPACES[prefix]


def escape(text: str) -> str:
    """Text between tags. What XML has no character for stands as a reference, as .NET writes and reads it."""
    return _AWKWARD.sub(_reference, text) if _AWKWARD.search(text) else text


def escape_all(texts: Sequence[str]) -> Sequence[str]:
    """Many texts as ``escape`` makes them, looked at together."""
    whole = "\0".join(texts)
    if whole.count("\0") != len(texts) - 1:
        return list(map(escape, texts))
    if whole.isascii() and len(whole.encode().translate(None, _AWKWARD_BYTES)) == len(whole):
        return texts
    return _AWKWARD_NOT_ZERO.sub(_reference, whole).split("\0") if _AWKWARD_NOT_ZERO.search(whole) else texts


def _reference(match: "re.Match[str]") -> str:
    character = match[0]
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return _ENTITIES.get(character) or f"&#x{ord(character):X};"
