"""Option sets in JSON to options and global choices."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orgstead.errors import fault
from orgstead.model.schema import Choice, Option, Schema
from orgstead.model.types import is_guid
from orgstead.wire.definitions.body import Body, type_of
from orgstead.wire.definitions.describe_options import global_option_set
from orgstead.wire.definitions.labels import read_label

__all__ = [
    "change_choice",
    "read_boolean_options",
    "read_choice",
    "read_choice_name",
    "read_option_value",
    "read_options",
]

MAX_OPTIONS = 5000
# Where values start that the organisation assigns.
FIRST_VALUE = 100_000_000


def read_options(value: Any, what: str) -> tuple[Option, ...]:
    """The options of an option set; those without a value get the next free one."""
    if not isinstance(value, dict):
        raise fault("InvalidDefinition", what=what, reason="OptionSet must be an object")
    given = value.get("Options")
    if given is None:
        given = []
    if not isinstance(given, list) or len(given) > MAX_OPTIONS:
        raise fault(
            "InvalidDefinition",
            what=what,
            reason=f"Options must be an array of at most {MAX_OPTIONS} options",
        )
    used = {item.get("Value") for item in given if isinstance(item, dict) and type(item.get("Value")) is int}
    free = FIRST_VALUE
    options = []
    for item in given:
        if isinstance(item, dict) and item.get("Value") is None:
            while free in used:
                free += 1
            used.add(free)
            item = {**item, "Value": free}
        options.append(_option(item, what))
    return tuple(options)


def read_option_value(value: Any, what: str) -> int:
    """The number of an option; raises InvalidDefinition."""
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise fault(
            "InvalidDefinition", what=what, reason="the value of an option must be a whole number of 32 bits"
        )
    return value


def _option(value: Any, what: str) -> Option:
    if not isinstance(value, dict):
        raise fault("InvalidDefinition", what=what, reason="an option must be an object")
    color = value.get("Color")
    if color is not None and (not isinstance(color, str) or len(color) > 20):
        raise fault("InvalidDefinition", what=what, reason="Color must be a text")
    number = read_option_value(value.get("Value"), what)
    label = read_label(value.get("Label"), f"the option {number} of {what}")
    state, default = value.get("State"), value.get("DefaultStatus")
    return Option(
        number,
        label or "",
        state=None if state is None else read_option_value(state, what),
        default_status=None if default is None else read_option_value(default, what),
        color=color or None,
    )


def read_boolean_options(value: Any, what: str) -> tuple[Option, ...] | None:
    """The two options of a boolean's option set, No first; None when nothing is given."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise fault("InvalidDefinition", what=what, reason="OptionSet must be an object")
    found = [value.get(name) for name in ("FalseOption", "TrueOption")]
    if found == [None, None]:
        return None
    if None in found:
        raise fault("WrongBooleanOptions")
    defaults = ((0, "No"), (1, "Yes"))
    options = []
    for item, (number, label) in zip(found, defaults, strict=True):
        if isinstance(item, dict) and item.get("Value") is None:
            item = {**item, "Value": number}
        option = _option(item, what)
        options.append(option if option.label else replace(option, label=label))
    return tuple(options)


def read_choice_name(address: Any, schema: Schema) -> str | None:
    """The name of the global choice that ``GlobalOptionSetDefinitions(…)`` points at; None without an address."""
    if address is None:
        return None
    text = str(address)
    head, _, key = text.rpartition("/")[2].partition("(")
    key = key.removesuffix(")")
    if head == "GlobalOptionSetDefinitions":
        if key.startswith("Name='") and key.endswith("'"):
            return key[6:-1].replace("''", "'")
        if is_guid(key):
            for choice in schema.choices.values():
                if choice.metadata_id == key.lower():
                    return choice.name
            raise fault("DefinitionNotFound", kind="option set", name=key)
    reason = f"{text[:100]} is not the address of a global option set"
    raise fault("InvalidDefinition", what="GlobalOptionSet@odata.bind", reason=reason)


def read_choice(value: Any, new_id: Callable[[], str]) -> Choice:
    """A new global choice."""
    type_name = type_of(value, "OptionSetMetadata")
    if type_name != "OptionSetMetadata" or value.get("OptionSetType", "Picklist") != "Picklist":
        raise fault("NotSupported", feature="A global choice that is no Picklist")
    body = Body(value, type_name, global_option_set(Choice(name="", metadata_id="", is_custom=True)).values)
    name = body.text("Name")
    choice = Choice(
        name=name,
        schema_name=name,
        metadata_id=body.id("MetadataId", new_id()),
        display_name=body.label("DisplayName", name),
        description=body.label("Description"),
        options=read_options(value, name),
        is_custom=True,
    )
    body.raw("Options")
    body.flag("IsGlobal", True)
    body.flag("IsCustomOptionSet", True)
    body.finish()
    return choice


def change_choice(value: Any, current: Choice) -> Choice:
    """A global choice as a PUT describes it."""
    type_name = type_of(value, "OptionSetMetadata")
    body = Body(value, type_name, global_option_set(current).values)
    if body.text("Name", current.name) != current.name:
        raise body.wrong("its name cannot be changed")
    options = current.options
    if body.raw("Options") is not None:
        given = read_options(value, current.name)
        same = [(each.value, each.label) for each in given] == [(each.value, each.label) for each in options]
        options = options if same else given
    choice = replace(
        current,
        display_name=body.label("DisplayName", current.display_name),
        description=body.label("Description", current.description),
        options=options,
    )
    body.finish()
    return choice
