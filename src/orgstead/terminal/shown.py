"""Records as they are printed: as the wire has them for JSON, flat and by plain names for tables and CSV."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from orgstead.client import Expand, Record
from orgstead.terminal.aligned import Amount

__all__ = ["as_flat", "fetch_columns", "flat_columns", "plain_name", "wire_name", "wire_row"]

LOOKUPS = frozenset({"Customer", "Lookup", "Owner"})


def wire_name(column: str, types: Mapping[str, str]) -> str:
    """The name of a column in ``$select``: a lookup is ``_x_value`` there."""
    return f"_{column}_value" if types.get(column) in LOOKUPS else column


def plain_name(name: str) -> str:
    """The name of a column in a table: a lookup is ``x`` there."""
    return name[1:-6] if name.startswith("_") and name.endswith("_value") else name


def wire_row(record: Record, *, annotations: bool = False) -> dict[str, Any]:
    """A record as the wire has it, without its annotations unless they are asked for."""
    return record.raw if annotations else _bare(record.raw)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items() if "@" not in name}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value


def as_flat(
    record: Record, *, formatted: bool, select: Sequence[str] = (), expand: Sequence[Expand] = ()
) -> dict[str, Any]:
    """A record by plain names, the columns of an expanded row as ``lookup.column``; with formatted values or typed.

    With ``select`` only these columns of its own, in this order, and what is expanded.
    """
    texts = record.formatted if formatted else {}
    expanded = {each.navigation: each for each in expand}
    made: dict[str, Any] = {}
    for name in record:
        value = record[name]
        if name in texts:
            value = _read(texts[name], value)
        if name in expanded and value is None:
            made.update({f"{name}.{plain_name(column)}": None for column in expanded[name].select})
        elif isinstance(value, Record):
            wanted = expanded.get(name)
            inner = as_flat(
                value,
                formatted=formatted,
                select=wanted.select if wanted else (),
                expand=wanted.expand if wanted else (),
            )
            made.update({f"{name}.{column}": each for column, each in inner.items()})
        elif isinstance(value, list) and any(isinstance(each, Record) for each in value):
            made[name] = [wire_row(each) if isinstance(each, Record) else each for each in value]
        else:
            made[plain_name(name)] = value
    if not select:
        return made
    own = {plain_name(each): made.get(plain_name(each)) for each in select}
    return {**own, **{name: each for name, each in made.items() if name.partition(".")[0] in expanded}}


def _read(text: str, value: Any) -> str:
    """A formatted value: one of a number, and not of a choice, is a number as people read it."""
    counted = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Amount(text) if counted and not any(each.isalpha() for each in text) else text


def flat_columns(select: Sequence[str], expand: Sequence[Expand]) -> list[str] | None:
    """The columns of a table: those that were selected, or None where only the rows can tell."""
    return [plain_name(each) for each in select] if select and not expand else None


def fetch_columns(xml: str) -> list[str] | None:
    """The columns of a FetchXML query in its order, or None where only the rows can tell."""
    try:
        entity = ElementTree.fromstring(xml).find("entity")
    except ElementTree.ParseError:
        return None
    if entity is None:
        return None
    found = list(_attributes(entity, ""))
    return found if found and None not in found else None  # type: ignore[return-value]


def _attributes(place: ElementTree.Element, prefix: str) -> Iterator[str | None]:
    for each in place:
        if each.tag == "all-attributes":
            yield None
        elif each.tag == "attribute":
            alias = each.get("alias")
            yield alias or f"{prefix}{each.get('name')}"
        elif each.tag == "link-entity":
            alias = each.get("alias")
            inner = list(_attributes(each, f"{alias}."))
            yield from inner if alias else [None] * bool(inner)
