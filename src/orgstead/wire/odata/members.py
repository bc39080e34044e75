"""The members of a row's object: what an output is called, what its value is there, what is said of it.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors#include-odata-annotations
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orgstead.model.plan import Output

__all__ = [
    "ATTRIBUTE", "FORMATTED", "LOOKUP_TABLE", "NAVIGATION", "PLAIN", "Annotations", "conversion", "property_name",
    "wire_value",
]  # fmt: skip

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
ATTRIBUTE = "OData.Community.Display.V1.AttributeName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Which annotations rows carry."""

    formatted: bool = False
    lookup_table: bool = False
    navigation: bool = False
    attribute: bool = False


PLAIN = Annotations()


def property_name(output: Output) -> str:
    """The name of an output as a property: lookups read as ``_name_value``."""
    column = output.column
    if column is not None and column.is_lookup and output.name == column.name:
        return f"_{output.name}_value"
    return output.name


def wire_value(output: Output, value: Any) -> Any:
    """A canonical value as JSON has it."""
    convert = conversion(output)
    return value if convert is None or value is None else convert(value)


def conversion(output: Output) -> Callable[[Any], Any] | None:
    """What makes canonical values of an output, None left out, what JSON has; None where they are that."""
    column = output.column
    if column is None:
        return None
    if column.type == "multichoice":
        return lambda value: ",".join(map(str, value))
    if column.type == "managedproperty":
        name = column.name
        return lambda value: {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}
    if column.type == "image":
        return lambda value: base64.b64encode(value).decode("ascii")
    return None
