"""Manifest.xml and PackageHeader.xml of a data package, read and written.

Read off Microsoft's own sample package:
https://github.com/microsoft/Dynamics-AX-Integration/tree/master/FileBasedIntegrationSamples
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from orgstead.errors import fault
from orgstead.wire.finops.files.archive import bad_archive
from orgstead.wire.finops.files.xml_rows import NIL, Element, local_name, prolog
from orgstead.wire.finops.files.xml_writing import escaped

__all__ = [
    "HEADER_FILE", "MANIFEST_FILE", "FieldMap", "Manifest", "PackageEntity", "read_header", "read_manifest",
    "write_header", "write_manifest",
]  # fmt: skip

MANIFEST_FILE = "Manifest.xml"
HEADER_FILE = "PackageHeader.xml"
NAMESPACE = "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
TYPE = "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest"
MAX_ENTITIES = 1000
MAX_FIELDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldMap:
    """A column of the file and the field of the entity that it fills; ``generated`` when the system makes the value."""

    column: str
    field: str
    generated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntity:
    """An entity of a package: its file, how that is written, in which place it runs, and how its columns map.

    ``unit``, ``level`` and ``sequence`` order the entities. ``transforms`` names the style sheets of its file.
    """

    name: str
    file: str
    source_format: str
    unit: int = 1
    level: int = 1
    sequence: int = 1
    fields: tuple[FieldMap, ...] = ()
    sheet: str = ""
    skip_staging: bool = False
    business_logic: bool = True
    business_validation: bool = True
    fail_unit: bool = False
    fail_level: bool = False
    disabled: bool = False
    refresh: str = ""
    transforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a package says of itself; ``project`` is the name of the data project it was made from."""

    project: str
    description: str = ""
    entities: tuple[PackageEntity, ...] = ()


def read_header(data: bytes) -> str:
    """The description in a PackageHeader.xml. Raises DataPackageInvalid."""
    root = _parsed(data, HEADER_FILE)
    if local_name(root) != "DataManagementPackageHeader":
        raise bad_archive(f"{HEADER_FILE} is none")
    kind = _text(root, "PackageType")
    if kind and kind != "DefinitionGroup":
        raise bad_archive(f"a package of the type {kind[:60]!r} is not supported")
    return _text(root, "Description")


def read_manifest(data: bytes) -> Manifest:
    """The manifest, its entities in the order in which they run. Raises DataPackageInvalid, DataFormatUnsupported."""
    root = _parsed(data, MANIFEST_FILE)
    if local_name(root) != "DataManagementPackageManifest":
        raise bad_archive(f"{MANIFEST_FILE} is none")
    found = _children(root, "PackageEntityList", "DataManagementPackageEntityData")
    if len(found) > MAX_ENTITIES:
        raise fault("DataFileTooLarge", limit=f"{MAX_ENTITIES} entities of a package")
    if not found:
        raise bad_archive(f"{MANIFEST_FILE} names no entity")
    entities = [_entity(each) for each in found]
    return Manifest(
        project=_text(root, "DefinitionGroupName"),
        description=_text(root, "Description"),
        entities=tuple(sorted(entities, key=lambda each: (each.unit, each.level, each.sequence))),
    )


def _parsed(data: bytes, name: str) -> Element:
    try:
        prolog(data)
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
            remove_comments=True, remove_pis=True, collect_ids=False,
        )  # fmt: skip
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise bad_archive(f"{name}: {str(error)[:150]}") from None


def _children(element: Element, *path: str) -> list[Element]:
    found = [element]
    for name in path:
        found = [child for each in found for child in each if local_name(child) == name]
    return found


def _text(element: Element, name: str) -> str:
    found = _children(element, name)
    return (found[0].text or "").strip() if found and found[0].get(NIL) != "true" else ""


def _number(element: Element, name: str) -> int:
    text = _text(element, name) or "1"
    if not text.isdecimal() or len(text) > 9:
        raise bad_archive(f"{name} is {text[:20]!r}")
    return int(text)


def _yes(element: Element, name: str, otherwise: bool = False) -> bool:
    text = _text(element, name).lower()
    if text not in ("", "true", "false", "yes", "no", "1", "0"):
        raise bad_archive(f"{name} is {text[:20]!r}")
    return text in ("true", "yes", "1") if text else otherwise


def _entity(element: Element) -> PackageEntity:
    name = _text(element, "EntityName")
    if not name:
        raise bad_archive("an entity without name")
    maps = _children(element, "EntityMapList", "EntityMap")
    if len(maps) > MAX_FIELDS:
        raise fault("DataFileTooLarge", limit=f"{MAX_FIELDS} fields of an entity")
    if any(_children(each, "EntityFieldConversionList")[0:1] and len(_children(each, "EntityFieldConversionList")[0])
           for each in maps):  # fmt: skip
        raise fault("DataFormatUnsupported", feature=f"Conversion of values ({name[:100]})")
    return PackageEntity(
        name=name,
        file=_text(element, "InputFilePath"),
        source_format=_text(element, "SourceFormat"),
        unit=_number(element, "ExecutionUnit"),
        level=_number(element, "LevelInExecutionUnit"),
        sequence=_number(element, "SequenceInLevel"),
        fields=tuple(
            FieldMap(
                column=_text(each, "XMLField"),
                field=_text(each, "EntityField"),
                generated=_yes(each, "IsAutoGenerated"),
            )
            for each in maps
        ),
        sheet=_text(element, "ExcelSheetName").rstrip("$"),
        skip_staging=_yes(element, "SkipStaging"),
        business_logic=_yes(element, "RunBusinessLogic", True),
        business_validation=_yes(element, "RunBusinessValidation", True),
        fail_unit=_yes(element, "FailExecutionUnitOnError"),
        fail_level=_yes(element, "FailLevelOnError"),
        disabled=_yes(element, "Disable"),
        refresh=_text(element, "DefaultRefreshType"),
        transforms=tuple(
            filter(None, (_transform(each) for each in _children(element, "EntityTransformList")))
        ),
    )


def _transform(element: Element) -> str:
    """Style sheets travel inside of a package; which of their elements names the file is not documented."""
    if len(element):
        raise fault("DataFormatUnsupported", feature="A style sheet that travels in a package")
    return ""


def write_header(description: str) -> bytes:
    """A PackageHeader.xml as data management writes it."""
    pairs = [("Description", description), ("ManifestType", TYPE), ("PackageType", "DefinitionGroup")]
    return _document("DataManagementPackageHeader", [*pairs, ("PackageVersion", "2")])


def write_manifest(manifest: Manifest) -> bytes:
    """A Manifest.xml as data management writes it."""
    entities = "".join(
        _element("DataManagementPackageEntityData", _entity_parts(each)) for each in manifest.entities
    )
    return _document(
        "DataManagementPackageManifest",
        [("DefinitionGroupName", manifest.project), ("Description", manifest.description)],
        f"<PackageEntityList>{entities}</PackageEntityList>",
    )


def _entity_parts(entity: PackageEntity) -> str:
    maps = "".join(_element("EntityMap", _field_parts(each)) for each in entity.fields)
    return f"<EntityMapList>{maps}</EntityMapList>" + _pairs([
        ("DefaultRefreshType", entity.refresh or "FullPush"),
        ("Disable", _truth(entity.disabled)),
        ("EntityName", entity.name),
        ("EntityTransformList", None),
        ("ExcelSheetName", f"{entity.sheet}$" if entity.sheet else ""),
        ("ExecutionUnit", str(entity.unit)),
        ("FailExecutionUnitOnError", _truth(entity.fail_unit)),
        ("FailLevelOnError", _truth(entity.fail_level)),
        ("InputFilePath", entity.file),
        ("LevelInExecutionUnit", str(entity.level)),
        ("RunBusinessLogic", _truth(entity.business_logic)),
        ("RunBusinessValidation", _truth(entity.business_validation)),
        ("SampleFilePath", ""),
        ("SequenceInLevel", str(entity.sequence)),
        ("SkipStaging", _truth(entity.skip_staging)),
        ("SourceFormat", entity.source_format),
        ("ValidationStatus", "Yes"),
    ])  # fmt: skip


def _field_parts(each: FieldMap) -> str:
    return _pairs([
        ("ArrayIndex", "0"), ("EntityField", each.field), ("EntityFieldConversionList", None),
        ("IsAutoDefault", "false"), ("IsAutoGenerated", _truth(each.generated)), ("IsDefaultValueEqualNull", "false"),
        ("UseTextQualifier", "false"), ("XMLField", each.column),
    ])  # fmt: skip


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _element(name: str, inner: str) -> str:
    return f"<{name}>{inner}</{name}>"


def _pairs(pairs: Iterable[tuple[str, str | None]]) -> str:
    return "".join(
        f'<{name} i:nil="true" />' if text is None else _element(name, escaped(text)) for name, text in pairs
    )


def _document(name: str, pairs: Sequence[tuple[str, str | None]], rest: str = "") -> bytes:
    inner = _pairs(pairs) + rest
    text = f'<{name} xmlns:i="{INSTANCE}" xmlns="{NAMESPACE}">{inner}</{name}>'
    return b"\xff\xfe" + text.encode("utf-16-le")
