"""``$metadata``: a document that a reader of CSDL 4.0 can resolve from end to end.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part3-csdl/odata-v4.0-errata03-os-part3-csdl-complete.html
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-service-documents#csdl-metadata-document
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from lxml import etree

from tests.parity.conftest import Web

E = "{http://docs.oasis-open.org/odata/ns/edm}"
X = "{http://docs.oasis-open.org/odata/ns/edmx}"
NAMESPACE = "Microsoft.Dynamics.CRM"
PRIMITIVES = {
    "Edm.Binary", "Edm.Boolean", "Edm.Byte", "Edm.Date", "Edm.DateTimeOffset", "Edm.Decimal", "Edm.Double",
    "Edm.Guid", "Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Single", "Edm.Stream", "Edm.String",
}  # fmt: skip
IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,127}", re.ASCII)
Element = Any


@dataclass
class Document:
    """The one schema of a document, its children by kind and name."""

    root: Element
    schema: Element
    kinds: dict[str, dict[str, Element]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Element]:
        """The children of a kind, by name."""
        if kind not in self.kinds:
            self.kinds[kind] = {each.get("Name"): each for each in self.schema.findall(E + kind)}
        return self.kinds[kind]

    @property
    def types(self) -> dict[str, Element]:
        """Structured types and enumerations."""
        return {**self.of("EntityType"), **self.of("ComplexType"), **self.of("EnumType")}

    def line(self, kind: str, name: str) -> Iterator[Element]:
        """A type and its bases."""
        seen: set[str] = set()
        current: str | None = name
        while current is not None:
            assert current not in seen, f"{name} is its own base"
            seen.add(current)
            found = self.of(kind)[current]
            yield found
            base = found.get("BaseType")
            current = None if base is None else plain(base)

    def members(self, name: str, tag: str) -> dict[str, Element]:
        """Properties or navigation properties of an entity type, inherited ones included."""
        return {
            each.get("Name"): each for part in self.line("EntityType", name) for each in part.findall(E + tag)
        }

    def is_a(self, name: str, base: str) -> bool:
        """Whether an entity type is another or derives from it."""
        return any(each.get("Name") == base for each in self.line("EntityType", name))

    @property
    def container(self) -> Element:
        """The entity container."""
        (found,) = self.schema.findall(f"{E}EntityContainer")
        return found

    @property
    def sets(self) -> dict[str, str]:
        """Entity sets and the types of their members."""
        return {
            each.get("Name"): plain(each.get("EntityType"))
            for each in self.container.findall(f"{E}EntitySet")
        }


def plain(name: str) -> str:
    """A type's name without collection and namespace."""
    inner = name.removeprefix("Collection(").removesuffix(")")
    return inner.removeprefix("mscrm.").removeprefix(f"{NAMESPACE}.")


def read(text: str) -> Document:
    """A document from its text, which must be well-formed."""
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, load_dtd=False))
    assert root.tag == f"{X}Edmx"
    assert root.get("Version") == "4.0"
    (services,) = root.findall(f"{X}DataServices")
    (schema,) = services.findall(f"{E}Schema")
    assert (schema.get("Namespace"), schema.get("Alias")) == (NAMESPACE, "mscrm")
    return Document(root, schema)


@pytest.fixture(scope="module")
def texts(web: Web) -> dict[str, str]:
    """The document without and with annotations, of an organisation that has definitions of its own."""
    body = {
        "@odata.type": f"{NAMESPACE}.EntityMetadata",
        "SchemaName": "doc_Chest",
        "DisplayName": {"LocalizedLabels": [{"Label": 'Chest & "drawer" <1>', "LanguageCode": 1033}]},
        "Description": {"LocalizedLabels": [{"Label": "Holds & keeps", "LanguageCode": 1033}]},
        "OwnershipType": "UserOwned",
        "HasActivities": True,
        "HasNotes": True,
        "Attributes": [
            {
                "@odata.type": f"{NAMESPACE}.StringAttributeMetadata",
                "SchemaName": "doc_Name",
                "IsPrimaryName": True,
            }
        ],
    }
    assert web.call("POST", "EntityDefinitions", body).status == 204
    lookup = {
        "@odata.type": f"{NAMESPACE}.OneToManyRelationshipMetadata",
        "SchemaName": "doc_account_chest",
        "ReferencedEntity": "account",
        "ReferencingEntity": "doc_chest",
        "Lookup": {"@odata.type": f"{NAMESPACE}.LookupAttributeMetadata", "SchemaName": "doc_AccountId"},
    }
    assert web.call("POST", "RelationshipDefinitions", lookup).status == 204
    for entity2 in ("contact", "doc_chest"):
        crossing = {
            "@odata.type": f"{NAMESPACE}.ManyToManyRelationshipMetadata",
            "SchemaName": f"doc_chest_{entity2}",
            "Entity1LogicalName": "doc_chest",
            "Entity2LogicalName": entity2,
        }
        assert web.call("POST", "RelationshipDefinitions", crossing).status == 204
    key = {"SchemaName": "doc_Key", "KeyAttributes": ["doc_name", "doc_accountid"]}
    path = "EntityDefinitions(LogicalName='doc_chest')/Keys"
    assert web.call("POST", path, key).status == 204
    found = {}
    for query in ("", "?annotations=true"):
        answer = web.get(f"$metadata{query}")
        assert answer.status == 200
        assert answer.headers["content-type"].partition(";")[0] == "application/xml"
        assert answer.headers["OData-Version"] == "4.0"
        found[query] = answer.text
    return found


@pytest.fixture(scope="module", params=["", "?annotations=true"])
def document(request: pytest.FixtureRequest, texts: dict[str, str]) -> Document:
    """Each of the two documents."""
    return read(texts[request.param])


def test_names_of_schema_children_are_unique_and_well_formed(document: Document) -> None:
    kinds = ("EntityType", "ComplexType", "EnumType", "TypeDefinition", "Term", "EntityContainer")
    names = [each.get("Name") for kind in kinds for each in document.schema.findall(E + kind)]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    operations = [each for kind in ("Action", "Function") for each in document.schema.findall(E + kind)]
    overloads = Counter(
        (each.get("Name"), each[0].get("Type") if each.get("IsBound") == "true" else None)
        for each in operations
    )
    assert [name for name, count in overloads.items() if count > 1] == []
    assert {each.get("Name") for each in operations}.isdisjoint(names)
    for element in document.schema.iter(f"{E}*"):
        name = element.get("Name")
        assert name is None or IDENTIFIER.fullmatch(name), (element.tag, name)
    known = {
        "EntityType", "ComplexType", "EnumType", "Action", "Function", "EntityContainer", "Annotations"
    }  # fmt: skip
    assert {etree.QName(each).localname for each in document.schema} <= known


def test_every_type_resolves(document: Document) -> None:
    known = {f"mscrm.{name}" for name in document.types}
    entities = {f"mscrm.{name}" for name in document.of("EntityType")}
    for element in document.schema.iter(f"{E}*"):
        given = element.get("Type")
        if given is None or element.tag == f"{E}Record":
            continue
        inner = given.removeprefix("Collection(").removesuffix(")")
        assert given in (inner, f"Collection({inner})")
        if element.tag == f"{E}NavigationProperty":
            assert inner in entities, (element.getparent().get("Name"), element.get("Name"), given)
        else:
            owner = element.getparent().get("Name")
            assert inner in PRIMITIVES or inner in known, (owner, element.get("Name"), given)
        if element.tag == f"{E}Property":
            assert inner not in entities, (element.getparent().get("Name"), element.get("Name"))


def test_bases_resolve_and_members_differ_from_inherited_ones(document: Document) -> None:
    for kind in ("EntityType", "ComplexType"):
        for name in document.of(kind):
            members = [
                each.get("Name")
                for part in document.line(kind, name)
                for each in (*part.findall(f"{E}Property"), *part.findall(f"{E}NavigationProperty"))
            ]
            assert [each for each, count in Counter(members).items() if count > 1] == [], name


def test_each_entity_type_has_one_key_of_its_own_properties(document: Document) -> None:
    for name, element in document.of("EntityType").items():
        keys = [key for part in document.line("EntityType", name) for key in part.findall(f"{E}Key")]
        # Dataverse itself declares the open type without a key.
        if name != "expando" and element.get("Abstract") != "true":
            assert len(keys) == 1, name
        properties = document.members(name, "Property")
        for key in keys:
            names = [each.get("Name") for each in key]
            assert names
            assert len(set(names)) == len(names)
            for each in names:
                assert properties[each].get("Nullable") == "false", (name, each)
                assert properties[each].get("Type") in ("Edm.Guid", "Edm.String", "Edm.Int32"), (name, each)


def test_partners_lead_back(document: Document) -> None:
    seen = 0
    for name, element in document.of("EntityType").items():
        for navigation in element.findall(f"{E}NavigationProperty"):
            partner = navigation.get("Partner")
            if partner is None:
                continue
            seen += 1
            target = plain(navigation.get("Type"))
            there = document.members(target, "NavigationProperty").get(partner)
            where = (name, navigation.get("Name"), target, partner)
            assert there is not None, where
            # The partner's type is the containing type or one that it derives from.
            assert document.is_a(name, plain(there.get("Type"))), where
            assert there.get("Partner") == navigation.get("Name"), where
    assert seen > 100


def test_referential_constraints_name_properties_of_both_sides(document: Document) -> None:
    seen = 0
    for name, element in document.of("EntityType").items():
        for constraint in element.iter(f"{E}ReferentialConstraint"):
            seen += 1
            mine = document.members(name, "Property")[constraint.get("Property")]
            target = plain(constraint.getparent().get("Type"))
            theirs = document.members(target, "Property")[constraint.get("ReferencedProperty")]
            assert mine.get("Type") == theirs.get("Type"), (name, constraint.get("Property"))
    assert seen > 100


def test_sets_have_known_types_and_bindings_lead_to_sets_of_the_right_type(document: Document) -> None:
    sets = document.sets
    names = [each.get("Name") for each in document.container]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for element in document.container.findall(f"{E}EntitySet"):
        kind = plain(element.get("EntityType"))
        assert kind in document.of("EntityType")
        navigations = document.members(kind, "NavigationProperty")
        paths = []
        for binding in element.findall(f"{E}NavigationPropertyBinding"):
            path, target = binding.get("Path"), binding.get("Target")
            paths.append(path)
            assert path in navigations, (kind, path)
            assert target in sets, (kind, path, target)
            assert document.is_a(sets[target], plain(navigations[path].get("Type"))), (kind, path, target)
            assert navigations[path].get("ContainsTarget") != "true"
        assert len(set(paths)) == len(paths), kind


def test_imports_name_unbound_operations_and_bound_ones_have_a_binding_parameter(document: Document) -> None:
    for kind in ("Action", "Function"):
        imports = {each.get(kind) for each in document.container.findall(f"{E}{kind}Import")}
        unbound = set()
        for element in document.schema.findall(E + kind):
            parameters = [each.get("Name") for each in element.findall(f"{E}Parameter")]
            assert len(set(parameters)) == len(parameters), element.get("Name")
            returns = element.findall(f"{E}ReturnType")
            assert len(returns) == 1 or (kind == "Action" and not returns), element.get("Name")
            if element.get("IsBound") == "true":
                (first, *_) = element.findall(f"{E}Parameter")
                assert plain(first.get("Type")) in document.of("EntityType")
                assert first.get("Nullable") == "false"
            else:
                unbound.add(f"mscrm.{element.get('Name')}")
        assert imports == unbound
        assert len(imports) > 1


def test_enumerations_have_members_with_different_names_and_values(document: Document) -> None:
    for name, element in document.of("EnumType").items():
        members = [(each.get("Name"), int(each.get("Value"))) for each in element.findall(f"{E}Member")]
        assert members, name
        assert len({each for each, _ in members}) == len(members), name
        if element.get("IsFlags") == "true":
            assert all(value >= 0 for _, value in members), name
    assert {"OwnershipTypes", "AttributeTypeCode", "RelationshipType"} <= set(document.of("EnumType"))


def test_no_term_is_said_twice_of_one_thing_and_each_is_of_a_referenced_vocabulary(
    document: Document,
) -> None:
    included = {each.get("Namespace") for each in document.root.iter(f"{X}Include")}
    aliases = {each.get("Alias") for each in document.root.iter(f"{X}Include")}
    for element in document.schema.iter(f"{E}*"):
        terms = [each.get("Term") for each in element.findall(f"{E}Annotation")]
        assert len(set(terms)) == len(terms), (element.getparent().get("Name"), element.get("Name"))
        for term in terms:
            vocabulary = term.rpartition(".")[0]
            assert vocabulary in included or vocabulary in aliases


def test_alternate_keys_are_announced_by_properties_that_exist(document: Document) -> None:
    chest = document.of("EntityType")["doc_chest"]
    (found,) = [
        each
        for each in chest.findall(f"{E}Annotation")
        if each.get("Term") == "OData.Community.Keys.V1.AlternateKeys"
    ]
    paths = [each.get("PropertyPath") for each in found.iter(f"{E}PropertyValue") if each.get("PropertyPath")]
    assert paths == ["doc_name", "_doc_accountid_value"]
    for name, element in document.of("EntityType").items():
        properties = document.members(name, "Property")
        for value in element.iter(f"{E}PropertyValue"):
            path = value.get("PropertyPath")
            assert path is None or path in properties, (name, path)


def test_private_tables_are_absent_and_public_ones_are_there(document: Document) -> None:
    # What endpoints were told, data management and segments are for administrators to see; all else of our own is not.
    ours = [name for name in document.of("EntityType") if name.startswith("orgstead_")]
    shown = [name for name in ours if not name.startswith("orgstead_data")]
    assert shown == [
        "orgstead_delivery",
        "orgstead_formfield",
        "orgstead_segmentmember",
        "orgstead_stagingrow",
    ]
    assert [name for name in document.sets if name.startswith("orgstead_de")] == ["orgstead_deliveries"]
    assert {"account", "contact", "activitypointer", "task", "systemuser", "doc_chest"} <= set(
        document.of("EntityType")
    )
    assert document.is_a("task", "activitypointer")
    assert document.is_a("account", "crmbaseentity")
    assert document.sets["doc_chests"] == "doc_chest"
    definitions = {
        "EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions", "ManagedPropertyDefinitions"
    }  # fmt: skip
    assert definitions <= set(document.sets)


def test_new_relationships_show_on_both_sides(document: Document) -> None:
    chest = document.members("doc_chest", "NavigationProperty")
    account = document.members("account", "NavigationProperty")
    assert chest["doc_AccountId"].get("Type") == "mscrm.account"
    assert chest["doc_AccountId"].get("Partner") == "doc_account_chest"
    assert account["doc_account_chest"].get("Type") == "Collection(mscrm.doc_chest)"
    assert document.members("contact", "NavigationProperty")["doc_chest_contact"].get("Type") == (
        "Collection(mscrm.doc_chest)"
    )
    # A table that is related to itself has a navigation property for either side.
    assert {"doc_chest_doc_chest", "doc_chest_doc_chest_referencing"} <= set(chest)


@pytest.mark.parametrize("name", ["accounts", "doc_chests", "tasks", "systemusers", "annotations"])
def test_what_a_type_declares_can_be_selected_and_expanded(
    web: Web, texts: dict[str, str], name: str
) -> None:
    document = read(texts[""])
    element = document.of("EntityType")[document.sets[name]]
    select = ",".join(each.get("Name") for each in element.findall(f"{E}Property"))
    assert web.get(f"{name}?$select={select}&$top=1").status == 200
    navigations = [each.get("Name") for each in element.findall(f"{E}NavigationProperty")]
    assert len(navigations) > 5
    # More rows beside one another than this are more columns than a row of PostgreSQL has.
    for start in range(0, len(navigations), 6):
        expand = ",".join(navigations[start : start + 6])
        answer = web.get(f"{name}?$top=1&$expand={expand}")
        assert answer.status == 200, answer.text


def test_the_service_document_lists_the_sets(web: Web, texts: dict[str, str]) -> None:
    listed = {each["name"] for each in web.get("").rows}
    declared = set(read(texts[""]).sets)
    assert listed <= declared
    assert declared - listed <= {
        "EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions", "ManagedPropertyDefinitions"
    }  # fmt: skip


def test_annotations_appear_when_asked_for_only(texts: dict[str, str]) -> None:
    term = "Org.OData.Core.V1.Description"
    assert term not in texts[""]
    document = read(texts["?annotations=true"])
    (found,) = [
        each.get("String")
        for each in document.of("EntityType")["doc_chest"].findall(f"{E}Annotation")
        if each.get("Term") == term
    ]
    assert found == "Holds & keeps"
    created = document.members("doc_chest", "Property")["createdon"]
    assert "Org.OData.Core.V1.Computed" in {each.get("Term") for each in created}
    bare, annotated = (
        [each.get("Name") for each in read(text).schema.iter(f"{E}*") if each.get("Name")]
        for text in texts.values()
    )
    assert bare == annotated


def test_annotations_false_is_the_plain_document(web: Web) -> None:
    assert web.get("$metadata?annotations=false").text == web.get("$metadata").text


@pytest.mark.parametrize(
    "query", ["$format=json", "annotations=1", "$select=Name", "foo=1", "Annotations=true"]
)
def test_other_options_are_refused_by_name(web: Web, query: str) -> None:
    answer = web.get(f"$metadata?{query}")
    assert answer.fault == (400, "0x80060888")
    assert query.partition("=")[0] in answer.json["error"]["message"]


@pytest.mark.parametrize("path", ["$metadata/accounts", "$metadata()", "$metadata(1)"])
def test_nothing_lies_below_the_document(web: Web, path: str) -> None:
    assert web.get(path).status in (400, 404)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_the_document_is_read_only(web: Web, method: str) -> None:
    answer = web.call(method, "$metadata")
    assert answer.status == 405
    assert method == "HEAD" or answer.json["error"]["code"] == "0x80060888"
