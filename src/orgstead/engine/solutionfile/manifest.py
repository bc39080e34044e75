"""The manifest of a solution file: the solution, its publisher, its root components and what they need.

https://learn.microsoft.com/power-platform/alm/solution-concepts-alm
https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/solutioncomponent
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.markup import LANGUAGE, NIL, Reading, add, add_labels, number, unsupported

__all__ = ["Manifest", "Root", "head", "read_manifest", "write_manifest"]

PACKAGE = "9.2"
_PUBLISHER = {"EMailAddress": "emailaddress", "SupportingWebsiteUrl": "supportingwebsiteurl"}
# Addresses of which a publisher has two: what they have by default says nothing.
_ADDRESS = frozenset({"AddressNumber", "AddressTypeCode", "ShippingMethodCode"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A root component: its type, its name, and how much of a table comes along (0: all, 1: itself, 2: a shell)."""

    kind: int
    name: str
    behavior: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a solution file says of itself; values are those of the rows of solution and publisher."""

    solution: Mapping[str, Any]
    publisher: Mapping[str, Any] = field(repr=False)
    roots: Sequence[Root] = ()
    needed: Sequence[Root] = ()
    managed: bool = False


def head() -> Element:
    """The root of either document."""
    return Element("ImportExportXml", {
        "version": "9.2.0.0", "SolutionPackageVersion": PACKAGE, "languagecode": LANGUAGE, "generatedBy": "CrmLive",
    })  # fmt: skip


def write_manifest(manifest: Manifest) -> Element:
    """solution.xml"""
    root = head()
    made = add(root, "SolutionManifest")
    solution, publisher = manifest.solution, manifest.publisher
    add(made, "UniqueName", solution["uniquename"])
    add_labels(made, "LocalizedNames", "LocalizedName", solution["friendlyname"])
    add_labels(made, "Descriptions", "Description", solution.get("description") or "")
    add(made, "Version", solution["version"])
    add(made, "Managed", manifest.managed)
    theirs = add(made, "Publisher")
    add(theirs, "UniqueName", publisher["uniquename"])
    add_labels(theirs, "LocalizedNames", "LocalizedName", publisher["friendlyname"])
    add_labels(theirs, "Descriptions", "Description", publisher.get("description") or "")
    for element, column in _PUBLISHER.items():
        value = publisher.get(column)
        if value:
            add(theirs, element, value)
        else:
            add(theirs, element, **{NIL: "true"})
    add(theirs, "CustomizationPrefix", publisher["customizationprefix"])
    add(theirs, "CustomizationOptionValuePrefix", publisher["customizationoptionvalueprefix"])
    add(theirs, "Addresses")
    roots = add(made, "RootComponents")
    for each in manifest.roots:
        add(roots, "RootComponent", type=str(each.kind), schemaName=each.name, behavior=str(each.behavior))
    missing = add(made, "MissingDependencies")
    for each in manifest.needed:
        one = add(missing, "MissingDependency")
        add(one, "Required", type=str(each.kind), schemaName=each.name, solution="Active")
    return root


def read_manifest(root: Element) -> Manifest:
    """Out of solution.xml. Raises SolutionFileInvalid, NotSupported."""
    outer = Reading(root, "solution.xml")
    inner = outer.take("SolutionManifest")
    if inner is None:
        raise bad("solution.xml has no SolutionManifest")
    outer.finish()
    reading = Reading(inner, "the solution")
    name = reading.needed("UniqueName")
    managed = reading.needed("Managed")
    if managed not in ("0", "1"):
        raise unsupported(f"Managed {managed[:20]} of a solution")
    solution = {
        "uniquename": name,
        "friendlyname": reading.labels("LocalizedNames", "LocalizedName") or name,
        "description": reading.labels("Descriptions", "Description") or None,
        "version": reading.needed("Version"),
    }
    theirs = reading.take("Publisher")
    if theirs is None:
        raise bad("the solution has no Publisher")
    manifest = Manifest(
        solution=solution,
        publisher=_publisher(theirs),
        roots=tuple(_roots(reading.items("RootComponents", "RootComponent"))),
        needed=tuple(_needed(reading)),
        managed=managed == "1",
    )
    reading.finish()
    return manifest


def _publisher(element: Element) -> Mapping[str, Any]:
    reading = Reading(element, "the publisher")
    name = reading.needed("UniqueName")
    values: dict[str, Any] = {
        "uniquename": name,
        "friendlyname": reading.labels("LocalizedNames", "LocalizedName") or name,
        "description": reading.labels("Descriptions", "Description") or None,
        "customizationprefix": reading.needed("CustomizationPrefix"),
        "customizationoptionvalueprefix": number(
            reading.needed("CustomizationOptionValuePrefix"),
            "CustomizationOptionValuePrefix of the publisher",
        ),
    }
    for child, column in _PUBLISHER.items():
        values[column] = reading.text(child) or None
    for address in reading.items("Addresses", "Address"):
        for part in address:
            if (part.text or "").strip() and part.tag not in _ADDRESS:
                raise unsupported(f"{part.tag} in an address of the publisher")
    reading.finish()
    return values


def _roots(elements: Any) -> Sequence[Root]:
    found = []
    for each in elements:
        for name in each.attrib:
            if name not in ("type", "schemaName", "behavior", "id"):
                raise unsupported(f"The attribute {name} of a RootComponent")
        found.append(
            Root(
                kind=number(each.get("type", ""), "the type of a RootComponent"),
                name=each.get("schemaName") or each.get("id") or "",
                behavior=number(each.get("behavior", "0"), "the behavior of a RootComponent"),
            )
        )
    return found


def _needed(reading: Reading) -> Sequence[Root]:
    found = []
    for each in reading.items("MissingDependencies", "MissingDependency"):
        required = each.find("Required")
        if required is None:
            raise bad("a MissingDependency has no Required")
        kind = number(required.get("type", ""), "the type of a Required")
        name = required.get("schemaName") or required.get("id") or ""
        parent = required.get("parentSchemaName")
        found.append(Root(kind=kind, name=f"{parent}.{name}" if parent else name))
    return found
