"""Definitions of one organisation made in another: choices, tables, columns, relationships, keys, reasons of states.

What is there already is left as it is, but for options that it lacks and texts that have become longer. Everything is
looked at before it is made, so that going through it again makes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orgstead.client import Client, NotFoundError, ServiceError
from orgstead.client.definitions import NAMESPACE, label_of
from orgstead.client.literals import name as checked_name
from orgstead.client.literals import query_text
from orgstead.mirror.definitions import (
    Definition,
    bare_column,
    bare_labels,
    bare_lookup,
    bare_many_to_many,
    bare_options,
    bare_relationship,
    bare_table,
    kind_of,
    read_definition,
    read_json,
)
from orgstead.mirror.report import MirrorReport

__all__ = ["Metadata", "chosen_tables"]

LOOKUPS = frozenset({"Lookup", "Customer", "Owner", "PartyList"})
# What the service makes by itself, of other columns.
MADE = frozenset({"Virtual", "EntityName", "ManagedProperty", "CalendarRules"})


def chosen_tables(client: Client) -> Sequence[str]:
    """The tables that an organisation has changed: its own ones, and others with columns of its own, unmanaged."""
    options = query_text(
        {
            "$select": "LogicalName,IsCustomEntity,IsManaged,IsIntersect,IsPrivate",
            "$expand": "Attributes($select=LogicalName;$filter=IsCustomAttribute eq true and IsManaged eq false)",
        }
    )
    found = []
    for each in read_json(client, f"EntityDefinitions?{options}")["value"]:
        own = each.get("IsCustomEntity") and not each.get("IsManaged")
        if (own or each.get("Attributes")) and not each.get("IsIntersect") and not each.get("IsPrivate"):
            found.append(str(each["LogicalName"]))
    return sorted(found)


class Metadata:
    """Takes definitions over. ``named`` tables are taken with all their custom columns, managed ones too."""

    def __init__(self, source: Client, target: Client, report: MirrorReport, named: Sequence[str]) -> None:
        self._source = source
        self._target = target
        self._report = report
        self._named = frozenset(named)
        self._language = _language(target)
        self._there: dict[str, Definition | None] = {}

    def take(self, tables: Sequence[str]) -> None:
        """Make these tables, and what belongs to them."""
        found: list[Definition] = []
        for name in tables:
            definition = read_definition(self._source, name)
            if definition is None:
                self._report.leave(f"table {name}", "the source has no such table")
            elif definition.raw.get("DataProviderId"):
                self._report.leave(f"table {name}", "it is a virtual table, whose rows are elsewhere")
            else:
                found.append(definition)
        for definition in found:
            self._choices(definition)
        usable = [each for each in found if self._table(each)]
        for definition in usable:
            self._columns(definition)
        for definition in usable:
            self._lookups(definition)
        for definition in usable:
            self._many(definition)
            self._keys(definition)
            self._options(definition)

    # -- what the target has -------------------------------------------------------------------------------------------

    def _target_of(self, table: str) -> Definition | None:
        if table not in self._there:
            self._there[table] = read_definition(self._target, table)
        return self._there[table]

    def _make(self, what: str, path: str, body: Mapping[str, Any], check: str) -> bool:
        """Make a definition; whether it is there then. One whose answer was lost is looked for."""
        try:
            self._target.request("POST", path, json=body, idempotent=True)
        except ServiceError as error:
            if not (error.maybe_applied and self._is_there(check)):
                self._report.leave(
                    what, f"the target refuses it: {error.message} ({error.code or error.status})"
                )
                return False
        self._report.definitions.append(what)
        return True

    def _is_there(self, path: str) -> bool:
        try:
            read_json(self._target, path)
        except NotFoundError:
            return False
        return True

    # -- choices -------------------------------------------------------------------------------------------------------

    def _choices(self, definition: Definition) -> None:
        for column in self._own(definition):
            shared = column.get("GlobalOptionSet")
            if shared and kind_of(column) in ("Picklist", "MultiSelectPicklist"):
                self._choice(shared)

    def _choice(self, shared: Mapping[str, Any]) -> None:
        name = checked_name(str(shared["Name"]))
        check = f"GlobalOptionSetDefinitions(Name='{name}')"
        try:
            known = read_json(self._target, check)
        except NotFoundError:
            shown = {key: shared.get(key) for key in ("DisplayName", "Description")}
            body = {
                "@odata.type": f"{NAMESPACE}OptionSetMetadata",
                "Name": name,
                "IsGlobal": True,
                "OptionSetType": "Picklist",
                **bare_labels(shown, self._language),
                "Options": bare_options(shared, self._language),
            }
            self._make(f"choice {name}", "GlobalOptionSetDefinitions", body, check)
            return
        self._add_options(f"choice {name}", {"OptionSetName": name}, shared, known)

    def _add_options(
        self, what: str, place: Mapping[str, Any], wanted: Mapping[str, Any], known: Mapping[str, Any]
    ) -> None:
        """Add the options that are missing; those that are there keep their labels."""
        there = {int(each["Value"]): each for each in known.get("Options") or ()}
        raw = {int(each["Value"]): each for each in wanted.get("Options") or ()}
        for option in bare_options(wanted, self._language):
            value = option["Value"]
            if value in there:
                if label_of(there[value].get("Label")) != label_of(raw[value].get("Label")):
                    self._report.leave(f"{what}: the label of {value}", "the target has another one")
                continue
            body = {**place, **option}
            action = "InsertOptionValue"
            if "State" in raw[value]:
                action, body["StateCode"] = "InsertStatusValue", int(raw[value]["State"])
            try:
                self._target.request("POST", action, json=body)
            except ServiceError as error:
                self._report.leave(f"{what}: option {value}", f"the target refuses it: {error.message}")
            else:
                self._report.definitions.append(f"{what}: option {value}")

    def _options(self, definition: Definition) -> None:
        """Options of columns that both have, reasons of states among them."""
        target = self._target_of(definition.name)
        assert target is not None
        for name, column in definition.columns.items():
            kind, known = kind_of(column), target.columns.get(name)
            if (
                known is None
                or kind != kind_of(known)
                or kind not in ("Picklist", "MultiSelectPicklist", "Status")
            ):
                continue
            if column.get("GlobalOptionSet") or known.get("GlobalOptionSet"):
                continue
            place = {"EntityLogicalName": definition.name, "AttributeLogicalName": name}
            what = f"column {definition.name}.{name}"
            self._add_options(what, place, column.get("OptionSet") or {}, known.get("OptionSet") or {})

    # -- tables and columns --------------------------------------------------------------------------------------------

    def _table(self, definition: Definition) -> bool:
        """Make a table; whether it is there then."""
        if self._target_of(definition.name) is not None:
            return True
        what = f"table {definition.name}"
        if not definition.custom:
            self._report.leave(what, "it is a standard table that the target does not have")
            return False
        check = f"EntityDefinitions(LogicalName='{definition.name}')"
        body = bare_table(definition, self._language)
        if not self._make(what, "EntityDefinitions", body, check):
            return False
        self._there.pop(definition.name)
        return True

    def _own(self, definition: Definition) -> Iterator[Mapping[str, Any]]:
        """The columns that the source has added."""
        for column in definition.columns.values():
            if not column.get("IsCustomAttribute") or column.get("AttributeOf"):
                continue
            if definition.custom or definition.name in self._named or not column.get("IsManaged"):
                yield column

    def _columns(self, definition: Definition) -> None:
        target = self._target_of(definition.name)
        assert target is not None
        base = f"EntityDefinitions(LogicalName='{definition.name}')/Attributes"
        for column in self._own(definition):
            name, kind = str(column["LogicalName"]), kind_of(column)
            what = f"column {definition.name}.{name}"
            known = target.columns.get(name)
            if known is not None:
                self._compare(what, column, known, f"{base}(LogicalName='{name}')")
            elif kind in LOOKUPS or _is_made(definition, column):
                continue
            elif column.get("SourceType"):
                self._report.leave(what, "it is calculated, rolled up or a formula")
            else:
                body = bare_column(column, self._language)
                if body is None:
                    self._report.leave(what, f"columns of the type {kind} cannot be made")
                else:
                    self._make(what, base, body, f"{base}(LogicalName='{name}')")
        self._there.pop(definition.name)

    def _compare(self, what: str, wanted: Mapping[str, Any], known: Mapping[str, Any], path: str) -> None:
        if kind_of(wanted) != kind_of(known):
            self._report.leave(what, f"it is a {kind_of(known)} in the target, and a {kind_of(wanted)} here")
        elif (wanted.get("MaxLength") or 0) > (known.get("MaxLength") or 0):
            try:
                self._target.tables.update_column(
                    str(known["EntityLogicalName"]),
                    str(known["LogicalName"]),
                    {"MaxLength": wanted["MaxLength"]},
                )
            except ServiceError as error:
                self._report.leave(what, f"it is shorter in the target, which refuses more: {error.message}")
            else:
                self._report.definitions.append(f"{what}: length {wanted['MaxLength']}")

    # -- relationships and keys ----------------------------------------------------------------------------------------

    def _lookups(self, definition: Definition) -> None:
        """Lookups, each with the relationships to all tables that it leads to."""
        target = self._target_of(definition.name)
        assert target is not None
        for column in self._own(definition):
            name = str(column["LogicalName"])
            what = f"column {definition.name}.{name}"
            if kind_of(column) != "Lookup":
                continue
            relationships = [
                each for each in definition.many_to_one.values() if each["ReferencingAttribute"] == name
            ]
            missing = [each for each in relationships if self._target_of(each["ReferencedEntity"]) is None]
            for each in missing:
                self._report.leave(what, f"the target has no table {each['ReferencedEntity']}")
            wanted = [each for each in relationships if each not in missing]
            if name in target.columns:
                for each in wanted:
                    if each["SchemaName"] not in target.many_to_one:
                        self._report.leave(
                            what, f"it does not lead to {each['ReferencedEntity']} in the target"
                        )
            elif wanted:
                self._lookup(what, column, wanted)
        self._there.pop(definition.name)

    def _lookup(self, what: str, column: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> None:
        lookup = bare_lookup(column, self._language)
        bodies = [bare_relationship(each) for each in wanted]
        check = f"RelationshipDefinitions(SchemaName='{bodies[0]['SchemaName']}')"
        if len(bodies) == 1:
            self._make(what, "RelationshipDefinitions", {**bodies[0], "Lookup": lookup}, check)
        else:
            customer = column.get("AttributeType") == "Customer"
            action = "CreateCustomerRelationships" if customer else "CreatePolymorphicLookupAttribute"
            self._make(what, action, {"OneToManyRelationships": bodies, "Lookup": lookup}, check)

    def _many(self, definition: Definition) -> None:
        for name, each in definition.many_to_many.items():
            what = f"relationship {name}"
            if not each.get("IsCustomRelationship") or self._is_known(definition, name):
                continue
            other = [each["Entity1LogicalName"], each["Entity2LogicalName"]]
            missing = [table for table in other if self._target_of(table) is None]
            if missing:
                self._report.leave(what, f"the target has no table {missing[0]}")
            elif self._make(
                what, "RelationshipDefinitions", bare_many_to_many(each),
                f"RelationshipDefinitions(SchemaName='{checked_name(name)}')",
            ):  # fmt: skip
                for table in other:
                    self._there.pop(table, None)

    def _is_known(self, definition: Definition, name: str) -> bool:
        target = self._target_of(definition.name)
        return target is not None and name in target.many_to_many

    def _keys(self, definition: Definition) -> None:
        target = self._target_of(definition.name)
        assert target is not None
        base = f"EntityDefinitions(LogicalName='{definition.name}')/Keys"
        for name, each in definition.keys.items():
            if name in target.keys or any(
                set(known["KeyAttributes"]) == set(each["KeyAttributes"]) for known in target.keys.values()
            ):
                continue
            what = f"key {definition.name}.{name}"
            missing = [column for column in each["KeyAttributes"] if column not in target.columns]
            if missing:
                self._report.leave(what, f"the target has no column {missing[0]}")
                continue
            shown = bare_labels({"DisplayName": each.get("DisplayName")}, self._language)
            body = {"SchemaName": each["SchemaName"], **shown, "KeyAttributes": list(each["KeyAttributes"])}
            self._make(what, base, body, f"{base}(LogicalName='{name}')")


def _language(client: Client) -> int:
    row = client.query("organization").select("languagecode").first()
    return int(row["languagecode"]) if row is not None and row["languagecode"] else 1033


def _is_made(definition: Definition, column: Mapping[str, Any]) -> bool:
    """Whether the service makes it by itself: ids, and amounts in the base currency."""
    name = str(column["LogicalName"])
    if kind_of(column) in MADE or name == definition.raw.get("PrimaryIdAttribute"):
        return True
    if name == definition.raw.get("PrimaryNameAttribute"):
        return True
    return bool(column.get("CalculationOf")) or (
        kind_of(column) == "Money"
        and name.endswith("_base")
        and name.removesuffix("_base") in definition.columns
    )
