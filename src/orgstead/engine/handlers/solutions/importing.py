"""A solution file taken in: read and checked as a whole, then applied in one transaction.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/importsolution
https://learn.microsoft.com/power-platform/alm/solution-api
"""

from typing import Any

from orgstead.engine.handlers.metadata.components import ENTITY, OPTION_SET
from orgstead.engine.handlers.solutions.applying import apply_package
from orgstead.engine.handlers.solutions.checking import Package, check_package
from orgstead.engine.handlers.solutions.exporting import SYSTEM_SOLUTIONS
from orgstead.engine.registry import Call, handles
from orgstead.engine.solutionfile.archive import CUSTOMIZATIONS, SOLUTION, bad, unpack
from orgstead.engine.solutionfile.manifest import read_manifest
from orgstead.engine.solutionfile.markup import LANGUAGE, Reading, parse, unsupported
from orgstead.engine.solutionfile.options import read_choice
from orgstead.engine.solutionfile.relationships import read_relationship
from orgstead.engine.solutionfile.tables import read_table
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature

__all__ = ["import_solution"]

_REFUSED = ("ConvertToManaged", "SkipProductUpdateDependencies", "HoldingSolution")
# They change nothing here: an unmanaged solution lies over nothing, and workflows are refused by name.
_WITHOUT_EFFECT = ("OverwriteUnmanagedCustomizations", "PublishWorkflows")
# Kinds of components that are not taken over: their elements may be there, empty.
_NOTHING = (
    "Roles", "Workflows", "FieldSecurityProfiles", "Templates", "EntityMaps", "OrganizationSettings", "CustomControls",
    "EntityDataProviders", "SolutionPluginAssemblies", "SdkMessageProcessingSteps", "WebResources", "Dashboards",
    "Reports", "ConnectionRoles", "RibbonDiffXml", "SiteMap", "AppModules", "CanvasApps", "EmailTemplates",
    "ServiceEndpoints", "connectionreferences", "environmentvariabledefinitions",
)  # fmt: skip
MAX_TABLES = 200


@handles(
    "ImportSolution",
    privilege="prvImportCustomization",
    heavy=True,
    defines=True,
    signature=Signature(
        kind="action",
        parameters=(
            *(Parameter(name=name, type="Edm.Boolean") for name in _WITHOUT_EFFECT),
            Parameter(name="CustomizationFile", type="Edm.Binary"),
            Parameter(name="ImportJobId", type="Edm.Guid"),
            *(Parameter(name=name, type="Edm.Boolean", optional=True) for name in _REFUSED),
        ),
    ),
)
def import_solution(call: Call) -> Any:
    """Take a solution in: all of it, or nothing. What is there and not in the file stays.

    Raises SolutionFileInvalid, SolutionFileMalformed, SolutionFileTooLarge, MissingDependencies, SolutionManaged,
    NotSupported, and what the messages raise that it is made of.
    """
    given = call.parameters
    for name in _REFUSED:
        if given.get(name):
            raise unsupported(f"{name} of ImportSolution")
    package = _read(call, given["CustomizationFile"])
    check_package(call, package)
    apply_package(call, package)


def _read(call: Call, content: bytes) -> Package:
    documents = unpack(content)
    manifest = read_manifest(parse(documents[SOLUTION], SOLUTION))
    name = str(manifest.solution["uniquename"])
    if manifest.managed:
        raise unsupported("Importing a managed solution")
    if name.lower() in SYSTEM_SOLUTIONS:
        raise bad("a system solution cannot be imported")
    for root in manifest.roots:
        if root.kind not in (ENTITY, OPTION_SET):
            raise unsupported(f"The root component {root.name[:60]} of type {root.kind}")
    reading = Reading(parse(documents[CUSTOMIZATIONS], CUSTOMIZATIONS), CUSTOMIZATIONS)
    schema = call.schema
    tables = [read_table(each, schema, call.new_id()) for each in reading.items("Entities", "Entity")]
    if len(tables) > MAX_TABLES:
        raise fault("SolutionFileTooLarge", limit=f"{MAX_TABLES} tables")
    package = Package(
        manifest=manifest,
        tables={each.table.logical_name: each for each in tables},
        relationships={
            rel.schema_name: rel
            for rel in (
                read_relationship(each, schema)
                for each in reading.items("EntityRelationships", "EntityRelationship")
            )
        },
        choices={
            choice.name: choice
            for choice in (
                read_choice(each, call.new_id()) for each in reading.items("optionsets", "optionset")
            )
        },
    )
    for language in reading.items("Languages", "Language"):
        if (language.text or "").strip() != LANGUAGE:
            raise fault("LanguageNotInstalled", code=(language.text or "").strip()[:10])
    reading.empty(_NOTHING)
    reading.finish()
    return package
