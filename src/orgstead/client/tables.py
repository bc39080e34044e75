"""Tables and their columns, keys and relationships, read, made and removed.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-relationships-using-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/define-alternate-keys-entity
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from orgstead.client.definitions import (
    NAMESPACE,
    ColumnInfo,
    KeyInfo,
    Kind,
    RelationshipInfo,
    TableInfo,
    column_body,
    label,
    label_of,
)
from orgstead.client.errors import NotFoundError, ServiceError
from orgstead.client.flow import Flow
from orgstead.client.literals import name, query_text
from orgstead.client.methods import Bound, operation
from orgstead.client.record import Shape
from orgstead.client.session import Session
from orgstead.client.shapes import shape_of

__all__ = ["Tables"]

D = TypeVar("D")
SELECT = (
    "MetadataId,LogicalName,SchemaName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,DisplayName,"
    "IsCustomEntity"
)
# What has just been made must be there for the next request.
STRONG = {"Consistency": "Strong"}


class Tables(Bound[D], Generic[D]):
    """Definitions of tables, by logical name. New names carry the prefix of a publisher: ``new_Boat``.

    ``solution`` is the unique name of the solution that a new component goes into. Everything here raises ServiceError
    (NotFoundError for a name that is none), TransportError, CredentialError; ConfigurationError for what is no name or
    kind.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def create(
        self,
        schema_name: str,
        columns: Mapping[str, Kind] | None = None,
        *,
        display_name: str | None = None,
        plural_name: str | None = None,
        primary: str | None = None,
        ownership: str = "UserOwned",
        change_tracking: bool = True,
        solution: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> Flow[TableInfo]:
        """Make a table with columns by schema name.

        ``primary`` is the schema name of the column with the name of a row, by default the prefix and ``Name``.
        ``members`` are members of the definition as they are written there, such as ``HasNotes``.
        """
        shown = display_name or name(schema_name).partition("_")[2] or schema_name
        title = primary or f"{schema_name.partition('_')[0]}_Name"
        body = {
            "@odata.type": f"{NAMESPACE}EntityMetadata",
            "SchemaName": schema_name,
            "DisplayName": label(shown),
            "DisplayCollectionName": label(plural_name or f"{shown}s"),
            "OwnershipType": ownership,
            "HasActivities": False,
            "HasNotes": False,
            "ChangeTrackingEnabled": change_tracking,
            "Attributes": [
                {**column_body(title, {"kind": "string", "length": 200}), "IsPrimaryName": True},
            ],
            **(members or {}),
        }
        table = schema_name.lower()
        yield from self._make(
            "EntityDefinitions", body, solution, f"EntityDefinitions(LogicalName='{table}')"
        )
        for column, kind in (columns or {}).items():
            yield from self._column(table, column, kind, solution)
        return (yield from self._info(table))

    @operation
    def get(self, table: str) -> Flow[TableInfo]:
        """A table by its logical name. Raises NotFoundError."""
        return (yield from self._info(table))

    @operation
    def shape(self, table: str) -> Flow[Shape]:
        """What a row of a table holds, by its logical name or that of its entity set; asked once for each client."""
        return (yield from shape_of(self._session, table))

    @operation
    def list(self, *, custom: bool = False, where: str | None = None) -> Flow[Sequence[TableInfo]]:
        """The tables that are not private; with ``custom`` those that the organisation made. ``where`` is OData."""
        conditions = ["IsPrivate eq false"] + (["IsCustomEntity eq true"] if custom else [])
        conditions += [f"({where})"] if where else []
        options = query_text({"$select": SELECT, "$filter": " and ".join(conditions)})
        found = yield from self._session.json(f"EntityDefinitions?{options}")
        return [_table(each) for each in found["value"]]

    @operation
    def update(self, table: str, members: Mapping[str, Any]) -> Flow[None]:
        """Change members of a table's definition, named as they are written there: ``{"HasNotes": True}``."""
        path = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        yield from self._replace(path, path, members)
        self._forget(table)

    @operation
    def update_column(self, table: str, column: str, members: Mapping[str, Any]) -> Flow[None]:
        """Change members of a column's definition: ``{"MaxLength": 200, "DisplayName": label("Code")}``."""
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        path = f"{base}/Attributes(LogicalName='{name(column).lower()}')"
        kind = str((yield from self._session.json(path, headers=STRONG)).get("@odata.type", ""))
        yield from self._replace(f"{path}/{kind.removeprefix('#')}" if kind else path, path, members)
        self._forget(table)

    @operation
    def delete(self, table: str) -> Flow[None]:
        """Remove a table with all its rows."""
        yield from self._remove(f"EntityDefinitions(LogicalName='{name(table).lower()}')")
        self._forget(table)

    @operation
    def columns(self, table: str) -> Flow[Sequence[ColumnInfo]]:
        """The columns of a table."""
        path = f"EntityDefinitions(LogicalName='{name(table).lower()}')/Attributes"
        found = yield from self._session.json(path)
        return [_column(each) for each in found["value"]]

    @operation
    def add_column(
        self, table: str, schema_name: str, kind: Kind, *, solution: str | None = None
    ) -> Flow[str]:
        """Make a column and return its logical name."""
        return (yield from self._column(table, schema_name, kind, solution))

    @operation
    def delete_column(self, table: str, column: str) -> Flow[None]:
        """Remove a column with its values."""
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        yield from self._remove(f"{base}/Attributes(LogicalName='{name(column).lower()}')")
        self._forget(table)

    @operation
    def keys(self, table: str) -> Flow[Sequence[KeyInfo]]:
        """The alternate keys of a table."""
        found = yield from self._session.json(f"EntityDefinitions(LogicalName='{name(table).lower()}')/Keys")
        return [
            KeyInfo(
                name=each["LogicalName"],
                columns=tuple(each["KeyAttributes"]),
                status=str(each.get("EntityKeyIndexStatus") or ""),
                metadata_id=each["MetadataId"],
            )
            for each in found["value"]
        ]

    @operation
    def add_key(
        self, table: str, schema_name: str, columns: Sequence[str], *, solution: str | None = None
    ) -> Flow[None]:
        """Make an alternate key of columns; online its index is built in the background, which ``keys`` tells."""
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        body = {
            "SchemaName": name(schema_name),
            "DisplayName": label(schema_name),
            "KeyAttributes": [name(each).lower() for each in columns],
        }
        check = f"{base}/Keys(LogicalName='{schema_name.lower()}')"
        yield from self._make(f"{base}/Keys", body, solution, check)

    @operation
    def delete_key(self, table: str, key: str) -> Flow[None]:
        """Remove an alternate key by its logical name."""
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        yield from self._remove(f"{base}/Keys(LogicalName='{name(key).lower()}')")

    @operation
    def add_lookup(
        self,
        table: str,
        schema_name: str,
        target: str,
        *,
        display_name: str | None = None,
        relationship: str | None = None,
        required: bool = False,
        solution: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> Flow[str]:
        """Make a lookup of ``table`` to rows of ``target``: a many-to-one relationship. Returns its schema name.

        ``members`` are members of the relationship's definition, such as ``CascadeConfiguration``.
        """
        made = relationship or f"{schema_name}_{name(target)}"
        body = {
            "@odata.type": f"{NAMESPACE}OneToManyRelationshipMetadata",
            "SchemaName": name(made),
            "ReferencedEntity": target.lower(),
            "ReferencingEntity": name(table).lower(),
            "Lookup": {
                "@odata.type": f"{NAMESPACE}LookupAttributeMetadata",
                "SchemaName": name(schema_name),
                "DisplayName": label(display_name or schema_name.partition("_")[2] or schema_name),
                "RequiredLevel": {"Value": "ApplicationRequired" if required else "None"},
            },
            **(members or {}),
        }
        yield from self._relate(made, body, solution, table, target)
        return made

    @operation
    def add_many_to_many(
        self,
        schema_name: str,
        first: str,
        second: str,
        *,
        solution: str | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> Flow[str]:
        """Make a many-to-many relationship, whose navigation property has its name on both sides. Returns the name."""
        body = {
            "@odata.type": f"{NAMESPACE}ManyToManyRelationshipMetadata",
            "SchemaName": name(schema_name),
            "Entity1LogicalName": name(first).lower(),
            "Entity2LogicalName": name(second).lower(),
            "IntersectEntityName": schema_name.lower(),
            **(members or {}),
        }
        yield from self._relate(schema_name, body, solution, first, second)
        return schema_name

    @operation
    def relationships(self, table: str) -> Flow[Sequence[RelationshipInfo]]:
        """The relationships of a table, as it sees them."""
        table = name(table).lower()
        expand = "ManyToOneRelationships,OneToManyRelationships,ManyToManyRelationships"
        options = query_text({"$select": "LogicalName", "$expand": expand})
        found = yield from self._session.json(f"EntityDefinitions(LogicalName='{table}')?{options}")
        return [
            _relationship(table, kind, each)
            for kind in ("ManyToOne", "OneToMany", "ManyToMany")
            for each in found[f"{kind}Relationships"]
        ]

    @operation
    def delete_relationship(self, schema_name: str) -> Flow[None]:
        """Remove a relationship, and the lookup of one."""
        yield from self._remove(f"RelationshipDefinitions(SchemaName='{name(schema_name)}')")
        self._session.shapes.clear()

    def _info(self, table: str) -> Flow[TableInfo]:
        path = f"EntityDefinitions(LogicalName='{name(table).lower()}')?$select={SELECT}"
        return _table((yield from self._session.json(path, headers=STRONG)))

    def _column(self, table: str, schema_name: str, kind: Kind, solution: str | None) -> Flow[str]:
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        column = schema_name.lower()
        body = column_body(schema_name, kind)
        yield from self._make(
            f"{base}/Attributes", body, solution, f"{base}/Attributes(LogicalName='{column}')"
        )
        self._forget(table)
        return column

    def _relate(
        self, schema_name: str, body: Mapping[str, Any], solution: str | None, *tables: str
    ) -> Flow[None]:
        check = f"RelationshipDefinitions(SchemaName='{schema_name}')"
        yield from self._make("RelationshipDefinitions", body, solution, check)
        for each in tables:
            self._forget(each)

    def _make(self, path: str, body: Any, solution: str | None, check: str) -> Flow[None]:
        yield from make_definition(self._session, path, body, solution, check)

    def _replace(self, path: str, target: str, members: Mapping[str, Any]) -> Flow[None]:
        """PUT a definition as it is with some members changed; labels in other languages stay."""
        found = yield from self._session.json(path, headers=STRONG)
        yield from self._session.call(
            "PUT", target, {**found, **members}, headers={"MSCRM.MergeLabels": "true"}
        )

    def _remove(self, path: str) -> Flow[None]:
        yield from remove_definition(self._session, path)

    def _forget(self, table: str) -> None:
        shape = self._session.shapes.pop(table.lower(), None)
        for each in (table, shape.set if shape is not None else table):
            self._session.shapes.pop(each, None)


def make_definition(session: Session, path: str, body: Any, solution: str | None, check: str) -> Flow[None]:
    """POST a definition; its name is unique, so it may be repeated: ``check`` finds what a lost answer made."""
    headers = {"MSCRM.SolutionUniqueName": solution} if solution else {}
    try:
        yield from session.call("POST", path, body, headers=headers, idempotent=True)
    except ServiceError as error:
        if not error.maybe_applied:
            raise
        try:
            yield from session.json(check, headers=STRONG)
        except NotFoundError:
            raise error from None


def remove_definition(session: Session, path: str) -> Flow[None]:
    """DELETE a definition; one that a lost answer removed already is removed."""
    try:
        yield from session.call("DELETE", path)
    except NotFoundError as error:
        if not error.maybe_applied:
            raise


def _table(found: Mapping[str, Any]) -> TableInfo:
    return TableInfo(
        name=found["LogicalName"],
        schema_name=found["SchemaName"],
        set=found["EntitySetName"],
        key=found["PrimaryIdAttribute"],
        title=found.get("PrimaryNameAttribute"),
        label=label_of(found.get("DisplayName")),
        metadata_id=found["MetadataId"],
        custom=bool(found.get("IsCustomEntity")),
        raw=found,
    )


def _column(found: Mapping[str, Any]) -> ColumnInfo:
    kind = str(found.get("AttributeType") or "")
    if kind == "Virtual":
        kind = str((found.get("AttributeTypeName") or {}).get("Value", kind)).removesuffix("Type")
    level = (found.get("RequiredLevel") or {}).get("Value")
    return ColumnInfo(
        name=found["LogicalName"],
        schema_name=found["SchemaName"],
        type=kind,
        label=label_of(found.get("DisplayName")),
        required=level in ("SystemRequired", "ApplicationRequired"),
        writable=bool(found.get("IsValidForCreate") or found.get("IsValidForUpdate")),
        metadata_id=found["MetadataId"],
        raw=found,
    )


def _relationship(table: str, kind: str, found: Mapping[str, Any]) -> RelationshipInfo:
    if kind == "ManyToMany":
        own = 1 if found["Entity1LogicalName"] == table else 2
        other, navigation = found[f"Entity{3 - own}LogicalName"], found[f"Entity{own}NavigationPropertyName"]
        column = found.get("IntersectEntityName")
    elif kind == "ManyToOne":
        other, navigation = found["ReferencedEntity"], found["ReferencingEntityNavigationPropertyName"]
        column = found.get("ReferencingAttribute")
    else:
        other, navigation = found["ReferencingEntity"], found["ReferencedEntityNavigationPropertyName"]
        column = found.get("ReferencingAttribute")
    return RelationshipInfo(
        schema_name=found["SchemaName"],
        kind=kind,
        other_table=other,
        navigation=str(navigation or ""),
        column=str(column or ""),
        metadata_id=found["MetadataId"],
    )
