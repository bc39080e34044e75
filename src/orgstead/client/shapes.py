"""What tables look like, asked once: the entity set, the key, the types of the columns.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from orgstead.client.errors import NotFoundError, ServiceError
from orgstead.client.flow import Flow
from orgstead.client.literals import Ref, key_text, name, query_text, text_literal
from orgstead.client.record import Shape
from orgstead.client.session import Session

__all__ = ["address_of", "shape_of", "with_navigation"]

_SELECT = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute"
_COLUMNS = "Attributes($select=LogicalName,AttributeType,AttributeTypeName)"
_RELATIONSHIPS = (
    "ManyToOneRelationships($select=ReferencingEntityNavigationPropertyName,ReferencedEntity),"
    "OneToManyRelationships($select=ReferencedEntityNavigationPropertyName,ReferencingEntity),"
    "ManyToManyRelationships($select=Entity1LogicalName,Entity2LogicalName,"
    "Entity1NavigationPropertyName,Entity2NavigationPropertyName)"
)


def shape_of(session: Session, table: str) -> Flow[Shape]:
    """What is known of a table, by its logical name or the name of its entity set.

    Raises NotFoundError, and ServiceError for a service that answers something else.
    """
    found = session.shapes.get(name(table))
    if found is not None:
        return found
    try:
        definition = yield from _definition(session, f"EntityDefinitions(LogicalName='{table.lower()}')")
    except NotFoundError:
        options = {"$filter": f"EntitySetName eq {text_literal(table)}", "$select": "LogicalName"}
        answer = yield from session.json(f"EntityDefinitions?{query_text(options)}")
        if not answer["value"]:
            raise
        logical = answer["value"][0]["LogicalName"]
        definition = yield from _definition(session, f"EntityDefinitions(LogicalName='{logical}')")
    try:
        shape = Shape(
            name=definition["LogicalName"],
            set=definition["EntitySetName"],
            key=definition["PrimaryIdAttribute"],
            title=definition.get("PrimaryNameAttribute"),
            types={each["LogicalName"]: _type(each) for each in definition["Attributes"]},
        )
    except (KeyError, TypeError):
        raise ServiceError(
            f"{session.url} describes no table {table[:60]!r}: is the address that of an organisation?",
            status=200,
        ) from None
    session.shapes[shape.name] = session.shapes[shape.set] = session.shapes[table] = shape
    return shape


def _definition(session: Session, path: str) -> Flow[dict[str, Any]]:
    options = query_text({"$select": _SELECT, "$expand": _COLUMNS})
    return (yield from session.json(f"{path}?{options}"))


def _type(column: dict[str, Any]) -> str:
    kind = str(column.get("AttributeType") or "")
    if kind == "Virtual":
        return str((column.get("AttributeTypeName") or {}).get("Value", "")).removesuffix("Type")
    return kind


def with_navigation(session: Session, table: str, paths: Iterable[Iterable[str]] = ()) -> Flow[Shape]:
    """A table with its navigation properties, and every table along ``paths`` of them."""
    shape = yield from shape_of(session, table)
    if shape.navigation is None:
        found = yield from session.json(
            f"EntityDefinitions(LogicalName='{shape.name}')?"
            + query_text({"$select": "LogicalName", "$expand": _RELATIONSHIPS})
        )
        navigation = {
            **{each["ReferencedEntityNavigationPropertyName"]: each["ReferencingEntity"]
               for each in found["OneToManyRelationships"]},
            **{each["ReferencingEntityNavigationPropertyName"]: each["ReferencedEntity"]
               for each in found["ManyToOneRelationships"]},
            **{each[f"Entity{own}NavigationPropertyName"]: each[f"Entity{other}LogicalName"]
               for each in found["ManyToManyRelationships"] for own, other in ((2, 1), (1, 2))
               if each[f"Entity{own}LogicalName"] == shape.name},
        }  # fmt: skip
        shape = replace(shape, navigation=navigation)
        session.shapes[shape.name] = session.shapes[shape.set] = session.shapes[table] = shape
    for path in paths:
        steps = list(path)
        target = (shape.navigation or {}).get(steps[0]) if steps else None
        if target is not None:
            yield from with_navigation(session, target, [steps[1:]])
    return shape


def address_of(session: Session, ref: Ref) -> Flow[str]:
    """The path of a row below the root: ``accounts(…)``."""
    shape = yield from shape_of(session, ref.table)
    return f"{shape.set}({key_text(ref.key)})"
