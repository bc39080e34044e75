"""Columns that are made of others: full names and composite addresses."""

from functools import lru_cache

from orgstead.engine.addresses import address_text
from orgstead.engine.hooks import Change, hook
from orgstead.engine.registry import Call
from orgstead.model.schema import Table

__all__ = ["compose_addresses", "compose_full_name"]

PEOPLE = frozenset({"contact", "lead", "systemuser"})


@hook("Create", "Update", stage=20, applies=lambda table: table.logical_name in PEOPLE)
def compose_full_name(call: Call, change: Change) -> None:
    """``fullname`` is first and last name, the default of the organisation's name format."""
    if change.event == "Update" and not {"firstname", "lastname"} & change.values.keys():
        return
    parts = (change.after("firstname"), change.after("lastname"))
    change.values["fullname"] = " ".join(part for part in parts if part) or None


_PARTS = ("line1", "line2", "line3", "city", "stateorprovince", "postalcode", "country")


@lru_cache(maxsize=4096)
def _addresses(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each composite column with the columns that it is made of."""
    suffix = "_composite"
    found = (c.name.removesuffix(suffix) for c in table.stored if c.name.endswith(suffix))
    return tuple((prefix + suffix, tuple(f"{prefix}_{part}" for part in _PARTS)) for prefix in found)


@hook("Create", "Update", stage=20, applies=lambda table: bool(_addresses(table)))
def compose_addresses(call: Call, change: Change) -> None:
    """``address1_composite`` shows the whole address as one text."""
    values = change.values
    for composite, parts in _addresses(change.table):
        if values.keys().isdisjoint(parts):
            continue
        *lines, city, state, code, country = (change.after(name) for name in parts)
        text = address_text(*lines, city=city, state=state, code=code, country=country)
        values[composite] = text or None
