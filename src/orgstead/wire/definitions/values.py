"""The value of a metadata property that is only kept: checked against its published type."""

from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.types import is_guid
from orgstead.wire.definitions.labels import read_label
from orgstead.wire.definitions.vocabulary import COMPLEX_TYPES, ENUM_TYPES, Property, properties_of

__all__ = ["read_value"]

MAX_TEXT = 4000


def read_value(prop: Property, value: Any, shown: Any, what: str) -> Any:
    """``value`` as it is kept: plain JSON, a label by its text, a managed property or a complex value with all of
    what ``shown`` has besides.

    Raises InvalidDefinition for a value of another type.
    """
    namespace, _, kind = prop.type.partition(".")
    if namespace == "Edm":
        if value is not None and not _is_primitive(kind, value):
            raise _wrong(prop, what)
        return value
    if kind == "Label":
        return read_label(value, f"{prop.name} of {what}") or ""
    if kind in ENUM_TYPES:
        if not isinstance(value, str) or value not in ENUM_TYPES[kind]:
            raise _wrong(prop, what)
        return value
    if kind == "BooleanManagedProperty":
        return _managed(prop, value, shown, what)
    if kind not in COMPLEX_TYPES or not isinstance(value, dict):
        raise _wrong(prop, what)
    properties, kept = properties_of(kind)[0], {}
    for name, part in value.items():
        if "@" in name:
            continue
        if name not in properties:
            raise fault("InvalidProperty", name=name[:100], type=f"Microsoft.Dynamics.CRM.{kind}")
        kept[name] = read_value(properties[name], part, None, what)
    return kept


def _managed(prop: Property, value: Any, shown: Any, what: str) -> dict[str, Any]:
    given = value if isinstance(value, dict) else {"Value": value}
    flags = {name: flag for name in ("Value", "CanBeChanged") if (flag := given.get(name)) is not None}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise _wrong(prop, what)
    return {
        **(shown or {"Value": False, "CanBeChanged": True, "ManagedPropertyLogicalName": prop.managed}),
        **flags,
    }


def _is_primitive(kind: str, value: Any) -> bool:
    if kind == "Boolean":
        return isinstance(value, bool)
    if kind == "Int32":
        return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31
    if kind == "Guid":
        return is_guid(value)
    return kind == "String" and isinstance(value, str) and len(value) <= MAX_TEXT


def _wrong(prop: Property, what: str) -> Fault:
    return fault("InvalidDefinition", what=what, reason=f"{prop.name} must be of type {prop.type}")
