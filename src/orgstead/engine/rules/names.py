"""Columns that are made of others: full names and composite addresses."""

from functools import lru_cache

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


@lru_cache(maxsize=4096)
def _prefixes(table: Table) -> tuple[str, ...]:
    suffix = "_composite"
    return tuple(c.name.removesuffix(suffix) for c in table.stored if c.name.endswith(suffix))


@hook("Create", "Update", stage=20, applies=lambda table: bool(_prefixes(table)))
def compose_addresses(call: Call, change: Change) -> None:
    """``address1_composite`` shows the whole address as one text."""
    for prefix in _prefixes(change.table):
        parts = {
            part: f"{prefix}_{part}" for part in ("line1", "line2", "line3", "city", "postalcode", "country")
        }
        parts["state"] = f"{prefix}_stateorprovince"
        if not any(name in change.values for name in parts.values()):
            continue
        text = {part: change.after(name) or "" for part, name in parts.items()}
        region = " ".join(filter(None, (text["state"], text["postalcode"])))
        place = ", ".join(filter(None, (text["city"], region)))
        lines = (text["line1"], text["line2"], text["line3"], place, text["country"])
        change.values[f"{prefix}_composite"] = "\r\n".join(filter(None, lines)) or None
