import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, CRM, GUID, label, NOBODY, refused, tableOf } from "./client.mjs";

const api = connect();
const BUOYS = { collection: "new_buoies" };
const MISSING = "0x80040217";

before(async () => {
  const id = await api.createEntity({ data: tableOf("new_Buoy", "new_Name") });
  await api.createAttribute({
    entityKey: id,
    data: { "@odata.type": `${CRM}StringAttributeMetadata`, SchemaName: "new_Code", DisplayName: label("Code"), MaxLength: 50 },
  });
  await api.createAttribute({
    entityKey: id,
    data: { "@odata.type": `${CRM}IntegerAttributeMetadata`, SchemaName: "new_Lane", DisplayName: label("Lane") },
  });
  for (const [SchemaName, KeyAttributes] of [["new_ByCode", ["new_code"]], ["new_ByPlace", ["new_name", "new_lane"]]])
    await api.create({
      collection: "EntityDefinitions",
      key: id,
      navigationProperty: "Keys",
      data: { SchemaName, KeyAttributes, DisplayName: label(SchemaName) },
    });
});

after(() => api.deleteRecord({ collection: "EntityDefinitions", key: "LogicalName='new_buoy'" }));

test("a row is made, read, changed and deleted by an alternate key", async () => {
  const key = "new_code='A-1'";
  const id = await api.upsert({ ...BUOYS, key, data: { new_name: "North" } });
  assert.match(id, GUID);
  const row = await api.retrieve({ ...BUOYS, key, select: ["new_name", "new_code"] });
  assert.deepEqual([row.new_buoyid, row.new_name, row.new_code], [id, "North", "A-1"]);
  assert.equal((await api.retrieve({ ...BUOYS, key: 'new_code="A-1"', select: ["new_name"] })).new_buoyid, id);
  assert.equal(await api.update({ ...BUOYS, key, data: { new_lane: 7 } }), true);
  await api.updateSingleProperty({ ...BUOYS, key, fieldValuePair: { new_name: "North-East" } });
  const again = await api.upsert({ ...BUOYS, key, data: { new_lane: 8 }, returnRepresentation: true });
  assert.deepEqual([again.new_buoyid, again.new_name, again.new_lane], [id, "North-East", 8]);
  assert.equal(await api.upsert({ ...BUOYS, key, data: { new_lane: 9 }, ifnonematch: "*" }), null);
  assert.equal(await api.upsert({ ...BUOYS, key: "new_code='A-2'", data: { new_lane: 9 }, ifmatch: "*" }), null);
  assert.equal(await api.deleteRecord({ ...BUOYS, key, ifmatch: 'W/"1"' }), false);
  assert.equal(await api.deleteRecord({ ...BUOYS, key }), true);
  await refused(api.retrieve({ ...BUOYS, key }), 404);
});

test("a key of several columns takes them all", async () => {
  const id = await api.upsert({ ...BUOYS, key: "new_name='South', new_lane=2", data: { new_code: "S-2" } });
  const row = await api.retrieve({ ...BUOYS, key: "new_lane=2,new_name='South'", select: ["new_code"] });
  assert.deepEqual([row.new_buoyid, row.new_code], [id, "S-2"]);
  await refused(api.retrieve({ ...BUOYS, key: "new_lane=2" }), 400, undefined, /new_lane/);
  await refused(api.create({ ...BUOYS, data: { new_name: "South", new_lane: 2 } }), 412, "0x80060892");
});

test("one-to-many relationships are tied and untied from both ends", async () => {
  const account = await api.create({ collection: "accounts", data: { name: "Ties" } });
  const lead = await api.create({ collection: "leads", data: { lastname: "Tied" } });
  const parent = async () =>
    (await api.retrieve({ collection: "leads", key: lead, select: ["_parentaccountid_value"] }))._parentaccountid_value;
  const many = { collection: "accounts", primaryKey: account, relationshipName: "lead_parent_account" };
  const one = { collection: "leads", primaryKey: lead, navigationProperty: "parentaccountid" };
  await api.associate({ ...many, relatedCollection: "leads", relatedKey: lead });
  assert.equal(await parent(), account);
  await api.disassociateSingleValued(one);
  assert.equal(await parent(), null);
  await api.associateSingleValued({ ...one, relatedCollection: "accounts", relatedKey: account });
  assert.equal(await parent(), account);
  await api.disassociate({ ...many, relatedKey: lead });
  assert.equal(await parent(), null);
});

test("many-to-many relationships are tied and untied", async () => {
  const list = await api.create({ collection: "accounts", data: { name: "Leads to" } });
  const leads = [];
  for (const lastname of ["First", "Second"]) leads.push(await api.create({ collection: "leads", data: { lastname } }));
  const tie = { collection: "accounts", primaryKey: list, relationshipName: "accountleads_association", relatedCollection: "leads" };
  for (const relatedKey of leads) await api.associate({ ...tie, relatedKey });
  const tied = async () =>
    (
      await api.retrieve({
        collection: "accounts",
        key: list,
        select: ["name"],
        expand: [{ property: "accountleads_association", select: ["lastname"], orderBy: ["lastname"] }],
      })
    ).accountleads_association.map((row) => row.lastname);
  assert.deepEqual(await tied(), ["First", "Second"]);
  const back = await api.retrieveMultiple({
    collection: "leads",
    select: ["lastname"],
    filter: "accountleads_association/any(a:a/name eq 'Leads to')",
    orderBy: ["lastname"],
  });
  assert.deepEqual(back.value.map((row) => row.lastname), ["First", "Second"]);
  await api.disassociate({ ...tie, relatedKey: leads[0] });
  assert.deepEqual(await tied(), ["Second"]);
});

test("rows are tied by an alternate key", async () => {
  await api.upsert({ ...BUOYS, key: "new_code='T-1'", data: { new_name: "Tied" } });
  const { UserId } = await api.callFunction("WhoAmI");
  await api.associateSingleValued({
    ...BUOYS, primaryKey: "new_code='T-1'", navigationProperty: "ownerid", relatedCollection: "systemusers", relatedKey: UserId,
  });
  const row = await api.retrieve({ ...BUOYS, key: "new_code='T-1'", select: ["_ownerid_value"] });
  assert.equal(row._ownerid_value, UserId);
});

test("what cannot be tied is refused", async () => {
  const account = await api.create({ collection: "accounts", data: { name: "Not tied" } });
  const contact = await api.create({ collection: "contacts", data: { lastname: "Not tied" } });
  const tie = { collection: "accounts", primaryKey: account, relatedCollection: "contacts" };
  await refused(api.associate({ ...tie, relationshipName: "nosuch", relatedKey: contact }), 404, "0x8006088a", /nosuch/);
  await refused(api.associate({ ...tie, relationshipName: "contact_customer_accounts", relatedKey: NOBODY }), 404, MISSING);
  await refused(
    api.associateSingleValued({ ...tie, navigationProperty: "primarycontactid", relatedKey: NOBODY }), 404, MISSING,
  );
  await refused(
    api.associateSingleValued({ ...tie, navigationProperty: "primarycontactid", relatedCollection: "leads", relatedKey: contact }),
    400,
  );
});

test("logical names stand for sets, in addresses and in lookups", async () => {
  const named = connect({ useEntityNames: true });
  const contact = await named.create({ collection: "contact", data: { lastname: "Logical" } });
  const account = await named.create({
    collection: "account",
    data: { name: "Logical", "primarycontactid@odata.bind": `contact(${contact})` },
  });
  const row = await named.retrieve({ collection: "account", key: account, select: ["_primarycontactid_value"] });
  assert.equal(row._primarycontactid_value, contact);
  assert.equal(named.Utility.getCollectionName("account"), "accounts");
  assert.equal(named.Utility.getCollectionName("opportunity"), "opportunities");
  assert.equal(named.Utility.getCollectionName("activityparty"), "activityparties");
  const sets = await named.retrieveMultiple({ collection: "accounts", select: ["name"], filter: `accountid eq ${account}` });
  assert.equal(sets.value.length, 1);
});
