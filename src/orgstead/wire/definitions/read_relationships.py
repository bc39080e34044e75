"""Relationship metadata in JSON to relationships.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-relationships-using-web-api
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.model.schema import Cascade, Column, ManyToMany, OneToMany, Schema
from orgstead.wire.definitions.body import Body, type_of
from orgstead.wire.definitions.describe import many_to_many, one_to_many
from orgstead.wire.definitions.read_columns import read_lookup

__all__ = ["change_relationship", "read_many_to_many", "read_one_to_many"]

_LINKS = ("Assign", "Delete", "Merge", "Reparent", "Share", "Unshare")


def read_one_to_many(
    value: Any, schema: Schema, new_id: Callable[[], str], *, lookup: bool = True
) -> tuple[OneToMany, Column | None]:
    """A new 1:N relationship and the lookup column that comes with it, if there is one."""
    if type_of(value, "OneToManyRelationshipMetadata") != "OneToManyRelationshipMetadata":
        raise fault(
            "InvalidDefinition", what="the request", reason="a OneToManyRelationshipMetadata was expected"
        )
    bare = OneToMany(
        schema_name="",
        metadata_id="",
        referenced="",
        referenced_attribute="",
        referencing="",
        referencing_attribute="",
        referenced_navigation="",
        referencing_navigation="",
        is_custom=True,
    )
    body = Body(value, "OneToManyRelationshipMetadata", one_to_many(bare, schema).values)
    rel = replace(
        _one_to_many(body, bare),
        schema_name=body.text("SchemaName"),
        metadata_id=body.id("MetadataId", new_id()),
        referenced=body.text("ReferencedEntity"),
        referenced_attribute=body.text("ReferencedAttribute"),
        referencing=body.text("ReferencingEntity"),
        referencing_attribute=body.text("ReferencingAttribute"),
    )
    for name, given in (("ReferencedEntity", rel.referenced), ("ReferencingEntity", rel.referencing)):
        if not given:
            raise body.wrong(f"{name} is missing")
    _ignore_classification(body)
    column = None
    given = body.raw("Lookup")
    if given is not None:
        if not lookup:
            raise body.wrong("the lookup column is given once, beside the relationships")
        column = read_lookup(given, schema, new_id)
        if rel.referencing_attribute and rel.referencing_attribute != column.name:
            raise body.wrong("ReferencingAttribute and Lookup name different columns")
    body.finish()
    return rel, column


def _ignore_classification(body: Body) -> None:
    """What follows from the kind of relationship and is only repeated by the client."""
    body.choice("RelationshipType")
    body.choice("SecurityTypes")
    body.flag("IsCustomRelationship", True)
    body.flag("IsValidForAdvancedFind", True)
    body.whole("RelationshipBehavior")


def _one_to_many(body: Body, start: OneToMany) -> OneToMany:
    return replace(
        start,
        referenced_navigation=body.text(
            "ReferencedEntityNavigationPropertyName", start.referenced_navigation
        ),
        referencing_navigation=body.text(
            "ReferencingEntityNavigationPropertyName", start.referencing_navigation
        ),
        hierarchical=body.flag("IsHierarchical", start.hierarchical),
        cascade=_cascade(body, start.cascade),
        shown=body.kept(start.shown),
    )


def _cascade(body: Body, start: Cascade) -> Cascade:
    given = body.raw("CascadeConfiguration")
    if given is None:
        return start
    if not isinstance(given, dict):
        raise body.wrong("CascadeConfiguration must be an object")
    changes: dict[str, str] = {}
    for name, value in given.items():
        if "@" in name or name in ("Archive", "RollupView") or value is None:
            continue
        if name not in _LINKS or not isinstance(value, str):
            raise body.wrong(f"CascadeConfiguration/{name[:50]} is not known")
        changes[name.lower()] = value
    return replace(start, **changes)


def read_many_to_many(value: Any, schema: Schema, new_id: Callable[[], str]) -> ManyToMany:
    """A new N:N relationship."""
    bare = ManyToMany(
        schema_name="",
        metadata_id="",
        intersect="",
        entity1="",
        entity1_attribute="",
        entity1_navigation="",
        entity2="",
        entity2_attribute="",
        entity2_navigation="",
        is_custom=True,
    )
    body = Body(value, "ManyToManyRelationshipMetadata", many_to_many(bare).values)
    rel = replace(
        _many_to_many(body, bare),
        schema_name=body.text("SchemaName"),
        metadata_id=body.id("MetadataId", new_id()),
        intersect=body.text("IntersectEntityName"),
        entity1=body.text("Entity1LogicalName"),
        entity2=body.text("Entity2LogicalName"),
    )
    for name, given in (("Entity1LogicalName", rel.entity1), ("Entity2LogicalName", rel.entity2)):
        if not given:
            raise body.wrong(f"{name} is missing")
    _ignore_classification_of_crossing(body)
    body.finish()
    return rel


def _ignore_classification_of_crossing(body: Body) -> None:
    body.choice("RelationshipType")
    body.choice("SecurityTypes")
    body.flag("IsCustomRelationship", True)
    body.flag("IsValidForAdvancedFind", True)
    body.text("Entity1IntersectAttribute")
    body.text("Entity2IntersectAttribute")


def _many_to_many(body: Body, start: ManyToMany) -> ManyToMany:
    return replace(
        start,
        entity1_navigation=body.text("Entity1NavigationPropertyName", start.entity1_navigation),
        entity2_navigation=body.text("Entity2NavigationPropertyName", start.entity2_navigation),
        shown=body.kept(start.shown),
    )


def change_relationship(
    value: Any, current: OneToMany | ManyToMany, schema: Schema
) -> OneToMany | ManyToMany:
    """An existing relationship as a PUT describes it."""
    kind = (
        "OneToManyRelationshipMetadata"
        if isinstance(current, OneToMany)
        else "ManyToManyRelationshipMetadata"
    )
    if type_of(value, kind) != kind:
        raise fault("InvalidDefinition", what=current.schema_name, reason=f"it is a {kind}")
    if isinstance(current, OneToMany):
        body = Body(value, kind, one_to_many(current, schema).values)
        body.choice("SecurityTypes")
        changed: OneToMany | ManyToMany = _one_to_many(body, current)
    else:
        body = Body(value, kind, many_to_many(current).values)
        changed = _many_to_many(body, current)
    body.finish()
    return changed
