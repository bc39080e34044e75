"""Rows of a page as values that JSON can be made of, by one comprehension that is written out per plan.

A page of thousands of rows is the case that everybody waits for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from orgstead.model.plan import Child, Nested, Output, Plan, width

__all__ = ["Place", "Placed", "is_plain", "row_maker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A member of a row's object: its name, what its value becomes, and what stands for null (None: null).

    ``source`` is a Python expression of the value ``{}`` instead of ``convert``, for what is done to each row.
    """

    name: str
    convert: Callable[[Any], Any] | None = None
    null: Any = None
    source: str | None = None


# The places that an output of a plan takes in a row's object.
Placed = Callable[[Output], Sequence[Place]]


def row_maker(
    plan: Plan, placed: Placed, *, nulls: bool = True
) -> Callable[[Sequence[Any]], list[Any]] | None:
    """What makes the rows of a plan into structs whose keys are encoded once; without ``nulls`` they leave null out.

    The source that is made is of numbers and of what ``placed`` says. None for a plan that has expanded collections
    or answers references.
    """
    if not is_plain(plan.children, plan.nested):
        return None
    scope: dict[str, Any] = {}
    row = _struct(scope, placed, plan.outputs, plan.nested, 0, nulls)
    places = ", ".join(f"v{index}" for index in range(len(plan.outputs) + sum(map(width, plan.nested))))
    made: Callable[[Sequence[Any]], list[Any]] = eval(f"lambda rows: [{row} for {places}, in rows]", scope)
    return made


def is_plain(children: Sequence[Child], nested: Sequence[Nested]) -> bool:
    """Whether rows hold no expanded collections and no references."""
    return not children and all(
        not part.refs_only and is_plain(part.children, part.nested) for part in nested
    )


def _struct(
    scope: dict[str, Any],
    placed: Placed,
    outputs: Sequence[Output],
    nested: Sequence[Nested],
    start: int,
    nulls: bool,
) -> str:
    """The source of one row as a struct, out of the places from ``start`` on; what it needs goes to ``scope``."""
    keys: list[str] = []
    values: list[str] = []
    for index, output in enumerate(outputs, start):
        for place in placed(output):
            keys.append(place.name)
            values.append(_value(scope, place, f"v{index}"))
    start += len(outputs)
    for part in nested:
        named = [output.name if output.part in ("value", "id") else "" for output in part.outputs]
        id = f"v{start + named.index(part.table.primary_id)}"
        inner = _struct(scope, placed, part.outputs, part.nested, start, nulls)
        keys.append(part.name)
        values.append(f"None if {id} is None else {inner}")
        start += width(part)
    fields = [f"f{index}" for index in range(len(keys))]
    name = f"row{len(scope)}"
    scope[name] = msgspec.defstruct(
        "Row",
        fields if nulls else [(field, Any, None) for field in fields],
        rename=dict(zip(fields, keys, strict=True)),
        omit_defaults=not nulls,
        gc=False,
    )
    return f"{name}({', '.join(values)})"


def _value(scope: dict[str, Any], place: Place, value: str) -> str:
    shown = value
    if place.source is not None:
        shown = place.source.replace("{}", value)
    elif place.convert is not None:
        function = f"c{len(scope)}"
        scope[function] = place.convert
        shown = f"{function}({value})"
    if shown == value and place.null is None:
        return value
    default = "None"
    if place.null is not None:
        default = f"d{len(scope)}"
        scope[default] = place.null
    return f"{default} if {value} is None else {shown}"
