"""A query in public names becomes one in logical names.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/odata#filter-details
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata import NavName
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.query import (
    And,
    Condition,
    Exists,
    Expand,
    Field,
    Not,
    Or,
    Order,
    Predicate,
    Query,
    ToOne,
)
from orgstead.wire.finops.names import Names, Navigation
from orgstead.wire.finops.values import DEFAULTS, is_default, literal_value

__all__ = ["company_of", "resolve", "shown_fields"]

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
TEXT = frozenset({"contains", "begins-with", "ends-with", "not-contains", "not-begin-with", "not-end-with"})
# OData's operators that the service says it does not support.
REFUSED = frozenset({"in", "not-in"})
WILDCARD = "*"
MAX_WILDCARDS = 16


def resolve(names: Names, entity: DataEntity, query: Query, company: str | None) -> Query:
    """A query about a data entity's table; ``company`` narrows it to the rows of one, None to those of all.

    Raises PropertyNotFound, ODataSyntax and ODataUnsupported.
    """
    resolver = _Resolver(names, entity)
    where = None if query.where is None else resolver.predicate(query.where)
    own = company_of(entity, company)
    if own is not None:
        where = own if where is None else And((own, where))
    return replace(
        query,
        table=entity.table,
        columns=tuple(field.column for field in shown_fields(entity, query.columns, names)),
        where=where,
        order=resolver.order(query.order),
        expand=tuple(resolver.expand(each, company) for each in query.expand),
        bulk=True,
    )


def company_of(entity: DataEntity, company: str | None) -> Condition | None:
    """The condition that a row is one of a company's; None where it need not be."""
    if company is None or entity.company is None:
        return None
    return Condition(Field(entity.company), "eq", (company,))


def shown_fields(entity: DataEntity, selected: tuple[str, ...] | None, names: Names) -> tuple[DataField, ...]:
    """The fields that a ``$select`` names, all of them without one; raises PropertyNotFound."""
    if selected is None:
        return tuple(entity.fields.values())
    # A navigation property selects nothing of the row by itself.
    return tuple(names.field(entity, each) for each in selected if each not in names.navigations(entity))


def _pattern(text: str) -> str:
    """A text with stars as a pattern; raises QueryTooComplex for more of them than matching can bear."""
    parts = [
        "".join(f"[{char}]" if char in "%_[" else char for char in part) for part in text.split(WILDCARD)
    ]
    # Stars side by side say what one says.
    parts = [part for index, part in enumerate(parts) if part or index in (0, len(parts) - 1)]
    if len(parts) > MAX_WILDCARDS:
        raise fault("QueryTooComplex", limit=f"{MAX_WILDCARDS} stars in a text")
    return "%".join(parts)


class _Resolver:
    """Turns the names of one data entity's queries into logical ones."""

    def __init__(self, names: Names, entity: DataEntity) -> None:
        self.names = names
        self.entity = entity
        self.table = names.table(entity)

    def predicate(self, predicate: Predicate) -> Predicate:
        match predicate:
            case Condition():
                return self.condition(predicate)
            case And(items):
                return And(tuple(self.predicate(item) for item in items))
            case Or(items):
                return Or(tuple(self.predicate(item) for item in items))
            case Not(item):
                return Not(self.predicate(item))
            case Exists():
                raise fault("ODataUnsupported", feature="any and all in $filter on data entities")

    def condition(self, condition: Condition) -> Predicate:
        """A condition in logical names. A field without a value compares as the default of its type."""
        field, path = self.at(condition.field)
        column = Field(field.column, path)
        name = condition.operator
        if name in REFUSED:
            raise fault("ODataUnsupported", feature="The operator 'in' in $filter on data entities")
        if name in ("null", "not-null"):
            return Condition(column, name)
        if name in TEXT:
            if field.kind != "String":
                raise fault("ODataSyntax", message=f"{field.name} is not a text, which {name} asks for.")
            return Condition(column, name, condition.values)
        if name not in ("eq", "ne", *COMPARISONS):
            raise fault("ODataUnsupported", feature=f"The operator {name} in $filter on data entities")
        (given,) = condition.values
        if isinstance(given, Field):
            other, hops = self.at(given)
            return Condition(column, name, (Field(other.column, hops),))
        if field.enum is not None and name in COMPARISONS:
            raise fault(
                "ODataUnsupported", feature=f"The operator '{name}' on an enumeration, which knows eq and ne,"
            )
        if field.kind == "String" and isinstance(given, str) and WILDCARD in given and name in ("eq", "ne"):
            return Condition(column, "like" if name == "eq" else "not-like", (_pattern(given),))
        value = literal_value(field, self.table_of(path).columns[field.column], given)
        return self.compared(field, column, name, value)

    def compared(self, field: DataField, column: Field, name: str, value: Any) -> Predicate:
        default = is_default(field, value)
        if name in ("eq", "ne"):
            none = Condition(column, "null")
            if not default:
                same: Predicate = Condition(column, "eq", (value,))
            elif value in (None, ""):
                same = none
            else:
                same = Or((none, Condition(column, "eq", (value,))))
            return same if name == "eq" else Not(same)
        least = DEFAULTS[field.kind]
        if value is None:
            # A date that stands for none: every other one is later, or may be earlier.
            value = least if field.kind == "DateTime" else least[:10]
        test = Condition(column, name, (value,))
        if isinstance(least, str) and field.kind == "Date":
            least = least[:10]
        if field.kind not in ("Guid", "Boolean") and COMPARISONS[name](least, value):
            return Or((Condition(column, "null"), test))
        return test

    def order(self, given: tuple[Order, ...]) -> tuple[Order, ...]:
        """The order that is asked for, else that of the key."""
        if not given:
            return tuple(Order(Field(field.column)) for field in self.entity.key_fields)
        return tuple(Order(self.field(each.field), each.descending) for each in given)

    def at(self, field: Field) -> tuple[DataField, tuple[ToOne, ...]]:
        """A field, through single-valued navigation properties, and the hops to it."""
        entity, hops = self.entity, list[ToOne]()
        for step in field.path:
            navigation = self.follow(entity, step)
            if not isinstance(navigation.link, ToOne):
                raise fault("ODataUnsupported", feature="A collection-valued navigation property in a path")
            hops.append(navigation.link)
            entity = navigation.related
        if field.alias is not None:
            raise fault("ODataSyntax", message=f"The range variable '{field.alias}' is not defined.")
        return self.names.field(entity, field.name), tuple(hops)

    def table_of(self, hops: tuple[ToOne, ...]) -> Any:
        return self.names.schema.tables[hops[-1].target] if hops else self.table

    def field(self, field: Field) -> Field:
        found, hops = self.at(field)
        return Field(found.column, hops)

    def follow(self, entity: DataEntity, step: Any) -> Navigation:
        name = step.name if isinstance(step, NavName) else step
        found = None if isinstance(step, NavName) else self.names.navigations(entity).get(name)
        if found is None:
            raise self.names.unknown(entity, str(name))
        return found

    def expand(self, expand: Expand, company: str | None) -> Expand:
        """An expand of the first level, the only one that there is."""
        if expand.expand:
            raise fault("ODataUnsupported", feature="$expand inside of $expand on data entities")
        if expand.refs_only:
            raise fault("ODataUnsupported", feature="$ref in $expand on data entities")
        navigation = self.follow(self.entity, expand.link)
        inner = _Resolver(self.names, navigation.related)
        where = None if expand.where is None else inner.predicate(expand.where)
        own = company_of(navigation.related, company)
        if own is not None and navigation.relation.many:
            where = own if where is None else And((own, where))
        fields = shown_fields(navigation.related, expand.columns, self.names)
        return replace(
            expand,
            link=navigation.link,
            name=navigation.relation.name,
            columns=tuple(field.column for field in fields),
            where=where,
            order=inner.order(expand.order) if expand.order or navigation.relation.many else (),
        )
