"""Files of data management, made by hand, so that what reads them is not what wrote them."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

__all__ = ["GROUPS", "groups", "package", "package_of"]

GROUPS = "Customer groups"
NAMESPACE = "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
HEADER = f"""<?xml version="1.0" encoding="utf-8"?><DataManagementPackageHeader xmlns="{NAMESPACE}">
<Description>A package</Description><PackageType>DefinitionGroup</PackageType><PackageVersion>2</PackageVersion>
</DataManagementPackageHeader>"""


def groups(*ids: str) -> bytes:
    """A delimited file of customer groups."""
    lines = ["CUSTOMERGROUPID,DESCRIPTION", *(f"{id},Group {id}" for id in ids)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def package_of(name: str, content: bytes) -> bytes:
    """A data package of customer groups."""
    return package(name, [(GROUPS, f"{GROUPS}.csv", content)])


def package(name: str, members: Sequence[tuple[str, str, bytes]], source_format: str = "CSV") -> bytes:
    """A data package of entities, each with its file."""
    entities = "".join(
        f"<DataManagementPackageEntityData><EntityMapList/><EntityName>{escape(entity)}</EntityName>"
        f"<ExecutionUnit>1</ExecutionUnit><InputFilePath>{escape(file)}</InputFilePath>"
        f"<LevelInExecutionUnit>1</LevelInExecutionUnit><SequenceInLevel>{place}</SequenceInLevel>"
        f"<SourceFormat>{source_format}</SourceFormat></DataManagementPackageEntityData>"
        for place, (entity, file, _) in enumerate(members, 1)
    )
    manifest = (
        f'<?xml version="1.0" encoding="utf-8"?><DataManagementPackageManifest xmlns="{NAMESPACE}">'
        f"<DefinitionGroupName>{escape(name)}</DefinitionGroupName><Description/>"
        f"<PackageEntityList>{entities}</PackageEntityList></DataManagementPackageManifest>"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Manifest.xml", manifest)
        archive.writestr("PackageHeader.xml", HEADER)
        for _, file, content in members:
            archive.writestr(file, content)
    return made.getvalue()
