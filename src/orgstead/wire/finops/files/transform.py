"""One XSLT 1.0 transformation, run as a program of its own: ``python transform.py SHEET SOURCE RESULT SECONDS BYTES``.

A style sheet is a program that somebody else wrote. It gets no file, no network and no function beyond XSLT 1.0, and
its process a bound of time and of memory, so that what never ends harms nobody. Imports nothing of ours: the program
starts faster, and finds nothing. What went wrong stands on its error output, and its status is 1.
https://lxml.de/xpathxslt.html#xslt, https://www.w3.org/TR/xslt-10/
"""

import contextlib
import sys
from pathlib import Path
from typing import Any, cast

from lxml import etree

__all__ = ["main"]

XSL = "http://www.w3.org/1999/XSL/Transform"
LOADING = frozenset({f"{{{XSL}}}import", f"{{{XSL}}}include"})
SCRIPTS = "urn:schemas-microsoft-com:xslt"
MAX_SHEET = 4 * 1024 * 1024
# The library's stubs do not know it.
NOTHING = cast(Any, etree.XSLTAccessControl).DENY_ALL


Tree = etree._ElementTree


class Refused(Exception):
    """Why a style sheet or its source is not taken."""


def main(arguments: list[str]) -> int:
    """Transform, and say by the status whether that went well."""
    sheet, source, result, seconds, size = arguments
    _confine(int(seconds), int(size))
    try:
        style = _parsed(Path(sheet), "the style sheet", MAX_SHEET)
        _check(style)
        program = etree.XSLT(style, access_control=NOTHING, regexp=False)
        outcome = _applied(program, _parsed(Path(source), "the file", int(size)))
        if outcome.getroot() is None:
            raise Refused("what comes out is no XML document")
        outcome.write(result, encoding="utf-8", xml_declaration=True)
    except (etree.XSLTError, etree.XMLSyntaxError, Refused) as error:
        print(str(error)[:300], file=sys.stderr)  # noqa: T201 - the parent reads it
        return 1
    except MemoryError:
        print("it needs too much memory", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _applied(program: etree.XSLT, source: Tree) -> Tree:
    try:
        return program(source)
    except etree.XSLTApplyError as error:
        # What matters is followed by one entry for each template that was under way.
        said = [each.message for each in error.error_log if each.message != "unknown error"]
        raise Refused((said[-1] if said else str(error)).partition("\n")[0]) from None


def _confine(seconds: int, size: int) -> None:
    with contextlib.suppress(ImportError):
        # Not on Windows; the parent's clock is all that bounds it there.
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (size * 16 + 512 * 1024 * 1024,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * 4, size * 4))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def _parsed(path: Path, what: str, most: int) -> Tree:
    if path.stat().st_size > most:
        raise Refused(f"{what} has more than {most} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_pis=True,
        collect_ids=False,
    )
    tree = etree.parse(str(path), parser)
    info: Any = tree.docinfo
    if info.doctype:
        raise Refused(f"{what} has a document type, which is not allowed")
    return tree


def _check(style: Tree) -> None:
    """Refuse what would load, write or run something, by its name: each is a feature, and none is ignored."""
    root = style.getroot()
    if root.get("version", root.get(f"{{{XSL}}}version", "")) != "1.0":
        raise Refused("only style sheets of XSLT 1.0 are supported")
    for element in root.iter(etree.Element):
        if element.tag in LOADING:
            raise Refused("a style sheet that takes in another is not supported")
        if str(element.tag).startswith(f"{{{SCRIPTS}}}"):
            raise Refused("a script in a style sheet is not supported")
        for name in ("extension-element-prefixes", f"{{{XSL}}}extension-element-prefixes"):
            if element.get(name):
                raise Refused("elements beyond XSLT 1.0 are not supported")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
