"""The shipped tables are whole and agree with each other. Reads the files alone: no loader, no engine."""

import json
from collections import Counter
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

BASE = files("orgstead.solutions").joinpath("base")

TABLE_KEYS = {
    "logical_name", "schema_name", "entity_set", "display_name", "display_collection_name",
    "object_type_code", "ownership", "primary_id", "primary_name", "primary_image", "is_activity",
    "has_activities", "has_notes", "is_intersect", "is_private", "change_tracking", "is_custom", "indexes",
}  # fmt: skip
TABLE_MUST = {
    "logical_name", "schema_name", "entity_set", "display_name", "display_collection_name",
    "object_type_code", "ownership", "primary_id", "primary_name",
}  # fmt: skip
COLUMN_KEYS = {
    "name", "schema_name", "type", "display_name", "required", "create", "update", "read", "attribute_of",
    "is_logical", "stored",
}  # fmt: skip
NUMBER_KEYS = {"min", "max", "precision"}
CHOICE_KEYS = {"options", "global_choice", "default"}
TYPE_KEYS: dict[str, set[str]] = {
    "string": {"max_length", "format", "autonumber", "outside"},
    "memo": {"max_length", "format"},
    "integer": {"min", "max", "format"},
    "bigint": set(),
    "decimal": NUMBER_KEYS,
    "double": NUMBER_KEYS,
    "money": NUMBER_KEYS | {"precision_source", "base_of"},
    "boolean": {"options", "default"},
    "choice": CHOICE_KEYS,
    "multichoice": CHOICE_KEYS,
    "state": {"options"},
    "status": {"options"},
    "datetime": {"format", "behavior"},
    "lookup": {"targets"},
    "customer": {"targets"},
    "owner": {"targets"},
    "partylist": {"targets"},
    "uniqueidentifier": set(),
    "image": set(),
    "file": set(),
    "entityname": set(),
    "managedproperty": {"default"},
    "virtual": set(),
}
ONE_TO_MANY_KEYS = {
    "schema_name", "referenced", "referenced_attribute", "referencing", "referencing_attribute",
    "referenced_navigation", "referencing_navigation", "hierarchical", "cascade",
}  # fmt: skip
MANY_TO_MANY_KEYS = {
    "schema_name", "intersect", "entity1", "entity1_attribute", "entity1_navigation", "entity2",
    "entity2_attribute", "entity2_navigation",
}  # fmt: skip
CASCADES = {"assign", "delete", "merge", "reparent", "share", "unshare"}
CASCADE_TYPES = {"NoCascade", "Cascade", "Active", "UserOwned", "RemoveLink", "Restrict"}
STRING_FORMATS = {
    "TextArea",
    "Email",
    "Phone",
    "Url",
    "TickerSymbol",
    "PhoneticGuide",
    "VersionNumber",
    "Json",
    "RichText",
}
REQUIRED = {"Recommended", "ApplicationRequired", "SystemRequired"}
LOOKUPS = {"lookup", "customer"}

# Lookups without a published relationship: copies of the customer column, ends of an N:N relationship, and
# owners that follow a parent row.
CUSTOMER_COPIES = {"accountid", "contactid", "parentcontactid"}
NO_RELATIONSHIP = {
    ("connection", "owningteam"), ("connection", "owninguser"), ("customeraddress", "owningbusinessunit"),
    ("customeraddress", "owninguser"), ("invoicedetail", "owningbusinessunit"), ("listmember", "entityid"),
    ("listmember", "listid"), ("opportunityproduct", "owningbusinessunit"), ("queue", "owningteam"),
    ("queue", "owninguser"), ("queueitem", "owningbusinessunit"), ("queueitem", "owninguser"),
    ("quotedetail", "owningbusinessunit"), ("recurringappointmentmaster", "groupid"),
    ("salesorderdetail", "owningbusinessunit"), ("solutioncomponent", "createdby"),
    ("solutioncomponent", "modifiedby"), ("userquery", "parentqueryid"),
}  # fmt: skip
OWNED_THROUGH_A_PARENT = {
    "activityparty", "customeraddress", "invoicedetail", "listmember", "opportunityproduct", "queueitem",
    "quotedetail", "salesorderdetail",
}  # fmt: skip

# Columns that Microsoft's reference names per table, companions and labels included.
MINIMUM_COLUMNS = {
    "account": 200, "activityparty": 30, "activitypointer": 75, "annotation": 40, "appointment": 90,
    "asyncoperation": 65, "bulkdeletefailure": 10, "bulkdeleteoperation": 22, "businessunit": 80,
    "calendar": 25, "callbackregistration": 35, "campaign": 60, "competitor": 85, "connection": 50,
    "connectionrole": 30, "contact": 280, "customeraddress": 50, "email": 130, "fax": 70,
    "fieldpermission": 15, "fieldsecurityprofile": 17, "incident": 130,
    "incidentresolution": 95, "invoice": 110, "invoicedetail": 90, "lead": 200, "letter": 70, "list": 50,
    "listmember": 25, "opportunity": 160, "opportunityclose": 100, "opportunityproduct": 65,
    "orderclose": 95, "organization": 320, "phonecall": 70, "pluginassembly": 50, "plugintype": 40,
    "pricelevel": 35, "privilege": 20, "product": 80, "productpricelevel": 45, "publisher": 70, "queue": 60,
    "queueitem": 45, "quote": 115, "quoteclose": 95, "quotedetail": 85, "recurringappointmentmaster": 100,
    "role": 40, "salesorder": 120, "salesorderdetail": 90, "savedquery": 50, "sdkmessage": 40,
    "sdkmessagefilter": 35, "sdkmessageprocessingstep": 70, "sdkmessageprocessingstepimage": 35,
    "sdkmessageprocessingstepsecureconfig": 17, "serviceappointment": 95, "serviceendpoint": 60,
    "solution": 45, "solutioncomponent": 18, "subject": 28, "systemuser": 160, "task": 65, "team": 45,
    "territory": 30, "transactioncurrency": 30, "uom": 30, "uomschedule": 30, "userquery": 35,
    "webresource": 38,
}  # fmt: skip

Row = dict[str, Any]


def read(name: str) -> list[tuple[str, Row]]:
    lines = BASE.joinpath(name).read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines:
        ((kind, row),) = json.loads(line).items()
        rows.append((kind, row))
    return rows


NAMES = sorted(entry.name.removesuffix(".jsonl") for entry in BASE.joinpath("tables").iterdir())
FILES = {name: read(f"tables/{name}.jsonl") for name in NAMES}
TABLES: dict[str, Row] = {name: rows[0][1] for name, rows in FILES.items()}
COLUMNS: dict[str, dict[str, Row]] = {
    name: {row["name"]: row for kind, row in rows if kind == "column"} for name, rows in FILES.items()
}
ONE_TO_MANY: list[Row] = [row for rows in FILES.values() for kind, row in rows if kind == "one_to_many"]
MANY_TO_MANY: list[Row] = [row for rows in FILES.values() for kind, row in rows if kind == "many_to_many"]
CHOICES: dict[str, Row] = {row["name"]: row for kind, row in read("choices.jsonl") if kind == "choice"}

every_table = pytest.mark.parametrize("table", NAMES)


def options(column: Row) -> list[list[Any]]:
    shared = column.get("global_choice")
    found: list[list[Any]] = CHOICES[shared]["options"] if shared else column.get("options", [])
    return found


@every_table
def test_a_file_is_a_table_then_columns_then_relationships_then_keys(table: str) -> None:
    order = {"table": 0, "column": 1, "one_to_many": 2, "many_to_many": 3, "key": 4}
    kinds = [order[kind] for kind, _ in FILES[table]]
    assert kinds == sorted(kinds)
    assert kinds.count(0) == 1
    assert TABLES[table]["logical_name"] == table


@every_table
def test_the_table_line_is_complete_and_has_only_known_keys(table: str) -> None:
    row = TABLES[table]
    assert row.keys() <= TABLE_KEYS
    assert row.keys() >= TABLE_MUST
    assert row["schema_name"].lower() == table
    assert row["ownership"] in {"UserOwned", "OrganizationOwned", "BusinessOwned", "TeamOwned", "None"}
    assert row["primary_id"] in COLUMNS[table]
    assert COLUMNS[table][row["primary_id"]]["type"] == "uniqueidentifier"
    assert row["primary_name"] is None or row["primary_name"] in COLUMNS[table]
    if "primary_image" in row:
        assert COLUMNS[table][row["primary_image"]]["type"] == "image"
    assert not [key for key, value in row.items() if value is False]


@every_table
def test_columns_have_only_the_keys_of_their_type(table: str) -> None:
    for row in COLUMNS[table].values():
        assert row.keys() <= COLUMN_KEYS | TYPE_KEYS[row["type"]], row["name"]
        assert row["schema_name"].lower() == row["name"]
        assert row.get("required", "None") in REQUIRED | {"None"}
        assert row.get("display_name", "x")


@every_table
def test_columns_are_sorted_after_the_id_and_the_name(table: str) -> None:
    names = [row["name"] for kind, row in FILES[table] if kind == "column"]
    assert len(names) == len(set(names))
    id, name = TABLES[table]["primary_id"], TABLES[table]["primary_name"]
    assert names[0] == id
    assert name is None or names[1] == name
    rest = [n for n in names if n not in (id, name)]
    assert rest == sorted(rest)


@every_table
def test_texts_have_a_length_and_numbers_a_range(table: str) -> None:
    for row in COLUMNS[table].values():
        match row["type"]:
            case "string" | "memo":
                assert row["max_length"] > 0, row["name"]
                assert row.get("format", "TextArea") in STRING_FORMATS, row["name"]
            case "integer":
                assert -(2**31) <= row["min"] <= row["max"] <= 2**31 - 1, row["name"]
                assert row.get("format", "Duration") in {"Duration", "TimeZone", "Language", "Locale"}
            case "decimal" | "double" | "money":
                assert row["min"] < row["max"], row["name"]
                assert 0 <= row["precision"] <= 12, row["name"]
            case "datetime":
                assert row["format"] in {"DateOnly", "DateAndTime"}
                assert row["behavior"] in {"UserLocal", "DateOnly", "TimeZoneIndependent"}


@every_table
def test_choices_have_distinct_values_and_a_default_among_them(table: str) -> None:
    for row in COLUMNS[table].values():
        if row["type"] not in {"choice", "multichoice", "boolean"}:
            continue
        values = [value for value, _ in options(row)]
        assert len(values) == len(set(values)), row["name"]
        assert not ({"options", "global_choice"} <= row.keys()), row["name"]
        if "default" in row:
            assert row["default"] in values, row["name"]
        if row["type"] == "boolean":
            assert values == [0, 1], row["name"]
            assert "default" in row, row["name"]


def test_every_global_choice_is_used_and_whole() -> None:
    used = {
        row["global_choice"]
        for columns in COLUMNS.values()
        for row in columns.values()
        if "global_choice" in row
    }
    assert used == CHOICES.keys()
    for row in CHOICES.values():
        assert row.keys() == {"name", "schema_name", "display_name", "options"}
        assert row["options"]
        assert row["schema_name"].lower() == row["name"]
    assert all(a < b for a, b in pairwise(CHOICES))


@every_table
def test_states_and_status_reasons_point_at_each_other(table: str) -> None:
    states = [row for row in COLUMNS[table].values() if row["type"] == "state"]
    statuses = [row for row in COLUMNS[table].values() if row["type"] == "status"]
    assert len(states) == len(statuses) <= 1
    for state, status in zip(states, statuses, strict=True):
        state_of = {value: owner for value, _, owner in status["options"]}
        default_of = {value: default for value, _, default in state["options"]}
        assert len(state_of) == len(status["options"])
        assert len(default_of) == len(state["options"])
        assert set(state_of.values()) == default_of.keys()
        assert all(state_of[default] == value for value, default in default_of.items())


@every_table
def test_every_base_amount_belongs_to_a_money_column(table: str) -> None:
    columns = COLUMNS[table]
    for row in columns.values():
        if row["type"] != "money":
            continue
        if row["name"].endswith("_base"):
            assert columns[row["base_of"]]["type"] == "money", row["name"]
            assert row.get("create") is False
            assert row.get("update") is False
        else:
            assert "base_of" not in row
            assert f"{row['name']}_base" in columns, row["name"]
    if any(row["type"] == "money" for row in columns.values()):
        assert columns["transactioncurrencyid"]["targets"] == ["transactioncurrency"]


@every_table
def test_companions_belong_to_a_column_and_keep_no_value(table: str) -> None:
    columns = COLUMNS[table]
    for row in columns.values():
        if "attribute_of" in row:
            assert row["attribute_of"] in columns, row["name"]
            assert row["type"] in {"string", "entityname", "virtual"}, row["name"]
            assert row["stored"] is False, row["name"]
        if row["type"] == "virtual":
            assert "attribute_of" in row, row["name"]


@every_table
def test_every_lookup_target_is_a_shipped_table(table: str) -> None:
    for row in COLUMNS[table].values():
        if row["type"] in LOOKUPS | {"owner", "partylist"}:
            assert set(row["targets"]) <= TABLES.keys(), row["name"]
            assert len(row["targets"]) == len(set(row["targets"])), row["name"]
        if row["type"] == "customer":
            assert row["targets"] == ["account", "contact"]
        if row["type"] == "owner":
            assert row["targets"] == ["systemuser", "team"]


@every_table
def test_every_stored_lookup_has_a_relationship_to_each_target(table: str) -> None:
    known = {
        (rel["referencing_attribute"], rel["referenced"])
        for rel in ONE_TO_MANY
        if rel["referencing"] == table
    }
    missing = set()
    for row in COLUMNS[table].values():
        copy = row["name"] in CUSTOMER_COPIES and row.get("is_logical", False)
        if row["type"] in LOOKUPS and row.get("stored", True) and not copy:
            missing |= {row["name"] for target in row["targets"] if (row["name"], target) not in known}
    assert missing == {column for owner, column in NO_RELATIONSHIP if owner == table}


@every_table
def test_an_owner_column_is_tied_to_the_owner_table(table: str) -> None:
    if not any(row["type"] == "owner" for row in COLUMNS[table].values()) or table in OWNED_THROUGH_A_PARENT:
        return
    assert [
        rel["referenced_attribute"]
        for rel in ONE_TO_MANY
        if (rel["referencing"], rel["referencing_attribute"], rel["referenced"])
        == (table, "ownerid", "owner")
    ] == ["ownerid"]


def test_relationship_names_are_unique() -> None:
    names = Counter(rel["schema_name"] for rel in ONE_TO_MANY + MANY_TO_MANY)
    assert [name for name, count in names.items() if count > 1] == []


def test_one_to_many_relationships_join_columns_that_exist() -> None:
    for rel in ONE_TO_MANY:
        name = rel["schema_name"]
        assert rel.keys() <= ONE_TO_MANY_KEYS, name
        assert rel.keys() >= ONE_TO_MANY_KEYS - {"hierarchical"}, name
        assert rel["cascade"].keys() == CASCADES, name
        assert set(rel["cascade"].values()) <= CASCADE_TYPES, name
        assert rel["referenced_attribute"] == TABLES[rel["referenced"]]["primary_id"], name
        column = COLUMNS[rel["referencing"]][rel["referencing_attribute"]]
        if column["type"] in LOOKUPS:
            assert rel["referenced"] in column["targets"], name
        elif column["type"] == "owner":
            assert rel["referenced"] == "owner", name
        else:
            assert column["type"] == "uniqueidentifier", name


@every_table
def test_relationships_stand_in_the_file_of_the_side_that_refers(table: str) -> None:
    for kind, row in FILES[table]:
        if kind == "one_to_many":
            assert row["referencing"] == table
        elif kind == "many_to_many":
            assert min(row["entity1"], row["entity2"]) == table


def test_many_to_many_relationships_join_shipped_tables() -> None:
    for rel in MANY_TO_MANY:
        name = rel["schema_name"]
        assert rel.keys() == MANY_TO_MANY_KEYS, name
        assert {rel["entity1"], rel["entity2"]} <= TABLES.keys(), name
        assert rel["entity1_attribute"] != rel["entity2_attribute"], name
        if rel["intersect"] in TABLES:
            assert {rel["entity1_attribute"], rel["entity2_attribute"]} <= COLUMNS[rel["intersect"]].keys(), (
                name
            )


@every_table
def test_navigation_names_are_unique_and_no_columns_of_another_kind(table: str) -> None:
    names = [rel["referencing_navigation"] for rel in ONE_TO_MANY if rel["referencing"] == table]
    names += [rel["referenced_navigation"] for rel in ONE_TO_MANY if rel["referenced"] == table]
    for rel in MANY_TO_MANY:
        ends = {rel[f"entity{end}_navigation"] for end in (1, 2) if rel[f"entity{end}"] == table}
        names += ends
    assert [name for name, count in Counter(names).items() if count > 1] == []
    columns = COLUMNS[table]
    properties = {name for name, row in columns.items() if row["type"] not in LOOKUPS | {"owner"}}
    assert properties & set(names) == set()


def test_object_type_codes_entity_sets_and_names_are_unique() -> None:
    for key in ("object_type_code", "entity_set", "schema_name"):
        values = [row[key] for row in TABLES.values()]
        assert len(values) == len(set(values)), key


@pytest.mark.parametrize(
    ("table", "column", "target", "navigation"),
    [
        ("account", "primarycontactid", "contact", "primarycontactid"),
        ("contact", "parentcustomerid", "account", "parentcustomerid_account"),
        ("opportunity", "customerid", "contact", "customerid_contact"),
        ("task", "regardingobjectid", "account", "regardingobjectid_account_task"),
        ("task", "ownerid", "owner", "ownerid_task"),
        ("task", "createdby", "systemuser", "createdby_task"),
        ("task", "activityid", "activitypointer", "activityid_activitypointer"),
        ("account", "ownerid", "owner", "ownerid"),
        ("activityparty", "activityid", "appointment", "activityid_appointment"),
        ("activityparty", "partyid", "systemuser", "partyid_systemuser"),
        ("annotation", "objectid", "lead", "objectid_lead"),
        ("connection", "record1id", "account", "record1id_account"),
        ("email", "emailsender", "lead", "emailsender_lead"),
        ("email", "regardingobjectid", "asyncoperation", "regardingobjectid_asyncoperation"),
        ("queueitem", "objectid", "incident", "objectid_incident"),
        ("opportunityclose", "opportunityid", "opportunity", "opportunityid"),
        ("quotedetail", "parentbundleid", "quotedetail", "parentbundleid_quotedetail"),
        ("salesorderdetail", "quotedetailid", "quotedetail", "QuoteDetailId"),
        ("role", "organizationid", "organization", "organizationid_organization"),
        ("role", "solutionid", "solution", "solution_role"),
        ("sdkmessagefilter", "sdkmessageid", "sdkmessage", "sdkmessageid"),
        ("sdkmessageprocessingstep", "eventhandler", "plugintype", "eventhandler_plugintype"),
        ("sdkmessageprocessingstep", "eventhandler", "serviceendpoint", "eventhandler_serviceendpoint"),
        ("sdkmessageprocessingstep", "impersonatinguserid", "systemuser", "impersonatinguserid"),
        ("sdkmessageprocessingstep", "sdkmessagefilterid", "sdkmessagefilter", "sdkmessagefilterid"),
        ("sdkmessageprocessingstep", "sdkmessageid", "sdkmessage", "sdkmessageid"),
        (
            "sdkmessageprocessingstepimage",
            "sdkmessageprocessingstepid",
            "sdkmessageprocessingstep",
            "sdkmessageprocessingstepid",
        ),
        ("asyncoperation", "owningextensionid", "sdkmessageprocessingstep", "owningextensionid"),
        ("customeraddress", "parentid", "contact", "parentid_contact"),
    ],
)
def test_single_valued_navigation_has_the_published_name(
    table: str, column: str, target: str, navigation: str
) -> None:
    (found,) = (
        rel["referencing_navigation"]
        for rel in ONE_TO_MANY
        if (rel["referencing"], rel["referencing_attribute"], rel["referenced"]) == (table, column, target)
    )
    assert found == navigation


@pytest.mark.parametrize(
    ("table", "navigation", "other"),
    [
        ("account", "Account_Tasks", "task"),
        ("account", "contact_customer_accounts", "contact"),
        ("account", "account_parent_account", "account"),
        ("appointment", "appointment_activity_parties", "activityparty"),
        ("opportunity", "product_opportunities", "opportunityproduct"),
        ("opportunity", "Opportunity_OpportunityClose", "opportunityclose"),
        ("incident", "Incident_IncidentResolutions", "incidentresolution"),
        ("quote", "quote_details", "quotedetail"),
        ("invoice", "invoice_details", "invoicedetail"),
        ("product", "product_price_levels", "productpricelevel"),
        (
            "sdkmessageprocessingstep",
            "sdkmessageprocessingstepid_sdkmessageprocessingstepimage",
            "sdkmessageprocessingstepimage",
        ),
        ("serviceendpoint", "serviceendpoint_sdkmessageprocessingstep", "sdkmessageprocessingstep"),
        ("solution", "solution_solutioncomponent", "solutioncomponent"),
        ("systemuser", "lk_accountbase_createdby", "account"),
    ],
)
def test_collection_valued_navigation_has_the_published_name(table: str, navigation: str, other: str) -> None:
    assert [
        rel["referencing"]
        for rel in ONE_TO_MANY
        if (rel["referenced"], rel["referenced_navigation"]) == (table, navigation)
    ] == [other]


def test_the_published_intersects_are_there() -> None:
    assert {rel["intersect"] for rel in MANY_TO_MANY} >= {
        "accountleads", "campaignitem", "competitorproduct", "connectionroleassociation", "contactinvoices",
        "contactleads", "contactorders", "contactquotes", "leadcompetitors", "leadproduct", "listmember",
        "opportunitycompetitors", "queuemembership", "roleprivileges", "systemuserroles", "teammembership",
        "teamroles",
    }  # fmt: skip


def test_each_table_has_at_least_its_published_columns() -> None:
    short = {
        name: len(COLUMNS[name]) for name, least in MINIMUM_COLUMNS.items() if len(COLUMNS[name]) < least
    }
    assert short == {}
    assert (
        sorted(
            [
                *MINIMUM_COLUMNS,
                "customapi",
                "customapirequestparameter",
                "customapiresponseproperty",
                "fileattachment",
                "owner",
                "principalobjectaccess",
                "roleprivileges",
            ]
        )
        == NAMES
    )


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (
            "account",
            "lastonholdtime originatingleadid address1_composite opendeals revenue_base telephone1 accountcategorycode",
        ),
        (
            "contact",
            "annualincome parentcustomerid fullname lastonholdtime originatingleadid birthdate gendercode",
        ),
        ("lead", "lastonholdtime budgetstatus qualifyingopportunityid companyname"),
        (
            "opportunity",
            "originatingleadid estimatedvalue actualvalue closeprobability lastonholdtime totalamount",
        ),
        ("incident", "ticketnumber customerid primarycontactid lastonholdtime firstresponseslastatus"),
        ("systemuser", "azureactivedirectoryobjectid domainname isdisabled applicationid accessmode"),
        (
            "organization",
            "basecurrencyid languagecode maxuploadfilesize fiscalcalendarstart currencydecimalprecision",
        ),
        ("sdkmessagefilter", "sdkmessageid primaryobjecttypecode"),
        ("serviceendpoint", "contract url authtype authvalue isauthvalueset messageformat"),
        (
            "sdkmessageprocessingstep",
            "asyncautodelete eventhandler filteringattributes mode rank stage statecode supporteddeployment",
        ),
        ("sdkmessageprocessingstepimage", "attributes entityalias imagetype messagepropertyname"),
    ],
)
def test_columns_that_real_programs_read_are_there(table: str, columns: str) -> None:
    assert set(columns.split()) <= COLUMNS[table].keys()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("pluginassembly", "password"),
        ("serviceendpoint", "authvalue"),
        ("serviceendpoint", "saskey"),
        ("serviceendpoint", "sastoken"),
    ],
)
def test_what_proves_who_is_calling_is_written_and_never_read(table: str, column: str) -> None:
    assert COLUMNS[table][column]["read"] is False
    assert COLUMNS[table][column].get("create", True)


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("serviceendpoint", "contract", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("serviceendpoint", "authtype", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("sdkmessageprocessingstep", "mode", [0, 1]),
        ("sdkmessageprocessingstep", "supporteddeployment", [0, 1, 2]),
        ("sdkmessageprocessingstepimage", "imagetype", [0, 1, 2]),
    ],
)
def test_choices_of_steps_and_endpoints_have_the_published_values(
    table: str, column: str, values: list[int]
) -> None:
    assert [value for value, _ in options(COLUMNS[table][column])] == values
