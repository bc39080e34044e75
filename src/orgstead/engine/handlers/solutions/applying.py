"""A solution file that has been checked, made of the messages that make its parts one by one.

What is there already is changed where it differs from the file, and nothing is deleted.
https://learn.microsoft.com/power-platform/alm/update-solutions-alm
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from orgstead.engine.handlers.metadata.components import (
    ATTRIBUTE,
    ENTITY,
    ENTITY_KEY,
    OPTION_SET,
    RELATIONSHIP,
    VIEW,
    add_component,
)
from orgstead.engine.handlers.solutions.checking import LOOKUPS, SHELL, Package
from orgstead.engine.registry import Call
from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.columns import read_column, write_column
from orgstead.engine.solutionfile.manifest import Root
from orgstead.engine.solutionfile.relationships import write_many_to_many, write_one_to_many
from orgstead.engine.solutionfile.tables import ReadTable, write_table
from orgstead.engine.solutionfile.views import View
from orgstead.model.messages import Create, Execute, Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Choice, Column, ManyToMany, OneToMany, Option, Schema, Table

__all__ = ["apply_package"]

UPDATED = ("friendlyname", "description", "version")
PUBLISHER_UPDATED = ("friendlyname", "description", "emailaddress", "supportingwebsiteurl")
_INSERTS = frozenset({"choice", "multichoice", "status"})


def apply_package(call: Call, package: Package) -> None:
    """Make and change what the file has. Raises what the messages raise."""
    solution = _solution(call, package)
    for choice in package.choices.values():
        _choice(call, choice)
    for read in package.tables.values():
        _table(call, read)
    for rel in package.relationships.values():
        _relationship(call, rel, package)
    for logical, read in package.tables.items():
        _columns(call, logical, read)
        _keys(call, logical, read)
    for read in package.tables.values():
        for view in read.views:
            _view(call, view)
    _components(call, solution, package)


def _run(call: Call, name: str, **parameters: Any) -> None:
    call.send(Execute(name=name, parameters=parameters))


# -- rows --------------------------------------------------------------------------------------------------------------
def _row(call: Call, table: str, values: Mapping[str, Any], updated: Sequence[str]) -> str:
    """The id of the row of this unique name, made or brought up to date."""
    definition = call.schema.tables[table]
    found = call.unit.find(definition, {"uniquename": values["uniquename"]}, 1)
    if not found:
        given = {name: value for name, value in values.items() if value is not None}
        made = call.send(Create(record=Record(table=table, values=given)))
        return str(made.ref.key) if made.ref is not None else ""
    row = call.unit.get(definition, found[0], tuple(updated)) or {}
    changed = {
        name: values[name] for name in updated if name in values and (row.get(name) or None) != values[name]
    }
    if changed:
        call.send(Update(ref=Ref(table, found[0]), record=Record(table=table, values=changed)))
    return found[0]


def _solution(call: Call, package: Package) -> str:
    publisher = _row(call, "publisher", package.manifest.publisher, PUBLISHER_UPDATED)
    values = {**package.manifest.solution, "publisherid": Ref("publisher", publisher)}
    return _row(call, "solution", values, UPDATED)


def _view(call: Call, view: View) -> None:
    table = call.schema.tables["savedquery"]
    row = call.unit.get(table, view.id, tuple(view.values))
    if row is None:
        given = {name: value for name, value in view.values.items() if value is not None}
        call.send(Create(record=Record(table="savedquery", id=view.id, values=given)))
        return
    if row["returnedtypecode"] != view.values["returnedtypecode"]:
        raise bad(f"the view {view.id} is of another table here")
    changed = {
        name: value
        for name, value in view.values.items()
        if not _same(row.get(name), value) and name != "returnedtypecode"
    }
    if changed:
        call.send(Update(ref=Ref("savedquery", view.id), record=Record(table="savedquery", values=changed)))


def _same(here: Any, given: Any) -> bool:
    """Whether two values say the same: documents however they are spaced out."""
    if here == given or (not here and not given):
        return True
    if not isinstance(here, str) or not isinstance(given, str):
        return False
    try:
        return ElementTree.tostring(ElementTree.fromstring(here)) == ElementTree.tostring(
            ElementTree.fromstring(given)
        )
    except ElementTree.ParseError:
        return False


# -- choices -----------------------------------------------------------------------------------------------------------
def _choice(call: Call, choice: Choice) -> None:
    current = call.schema.choices.get(choice.name)
    if current is None:
        _run(call, "CreateOptionSet", choice=choice)
        return
    if (current.display_name, current.description) != (choice.display_name, choice.description):
        _run(call, "UpdateOptionSet", choice=replace(choice, options=current.options))
    _options(call, "choice", current.options, choice.options, choice=choice.name)


def _options(call: Call, kind: str, here: Sequence[Option], given: Sequence[Option], **place: Any) -> None:
    """Bring options up to those of the file; others stay, behind them."""
    known = {option.value: option for option in here}
    for option in given:
        current = known.get(option.value)
        if current is None:
            if kind not in _INSERTS:
                raise bad(
                    f"the option {option.value} cannot be added to {'.'.join(map(str, place.values()))}"
                )
            _run(
                call, "InsertStatusValue" if kind == "status" else "InsertOptionValue", **place, value=option.value,
                label=option.label, color=option.color, state=option.state,
            )  # fmt: skip
            continue
        if current.state != option.state:
            raise bad(f"the status {option.value} is of another state here")
        color = option.color if option.color is not None else current.color
        if (current.label, current.color) != (option.label, color) and kind != "state":
            _run(call, "UpdateOptionValue", **place, value=option.value, label=option.label, color=color)
        if kind == "state" and (current.label, current.default_status) != (
            option.label,
            option.default_status,
        ):
            _run(
                call, "UpdateStateValue", **place, value=option.value, label=option.label,
                default_status=option.default_status,
            )  # fmt: skip
    order = [option.value for option in given]
    order += [value for value in known if value not in set(order)]
    now = [option.value for option in _now(call, place)]
    if kind in _INSERTS and order != now:
        _run(call, "OrderOption", **place, values=tuple(order))


def _now(call: Call, place: Mapping[str, Any]) -> Sequence[Option]:
    if "choice" in place:
        return call.schema.choices[place["choice"]].options
    return call.schema.tables[place["table"]].columns[place["column"]].options


# -- tables and columns ------------------------------------------------------------------------------------------------
def _table(call: Call, read: ReadTable) -> None:
    table = read.table
    current = call.schema.tables.get(table.logical_name)
    if current is None:
        columns = {
            each.column.name: _new(call, each.column)
            for each in read.columns
            if each.column.type not in LOOKUPS
        }
        # An image column that shows its rows is there only once the table is made.
        _run(call, "CreateEntity", table=replace(table, columns=columns, primary_image=None))
        current = call.schema.tables[table.logical_name]
    else:
        for each in read.columns:
            if each.column.name not in current.columns and each.column.type not in LOOKUPS:
                _run(call, "CreateAttribute", table=table.logical_name, column=_new(call, each.column))
        current = call.schema.tables[table.logical_name]
    if read.described and _table_text(current) != _table_text(table):
        _run(call, "UpdateEntity", table=replace(table, primary_id=current.primary_id))


def _new(call: Call, column: Column) -> Column:
    return replace(column, metadata_id=call.new_id())


def _table_text(table: Table) -> bytes:
    root = Element("Entities")
    write_table(root, table, (), (), described=True)
    # It names the table where columns are read; it is no property of the table.
    return ElementTree.tostring(root) + str(table.primary_image).encode()


def _columns(call: Call, logical: str, read: ReadTable) -> None:
    """Bring the columns that are there up to the file."""
    given = [each.column for each in read.columns]
    for element in read.later:
        name = element.get("PhysicalName", "").lower()
        current = call.schema.tables[logical].columns.get(name)
        if current is None:
            raise bad(f"{logical}.{name[:100]} is no custom column, and is not here")
        given.append(read_column(element, logical, current, current.metadata_id).column)
    for column in given:
        table = call.schema.tables[logical]
        current = table.columns[column.name]
        # What has been made of it meanwhile stands in the schema: ids, targets, options of a global choice.
        wanted = replace(
            column,
            metadata_id=current.metadata_id,
            targets=current.targets,
            options=current.options,
            global_choice=current.global_choice,
            min=current.min if column.min is None else column.min,
            max=current.max if column.max is None else column.max,
        )
        if column.type in ("choice", "multichoice") and column.global_choice != current.global_choice:
            raise bad(f"{logical}.{column.name} has another option set here")
        if _column_text(wanted, table) != _column_text(current, table):
            _run(call, "UpdateAttribute", table=logical, column=wanted)
        if column.global_choice is None and column.options:
            _options(call, column.type, current.options, column.options, table=logical, column=column.name)


def _column_text(column: Column, table: Table) -> bytes:
    root = Element("attributes")
    write_column(root, column, table)
    return ElementTree.tostring(root)


def _keys(call: Call, logical: str, read: ReadTable) -> None:
    for key in read.keys:
        table = call.schema.tables[logical]
        current = next((each for each in table.keys if each.logical_name == key.logical_name), None)
        if current is None:
            _run(call, "CreateEntityKey", table=logical, key=replace(key, metadata_id=call.new_id()))
        elif (current.columns, current.display_name) != (key.columns, key.display_name):
            raise bad(f"the key {logical}.{key.logical_name} is another one here")


# -- relationships -----------------------------------------------------------------------------------------------------
def _relationship(call: Call, rel: OneToMany | ManyToMany, package: Package) -> None:
    schema = call.schema
    current = schema.one_to_many.get(rel.schema_name) or schema.many_to_many.get(rel.schema_name)
    if current is not None:
        if type(current) is not type(rel):
            raise bad(f"the relationship {rel.schema_name} is of another type here")
        if _relationship_text(rel, schema) != _relationship_text(current, schema):
            _run(call, "UpdateRelationship", relationship=_changed(current, rel))
        return
    if isinstance(rel, ManyToMany):
        _run(call, "CreateManyToMany", relationship=replace(rel, metadata_id=call.new_id()))
        return
    table = schema.tables[rel.referencing]
    new = replace(rel, metadata_id=call.new_id())
    if rel.referencing_attribute in table.columns:
        _run(call, "CreateOneToMany", relationship=new)
        return
    read = package.tables[rel.referencing]
    lookup = next(
        (each.column for each in read.columns if each.column.name == rel.referencing_attribute), None
    )
    if lookup is None:
        raise bad(f"{rel.referencing}.{rel.referencing_attribute[:100]} is no custom column, and is not here")
    ties = package.ties(rel.referencing, rel.referencing_attribute)
    column = _new(call, lookup)
    if lookup.type == "lookup" and len(ties) == 1:
        _run(call, "CreateOneToMany", relationship=replace(new, referencing_attribute=""), lookup=column)
        return
    # A lookup of several targets is made with all of its relationships at once.
    rels = tuple(replace(each, metadata_id=call.new_id(), referencing_attribute="") for each in ties)
    name = "CreateCustomerRelationships" if lookup.type == "customer" else "CreatePolymorphicLookupAttribute"
    _run(call, name, lookup=column, relationships=rels)


def _changed(current: OneToMany | ManyToMany, rel: OneToMany | ManyToMany) -> OneToMany | ManyToMany:
    """What is here with what the file says; ids and whatever a file does not hold stay."""
    return replace(rel, metadata_id=current.metadata_id, is_custom=current.is_custom, shown=current.shown)


def _relationship_text(rel: OneToMany | ManyToMany, schema: Schema) -> bytes:
    root = Element("EntityRelationships")
    bare = replace(rel, shown={})
    if isinstance(bare, OneToMany):
        write_one_to_many(root, bare, schema)
    else:
        write_many_to_many(root, bare, schema)
    return ElementTree.tostring(root)


# -- components --------------------------------------------------------------------------------------------------------
def _components(call: Call, solution: str, package: Package) -> None:
    """Everything that the file declares is in the solution by then."""
    schema = call.schema
    shells: set[str] = set()
    for root in package.manifest.roots:
        if root.kind == OPTION_SET:
            name = next(each for each in schema.choices if each.lower() == root.name.lower())
            add_component(call, solution, OPTION_SET, schema.choices[name].metadata_id)
        else:
            _table_component(call, solution, root, package, shells)
    for rel in package.relationships.values():
        holder = rel.referencing if isinstance(rel, OneToMany) else rel.entity1
        whole = holder in package.tables and holder not in shells
        if not whole:
            kept = schema.one_to_many.get(rel.schema_name) or schema.many_to_many[rel.schema_name]
            add_component(call, solution, RELATIONSHIP, kept.metadata_id)


def _table_component(call: Call, solution: str, root: Root, package: Package, shells: set[str]) -> None:
    logical = root.name.lower()
    table = call.schema.tables[logical]
    read = package.tables.get(logical)
    add_component(call, solution, ENTITY, table.metadata_id, root.behavior)
    if root.behavior == 0 or read is None:
        return
    if root.behavior in (1, SHELL):
        shells.add(logical)
    for each in read.columns:
        add_component(call, solution, ATTRIBUTE, table.columns[each.column.name].metadata_id)
    for key in read.keys:
        kept = next(each for each in table.keys if each.logical_name == key.logical_name)
        add_component(call, solution, ENTITY_KEY, kept.metadata_id)
    for view in read.views:
        add_component(call, solution, VIEW, view.id)
