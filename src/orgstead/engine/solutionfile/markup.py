"""XML of solution files: written in one way, read within bounds, and nothing in it left unread.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from orgstead.engine.solutionfile.archive import bad
from orgstead.errors import Fault, fault

__all__ = [
    "LANGUAGE", "NIL", "Reading", "add", "add_labels", "document", "inner_text", "label_in", "number", "parse",
    "unsupported",
]  # fmt: skip

MAX_DEPTH = 60
MAX_ELEMENTS = 400_000
MAX_TEXT = 200
MAX_LABEL = 4000
# The one language that an organisation has.
LANGUAGE = "1033"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_VERBATIM = frozenset({"fetchxml", "layoutxml"})

ElementTree.register_namespace("xsi", "http://www.w3.org/2001/XMLSchema-instance")


def unsupported(what: str) -> Fault:
    """The fault of something in a solution file that is not taken over."""
    return fault("NotSupported", feature=what[:MAX_TEXT])


# -- writing -----------------------------------------------------------------------------------------------------------
def add(parent: Element, name: str, text: Any = None, **attributes: str) -> Element:
    """A new last child, with its text and attributes."""
    child = SubElement(parent, name, attributes)
    if text is not None:
        child.text = str(int(text) if isinstance(text, bool) else text)
    return child


def add_labels(parent: Element, names: str, name: str, text: str) -> None:
    """A list of labels: one, or none for an empty text."""
    labels = add(parent, names)
    if text:
        add(labels, name, description=text, languagecode=LANGUAGE)


def document(root: Element) -> bytes:
    """A document, indented but for queries and layouts. Raises NotSupported for text that XML cannot hold."""
    _indent(root, "\n")
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    try:
        ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise unsupported("A control character in a text of a solution") from None
    return text


def _indent(element: Element, line: str) -> None:
    if element.tag in _VERBATIM or not len(element):
        return
    element.text = f"{line}  "
    for child in element:
        _indent(child, f"{line}  ")
        child.tail = f"{line}  "
    element[-1].tail = line


# -- reading -----------------------------------------------------------------------------------------------------------
class _Counting(ElementTree.TreeBuilder):
    """Builds a tree that is neither too deep nor too large."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        """Raises SolutionFileTooLarge."""
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise fault("SolutionFileTooLarge", limit=f"{MAX_ELEMENTS} elements, {MAX_DEPTH} deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """The element that ends."""
        self._depth -= 1
        return super().end(tag)


def parse(content: bytes, name: str) -> Element:
    """The root of a document. Raises SolutionFileMalformed, SolutionFileTooLarge."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\x00" in content:
        raise fault("SolutionFileMalformed", name=name)
    parser = ElementTree.XMLParser(target=_Counting())
    try:
        parser.feed(content)
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        raise fault("SolutionFileMalformed", name=name) from None
    if root.tag != "ImportExportXml":
        raise fault("SolutionFileMalformed", name=name)
    return root


def inner_text(element: Element) -> str:
    """What an element holds, as text: a document of its own, or plain text."""
    if len(element) > 1:
        raise bad(f"{element.tag} holds several documents")
    if len(element):
        child = element[0]
        child.tail = None
        return ElementTree.tostring(child, encoding="unicode")
    return element.text or ""


class Reading:
    """An element whose children are taken by name; what nobody takes is refused.

    ``what`` says in faults where it stands.
    """

    def __init__(self, element: Element, what: str) -> None:
        self.element = element
        self.what = what
        self._left: dict[str, Element] = {}
        for child in element:
            if child.tag in self._left:
                raise bad(f"{child.tag} stands twice in {what}")
            self._left[child.tag] = child

    def take(self, name: str) -> Element | None:
        """A child, or None."""
        return self._left.pop(name, None)

    def text(self, name: str, default: str = "") -> str:
        """The text of a child."""
        child = self.take(name)
        if child is None or child.get(NIL) == "true":
            return default
        if len(child):
            raise bad(f"{name} of {self.what} is no text")
        return (child.text or "").strip() or default

    def needed(self, name: str) -> str:
        """The text of a child that must be there."""
        found = self.text(name)
        if not found:
            raise bad(f"{self.what} has no {name}")
        return found

    def flag(self, name: str, default: bool) -> bool:
        """The flag that a child holds."""
        text = self.text(name).lower()
        if text not in ("", "0", "1", "true", "false"):
            raise bad(f"{name} of {self.what} is no flag")
        return text in ("1", "true") if text else default

    def whole(self, name: str) -> int | None:
        """The number that a child holds."""
        text = self.text(name)
        return None if not text else number(text, f"{name} of {self.what}")

    def only(self, name: str, *values: str) -> None:
        """Take a child that may say one of these only, or nothing. Raises NotSupported."""
        text = self.text(name).lower()
        if text and text not in values:
            raise unsupported(f"{name} {text[:40]} of {self.what}")

    def ignore(self, *names: str) -> None:
        """Take children that only repeat what stands elsewhere."""
        for name in names:
            self._left.pop(name, None)

    def labels(self, names: str, name: str, default: str = "") -> str:
        """The label of the organisation's language."""
        child = self.take(names)
        return default if child is None else label_in(child, name, self.what)

    def items(self, name: str, item: str) -> Iterator[Element]:
        """The members of a list."""
        child = self.take(name)
        for each in () if child is None else child:
            if each.tag != item:
                raise unsupported(f"{each.tag} in {name} of {self.what}")
            yield each

    def empty(self, names: Iterable[str]) -> None:
        """Take children that must hold nothing. Raises NotSupported."""
        for name in names:
            child = self.take(name)
            if child is not None and (len(child) or (child.text or "").strip()):
                raise unsupported(f"{name} of {self.what}")

    def finish(self) -> None:
        """Raise NotSupported for a child that nobody took."""
        for name in self._left:
            raise unsupported(f"{name} of {self.what}")

    def known(self, attributes: Mapping[str, frozenset[str] | None]) -> None:
        """Raise NotSupported for an attribute that is not among these, or has another value than these."""
        for name, value in self.element.attrib.items():
            if name not in attributes:
                raise unsupported(f"The attribute {name} of {self.what}")
            allowed = attributes[name]
            if allowed is not None and value not in allowed:
                raise unsupported(f"{name} {value[:40]} of {self.what}")


def number(text: str, what: str) -> int:
    """A whole number of 32 bits in a text; raises SolutionFileInvalid."""
    try:
        value = int(text) if len(text) <= 20 else None
    except ValueError:
        value = None
    if value is None or not -(2**31) <= value < 2**31:
        raise bad(f"{what} is no whole number")
    return value


def label_in(element: Element, name: str, what: str) -> str:
    """The one label in a list of them. Raises NotSupported for a label of another language."""
    found = ""
    for each in element:
        if each.tag != name:
            raise unsupported(f"{each.tag} of {what}")
        if each.get("languagecode", LANGUAGE) != LANGUAGE:
            raise fault("LanguageNotInstalled", code=str(each.get("languagecode"))[:10])
        found = each.get("description", "")
        if len(found) > MAX_LABEL:
            raise bad(f"a label of {what} is longer than {MAX_LABEL} characters")
    return found
