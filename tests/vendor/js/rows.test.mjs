import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, FORMATTED, GUID, LIVE_HTTP, NOBODY, refused, signIn } from "./client.mjs";

const api = connect();
const MISSING = "0x80040217";

test("a lead is created, and the whole row comes back", async () => {
  const lead = { subject: "Test WebAPI", firstname: "Test", lastname: "WebAPI", jobtitle: "Title" };
  const made = await api.create({ collection: "leads", data: lead, returnRepresentation: true });
  assert.match(made.leadid, GUID);
  for (const [name, value] of Object.entries(lead)) assert.equal(made[name], value);
  assert.equal(made.fullname, "Test WebAPI");
  assert.equal(made.statecode, 0);
  assert.match(made["@odata.etag"], /^W\/"\d+"$/);
  assert.match(made.oDataContext, /\$metadata#leads\/\$entity$/);

  const changed = await api.update({
    key: made.leadid,
    collection: "leads",
    data: { subject: "Test update", jobtitle: "Developer" },
    returnRepresentation: true,
    select: ["fullname"],
  });
  assert.equal(changed.fullname, "Test WebAPI");
  assert.equal(changed.jobtitle, undefined);
  assert.equal(await api.update({ key: made.leadid, collection: "leads", data: { subject: "Again" } }), true);
});

test("one column is set and cleared, in the old and the new spelling", async () => {
  const key = await api.create({ collection: "leads", data: { subject: "Single", lastname: "Column" } });
  const read = () => api.retrieve({ collection: "leads", key, select: ["subject", "lastname"] });
  await api.updateSingleProperty({ collection: "leads", key, fieldValuePair: { subject: "Update Single" } });
  assert.equal((await read()).subject, "Update Single");
  assert.equal(await api.deleteRecord({ collection: "leads", key, property: "subject" }), true);
  assert.equal((await read()).subject, null);
  await api.updateSingleProperty({ collection: "leads", key, fieldValuePair: { subject: "Once more" } });
  await api.deleteRecord({ collection: "leads", key, fieldName: "subject" });
  assert.equal((await read()).subject, null);
  assert.equal((await read()).lastname, "Column");
  await refused(api.updateSingleProperty({ collection: "leads", key, fieldValuePair: { nosuch: 1 } }), 404);
  await refused(api.updateSingleProperty({ collection: "leads", key, fieldValuePair: { numberofemployees: "many" } }), 400);
});

test("a key may stand in braces and in capitals", async () => {
  const key = await api.create({ collection: "leads", data: { lastname: "Braces" } });
  const row = await api.retrieve({ collection: "leads", key: `{${key.toUpperCase()}}`, select: ["lastname"] });
  assert.equal(row.lastname, "Braces");
  assert.equal(row.leadid, key);
  const found = await api.retrieveMultiple({ collection: "leads", select: ["lastname"], filter: `leadid eq {${key}}` });
  assert.deepEqual(found.value.map((each) => each.lastname), ["Braces"]);
});

test("an upsert creates, updates, and does only the half that it may", async () => {
  const key = "7d577253-3ef0-4a0a-bb7f-8335c2596e70";
  const request = { key, collection: "leads", returnRepresentation: true, select: ["subject"] };
  assert.equal(await api.upsert({ ...request, data: { subject: "Not made" }, ifmatch: "*" }), null);
  const made = await api.upsert({ ...request, data: { subject: "Test upsert" }, ifnonematch: "*" });
  assert.equal(made.leadid, key);
  assert.equal(made.subject, "Test upsert");
  assert.equal(await api.upsert({ ...request, data: { subject: "Prevented" }, ifnonematch: "*" }), null);
  const updated = await api.upsert({ ...request, data: { subject: "Updated" }, ifmatch: "*" });
  assert.equal(updated.subject, "Updated");
  assert.equal(await api.upsert({ key, collection: "leads", data: { subject: "Either" } }), key);
  const tag = updated["@odata.etag"];
  await refused(api.upsert({ ...request, data: { subject: "Stale" }, ifmatch: tag }), 412, "0x80060882");
  assert.equal((await api.retrieve({ collection: "leads", key, select: ["subject"] })).subject, "Either");
});

test("a stale version stops an update and a deletion", async () => {
  const made = await api.create({ collection: "leads", data: { subject: "v1" }, returnRepresentation: true });
  const [key, stale] = [made.leadid, made["@odata.etag"]];
  await api.update({ collection: "leads", key, data: { subject: "v2" } });
  const fresh = (await api.retrieve({ collection: "leads", key, select: ["subject"] }))["@odata.etag"];
  assert.notEqual(fresh, stale);
  assert.equal(await api.update({ collection: "leads", key, data: { subject: "no" }, ifmatch: stale }), false);
  assert.equal(await api.deleteRecord({ collection: "leads", key, ifmatch: stale }), false);
  const strict = connect({ propagateErrors: true });
  await refused(strict.update({ collection: "leads", key, data: { subject: "no" }, ifmatch: stale }), 412, "0x80060882");
  await refused(strict.deleteRecord({ collection: "leads", key, ifmatch: stale }), 412, "0x80060882");
  await refused(
    strict.upsert({ collection: "leads", key, data: { subject: "no" }, ifnonematch: "*" }), 412, "0x80040237",
  );
  assert.equal((await api.retrieve({ collection: "leads", key, select: ["subject"] })).subject, "v2");
  assert.equal(await api.deleteRecord({ collection: "leads", key, ifmatch: fresh }), true);
  await refused(api.deleteRecord({ collection: "leads", key }), 404, MISSING);
});

test("a row is read again only when it has changed", async () => {
  const made = await api.create({ collection: "leads", data: { subject: "Seen" }, returnRepresentation: true });
  const request = { collection: "leads", key: made.leadid, select: ["subject"] };
  const seen = made["@odata.etag"];
  assert.equal(await api.retrieve({ ...request, ifnonematch: seen }), undefined);
  await api.update({ collection: "leads", key: made.leadid, data: { subject: "Changed" } });
  assert.equal((await api.retrieve({ ...request, ifnonematch: seen })).subject, "Changed");
});

test("a row is read only while it is the version that the caller means", async () => {
  const made = await api.create({ collection: "leads", data: { subject: "Meant" }, returnRepresentation: true });
  const request = { collection: "leads", key: made.leadid, select: ["subject"] };
  const tag = made["@odata.etag"];
  assert.equal((await api.retrieve({ ...request, ifmatch: "*" })).subject, "Meant");
  assert.equal((await api.retrieve({ ...request, ifmatch: tag })).subject, "Meant");
  await api.update({ collection: "leads", key: made.leadid, data: { subject: "Another" } });
  await refused(api.retrieve({ ...request, ifmatch: tag }), 412, "0x80060882");
});

test("an update never makes a row", async () => {
  await refused(api.update({ collection: "leads", key: NOBODY, data: { subject: "x" } }), 404, MISSING);
  await refused(api.retrieve({ collection: "leads", key: NOBODY }), 404, MISSING);
});

test("annotations come under the library's short names, and may be sent back", async () => {
  const contact = await api.create({ collection: "contacts", data: { firstname: "Ann", lastname: "Otation" } });
  const account = await api.create({
    collection: "accounts",
    data: { name: "Annotated", donotpostalmail: true, "primarycontactid@odata.bind": `contacts(${contact})` },
  });
  const request = { collection: "accounts", key: account, select: ["name", "donotpostalmail", "_primarycontactid_value"] };
  const row = await api.retrieve({ ...request, includeAnnotations: "*" });
  assert.equal(row.donotpostalmail_Formatted, "Do Not Allow");
  assert.equal(row._primarycontactid_value, contact);
  assert.equal(row._primarycontactid_value_Formatted, "Ann Otation");
  assert.equal(row._primarycontactid_value_LogicalName, "contact");
  assert.equal(row._primarycontactid_value_NavigationProperty, "primarycontactid");

  const some = await api.retrieve({ ...request, includeAnnotations: FORMATTED });
  assert.equal(some._primarycontactid_value_Formatted, "Ann Otation");
  assert.equal(some._primarycontactid_value_LogicalName, undefined);
  assert.equal((await api.retrieve(request)).donotpostalmail_Formatted, undefined);
  const always = connect({ includeAnnotations: FORMATTED });
  assert.equal((await always.retrieve(request)).donotpostalmail_Formatted, "Do Not Allow");

  // A row goes back as it came, annotations and all, but for the lookup's value: that is set by its navigation property.
  row.name = "Annotated again";
  await refused(api.update({ collection: "accounts", key: account, data: row }), 400, "0x80048d19");
  delete row._primarycontactid_value;
  await api.update({ collection: "accounts", key: account, data: row });
  assert.equal((await api.retrieve(request)).name, "Annotated again");
});

test("a lookup is followed, as a reference and as a row", async () => {
  const contact = await api.create({ collection: "contacts", data: { firstname: "Fol", lastname: "Lowed" } });
  const key = await api.create({
    collection: "accounts",
    data: { name: "Follows", "primarycontactid@odata.bind": `/contacts(${contact})` },
  });
  const reference = await api.retrieve({ collection: "accounts", key, select: ["primarycontactid/$ref"] });
  assert.deepEqual([reference.id, reference.collection], [contact, "contacts"]);
  const owner = await api.retrieve({ collection: "accounts", key, select: ["ownerid/$ref"] });
  const { UserId } = await api.callFunction("WhoAmI");
  assert.equal(owner.id, UserId);
  // What is named there can be read: users, teams, or the set that holds both.
  const whose = await api.retrieve({ collection: owner.collection, key: owner.id });
  assert.equal(whose.ownerid ?? whose.systemuserid, UserId);
  const prefixed = await api.retrieve({ collection: "accounts", key, select: ["/primarycontactid", "fullname"] });
  assert.deepEqual([prefixed.contactid, prefixed.fullname], [contact, "Fol Lowed"]);
  const named = await api.retrieve({
    collection: "accounts",
    key,
    navigationProperty: "primarycontactid",
    select: ["fullname", "lastname"],
  });
  assert.equal(named.lastname, "Lowed");
  const expanded = await api.retrieve({
    collection: "accounts",
    key,
    select: ["name"],
    expand: [{ property: "primarycontactid", select: ["fullname"] }, { property: "owninguser", select: ["domainname"] }],
  });
  assert.equal(expanded.primarycontactid.fullname, "Fol Lowed");
  assert.match(expanded.owninguser.systemuserid, GUID);
});

test("lookups are bound in every spelling and emptied by null", async () => {
  const contact = await api.create({ collection: "contacts", data: { lastname: "Bound" } });
  const primary = async (key) =>
    (await api.retrieve({ collection: "accounts", key, select: ["_primarycontactid_value"] }))._primarycontactid_value;
  for (const address of [
    `contacts(${contact})`,
    `/contacts(${contact})`,
    `contacts({${contact.toUpperCase()}})`,
    `${process.env.LIVE_URL}/api/data/v9.2/contacts(${contact})`,
  ]) {
    const key = await api.create({ collection: "accounts", data: { name: "Binds", "primarycontactid@odata.bind": address } });
    assert.equal(await primary(key), contact, address);
    await api.update({ collection: "accounts", key, data: { "primarycontactid@odata.bind": null } });
    assert.equal(await primary(key), null);
  }
  const nobody = { name: "Binds", "primarycontactid@odata.bind": `contacts(${NOBODY})` };
  await refused(api.create({ collection: "accounts", data: nobody }), 404, MISSING);
});

test("related rows are made with the row", async () => {
  const made = await api.create({
    collection: "accounts",
    data: {
      name: "Deep",
      primarycontactid: { firstname: "Deep", lastname: "Contact" },
      Account_Tasks: [{ subject: "Task 1" }, { subject: "Task 2" }],
    },
    returnRepresentation: true,
    select: ["name"],
    expand: [
      { property: "primarycontactid", select: ["fullname"] },
      { property: "Account_Tasks", select: ["subject"], orderBy: ["subject"] },
    ],
  });
  assert.equal(made.primarycontactid.fullname, "Deep Contact");
  assert.deepEqual(made.Account_Tasks.map((task) => task.subject), ["Task 1", "Task 2"]);
  const task = await api.create({
    collection: "accounts",
    key: made.accountid,
    navigationProperty: "Account_Tasks",
    data: { subject: "Task 3" },
  });
  const row = await api.retrieve({ collection: "tasks", key: task, select: ["_regardingobjectid_value"] });
  assert.equal(row._regardingobjectid_value, made.accountid);
});

test("values of every kind come back as they went", async () => {
  const text = "Ünïcödé — 東京 🦆 \"quoted\" back\\slash\n{3f2504e0-4f89-11d3-9a0c-0305e82c3301}";
  const sent = {
    name: "Þórr & Söhne's (100 %) + #1 / ?",
    description: text,
    revenue: 1234567.89,
    numberofemployees: 42,
    creditonhold: true,
    industrycode: 1,
    lastonholdtime: new Date(Date.UTC(2024, 1, 29, 23, 59, 58)),
  };
  const made = await api.create({ collection: "accounts", data: sent, returnRepresentation: true });
  for (const [name, value] of Object.entries(sent)) assert.deepEqual(made[name], value, name);
  const found = await api.retrieveMultiple({
    collection: "accounts",
    select: ["description"],
    filter: "name eq 'Þórr & Söhne''s (100 %) + #1 / ?'",
  });
  assert.deepEqual(found.value.map((row) => row.description), [text]);
});

test("headers that change nothing here are accepted", async () => {
  const key = await api.create({
    collection: "leads",
    data: { lastname: "Duplicate" },
    duplicateDetection: true,
    bypassCustomPluginExecution: true,
    noCache: true,
  });
  await api.update({ collection: "leads", key, data: { lastname: "Duplicate 2" }, duplicateDetection: true });
  await api.upsert({ collection: "leads", key, data: { lastname: "Duplicate 3" }, duplicateDetection: true });
  const row = await api.retrieve({ collection: "leads", key, select: ["lastname"], noCache: true });
  assert.equal(row.lastname, "Duplicate 3");
  await api.deleteRecord({ collection: "leads", key, bypassCustomPluginExecution: true });
});

test("every version answers, over HTTP as over HTTPS, with a token of the caller's own", async () => {
  const token = await signIn();
  for (const serverUrl of [process.env.LIVE_URL, LIVE_HTTP]) {
    for (const version of ["9.0", "9.1", "9.2"]) {
      const other = connect({ serverUrl, dataApi: { version }, onTokenRefresh: undefined });
      const page = await other.retrieveMultiple({ collection: "accounts", select: ["name"], top: 1, token });
      assert.ok(page.oDataContext.startsWith(`${serverUrl}/api/data/v${version}/$metadata#accounts`), page.oDataContext);
    }
  }
});
