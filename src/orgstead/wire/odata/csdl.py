"""The service's own description: ``$metadata`` as CSDL XML.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-service-documents#csdl-metadata-document
https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part3-csdl/odata-v4.0-errata03-os-part3-csdl-complete.html
"""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from orgstead.model.messages import Parameter, Signature
from orgstead.model.query import ToOne
from orgstead.model.schema import Column, Table
from orgstead.wire.definitions.vocabulary import COMPLEX_TYPES, ENUM_TYPES, METADATA_TYPES, MetadataType
from orgstead.wire.odata.metadata import DEFINITION_SETS
from orgstead.wire.odata.names import Names, Navigation

__all__ = ["csdl", "csdl_parts", "edm_type"]

NAMESPACE = "Microsoft.Dynamics.CRM"
ALIAS = "mscrm"
EDM = "http://docs.oasis-open.org/odata/ns/edm"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
BASE = "crmbaseentity"
MODEL_BASE = "crmmodelbaseentity"
ACTIVITY = "activitypointer"
# Enumerations whose members can be combined.
FLAGS = frozenset(
    {"AccessRights", "DeletedMetadataFilters", "ManagedPropertyOperation", "OwnershipTypes", "SecurityTypes"}
)

_TYPES: Mapping[str, str] = {
    "string": "Edm.String",
    "memo": "Edm.String",
    "entityname": "Edm.String",
    "multichoice": "Edm.String",
    "integer": "Edm.Int32",
    "choice": "Edm.Int32",
    "state": "Edm.Int32",
    "status": "Edm.Int32",
    "bigint": "Edm.Int64",
    "decimal": "Edm.Decimal",
    "money": "Edm.Decimal",
    "double": "Edm.Double",
    "boolean": "Edm.Boolean",
    "lookup": "Edm.Guid",
    "customer": "Edm.Guid",
    "owner": "Edm.Guid",
    "uniqueidentifier": "Edm.Guid",
    "file": "Edm.Guid",
    "image": "Edm.Binary",
    "managedproperty": "mscrm.BooleanManagedProperty",
}
_FACETS = {"Edm.String": ' Unicode="false"', "Edm.Decimal": ' Scale="Variable"'}


def edm_type(column: Column) -> str:
    """The type of a column's property."""
    if column.type == "datetime":
        return "Edm.Date" if column.date_only else "Edm.DateTimeOffset"
    return _TYPES[column.type]


@lru_cache(maxsize=4)
def csdl(names: Names, signatures: tuple[tuple[str, Signature], ...], annotations: bool = False) -> bytes:
    """The whole document, kept for the schemas in use.

    ``signatures`` are the messages by name; ``annotations`` adds descriptions and what is computed, as
    ``$metadata?annotations=true`` does.
    """
    return "".join(csdl_parts(names, signatures, annotations)).encode()


def csdl_parts(
    names: Names, signatures: Collection[tuple[str, Signature]], annotations: bool = False
) -> Iterator[str]:
    """The document, a piece at a time."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<edmx:Edmx Version="4.0" xmlns:edmx="{EDMX}">'
    for vocabulary in ("Core", "Community.Keys"):
        name = f"Org.OData.{vocabulary}.V1" if vocabulary == "Core" else f"OData.{vocabulary}.V1"
        yield (
            f'<edmx:Reference Uri="http://vocabularies.odata.org/{name}.xml">'
            f'<edmx:Include Namespace="{name}" Alias="{vocabulary.rpartition(".")[2]}" />'
            f'<edmx:IncludeAnnotations TermNamespace="{name}" /></edmx:Reference>'
        )
    yield f'<edmx:DataServices><Schema Namespace="{NAMESPACE}" Alias="{ALIAS}" xmlns="{EDM}">'
    yield f'<EntityType Name="{BASE}" Abstract="true" />'
    yield f'<EntityType Name="expando" BaseType="{ALIAS}.{BASE}" OpenType="true" />'
    yield f'<EntityType Name="{MODEL_BASE}" Abstract="true" />'
    shown = (table for table in names.schema.tables.values() if not table.is_private)
    tables = sorted(shown, key=lambda table: table.logical_name)
    for table in tables:
        yield from _table(table, names, annotations)
    for kind in METADATA_TYPES.values():
        yield from _metadata_type(kind)
    for kind in (*COMPLEX_TYPES.values(), *METADATA_TYPES.values()):
        yield from _complex_type(kind, names)
    for name, members in ENUM_TYPES.items():
        yield from _enum(name, members)
    for name, signature in signatures:
        yield from _operation(name, signature)
    yield from _container(tables, names, signatures)
    yield "</Schema></edmx:DataServices></edmx:Edmx>"


# -- tables ----------------------------------------------------------------------------------------------------------
def _base(table: Table, names: Names) -> Table | None:
    """The table whose type a table's type derives from: activities are activity pointers."""
    if not table.is_activity or table.logical_name == ACTIVITY:
        return None
    return names.schema.tables.get(ACTIVITY)


def _table(table: Table, names: Names, annotations: bool) -> Iterator[str]:
    base = _base(table, names)
    derived = f"{ALIAS}.{ACTIVITY if base is not None else BASE}"
    yield f'<EntityType Name="{table.logical_name}" BaseType="{derived}">'
    if base is None:
        yield f'<Key><PropertyRef Name="{table.primary_id}" /></Key>'
    inherited = names.columns(base) if base is not None else {}
    for name, column in names.columns(table).items():
        if name not in inherited:
            yield from _property(name, column, table, annotations)
    known = names.navigations(base) if base is not None else {}
    for navigation in names.navigations(table).values():
        if navigation.name not in known:
            yield _navigation(navigation, table, names)
    yield from _alternate_keys(table)
    if annotations and table.description:
        yield _description(table.description)
    yield "</EntityType>"


def _alternate_keys(table: Table) -> Iterator[str]:
    if not table.keys:
        return
    yield '<Annotation Term="OData.Community.Keys.V1.AlternateKeys"><Collection>'
    for key in table.keys:
        yield '<Record Type="OData.Community.Keys.V1.AlternateKey"><PropertyValue Property="Key"><Collection>'
        for name in key.columns:
            shown = f"_{name}_value" if table.columns[name].is_lookup else name
            yield (
                '<Record Type="OData.Community.Keys.V1.PropertyRef">'
                f'<PropertyValue Property="Alias" String="{shown}" />'
                f'<PropertyValue Property="Name" PropertyPath="{shown}" /></Record>'
            )
        yield "</Collection></PropertyValue></Record>"
    yield "</Collection></Annotation>"


def _property(name: str, column: Column, table: Table, annotations: bool) -> Iterator[str]:
    kind = edm_type(column)
    required = ' Nullable="false"' if column.name == table.primary_id else ""
    start = f'<Property Name="{name}" Type="{kind}"{required}{_FACETS.get(kind, "")}'
    computed = not (column.create or column.update)
    if not annotations or not (computed or column.is_lookup or column.description):
        yield f"{start} />"
        return
    yield f"{start}>"
    if column.description:
        yield _description(column.description)
    if computed:
        yield '<Annotation Term="Org.OData.Core.V1.Computed" Bool="true" />'
    if computed or column.is_lookup:
        yield (
            '<Annotation Term="Org.OData.Core.V1.Permissions">'
            "<EnumMember>Org.OData.Core.V1.PermissionType/Read</EnumMember></Annotation>"
        )
    yield "</Property>"


def _description(text: str) -> str:
    return f'<Annotation Term="Org.OData.Core.V1.Description" String={quoteattr(text)} />'


def _navigation(navigation: Navigation, table: Table, names: Names) -> str:
    partner = _partner(navigation, names)
    shared = f' Partner="{partner}"' if partner else ""
    link = navigation.link
    if not isinstance(link, ToOne):
        return f'<NavigationProperty Name="{navigation.name}" Type="Collection({ALIAS}.{navigation.target})"{shared} />'
    start = f'<NavigationProperty Name="{navigation.name}" Type="{ALIAS}.{navigation.target}" Nullable="true"{shared}'
    prop = next((name for name in (f"_{link.lookup}_value", link.lookup) if names.column(table, name)), None)
    if prop is None:
        return f"{start} />"
    referenced = names.schema.tables[navigation.target].primary_id
    return f'{start}><ReferentialConstraint Property="{prop}" ReferencedProperty="{referenced}" /></NavigationProperty>'


def _partner(navigation: Navigation, names: Names) -> str | None:
    """The navigation property that leads back, where the other table has one that says so."""
    schema = names.schema
    rel = schema.one_to_many.get(navigation.relationship)
    if rel is not None:
        back = rel.referenced_navigation if isinstance(navigation.link, ToOne) else rel.referencing_navigation
    else:
        crossing = schema.many_to_many.get(navigation.relationship)
        if crossing is None or isinstance(navigation.link, ToOne):
            return None
        back = crossing.entity1_navigation if navigation.link.reverse else crossing.entity2_navigation
    found = names.navigation(schema.tables[navigation.target], back) if back else None
    return back if found is not None and found.relationship == navigation.relationship else None


# -- types of definitions --------------------------------------------------------------------------------------------
def _metadata_type(kind: MetadataType) -> Iterator[str]:
    base = kind.base or MODEL_BASE
    abstract = ' Abstract="true"' if kind.abstract else ""
    yield f'<EntityType Name="{kind.name}" BaseType="{ALIAS}.{base}"{abstract}>'
    if kind.base is None:
        yield '<Key><PropertyRef Name="MetadataId" /></Key>'
    for prop in kind.own.values():
        required = ' Nullable="false"' if prop.name == "MetadataId" else ""
        yield f'<Property Name="{prop.name}" Type="{prop.type}"{required}{_FACETS.get(prop.type, "")} />'
    for link in kind.links.values():
        target = f"Collection({ALIAS}.{link.type})" if link.many else f"{ALIAS}.{link.type}"
        contained = ' ContainsTarget="true"' if link.name != "GlobalOptionSet" else ""
        yield f'<NavigationProperty Name="{link.name}" Type="{target}"{contained} />'
    yield "</EntityType>"


def _complex_type(kind: MetadataType, names: Names) -> Iterator[str]:
    """A complex type; a metadata type has a complex twin whose links are properties."""
    twin = kind.name in METADATA_TYPES
    prefix = "Complex" if twin else ""
    base = f' BaseType="{ALIAS}.{prefix}{kind.base}"' if kind.base else ""
    abstract = ' Abstract="true"' if kind.abstract else ""
    # A table may have the name of a type.
    if not twin and kind.name in names.schema.tables:
        return
    yield f'<ComplexType Name="{prefix}{kind.name}"{base}{abstract}>'
    for prop in kind.own.values():
        yield f'<Property Name="{prop.name}" Type="{prop.type}"{_FACETS.get(prop.type, "")} />'
    for link in kind.links.values():
        if not twin:
            yield f'<NavigationProperty Name="{link.name}" Type="{ALIAS}.{link.type}" />'
            continue
        inner = f"{ALIAS}.Complex{link.type}"
        yield f'<Property Name="{link.name}" Type="{f"Collection({inner})" if link.many else inner}" />'
    yield "</ComplexType>"


def _enum(name: str, members: Mapping[str, int]) -> Iterator[str]:
    flags = ' IsFlags="true"' if name in FLAGS else ""
    yield f'<EnumType Name="{name}"{flags}>'
    for member, value in members.items():
        yield f'<Member Name="{member}" Value="{value}" />'
    yield "</EnumType>"


# -- actions and functions -------------------------------------------------------------------------------------------
def _operation(name: str, signature: Signature) -> Iterator[str]:
    tag = "Function" if signature.kind == "function" else "Action"
    if signature.returns and signature.direct is None:
        yield f'<ComplexType Name="{name}Response">'
        for each in signature.returns:
            yield f'<Property Name="{each.name}" Type="{escape(each.type)}"{_nullable(each)} />'
        yield "</ComplexType>"
    for bound in signature.bound or ("",):
        marked = ' IsBound="true"' if bound else ""
        yield f'<{tag} Name="{name}"{marked}>'
        if bound:
            target = f"{ALIAS}.{BASE if bound == '*' else bound}"
            target, parameter = (
                (f"Collection({target})", "entityset") if signature.collection else (target, "entity")
            )
            yield f'<Parameter Name="{parameter}" Type="{target}" Nullable="false" />'
        for each in signature.parameters:
            yield f'<Parameter Name="{each.name}" Type="{escape(each.type)}"{_nullable(each)} />'
        if signature.returns:
            type_name = signature.direct or f"{ALIAS}.{name}Response"
            yield f'<ReturnType Type="{type_name}" Nullable="false" />'
        yield f"</{tag}>"


def _nullable(parameter: Parameter) -> str:
    return "" if parameter.optional else ' Nullable="false"'


# -- sets ------------------------------------------------------------------------------------------------------------
def _container(
    tables: Collection[Table], names: Names, signatures: Collection[tuple[str, Signature]]
) -> Iterator[str]:
    yield '<EntityContainer Name="System">'
    for table in tables:
        if not names.has_set(table.entity_set):
            continue
        yield f'<EntitySet Name="{table.entity_set}" EntityType="{ALIAS}.{table.logical_name}">'
        for navigation in names.navigations(table).values():
            target = names.schema.tables[navigation.target].entity_set
            if names.has_set(target):
                yield f'<NavigationPropertyBinding Path="{navigation.name}" Target="{target}" />'
        yield "</EntitySet>"
    for entity_set, (type_name, _) in DEFINITION_SETS.items():
        yield f'<EntitySet Name="{entity_set}" EntityType="{ALIAS}.{type_name}" />'
    for name, signature in signatures:
        if not signature.bound:
            tag = "Function" if signature.kind == "function" else "Action"
            yield f'<{tag}Import Name="{name}" {tag}="{ALIAS}.{name}" />'
    yield "</EntityContainer>"
