"""``param=value`` as an argument of an action or function: texts become what its definition says."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from orgstead.client import Client, ConfigurationError, EnumMember, Ref
from orgstead.client.literals import guid
from orgstead.client.values import decode
from orgstead.terminal.operations import Operation, Operations
from orgstead.terminal.values import FALSE, TRUE, Typing, read_time, split_pair

__all__ = ["arguments_of"]

_COLLECTION = re.compile(r"Collection\((.+)\)")
INTEGERS = frozenset({"Edm.Byte", "Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.SByte"})
# A row of any table is of these types.
ANY_TABLE = frozenset({"crmbaseentity", "expando"})


def arguments_of(
    client: Client, known: Operations, operation: Operation, pairs: tuple[str, ...], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of a call. Raises UsageError for one that is unknown, missing, or no value of its type."""
    types = {each.name: each.type for each in operation.parameters}
    given: dict[str, Any] = {}
    for name, value in [*data.items(), *map(split_pair, pairs)]:
        if name not in types:
            raise click.UsageError(
                f"{operation.name} has no parameter {name[:60]!r}; it has: {', '.join(types) or 'none'}."
            )
        given[name] = _argument(client, known, name, types[name], value) if isinstance(value, str) else value
    missing = [each.name for each in operation.parameters if not each.optional and each.name not in given]
    if missing:
        raise click.UsageError(
            f"{operation.name} needs {', '.join(missing)}: 'orgstead api describe {operation.name}' says more."
        )
    return given


def _argument(client: Client, known: Operations, name: str, kind: str, text: str) -> Any:
    several = _COLLECTION.fullmatch(kind)
    if several is not None:
        if text.startswith("["):
            return _json(name, kind, text)
        return [_argument(client, known, name, several[1], each.strip()) for each in text.split(",") if each]
    if kind in known.enums:
        return _member(known, name, kind, text)
    if not kind.startswith("Edm."):
        if text.startswith("{"):
            return _json(name, kind, text)
        if kind in known.tables:
            return _row(client, name, kind, text)
        raise click.UsageError(f"{name} is a {kind}, which is given as JSON.")
    try:
        return _primitive(kind, text)
    except (ValueError, InvalidOperation, ConfigurationError):
        raise click.UsageError(f"{name} is of type {kind}, and {text[:60]!r} is none.") from None


def _primitive(kind: str, text: str) -> Any:
    if kind in INTEGERS:
        return int(text)
    if kind in ("Edm.Decimal", "Edm.Double", "Edm.Single"):
        return Decimal(text)
    if kind == "Edm.Boolean":
        if text.casefold() not in TRUE | FALSE:
            raise ValueError(text)
        return text.casefold() in TRUE
    if kind == "Edm.Guid":
        return guid(text)
    if kind in ("Edm.DateTimeOffset", "Edm.Date"):
        return read_time(text)
    return text


def _json(name: str, kind: str, text: str) -> Any:
    try:
        return decode(text.encode())
    except ValueError as error:
        raise click.UsageError(f"{name} is a {kind} as JSON: {error}.") from None


def _member(known: Operations, name: str, kind: str, text: str) -> EnumMember:
    members = {each.casefold(): each for each in known.enums[kind]}
    found = [members.get(each.strip().casefold()) for each in text.split(",")]
    if None in found:
        raise click.UsageError(f"{name} is one of {', '.join(known.enums[kind])}, not {text[:60]!r}.")
    return EnumMember(kind, ",".join(map(str, found)))


def _row(client: Client, name: str, kind: str, text: str) -> Ref:
    table, sign, key = text.partition(":")
    if not sign and kind not in ANY_TABLE:
        table, key = kind, text
    elif not sign:
        raise click.UsageError(f"{name} is a row, as table:ID.")
    return Ref(table, Typing(client, table).key(key) if "=" in key else guid(key))
