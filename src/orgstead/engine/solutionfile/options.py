"""Options of choices as elements of solution files.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.markup import Reading, add, add_labels, label_in, number, unsupported
from orgstead.model.schema import Choice, Option

__all__ = ["VERSION", "read_choice", "read_options", "write_choice", "write_options"]

# When a definition came in is not kept: what is written says what the definitions themselves say.
VERSION = "1.0.0.0"
_LISTS = {"state": ("states", "state"), "status": ("statuses", "status")}
_ATTRIBUTES: Mapping[str, frozenset[str] | None] = {
    "value": None,
    "ExternalValue": frozenset({""}),
    "IsHidden": frozenset({"0"}),
    "Color": None,
    "defaultstatus": None,
    "invariantname": None,
    "state": None,
}
MAX_COLOR = 20


def write_options(parent: Element, kind: str, options: tuple[Option, ...]) -> None:
    """The options of a column or a global choice of a kind."""
    names, name = _LISTS.get(kind, ("options", "option"))
    listed = add(parent, names)
    for option in options:
        more: dict[str, str] = {"value": str(option.value)}
        if kind == "state":
            more |= {"defaultstatus": str(option.default_status or 0), "invariantname": option.label}
        elif kind == "status":
            more["state"] = str(option.state or 0)
        else:
            more |= {"ExternalValue": "", "IsHidden": "0"}
        if option.color:
            more["Color"] = option.color
        add_labels(add(listed, name, **more), "labels", "label", option.label)


def read_options(reading: Reading, kind: str) -> tuple[Option, ...]:
    """The options in an option set of a kind. Raises NotSupported for what is not kept of them."""
    names, name = _LISTS.get(kind, ("options", "option"))
    found: list[Option] = []
    for item in reading.items(names, name):
        what = f"an option of {reading.what}"
        each = Reading(item, what)
        each.known(_ATTRIBUTES)
        label = each.take("labels")
        descriptions = each.take("Descriptions")
        if descriptions is not None and label_in(descriptions, "Description", what):
            raise unsupported(f"Description of {what}")
        each.finish()
        color = item.get("Color") or None
        if color is not None and len(color) > MAX_COLOR:
            raise bad(f"Color of {what} is too long")
        value = number(item.get("value", ""), f"the value of {what}")
        found.append(
            Option(
                value,
                "" if label is None else label_in(label, "label", what),
                state=number(item.get("state", ""), f"the state of {what}") if kind == "status" else None,
                default_status=number(item.get("defaultstatus", ""), what) if kind == "state" else None,
                color=color,
            )
        )
    if len({option.value for option in found}) < len(found):
        raise bad(f"{reading.what} has a value twice")
    return tuple(found)


def write_choice(parent: Element, choice: Choice) -> None:
    """A global choice."""
    made = add(parent, "optionset", Name=choice.name, localizedName=choice.display_name or choice.name)
    add(made, "OptionSetType", "picklist")
    add(made, "IsGlobal", 1)
    add(made, "IntroducedVersion", VERSION)
    add(made, "IsCustomizable", 1)
    add_labels(made, "displaynames", "displayname", choice.display_name)
    add_labels(made, "Descriptions", "Description", choice.description)
    write_options(made, "picklist", choice.options)


def read_choice(element: Element, id: str) -> Choice:
    """A global choice. Raises SolutionFileInvalid, NotSupported."""
    name = element.get("Name", "")
    reading = Reading(element, f"the option set {name[:100]}")
    reading.known({"Name": None, "localizedName": None, "description": None, "unmodified": frozenset({"0"})})
    if not name:
        raise bad("an option set has no name")
    reading.only("OptionSetType", "picklist")
    reading.only("IsGlobal", "1", "true")
    reading.only("IsCustomizable", "1", "true")
    reading.ignore("IntroducedVersion")
    reading.empty(["ExternalTypeName"])
    choice = Choice(
        name=name,
        metadata_id=id,
        schema_name=name,
        display_name=reading.labels("displaynames", "displayname"),
        description=reading.labels("Descriptions", "Description"),
        options=read_options(reading, "picklist"),
        is_custom=True,
    )
    reading.finish()
    return choice
