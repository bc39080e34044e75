"""Choices as OptionSetMetadata and BooleanOptionSetMetadata.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/optionsetmetadata
"""

from typing import Any

from orgstead.model.schema import Choice, Column, Option, Table
from orgstead.wire.definitions.definition import Definition, base_values
from orgstead.wire.definitions.labels import caption, derived_id

__all__ = ["column_option_set", "global_option_set"]

_OPTION_SETS = {
    "choice": "Picklist",
    "multichoice": "Picklist",
    "state": "State",
    "status": "Status",
    "entityname": "Picklist",
}


def column_option_set(column: Column, table: Table, shared: Choice | None) -> Definition | None:
    """The option set that a column's values come from: its own, or the global one."""
    if shared is not None:
        return global_option_set(shared)
    if column.type == "entityname":
        return None
    id = derived_id(column.metadata_id, "OptionSet")
    name = f"{table.logical_name}_{column.name}"
    if column.type == "boolean":
        labels = {option.value: option for option in column.options}
        no, yes = labels.get(0, Option(0, "No")), labels.get(1, Option(1, "Yes"))
        values = _option_set_values("BooleanOptionSetMetadata", id, name, column.is_custom)
        values |= {
            "OptionSetType": "Boolean",
            "TrueOption": _option(yes, id, column.is_custom),
            "FalseOption": _option(no, id, column.is_custom),
            "DisplayName": caption(column.display_name, id, "DisplayName", column.is_custom),
            "Description": caption(column.description, id, "Description", column.is_custom),
        }
        return Definition(type="BooleanOptionSetMetadata", values=values)
    values = _option_set_values("OptionSetMetadata", id, name, column.is_custom)
    values |= {
        "OptionSetType": _OPTION_SETS[column.type],
        "Options": [_option(option, id, column.is_custom, column.type) for option in column.options],
        "DisplayName": caption(column.display_name, id, "DisplayName", column.is_custom),
        "Description": caption(column.description, id, "Description", column.is_custom),
    }
    return Definition(type="OptionSetMetadata", values=values)


def global_option_set(choice: Choice) -> Definition:
    """A global choice as OptionSetMetadata."""
    id, custom = choice.metadata_id, choice.is_custom
    values = _option_set_values("OptionSetMetadata", id, choice.name, custom)
    values |= {
        "IsGlobal": True,
        "Options": [_option(option, id, custom) for option in choice.options],
        "DisplayName": caption(choice.display_name, id, "DisplayName", custom),
        "Description": caption(choice.description, id, "Description", custom),
    }
    return Definition(type="OptionSetMetadata", values=values)


def _option_set_values(type_name: str, id: str, name: str, custom: bool) -> dict[str, Any]:
    values = base_values(type_name, custom)
    values |= {"MetadataId": id, "IsCustomOptionSet": custom, "Name": name}
    return values


def _option(option: Option, seed: str, custom: bool, kind: str = "choice") -> dict[str, Any]:
    value: dict[str, Any] = {}
    if kind == "state":
        value["@odata.type"] = "#Microsoft.Dynamics.CRM.StateOptionMetadata"
    elif kind == "status":
        value["@odata.type"] = "#Microsoft.Dynamics.CRM.StatusOptionMetadata"
    value |= {
        "Value": option.value,
        "Color": option.color,
        "IsManaged": not custom,
        "ExternalValue": "",
        "ParentValues": [],
        "Tag": None,
        "IsHidden": False,
        "MetadataId": None,
        "HasChanged": None,
        "Label": caption(option.label, seed, f"Option{option.value}", custom),
        "Description": caption("", seed, "", custom),
    }
    if kind == "state":
        value |= {"DefaultStatus": option.default_status, "InvariantName": option.label}
    elif kind == "status":
        value |= {"State": option.state, "TransitionData": None}
    return value
