"""The elements of FetchXML: reading the text safely, and what attributes each element may have.

https://learn.microsoft.com/power-apps/developer/data-platform/fetchxml/reference/
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lxml import etree

from orgstead.errors import fault

__all__ = ["Element", "children", "flag", "has", "needed", "read", "whole"]

MAX_CHARS = 131_072
MAX_DEPTH = 40

Element = etree._Element

# What is accepted and changes no answer: hints for one database engine, marks of designers, older spellings.
_NO_EFFECT: Mapping[str, frozenset[str]] = {
    "fetch": frozenset({"version", "output-format", "mapping", "no-lock", "latematerialize", "options"}),
    "entity": frozenset({"enableprefiltering", "prefilterparametername"}),
    "attribute": frozenset({"build", "addedby"}),
    "filter": frozenset({
        "hint", "isquickfindfields", "overridequickfindrecordlimitenabled", "overridequickfindrecordlimitdisabled",
        "bypassquickfind",
    }),
    "condition": frozenset({"uiname", "uitype", "uihidden"}),
    "value": frozenset({"uiname", "uitype"}),
    "link-entity": frozenset({"intersect", "visible", "enableprefiltering", "prefilterparametername"}),
}  # fmt: skip
_READ: Mapping[str, frozenset[str]] = {
    "fetch": frozenset({
        "aggregate", "count", "page", "paging-cookie", "top", "distinct", "returntotalrecordcount", "useraworderby",
        "datasource", "aggregatelimit",
    }),
    "entity": frozenset({"name"}),
    "attribute": frozenset({
        "name", "alias", "aggregate", "groupby", "dategrouping", "usertimezone", "distinct", "rowaggregate",
    }),
    "all-attributes": frozenset(),
    "no-attrs": frozenset(),
    "order": frozenset({"attribute", "alias", "descending", "entityname"}),
    "filter": frozenset({"type"}),
    "condition": frozenset({"attribute", "operator", "value", "valueof", "entityname"}),
    "value": frozenset(),
    "link-entity": frozenset({"name", "from", "to", "alias", "link-type"}),
}  # fmt: skip
_INSIDE: Mapping[str, frozenset[str]] = {
    "fetch": frozenset({"entity"}),
    "entity": frozenset({"attribute", "all-attributes", "no-attrs", "order", "filter", "link-entity"}),
    "link-entity": frozenset({"attribute", "all-attributes", "no-attrs", "order", "filter", "link-entity"}),
    "filter": frozenset({"condition", "filter", "link-entity"}),
    "condition": frozenset({"value"}),
}
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def read(text: str) -> Element:
    """The fetch element of a text, checked as far down as it goes.

    Raises FetchXmlMalformed, FetchXmlNode, ODataUnsupported for what FetchXML has and this does not, QueryTooComplex.
    """
    if len(text) > MAX_CHARS:
        raise fault("QueryTooComplex", limit=f"{MAX_CHARS} characters of FetchXML")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError, ValueError) as error:
        raise fault("FetchXmlMalformed", reason=str(error)[:200]) from None
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise fault("FetchXmlMalformed", reason="a document type is not allowed")
    if root.tag != "fetch":
        raise fault("FetchXmlNode", reason=f"<{str(root.tag)[:50]}> instead of <fetch>")
    _check(root, 1)
    return root


def _check(element: Element, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise fault("QueryTooComplex", limit=f"{MAX_DEPTH} levels of FetchXML elements")
    tag = str(element.tag)
    for name in element.attrib:
        if name not in _READ[tag] and name not in _NO_EFFECT.get(tag, ()):
            raise fault("ODataUnsupported", feature=f"The attribute {str(name)[:50]} of <{tag}>")
    if tag != "value" and any(
        (text or "").strip() for text in (element.text, *(each.tail for each in element))
    ):
        raise fault("FetchXmlNode", reason=f"text in <{tag}>")
    for child in element:
        if child.tag not in _INSIDE.get(tag, ()):
            raise fault("FetchXmlNode", reason=f"<{str(child.tag)[:50]}> in <{tag}>")
        _check(child, depth + 1)


def children(element: Element, tag: str) -> Iterator[Element]:
    """The children of a name, in order."""
    return (child for child in element if child.tag == tag)


def has(element: Element, tag: str) -> bool:
    """Whether there is a child of a name. An element without children is no truth of its own."""
    return element.find(tag) is not None


def needed(element: Element, name: str) -> str:
    """An attribute that has to be there; raises FetchXmlMissing."""
    value = element.get(name)
    if not value:
        raise fault("FetchXmlMissing", name=name, element=element.tag)
    return str(value)


def flag(element: Element, name: str, default: bool = False) -> bool:
    """A truth value: ``true``, ``false``, ``1`` or ``0``; raises FetchXmlValue."""
    value = element.get(name)
    if value is None:
        return default
    if value.lower() not in _FLAGS:
        raise fault("FetchXmlValue", value=value[:50], name=name, element=element.tag)
    return _FLAGS[value.lower()]


def whole(element: Element, name: str, most: int) -> int | None:
    """A whole number from 1; raises FetchXmlValue."""
    value = element.get(name)
    if value is None:
        return None
    text = value.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise fault("FetchXmlValue", value=value[:50], name=name, element=element.tag)
    return int(text)
