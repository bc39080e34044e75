"""JSON schemas of models, in the shape that tools for agents have them in.

https://json-schema.org/draft/2020-12/json-schema-core
"""

from typing import Any

import msgspec
from msgspec import inspect

__all__ = ["schema_of"]


def schema_of(model: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of a model: closed, titled, nothing referred to from elsewhere."""
    found = inspect.type_info(model)
    assert isinstance(found, inspect.StructType)
    return _struct(found)


def _struct(found: inspect.StructType) -> dict[str, Any]:
    required = [each.encode_name for each in found.fields if each.required]
    made = {
        "additionalProperties": False,
        "properties": {each.encode_name: _property(each) for each in found.fields},
        "title": found.cls.__name__,
        "type": "object",
    }
    return {**made, "required": required} if required else made


def _property(found: inspect.Field) -> dict[str, Any]:
    made = {**_type(found.type), "title": found.encode_name.replace("_", " ").title()}
    if found.default is not msgspec.NODEFAULT:
        made["default"] = found.default
    return made


def _type(found: inspect.Type) -> dict[str, Any]:
    match found:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return {**_type(inner), **(extra or {})}
        case inspect.UnionType(types=types):
            return {"anyOf": [_type(each) for each in types]}
        case inspect.StructType():
            return _struct(found)
        case inspect.ListType(item_type=item):
            return _bounded(
                found, {"items": _type(item), "type": "array"}, minItems="min_length", maxItems="max_length"
            )
        case inspect.DictType(value_type=value):
            kind = _type(value)
            return {"additionalProperties": kind or True, "type": "object"}
        case inspect.LiteralType(values=values):
            return {"enum": list(values), "type": "string"}
        case inspect.StrType():
            return _bounded(
                found, {"type": "string"}, minLength="min_length", maxLength="max_length", pattern="pattern"
            )
        case inspect.IntType():
            return _bounded(found, {"type": "integer"}, minimum="ge", maximum="le")
        case inspect.FloatType() | inspect.DecimalType():
            return _bounded(found, {"type": "number"}, minimum="ge", maximum="le")
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.NoneType():
            return {"type": "null"}
        case inspect.AnyType():
            return {}
    raise TypeError(f"a model of an action holds no {type(found).__name__}")


def _bounded(found: Any, made: dict[str, Any], **bounds: str) -> dict[str, Any]:
    given = {word: getattr(found, name) for word, name in bounds.items()}
    return {**made, **{word: value for word, value in given.items() if value is not None}}
