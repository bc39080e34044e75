"""Relationships as elements of solution files.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from dataclasses import replace
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.markup import Reading, add, add_labels, unsupported
from orgstead.engine.solutionfile.options import VERSION
from orgstead.model.schema import Cascade, ManyToMany, OneToMany, Schema

__all__ = ["read_relationship", "write_many_to_many", "write_one_to_many"]

_CASCADES = ("Assign", "Delete", "Reparent", "Share", "Unshare", "Merge")
_ACTIVE = {"Active": "ActiveOnly"}
_SHOWN = {"NavPaneDisplayOption": "usecollectionname", "NavPaneArea": "details", "NavPaneOrder": "10000"}
_MENU = {"Behavior": "UseCollectionName", "Group": "Details", "Order": 10000}


def _head(parent: Element, rel: OneToMany | ManyToMany, kind: str) -> Element:
    for name, value in rel.shown.items():
        plain = isinstance(value, dict) and all(_MENU.get(key) == each for key, each in value.items() if each)
        if not plain:
            raise unsupported(f"{name} of {rel.schema_name} in a solution file")
    made = add(parent, "EntityRelationship", Name=rel.schema_name)
    add(made, "EntityRelationshipType", kind)
    add(made, "IsCustomizable", 1)
    add(made, "IntroducedVersion", VERSION)
    return made


def _role(parent: Element, navigation: str, kind: str, place: int, *, pane: bool) -> None:
    made = add(parent, "EntityRelationshipRole")
    if pane:
        add(made, "NavPaneDisplayOption", "UseCollectionName")
        add(made, "NavPaneArea", "Details")
        add(made, "NavPaneOrder", 10000)
    add(made, "NavigationPropertyName", navigation)
    add(made, kind, place)


def write_one_to_many(parent: Element, rel: OneToMany, schema: Schema) -> None:
    """A 1:N relationship. Raises NotSupported for what has no element."""
    made = _head(parent, rel, "OneToMany")
    add(made, "IsHierarchical", rel.hierarchical)
    add(made, "ReferencingEntityName", schema.tables[rel.referencing].schema_name)
    add(made, "ReferencedEntityName", schema.tables[rel.referenced].schema_name)
    for name in _CASCADES:
        value = getattr(rel.cascade, name.lower())
        add(made, f"Cascade{name}", _ACTIVE.get(value, value))
    lookup = schema.tables[rel.referencing].columns[rel.referencing_attribute]
    add(made, "ReferencingAttributeName", lookup.schema_name)
    add_labels(add(made, "RelationshipDescription"), "Descriptions", "Description", "")
    roles = add(made, "EntityRelationshipRoles")
    _role(roles, rel.referencing_navigation, "RelationshipRoleType", 1, pane=True)
    _role(roles, rel.referenced_navigation, "RelationshipRoleType", 0, pane=False)


def write_many_to_many(parent: Element, rel: ManyToMany, schema: Schema) -> None:
    """An N:N relationship. Raises NotSupported for what has no element."""
    made = _head(parent, rel, "ManyToMany")
    add(made, "FirstEntityName", schema.tables[rel.entity1].schema_name)
    add(made, "SecondEntityName", schema.tables[rel.entity2].schema_name)
    add(made, "IntersectEntityName", schema.tables[rel.intersect].schema_name)
    roles = add(made, "EntityRelationshipRoles")
    _role(roles, rel.entity1_navigation, "AssociationRoleOrdinal", 1, pane=True)
    _role(roles, rel.entity2_navigation, "AssociationRoleOrdinal", 2, pane=True)


def read_relationship(element: Element, schema: Schema) -> OneToMany | ManyToMany:
    """A relationship: what stands in the file over what is here. Raises SolutionFileInvalid, NotSupported."""
    name = element.get("Name", "")
    if not name:
        raise bad("a relationship has no name")
    reading = Reading(element, f"the relationship {name[:100]}")
    reading.known({"Name": None})
    kind = reading.needed("EntityRelationshipType")
    reading.only("IsCustomizable", "1", "true", "0", "false")
    reading.only("IsValidForAdvancedFind", "1", "true")
    reading.ignore("IntroducedVersion")
    description = reading.take("RelationshipDescription")
    if description is not None:
        inner = Reading(description, reading.what)
        if inner.labels("Descriptions", "Description"):
            raise unsupported(f"RelationshipDescription of {reading.what}")
    roles = _roles(reading)
    if kind == "OneToMany":
        found: OneToMany | ManyToMany = _one_to_many(reading, name, roles, schema)
    elif kind == "ManyToMany":
        found = _many_to_many(reading, name, roles, schema)
    else:
        raise unsupported(f"EntityRelationshipType {kind[:40]} of {reading.what}")
    reading.finish()
    return found


def _roles(reading: Reading) -> dict[str, str]:
    """Navigation properties by what they are of."""
    found: dict[str, str] = {}
    for each in reading.items("EntityRelationshipRoles", "EntityRelationshipRole"):
        role = Reading(each, reading.what)
        for element, usual in _SHOWN.items():
            role.only(element, usual)
        role.empty(["CustomLabels"])
        kind, place = role.text("RelationshipRoleType"), role.text("AssociationRoleOrdinal")
        found[f"one{kind}" if kind else f"many{place}"] = role.text("NavigationPropertyName")
        role.finish()
    return found


def _one_to_many(reading: Reading, name: str, roles: dict[str, str], schema: Schema) -> OneToMany:
    current = schema.one_to_many.get(name)
    start = current.cascade if current is not None else Cascade()
    cascades = {}
    for each in _CASCADES:
        value = reading.text(f"Cascade{each}", getattr(start, each.lower()))
        cascades[each.lower()] = next((ours for ours, theirs in _ACTIVE.items() if theirs == value), value)
    reading.only("CascadeRollupView", "nocascade")
    reading.only("CascadeArchive", "removelink", "nocascade", "restrict")
    hierarchical = reading.flag("IsHierarchical", current is not None and current.hierarchical)
    referencing = reading.needed("ReferencingEntityName").lower()
    referenced = reading.needed("ReferencedEntityName").lower()
    lookup = reading.needed("ReferencingAttributeName").lower()
    if current is not None:
        if (current.referencing, current.referenced, current.referencing_attribute) != (
            referencing,
            referenced,
            lookup,
        ):
            raise bad(f"{reading.what} is of other tables or of another column here")
        return replace(
            current,
            cascade=Cascade(**cascades),
            hierarchical=hierarchical,
            referencing_navigation=roles.get("one1") or current.referencing_navigation,
            referenced_navigation=roles.get("one0") or current.referenced_navigation,
        )
    return OneToMany(
        schema_name=name, metadata_id="", referenced=referenced, referenced_attribute="", referencing=referencing,
        referencing_attribute=lookup, referenced_navigation=roles.get("one0", ""),
        referencing_navigation=roles.get("one1", ""), cascade=Cascade(**cascades), hierarchical=hierarchical,
        is_custom=True,
    )  # fmt: skip


def _many_to_many(reading: Reading, name: str, roles: dict[str, str], schema: Schema) -> ManyToMany:
    ends = reading.needed("FirstEntityName").lower(), reading.needed("SecondEntityName").lower()
    intersect = reading.text("IntersectEntityName", name)
    current = schema.many_to_many.get(name)
    if current is not None:
        if (current.entity1, current.entity2, current.intersect) != (*ends, intersect.lower()):
            raise bad(f"{reading.what} is of other tables here")
        return replace(
            current,
            entity1_navigation=roles.get("many1") or current.entity1_navigation,
            entity2_navigation=roles.get("many2") or current.entity2_navigation,
        )
    return ManyToMany(
        schema_name=name, metadata_id="", intersect=intersect, entity1=ends[0], entity1_attribute="",
        entity1_navigation=roles.get("many1", ""), entity2=ends[1], entity2_attribute="",
        entity2_navigation=roles.get("many2", ""), is_custom=True,
    )  # fmt: skip
