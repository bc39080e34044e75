import assert from "node:assert/strict";
import { after, test } from "node:test";
import { connect, label } from "./client.mjs";

const api = connect();
const CRM = "Microsoft.Dynamics.CRM.";

after(() => api.deleteRecord({ collection: "EntityDefinitions", key: "LogicalName='new_oar'" }).catch(() => {}));

test("a table is made, read and changed", async () => {
  const id = await api.createEntity({
    data: {
      "@odata.type": `${CRM}EntityMetadata`,
      SchemaName: "new_Oar",
      DisplayName: label("Oar"),
      DisplayCollectionName: label("Oars"),
      OwnershipType: "UserOwned",
      HasActivities: false,
      HasNotes: false,
      IsActivity: false,
      Attributes: [
        {
          "@odata.type": `${CRM}StringAttributeMetadata`,
          SchemaName: "new_Name",
          IsPrimaryName: true,
          MaxLength: 100,
          DisplayName: label("Name"),
          RequiredLevel: { Value: "None", CanBeChanged: true },
        },
      ],
    },
  });
  assert.match(id, /^[0-9a-f-]{36}$/);
  const made = await api.retrieveEntity({ key: "LogicalName='new_oar'", select: ["EntitySetName", "SchemaName"] });
  assert.equal(made.EntitySetName, "new_oars");
  const whole = await api.retrieveEntity({ key: id });
  whole.DisplayName = label("Long oar");
  await api.updateEntity({ key: whole.MetadataId, data: whole, mergeLabels: true });
  const changed = await api.retrieveEntity({ key: id, select: ["DisplayName"] });
  assert.equal(changed.DisplayName.UserLocalizedLabel.Label, "Long oar");
  const all = await api.retrieveEntities({ select: ["LogicalName"], filter: "LogicalName eq 'new_oar'" });
  assert.deepEqual(all.value.map((table) => table.LogicalName), ["new_oar"]);
});

test("columns are made, read by type and changed", async () => {
  const key = "LogicalName='new_oar'";
  const id = await api.createAttribute({
    entityKey: key,
    data: {
      "@odata.type": `${CRM}IntegerAttributeMetadata`,
      SchemaName: "new_Length",
      DisplayName: label("Length"),
      RequiredLevel: { Value: "None" },
      MinValue: 0,
      MaxValue: 500,
      Format: "None",
    },
  });
  const column = await api.retrieveAttribute({
    entityKey: key,
    attributeKey: id,
    castType: `${CRM}IntegerAttributeMetadata`,
  });
  assert.deepEqual([column.LogicalName, column.MaxValue], ["new_length", 500]);
  column.MaxValue = 600;
  await api.updateAttribute({ entityKey: key, data: column, castType: `${CRM}IntegerAttributeMetadata` });
  const columns = await api.retrieveAttributes({
    entityKey: key,
    castType: `${CRM}IntegerAttributeMetadata`,
    select: ["LogicalName", "MaxValue"],
  });
  const found = columns.value.find((each) => each.LogicalName === "new_length");
  assert.equal(found.MaxValue, 600);
  const row = await api.create({
    collection: "new_oars",
    data: { new_name: "Left", new_length: 550 },
    returnRepresentation: true,
  });
  assert.equal(row.new_length, 550);
});

test("a relationship is made, read and deleted", async () => {
  const id = await api.createRelationship({
    data: {
      "@odata.type": `${CRM}OneToManyRelationshipMetadata`,
      SchemaName: "new_account_new_oar",
      ReferencedEntity: "account",
      ReferencedAttribute: "accountid",
      ReferencingEntity: "new_oar",
      CascadeConfiguration: {
        Assign: "NoCascade",
        Delete: "RemoveLink",
        Merge: "NoCascade",
        Reparent: "NoCascade",
        Share: "NoCascade",
        Unshare: "NoCascade",
      },
      Lookup: {
        "@odata.type": `${CRM}LookupAttributeMetadata`,
        SchemaName: "new_MakerId",
        DisplayName: label("Maker"),
        RequiredLevel: { Value: "None" },
      },
    },
  });
  const known = await api.retrieveRelationship({
    key: id,
    castType: `${CRM}OneToManyRelationshipMetadata`,
  });
  assert.equal(known.ReferencingAttribute, "new_makerid");
  const listed = await api.retrieveRelationships({
    castType: `${CRM}OneToManyRelationshipMetadata`,
    select: ["SchemaName"],
    filter: "SchemaName eq 'new_account_new_oar'",
  });
  assert.equal(listed.value.length, 1);
  await api.deleteRelationship({ key: id });
});

test("a global choice is made, read, changed and deleted", async () => {
  const id = await api.createGlobalOptionSet({
    data: {
      "@odata.type": `${CRM}OptionSetMetadata`,
      Name: "new_woods",
      DisplayName: label("Woods"),
      IsGlobal: true,
      OptionSetType: "Picklist",
      Options: [
        { Value: 100000000, Label: label("Ash") },
        { Value: 100000001, Label: label("Spruce") },
      ],
    },
  });
  const made = await api.retrieveGlobalOptionSet({ key: "Name='new_woods'", castType: `${CRM}OptionSetMetadata` });
  assert.equal(made.MetadataId, id);
  assert.deepEqual(made.Options.map((each) => each.Label.UserLocalizedLabel.Label), ["Ash", "Spruce"]);
  made.DisplayName = label("Kinds of wood");
  await api.updateGlobalOptionSet({ data: made });
  const all = await api.retrieveGlobalOptionSets({ select: ["Name"] });
  assert.ok(all.value.some((each) => each.Name === "new_woods"));
  await api.deleteGlobalOptionSet({ key: id });
  await assert.rejects(api.retrieveGlobalOptionSet({ key: "Name='new_woods'" }), { status: 404 });
});

test("the service describes itself", async () => {
  const text = await api.retrieveCsdlMetadata({ addAnnotations: true });
  assert.match(text, /<EntityType Name="account"/);
});
