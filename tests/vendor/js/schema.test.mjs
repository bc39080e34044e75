import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, CRM, GUID, label, refused, tableOf } from "./client.mjs";

const api = connect();
const TABLE = "LogicalName='new_bankaccount'";
const text = (value) => value.UserLocalizedLabel.Label;
const none = { Value: "None", CanBeChanged: true, ManagedPropertyLogicalName: "canmodifyrequirementlevelsettings" };
const column = (type, SchemaName, more) => ({
  "@odata.type": `${CRM}${type}AttributeMetadata`,
  SchemaName,
  DisplayName: label(SchemaName),
  Description: label(`What ${SchemaName} is`),
  RequiredLevel: none,
  ...more,
});
const cascade = Object.fromEntries(
  ["Assign", "Delete", "Merge", "Reparent", "Share", "Unshare"].map((name) => [name, name === "Delete" ? "RemoveLink" : "NoCascade"]),
);
let table;

before(async () => {
  table = await api.createEntity({ data: tableOf("new_BankAccount", "new_AccountName") });
  assert.match(table, GUID);
});

after(() => api.deleteRecord({ collection: "EntityDefinitions", key: TABLE }));

test("a table is found by its id, by its name, in a list and with its columns", async () => {
  const select = ["SchemaName", "LogicalName", "EntitySetName", "PrimaryNameAttribute", "OwnershipType"];
  for (const key of [table, TABLE, `{${table}}`]) {
    const found = await api.retrieveEntity({ key, select });
    assert.equal(found.MetadataId, table);
    assert.deepEqual(
      select.map((name) => found[name]),
      ["new_BankAccount", "new_bankaccount", "new_bankaccounts", "new_accountname", "UserOwned"],
    );
  }
  const listed = await api.retrieveEntities({
    select: ["LogicalName"],
    filter: `OwnershipType eq ${CRM}OwnershipTypes'UserOwned'`,
  });
  const names = listed.value.map((each) => each.LogicalName);
  assert.ok(names.includes("new_bankaccount") && names.includes("account") && !names.includes("systemuser"));
  const whole = await api.retrieve({
    collection: "EntityDefinitions", key: table, select: ["LogicalName"], expand: "Attributes",
  });
  assert.ok(whole.Attributes.some((each) => each.LogicalName === "new_accountname"));
  const part = await api.retrieveEntity({
    key: "LogicalName='account'",
    select: ["LogicalName"],
    expand: [{ property: "Attributes", select: ["LogicalName"], filter: "LogicalName eq 'name'" }],
  });
  assert.deepEqual(part.Attributes.map((each) => each.LogicalName), ["name"]);
  await refused(api.retrieveEntity({ key: "LogicalName='nosuch'" }), 404, undefined, /nosuch/);
});

test("a table's labels are changed and published", async () => {
  const whole = await api.retrieveEntity({ key: TABLE });
  whole.DisplayName.LocalizedLabels[0].Label = "New Bank Account";
  await api.updateEntity({ data: whole });
  assert.equal(text((await api.retrieveEntity({ key: TABLE })).DisplayName), "New Bank Account");
  const again = await api.retrieve({ collection: "EntityDefinitions", key: TABLE });
  again.DisplayName.LocalizedLabels[0].Label = "Account at a bank";
  await api.update({ collection: "EntityDefinitions", key: again.MetadataId, mergeLabels: true, data: again });
  await api.callAction({
    actionName: "PublishXml",
    action: { ParameterXml: "<importexportxml><entities><entity>new_bankaccount</entity></entities></importexportxml>" },
  });
  assert.equal(text((await api.retrieveEntity({ key: TABLE })).DisplayName), "Account at a bank");
});

test("columns of every kind are made, and rows hold their values", async () => {
  const options = [
    { Value: 100000000, Label: label("Current") },
    { Value: 100000001, Label: label("Savings") },
  ];
  const own = { "@odata.type": `${CRM}OptionSetMetadata`, IsGlobal: false, OptionSetType: "Picklist", Options: options };
  const yesNo = {
    "@odata.type": `${CRM}BooleanOptionSetMetadata`,
    IsGlobal: false,
    OptionSetType: "Boolean",
    TrueOption: { Value: 1, Label: label("Closed") },
    FalseOption: { Value: 0, Label: label("Open") },
  };
  const moment = new Date(Date.UTC(2025, 5, 1, 12, 30));
  for (const [type, name, more, value] of [
    ["String", "new_Iban", { MaxLength: 34, FormatName: { Value: "Text" } }, "AT00 1234"],
    ["Memo", "new_Remarks", { MaxLength: 2000, Format: "TextArea" }, "line 1\nline 2"],
    ["Integer", "new_Cards", { MinValue: 0, MaxValue: 10, Format: "None" }, 3],
    ["BigInt", "new_Transfers", {}, 9007199254740],
    ["Decimal", "new_Rate", { MinValue: 0, MaxValue: 100, Precision: 4 }, 1.2345],
    ["Double", "new_Score", { MinValue: 0, MaxValue: 100, Precision: 2 }, 12.25],
    ["Money", "new_Balance", { AttributeType: "Money", AttributeTypeName: { Value: "MoneyType" }, PrecisionSource: 2 }, 1234.5],
    ["Boolean", "new_Closed", { DefaultValue: false, OptionSet: yesNo }, true],
    ["DateTime", "new_Opened", { Format: "DateAndTime", DateTimeBehavior: { Value: "UserLocal" } }, moment],
    ["DateTime", "new_Expires", { Format: "DateOnly", DateTimeBehavior: { Value: "DateOnly" } }, "2030-12-31"],
    ["Picklist", "new_Kind", { OptionSet: own }, 100000001],
    ["MultiSelectPicklist", "new_Services", { OptionSet: own }, "100000000,100000001"],
  ]) {
    const logical = name.toLowerCase();
    const id = await api.createAttribute({ entityKey: table, data: column(type, name, more) });
    const found = await api.retrieveAttribute({
      entityKey: TABLE, attributeKey: `LogicalName='${logical}'`, castType: `${CRM}${type}AttributeMetadata`,
    });
    assert.equal(found.MetadataId, id, name);
    assert.equal(found.SchemaName, name);
    assert.equal(found["@odata.type"] ?? `#${CRM}${type}AttributeMetadata`, `#${CRM}${type}AttributeMetadata`);
    assert.equal(found.AttributeTypeName.Value, `${type}Type`);
    const row = await api.create({
      collection: "new_bankaccounts", data: { [logical]: value }, returnRepresentation: true, select: [logical],
    });
    assert.deepEqual(row[logical], value, name);
  }
  const kind = await api.retrieveAttribute({
    entityKey: table,
    attributeKey: "LogicalName='new_kind'",
    castType: `${CRM}PicklistAttributeMetadata`,
    select: ["LogicalName"],
    expand: [{ property: "OptionSet", select: ["Options"] }, { property: "GlobalOptionSet" }],
  });
  assert.deepEqual(kind.OptionSet.Options.map((each) => [each.Value, text(each.Label)]), [[100000000, "Current"], [100000001, "Savings"]]);
});

test("columns are listed, all of them and those of a type", async () => {
  const all = await api.retrieveAttributes({ entityKey: "LogicalName='account'", select: ["LogicalName", "AttributeType"] });
  const kinds = new Map(all.value.map((each) => [each.LogicalName, each.AttributeType]));
  assert.deepEqual([kinds.get("name"), kinds.get("revenue"), kinds.get("primarycontactid")], ["String", "Money", "Lookup"]);
  const money = await api.retrieveAttributes({
    entityKey: "LogicalName='account'", castType: `${CRM}MoneyAttributeMetadata`, select: ["LogicalName", "PrecisionSource"],
  });
  assert.ok(money.value.length > 3);
  assert.ok(money.value.every((each) => kinds.get(each.LogicalName) === "Money" && typeof each.PrecisionSource === "number"));
  const one = await api.retrieveAttributes({ entityKey: TABLE, filter: "SchemaName eq 'new_AccountName'" });
  assert.deepEqual(one.value.map((each) => [each.LogicalName, each.IsPrimaryName]), [["new_accountname", true]]);
  const general = await api.retrieve({
    collection: "EntityDefinitions",
    key: "LogicalName='account'",
    navigationProperty: "Attributes",
    navigationPropertyKey: "LogicalName='name'",
    metadataAttributeType: `${CRM}StringAttributeMetadata`,
  });
  assert.deepEqual([general.MaxLength, text(general.DisplayName)], [160, "Account Name"]);
});

test("a column is changed, with a cast and without one", async () => {
  const attributeKey = await api.createAttribute({
    entityKey: table, data: column("Integer", "new_Changed", { MinValue: 0, MaxValue: 10, Format: "None" }),
  });
  const plain = await api.retrieveAttribute({ entityKey: TABLE, attributeKey });
  plain.DisplayName.LocalizedLabels[0].Label = "Changed once";
  assert.equal(await api.updateAttribute({ entityKey: TABLE, data: plain }), true);
  const castType = `${CRM}IntegerAttributeMetadata`;
  const typed = await api.retrieveAttribute({ entityKey: TABLE, attributeKey, castType });
  assert.equal(text(typed.DisplayName), "Changed once");
  typed.MaxValue = 99;
  await api.updateAttribute({ entityKey: TABLE, data: typed, castType, mergeLabels: true });
  const read = await api.retrieveAttribute({ entityKey: TABLE, attributeKey, castType, select: ["MaxValue", "MinValue"] });
  assert.deepEqual([read.MinValue, read.MaxValue], [0, 99]);
  await refused(
    api.create({ collection: "new_bankaccounts", data: { new_changed: 100 } }), 400, undefined, /new_changed/,
  );
  await api.deleteRecord({
    collection: "EntityDefinitions", key: TABLE, navigationProperty: "Attributes", navigationPropertyKey: attributeKey,
  });
  await refused(api.retrieveAttribute({ entityKey: TABLE, attributeKey: "LogicalName='new_changed'" }), 404);
});

test("a lookup is made by its relationship, changed with it and deleted with it", async () => {
  const key = await api.createRelationship({
    data: {
      SchemaName: "new_contact_new_bankaccount",
      "@odata.type": `${CRM}OneToManyRelationshipMetadata`,
      AssociatedMenuConfiguration: { Behavior: "UseCollectionName", Group: "Details", Label: label("Bank accounts"), Order: 10000 },
      CascadeConfiguration: cascade,
      ReferencedAttribute: "contactid",
      ReferencedEntity: "contact",
      ReferencingEntity: "new_bankaccount",
      Lookup: column("Lookup", "new_HolderId", { AttributeType: "Lookup", AttributeTypeName: { Value: "LookupType" } }),
    },
  });
  assert.match(key, GUID);
  const castType = `${CRM}OneToManyRelationshipMetadata`;
  const found = await api.retrieveRelationship({ key, castType });
  assert.deepEqual(
    [found.ReferencingEntity, found.ReferencingAttribute, found.ReferencingEntityNavigationPropertyName],
    ["new_bankaccount", "new_holderid", "new_HolderId"],
  );
  const contact = await api.create({ collection: "contacts", data: { firstname: "Hol", lastname: "Der" } });
  const row = await api.create({
    collection: "new_bankaccounts",
    data: { new_accountname: "Held", "new_HolderId@odata.bind": `contacts(${contact})` },
    returnRepresentation: true,
    includeAnnotations: "*",
    expand: [{ property: "new_HolderId", select: ["fullname"] }],
  });
  assert.equal(row._new_holderid_value_NavigationProperty, "new_HolderId");
  assert.equal(row.new_HolderId.fullname, "Hol Der");

  found.AssociatedMenuConfiguration.Label.LocalizedLabels[0].Label = "Held accounts";
  found.AssociatedMenuConfiguration.Order = 10010;
  await api.updateRelationship({ data: found, castType });
  const changed = await api.retrieveRelationship({ key, castType });
  assert.equal(changed.AssociatedMenuConfiguration.Order, 10010);
  assert.equal(text(changed.AssociatedMenuConfiguration.Label), "Held accounts");
  const listed = await api.retrieveRelationships({
    castType, select: ["SchemaName", "MetadataId"], filter: "ReferencedEntity eq 'contact' and ReferencingEntity eq 'new_bankaccount'",
  });
  assert.deepEqual(listed.value.map((each) => each.MetadataId), [key]);
  assert.equal(await api.deleteRelationship({ key }), true);
  await refused(api.retrieveRelationship({ key }), 404);
  await refused(api.retrieveAttribute({ entityKey: TABLE, attributeKey: "LogicalName='new_holderid'" }), 404);
});

test("a many-to-many relationship is made, used and deleted", async () => {
  const castType = `${CRM}ManyToManyRelationshipMetadata`;
  const menu = { Behavior: "UseCollectionName", Group: "Details", Label: label("Signatories"), Order: 10000 };
  const key = await api.createRelationship({
    data: {
      "@odata.type": castType,
      SchemaName: "new_bankaccount_contact",
      IntersectEntityName: "new_bankaccount_contact",
      Entity1LogicalName: "new_bankaccount",
      Entity2LogicalName: "contact",
      Entity1AssociatedMenuConfiguration: menu,
      Entity2AssociatedMenuConfiguration: menu,
    },
  });
  const found = await api.retrieveRelationship({ key, castType });
  assert.deepEqual([found.SchemaName, found.Entity1LogicalName, found.Entity2LogicalName], ["new_bankaccount_contact", "new_bankaccount", "contact"]);
  const account = await api.create({ collection: "new_bankaccounts", data: { new_accountname: "Signed" } });
  const contact = await api.create({ collection: "contacts", data: { lastname: "Signs" } });
  const tie = {
    collection: "new_bankaccounts", primaryKey: account, relationshipName: "new_bankaccount_contact", relatedCollection: "contacts", relatedKey: contact,
  };
  await api.associate(tie);
  const row = await api.retrieve({
    collection: "new_bankaccounts", key: account, expand: [{ property: "new_bankaccount_contact", select: ["lastname"] }],
  });
  assert.deepEqual(row.new_bankaccount_contact.map((each) => each.lastname), ["Signs"]);
  await api.disassociate(tie);
  const listed = await api.retrieveRelationships({ castType, select: ["SchemaName"], filter: "SchemaName eq 'new_bankaccount_contact'" });
  assert.equal(listed.value.length, 1);
  await api.deleteRelationship({ key });
  await refused(api.retrieveRelationship({ key }), 404);
});

test("a lookup of several tables is made in one call", async () => {
  const made = await api.callAction({
    actionName: "CreatePolymorphicLookupAttribute",
    action: {
      OneToManyRelationships: ["account", "contact"].map((ReferencedEntity) => ({
        SchemaName: `new_bankaccount_keeper_${ReferencedEntity}`,
        ReferencedEntity,
        ReferencingEntity: "new_bankaccount",
        CascadeConfiguration: cascade,
      })),
      Lookup: {
        "@odata.type": `${CRM}ComplexLookupAttributeMetadata`,
        AttributeType: "Lookup",
        AttributeTypeName: { Value: "LookupType" },
        SchemaName: "new_KeeperId",
        DisplayName: label("Keeper"),
        Description: label("Who keeps it"),
      },
    },
  });
  assert.match(made.AttributeId, GUID);
  assert.equal(made.RelationshipIds.length, 2);
  const account = await api.create({ collection: "accounts", data: { name: "Keeper" } });
  const row = await api.create({
    collection: "new_bankaccounts",
    data: { new_accountname: "Kept", "new_KeeperId_account@odata.bind": `accounts(${account})` },
    returnRepresentation: true,
    includeAnnotations: "*",
  });
  assert.equal(row._new_keeperid_value, account);
  assert.equal(row._new_keeperid_value_LogicalName, "account");
});

test("a global choice is made as the library shows it, changed, used and deleted", async () => {
  const Name = "new_customglobaloptionset";
  const plain = (Label) => ({
    LocalizedLabels: [{ Label, LanguageCode: 1033 }], UserLocalizedLabel: { Label, LanguageCode: 1033 },
  });
  const empty = { LocalizedLabels: [], UserLocalizedLabel: null };
  const id = await api.createGlobalOptionSet({
    data: {
      "@odata.type": `${CRM}OptionSetMetadata`,
      IsCustomOptionSet: true,
      IsGlobal: true,
      IsManaged: false,
      Name,
      OptionSetType: "Picklist",
      Options: [
        { Value: 0, Label: plain("Label 1"), Description: empty },
        { Value: 1, Label: plain("Label 2"), Description: empty },
      ],
      Description: plain("What it is"),
      DisplayName: plain("How it is shown"),
      IsCustomizable: { Value: true, CanBeChanged: true, ManagedPropertyLogicalName: "iscustomizable" },
    },
  });
  const castType = `${CRM}OptionSetMetadata`;
  const key = `Name='${Name}'`;
  const made = await api.retrieveGlobalOptionSet({ key, castType, select: ["Name", "Options"] });
  assert.deepEqual([made.MetadataId, made.Name, made.Options.map((each) => each.Value)], [id, Name, [0, 1]]);
  const whole = await api.retrieveGlobalOptionSet({ key });
  whole.DisplayName.LocalizedLabels[0].Label = "Shown otherwise";
  await api.updateGlobalOptionSet({ data: whole, castType, mergeLabels: true });
  const shown = await api.retrieveGlobalOptionSet({ key: id, select: ["DisplayName"] });
  assert.equal(text(shown.DisplayName), "Shown otherwise");
  const column_ = await api.createAttribute({
    entityKey: table,
    data: column("Picklist", "new_Shared", { "GlobalOptionSet@odata.bind": `/GlobalOptionSetDefinitions(${id})` }),
  });
  const row = await api.create({
    collection: "new_bankaccounts", data: { new_shared: 1 }, returnRepresentation: true, includeAnnotations: "*",
  });
  assert.equal(row.new_shared_Formatted, "Label 2");
  const value = await api.callAction({
    actionName: "InsertOptionValue", action: { OptionSetName: Name, Value: 2, Label: label("Label 3") },
  });
  assert.equal(value.NewOptionValue, 2);
  const all = await api.retrieveGlobalOptionSets({ castType, select: ["Name", "Options"] });
  assert.equal(all.value.find((each) => each.Name === Name).Options.length, 3);
  assert.ok((await api.retrieveGlobalOptionSets()).value.length >= all.value.length);
  await refused(api.deleteGlobalOptionSet({ key }), 400);
  await api.deleteRecord({
    collection: "EntityDefinitions", key: TABLE, navigationProperty: "Attributes", navigationPropertyKey: column_,
  });
  assert.equal(await api.deleteGlobalOptionSet({ key }), true);
  await refused(api.retrieveGlobalOptionSet({ key }), 404);
});

test("a definition that cannot be is refused", async () => {
  await refused(api.createEntity({ data: tableOf("new_BankAccount", "new_AccountName") }), 400);
  await refused(api.createEntity({ data: tableOf("NoPrefix", "new_Name") }), 400);
  await refused(api.createAttribute({ entityKey: table, data: column("String", "new_AccountName", { MaxLength: 10 }) }), 400);
  await refused(api.createAttribute({ entityKey: "LogicalName='nosuch'", data: column("String", "new_X", { MaxLength: 10 }) }), 404);
  await refused(api.retrieveAttribute({ entityKey: TABLE, attributeKey: "LogicalName='nosuch'" }), 404, undefined, /nosuch/);
  await refused(api.retrieveEntities({ select: ["NoSuch"] }), 400, undefined, /NoSuch/);
  await refused(
    api.retrieveAttributes({ entityKey: TABLE, castType: `${CRM}NoSuchAttributeMetadata` }), 404, undefined, /NoSuch/,
  );
});
