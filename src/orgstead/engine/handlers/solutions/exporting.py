"""A solution's components as a file.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/exportsolution
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.engine.handlers.metadata.components import (
    ATTRIBUTE,
    ENTITY,
    ENTITY_KEY,
    OPTION_SET,
    RELATIONSHIP,
    VIEW,
)
from orgstead.engine.registry import Call, handles
from orgstead.engine.solutionfile.archive import pack
from orgstead.engine.solutionfile.columns import TYPES
from orgstead.engine.solutionfile.manifest import Manifest, Root, head, write_manifest
from orgstead.engine.solutionfile.markup import LANGUAGE, add, document, unsupported
from orgstead.engine.solutionfile.options import write_choice
from orgstead.engine.solutionfile.relationships import write_many_to_many, write_one_to_many
from orgstead.engine.solutionfile.tables import write_table
from orgstead.engine.solutionfile.views import VIEW_COLUMNS, write_view
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Key, ManyToMany, OneToMany, Schema, Table

__all__ = ["SYSTEM_SOLUTIONS", "export_solution"]

SYSTEM_SOLUTIONS = frozenset({"default", "active", "system"})
SHELL = 2
MAX_COMPONENTS = 10_000
MAX_VIEWS = 1000
# Settings of an organisation, and kinds of components, that a file here never holds.
_SETTINGS = (
    "ExportAutoNumberingSettings", "ExportCalendarSettings", "ExportCustomizationSettings",
    "ExportEmailTrackingSettings", "ExportGeneralSettings", "ExportMarketingSettings",
    "ExportOutlookSynchronizationSettings", "ExportRelationshipRoles", "ExportIsvConfig", "ExportSales",
    "ExportExternalApplications",
)  # fmt: skip
_NOTHING = ("Roles", "Workflows", "FieldSecurityProfiles", "Templates", "EntityMaps")


@dataclass(slots=True)
class _Picked:
    """What a solution holds: tables by how much of them, and what is listed by itself."""

    tables: dict[str, int] = field(default_factory=dict)
    columns: dict[str, set[str]] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=dict)
    ones: dict[str, OneToMany] = field(default_factory=dict)
    manys: dict[str, ManyToMany] = field(default_factory=dict)
    choices: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)


@handles(
    "ExportSolution",
    privilege="prvExportCustomization",
    writes=False,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(
            Parameter(name="SolutionName", type="Edm.String"),
            Parameter(name="Managed", type="Edm.Boolean"),
            Parameter(name="TargetVersion", type="Edm.String", optional=True),
            *(Parameter(name=name, type="Edm.Boolean", optional=True) for name in _SETTINGS),
        ),
        returns=(Parameter(name="ExportSolutionFile", type="Edm.Binary"),),
    ),
)
def export_solution(call: Call) -> Any:
    """A solution as a file: ``ExportSolutionFile``, the same bytes as long as nothing changes.

    Raises SolutionNotFound, and NotSupported for settings, for managed solutions and for what a file cannot hold.
    """
    given = call.parameters
    for name in _SETTINGS:
        if given.get(name):
            raise unsupported(f"{name} of ExportSolution")
    if given.get("TargetVersion"):
        raise unsupported("TargetVersion of ExportSolution")
    if given["Managed"]:
        raise unsupported("Exporting a managed solution")
    name = str(given["SolutionName"])
    if name.lower() in SYSTEM_SOLUTIONS:
        raise unsupported(f"Exporting the system solution {name}")
    table = call.schema.tables["solution"]
    found = call.unit.find(table, {"uniquename": name}, 1)
    if not found:
        raise fault("SolutionNotFound", name=name[:100])
    row = call.unit.get(table, found[0]) or {}
    if row.get("ismanaged"):
        raise unsupported("Exporting a managed solution")
    publisher = row["publisherid"]
    theirs = call.unit.get(call.schema.tables["publisher"], str(publisher.key)) or {}
    picked = _picked(call, found[0])
    manifest = Manifest(
        solution=row, publisher=theirs, roots=_roots(picked), needed=_needed(picked, call.schema)
    )
    return {
        "ExportSolutionFile": pack(
            document(write_manifest(manifest)), document(_customizations(call, picked))
        )
    }


# -- what is in it -----------------------------------------------------------------------------------------------------
def _picked(call: Call, solution: str) -> _Picked:
    schema, table = call.schema, call.schema.tables["solutioncomponent"]
    places = _places(schema)
    picked = _Picked()
    for id in call.unit.find(table, {"solutionid": Ref("solution", solution)}, MAX_COMPONENTS):
        row = call.unit.get(table, id, ("componenttype", "objectid", "rootcomponentbehavior")) or {}
        kind, object_id = row["componenttype"], row["objectid"]
        if kind == VIEW:
            _pick_view(call, picked, object_id)
            continue
        place = places.get((kind, object_id))
        if place is None:
            raise unsupported(f"A component of type {kind} in a solution file")
        match place:
            case Table():
                picked.tables[place.logical_name] = row["rootcomponentbehavior"] or 0
            case (str(owner), Column() as column):
                picked.columns.setdefault(owner, set()).add(column.name)
            case (str(owner), Key() as key):
                picked.keys.setdefault(owner, set()).add(key.logical_name)
            case OneToMany():
                _pick_one(picked, place)
            case ManyToMany():
                picked.manys[place.schema_name] = place
            case str():
                picked.choices.add(place)
    _pick_wholes(picked, schema)
    for owner in (*picked.columns, *picked.keys):
        picked.tables.setdefault(owner, SHELL)
    return picked


def _places(schema: Schema) -> Mapping[tuple[int, str], Any]:
    """Definitions by the type of their component and their id."""
    found: dict[tuple[int, str], Any] = {}
    for table in schema.tables.values():
        if table.is_private or table.is_intersect:
            continue
        found[ENTITY, table.metadata_id] = table
        found |= {
            (ATTRIBUTE, each.metadata_id): (table.logical_name, each) for each in table.columns.values()
        }
        found |= {(ENTITY_KEY, each.metadata_id): (table.logical_name, each) for each in table.keys}
    found |= {(RELATIONSHIP, each.metadata_id): each for each in schema.one_to_many.values()}
    found |= {(RELATIONSHIP, each.metadata_id): each for each in schema.many_to_many.values()}
    for choice in schema.choices.values():
        found[OPTION_SET, choice.metadata_id] = choice.name
    return found


def _pick_one(picked: _Picked, rel: OneToMany) -> None:
    picked.ones[rel.schema_name] = rel
    picked.columns.setdefault(rel.referencing, set()).add(rel.referencing_attribute)


def _pick_view(call: Call, picked: _Picked, id: str) -> None:
    row = call.unit.get(call.schema.tables["savedquery"], id, ("returnedtypecode",))
    if row is not None:
        picked.views.add(id)
        picked.tables.setdefault(row["returnedtypecode"], SHELL)


def _pick_wholes(picked: _Picked, schema: Schema) -> None:
    """What comes along with tables that are in it as a whole."""
    for name, behavior in picked.tables.items():
        if behavior:
            continue
        for rel in schema.referencing.get(name, ()):
            if rel.is_custom:
                picked.ones[rel.schema_name] = rel
        for many in schema.crossing.get(name, ()):
            first = schema.tables[many.entity1]
            if many.is_custom and (many.entity1 == name or not first.is_custom):
                picked.manys[many.schema_name] = many
    # A lookup of several targets is whole or not there.
    for name, columns in picked.columns.items():
        for rel in schema.referencing.get(name, ()):
            if rel.is_custom and rel.referencing_attribute in columns:
                picked.ones[rel.schema_name] = rel


def _roots(picked: _Picked) -> Sequence[Root]:
    roots = [Root(kind=ENTITY, name=name, behavior=how) for name, how in sorted(picked.tables.items())]
    return [*roots, *(Root(kind=OPTION_SET, name=name) for name in sorted(picked.choices))]


def _needed(picked: _Picked, schema: Schema) -> Sequence[Root]:
    """Custom tables and choices that are not in it, and that it does not go without."""
    tables = {rel.referenced for rel in picked.ones.values()}
    tables |= {name for rel in picked.manys.values() for name in (rel.entity1, rel.entity2)}
    tables |= {name for name, how in picked.tables.items() if how == SHELL}
    lacking = {
        name for name in tables if schema.tables[name].is_custom and picked.tables.get(name, SHELL) == SHELL
    }
    choices = {
        column.global_choice
        for name in picked.tables
        for column in _columns(schema.tables[name], picked)
        if column.global_choice is not None and schema.choices[column.global_choice].is_custom
    }
    return [
        *(Root(kind=ENTITY, name=name) for name in sorted(lacking)),
        *(Root(kind=OPTION_SET, name=name) for name in sorted(choices - picked.choices)),
    ]


def _columns(table: Table, picked: _Picked) -> Sequence[Column]:
    """The columns of a table that are in it, by name: of a custom table that is whole, all."""
    listed, whole = picked.columns.get(table.logical_name, set()), picked.tables.get(table.logical_name) == 0
    return sorted(
        (
            column
            for column in table.columns.values()
            if column.attribute_of is None
            and column.base_of is None
            and (column.name in listed or (whole and _goes_along(column, table)))
        ),
        key=lambda column: column.name,
    )


def _goes_along(column: Column, table: Table) -> bool:
    return column.is_custom or (table.is_custom and column.type in TYPES)


# -- written -----------------------------------------------------------------------------------------------------------
def _customizations(call: Call, picked: _Picked) -> Any:
    root, schema = head(), call.schema
    tables = add(root, "Entities")
    for name, behavior in sorted(picked.tables.items()):
        table, listed = schema.tables[name], picked.keys.get(name, set())
        keys = sorted(
            (key for key in table.keys if behavior == 0 or key.logical_name in listed),
            key=lambda key: key.logical_name,
        )
        made = write_table(tables, table, _columns(table, picked), keys, described=behavior != SHELL)
        rows = list(_views(call, name, picked, whole=behavior == 0))
        if rows:
            views = add(add(made, "SavedQueries"), "savedqueries")
            for row in rows:
                write_view(views, row)
    for name in _NOTHING:
        add(root, name)
    relationships = add(root, "EntityRelationships")
    for rel in sorted(picked.ones.values(), key=lambda each: _place(each, schema)):
        write_one_to_many(relationships, rel, schema)
    for _, many in sorted(picked.manys.items()):
        write_many_to_many(relationships, many, schema)
    add(root, "OrganizationSettings")
    choices = add(root, "optionsets")
    for name in sorted(picked.choices):
        write_choice(choices, schema.choices[name])
    add(root, "CustomControls")
    add(root, "EntityDataProviders")
    add(add(root, "Languages"), "Language", LANGUAGE)
    return root


def _place(rel: OneToMany, schema: Schema) -> tuple[str, str, int, str]:
    """Where a relationship stands: those of one lookup in the order of its targets."""
    targets = schema.tables[rel.referencing].columns[rel.referencing_attribute].targets
    place = targets.index(rel.referenced) if rel.referenced in targets else len(targets)
    return rel.referencing, rel.referencing_attribute, place, rel.schema_name


def _views(call: Call, name: str, picked: _Picked, *, whole: bool) -> Iterator[Mapping[str, Any]]:
    """The rows of the views of a table that are in it, by id."""
    table = call.schema.tables["savedquery"]
    for id in sorted(call.unit.find(table, {"returnedtypecode": name}, MAX_VIEWS)):
        if whole or id in picked.views:
            row = call.unit.get(table, id, VIEW_COLUMNS)
            if row is not None:
                yield row
