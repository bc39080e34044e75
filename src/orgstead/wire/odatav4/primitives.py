"""Primitive values of parameters, by the types that CSDL names."""

import base64
from decimal import Decimal
from typing import Any

from orgstead.model.types import is_guid

__all__ = ["read_primitive"]


def read_primitive(kind: str, value: Any) -> Any:
    """A JSON value or a literal as a value of ``Edm.String`` and its like; raises ValueError for what is none."""
    match kind:
        case "Edm.String" if isinstance(value, str):
            return value
        case "Edm.Boolean" if isinstance(value, bool):
            return value
        case "Edm.Int32" | "Edm.Int64" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "Edm.Decimal" if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return value if isinstance(value, Decimal) else Decimal(repr(value))
        case "Edm.Double" if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return float(value)
        case "Edm.Binary" if isinstance(value, str):
            return base64.b64decode(value, validate=True)
        case "Edm.Guid" if isinstance(value, str) and is_guid(value):
            return value.lower()
        case "Edm.DateTimeOffset" if isinstance(value, str):
            return str(value)
    raise ValueError(kind)
