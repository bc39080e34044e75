"""JSON bodies: bounded, with exact decimals.

https://docs.oasis-open.org/odata/odata-json-format/v4.0/errata03/os/odata-json-format-v4.0-errata03-os-complete.html
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from orgstead.errors import fault

__all__ = ["check_body", "decode_json", "decode_object"]

JSON = frozenset({"application/json", ""})
# A thousand rows with every column of the widest table.
MAX_VALUES = 1_000_000

_json = msgspec.json.Decoder(float_hook=Decimal)


def check_body(headers: Mapping[str, str]) -> None:
    """Refuse a body whose headers say that it is no JSON in UTF-8; raises UnsupportedMediaType."""
    kind = headers.get("content-type", "")
    name, _, parameters = kind.lower().partition(";")
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(' "')
    if name.strip() not in JSON or charset not in ("", "utf-8", "utf8"):
        raise fault("UnsupportedMediaType", value=kind[:100])
    coding = headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise fault("UnsupportedMediaType", value=f"in the encoding {coding[:50]}")


def decode_json(body: bytes) -> Any:
    """A JSON value with exact decimals; raises InvalidPayload, QueryTooComplex."""
    if len(body) > MAX_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise fault("QueryTooComplex", limit=f"{MAX_VALUES} values in a body")
    try:
        return _json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError) as error:
        raise fault("InvalidPayload", message=str(error)) from None
    except RecursionError:
        raise fault("InvalidPayload", message="The JSON value is nested too deeply.") from None


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object; raises InvalidPayload."""
    value = decode_json(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise fault("InvalidPayload", message="A JSON object was expected.")
    return value
