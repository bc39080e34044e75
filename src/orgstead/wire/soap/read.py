"""Elements to values, by the types that they state or that are declared for them.

An Entity becomes a Record, an EntityReference a Ref, a query a Query; an OptionSetValue is its number and Money its
amount; every other object becomes a mapping of its members, which is what the Web API has in JSON for it.
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/entity-operations
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orgstead.errors import fault
from orgstead.languages.fetchxml import parse_fetchxml
from orgstead.languages.queryexpression import parse_query_by_attribute, parse_query_expression
from orgstead.model.query import Query
from orgstead.model.record import Key, Record, Ref, Related
from orgstead.model.schema import Schema, Table
from orgstead.model.types import parse_datetime
from orgstead.wire.soap.contracts import CONTRACTS, PRIMITIVES, Member, TypeName, is_a, members_of
from orgstead.wire.soap.primitives import EMPTY_ID, read_primitive
from orgstead.wire.soap.xml import Element, children, is_nil, local, malformed, stated_type

__all__ = ["Reader"]

ANY: TypeName = ("xs", "anyType")
ENTITY: TypeName = ("xrm", "Entity")
REFERENCE: TypeName = ("xrm", "EntityReference")
METADATA: TypeName = ("meta", "MetadataBase")
PARAMETERS: TypeName = ("xrm", "ParameterCollection")
MAX_DEEP_INSERT = 10
MAX_ITEMS = 15_000
# What an attribute of a column's type has to be.
# https://learn.microsoft.com/power-apps/developer/data-platform/org-service/entity-operations-update-delete
TAKES: Mapping[str, tuple[TypeName, ...]] = {
    "string": (("xs", "string"),),
    "memo": (("xs", "string"),),
    "entityname": (("xs", "string"),),
    "integer": (("xs", "int"), ("xs", "short"), ("xs", "byte")),
    "bigint": (("xs", "long"), ("xs", "int")),
    "decimal": (("xs", "decimal"),),
    "double": (("xs", "double"), ("xs", "float")),
    "money": (("xrm", "Money"),),
    "boolean": (("xs", "boolean"),),
    "managedproperty": (("xrm", "BooleanManagedProperty"),),
    "choice": (("xrm", "OptionSetValue"),),
    "state": (("xrm", "OptionSetValue"),),
    "status": (("xrm", "OptionSetValue"),),
    "multichoice": (("xrm90", "OptionSetValueCollection"),),
    "datetime": (("xs", "dateTime"),),
    "lookup": (REFERENCE,),
    "customer": (REFERENCE,),
    "owner": (REFERENCE,),
    "partylist": (("xrm", "EntityCollection"),),
    "uniqueidentifier": (("ser", "guid"), REFERENCE),
    "file": (("ser", "guid"),),
    "image": (("xs", "base64Binary"),),
}


_LISTS = frozenset(name for name, each in CONTRACTS.items() if each.item is not None or each.values)


class Reader:
    """Reads the elements of one message against one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.depth = 0

    def value(self, element: Element, declared: TypeName = ANY) -> Any:
        """The value of an element; None for nil. Raises SoapMalformed and what the values in it raise."""
        if is_nil(element):
            return None
        return self.typed(element, self.type_of(element, declared))

    def type_of(self, element: Element, declared: TypeName = ANY) -> TypeName:
        """The type of an element: the one that it states, which has to fit, or the declared one."""
        stated = stated_type(element)
        if stated is None:
            return declared
        if declared != ANY and not is_a(stated, declared) and stated != declared:
            raise malformed(f"<{local(element)}> is a {declared[1]}, not a {stated[1]}")
        return stated

    def typed(self, element: Element, type: TypeName) -> Any:
        """The value of an element of a known type."""
        special = _SPECIAL.get(type)
        if special is not None:
            return special(self, element)
        if type in PRIMITIVES:
            if len(element):
                raise malformed(f"<{local(element)}> holds elements where a {type[1]} was expected")
            return read_primitive(type, element.text or "")
        contract = CONTRACTS[type]
        if contract.values:
            return self.enumeration(element, contract.values, contract.flags)
        if contract.item is not None:
            if contract.item.type[0] == "pairs":
                return self.pairs(element, contract.item)
            return self.items(element, contract.item)
        return self.object(element, type)

    def enumeration(self, element: Element, values: tuple[str, ...], flags: bool) -> str:
        """The name of a member; several flags are joined by commas, as the Web API has them."""
        names = (element.text or "").split()
        if not (names or flags) or (len(names) > 1 and not flags) or not set(names) <= set(values):
            raise malformed(f"'{(element.text or '')[:50]}' is no value of <{local(element)}>")
        return ",".join(names)

    def items(self, element: Element, item: Member) -> list[Any]:
        """The items of a list."""
        found = [self.value(each, item.type) for each in self.named(element, item.name)]
        if len(found) > MAX_ITEMS:
            raise fault("QueryTooComplex", limit=f"{MAX_ITEMS} items of a list")
        return found

    def named(self, element: Element, name: str) -> Iterator[Element]:
        """The children of a list, which have one name."""
        for each in children(element):
            if local(each) != name:
                raise malformed(f"<{local(each)}> in <{local(element)}>")
            yield each

    def pairs(self, element: Element, item: Member) -> dict[Any, Any]:
        """The pairs of a collection by their keys; a key that is an object counts by its own members."""
        key, value = members_of(item.type).values()
        found: dict[Any, Any] = {}
        for left, right in self.pairs_of(element, item.name):
            name = self.value(left, key.type)
            if isinstance(name, dict):
                name = tuple(name.items())
            if name is None or name in found:
                raise malformed(f"a key of <{local(element)}> is missing or comes twice")
            found[name] = self.value(right, value.type)
        return found

    def pairs_of(self, element: Element, name: str) -> Iterator[tuple[Element, Element]]:
        """The elements of the keys and the values of a collection."""
        for each in self.named(element, name):
            parts = {local(part): part for part in children(each)}
            if set(parts) != {"key", "value"}:
                raise malformed(f"<{local(each)}> needs a key and a value")
            yield parts["key"], parts["value"]

    def parameters(self, element: Element | None) -> dict[str, Element]:
        """The elements of the values of a ParameterCollection by their keys."""
        found: dict[str, Element] = {}
        if element is None or is_nil(element):
            return found
        for left, right in self.pairs_of(element, "KeyValuePairOfstringanyType"):
            name = left.text or ""
            if not name or name in found or len(name) > 200:
                raise malformed("a parameter has no name, or comes twice")
            found[name] = right
        return found

    def object(self, element: Element, type: TypeName) -> dict[str, Any]:
        """The members of an object that have a value; a definition states its type besides."""
        members = members_of(type)
        found: dict[str, Any] = {}
        if is_a(type, METADATA):
            found["@odata.type"] = f"#Microsoft.Dynamics.CRM.{type[1]}"
        for child in children(element):
            name = local(child)
            member = members.get(name)
            if member is None:
                if name == "ExtensionData" or (
                    is_nil(child) or not (len(child) or (child.text or "").strip())
                ):
                    continue
                raise malformed(f"<{name}> is no member of {type[1]}")
            if name in found:
                raise malformed(f"<{name}> comes twice in {type[1]}")
            if not len(child) and member.type in CONTRACTS and member.type not in _LISTS and not child.attrib:
                # Some clients write what they have not set as an element without anything in it.
                if not (child.text or "").strip():
                    continue
            value = self.value(child, member.type)
            if value is not None:
                found[name] = value
        return found

    # -- rows ----------------------------------------------------------------------------------------------------
    def parts(self, element: Element) -> dict[str, Element]:
        """The children of an object that are not nil, by name."""
        return {local(each): each for each in children(element) if not is_nil(each)}

    def entity(self, element: Element) -> Record:
        """An Entity; ``key`` is the row that its id or its key attributes name. Raises TableNotFound."""
        parts = self.parts(element)
        table = self.table(parts.get("LogicalName"))
        id = self.id(parts.get("Id"))
        key = self.key(parts.get("KeyAttributes"), table)
        values: dict[str, Any] = {}
        if "Attributes" in parts:
            for left, right in self.pairs_of(parts["Attributes"], "KeyValuePairOfstringanyType"):
                name = left.text or ""
                if name in values:
                    raise malformed(f"the attribute '{name[:50]}' comes twice")
                values[name] = self.attribute(table, name, right)
        named: Key | None = key or id
        ref = Ref(table.logical_name, named) if named is not None else None
        related = tuple(self.related(table, parts.get("RelatedEntities")))
        return Record(table=table.logical_name, id=id, key=ref, values=values, related=related)

    def table(self, element: Element | None) -> Table:
        """The table that an element names; raises TableNotFound."""
        name = (element.text or "").strip() if element is not None else ""
        found = self.schema.tables.get(name)
        if found is None:
            raise fault("TableNotFound", name=name[:100])
        return found

    def id(self, element: Element | None) -> str | None:
        """An id; None where it has not been set."""
        id = read_primitive(("ser", "guid"), element.text or "") if element is not None else EMPTY_ID
        return None if id == EMPTY_ID else id

    def key(self, element: Element | None, table: Table) -> tuple[tuple[str, Any], ...]:
        """The values of an alternate key."""
        if element is None:
            return ()
        return tuple(
            (left.text or "", self.attribute(table, left.text or "", right))
            for left, right in self.pairs_of(element, "KeyValuePairOfstringanyType")
        )

    def attribute(self, table: Table, name: str, element: Element) -> Any:
        """The value of a column; raises IncorrectAttributeType for one of another type."""
        column = table.columns.get(name)
        if column is None or is_nil(element):
            return self.value(element)
        type = self.type_of(element)
        wanted = TAKES.get(column.type)
        if wanted is not None and type not in wanted:
            raise fault(
                "IncorrectAttributeType",
                given=type[1],
                column=name,
                table=table.logical_name,
                wanted=wanted[0][1],
            )
        value = self.typed(element, type)
        if column.type == "managedproperty":
            return value.get("Value")
        if column.date_only:
            # A date comes with the time that .NET's type has besides.
            return parse_datetime(value).date().isoformat()
        return value

    def related(self, table: Table, element: Element | None) -> Iterator[Related]:
        """What is created with a row. Raises RelationshipNotFound, QueryTooComplex."""
        if element is None:
            return
        if self.depth >= MAX_DEEP_INSERT:
            raise fault("QueryTooComplex", limit=f"{MAX_DEEP_INSERT} levels of nested rows")
        self.depth += 1
        for left, right in self.pairs_of(element, "KeyValuePairOfRelationshipEntityCollectionX_PsK4FkN"):
            relationship = self.object(left, ("xrm", "Relationship"))
            records = tuple(self.value(right, ("xrm", "EntityCollection")) or ())
            name, role = relationship.get("SchemaName", ""), relationship.get("PrimaryEntityRole")
            to_one, reverse = ends(self.schema, table.logical_name, name, role)
            yield Related(relationship=name, to_one=to_one, reverse=reverse, records=records)
        self.depth -= 1

    def reference(self, element: Element) -> Ref:
        """An EntityReference; raises TableNotFound."""
        parts = self.parts(element)
        table = self.table(parts.get("LogicalName"))
        key = self.key(parts.get("KeyAttributes"), table)
        return Ref(table.logical_name, key or self.id(parts.get("Id")) or EMPTY_ID)

    def rows(self, element: Element) -> tuple[Any, ...]:
        """The rows of an EntityCollection, or the references of an EntityReferenceCollection."""
        parts = self.parts(element)
        inner = parts.get("Entities", element if "EntityReference" in parts else None)
        return tuple(self.value(each, ENTITY) for each in children(inner)) if inner is not None else ()

    # -- queries -------------------------------------------------------------------------------------------------
    def query(self, element: Element, declared: TypeName = ("xrm", "QueryBase")) -> Query:
        """A query of whatever kind; raises InvalidQueryExpression and the faults of FetchXML."""
        type = self.type_of(element, declared)
        if type == ("xrm", "FetchExpression"):
            return parse_fetchxml(self.object(element, type).get("Query", ""))
        if type == ("xrm", "QueryByAttribute"):
            return parse_query_by_attribute(self.object(element, type))
        if type != ("xrm", "QueryExpression"):
            raise malformed(f"<{local(element)}> is no query")
        return parse_query_expression(self.object(element, type))


def ends(schema: Schema, table: str, relationship: str, role: str | None) -> tuple[bool, bool]:
    """Whether a row of a table holds the lookup of a relationship, and whether it is the second end of it.

    Raises RelationshipNotFound, InvalidArgument when the role that tells the ends apart is missing.
    """
    one = schema.one_to_many.get(relationship)
    if one is not None:
        if one.referenced == one.referencing:
            if role is None:
                raise fault(
                    "InvalidArgument",
                    message=f"PrimaryEntityRole must say which end of {relationship} the primary entity is.",
                )
            return role == "Referencing", role == "Referencing"
        return one.referencing == table, False
    many = schema.many_to_many.get(relationship)
    if many is None:
        raise fault("RelationshipNotFound", name=relationship[:100], table=table)
    return False, many.entity1 == many.entity2 and role == "Referenced"


def _money(reader: Reader, element: Element) -> Any:
    return reader.object(element, ("xrm", "Money")).get("Value")


def _option(reader: Reader, element: Element) -> Any:
    return reader.object(element, ("xrm", "OptionSetValue")).get("Value")


def _options(reader: Reader, element: Element) -> Any:
    return tuple(reader.value(each, ("xrm", "OptionSetValue")) for each in children(element))


def _references(reader: Reader, element: Element) -> Any:
    return tuple(reader.value(each, REFERENCE) for each in children(element))


def _query(kind: str) -> Callable[[Reader, Element], Any]:
    return lambda reader, element: reader.query(element, ("xrm", kind))


_SPECIAL: Mapping[TypeName, Callable[[Reader, Element], Any]] = {
    ENTITY: Reader.entity,
    REFERENCE: Reader.reference,
    ("xrm", "EntityCollection"): Reader.rows,
    ("xrm", "EntityReferenceCollection"): _references,
    ("xrm", "ArrayOfEntityReference"): _references,
    ("xrm", "Money"): _money,
    ("xrm", "OptionSetValue"): _option,
    ("xrm90", "OptionSetValueCollection"): _options,
    ("xrm", "QueryExpression"): _query("QueryExpression"),
    ("xrm", "QueryByAttribute"): _query("QueryByAttribute"),
    ("xrm", "FetchExpression"): _query("FetchExpression"),
}
