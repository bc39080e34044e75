"""Query strings of collections: pages, filters by equality, search, order.

https://teamswork.app/crmapi
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from orgstead.errors import Fault, fault
from orgstead.model.query import And, Condition, Or, Order, Predicate, Query
from orgstead.model.query import Field as Of
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema
from orgstead.wire.crm.body import column_value
from orgstead.wire.crm.resources import Field, Resource

__all__ = ["DEFAULT_SIZE", "MAX_PAGE", "MAX_SIZE", "Paging", "read_listing", "read_paging", "read_query"]

DEFAULT_SIZE, MAX_SIZE, MAX_PAGE = 50, 500, 1_000_000
MAX_PARAMETERS, MAX_SORTS, MAX_TEXT = 50, 5, 200
WHOLE = frozenset({"integer", "bigint", "choice", "state", "status"})
NUMBERS = frozenset({"money", "decimal", "double"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page, from 1, of which size."""

    page: int = 1
    size: int = DEFAULT_SIZE


def read_query(query: str) -> dict[str, str]:
    """The parameters of a query string by name; raises CrmParameterInvalid for one that is there twice."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except (ValueError, UnicodeDecodeError):
        raise _invalid("query", "it is not well-formed, or has too many parameters") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise _invalid(name, "it is there twice")
        found[name] = value
    return found


def read_paging(parameters: dict[str, str]) -> Paging:
    """Take ``page`` and ``size`` out of the parameters; raises CrmParameterInvalid."""
    page = _number("page", parameters.pop("page", "1"), MAX_PAGE)
    size = _number("size", parameters.pop("size", str(DEFAULT_SIZE)), MAX_SIZE)
    return Paging(page=page, size=size)


def no_more(parameters: Mapping[str, str]) -> None:
    """Raises CrmParameterUnknown for a parameter that is left."""
    for name in parameters:
        raise fault("CrmParameterUnknown", name=name[:100], details={"field": name[:100]})


def read_listing(resource: Resource, schema: Schema, query: str) -> tuple[Query, Paging]:
    """The question that a query string asks of a collection; raises CrmParameterInvalid, CrmParameterUnknown."""
    parameters = read_query(query)
    paging = read_paging(parameters)
    where: list[Predicate] = []
    search = parameters.pop("search", "")
    if len(search) > MAX_TEXT:
        raise _invalid("search", f"it has more than {MAX_TEXT} characters")
    if search:
        looked = (Of(resource.fields[name].column) for name in resource.search)
        where.append(Or(tuple(Condition(each, "contains", (search,)) for each in looked)))
    order = _order(resource, parameters.pop("sort", ""))
    id = parameters.pop("id", None)
    key = schema.tables[resource.table].primary_id
    if id is not None:
        where.append(_condition("id", id, schema.tables[resource.table].columns[key], resource, None))
    for name in list(parameters):
        field = resource.fields.get(name)
        if field is not None:
            where.append(_equal(resource, schema, field, parameters.pop(name)))
    no_more(parameters)
    asked = Query(
        table=resource.table,
        columns=resource.columns,
        where=And(tuple(where)) if where else None,
        order=(*order, Order(Of(key))),
        page_size=paging.size,
        offset=(paging.page - 1) * paging.size,
        count=True,
        bulk=True,
    )
    return asked, paging


def _order(resource: Resource, text: str) -> tuple[Order, ...]:
    names = [name for name in text.split(",") if name]
    if len(names) > MAX_SORTS or len({name.lstrip("-") for name in names}) != len(names):
        raise _invalid("sort", f"it names fields twice, or more than {MAX_SORTS}")
    orders = []
    for name in names:
        field = resource.fields.get(name.removeprefix("-"))
        if field is None or field.target is not None:
            raise _invalid("sort", f"{name[:50]} is no field that rows can be sorted by")
        orders.append(Order(Of(field.column), descending=name.startswith("-")))
    return tuple(orders)


def _equal(resource: Resource, schema: Schema, field: Field, text: str) -> Predicate:
    return _condition(field.name, text, resource.column(schema, field), resource, field.target)


def _condition(name: str, text: str, column: Column, resource: Resource, target: str | None) -> Predicate:
    if text == "":
        return Condition(Of(column.name), "null")
    try:
        value = column_value(column, _typed(column, text), target, resource.table)
    except (Fault, ValueError, InvalidOperation) as error:
        raise _invalid(name, str(error) or "it is no such value") from None
    return Condition(Of(column.name), "eq", (value.key if isinstance(value, Ref) else value,))


def _typed(column: Column, text: str) -> Any:
    if column.type in WHOLE:
        return int(text) if text.lstrip("-").isascii() and len(text) < 20 else None or _no_value()
    if column.type in NUMBERS:
        return Decimal(text)
    if column.type == "boolean":
        return {"true": True, "false": False}.get(text) if text in ("true", "false") else _no_value()
    return text


def _no_value() -> Any:
    raise ValueError("it is no such value")


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise _invalid(name, f"it is a whole number between 1 and {most}")
    return int(text)


def _invalid(name: str, why: str) -> Fault:
    return fault("CrmParameterInvalid", name=name[:100], message=why[:300], details={"field": name[:100]})
