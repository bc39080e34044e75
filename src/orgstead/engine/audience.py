"""Who a segment's expression is about: a condition on rows of one table, for SQL to decide.

https://learn.microsoft.com/dynamics365/customer-insights/journeys/developer/segment-query-definition
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dateutil.relativedelta import relativedelta

from orgstead.errors import Fault, fault
from orgstead.model.query import And, Condition, Exists, Field, Join, Not, Or, Predicate, ToMany
from orgstead.model.schema import Schema, Table
from orgstead.model.segments import (
    Expression,
    Filtered,
    Members,
    Moment,
    Profile,
    SetOperation,
    Traversed,
)

__all__ = ["MEMBERS", "PERSON", "SEGMENT", "Audience", "audience_of", "belongs_to"]

MEMBERS, PERSON, SEGMENT = "orgstead_segmentmember", "contact", "msdyncrm_segment"
EVERYBODY = And(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """The rows of ``table`` that satisfy ``where``, and what that depends on.

    ``columns`` are those of the table itself, ``tables`` the others, ``sources`` the ids of segments whose members
    count, ``timed`` says that the clock does, ``secured`` that a secured column does.
    """

    table: str
    where: Predicate
    columns: frozenset[str]
    tables: frozenset[str]
    sources: frozenset[str]
    timed: bool
    secured: bool


def audience_of(
    expression: Expression, schema: Schema, now: str, find: Callable[[str], str | None]
) -> Audience:
    """Bind an expression. ``find`` answers the id of the segment of a name; ``now`` is a canonical time.

    Raises InvalidSegment for tables, relationships, aliases, segments or dates that are none.
    """
    return _Binder(schema, now, find).whole(expression)


def belongs_to(segment: str) -> Predicate:
    """That a contact is a member of a segment."""
    return Exists(
        link=Join(
            table=MEMBERS,
            alias="member",
            from_column="contactid",
            to_column="contactid",
            where=Condition(Field("msdyncrm_segmentid"), "eq", (segment,)),
        )
    )


def _wrong(name: str, reason: str) -> Fault:
    return fault("InvalidSegment", name=name[:100], reason=reason)


@dataclass(frozen=True, slots=True)
class _Set:
    """Rows of a table: those that satisfy ``where``; ``alias`` is what the query calls them."""

    table: Table
    alias: str | None
    where: Predicate


class _Binder:
    """Turns sets into conditions; notes what they depend on."""

    def __init__(self, schema: Schema, now: str, find: Callable[[str], str | None]) -> None:
        self.schema = schema
        self.now = datetime.fromisoformat(now).astimezone(UTC).replace(second=0, microsecond=0)
        self.find = find
        self.used: dict[str, set[str]] = {}
        self.sources: set[str] = set()
        self.timed = False
        self.secured = False
        self.joins = 0
        # Tables whose rows count beside those that are asked for.
        self.passed: set[str] = set()

    def whole(self, expression: Expression) -> Audience:
        found = self.set(expression)
        name = found.table.logical_name
        return Audience(
            table=name,
            where=found.where,
            columns=frozenset(self.used[name]),
            tables=frozenset(self.used) - {name} | self.passed,
            sources=frozenset(self.sources),
            timed=self.timed,
            secured=self.secured,
        )

    def set(self, expression: Expression) -> _Set:
        match expression:
            case Profile(name, alias):
                return _Set(self.table(name), alias, EVERYBODY)
            case Members(name):
                id = self.find(name)
                if id is None:
                    raise _wrong(name, "there is no such segment that is live or stopped")
                self.sources.add(id)
                return _Set(self.table(PERSON), None, belongs_to(id))
            case Filtered(source, where):
                found = self.set(source)
                return replace(found, where=_both(found.where, self.condition(where, found)))
            case Traversed(source, relationship, alias):
                return self.traversed(self.set(source), relationship, alias)
            case SetOperation(operator, left, right):
                return self.combined(operator, self.set(left), self.set(right))

    def combined(self, operator: str, left: _Set, right: _Set) -> _Set:
        if left.table is not right.table:
            names = f"{left.table.logical_name} and {right.table.logical_name}"
            raise _wrong(operator.upper(), f"both queries select the same profile, not {names}")
        match operator:
            case "union":
                where: Predicate = Or((left.where, right.where))
            case "intersect":
                where = And((left.where, right.where))
            case _:
                where = And((left.where, Not(right.where)))
        return _Set(left.table, None, where)

    def table(self, name: str) -> Table:
        table = self.schema.tables.get(name.lower())
        if table is None or table.is_private or table.is_intersect:
            raise _wrong(name, "there is no such profile")
        self.used.setdefault(table.logical_name, set())
        return table

    # -- conditions --------------------------------------------------------------------------------------------------
    def condition(self, where: Predicate, of: _Set) -> Predicate:
        match where:
            case And(items):
                return And(tuple(self.condition(item, of) for item in items))
            case Or(items):
                return Or(tuple(self.condition(item, of) for item in items))
            case Not(item):
                return Not(self.condition(item, of))
            case Condition(field, operator, values):
                return Condition(
                    self.field(field, of), operator, tuple(self.value(value, of) for value in values)
                )
            case _:
                raise TypeError("a segment query has no such condition")

    def field(self, field: Field, of: _Set) -> Field:
        known = {of.table.logical_name, (of.alias or "").lower()}
        if field.alias is not None and field.alias.lower() not in known:
            raise _wrong(
                field.alias, f"{field.name} is to be a column of {of.alias or of.table.logical_name}"
            )
        name = field.name.lower()
        if name not in of.table.columns:
            raise fault("AttributeNotFound", table=of.table.logical_name, name=field.name[:100])
        self.used[of.table.logical_name].add(name)
        self.secured |= of.table.columns[name].secured
        return Field(name)

    def value(self, value: Any, of: _Set) -> Any:
        if isinstance(value, Field):
            return self.field(value, of)
        return self.moment(value) if isinstance(value, Moment) else value

    def moment(self, moment: Moment) -> str:
        self.timed |= moment.at is None
        at = self.now if moment.at is None else datetime.fromisoformat(moment.at)
        try:
            for shift in moment.shifts:
                parts = {f"{shift.part}s": shift.number}
                if shift.part == "millisecond":
                    parts = {"microseconds": shift.number * 1000}
                at += relativedelta(**parts)  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            raise _wrong("DATEADD", "there is no such date") from None
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    # -- relationships -----------------------------------------------------------------------------------------------
    def traversed(self, source: _Set, name: str, alias: str | None) -> _Set:
        """The rows that some row of ``source`` is tied to."""
        near, wanted = source.table.logical_name, name.lower()
        self.joins += 1
        self.passed.add(near)
        for rel in self.schema.one_to_many.values():
            if near not in (rel.referencing, rel.referenced):
                continue
            told = f"{rel.referencing}_{rel.referenced}_{rel.referencing_attribute}"
            if wanted not in (rel.schema_name.lower(), told):
                continue
            if rel.referencing == rel.referenced:
                raise fault("NotSupported", feature=f"TRAVERSE along {name[:100]}, within one table,")
            ends = (rel.referenced_attribute, rel.referencing_attribute)
            if rel.referencing == near:
                far, from_column, to_column = rel.referenced, ends[1], ends[0]
            else:
                far, from_column, to_column = rel.referencing, ends[0], ends[1]
            table = self.table(far)
            self.used[rel.referencing].add(rel.referencing_attribute)
            link = Join(
                table=near,
                alias=f"from{self.joins}",
                from_column=from_column,
                to_column=to_column,
                where=source.where,
            )
            return _Set(table, alias, Exists(link=link))
        for many in self.schema.many_to_many.values():
            if wanted == many.schema_name.lower() and near in (many.entity1, many.entity2):
                if many.entity1 == many.entity2:
                    raise fault("NotSupported", feature=f"TRAVERSE along {name[:100]}, within one table,")
                table = self.table(many.entity2 if near == many.entity1 else many.entity1)
                self.used.setdefault(many.intersect, set())
                return _Set(table, alias, Exists(link=ToMany(many.schema_name), where=source.where))
        raise _wrong(name, f"{near} has no such relationship")


def _both(first: Predicate, second: Predicate) -> Predicate:
    return second if first == EVERYBODY else And((first, second))
