"""Rows of data entities become definitions: a mapping of a table's columns to public names, field by field.

An entity that is disabled defines nothing: one gives it its fields, and enables it then.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-entities
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/build-consuming-data-entities
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from orgstead.engine.callers import among
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.errors import Fault, fault
from orgstead.model.dataentities import (
    NO_YES,
    DataEntity,
    DataField,
    DataRelation,
    EnumMember,
    EnumType,
    FieldKind,
)
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema, Table

__all__ = [
    "KINDS",
    "check_entity",
    "check_field",
    "check_relation",
    "define_entity",
    "fill_company",
    "follow_constraints",
    "withdraw_entity",
]

ENTITIES, FIELDS, RELATIONS = "orgstead_dataentity", "orgstead_dataentityfield", "orgstead_dataentityrelation"
PARTS = (FIELDS, RELATIONS)
OWNER = "dataentityid"
MAX_FIELDS, MAX_RELATIONS = 1000, 100
CATEGORIES = ("Parameter", "Reference", "Master", "Document", "Transaction")
KINDS: tuple[FieldKind, ...] = (
    "String", "Int32", "Int64", "Real", "Boolean", "Date", "DateTime", "Guid", "Enum",
)  # fmt: skip
# Which types of columns a kind of field shows.
SHOWN: Mapping[FieldKind, frozenset[str]] = {
    "String": frozenset({"string", "memo", "entityname", "uniqueidentifier"}),
    "Int32": frozenset({"integer"}),
    "Int64": frozenset({"integer", "bigint"}),
    "Real": frozenset({"decimal", "money", "double"}),
    "Boolean": frozenset({"boolean"}),
    "Date": frozenset({"datetime"}),
    "DateTime": frozenset({"datetime"}),
    "Guid": frozenset({"uniqueidentifier", "lookup"}),
    "Enum": frozenset({"choice", "state", "status"}),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_MEMBER = re.compile(r"\s*(-?\d{1,10})\s*:\s*([A-Za-z_][A-Za-z0-9_]{0,79})\s*", re.ASCII)


def _refused(name: Any, reason: str) -> Fault:
    return fault("InvalidDefinition", what=f"the data entity {str(name)[:100]}", reason=reason)


def _is(*names: str) -> Any:
    return lambda table: table.logical_name in names


def _named(name: Any, what: str) -> str:
    """A public name; raises InvalidDefinition for what is none."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise _refused(name, f"{what} is made of letters, digits and underscores")
    return name


# -- one row -----------------------------------------------------------------------------------------------------
@hook("Create", "Update", stage=20, applies=_is(ENTITIES))
def check_entity(call: Call, change: Change) -> None:
    """Raises InvalidDefinition for a data entity that could not be, TableNotFound, DuplicateRecord."""
    name = _named(change.after("name"), "its public name")
    collection = _named(change.after("publiccollectionname"), "its public collection name")
    for column, default in (("label", collection), ("targetname", f"{name}Entity")):
        if not change.after(column):
            change.values[column] = default
    for column, value in (("name", name), ("publiccollectionname", collection)):
        if value != change.before.get(column) and call.unit.find(change.table, {column: value}, 2) not in (
            [],
            [change.id],
        ):
            raise fault("DuplicateRecord", hint=f"Another data entity has the name {value}.")
    table = call.schema.tables.get(change.after("tablename") or "")
    if table is None or table.is_private:
        raise fault("TableNotFound", name=str(change.after("tablename"))[:100])
    company = change.after("companycolumn")
    if company and (company not in table.columns or table.columns[company].type != "string"):
        raise _refused(name, f"{table.logical_name} has no column of text {company}")


@hook("Create", "Update", stage=20, applies=_is(FIELDS))
def check_field(call: Call, change: Change) -> None:
    """Raises InvalidDefinition for a field that its column could not be, AttributeNotFound, MissingRequired."""
    entity = _entity_row(call, change)
    _named(change.after("name"), "the name of a field")
    if change.after("kind") is None:
        raise fault("MissingRequired", column="kind", table=FIELDS)
    table = call.schema.tables.get(entity["tablename"])
    if table is not None:
        _field(table, {name: change.after(name) for name in _columns(change.table)}, entity["name"])


@hook("Create", "Update", stage=20, applies=_is(RELATIONS))
def check_relation(call: Call, change: Change) -> None:
    """Raises InvalidDefinition, MissingRequired for a relation that names nothing."""
    _entity_row(call, change)
    _named(change.after("name"), "the name of a relation")
    _named(change.after("relatedentityname"), "the related entity of a relation")


def _entity_row(call: Call, change: Change) -> dict[str, Any]:
    owner = change.after(OWNER)
    if not isinstance(owner, Ref):
        raise fault("MissingRequired", column=OWNER, table=change.table.logical_name)
    row = call.unit.get(call.schema.tables[ENTITIES], owner.id, ("name", "tablename"))
    if row is None:
        raise fault("ObjectDoesNotExist", table=ENTITIES, id=owner.id)
    return row


@hook("Delete", stage=20, applies=_is(ENTITIES))
def withdraw_entity(call: Call, change: Change) -> None:
    """A data entity that goes defines nothing from the first of its fields on that goes with it."""
    call.unit.update(change.table, change.id, {"isenabled": False})


# -- what they define --------------------------------------------------------------------------------------------
@hook("Create", "Update", "Delete", stage=40, applies=_is(ENTITIES, *PARTS))
def define_entity(call: Call, change: Change) -> None:
    """What the rows say now is the data entity from now on; raises InvalidDefinition where they make no sense."""
    own = change.table.logical_name == ENTITIES
    owner = change.after(OWNER)
    id = change.id if own else owner.id if isinstance(owner, Ref) else ""
    row = call.unit.get(call.schema.tables[ENTITIES], id)
    known = [each.name for each in call.schema.entities.values() if each.metadata_id == id]
    changed: dict[str, DataEntity | None] = dict.fromkeys(known)
    if row is not None and row["isenabled"]:
        fields = _rows(call, FIELDS, id, MAX_FIELDS)
        relations = _rows(call, RELATIONS, id, MAX_RELATIONS)
        entity = changed[row["name"]] = read_entity(call.schema, row, fields, relations)
        _check_enums(call.schema, entity)
    if changed:
        call.replace_schema(call.schema.evolve(entities=changed))


def _check_enums(schema: Schema, entity: DataEntity) -> None:
    """Enumerations are known by their names alone: raises InvalidDefinition for two with other members."""
    known: dict[str, EnumType] = {NO_YES.name: NO_YES}
    others = (each for each in schema.entities.values() if each.metadata_id != entity.metadata_id)
    for each in (*others, entity):
        for field in each.fields.values():
            if field.enum is not None and known.setdefault(field.enum.name, field.enum) != field.enum:
                raise _refused(entity.name, f"the enumeration {field.enum.name} has other members elsewhere")


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.stored)


def _rows(call: Call, name: str, entity: str, limit: int) -> list[dict[str, Any]]:
    """The parts of an entity in their order; raises InvalidDefinition when there are too many."""
    table = call.schema.tables[name]
    columns = _columns(table)
    rows = [
        dict(zip(columns, values, strict=True))
        for values in call.unit.fetch(among(table, OWNER, *columns), [(entity,)])
    ]
    if len(rows) > limit:
        raise _refused(entity, f"it has more than {limit} of the table {name}")
    return sorted(rows, key=lambda row: (row["sequence"] or 0, row["name"]))


def read_entity(
    schema: Schema,
    row: Mapping[str, Any],
    fields: Sequence[Mapping[str, Any]],
    relations: Sequence[Mapping[str, Any]],
) -> DataEntity:
    """The data entity that rows define; raises InvalidDefinition, TableNotFound, AttributeNotFound."""
    name, table = row["name"], schema.tables.get(row["tablename"])
    if table is None:
        raise fault("TableNotFound", name=row["tablename"])
    twice = [each for each, count in Counter(field["name"].lower() for field in fields).items() if count > 1]
    if twice:
        raise _refused(name, f"it has the field {twice[0]} twice")
    found = {field["name"]: _field(table, field, name) for field in fields}
    key = tuple(part.strip() for part in (row["keyfields"] or "").split(",") if part.strip())
    missing = [each for each in key if each not in found]
    if missing or not key:
        raise _refused(name, f"its key has no field {missing[0]}" if missing else "it has no key")
    columns = tuple(found[each].column for each in key)
    if columns != (table.primary_id,) and (table.key(columns) is None or len(set(columns)) != len(columns)):
        raise _refused(name, f"{', '.join(columns)} is no alternate key of {table.logical_name}")
    company = row["companycolumn"] or None
    if company is not None and company not in columns:
        raise _refused(name, f"the company in {company} is no part of its key")
    tied = {each["name"]: _relation(schema, table, found, each, name) for each in relations}
    if tied.keys() & found.keys():
        raise _refused(name, f"{min(tied.keys() & found.keys())} is a field and a relation")
    return DataEntity(
        metadata_id=row["orgstead_dataentityid"],
        name=name,
        collection=row["publiccollectionname"],
        label=row["label"],
        table=table.logical_name,
        key=key,
        fields=found,
        relations=tied,
        company=company,
        target=row["targetname"],
        category=CATEGORIES[row["category"] if row["category"] is not None else 2],
        management=bool(row["isdatamanagementenabled"]),
        read_only=bool(row["isreadonly"]),
    )


def _field(table: Table, row: Mapping[str, Any], entity: str) -> DataField:
    """A field over its column; raises AttributeNotFound, InvalidDefinition."""
    name, column = row["name"], table.columns.get(row["columnname"] or "")
    if column is None or not column.stored or not column.read or column.outside:
        raise fault("AttributeNotFound", name=str(row["columnname"])[:100], table=table.logical_name)
    kind = KINDS[row["kind"]]
    date_only = kind == "Date" if column.type == "datetime" else column.date_only
    if column.type not in SHOWN[kind] or date_only != column.date_only or column.polymorphic:
        raise _refused(entity, f"the field {name} of the kind {kind} cannot show the column {column.name}")
    frozen = bool(row["isreadonly"])
    return DataField(
        name=name,
        column=column.name,
        kind=kind,
        label=row["label"] or column.display_name or name,
        enum=_enum(table, column, kind, row, entity),
        size=column.max_length,
        mandatory=bool(row["ismandatory"]),
        on_create=column.create and not frozen,
        on_update=column.update and not frozen and row["allowsedit"] is not False,
    )


def _enum(table: Table, column: Column, kind: str, row: Mapping[str, Any], entity: str) -> EnumType | None:
    """The members of a field: those that its row names by their numbers, else made from the column's labels."""
    if kind == "Boolean":
        return NO_YES if (row["enumname"] or NO_YES.name) == NO_YES.name else None
    if kind != "Enum":
        return None
    given = dict(_members(row["enummembers"], entity))
    members = tuple(
        EnumMember(
            name=given.get(option.value) or _symbol(option.label, option.value),
            value=option.value,
            label=option.label,
        )
        for option in column.options
    )
    if len({member.name.lower() for member in members}) != len(members):
        raise _refused(entity, f"two members of the field {row['name']} have one name: give it enummembers")
    name = row["enumname"] or column.global_choice or f"{table.logical_name}_{column.name}"
    return EnumType(name=_named(name, "the name of an enumeration"), members=members)


def _members(text: str | None, entity: str) -> Sequence[tuple[int, str]]:
    """``0:None,1:Open``: the public names of members by their numbers."""
    found: list[tuple[int, str]] = []
    for part in filter(None, (text or "").split(",")):
        match = _MEMBER.fullmatch(part)
        if match is None:
            raise _refused(entity, f"{part[:50]!r} is not a member's number, a colon and its name")
        found.append((int(match[1]), match[2]))
    return found


def _symbol(label: str, value: int) -> str:
    """A name made of a label: ``Out of stock`` is ``OutOfStock``."""
    words = re.findall(r"[A-Za-z0-9]+", label, re.ASCII)
    name = "".join(word[:1].upper() + word[1:] for word in words)[:80]
    return name if _NAME.fullmatch(name) else f"Value{value}".replace("-", "Minus")


def _relation(
    schema: Schema, table: Table, fields: Mapping[str, DataField], row: Mapping[str, Any], entity: str
) -> DataRelation:
    """A relation along its relationship; raises InvalidDefinition."""
    rel = schema.one_to_many.get(row["relationshipname"] or "")
    if rel is None or table.logical_name not in (rel.referencing, rel.referenced):
        raise _refused(entity, f"{row['relationshipname']} is no relationship of {table.logical_name}")
    many = rel.referencing != table.logical_name or bool(row["ismany"])
    pairs: list[tuple[str, str]] = []
    for part in filter(None, (row["constraints"] or "").split(",")):
        one, _, other = (each.strip() for each in part.partition("="))
        if one not in fields or not other:
            raise _refused(entity, f"the constraint {part[:100]!r} of {row['name']} names no field of it")
        pairs.append((one, other))
    return DataRelation(
        name=row["name"],
        related=row["relatedentityname"],
        relationship=rel.schema_name,
        many=many,
        constraints=tuple(pairs),
        required=bool(row["isrequired"]),
    )


@hook("Create", stage=20, applies=lambda table: not table.is_private, rank=-6, ahead=True)
def fill_company(call: Call, change: Change) -> None:
    """A row that has to be one of a company and says of none is one of the caller's."""
    for entity in call.schema.entity_index.mapped.get(change.table.logical_name, ()):
        if entity.company is not None and change.values.get(entity.company) is None:
            change.values[entity.company] = call.caller.company


# -- lookups that follow from other values -----------------------------------------------------------------------
def _leads_back(schema: Schema, table: Table) -> bool:
    """Whether a lookup that follows from other values leads to a row of the same table."""
    related = [
        schema.entities.get(each.related)
        for _, each in schema.entity_index.constrained.get(table.logical_name, ())
    ]
    return any(each is not None and each.table == table.logical_name for each in related)


@hook(
    "Create",
    "Update",
    stage=20,
    applies=lambda table: not table.is_private,
    rank=-5,
    ahead=lambda schema, table: not _leads_back(schema, table),
)
def follow_constraints(call: Call, change: Change) -> None:
    """A lookup that a relation of a data entity goes along leads to the row with the same values.

    Raises RelatedNotFound when there is none and the relation needs one.
    """
    for entity, relation in call.schema.entity_index.constrained.get(change.table.logical_name, ()):
        rel = call.schema.one_to_many.get(relation.relationship)
        related = call.schema.entities.get(relation.related)
        if rel is None or related is None:
            continue
        near = [entity.fields[one].column for one, _ in relation.constraints]
        if change.event == "Update" and not change.values.keys() & set(near):
            continue
        far = [related.fields[other].column for _, other in relation.constraints if other in related.fields]
        if len(far) != len(near):
            continue
        values = {there: change.after(here) for here, there in zip(near, far, strict=True)}
        found: list[str] = []
        if None not in values.values():
            found = call.unit.find(call.schema.tables[related.table], values, 1)
        if not found and relation.required:
            field = entity.fields[relation.constraints[-1][0]]
            value = change.after(field.column)
            raise fault("RelatedNotFound", value=str(value)[:100], field=field.label, related=related.label)
        change.values[rel.referencing_attribute] = Ref(rel.referenced, found[0]) if found else None
