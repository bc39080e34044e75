"""The types of the service as XML schemas, one a namespace, made from the table of contracts.

https://learn.microsoft.com/dotnet/framework/wcf/feature-details/data-contract-schema-reference
"""

from functools import cache

from orgstead.wire.soap.contracts import CONTRACTS, NAMESPACES, Contract, Member, TypeName
from orgstead.wire.soap.envelope import SERVICES

__all__ = ["FILES", "schema_of"]

XS = "http://www.w3.org/2001/XMLSchema"
OPERATIONS = "services"
# What stands in xsd0, xsd1 and so on.
FILES: tuple[str, ...] = (
    OPERATIONS, "ser", "xrm", "pairs", "arrays", "xrm71", "meta", "meta13", "meta71", "meta90", "xrm14", "xrm90",
    "xrm81", "query", "xrm80", "xrm12", "crm",
)  # fmt: skip
# The elements of the service's own operations and of their answers.
OWN: tuple[tuple[str, tuple[tuple[str, str, bool], ...]], ...] = (
    ("Create", (("entity", "xrm:Entity", True),)),
    ("CreateResponse", (("CreateResult", "ser:guid", False),)),
    ("Retrieve", (
        ("entityName", "xs:string", True), ("id", "ser:guid", False), ("columnSet", "xrm:ColumnSet", True),
    )),
    ("RetrieveResponse", (("RetrieveResult", "xrm:Entity", True),)),
    ("Update", (("entity", "xrm:Entity", True),)),
    ("UpdateResponse", ()),
    ("Delete", (("entityName", "xs:string", True), ("id", "ser:guid", False))),
    ("DeleteResponse", ()),
    ("Execute", (("request", "xrm:OrganizationRequest", True),)),
    ("ExecuteResponse", (("ExecuteResult", "xrm:OrganizationResponse", True),)),
    ("Associate", (
        ("entityName", "xs:string", True), ("entityId", "ser:guid", False),
        ("relationship", "xrm:Relationship", True), ("relatedEntities", "xrm:EntityReferenceCollection", True),
    )),
    ("AssociateResponse", ()),
    ("Disassociate", (
        ("entityName", "xs:string", True), ("entityId", "ser:guid", False),
        ("relationship", "xrm:Relationship", True), ("relatedEntities", "xrm:EntityReferenceCollection", True),
    )),
    ("DisassociateResponse", ()),
    ("RetrieveMultiple", (("query", "xrm:QueryBase", True),)),
    ("RetrieveMultipleResponse", (("RetrieveMultipleResult", "xrm:EntityCollection", True),)),
)  # fmt: skip
_SERIALIZATION = """<xs:simpleType name="guid"><xs:restriction base="xs:string">\
<xs:pattern value="[\\da-fA-F]{8}-[\\da-fA-F]{4}-[\\da-fA-F]{4}-[\\da-fA-F]{4}-[\\da-fA-F]{12}"/></xs:restriction>\
</xs:simpleType><xs:element name="guid" nillable="true" type="ser:guid"/>\
<xs:simpleType name="char"><xs:restriction base="xs:int"/></xs:simpleType>\
<xs:element name="char" nillable="true" type="ser:char"/>\
<xs:simpleType name="duration"><xs:restriction base="xs:duration"/></xs:simpleType>\
<xs:element name="duration" nillable="true" type="ser:duration"/>\
<xs:attribute name="FactoryType" type="xs:QName"/><xs:attribute name="Id" type="xs:ID"/>\
<xs:attribute name="Ref" type="xs:IDREF"/>"""


def namespace_of(prefix: str) -> str:
    """The namespace that a file is about."""
    return SERVICES if prefix == OPERATIONS else NAMESPACES[prefix]


@cache
def schema_of(prefix: str, located: str | None = None) -> str:
    """The schema of a namespace; ``located`` is the address that the files of others are found below."""
    body = _body(prefix)
    used = [each for each in FILES if each != prefix and f'"{each}:' in body]
    declared = "".join(f' xmlns:{each}="{namespace_of(each)}"' for each in (*used, prefix))
    imports = "".join(
        f'<xs:import namespace="{namespace_of(each)}"'
        + (f' schemaLocation="{located}?xsd=xsd{FILES.index(each)}"' if located is not None else "")
        + "/>"
        for each in used
    )
    return (
        f'<xs:schema xmlns:xs="{XS}"{declared} elementFormDefault="qualified"'
        f' targetNamespace="{namespace_of(prefix)}">{imports}{body}</xs:schema>'
    )


def _body(prefix: str) -> str:
    if prefix == OPERATIONS:
        return "".join(_operation(name, parts) for name, parts in OWN)
    if prefix == "ser":
        return _SERIALIZATION
    return "".join(_type(each) for each in CONTRACTS.values() if each.type[0] == prefix)


def _operation(name: str, parts: tuple[tuple[str, str, bool], ...]) -> str:
    inner = "".join(
        f'<xs:element minOccurs="0" name="{part}"{_nillable(nil)} type="{kind}"/>'
        for part, kind, nil in parts
    )
    return (
        f'<xs:element name="{name}"><xs:complexType><xs:sequence>{inner}</xs:sequence></xs:complexType>'
        "</xs:element>"
    )


def _type(contract: Contract) -> str:
    name = contract.type[1]
    element = f'<xs:element name="{name}" nillable="true" type="{_named(contract.type)}"/>'
    if contract.values:
        values = "".join(f'<xs:enumeration value="{each}"/>' for each in contract.values)
        restricted = f'<xs:restriction base="xs:string">{values}</xs:restriction>'
        if contract.flags:
            restricted = f"<xs:list><xs:simpleType>{restricted}</xs:simpleType></xs:list>"
        return f'<xs:simpleType name="{name}">{restricted}</xs:simpleType>{element}'
    sequence = f"<xs:sequence>{''.join(map(_member, contract.own))}</xs:sequence>"
    if contract.base is not None:
        sequence = (
            f'<xs:complexContent mixed="false"><xs:extension base="{_named(contract.base)}">{sequence}'
            "</xs:extension></xs:complexContent>"
        )
    return f'<xs:complexType name="{name}">{sequence}</xs:complexType>{element}'


def _member(member: Member) -> str:
    least = "" if member.required else ' minOccurs="0"'
    most = ' maxOccurs="unbounded"' if member.many else ""
    return (
        f'<xs:element{least}{most} name="{member.name}"{_nillable(member.nillable)}'
        f' type="{_named(member.type)}"/>'
    )


def _nillable(nil: bool) -> str:
    return ' nillable="true"' if nil else ""


def _named(type: TypeName) -> str:
    return f"{type[0]}:{type[1]}"
