import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, FORMATTED, NOBODY } from "./client.mjs";

const api = connect();

test("a row is created, retrieved, updated and deleted", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Node Mills", revenue: 12.5 } });
  assert.match(key, /^[0-9a-f-]{36}$/);
  const row = await api.retrieve({
    collection: "accounts",
    key,
    select: ["name", "revenue", "createdon"],
    includeAnnotations: "*",
  });
  assert.equal(row.name, "Node Mills");
  assert.equal(row[`revenue@${FORMATTED}`], "$12.50");
  assert.ok(row.createdon instanceof Date);
  await api.update({ collection: "accounts", key, data: { telephone1: "555 0100" } });
  await api.updateSingleProperty({ collection: "accounts", key, fieldValuePair: { fax: "555 0101" } });
  const changed = await api.retrieve({ collection: "accounts", key, select: ["telephone1", "fax"] });
  assert.deepEqual([changed.telephone1, changed.fax], ["555 0100", "555 0101"]);
  await api.deleteRecord({ collection: "accounts", key, property: "fax" });
  assert.equal((await api.retrieve({ collection: "accounts", key, select: ["fax"] })).fax, null);
  await api.deleteRecord({ collection: "accounts", key });
  await assert.rejects(api.retrieve({ collection: "accounts", key }), { status: 404, code: "0x80040217" });
});

test("a representation comes back when it is asked for", async () => {
  const made = await api.create({
    collection: "contacts",
    data: { firstname: "Rep", lastname: "Resented" },
    returnRepresentation: true,
    select: ["fullname"],
  });
  assert.equal(made.fullname, "Rep Resented");
  const changed = await api.update({
    collection: "contacts",
    key: made.contactid,
    data: { firstname: "Still" },
    returnRepresentation: true,
    select: ["fullname"],
  });
  assert.equal(changed.fullname, "Still Resented");
});

test("conditions hold: if-match, if-none-match, upsert", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Conditions" } });
  const first = await api.retrieve({ collection: "accounts", key, select: ["name"] });
  const tag = first["@odata.etag"];
  // 304: the library answers nothing.
  assert.equal(await api.retrieve({ collection: "accounts", key, select: ["name"], ifnonematch: tag }), undefined);
  await api.update({ collection: "accounts", key, data: { name: "Conditions 2" }, ifmatch: tag });
  // The library answers false where its own condition was not met.
  assert.equal(await api.update({ collection: "accounts", key, data: { name: "Late" }, ifmatch: tag }), false);
  assert.equal(await api.deleteRecord({ collection: "accounts", key, ifmatch: tag }), false);
  assert.equal((await api.retrieve({ collection: "accounts", key, select: ["name"] })).name, "Conditions 2");
  assert.equal(
    await api.upsert({ collection: "accounts", key, data: { name: "Never" }, ifnonematch: "*" }),
    null,
  );
  assert.equal(
    await api.upsert({ collection: "accounts", key: NOBODY, data: { name: "Never" }, ifmatch: "*" }),
    null,
  );
  await api.upsert({ collection: "accounts", key: NOBODY, data: { name: "Upserted" } });
  assert.equal((await api.retrieve({ collection: "accounts", key: NOBODY, select: ["name"] })).name, "Upserted");
  await api.deleteRecord({ collection: "accounts", key: NOBODY });
});

test("queries filter, order, page, count and expand", async () => {
  const company = await api.create({ collection: "accounts", data: { name: "Query & Sons's" } });
  for (let n = 0; n < 5; n++)
    await api.create({
      collection: "contacts",
      data: { lastname: `Node ${n}`, "parentcustomerid_account@odata.bind": `accounts(${company})` },
    });
  const filter = "startswith(lastname,'Node ')";
  const page = await api.retrieveMultiple({
    collection: "contacts",
    select: ["lastname"],
    filter,
    orderBy: ["lastname desc"],
    maxPageSize: 2,
    count: true,
    expand: [{ property: "parentcustomerid_account", select: ["name"] }],
  });
  assert.equal(page.oDataCount, 5);
  assert.deepEqual(page.value.map((row) => row.lastname), ["Node 4", "Node 3"]);
  assert.equal(page.value[0].parentcustomerid_account.name, "Query & Sons's");
  const next = await api.retrieveMultiple({ collection: "contacts", maxPageSize: 2 }, page.oDataNextLink);
  assert.deepEqual(next.value.map((row) => row.lastname), ["Node 2", "Node 1"]);
  const all = await api.retrieveAll({ collection: "contacts", select: ["lastname"], filter });
  assert.equal(all.value.length, 5);
  assert.equal(await api.count({ collection: "contacts", filter }), 5);
  assert.equal(await api.countAll({ collection: "contacts", filter, select: ["contactid"] }), 5);
  const [row] = (
    await api.retrieveMultiple({
      collection: "accounts",
      select: ["name"],
      filter: "name eq 'Query & Sons''s'",
      top: 1,
      expand: [
        {
          property: "contact_customer_accounts",
          select: ["lastname"],
          filter: "lastname gt 'Node 1'",
          orderBy: ["lastname"],
          top: 2,
        },
      ],
    })
  ).value;
  assert.deepEqual(row.contact_customer_accounts.map((each) => each.lastname), ["Node 2", "Node 3"]);
  const groups = await api.retrieveMultiple({
    collection: "contacts",
    apply: `filter(${filter})/groupby((parentcustomerid_account/name),aggregate($count as many))`,
  });
  assert.equal(groups.value[0].many, 5);
});

test("rows are tied and untied", async () => {
  const account = await api.create({ collection: "accounts", data: { name: "Tied" } });
  const contact = await api.create({ collection: "contacts", data: { lastname: "Tied" } });
  const primary = () =>
    api
      .retrieve({ collection: "accounts", key: account, select: ["_primarycontactid_value"] })
      .then((row) => row._primarycontactid_value);
  await api.associateSingleValued({
    collection: "accounts",
    primaryKey: account,
    navigationProperty: "primarycontactid",
    relatedCollection: "contacts",
    relatedKey: contact,
  });
  assert.equal(await primary(), contact);
  await api.disassociateSingleValued({
    collection: "accounts",
    primaryKey: account,
    navigationProperty: "primarycontactid",
  });
  assert.equal(await primary(), null);
  const tie = { collection: "accounts", primaryKey: account, relationshipName: "contact_customer_accounts" };
  await api.associate({ ...tie, relatedCollection: "contacts", relatedKey: contact });
  const members = () =>
    api.retrieve({
      collection: "accounts",
      key: account,
      select: ["name"],
      expand: [{ property: "contact_customer_accounts", select: ["lastname"] }],
    });
  assert.equal((await members()).contact_customer_accounts.length, 1);
  await api.disassociate({ ...tie, relatedKey: contact });
  assert.equal((await members()).contact_customer_accounts.length, 0);
});

test("functions answer", async () => {
  const me = await api.callFunction({ functionName: "WhoAmI" });
  assert.match(me.UserId, /^[0-9a-f-]{36}$/);
  assert.equal((await api.callFunction("RetrieveVersion")).Version.split(".")[0], "9");
  const found = await api.callFunction({
    functionName: "RetrieveCurrentOrganization",
    parameters: { AccessType: "Microsoft.Dynamics.CRM.EndpointAccessType'Default'" },
  });
  assert.equal(found.Detail.FriendlyName, "Orgstead");
});

test("an action takes many rows", async () => {
  const answer = await api.callAction({
    collection: "accounts",
    actionName: "Microsoft.Dynamics.CRM.CreateMultiple",
    action: {
      Targets: [1, 2].map((n) => ({ "@odata.type": "Microsoft.Dynamics.CRM.account", name: `Bulk ${n}` })),
    },
  });
  assert.equal(answer.Ids.length, 2);
});

test("a batch is one change set with references, and answers in order", async () => {
  api.startBatch();
  api.create({ collection: "contacts", data: { firstname: "John", lastname: "Batch" }, contentId: "1" });
  api.create({ collection: "accounts", data: { name: "Batch", "primarycontactid@odata.bind": "$1" } });
  const [contact, account] = await api.executeBatch();
  const row = await api.retrieve({ collection: "accounts", key: account, select: ["_primarycontactid_value"] });
  assert.equal(row._primarycontactid_value, contact);

  api.startBatch();
  api.retrieveMultiple({ collection: "accounts", select: ["name"], filter: "name eq 'Batch'" });
  api.create({ collection: "accounts", data: { name: "Alone" }, inChangeSet: false });
  const [rows, alone] = await api.executeBatch();
  assert.equal(rows.value.length, 1);
  assert.match(alone, /^[0-9a-f-]{36}$/);

  api.startBatch();
  api.create({ collection: "accounts", data: { name: "Undone" } });
  api.update({ collection: "accounts", key: NOBODY, data: { name: "x" }, ifmatch: "*" });
  await assert.rejects(api.executeBatch());
  assert.equal(await api.count({ collection: "accounts", filter: "name eq 'Undone'" }), 0);
});

test("logical names are looked up when the library is told to", async () => {
  const named = connect({ useEntityNames: true });
  const key = await named.create({ collection: "account", data: { name: "By logical name" } });
  assert.equal((await named.retrieve({ collection: "account", key, select: ["name"] })).name, "By logical name");
});

test("a failure carries status, code and message", async () => {
  await assert.rejects(api.create({ collection: "accounts", data: { nosuch: 1 } }), (error) => {
    assert.equal(error.status, 400);
    assert.match(error.code, /^0x8/);
    assert.match(error.message, /nosuch/);
    return true;
  });
  await assert.rejects(api.retrieveMultiple({ collection: "nosuchs" }), { status: 404 });
});

test("nobody acts for somebody who is not there", async () => {
  await assert.rejects(api.retrieve({ collection: "accounts", key: NOBODY, impersonate: NOBODY }), {
    message: /not a member/i,
  });
});
