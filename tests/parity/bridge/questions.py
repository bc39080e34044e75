"""Queries of the Web API as QueryExpressions: hops along lookups become links, which is how SOAP says them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from orgstead.errors import Fault
from orgstead.languages.fetchxml import print_fetchxml
from orgstead.languages.paging import write_inner
from orgstead.languages.queryexpression import print_query_expression
from orgstead.model.query import (
    And,
    Condition,
    Exists,
    Expand,
    Field,
    Join,
    Not,
    Or,
    Order,
    Predicate,
    Query,
    ToMany,
    ToOne,
)
from orgstead.model.schema import Schema
from orgstead.wire.soap.write import Typed
from tests.parity.bridge.ledger import Alone, Why
from tests.parity.bridge.values import typed
from tests.parity.soap import Made, Of, fetch

__all__ = ["Question", "ordered", "printed", "question"]


# An operator and its negation split the rows in two, so that one says what the other does not.
_PAIRS = {
    "eq": "ne", "null": "not-null", "in": "not-in", "between": "not-between", "like": "not-like",
    "contains": "not-contains", "begins-with": "not-begin-with", "ends-with": "not-end-with",
    "contain-values": "not-contain-values", "on": "not-on", "under": "not-under",
}  # fmt: skip
OPPOSITES = {**_PAIRS, **{negative: positive for positive, negative in _PAIRS.items()}}


@dataclass(slots=True)
class Question:
    """A query as SOAP asks it; ``along`` are the aliases under which the rows of expands come, by their names."""

    query: Of | Made
    along: dict[tuple[str, ...], str] = field(default_factory=dict)


class _Hops:
    """Links that stand for hops along lookups, each made once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.links: dict[tuple[Any, ...], Join] = {}
        self.numbers = count(1)

    def to(self, path: Sequence[Any]) -> str:
        """The alias of the row at the end of a path."""
        path = tuple(path)
        if path not in self.links:
            hop = path[-1]
            assert isinstance(hop, ToOne)
            self.links[path] = Join(
                table=hop.target, alias=f"hop{next(self.numbers)}", kind="outer", to_column=hop.lookup,
                from_column=self.schema.tables[hop.target].primary_id,
            )  # fmt: skip
            if len(path) > 1:
                self.to(path[:-1])
        return self.links[path].alias

    def shows(self, path: Sequence[Any], columns: tuple[str, ...] | None) -> str:
        """The alias of the row at the end of a path, some of whose columns are shown."""
        alias = self.to(path)
        link = self.links[tuple(path)]
        if columns is not None:
            key = self.schema.tables[link.table].primary_id
            columns = tuple(dict.fromkeys((*columns, key, "versionnumber")))
        self.links[tuple(path)] = replace(link, columns=columns)
        return alias

    def joins(self, path: tuple[Any, ...] = ()) -> Iterator[Join]:
        """The links from the end of a path."""
        for each, link in self.links.items():
            if each[:-1] == path:
                yield replace(link, joins=tuple(self.joins(each)))

    def field(self, given: Field, scope: str | None = None) -> Field:
        """A column with an alias in place of its path."""
        if given.alias is not None and given.alias == scope:
            given = replace(given, alias=None)
        if not given.path:
            return given
        if scope is not None or given.alias is not None:
            raise Alone(Why.TEST)
        return Field(given.name, alias=self.to(given.path))

    def test(self, where: Predicate | None, scope: str | None = None) -> Predicate | None:
        """A condition without paths."""
        match where:
            case None:
                return None
            case And(items):
                return And(tuple(self.sure(each, scope) for each in items))
            case Or(items):
                return Or(tuple(self.sure(each, scope) for each in items))
            case Condition():
                values = tuple(
                    self.field(each, scope) if isinstance(each, Field) else each for each in where.values
                )
                return Condition(self.field(where.field, scope), where.operator, values)
            case Exists(link=Join()):
                return where
            case Exists():
                return self.exists(where)
            case Not(Not(inner)):
                return self.test(inner, scope)
            case Not(And(items)):
                return Or(tuple(self.sure(Not(each), scope) for each in items))
            case Not(Or(items)):
                return And(tuple(self.sure(Not(each), scope) for each in items))
            case Not(Condition(operator=operator) as inner) if operator in OPPOSITES:
                return self.test(Condition(inner.field, OPPOSITES[operator], inner.values), scope)
            case Not(Exists() as inner):
                return Not(self.exists(inner))
        raise Alone(Why.TEST)

    def sure(self, where: Predicate, scope: str | None) -> Predicate:
        """The same of a condition that is there."""
        found = self.test(where, scope)
        assert found is not None
        return found

    def exists(self, test: Exists) -> Exists:
        """A test of the rows of a one-to-many relationship as one of a link."""
        link = test.link
        if isinstance(link, Join):
            return test
        if test.every or test.path or test.outer is not None or not isinstance(link, ToMany):
            raise Alone(Why.TEST)
        one = self.schema.one_to_many.get(link.relationship)
        if one is None:
            raise Alone(Why.TEST)
        inner = self.test(test.where, test.alias)
        made = Join(
            table=one.referencing, alias=f"any{next(self.numbers)}", from_column=one.referencing_attribute,
            to_column=self.schema.tables[one.referenced].primary_id, where=inner,
        )  # fmt: skip
        return Exists(made)


def question(query: Query, schema: Schema) -> Question:
    """A query of many rows as SOAP asks it; raises Alone for what it cannot say."""
    flat, along = _flat(query, schema)
    try:
        told = dict(print_query_expression(flat))
    except Fault:
        try:
            if query.after is not None or query.page_number > 1 or query.count:
                raise Alone(Why.TEST) from None
            return Question(fetch(print_fetchxml(flat)), along)
        except Fault:
            raise Alone(Why.TEST) from None
    if query.after is not None:
        inner = write_inner(query.page_number - 1, ["value"] * len(query.after), query.after)
        told["PageInfo"] = {**told["PageInfo"], "PageNumber": query.page_number, "PagingCookie": inner}
    return Question(typed(("xrm", "QueryExpression"), told), along)


def printed(query: Query, schema: Schema) -> Typed:
    """A query that stands inside of another value."""
    flat, along = _flat(query, schema)
    if along or query.after is not None:
        raise Alone(Why.NESTED)
    try:
        return Typed(("xrm", "QueryExpression"), print_query_expression(flat))
    except Fault:
        raise Alone(Why.TEST) from None


def _flat(query: Query, schema: Schema) -> tuple[Query, dict[tuple[str, ...], str]]:
    """A query without hops and expands, and the aliases of what was expanded."""
    hops = _Hops(schema)
    where = hops.test(query.where)
    order = tuple(replace(each, field=hops.field(each.field)) for each in query.order)
    along = dict(_expanded(query.expand, hops))
    groups = tuple(replace(each, field=hops.field(each.field)) for each in query.groups)
    aggregates = tuple(
        each if each.field is None else replace(each, field=hops.field(each.field))
        for each in query.aggregates
    )
    flat = replace(
        query, where=where, order=order, expand=(), groups=groups, aggregates=aggregates, after=None,
        joins=(*query.joins, *hops.joins()), count_only=False, count=query.count or query.count_only,
    )  # fmt: skip
    if query.count_only:
        flat = replace(flat, columns=(), page_size=1)
    return flat, along


def _expanded(
    expands: Sequence[Expand], hops: _Hops, path: tuple[Any, ...] = (), names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for each in expands:
        if not isinstance(each.link, ToOne) or each.where is not None:
            raise Alone(Why.LISTS)
        below, trail = (*path, each.link), (*names, each.name)
        yield trail, hops.shows(below, () if each.refs_only else each.columns)
        yield from _expanded(each.expand, hops, below, trail)


def ordered(order: Sequence[Order]) -> Sequence[Order]:
    """Orders by columns of the row itself."""
    if any(each.field.path for each in order):
        raise Alone(Why.NESTED)
    return order
