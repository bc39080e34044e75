"""Single options of choices: of a column's own, or of a global choice.

The options to change are those of parameters ``table`` and ``column``, or of the global ``choice``.
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets#messages
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from orgstead.engine.handlers.metadata.checks import known_choice, known_column, known_table, wanted
from orgstead.engine.handlers.metadata.columns import MAX_OPTIONS
from orgstead.engine.handlers.metadata.components import (
    ATTRIBUTE,
    OPTION_SET,
    add_to_solution,
    option_prefix,
)
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature
from orgstead.model.schema import Choice, Column, Option

__all__ = [
    "delete_option_value", "insert_option_value", "insert_status_value", "order_option", "update_option_value",
    "update_state_value",
]  # fmt: skip

# How many values each prefix of a publisher has: 10,000 makes 100,000,000 to 100,009,999.
BLOCK = 10_000
INT32 = 2**31

_TEXT, _LABEL = "Edm.String", "mscrm.Label"


def _signature(*parameters: Parameter, returns: tuple[Parameter, ...] = ()) -> Signature:
    where = tuple(
        Parameter(name=name, type=_TEXT, optional=True)
        for name in ("OptionSetName", "AttributeLogicalName", "EntityLogicalName", "SolutionUniqueName")
    )
    return Signature(kind="action", parameters=(*where, *parameters), returns=returns)


def _optional(name: str, kind: str) -> Parameter:
    return Parameter(name=name, type=kind, optional=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where options live: in a column, or in a global choice."""

    draft: Draft
    owner: Column | Choice
    table: str

    @property
    def kind(self) -> str:
        return self.owner.type if isinstance(self.owner, Column) else "choice"

    def find(self, value: int) -> Option:
        found = next((option for option in self.owner.options if option.value == value), None)
        if found is None:
            raise fault("OptionNotFound", value=value, name=self.owner.name)
        return found

    def write(self, options: Sequence[Option]) -> None:
        if isinstance(self.owner, Choice):
            self.draft.put_choice(replace(self.owner, options=tuple(options)))
        else:
            self.draft.put_columns(self.table, [replace(self.owner, options=tuple(options))])
        self.draft.commit()
        kind = OPTION_SET if isinstance(self.owner, Choice) else ATTRIBUTE
        add_to_solution(self.draft.call, kind, self.owner.metadata_id)


def _place(call: Call) -> _Place:
    draft = Draft(call)
    name = call.parameters.get("choice")
    if name is not None:
        return _Place(draft, known_choice(call.schema, wanted(call, "choice", str)), "")
    table = known_table(call.schema, wanted(call, "table", str))
    column = known_column(table, wanted(call, "column", str))
    if column.global_choice is not None:
        return _Place(draft, known_choice(call.schema, column.global_choice), "")
    return _Place(draft, column, table.logical_name)


def _new_value(call: Call, place: _Place) -> int:
    """The value asked for, or the next free one of the publisher's."""
    value = call.parameters.get("value")
    taken = {option.value for option in place.owner.options}
    if value is None:
        first = option_prefix(call) * BLOCK
        mine = [each for each in taken if first <= each < first + BLOCK]
        following = max(mine, default=first - 1) + 1
        return (
            following if following < first + BLOCK else next(i for i in range(first, INT32) if i not in taken)
        )
    if type(value) is not int or not -INT32 <= value < INT32:
        raise fault("InvalidArgument", message="The value of an option must be a 32-bit integer.")
    if value in taken:
        raise fault("OptionExists", value=value)
    return value


def _with(call: Call, place: _Place, option: Option) -> Any:
    if len(place.owner.options) >= MAX_OPTIONS:
        raise fault("InvalidDefinition", what=place.owner.name, reason=f"more than {MAX_OPTIONS} options")
    place.write([*place.owner.options, option])
    return {"NewOptionValue": option.value}


_NEW_VALUE = (Parameter(name="NewOptionValue", type="Edm.Int32"),)


@handles(
    "InsertOptionValue",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(
        _optional("Value", "Edm.Int32"),
        Parameter(name="Label", type=_LABEL),
        _optional("Description", _LABEL),
        _optional("Color", _TEXT),
        _optional("ExternalValue", _TEXT),
        returns=_NEW_VALUE,
    ),
)
def insert_option_value(call: Call) -> Any:
    """Add an option to a choice. Answers ``NewOptionValue``."""
    place = _place(call)
    match place.kind:
        case "boolean":
            raise fault("BooleanTakesNoOption")
        case "state":
            raise fault("StateTakesNoOption")
        case "status":
            raise fault("StatusNeedsState")
        case "choice" | "multichoice":
            pass
        case _:
            raise fault("TakesNoOption")
    color = call.parameters.get("color")
    return _with(call, place, Option(_new_value(call, place), wanted(call, "label", str), color=color))


@handles(
    "InsertStatusValue",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(
        _optional("Value", "Edm.Int32"),
        Parameter(name="Label", type=_LABEL),
        _optional("Description", _LABEL),
        Parameter(name="StateCode", type="Edm.Int32"),
        _optional("Color", _TEXT),
        returns=_NEW_VALUE,
    ),
)
def insert_status_value(call: Call) -> Any:
    """Add a status reason to a state. Answers ``NewOptionValue``."""
    place = _place(call)
    if place.kind != "status":
        raise fault("TakesNoOption")
    state = call.parameters.get("state")
    if state is None:
        raise fault("StatusNeedsState")
    states = known_table(call.schema, place.table).state_column
    if states is None or all(option.value != state for option in states.options):
        raise fault("StatusStateUnknown")
    option = Option(_new_value(call, place), wanted(call, "label", str), state=state)
    return _with(call, place, option)


@handles(
    "UpdateOptionValue",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(
        Parameter(name="Value", type="Edm.Int32"),
        _optional("Label", _LABEL),
        _optional("Description", _LABEL),
        Parameter(name="MergeLabels", type="Edm.Boolean"),
        _optional("ParentValues", "Collection(Edm.Int32)"),
        _optional("Color", _TEXT),
        _optional("ExternalValue", _TEXT),
    ),
)
def update_option_value(call: Call) -> Any:
    """Change an option's label or colour."""
    place = _place(call)
    if not place.owner.options and place.kind == "boolean":
        place = replace(place, owner=replace(place.owner, options=(Option(0, "No"), Option(1, "Yes"))))
    old = place.find(wanted(call, "value", int))
    label, color = call.parameters.get("label"), call.parameters.get("color")
    new = replace(
        old, label=old.label if label is None else label, color=old.color if color is None else color
    )
    place.write([new if option is old else option for option in place.owner.options])
    return None


@handles(
    "UpdateStateValue",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(
        Parameter(name="Value", type="Edm.Int32"),
        _optional("Label", _LABEL),
        _optional("Description", _LABEL),
        Parameter(name="MergeLabels", type="Edm.Boolean"),
        _optional("DefaultStatusCode", "Edm.Int32"),
    ),
)
def update_state_value(call: Call) -> Any:
    """Change a state's label or default status reason."""
    place = _place(call)
    if place.kind != "state":
        raise fault("InvalidArgument", message=f"{place.owner.name} is no state column.")
    old = place.find(wanted(call, "value", int))
    label, status = call.parameters.get("label"), call.parameters.get("default_status")
    if status is not None:
        reasons = known_table(call.schema, place.table).status_column
        if reasons is None or all(
            (each.value, each.state) != (status, old.value) for each in reasons.options
        ):
            raise fault("OptionNotFound", value=status, name="statuscode")
    new = replace(
        old,
        label=old.label if label is None else label,
        default_status=old.default_status if status is None else status,
    )
    place.write([new if option is old else option for option in place.owner.options])
    return None


@handles(
    "DeleteOptionValue",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(Parameter(name="Value", type="Edm.Int32")),
)
def delete_option_value(call: Call) -> Any:
    """Take an option out of a choice or a status reason out of its column. Rows that hold it keep the number."""
    place = _place(call)
    if place.kind not in ("choice", "multichoice", "status"):
        raise fault("OptionNotDeletable")
    old = place.find(wanted(call, "value", int))
    if place.kind == "status":
        states = known_table(call.schema, place.table).state_column
        if states is not None and any(state.default_status == old.value for state in states.options):
            raise fault("DefaultStatusStays")
    place.write([option for option in place.owner.options if option is not old])
    return None


@handles(
    "OrderOption",
    privilege="prvWriteOptionSet",
    heavy=True,
    defines=True,
    signature=_signature(Parameter(name="Values", type="Collection(Edm.Int32)")),
)
def order_option(call: Call) -> Any:
    """Put options in the given order; all of them must be named, each once."""
    place = _place(call)
    values = wanted(call, "values", tuple)
    known = {option.value: option for option in place.owner.options}
    if len(values) != len(known) or set(values) != set(known):
        raise fault("InvalidArgument", message="Values must name each option of the choice once.")
    place.write([known[value] for value in values])
    return None
