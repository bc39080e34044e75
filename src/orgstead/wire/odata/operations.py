"""Calls of actions and functions: names and parameters to ``Execute``.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-actions
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-functions
"""

from collections.abc import Mapping
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.languages.odata import EnumLiteral
from orgstead.languages.queryexpression import parse_query_expression
from orgstead.model.messages import Execute, Parameter, Signature
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.wire.definitions.vocabulary import COMPLEX_TYPES, properties_of
from orgstead.wire.odata.names import NAMESPACE, Names
from orgstead.wire.odata.payload import Origin, decode_record, read_reference
from orgstead.wire.odatav4.body import decode_object
from orgstead.wire.odatav4.paths import Alias, Segment
from orgstead.wire.odatav4.primitives import read_primitive

__all__ = ["decode_operation"]

MAX_ROWS = 1000
ANY_ROW = "crmbaseentity"
PRINCIPALS = frozenset({"systemuser", "team"})


def decode_operation(
    segment: Segment,
    method: str,
    body: bytes,
    aliases: Mapping[str, Any],
    table: Table | None,
    ref: Ref | None,
    signatures: Mapping[str, Signature],
    names: Names,
    origin: Origin,
) -> tuple[Execute, str]:
    """The message of a call, and the name of its response type.

    Raises ResourceNotFound for a name that is not bound like this, MethodNotAllowed, MissingParameter and
    UnexpectedParameter.
    """
    name = segment.name.removeprefix(NAMESPACE)
    signature = signatures.get(name)
    if signature is None or not _fits(signature, table, ref):
        raise fault("ResourceNotFound", segment=segment.name)
    wanted = "GET" if signature.kind == "function" else "POST"
    if method != wanted:
        raise fault("MethodNotAllowed", method=method, resource=segment.name)
    if signature.kind == "function":
        given = {key: _argument(value, aliases) for key, value in segment.pairs}
        # Parameters may also stand in the query string by their own names.
        given |= {
            key: value for key, value in aliases.items() if any(p.name == key for p in signature.parameters)
        }
    else:
        if segment.pairs:
            raise fault("ResourceNotFound", segment=segment.name)
        given = {key: value for key, value in decode_object(body).items() if not key.startswith("@")}
    used = {value.name for _, value in segment.pairs if isinstance(value, Alias)}
    for option in aliases:
        if option not in used and not any(p.name == option for p in signature.parameters):
            raise fault("ODataUnsupported", feature=f"The query option {option[:100]} on {name}")
    reader = _Reader(names, origin, table)
    parameters: dict[str, Any] = {}
    for parameter in signature.parameters:
        value = given.pop(parameter.name, None)
        if value is not None:
            parameters[parameter.name] = reader.value(parameter, value)
        elif not parameter.optional:
            raise fault("MissingParameter", name=parameter.name, message=f"{name} needs it")
    if given:
        raise fault("UnexpectedParameter", name=next(iter(given))[:100], message=name)
    target: Ref | str | None = ref if ref is not None else (table.logical_name if table is not None else None)
    response = f"{NAMESPACE}{name}Response" if signature.returns else "Edm.Null"
    if signature.direct is not None:
        response = signature.direct.replace("mscrm.", NAMESPACE)
    return Execute(name=name, parameters=parameters, target=target), response


def _fits(signature: Signature, table: Table | None, ref: Ref | None) -> bool:
    if not signature.bound:
        return table is None
    if table is None or not {"*", table.logical_name}.intersection(signature.bound):
        return False
    return signature.collection == (ref is None)


def _argument(value: Any, aliases: Mapping[str, Any]) -> Any:
    if not isinstance(value, Alias):
        return value
    if value.name not in aliases:
        raise fault("ODataSyntax", message=f"The parameter alias @{value.name} has no value.")
    return aliases[value.name]


class _Reader:
    """Values of parameters by their declared types."""

    def __init__(self, names: Names, origin: Origin, table: Table | None) -> None:
        self.names = names
        self.origin = origin
        self.table = table

    def value(self, parameter: Parameter, value: Any, *, bulk: bool = False) -> Any:
        kind = parameter.type
        if value is None:
            raise self.wrong(parameter)
        if kind.startswith("Collection("):
            if not isinstance(value, list):
                raise self.wrong(parameter)
            if len(value) > MAX_ROWS:
                raise fault("QueryTooComplex", limit=f"{MAX_ROWS} items in {parameter.name}")
            item = Parameter(name=parameter.name, type=kind[11:-1])
            return tuple(self.value(item, each, bulk=True) for each in value)
        if kind.startswith("mscrm."):
            return self.structured(parameter, kind.removeprefix("mscrm."), value, bulk)
        return self.primitive(parameter, kind, value)

    def primitive(self, parameter: Parameter, kind: str, value: Any) -> Any:
        try:
            return read_primitive(kind, value)
        except ValueError:
            raise self.wrong(parameter) from None

    def structured(self, parameter: Parameter, kind: str, value: Any, bulk: bool) -> Any:
        """A row (as Record), a reference to one (never in a list), an enum member or a complex value."""
        if isinstance(value, EnumLiteral):
            return value.member
        if kind == ANY_ROW or kind in self.names.schema.tables:
            return self.row(parameter, kind, value, bulk)
        if kind == "QueryExpression":
            return parse_query_expression(value)
        if kind in COMPLEX_TYPES:
            return self.complex(parameter, kind, value)
        return value

    def complex(self, parameter: Parameter, kind: str, value: Any) -> Mapping[str, Any]:
        """The members of a complex value, each by its own type; raises InvalidPayload for one that it has not."""
        if not isinstance(value, dict):
            raise self.wrong(parameter)
        types, links = properties_of(kind)
        read: dict[str, Any] = {}
        for name, each in value.items():
            if name.startswith("@"):
                continue
            if name in links:
                wanted = Parameter(name=name, type=f"mscrm.{links[name].type}")
                each = self.row(wanted, links[name].type, each, False)
            elif name not in types:
                raise fault("InvalidPayload", message=f"The type {kind} has no property {name[:100]}.")
            read[name] = each
        return read

    def row(self, parameter: Parameter, kind: str, value: Any, bulk: bool) -> Record | Ref:
        if not isinstance(value, dict):
            raise self.wrong(parameter)
        address = value.get("@odata.id")
        if address is not None and not bulk and set(value) <= {"@odata.type", "@odata.id"}:
            return read_reference(address, self.names, self.origin)
        stated = value.get("@odata.type", "")
        if not isinstance(stated, str):
            raise self.wrong(parameter)
        logical = stated.lstrip("#").removeprefix(NAMESPACE) or (kind if kind != ANY_ROW else "")
        table = self.names.schema.tables.get(logical) if logical else self.table
        if table is None:
            raise fault(
                "InvalidPayload", message=f"{parameter.name} needs an @odata.type that names a table."
            )
        if table.logical_name in PRINCIPALS and "ownerid" in value:
            # Users and teams have their id as owners, too.
            # https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/principal
            value = {table.primary_id: value["ownerid"], **{k: v for k, v in value.items() if k != "ownerid"}}
        record = decode_record(value, table, self.names, self.origin)
        if address is None:
            return record
        ref = read_reference(
            f"{self.names.set_of(table.logical_name)}{_keyed(address)}", self.names, self.origin
        )
        return Record(table=record.table, id=record.id, values=record.values, related=record.related, key=ref)

    def wrong(self, parameter: Parameter) -> Fault:
        return fault(
            "InvalidPayload", message=f"The parameter {parameter.name} is not of type {parameter.type}."
        )


def _keyed(address: Any) -> str:
    """The key part of ``accounts(name='x')``: clients name the set, some of them not exactly."""
    if not isinstance(address, str) or "(" not in address:
        raise fault("InvalidPayload", message="@odata.id is not the address of a row.")
    return address[address.index("(") :]
