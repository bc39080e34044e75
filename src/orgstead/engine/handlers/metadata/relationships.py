"""Create, change and delete relationships.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-relationships-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/multitable-lookup
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orgstead.engine.handlers.metadata.checks import check_name, known_one_to_many, known_table, wanted
from orgstead.engine.handlers.metadata.columns import add_column
from orgstead.engine.handlers.metadata.components import RELATIONSHIP, add_to_solution, forget_component
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.schema import Cascade, Column, ManyToMany, OneToMany, Table

__all__ = [
    "create_customer_relationships", "create_many_to_many", "create_one_to_many", "create_polymorphic_lookup",
    "delete_relationship", "update_relationship",
]  # fmt: skip

ACTIONS = frozenset({"NoCascade", "Cascade", "Active", "UserOwned"})
DELETES = frozenset({"Cascade", "RemoveLink", "Restrict", "NoCascade"})
CUSTOMERS = frozenset({"account", "contact"})


@handles("CreateOneToMany", privilege="prvCreateRelationship", heavy=True, defines=True)
def create_one_to_many(call: Call) -> Any:
    """Add a 1:N relationship and its lookup column. Answers ``RelationshipId`` and ``AttributeId``.

    ``lookup`` may be the name of a custom lookup column that is there already: it then leads to one table more.
    """
    draft = Draft(call)
    rel = wanted(call, "relationship", OneToMany)
    given = call.parameters.get("lookup")
    table = known_table(call.schema, rel.referencing)
    if isinstance(given, Column):
        lookup = replace(given, type="lookup", targets=(rel.referenced,))
        add_column(draft, rel.referencing, lookup)
        name = lookup.schema_name.lower()
    else:
        name = _existing_lookup(table, rel)
    _relate(draft, replace(rel, referencing_attribute=name), _navigation(table, rel, name, given))
    draft.commit()
    add_to_solution(call, RELATIONSHIP, rel.metadata_id)
    return {
        "RelationshipId": rel.metadata_id,
        "AttributeId": draft.table(rel.referencing).columns[name].metadata_id,
    }


def _existing_lookup(table: Table, rel: OneToMany) -> str:
    column = table.columns.get(rel.referencing_attribute) if rel.referencing_attribute else None
    if column is None:
        raise fault("MissingParameter", name="Lookup", message="a 1:N relationship needs its lookup column")
    if column.type != "lookup" or not column.is_custom:
        raise _invalid(rel.schema_name, f"{column.name} is no custom lookup column")
    if rel.referenced in column.targets:
        raise _invalid(rel.schema_name, f"{column.name} leads to {rel.referenced} already")
    return column.name


def _navigation(table: Table, rel: OneToMany, column: str, given: object) -> str:
    """The many side's navigation property: as asked for, or the lookup's schema name."""
    if rel.referencing_navigation:
        return rel.referencing_navigation
    if isinstance(given, Column):
        return given.schema_name
    return f"{table.columns[column].schema_name}_{rel.referenced}"


def _invalid(what: str, reason: str) -> Exception:
    return fault("InvalidDefinition", what=what, reason=reason)


def _check_relationship_name(draft: Draft, name: str) -> None:
    if not name:
        raise fault("RelationshipNameRequired")
    check_name("relationship", name)
    if draft.has_relationship(name):
        raise fault("RelationshipExists", name=name)


def _relate(draft: Draft, rel: OneToMany, navigation: str) -> None:
    """Check a new 1:N relationship whose lookup exists by now, and add it."""
    _check_relationship_name(draft, rel.schema_name)
    referenced = draft.table(rel.referenced)
    if referenced.is_intersect or draft.table(rel.referencing).is_intersect:
        raise _invalid(rel.schema_name, "an intersect table takes part in its N:N relationship only")
    if rel.referenced_attribute and rel.referenced_attribute != referenced.primary_id:
        raise _invalid(rel.schema_name, f"ReferencedAttribute must be {referenced.primary_id}")
    if rel.hierarchical and rel.referenced != rel.referencing:
        raise fault("NotHierarchical")
    _check_cascade(rel.schema_name, rel.cascade)
    made = replace(
        rel,
        referenced_attribute=referenced.primary_id,
        referenced_navigation=rel.referenced_navigation or rel.schema_name,
        referencing_navigation=navigation,
        is_custom=True,
    )
    _check_navigation(draft, rel.referenced, made.referenced_navigation)
    _check_navigation(draft, rel.referencing, made.referencing_navigation)
    if rel.referenced == rel.referencing and made.referenced_navigation == made.referencing_navigation:
        raise _invalid(rel.schema_name, "its two navigation properties need different names")
    draft.relate(made)


def _check_cascade(what: str, cascade: Cascade) -> None:
    for name in ("assign", "merge", "reparent", "share", "unshare"):
        if getattr(cascade, name) not in ACTIONS:
            raise _invalid(what, f"{getattr(cascade, name)} is no cascade behaviour for {name}")
    if cascade.delete not in DELETES:
        raise _invalid(what, f"{cascade.delete} is no cascade behaviour for delete")


def _check_navigation(draft: Draft, table: str, name: str) -> None:
    """Navigation properties of a table have names that no other property of it has."""
    column = draft.table(table).columns.get(name)
    if name in draft.navigations(table) or (column is not None and not column.is_lookup):
        raise _invalid(table, f"it has a property {name} already")
    if not name.isidentifier() or not name.isascii() or len(name) > 128:
        raise fault("NameCharacters", name=name[:100])


@handles("CreateCustomerRelationships", privilege="prvCreateRelationship", heavy=True, defines=True)
def create_customer_relationships(call: Call) -> Any:
    """Add a customer column: a lookup to accounts and contacts with its two relationships.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/createcustomerrelationships
    """
    rels = _relationships(call)
    if {rel.referenced for rel in rels} != CUSTOMERS or len(rels) != 2:
        raise _invalid("the customer column", "it needs one relationship to account and one to contact")
    return _many_targets(call, rels, "customer")


@handles("CreatePolymorphicLookupAttribute", privilege="prvCreateRelationship", heavy=True, defines=True)
def create_polymorphic_lookup(call: Call) -> Any:
    """Add a lookup to several tables with a relationship to each."""
    return _many_targets(call, _relationships(call), "lookup")


def _relationships(call: Call) -> Sequence[OneToMany]:
    rels = call.parameters.get("relationships")
    if not isinstance(rels, tuple) or not rels or not all(isinstance(rel, OneToMany) for rel in rels):
        raise fault(
            "MissingParameter", name="OneToManyRelationships", message="the lookup needs its relationships"
        )
    return rels


def _many_targets(call: Call, rels: Sequence[OneToMany], kind: str) -> Any:
    draft = Draft(call)
    lookup = wanted(call, "lookup", Column)
    tables = {rel.referencing for rel in rels}
    targets = [rel.referenced for rel in rels]
    if len(tables) != 1 or len(set(targets)) != len(targets):
        raise _invalid(
            lookup.schema_name, "the relationships must start at one table and lead to different ones"
        )
    for target in targets:
        draft.table(target)
    column = replace(lookup, type=kind, targets=tuple(targets))  # type: ignore[arg-type]
    (table,) = tables
    add_column(draft, table, column)
    for rel in rels:
        navigation = rel.referencing_navigation or f"{lookup.schema_name}_{rel.referenced}"
        _relate(draft, replace(rel, referencing_attribute=lookup.schema_name.lower()), navigation)
    draft.commit()
    for rel in rels:
        add_to_solution(call, RELATIONSHIP, rel.metadata_id)
    return {"RelationshipIds": [rel.metadata_id for rel in rels], "AttributeId": lookup.metadata_id}


@handles("CreateManyToMany", privilege="prvCreateRelationship", heavy=True, defines=True)
def create_many_to_many(call: Call) -> Any:
    """Add an N:N relationship and its intersect table. Answers ``ManyToManyRelationshipId``."""
    draft = Draft(call)
    rel = wanted(call, "relationship", ManyToMany)
    _check_relationship_name(draft, rel.schema_name)
    intersect = rel.intersect or rel.schema_name
    check_name("relationship", intersect)
    ends = draft.table(rel.entity1), draft.table(rel.entity2)
    if any(end.is_intersect for end in ends):
        raise _invalid(rel.schema_name, "an intersect table takes part in its own relationship only")
    if draft.has_table(intersect.lower()):
        raise fault("TableExists", name=intersect.lower())
    reflexive = rel.entity1 == rel.entity2
    names = tuple(
        f"{end.primary_id}{suffix if reflexive else ''}"
        for end, suffix in zip(ends, ("one", "two"), strict=True)
    )
    if not reflexive and names[0] == names[1]:
        # Two activity tables share the name of their keys.
        names = f"{names[0]}one", f"{names[1]}two"
    made = replace(
        rel,
        intersect=intersect.lower(),
        entity1_attribute=names[0],
        entity2_attribute=names[1],
        entity1_navigation=rel.entity1_navigation or rel.schema_name,
        entity2_navigation=rel.entity2_navigation
        or (f"{rel.schema_name}_referencing" if reflexive else rel.schema_name),
        is_custom=True,
    )
    _check_navigation(draft, rel.entity1, made.entity1_navigation)
    _check_navigation(draft, rel.entity2, made.entity2_navigation)
    if reflexive and made.entity1_navigation == made.entity2_navigation:
        raise _invalid(rel.schema_name, "its two navigation properties need different names")
    draft.put(_intersect(draft, made, intersect))
    draft.cross(made)
    draft.commit()
    add_to_solution(call, RELATIONSHIP, rel.metadata_id)
    return {"ManyToManyRelationshipId": rel.metadata_id}


def _intersect(draft: Draft, rel: ManyToMany, schema_name: str) -> Table:
    new_id = draft.call.new_id
    primary = f"{rel.intersect}id"
    columns = [
        Column(
            name=name,
            schema_name=name,
            type="uniqueidentifier",
            metadata_id=new_id(),
            create=False,
            update=False,
        )
        for name in (primary, rel.entity1_attribute, rel.entity2_attribute)
    ]
    version = Column(
        name="versionnumber",
        schema_name="VersionNumber",
        type="bigint",
        metadata_id=new_id(),
        create=False,
        update=False,
    )
    return Table(
        logical_name=rel.intersect,
        schema_name=schema_name,
        entity_set=f"{rel.intersect}set",
        metadata_id=new_id(),
        object_type_code=draft.next_object_type_code(),
        primary_id=primary,
        primary_name=None,
        columns={column.name: column for column in (*columns, version)},
        display_name=schema_name,
        display_collection_name=schema_name,
        ownership="None",
        is_intersect=True,
        is_custom=True,
    )


@handles("UpdateRelationship", privilege="prvWriteRelationship", heavy=True, defines=True)
def update_relationship(call: Call) -> Any:
    """Change cascades, hierarchy and navigation property names of a relationship."""
    draft = Draft(call)
    rel = call.parameters.get("relationship")
    if isinstance(rel, ManyToMany):
        _update_many_to_many(draft, rel)
    else:
        rel = wanted(call, "relationship", OneToMany)
        current = known_one_to_many(call.schema, rel.schema_name)
        if (rel.referenced, rel.referencing, rel.referencing_attribute) != (
            current.referenced, current.referencing, current.referencing_attribute,
        ):  # fmt: skip
            raise _invalid(rel.schema_name, "its tables and its lookup column cannot be changed")
        _check_cascade(rel.schema_name, rel.cascade)
        if rel.hierarchical and rel.referenced != rel.referencing:
            raise fault("NotHierarchical")
        if rel.referenced_navigation != current.referenced_navigation:
            _check_navigation(draft, rel.referenced, rel.referenced_navigation)
        if rel.referencing_navigation != current.referencing_navigation:
            _check_navigation(draft, rel.referencing, rel.referencing_navigation)
        draft.relate(replace(rel, metadata_id=current.metadata_id, is_custom=current.is_custom))
    draft.commit()
    add_to_solution(call, RELATIONSHIP, rel.metadata_id)
    return None


def _update_many_to_many(draft: Draft, rel: ManyToMany) -> None:
    current = draft.schema.many_to_many.get(rel.schema_name)
    if current is None:
        raise fault("DefinitionNotFound", kind="relationship", name=rel.schema_name[:100])
    if (rel.entity1, rel.entity2, rel.intersect) != (current.entity1, current.entity2, current.intersect):
        raise _invalid(rel.schema_name, "its tables cannot be changed")
    for table, old, new in (
        (rel.entity1, current.entity1_navigation, rel.entity1_navigation),
        (rel.entity2, current.entity2_navigation, rel.entity2_navigation),
    ):
        if old != new:
            _check_navigation(draft, table, new)
    draft.cross(rel)


@handles("DeleteRelationship", privilege="prvDeleteRelationship", heavy=True, defines=True)
def delete_relationship(call: Call) -> Any:
    """Delete a custom relationship: 1:N with its lookup column, N:N with its intersect table."""
    draft = Draft(call)
    name = wanted(call, "name", str)
    crossing = call.schema.many_to_many.get(name)
    if crossing is not None:
        if not crossing.is_custom:
            raise fault("DefinitionNotDeletable", name=name)
        draft.uncross(name)
        draft.drop(crossing.intersect)
        draft.commit()
        forget_component(call, crossing.metadata_id)
        return None
    rel = known_one_to_many(call.schema, name)
    if not rel.is_custom:
        raise fault("DefinitionNotDeletable", name=name)
    table = known_table(call.schema, rel.referencing)
    column = table.columns[rel.referencing_attribute]
    draft.unrelate(rel)
    if column.is_custom and column.targets == (rel.referenced,):
        using = sum(column.name in key.columns for key in table.keys)
        if using:
            raise fault("ComponentInUse", kind="Attribute", id=column.metadata_id, count=using)
        gone = [each.name for each in table.columns.values() if column.name in (each.name, each.attribute_of)]
        draft.drop_columns(table.logical_name, gone)
        forget_component(call, column.metadata_id)
    draft.commit()
    forget_component(call, rel.metadata_id)
    return None
