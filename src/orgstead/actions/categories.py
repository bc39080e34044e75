"""Which column of appointments holds a category that has numbers, and what those are.

The column ``category`` that Dynamics ships is free text, so organisations that give their appointments categories with
numbers do it in a column of choices of their own. ``APPOINTMENT_CATEGORY_FIELD`` in the environment names it; without
that it is found by its name.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.actions.action import Steps
from orgstead.actions.failures import Refusal

__all__ = ["Categories", "categories_of", "checked_category"]

TABLE, SHIPPED = "appointment", "category"
VARIABLE = "APPOINTMENT_CATEGORY_FIELD"
NAMES = ("category", "appointmentcategory", "categoryofappointment", "appointmenttype", "type")
IN_USE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Categories:
    """``column`` holds the category, ``type`` is its AttributeType, ``values`` are value and label of each."""

    column: str
    type: str
    values: Sequence[Mapping[str, Any]]

    @property
    def numbered(self) -> bool:
        """Whether a category is a number."""
        return self.type == "Picklist"


def categories_of(crm: Any) -> Steps[Categories]:
    """The categories of appointments. Raises Refusal when the environment names a column that is not there."""
    columns = {each.name: each for each in (yield crm.tables.columns(TABLE))}
    configured = os.environ.get(VARIABLE, "").strip().lower()
    if configured and configured not in columns:
        raise Refusal(f"{VARIABLE} names {configured[:60]}, and appointments have no such column.")
    choices = [name for name, each in columns.items() if each.type == "Picklist"]
    column = configured or _likely(choices) or SHIPPED
    kind = str(columns[column].type)
    if kind == "Picklist":
        labels = yield crm.choices.of_column(TABLE, column)
        values = [{"value": value, "label": label} for value, label in labels.items()]
    else:
        used = yield crm.query(TABLE).group_by(column).aggregate(uses="count").all()
        texts = sorted({str(row[column]) for row in used if row.get(column)})[:IN_USE]
        values = [{"value": text, "label": text} for text in texts]
    return Categories(column=column, type=kind, values=values)


def _likely(choices: Sequence[str]) -> str | None:
    """The column of choices that is meant by its name: as shipped, else one of the organisation's own."""
    if SHIPPED in choices:
        return SHIPPED
    own = sorted((name.partition("_")[2], name) for name in choices if "_" in name)
    return next((name for wanted in NAMES for end, name in own if end == wanted), None)


def checked_category(crm: Any, category: int | None) -> Steps[dict[str, Any]]:
    """What to write for a category. Raises Refusal that names the valid ones."""
    if category is None:
        return {}
    found = yield from categories_of(crm)
    if not found.numbered:
        raise Refusal(
            f"Appointments of this organisation have no categories with numbers: {found.column} is free text. "
            f"Leave category out, or set {VARIABLE} to a column of choices of the table appointment."
        )
    if category not in {each["value"] for each in found.values}:
        valid = ", ".join(f"{each['value']} ({each['label']})" for each in found.values)
        raise Refusal(f"{category} is no category of appointments. Valid ones are: {valid}.")
    return {found.column: category}
