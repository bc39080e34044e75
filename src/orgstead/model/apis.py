"""Custom APIs as the messages that they are.

https://learn.microsoft.com/power-apps/developer/data-platform/custom-api
"""

from collections.abc import Mapping

from orgstead.model.messages import Parameter, Signature
from orgstead.model.schema import ApiValue, CustomApi

__all__ = ["ENTITIES", "signature_of"]

BOOLEAN, DATETIME, DECIMAL, ENTITY, ENTITIES, REFERENCE, FLOAT, INTEGER = range(8)
MONEY, PICKLIST, STRING, STRINGS, GUID = range(8, 13)
ANY = "mscrm.crmbaseentity"
# https://learn.microsoft.com/power-apps/developer/data-platform/custom-api-tables#type-choicesoptions
EDM: Mapping[int, str] = {
    BOOLEAN: "Edm.Boolean",
    DATETIME: "Edm.DateTimeOffset",
    DECIMAL: "Edm.Decimal",
    FLOAT: "Edm.Double",
    INTEGER: "Edm.Int32",
    MONEY: "Edm.Decimal",
    PICKLIST: "Edm.Int32",
    STRING: "Edm.String",
    STRINGS: "Collection(Edm.String)",
    GUID: "Edm.Guid",
}


def signature_of(api: CustomApi) -> Signature:
    """How a custom API shows on the Web API."""
    return Signature(
        kind="function" if api.function else "action",
        parameters=tuple(map(_parameter, api.parameters)),
        returns=tuple(map(_parameter, api.returns)),
        bound=(api.bound,) if api.bound is not None else (),
        collection=api.collection,
        private=api.private,
    )


def _parameter(value: ApiValue) -> Parameter:
    row = f"mscrm.{value.table}" if value.table else ANY
    kinds = {**EDM, ENTITY: row, REFERENCE: row, ENTITIES: f"Collection({row})"}
    return Parameter(name=value.name, type=kinds[value.type], optional=value.optional)
