"""What a solution file needs, looked for before anything is changed.

https://learn.microsoft.com/power-platform/alm/dependency-tracking-solution-components
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orgstead.engine.handlers.metadata.components import ENTITY, OPTION_SET, RELATIONSHIP
from orgstead.engine.registry import Call
from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.manifest import Manifest, Root
from orgstead.engine.solutionfile.tables import ReadTable
from orgstead.errors import fault
from orgstead.model.schema import Choice, ManyToMany, OneToMany, Schema

__all__ = ["LOOKUPS", "Package", "check_package"]

LOOKUPS = frozenset({"lookup", "customer", "owner"})
SHELL = 2
MAX_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A solution file that has been read."""

    manifest: Manifest
    tables: Mapping[str, ReadTable] = field(repr=False)
    relationships: Mapping[str, OneToMany | ManyToMany] = field(repr=False)
    choices: Mapping[str, Choice] = field(repr=False)

    def ties(self, table: str, column: str) -> list[OneToMany]:
        """The relationships of the file behind a lookup."""
        return [
            rel
            for rel in self.relationships.values()
            if isinstance(rel, OneToMany) and (rel.referencing, rel.referencing_attribute) == (table, column)
        ]


def check_package(call: Call, package: Package) -> None:
    """Raises MissingDependencies, SolutionFileInvalid, SolutionManaged."""
    name = str(package.manifest.solution["uniquename"])
    table = call.schema.tables["solution"]
    for id in call.unit.find(table, {"uniquename": name}, 1):
        row = call.unit.get(table, id, ("ismanaged",))
        if row is not None and row["ismanaged"]:
            raise fault("SolutionManaged", name=name[:100])
    _check_roots(package, call.schema)
    lacking = sorted({each[:100] for each in _lacking(package, call.schema)})
    if lacking:
        raise fault("MissingDependencies", name=name[:100], what=", ".join(lacking[:MAX_NAMED]))


def _check_roots(package: Package, schema: Schema) -> None:
    roots = {(root.kind, root.name.lower()): root for root in package.manifest.roots}
    for logical, read in package.tables.items():
        root = roots.get((ENTITY, logical))
        if root is None:
            raise bad(f"the table {logical} is not declared as a root component")
        if root.behavior not in (0, 1, SHELL):
            raise bad(f"the behavior of the root component {logical} is unknown")
        if logical in schema.tables:
            if schema.tables[logical].is_intersect:
                raise bad(f"{logical} goes with its relationship")
        elif read.described and read.table.primary_name is None and not read.table.is_activity:
            raise bad(f"the table {logical} has no primary name")
    for choice in package.choices:
        if (OPTION_SET, choice.lower()) not in roots:
            raise bad(f"the option set {choice[:100]} is not declared as a root component")


def _lacking(package: Package, schema: Schema) -> Iterator[str]:
    """What is neither here nor in the file."""
    known = set(schema.tables) | {name for name, read in package.tables.items() if read.described}
    choices = {name.lower() for name in (*schema.choices, *package.choices)}
    for root in (*package.manifest.roots, *package.manifest.needed):
        if not _is_there(root, known, choices, package, schema):
            yield f"{root.name} (type {root.kind})"
    for logical, read in package.tables.items():
        if logical not in known:
            yield f"{logical} (type {ENTITY})"
        here = schema.tables[logical].columns if logical in schema.tables else {}
        for each in read.columns:
            column = each.column
            if column.global_choice is not None and column.global_choice.lower() not in choices:
                yield f"{column.global_choice} (type {OPTION_SET})"
            if column.name not in here and column.type in LOOKUPS and not package.ties(logical, column.name):
                yield f"a relationship of {logical}.{column.name} (type {RELATIONSHIP})"
        for element in read.later:
            name = element.get("PhysicalName", "").lower()
            if logical in schema.tables and not name.endswith("_base") and name not in here:
                yield f"{logical}.{name} (type 2)"
    for rel in package.relationships.values():
        ends = (rel.referencing, rel.referenced) if isinstance(rel, OneToMany) else (rel.entity1, rel.entity2)
        for end in ends:
            if end not in known:
                yield f"{end} (type {ENTITY})"
        if isinstance(rel, OneToMany) and not _has_column(rel, package, schema):
            yield f"{rel.referencing}.{rel.referencing_attribute} (type 2)"


def _has_column(rel: OneToMany, package: Package, schema: Schema) -> bool:
    here, read = schema.tables.get(rel.referencing), package.tables.get(rel.referencing)
    if here is not None and rel.referencing_attribute in here.columns:
        return True
    names = set() if read is None else {each.column.name for each in read.columns}
    # What every table has is made with it.
    later = () if read is None else read.later
    return rel.referencing_attribute in names | {each.get("PhysicalName", "").lower() for each in later}


def _is_there(root: Root, tables: set[str], choices: set[str], package: Package, schema: Schema) -> bool:
    name = root.name.lower()
    if root.kind == ENTITY:
        return name in tables
    if root.kind == OPTION_SET:
        return name in choices
    if root.kind == RELATIONSHIP:
        known = (*schema.one_to_many, *schema.many_to_many, *package.relationships)
        return any(each.lower() == name for each in known)
    table, _, column = name.partition(".")
    return root.kind == 2 and table in schema.tables and column in schema.tables[table].columns
