"""``/data/$metadata``: data entities, enumerations and actions as CSDL.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part3-csdl/odata-v4.0-errata03-os-part3-csdl-complete.html
"""

from collections.abc import Iterator
from functools import lru_cache
from xml.sax.saxutils import quoteattr

from orgstead.model.dataentities import DataEntity, DataField
from orgstead.wire.finops.names import NAMESPACE, Action, Names, Navigation
from orgstead.wire.finops.values import edm_type

__all__ = ["csdl"]

SPACE = NAMESPACE.removesuffix(".")
EDM = "http://docs.oasis-open.org/odata/ns/edm"
EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
# What is text or one of a list may be left out; everything else has a value.
NULLABLE = frozenset({"String", "Enum"})
_FACETS = {"Edm.Decimal": ' Scale="variable"'}


@lru_cache(maxsize=4)
def csdl(names: Names) -> bytes:
    """The whole document, kept for the schemas in use."""
    return "".join(_parts(names)).encode()


def _parts(names: Names) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield f'<edmx:Edmx Version="4.0" xmlns:edmx="{EDMX}"><edmx:DataServices>'
    yield f'<Schema Namespace="{SPACE}" xmlns="{EDM}">'
    for name, enum in sorted(names.enums().items()):
        yield f'<EnumType Name="{name}">'
        for member in enum.members:
            yield f'<Member Name="{member.name}" Value="{member.value}" />'
        yield "</EnumType>"
    for collection in sorted(names.entities):
        yield from _entity(names, names.entities[collection])
    for collection in sorted(names.actions.keys() - names.entities.keys()):
        # A collection that has actions and no rows.
        yield f'<EntityType Name="{_single(names, collection)}" Abstract="true" />'
    for collection in sorted(names.actions):
        for action in names.actions[collection].values():
            yield from _action(names, collection, action)
    yield '<EntityContainer Name="Resources">'
    for collection in sorted(names.entities):
        entity = names.entities[collection]
        yield f'<EntitySet Name="{collection}" EntityType="{NAMESPACE}{entity.name}">'
        for name, navigation in names.navigations(entity).items():
            yield f'<NavigationPropertyBinding Path="{name}" Target="{navigation.related.collection}" />'
        yield "</EntitySet>"
    yield "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"


def _entity(names: Names, entity: DataEntity) -> Iterator[str]:
    yield f'<EntityType Name="{entity.name}"><Key>'
    for name in entity.key:
        yield f'<PropertyRef Name="{name}" />'
    yield "</Key>"
    for field in entity.fields.values():
        yield _property(field, key=field.name in entity.key)
    for name, navigation in names.navigations(entity).items():
        yield _navigation(name, navigation)
    yield "</EntityType>"


def _property(field: DataField, *, key: bool) -> str:
    kind = edm_type(field)
    required = ' Nullable="false"' if key or (field.enum is None and field.kind not in NULLABLE) else ""
    size = f' MaxLength="{field.size}"' if field.kind == "String" and field.size else ""
    return f'<Property Name="{field.name}" Type="{kind}"{required}{size}{_FACETS.get(kind, "")} />'


def _navigation(name: str, navigation: Navigation) -> str:
    target = f"{NAMESPACE}{navigation.related.name}"
    if navigation.relation.many:
        return f'<NavigationProperty Name="{name}" Type="Collection({target})" />'
    constraints = "".join(
        f"<ReferentialConstraint Property={quoteattr(here)} ReferencedProperty={quoteattr(there)} />"
        for here, there in navigation.relation.constraints
    )
    return f'<NavigationProperty Name="{name}" Type="{target}">{constraints}</NavigationProperty>'


def _single(names: Names, collection: str) -> str:
    """The type of a collection's members."""
    entity = names.entities.get(collection)
    return entity.name if entity is not None else collection.removesuffix("s")


def _action(names: Names, collection: str, action: Action) -> Iterator[str]:
    single = _single(names, collection)
    bound = f"{NAMESPACE}{single}"
    yield f'<Action Name="{action.name}" IsBound="true">'
    kind = f"Collection({bound})" if action.collection else bound
    yield f'<Parameter Name="{single}" Type="{kind}" Nullable="false" />'
    for each in action.signature.parameters:
        required = "" if each.optional or each.type == "Edm.String" else ' Nullable="false"'
        yield f'<Parameter Name="{each.name}" Type="{each.type}"{required} />'
    if action.signature.direct is not None:
        yield f'<ReturnType Type="{action.signature.direct}" />'
    yield "</Action>"
