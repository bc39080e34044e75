"""Values between the messages of the Web API's reader and the elements of SOAP."""

import base64
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

from orgstead.model import record as model
from orgstead.model.schema import Column, Schema
from orgstead.wire.soap.contracts import NAMESPACES, TypeName
from orgstead.wire.soap.write import ANY, Scope, Typed, element
from tests.parity.bridge.ledger import Alone, Why
from tests.parity.soap import (
    SPACES,
    Aliased,
    Made,
    Of,
    Ref,
    Row,
    Rows,
    guid,
    moment,
    money,
    option,
    options,
    raw,
)

__all__ = ["canonical", "entity", "reference", "typed", "value"]

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?")
UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LETTERS = {uri: letter for letter, uri in SPACES.items()}
SCOPE = Scope({prefix: _LETTERS[uri] for prefix, uri in NAMESPACES.items() if uri in _LETTERS})


def typed(type: TypeName, given: Any) -> Made:
    """An object by its members, as the contract of its type has them."""
    return Made(lambda tag: element(tag, Typed(type, given), ANY, SCOPE))


def text(given: str) -> Any:
    """A text, whose carriage returns XML would take away."""
    if UNSPEAKABLE.search(given):
        raise Alone(Why.UNTYPED)
    return raw("c:string", escape(given, {"\r": "&#13;"}))


def reference(ref: model.Ref, schema: Schema, version: int | None = None) -> Ref:
    """An EntityReference."""
    shown = None if version is None else str(version)
    if isinstance(ref.key, str):
        return Ref(ref.table, ref.key, version=shown)
    if not isinstance(ref.key, tuple):
        raise Alone(Why.BATCH)
    return Ref(ref.table, keys=keys(ref, schema), version=shown)


def keys(ref: model.Ref, schema: Schema) -> Mapping[str, Any]:
    """The columns of an alternate key."""
    columns = schema.tables[ref.table].columns
    pairs = ref.key if isinstance(ref.key, tuple) else ()
    return {name: value(columns.get(name), each, schema) for name, each in pairs}


def value(column: Column | None, given: Any, schema: Schema) -> Any:
    """What JSON gave for a column as what .NET would; raises Alone where there is no such thing."""
    if given is None:
        return None
    if column is None:
        raise Alone(Why.UNTYPED)
    number = isinstance(given, int | float | Decimal) and not isinstance(given, bool)
    whole = isinstance(given, int) and not isinstance(given, bool)
    match column.type, given:
        case "lookup" | "customer" | "owner", model.Ref():
            return reference(given, schema)
        case "partylist", tuple() | list():
            return Rows([entity(each, schema) for each in given], table="activityparty")
        case "choice" | "state" | "status", _ if whole and -(2**31) <= given < 2**31:
            return option(given)
        case "multichoice", str() if re.fullmatch(r"-?\d{1,9}(,-?\d{1,9})*", given):
            return options(*map(int, given.split(",")))
        case "money", _ if number and abs(given) < 10**28:
            return money(format(Decimal(str(given)), "f"))
        case "decimal", _ if number and abs(given) < 10**28:
            return Of("c:decimal", format(Decimal(str(given)), "f"))
        case "double", _ if number:
            return float(given)
        case "integer", _ if whole and -(2**31) <= given < 2**31:
            return given
        case "bigint", _ if whole and -(2**63) <= given < 2**63:
            return Of("c:long", given)
        case "boolean", bool():
            return given
        case "datetime", str() if MOMENT.fullmatch(given) and not (column.date_only and "T" in given):
            return moment(given if "T" in given else f"{given}T00:00:00Z")
        case "string" | "memo" | "entityname", str():
            return text(given)
        case "uniqueidentifier", str() if GUID.fullmatch(given):
            return guid(given)
        case "image", str() if re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", given) and len(given) % 4 == 0:
            return base64.b64decode(given)
    raise Alone(Why.UNTYPED)


def entity(
    record: model.Record, schema: Schema, ref: model.Ref | None = None, version: int | None = None
) -> Row:
    """An Entity."""
    table = schema.tables[record.table]
    ref = ref or record.key
    values = {name: value(table.columns.get(name), each, schema) for name, each in record.values.items()}
    id = record.id
    if ref is None and id is None and GUID.fullmatch(str(record.values.get(table.primary_id))):
        id = str(record.values[table.primary_id])
        values.pop(table.primary_id)
    if ref is not None and isinstance(ref.key, str):
        id = ref.key
    elif ref is not None and not isinstance(ref.key, tuple):
        raise Alone(Why.BATCH)
    related: dict[tuple[str, str | None], list[Row]] = {}
    for each in record.related:
        if each.refs:
            raise Alone(Why.BOUND)
        key = (each.relationship, role(each.relationship, schema, to_one=each.to_one, reverse=each.reverse))
        related.setdefault(key, []).extend(entity(inner, schema) for inner in each.records)
    made = Row(record.table, values, keys=keys(ref, schema) if ref is not None else {}, related=related)
    if id is not None:
        made.id = id
    made.version = None if version is None else str(version)
    return made


def role(name: str, schema: Schema, *, to_one: bool = False, reverse: bool = False) -> str | None:
    """The PrimaryEntityRole that tells the ends of a relationship of a table with itself apart."""
    one, many = schema.one_to_many.get(name), schema.many_to_many.get(name)
    if one is not None and one.referenced == one.referencing:
        return "Referencing" if to_one or reverse else "Referenced"
    if many is not None and many.entity1 == many.entity2:
        return "Referenced" if reverse else "Referencing"
    return None


def canonical(column: Column | None, given: Any) -> Any:
    """A value out of an answer in its canonical form."""
    if isinstance(given, Aliased):
        given = given.value
    if isinstance(given, Ref):
        return given.id
    if column is not None and isinstance(given, str) and column.type == "datetime":
        return given[:10] if column.date_only else given if given.endswith("Z") else f"{given}Z"
    return given
