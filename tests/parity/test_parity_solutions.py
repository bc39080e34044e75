"""Solutions as files: out of one organisation, into another one, and what is refused.

https://learn.microsoft.com/power-platform/alm/solution-api
"""

import base64
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.parity.conftest import Answer, Web, opened
from tests.parity.soap import Of, Soap, SoapFault, guid

CRM = "Microsoft.Dynamics.CRM."
JOB = "11111111-2222-4333-8444-555555555555"
VIEW = "22222222-2222-4333-8444-555555555555"
NAME = "CargoSolution"
HEADER = {"MSCRM.SolutionUniqueName": NAME}
# What another organisation gives its own ids and places.
OWN = frozenset(
    {"MetadataId", "ColumnNumber", "ObjectTypeCode", "CreatedOn", "ModifiedOn", "HasChanged", "Privileges"}
)


def label(text: str) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def column(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": f"{CRM}{kind}AttributeMetadata",
        "SchemaName": name,
        "DisplayName": label(name.partition("_")[2]),
        **more,
    }


def options(*values: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"Value": value, "Label": label(text)} for value, text in values]


def made(answer: Answer) -> Answer:
    assert answer.status < 300, answer.text
    return answer


def make_cargo(web: Web) -> None:
    """A solution with a bit of everything that a file holds."""
    publisher = web.make(
        "publishers", uniquename="cargo", friendlyname="Cargo & Co", customizationprefix="crg",
        customizationoptionvalueprefix=48123, supportingwebsiteurl="https://cargo.example",
    )  # fmt: skip
    web.make(
        "solutions", uniquename=NAME, friendlyname="Cargo <solution>", version="1.2.3.4", description="Ships",
        **{"publisherid@odata.bind": f"publishers({publisher})"},
    )  # fmt: skip

    def post(path: str, body: Any) -> None:
        made(web.call("POST", path, body, **HEADER))

    post(
        "GlobalOptionSetDefinitions",
        {
            "@odata.type": f"{CRM}OptionSetMetadata", "Name": "crg_colour", "DisplayName": label("Colour"),
            "OptionSetType": "Picklist", "IsGlobal": True,
            "Options": [{**options((481230000, "Red"))[0], "Color": "#ff0000"}, *options((481230001, "Blue"))],
        },
    )  # fmt: skip
    for name, ownership in (("crg_Ship", "UserOwned"), ("crg_Port", "OrganizationOwned")):
        primary = column("String", "crg_Name", MaxLength=90, RequiredLevel={"Value": "ApplicationRequired"})
        post(
            "EntityDefinitions",
            {
                "@odata.type": f"{CRM}EntityMetadata", "SchemaName": name, "OwnershipType": ownership,
                "DisplayName": label(name[4:]), "DisplayCollectionName": label(f"{name[4:]}s"),
                "Description": label("Made for tests"), "HasNotes": name == "crg_Ship", "HasActivities": False,
                "ChangeTrackingEnabled": name == "crg_Ship", "EntityColor": "#123456",
                "Attributes": [{**primary, "IsPrimaryName": True}],
            },
        )  # fmt: skip
    ship = "EntityDefinitions(LogicalName='crg_ship')"
    for each in (
        column("String", "crg_Code", MaxLength=20, FormatName={"Value": "Text"}),
        column("String", "crg_Number", MaxLength=50, AutoNumberFormat="S-{SEQNUM:5}"),
        column("Memo", "crg_Story", MaxLength=5000),
        column("Integer", "crg_Crew", MinValue=1, MaxValue=90, Description=label("Heads")),
        column("BigInt", "crg_Big"),
        column("Decimal", "crg_Draught", MinValue=0.5, MaxValue=40, Precision=3),
        column("Double", "crg_Speed", MinValue=0, MaxValue=99, Precision=4),
        column("Money", "crg_Price", Precision=2, PrecisionSource=1),
        column("Boolean", "crg_Fast", DefaultValue=True, OptionSet={
            "OptionSetType": "Boolean", "TrueOption": options((1, "Swift"))[0], "FalseOption": options((0, "Slow"))[0],
        }),
        column("Picklist", "crg_Kind", DefaultFormValue=2, OptionSet={
            "IsGlobal": False, "OptionSetType": "Picklist", "Options": options((2, "Tug"), (1, "Ferry")),
        }),
        column("MultiSelectPicklist", "crg_Flags", OptionSet={
            "IsGlobal": False, "OptionSetType": "Picklist", "Options": options((1, "A"), (2, "B")),
        }),
        {**column("Picklist", "crg_Colour"),
         "GlobalOptionSet@odata.bind": "/GlobalOptionSetDefinitions(Name='crg_colour')"},
        column("DateTime", "crg_Launched", Format="DateOnly", DateTimeBehavior={"Value": "DateOnly"}),
        column("DateTime", "crg_Seen", Format="DateAndTime", DateTimeBehavior={"Value": "TimeZoneIndependent"}),
        column("File", "crg_Papers", MaxSizeInKB=1000),
        column("Image", "crg_Picture"),
    ):  # fmt: skip
        post(f"{ship}/Attributes", each)
    made(web.call("POST", "InsertStatusValue", {
        "EntityLogicalName": "crg_ship", "AttributeLogicalName": "statuscode", "Value": 481230000, "StateCode": 0,
        "Label": label("At sea"), "SolutionUniqueName": NAME,
    }))  # fmt: skip

    def lookup(name: str) -> dict[str, Any]:
        return column("Lookup", name)

    post("RelationshipDefinitions", {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata", "SchemaName": "crg_port_ship",
        "ReferencedEntity": "crg_port", "ReferencingEntity": "crg_ship", "Lookup": lookup("crg_HomePort"),
        "CascadeConfiguration": {"Assign": "NoCascade", "Delete": "Restrict", "Merge": "NoCascade",
                                 "Reparent": "NoCascade", "Share": "NoCascade", "Unshare": "NoCascade"},
    })  # fmt: skip
    post("RelationshipDefinitions", {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata", "SchemaName": "crg_ship_account",
        "ReferencedEntity": "crg_ship", "ReferencingEntity": "account", "Lookup": lookup("crg_Flagship"),
    })  # fmt: skip
    post("CreatePolymorphicLookupAttribute", {
        "Lookup": lookup("crg_Master"),
        "OneToManyRelationships": [
            {"SchemaName": f"crg_ship_master_{each}", "ReferencedEntity": each, "ReferencingEntity": "crg_ship"}
            for each in ("contact", "account")
        ],
    })  # fmt: skip
    post("CreateCustomerRelationships", {
        "Lookup": {**lookup("crg_Client"), "AttributeType": "Customer"},
        "OneToManyRelationships": [
            {"SchemaName": f"crg_ship_client_{each}", "ReferencedEntity": each, "ReferencingEntity": "crg_ship"}
            for each in ("account", "contact")
        ],
    })  # fmt: skip
    post("RelationshipDefinitions", {
        "@odata.type": f"{CRM}ManyToManyRelationshipMetadata", "SchemaName": "crg_ship_port",
        "Entity1LogicalName": "crg_ship", "Entity2LogicalName": "crg_port", "IntersectEntityName": "crg_ship_port",
    })  # fmt: skip
    post(f"{ship}/Keys", {
        "@odata.type": f"{CRM}EntityKeyMetadata", "SchemaName": "crg_CodeKey", "KeyAttributes": ["crg_code"],
        "DisplayName": label("Code"),
    })  # fmt: skip
    web.make(
        "savedqueries", savedqueryid=VIEW, name="Active & fast", returnedtypecode="crg_ship", querytype=0,
        isdefault=False, description="All of them",
        fetchxml="<fetch><entity name='crg_ship'><attribute name='crg_name'/></entity></fetch>",
        layoutxml='<grid name="resultset" object="1"><row name="result" id="crg_shipid"/></grid>',
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(web: Web) -> Web:
    """The organisation that has the solution."""
    make_cargo(web)
    return web


@pytest.fixture
def other(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    """An empty organisation on the same database."""
    with opened(request.node.callspec.params["web"], tmp_path_factory, new_postgres_database) as client:
        yield client


def exported(web: Web, name: str = NAME) -> bytes:
    answer = made(web.call("POST", "ExportSolution", {"SolutionName": name, "Managed": False}))
    return base64.b64decode(answer.json["ExportSolutionFile"])


def taken(web: Web, content: bytes, **more: Any) -> Answer:
    body = {
        "OverwriteUnmanagedCustomizations": False, "PublishWorkflows": False, "ImportJobId": JOB,
        "CustomizationFile": base64.b64encode(content).decode(), **more,
    }  # fmt: skip
    return web.call("POST", "ImportSolution", body)


def files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def edited(content: bytes, name: str, old: str, new: str) -> bytes:
    """A solution file with another text in one of its documents."""
    members = files(content)
    text = members[name].decode()
    assert old in text, (old, text[:2000])
    return packed({**members, name: text.replace(old, new).encode()})


def definitions(web: Web) -> dict[str, Any]:
    """All that the solution defines, without what is each organisation's own."""
    found: dict[str, Any] = {}
    for table in ("crg_ship", "crg_port", "account"):
        base = f"EntityDefinitions(LogicalName='{table}')"
        expand = "$expand=Attributes,Keys,ManyToOneRelationships,ManyToManyRelationships"
        found[table] = web.get(f"{base}?{expand}").json
        for kind in ("Picklist", "MultiSelectPicklist", "Boolean", "State", "Status"):
            path = f"{base}/Attributes/{CRM}{kind}AttributeMetadata?$select=LogicalName&$expand=OptionSet"
            found[f"{table} {kind}"] = web.get(path).rows
    found["choice"] = web.get("GlobalOptionSetDefinitions(Name='crg_colour')").json
    return {name: bare(value) for name, value in found.items()}


def bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: bare(each) for key, each in value.items() if key not in OWN and "@odata.context" not in key
        }
    if isinstance(value, list):
        return sorted(map(bare, value), key=lambda each: name_in(each) if isinstance(each, dict) else "")
    return value


def name_in(definition: dict[str, Any]) -> str:
    return str(definition.get("LogicalName", definition.get("SchemaName", "")))


def state(web: Web) -> Any:
    """What a change would change."""
    rows = [
        web.get(f"{path}&$orderby=versionnumber").rows
        for path in (
            "solutions?$select=uniquename,versionnumber", "publishers?$select=uniquename,versionnumber",
            "savedqueries?$select=name,versionnumber",
            "solutioncomponents?$select=objectid,componenttype,versionnumber",
        )
    ]  # fmt: skip
    return rows, definitions(web)


def test_a_solution_is_taken_into_an_empty_organisation_whole(filled: Web, other: Web) -> None:
    content = exported(filled)
    assert exported(filled) == content
    members = files(content)
    assert sorted(members) == ["[Content_Types].xml", "customizations.xml", "solution.xml"]
    text = members["solution.xml"].decode()
    for part in (
        "<UniqueName>CargoSolution</UniqueName>", "<Version>1.2.3.4</Version>", "<Managed>0</Managed>",
        "<CustomizationPrefix>crg</CustomizationPrefix>",
        "<CustomizationOptionValuePrefix>48123</CustomizationOptionValuePrefix>",
        '<RootComponent type="1" schemaName="crg_ship" behavior="0" />',
        '<RootComponent type="1" schemaName="account" behavior="2" />',
        '<RootComponent type="9" schemaName="crg_colour" behavior="0" />',
    ):  # fmt: skip
        assert part in text, part
    assert taken(other, content).status == 204
    assert definitions(other) == definitions(filled)
    view = other.get(f"savedqueries({VIEW})?$select=name,returnedtypecode,description").json
    assert (view["name"], view["returnedtypecode"], view["description"]) == (
        "Active & fast",
        "crg_ship",
        "All of them",
    )
    solution = other.get(
        f"solutions?$filter=uniquename eq '{NAME}'&$select=version,friendlyname"
        "&$expand=publisherid($select=customizationprefix)"
    ).rows[0]
    assert (solution["version"], solution["friendlyname"]) == ("1.2.3.4", "Cargo <solution>")
    assert solution["publisherid"]["customizationprefix"] == "crg"
    assert exported(other) == content
    port = other.make("crg_ports", crg_name="Piraeus")
    ship = other.make("crg_ships", crg_name="Argo", **{"crg_HomePort@odata.bind": f"crg_ports({port})"})
    assert other.get(f"crg_ships({ship})?$select=crg_fast,crg_kind").json["crg_kind"] == 2
    before = state(other)
    assert taken(other, content).status == 204
    assert state(other) == before


def test_what_is_there_is_changed_and_nothing_is_deleted(filled: Web, other: Web) -> None:
    content = exported(filled)
    made(taken(other, content))
    made(
        other.call(
            "POST", "EntityDefinitions(LogicalName='crg_ship')/Attributes", column("Integer", "crg_Own")
        )
    )
    newer = edited(
        content, "customizations.xml", '<displayname description="Crew"', '<displayname description="Sailors"'
    )
    newer = edited(
        newer, "customizations.xml", '<LocalizedName description="Port"', '<LocalizedName description="Haven"'
    )
    newer = edited(newer, "customizations.xml", '<label description="Tug"', '<label description="Tugboat"')
    newer = edited(newer, "customizations.xml", "<CascadeDelete>Restrict<", "<CascadeDelete>RemoveLink<")
    newer = edited(newer, "customizations.xml", 'description="Active &amp; fast"', 'description="Fast"')
    newer = edited(newer, "solution.xml", "<Version>1.2.3.4<", "<Version>1.2.3.5<")
    assert taken(other, newer).status == 204
    ship = "EntityDefinitions(LogicalName='crg_ship')"
    crew = other.get(f"{ship}/Attributes(LogicalName='crg_crew')?$select=DisplayName").json
    assert crew["DisplayName"]["UserLocalizedLabel"]["Label"] == "Sailors"
    port = other.get("EntityDefinitions(LogicalName='crg_port')?$select=DisplayName").json
    assert port["DisplayName"]["UserLocalizedLabel"]["Label"] == "Haven"
    kind = other.get(
        f"{ship}/Attributes(LogicalName='crg_kind')/{CRM}PicklistAttributeMetadata?$expand=OptionSet"
    ).json
    labels = [each["Label"]["UserLocalizedLabel"]["Label"] for each in kind["OptionSet"]["Options"]]
    assert labels == ["Tugboat", "Ferry"]
    assert other.get(f"{ship}/Attributes(LogicalName='crg_own')").status == 200
    assert other.get(f"savedqueries({VIEW})?$select=name").json["name"] == "Fast"
    rel = other.get("RelationshipDefinitions(SchemaName='crg_port_ship')").json
    assert rel["CascadeConfiguration"]["Delete"] == "RemoveLink"
    assert (
        other.get(f"solutions?$filter=uniquename eq '{NAME}'&$select=version").rows[0]["version"] == "1.2.3.5"
    )


NOT_SUPPORTED = (501, "0x80040219")
INVALID = (400, "0x80048000")
MALFORMED = (400, "0x80048013")
TOO_LARGE = (400, "0x80040375")
MISSING = (400, "0x8004801d")


def test_files_that_are_not_taken_are_refused_and_nothing_changes(filled: Web) -> None:
    content = exported(filled)
    members = files(content)
    solution, custom = "solution.xml", "customizations.xml"
    deep = b"<ImportExportXml>" + b"<a>" * 100 + b"</a>" * 100 + b"</ImportExportXml>"
    cases = [
        (b"", INVALID), (b"PK\x05\x06", INVALID), (b"no archive", INVALID), (content[:-200], INVALID),
        (content.replace(b"PK\x01\x02", b"PK\x09\x09"), INVALID),
        (packed({solution: members[solution]}), INVALID),
        (packed({**members, "Workflows/a.json": b"{}"}), NOT_SUPPORTED),
        (packed({**members, "../evil.xml": b"x"}), NOT_SUPPORTED),
        (packed({**members, custom: b"\x00" * 20}), MALFORMED),
        (packed({**members, custom: b"<a"}), MALFORMED), (packed({**members, custom: b"<a/>"}), MALFORMED),
        (packed({**members, solution: b'<!DOCTYPE a [<!ENTITY b "c">]>' + members[solution]}), MALFORMED),
        (packed({**members, custom: deep}), TOO_LARGE),
        (packed({**members, custom: b" " * 8_000_000}), INVALID),
        (packed({**members, **{f"{number}.xml": b"" for number in range(1100)}}), TOO_LARGE),
        (edited(content, solution, "<Managed>0<", "<Managed>1<"), NOT_SUPPORTED),
        (edited(content, solution, "<UniqueName>CargoSolution<", "<UniqueName>Default<"), INVALID),
        (edited(content, solution, 'type="9"', 'type="29"'), NOT_SUPPORTED),
        (edited(content, solution, '<RootComponent type="9" schemaName="crg_colour" behavior="0" />', ""), INVALID),
        (edited(content, solution, "<MissingDependencies />", '<MissingDependencies><MissingDependency><Required '
                'type="1" schemaName="crg_absent" /></MissingDependency></MissingDependencies>'), MISSING),
        (edited(content, custom, "<ReferencedEntityName>crg_Port<", "<ReferencedEntityName>crg_Absent<"), INVALID),
        (edited(content, custom, "<Workflows />", '<Workflows><Workflow Name="x" /></Workflows>'), NOT_SUPPORTED),
        (edited(content, custom, "<EntityMaps />", "<EntityMaps /><Novelty />"), NOT_SUPPORTED),
        (edited(content, custom, "<Type>bigint<", "<Type>novelty<"), NOT_SUPPORTED),
        (edited(content, custom, "<SourceType>0<", "<SourceType>1<"), NOT_SUPPORTED),
        (edited(content, custom, "<SourceType>0</SourceType>", "<SourceType /><Novelty>1</Novelty>"), NOT_SUPPORTED),
        (edited(content, custom, 'description="Crew"', f'description="{"x" * 5000}"'), INVALID),
        (edited(content, custom, 'languagecode="1033" />', 'languagecode="1031" />'), (400, "0x80044195")),
    ]  # fmt: skip
    before = state(filled)
    for number, (wrong, expected) in enumerate(cases):
        answer = taken(filled, wrong)
        assert answer.fault == expected, (number, answer.text)
    for name in ("HoldingSolution", "ConvertToManaged", "SkipProductUpdateDependencies"):
        answer = taken(filled, content, **{name: True})
        assert (answer.fault, name in answer.text) == (NOT_SUPPORTED, True)
    assert state(filled) == before


def test_a_lookup_that_nobody_makes_is_refused(filled: Web, other: Web) -> None:
    """The column says that it is none of the solution's own, and no table is born with it."""
    content = exported(filled)
    members = files(content)
    text = members["customizations.xml"].decode()
    start = text.index('<attribute PhysicalName="crg_HomePort">')
    changed = text[start:].replace("<IsCustomField>1<", "<IsCustomField>0<", 1)
    answer = taken(other, packed({**members, "customizations.xml": (text[:start] + changed).encode()}))
    assert answer.fault == INVALID, answer.text
    assert other.get("EntityDefinitions(LogicalName='crg_ship')").status == 404


def test_an_import_that_fails_late_leaves_nothing_behind(filled: Web, other: Web) -> None:
    content = exported(filled)
    # A key over a column that keys do not take is found out only by the message that makes it.
    late = edited(content, "customizations.xml", "<AttributeName>crg_code<", "<AttributeName>crg_story<")
    before = other.get("solutions?$select=uniquename").rows
    answer = taken(other, late)
    assert answer.status == 400, answer.text
    assert other.get("EntityDefinitions(LogicalName='crg_ship')").status == 404
    assert other.get("GlobalOptionSetDefinitions(Name='crg_colour')").status == 404
    assert other.get("solutions?$select=uniquename").rows == before
    lacking = re.sub(
        r'<RootComponent type="1" schemaName="crg_port"[^>]*>', "", files(content)["solution.xml"].decode()
    )
    without = re.sub(
        r"<Entity>\s*<Name LocalizedName=\"Port\".*?</Entity>\s",
        "",
        files(content)["customizations.xml"].decode(),
        flags=re.DOTALL,
    )
    answer = taken(other, packed({"solution.xml": lacking.encode(), "customizations.xml": without.encode()}))
    assert (answer.fault, "crg_port" in answer.text) == (MISSING, True)
    assert taken(other, content).status == 204


def test_exports_that_are_not_given_are_refused_by_name(filled: Web) -> None:
    asked = {"SolutionName": NAME, "Managed": False}
    for more, expected, word in (
        ({"Managed": True}, NOT_SUPPORTED, "managed"),
        ({"SolutionName": "Default"}, NOT_SUPPORTED, "Default"),
        ({"SolutionName": "Absent"}, (404, "0x80040217"), "Absent"),
        ({"ExportCalendarSettings": True}, NOT_SUPPORTED, "ExportCalendarSettings"),
        ({"TargetVersion": "9.0"}, NOT_SUPPORTED, "TargetVersion"),
    ):
        answer = filled.call("POST", "ExportSolution", {**asked, **more})
        assert (answer.fault, word in answer.text) == (expected, True), answer.text
    quiet = {**asked, "ExportCalendarSettings": False, "TargetVersion": ""}
    assert filled.call("POST", "ExportSolution", quiet).status == 200


def test_solutions_go_in_and_out_over_soap_alike(filled: Web, other: Web) -> None:
    content = exported(filled)
    answer = Soap(filled).execute("ExportSolution", SolutionName=NAME, Managed=False)
    found = answer["ExportSolutionFile"]
    assert (found if isinstance(found, bytes) else base64.b64decode(found)) == content
    file = Of("c:base64Binary", base64.b64encode(content).decode())
    given = {"OverwriteUnmanagedCustomizations": False, "PublishWorkflows": False, "ImportJobId": guid(JOB)}
    typed = Soap(other).executed(
        "ImportSolution", {**given, "CustomizationFile": file}, kind="g:ImportSolutionRequest"
    )
    assert typed is not None
    assert exported(other) == content
    with pytest.raises(SoapFault) as failed:
        Soap(other).execute("ImportSolution", **given, CustomizationFile=Of("c:base64Binary", "AAAA"))
    assert failed.value.hex == "0x80048000"
