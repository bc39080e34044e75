"""``RetrieveMetadataChanges``: many definitions by one query object.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievemetadatachanges
https://learn.microsoft.com/power-apps/developer/data-platform/query-schema-definitions
"""

from collections.abc import Mapping
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata.aliases import parameter_values
from orgstead.languages.odata.literals import EnumLiteral
from orgstead.model.schema import Schema
from orgstead.wire.definitions.expression import definition_changes, wrong_query
from orgstead.wire.odata.names import NAMESPACE
from orgstead.wire.odatav4.paths import Alias, Segment
from orgstead.wire.odatav4.reply import Reply, json_reply

__all__ = ["retrieve_metadata_changes"]

PARAMETERS = frozenset({"Query", "ClientVersionStamp", "DeletedMetadataFilters", "RetrieveAllSettings"})


def retrieve_metadata_changes(segment: Segment, query: str, schema: Schema, base: str) -> Reply:
    """The answer to a GET of the function."""
    aliases = parameter_values(query) if query else {}
    given = {name: _argument(value, aliases) for name, value in segment.pairs}
    given |= {name: value for name, value in aliases.items() if name in PARAMETERS}
    for name in given:
        if name not in PARAMETERS:
            raise fault("UnexpectedParameter", name=name[:100], message="RetrieveMetadataChanges")
    filters = given.get("DeletedMetadataFilters")
    found = definition_changes(
        given.get("Query"),
        given.get("ClientVersionStamp"),
        filters.member if isinstance(filters, EnumLiteral) else filters,
        schema,
        _value,
    )
    return json_reply(
        {
            "@odata.context": f"{base}$metadata#{NAMESPACE}RetrieveMetadataChangesResponse",
            "ServerVersionStamp": found.stamp,
            "DeletedMetadata": {
                "Count": len(found.deleted),
                "IsReadOnly": False,
                "Keys": list(found.deleted),
                "Values": [{"Items": ids} for ids in found.deleted.values()],
            },
            "EntityMetadata": found.tables,
        }
    )


def _argument(value: Any, aliases: Mapping[str, Any]) -> Any:
    if not isinstance(value, Alias):
        return value
    if value.name not in aliases:
        raise fault("ODataSyntax", message=f"The parameter alias @{value.name} has no value.")
    return aliases[value.name]


def _value(given: Any) -> Any:
    """The value of a condition: an object with the value as text and its .NET type."""
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) - {"Type", "Value"}:
        raise wrong_query("the Value of a condition must be an object of its Type and its Value")
    value = given
    kind, text = value.get("Type", "System.String"), value.get("Value")
    if not isinstance(kind, str):
        raise wrong_query("Type must be a text")
    if isinstance(text, list):
        return [_typed(kind.removesuffix("[]"), each) for each in text]
    return _typed(kind, text)


def _typed(kind: str, text: Any) -> Any:
    if text is None or not isinstance(text, str):
        return text
    if kind == "System.Boolean":
        if text.lower() not in ("true", "false"):
            raise wrong_query(f"{text[:50]} is not true or false")
        return text.lower() == "true"
    if kind in ("System.Int32", "System.Int64"):
        try:
            return int(text)
        except ValueError:
            raise wrong_query(f"{text[:50]} is no whole number") from None
    return text.lower() if kind == "System.Guid" else text
