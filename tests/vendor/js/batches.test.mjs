import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, GUID, NOBODY, refused } from "./client.mjs";

const api = connect();
const contact = { firstname: "John", lastname: "Doe" };
const called = (name) => api.count({ collection: "accounts", filter: `name eq '${name}'` });

test("reads and writes answer in their order", async () => {
  const key = await api.create({ collection: "contacts", data: contact });
  api.startBatch();
  api.retrieveMultiple({ collection: "accounts", select: ["name"], top: 3 });
  api.update({ key, collection: "contacts", data: { firstname: "Test", lastname: "Batch!" } });
  api.retrieveMultiple({ collection: "contacts", select: ["lastname"], filter: `contactid eq ${key}` });
  const [accounts, updated, contacts] = await api.executeBatch();
  assert.equal(accounts.value.length, 3);
  assert.equal(updated, true);
  assert.deepEqual(contacts.value.map((row) => row.lastname), ["Batch!"]);
});

test("every kind of request goes into a batch", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "All kinds" } });
  const other = await api.create({ collection: "contacts", data: contact });
  api.startBatch();
  api.callFunction("WhoAmI");
  api.count({ collection: "accounts", filter: "name eq 'All kinds'" });
  api.count({ collection: "accounts" });
  api.create({ collection: "accounts", data: { name: "All kinds 2" }, returnRepresentation: true, select: ["name"] });
  api.upsert({ collection: "accounts", key, data: { telephone1: "1" }, returnRepresentation: true, select: ["telephone1"] });
  api.updateSingleProperty({ collection: "accounts", key, fieldValuePair: { fax: "2" } });
  api.associateSingleValued({
    collection: "accounts", primaryKey: key, navigationProperty: "primarycontactid", relatedCollection: "contacts", relatedKey: other,
  });
  api.associate({
    collection: "accounts", primaryKey: key, relationshipName: "contact_customer_accounts", relatedCollection: "contacts", relatedKey: other,
  });
  api.retrieve({ collection: "accounts", key, select: ["fax", "_primarycontactid_value"], includeAnnotations: "*" });
  api.disassociate({ collection: "accounts", primaryKey: key, relationshipName: "contact_customer_accounts", relatedKey: other });
  api.disassociateSingleValued({ collection: "accounts", primaryKey: key, navigationProperty: "primarycontactid" });
  api.deleteRecord({ collection: "accounts", key, property: "fax" });
  api.retrieve({ collection: "accounts", key, select: ["fax", "_primarycontactid_value"] });
  api.deleteRecord({ collection: "accounts", key });
  api.callAction({ actionName: "PublishAllXml", inChangeSet: false });
  const said = await api.executeBatch();
  assert.equal(said.length, 15);
  assert.match(said[0].UserId, GUID);
  assert.equal(said[1], 1);
  assert.equal(typeof said[2], "number");
  assert.equal(said[3].name, "All kinds 2");
  assert.equal(said[4].telephone1, "1");
  assert.equal(said[8].fax, "2");
  assert.equal(said[8]._primarycontactid_value_Formatted, "John Doe");
  assert.deepEqual([said[12].fax, said[12]._primarycontactid_value], [null, null]);
  await refused(api.retrieve({ collection: "accounts", key }), 404);
});

test("a request of a change set refers to an earlier one in its body", async () => {
  const order = { name: "1 year membership", "customerid_contact@odata.bind": "$1" };
  api.startBatch();
  api.create({ data: contact, collection: "contacts", contentId: "1" });
  api.create({ data: order, collection: "salesorders" });
  const [contactId, orderId] = await api.executeBatch();
  const row = await api.retrieve({ collection: "salesorders", key: orderId, select: ["_customerid_value"], includeAnnotations: "*" });
  assert.equal(row._customerid_value, contactId);
  assert.equal(row._customerid_value_LogicalName, "contact");
});

test("a request of a change set refers to an earlier one in its address", async () => {
  api.startBatch();
  api.create({ data: { name: "Referred" }, collection: "accounts", contentId: "1" });
  api.create({ data: contact, collection: "contacts", contentId: "2" });
  api.create({ data: { subject: "Of $1" }, collection: "Account_Tasks", contentId: "$1" });
  api.update({ data: { telephone1: "555" }, contentId: "$1" });
  api.associateSingleValued({ navigationProperty: "primarycontactid", relatedKey: "$2", contentId: "$1" });
  const [key, contactId] = await api.executeBatch();
  const row = await api.retrieve({
    collection: "accounts",
    key,
    select: ["telephone1", "_primarycontactid_value"],
    expand: [{ property: "Account_Tasks", select: ["subject"] }],
  });
  assert.equal(row.telephone1, "555");
  assert.equal(row._primarycontactid_value, contactId);
  assert.deepEqual(row.Account_Tasks.map((task) => task.subject), ["Of $1"]);
});

test("a related row is put where a lookup of the new row will lead", async () => {
  api.startBatch();
  api.create({ data: { name: "1 year membership" }, collection: "salesorders", contentId: "1" });
  api.create({ data: contact, collection: "customerid_contact", contentId: "$1" });
  const [key] = await api.executeBatch();
  const row = await api.retrieve({ collection: "salesorders", key, expand: [{ property: "customerid_contact", select: ["fullname"] }] });
  assert.equal(row.customerid_contact.fullname, "John Doe");
});

test("a change set is done as a whole or not at all", async () => {
  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Whole" } });
  api.create({ collection: "accounts", data: { name: "Whole", "primarycontactid@odata.bind": `contacts(${NOBODY})` } });
  await assert.rejects(api.executeBatch(), (errors) => {
    const [error] = errors;
    assert.equal(error.status, 404);
    assert.equal(error.statusMessage, "Not Found");
    assert.equal(error.error.code, "0x80040217");
    return true;
  });
  assert.equal(await called("Whole"), 0);
});

test("requests outside of change sets stand alone", async () => {
  const start = () => {
    api.startBatch();
    api.create({ collection: "accounts", data: { name: "Alone 1" } });
    api.create({ collection: "accounts", data: { name: "Alone 2", nosuch: 1 } });
    api.create({ collection: "accounts", data: { name: "Alone 3" } });
  };
  start();
  await assert.rejects(api.executeBatch({ inChangeSet: false }));
  assert.deepEqual([await called("Alone 1"), await called("Alone 3")], [1, 0]);
  start();
  const said = await api.executeBatch({ inChangeSet: false, continueOnError: true });
  assert.match(said[0], GUID);
  assert.ok(said[1] instanceof Error);
  assert.deepEqual([said[1].status, said[1].error.code], [400, "0x80048d19"]);
  assert.match(said[2], GUID);
  assert.deepEqual([await called("Alone 1"), await called("Alone 2"), await called("Alone 3")], [2, 0, 1]);
});

test("change sets are split by what stands between them", async () => {
  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Split 1" } });
  api.create({ collection: "accounts", data: { name: "Split 2" }, inChangeSet: false });
  api.create({ collection: "accounts", data: { name: "Split 3" } });
  api.create({ collection: "accounts", data: { name: "Split 3", nosuch: 1 } });
  api.retrieveMultiple({ collection: "accounts", select: ["name"], filter: "startswith(name,'Split')", orderBy: ["name"] });
  const said = await api.executeBatch({ continueOnError: true });
  assert.match(said[0], GUID);
  assert.match(said[1], GUID);
  assert.ok(said[2] instanceof Error);
  assert.deepEqual(said[3].value.map((row) => row.name), ["Split 1", "Split 2"]);
});

test("a reference to another change set is refused", async () => {
  api.startBatch();
  api.create({ data: contact, collection: "contacts", contentId: "1" });
  api.create({ data: { name: "Between" }, collection: "accounts", inChangeSet: false });
  api.create({ data: { name: "Across", "primarycontactid@odata.bind": "$1" }, collection: "accounts" });
  await assert.rejects(api.executeBatch(), ([, , error]) => {
    assert.equal(error.status, 400);
    assert.match(error.error.code, /^0x8/);
    return true;
  });
  assert.equal(await called("Across"), 0);
});

test("conditions hold inside a batch", async () => {
  const made = await api.create({ collection: "accounts", data: { name: "Batched" }, returnRepresentation: true });
  const [key, tag] = [made.accountid, made["@odata.etag"]];
  api.startBatch();
  api.update({ collection: "accounts", key, data: { fax: "1" }, ifmatch: tag });
  assert.deepEqual(await api.executeBatch(), [true]);
  api.startBatch();
  api.deleteRecord({ collection: "accounts", key, ifmatch: tag });
  await assert.rejects(api.executeBatch(), ([error]) => error.status === 412 && error.error.code === "0x80060882");
  assert.equal(await called("Batched"), 1);
});

test("a hundred rows go in one change set, and a thousand requests are the limit", async () => {
  const fill = (name, number) => {
    api.startBatch();
    for (let n = 0; n < number; n++) api.create({ collection: "accounts", data: { name } });
  };
  fill("Many", 100);
  const ids = await api.executeBatch();
  assert.equal(new Set(ids).size, 100);
  assert.equal(await called("Many"), 100);
  fill("Too many", 1001);
  await refused(api.executeBatch(), 400, undefined, /1,?000/);
  assert.equal(await called("Too many"), 0);
});

test("a batch passes for another caller only by name of the header", async () => {
  const { UserId } = await api.callFunction("WhoAmI");
  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Masked batch" }, impersonate: UserId });
  await assert.rejects(api.executeBatch(), ([error]) => error.status === 400 && /mscrmcallerid/i.test(error.error.message));
  assert.equal(await called("Masked batch"), 0);
});

test("an empty batch never leaves the client", async () => {
  api.startBatch();
  await assert.rejects(api.executeBatch(), ([error]) => /empty/.test(error.message));
});
