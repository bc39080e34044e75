"""Create, change and delete tables.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
"""

from dataclasses import replace
from typing import Any

from orgstead.engine.files import forget_all
from orgstead.engine.handlers.metadata.activities import (
    PRIMARY_NAME,
    activity_columns,
    activity_relationships,
    check_activity,
)
from orgstead.engine.handlers.metadata.checks import (
    check_name,
    custom_table,
    entity_set_name,
    known_column,
    known_table,
    wanted,
)
from orgstead.engine.handlers.metadata.columns import add_column
from orgstead.engine.handlers.metadata.components import ENTITY, add_to_solution, forget_component
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.handlers.metadata.filters import announce_messages, count_steps, forget_messages
from orgstead.engine.handlers.metadata.rights import announce_privileges, forget_privileges
from orgstead.engine.handlers.metadata.standard import (
    relate_activities,
    relate_notes,
    standard_columns,
    standard_relationships,
)
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Delete, RetrieveMultiple, Update
from orgstead.model.query import Condition, Field, Query, ToOne
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Column, OneToMany, Table

__all__ = ["create_entities", "create_entity", "delete_entity", "update_entity"]

OWNERSHIPS = frozenset({"UserOwned", "OrganizationOwned"})
MAX_TABLES = 50
FIXED = ("schema_name", "ownership", "primary_id", "primary_name", "is_activity", "is_intersect")


@handles("CreateEntity", privilege="prvCreateEntity", heavy=True, defines=True)
def create_entity(call: Call) -> Any:
    """Add a table with its standard columns. Answers ``EntityId`` and ``AttributeId`` (of the primary name)."""
    draft, table = Draft(call), wanted(call, "table", Table)
    primary = _add(draft, table)
    draft.commit()
    announce_messages(call, table.logical_name)
    announce_privileges(call, table.logical_name)
    add_to_solution(call, ENTITY, table.metadata_id)
    return {"EntityId": table.metadata_id, "AttributeId": primary.metadata_id}


@handles("CreateEntities", privilege="prvCreateEntity", heavy=True, defines=True)
def create_entities(call: Call) -> Any:
    """Add several tables with their columns, all or none. Answers ``EntityIds`` in the order given."""
    draft = Draft(call)
    tables = wanted(call, "tables", tuple)
    if not 1 <= len(tables) <= MAX_TABLES:
        raise fault("InvalidArgument", message=f"Between 1 and {MAX_TABLES} tables can be created at once.")
    for table in tables:
        _add(draft, table)
    draft.commit()
    for table in tables:
        announce_messages(call, table.logical_name)
        announce_privileges(call, table.logical_name)
        add_to_solution(call, ENTITY, table.metadata_id)
    return {"EntityIds": [table.metadata_id for table in tables]}


def _add(draft: Draft, table: Table) -> Column:
    """Add a table to the draft; its primary name column. ``table.columns`` are those that it is made with."""
    check_name("entity", table.schema_name)
    name = table.schema_name.lower()
    if draft.has_table(name):
        raise fault("TableExists", name=name)
    if table.ownership not in OWNERSHIPS:
        raise fault(
            "InvalidDefinition",
            what=table.schema_name,
            reason="OwnershipType must be UserOwned or OrganizationOwned",
        )
    if table.is_activity:
        table = check_activity(table, draft)
    entity_set = table.entity_set or entity_set_name(name)
    check_name("entity set", entity_set)
    if entity_set.lower() in draft.entity_sets():
        raise fault("EntitySetExists", name=entity_set)
    primary = _primary_name(table)
    bare = replace(
        table,
        logical_name=name,
        entity_set=entity_set,
        primary_id="activityid" if table.is_activity else f"{name}id",
        primary_name=primary.schema_name.lower(),
        object_type_code=draft.next_object_type_code(),
        display_name=table.display_name or table.schema_name,
        display_collection_name=table.display_collection_name or table.display_name or table.schema_name,
        is_custom=True,
    )
    new_id = draft.call.new_id
    if table.is_activity:
        columns = activity_columns(bare, draft, new_id)
        subject = replace(primary, name=PRIMARY_NAME, schema_name=columns[PRIMARY_NAME].schema_name)
        draft.put(replace(bare, columns={**columns, PRIMARY_NAME: subject}))
        added = tuple(column for column in table.columns.values() if column is not primary)
    else:
        draft.put(replace(bare, columns=standard_columns(bare, new_id)))
        added = tuple(table.columns.values())
    for column in added:
        if column.type in ("lookup", "customer", "owner"):
            reason = "a lookup column is created together with its relationship"
            raise fault("InvalidDefinition", what=column.schema_name, reason=reason)
        add_column(draft, name, column)
    made = draft.table(name)
    # The key first and the name second, as they are read.
    first = (made.primary_id, bare.primary_name or "")
    order = [*first, *(each for each in made.columns if each not in first)]
    draft.put(replace(made, columns={each: made.columns[each] for each in order}))
    if table.is_activity:
        activity_relationships(draft.table(name), draft, new_id)
        return primary
    standard_relationships(draft.table(name), draft, new_id)
    if table.has_notes:
        relate_notes(draft.table(name), draft, new_id)
    if table.has_activities:
        relate_activities(draft.table(name), draft, new_id)
    return primary


def _primary_name(table: Table) -> Column:
    if table.primary_name is None:
        raise fault("PrimaryNameMissing")
    primary = known_column(table, table.primary_name)
    if primary.secured:
        raise fault(
            "InvalidDefinition", what=primary.schema_name, reason="the primary name cannot be secured"
        )
    if primary.type != "string" or (primary.format or "Text") != "Text":
        raise fault(
            "InvalidDefinition",
            what=primary.schema_name,
            reason="the primary name must be text of format Text",
        )
    return primary


@handles("UpdateEntity", privilege="prvWriteEntity", heavy=True, defines=True)
def update_entity(call: Call) -> Any:
    """Change a table's labels and switches. Notes and activities can be turned on, never off."""
    draft, table = Draft(call), wanted(call, "table", Table)
    current = known_table(call.schema, table.logical_name)
    for name in FIXED:
        if getattr(table, name) != getattr(current, name):
            raise fault(
                "InvalidDefinition",
                what=current.schema_name,
                reason=f"its {name.replace('_', ' ')} cannot be changed",
            )
    if (current.has_notes and not table.has_notes) or (current.has_activities and not table.has_activities):
        raise fault(
            "InvalidDefinition", what=current.schema_name, reason="notes and activities cannot be turned off"
        )
    if table.entity_set != current.entity_set:
        custom_table(call.schema, current.logical_name)
        check_name("entity set", table.entity_set)
        if table.entity_set.lower() in draft.entity_sets() - {current.entity_set.lower()}:
            raise fault("EntitySetExists", name=table.entity_set)
    if table.primary_image is not None and known_column(current, table.primary_image).type != "image":
        raise fault(
            "InvalidDefinition", what=current.schema_name, reason=f"{table.primary_image} is no image column"
        )
    draft.put(
        replace(
            current,
            display_name=table.display_name or current.display_name,
            display_collection_name=table.display_collection_name or current.display_collection_name,
            description=table.description,
            entity_set=table.entity_set,
            has_notes=table.has_notes,
            has_activities=table.has_activities,
            change_tracking=table.change_tracking,
            audited=table.audited,
            primary_image=table.primary_image,
            shown=table.shown,
        )
    )
    if table.has_notes and not current.has_notes:
        relate_notes(current, draft, call.new_id)
    if table.has_activities and not current.has_activities:
        relate_activities(current, draft, call.new_id)
    draft.commit()
    add_to_solution(call, ENTITY, current.metadata_id)
    return None


@handles("DeleteEntity", privilege="prvDeleteEntity", heavy=True, defines=True)
def delete_entity(call: Call) -> Any:
    """Delete a custom table with its rows, columns and relationships.

    Raises ComponentInUse while a lookup of another table, or a step, is made for this one.
    """
    draft = Draft(call)
    table = custom_table(call.schema, wanted(call, "name", str))
    name = table.logical_name
    if table.is_intersect:
        raise fault("InvalidDefinition", what=name, reason="an intersect table goes with its relationship")
    inbound = [rel for rel in call.schema.referenced.get(name, ()) if rel.referencing != name]
    crossing = call.schema.crossing.get(name, ())
    using = sum(
        call.schema.tables[rel.referencing].columns[rel.referencing_attribute].is_custom for rel in inbound
    )
    using += count_steps(call, name)
    if using:
        raise fault("ComponentInUse", kind="Entity", id=table.metadata_id, count=using)
    forget_all(call, objecttypecode=name)
    if table.is_activity:
        _empty(call, table)
    for rel in inbound:
        _release(call, rel)
    ties = (*call.schema.referencing.get(name, ()), *call.schema.referenced.get(name, ()))
    for tie in ties:
        draft.unrelate(tie)
    for many in crossing:
        draft.uncross(many.schema_name)
        draft.drop(many.intersect)
    draft.drop(name)
    draft.commit()
    forget_messages(call, name)
    forget_privileges(call, table)
    gone = [table.metadata_id]
    gone += [column.metadata_id for column in table.columns.values() if column.is_custom]
    gone += [key.metadata_id for key in table.keys]
    gone += [rel.metadata_id for rel in ties if rel.is_custom]
    gone += [many.metadata_id for many in crossing]
    forget_component(call, *gone)
    return None


def _empty(call: Call, table: Table) -> None:
    """Delete the rows of an activity table: each is a row of activitypointer too, and has its parties."""
    query = Query(table=table.logical_name, columns=(table.primary_id,), page_size=1000)
    while (page := call.send_as_system(RetrieveMultiple(query=query)).page) is not None and page.rows:
        place = next(index for index, each in enumerate(page.plan.outputs) if each.name == table.primary_id)
        for row in page.rows:
            call.send_as_system(Delete(ref=Ref(table.logical_name, row[place])))


def _release(call: Call, rel: OneToMany) -> None:
    """Delete the rows that go with those of the referenced table, or untie them.

    As the product's own work: whoever they belong to, and also where no user unties them, such as system jobs.
    """
    table = call.schema.tables[rel.referencing]
    hop = ToOne(rel.referencing_attribute, rel.referenced)
    where = Condition(Field(rel.referenced_attribute, (hop,)), "not-null")
    query = Query(table=rel.referencing, columns=(table.primary_id,), where=where, page_size=1000)
    while True:
        page = call.send_as_system(RetrieveMultiple(query=query)).page
        if page is None or not page.rows:
            return
        place = next(
            index for index, output in enumerate(page.plan.outputs) if output.name == table.primary_id
        )
        for row in page.rows:
            ref = Ref(rel.referencing, row[place])
            if rel.cascade.delete == "Cascade":
                call.send_as_system(Delete(ref=ref))
            else:
                values = {rel.referencing_attribute: None}
                call.send_as_system(Update(ref=ref, record=Record(table=rel.referencing, values=values)))
