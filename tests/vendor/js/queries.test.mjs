import assert from "node:assert/strict";
import { before, test } from "node:test";
import { connect, CRM, FORMATTED, refused } from "./client.mjs";

const api = connect();
const MINE = "contains(subject,'Quern')";
const names = (page) => page.value.map((row) => row.subject);
let company;

before(async () => {
  company = await api.create({ collection: "accounts", data: { name: "Quern & Co", numberofemployees: 7 } });
  await api.callAction({
    collection: "tasks",
    actionName: `${CRM}CreateMultiple`,
    action: {
      Targets: Array.from({ length: 12 }, (_, n) => ({
        "@odata.type": `${CRM}task`,
        subject: `Quern ${String(n).padStart(2, "0")}`,
        prioritycode: n % 3,
        actualdurationminutes: n * 10,
        scheduledend: new Date(Date.UTC(2024, 0, n + 1, 12)),
        ...(n < 6 ? { "regardingobjectid_account_task@odata.bind": `accounts(${company})` } : {}),
      })),
    },
  });
});

test("a page carries its rows, their number and the way to the next", async () => {
  const request = { collection: "tasks", select: ["subject"], filter: MINE, orderBy: ["subject"], maxPageSize: 5, count: true };
  const seen = [];
  let page = await api.retrieveMultiple(request);
  assert.equal(page.oDataCount, 12);
  for (;;) {
    seen.push(names(page));
    if (!page.oDataNextLink) break;
    page = await api.retrieveMultiple(request, page.oDataNextLink);
  }
  assert.deepEqual(seen.map((each) => each.length), [5, 5, 2]);
  assert.deepEqual(seen.flat(), Array.from({ length: 12 }, (_, n) => `Quern ${String(n).padStart(2, "0")}`));
});

test("all rows are walked, whatever the size of a page", async () => {
  for (const maxPageSize of [1, 5, 12, 5000]) {
    const all = await api.retrieveAll({
      collection: "tasks",
      select: ["subject"],
      filter: MINE,
      orderBy: ["prioritycode desc", "subject asc"],
      maxPageSize,
    });
    assert.equal(all.value.length, 12);
    assert.deepEqual(names(all).slice(0, 5), ["Quern 02", "Quern 05", "Quern 08", "Quern 11", "Quern 01"]);
  }
  const always = connect({ maxPageSize: 4 });
  const page = await always.retrieveMultiple({ collection: "tasks", select: ["subject"], filter: MINE });
  assert.equal(page.value.length, 4);
  assert.ok(page.oDataNextLink);
});

test("rows are counted with a filter, without one, and one by one", async () => {
  assert.equal(await api.count({ collection: "tasks", filter: MINE }), 12);
  assert.equal(await api.count({ collection: "tasks", filter: "subject eq 'nothing is called so'" }), 0);
  const whole = await api.count({ collection: "tasks" });
  assert.equal(typeof whole, "number");
  assert.ok(whole >= 12);
  assert.equal(await api.countAll({ collection: "tasks", select: ["activityid"] }), whole);
  assert.equal(await api.countAll({ collection: "tasks", filter: MINE, select: ["activityid"], maxPageSize: 5 }), 12);
});

test("filters of every kind find what they say", async () => {
  const found = async (filter) =>
    (await api.retrieveAll({ collection: "tasks", select: ["subject"], filter: `${MINE} and (${filter})` })).value.length;
  for (const [filter, expected] of [
    ["actualdurationminutes eq 30", 1],
    ["actualdurationminutes ne 30", 11],
    ["actualdurationminutes gt 30 and actualdurationminutes le 60", 3],
    ["actualdurationminutes lt 20 or actualdurationminutes ge 100", 4],
    ["not startswith(subject,'Quern 0')", 2],
    ["endswith(subject,'1')", 2],
    ["subject eq 'QUERN 03'", 1],
    ["prioritycode in (0,1)", 8],
    ["scheduledend ge 2024-01-11T00:00:00Z", 2],
    ["regardingobjectid_account_task/name eq 'Quern & Co'", 6],
    ["_regardingobjectid_value eq null", 6],
    [`_regardingobjectid_value eq {${company}}`, 6],
    [`${CRM}In(PropertyName='prioritycode',PropertyValues=['0','2'])`, 8],
    [`${CRM}Between(PropertyName='actualdurationminutes',PropertyValues=["20","40"])`, 3],
    [`${CRM}OnOrAfter(PropertyName='scheduledend',PropertyValue='2024-01-11')`, 2],
    [`${CRM}ContainValues(PropertyName='nosuch',PropertyValues=['1'])`, null],
  ]) {
    if (expected === null) await refused(found(filter), 400);
    else assert.equal(await found(filter), expected, filter);
  }
});

test("a filter reaches through collections, and an alias stands for a value", async () => {
  const accounts = await api.retrieveMultiple({
    collection: "accounts",
    select: ["name"],
    filter: "Account_Tasks/any(t:t/subject eq 'Quern 03' and t/actualdurationminutes gt 20)",
  });
  assert.deepEqual(accounts.value.map((row) => row.name), ["Quern & Co"]);
  const none = await api.retrieveMultiple({
    collection: "accounts",
    select: ["name"],
    filter: "name eq 'Quern & Co' and Account_Tasks/all(t:t/actualdurationminutes gt 20)",
  });
  assert.deepEqual(none.value, []);
  const aliased = await api.retrieveMultiple({
    collection: "tasks",
    select: ["subject"],
    filter: "contains(@p1,'Quern') and @p2 gt @p3",
    orderBy: ["@p2 desc"],
    queryParams: ["@p1=subject", "@p2=actualdurationminutes", "@p3=90"],
  });
  assert.deepEqual(names(aliased), ["Quern 11", "Quern 10"]);
});

test("expanded rows nest, with their own selection, filter, order and number", async () => {
  const page = await api.retrieveMultiple({
    collection: "accounts",
    select: ["name"],
    filter: "name eq 'Quern & Co'",
    includeAnnotations: FORMATTED,
    expand: [
      {
        property: "Account_Tasks",
        select: ["subject", "prioritycode"],
        filter: "actualdurationminutes gt 10",
        orderBy: ["subject desc"],
        top: 2,
      },
      { property: "createdby", select: ["fullname"] },
    ],
  });
  const [row] = page.value;
  assert.deepEqual(row.Account_Tasks.map((task) => task.subject), ["Quern 05", "Quern 04"]);
  assert.equal(row.Account_Tasks[0].prioritycode_Formatted, "High");
  assert.equal(typeof row.createdby.fullname, "string");
  const text = await api.retrieveMultiple({
    collection: "tasks",
    select: ["subject"],
    filter: "subject eq 'Quern 00'",
    expand: "regardingobjectid_account_task($select=name,numberofemployees)",
  });
  assert.equal(text.value[0].regardingobjectid_account_task.numberofemployees, 7);
});

test("an expanded collection expands in its turn, but then has no order and no number of its own", async () => {
  const tasks = (more) => ({
    collection: "accounts",
    select: ["name"],
    filter: "name eq 'Quern & Co'",
    expand: [
      {
        property: "Account_Tasks",
        select: ["subject"],
        filter: "actualdurationminutes gt 10",
        expand: [{ property: "regardingobjectid_account_task", select: ["name"] }],
        ...more,
      },
    ],
  });
  const [row] = (await api.retrieveMultiple(tasks())).value;
  assert.deepEqual(row.Account_Tasks.map((task) => task.subject).sort(), ["Quern 02", "Quern 03", "Quern 04", "Quern 05"]);
  assert.ok(row.Account_Tasks.every((task) => task.regardingobjectid_account_task.name === "Quern & Co"));
  await refused(api.retrieveMultiple(tasks({ top: 2 })), 400, undefined, /\$expand/);
  await refused(api.retrieveMultiple(tasks({ orderBy: ["subject"] })), 400, undefined, /\$expand/);
});

test("rows are grouped and added up", async () => {
  const groups = await api.retrieveMultiple({
    collection: "tasks",
    apply: `filter(${MINE})/groupby((prioritycode),aggregate(actualdurationminutes with sum as total,$count as many))`,
    includeAnnotations: "*",
  });
  assert.deepEqual(
    groups.value.map((row) => [row.prioritycode, row.total, row.many]).sort((a, b) => a[0] - b[0]),
    [[0, 180, 4], [1, 220, 4], [2, 260, 4]],
  );
  assert.ok(groups.value.every((row) => ["Low", "Normal", "High"].includes(row.prioritycode_Formatted)));
  const whole = await api.retrieveMultiple({
    collection: "tasks",
    apply: `filter(${MINE})/aggregate(actualdurationminutes with average as mean,actualdurationminutes with max as most)`,
  });
  assert.deepEqual([whole.value[0].mean, whole.value[0].most], [55, 110]);
});

test("the first rows of an order are taken", async () => {
  const page = await api.retrieveMultiple({
    collection: "tasks",
    select: ["subject"],
    filter: MINE,
    orderBy: ["scheduledend desc"],
    top: 3,
  });
  assert.deepEqual(names(page), ["Quern 11", "Quern 10", "Quern 09"]);
  assert.equal(page.oDataNextLink, undefined);
});

test("a query too long for an address goes as a batch and answers alike", async () => {
  const filter = Array.from({ length: 120 }, (_, n) => `subject eq 'Quern ${String(n).padStart(2, "0")}'`).join(" or ");
  assert.ok(filter.length > 2000);
  const page = await api.retrieveMultiple({ collection: "tasks", select: ["subject"], filter, orderBy: ["subject"], count: true });
  assert.equal(page.value.length, 12);
  assert.equal(page.oDataCount, 12);
  await refused(api.retrieveMultiple({ collection: "tasks", select: ["nosuch"], filter }), 400, undefined, /nosuch/);
});

test("a query that cannot be is refused by name", async () => {
  const query = (more) => api.retrieveMultiple({ collection: "tasks", select: ["subject"], ...more });
  await refused(query({ select: ["nosuch"] }), 400, undefined, /nosuch/);
  await refused(query({ filter: "nosuch eq 1" }), 400, undefined, /nosuch/);
  await refused(query({ filter: "subject eq" }), 400);
  await refused(query({ orderBy: ["nosuch"] }), 400, undefined, /nosuch/);
  await refused(query({ expand: [{ property: "nosuch" }] }), 400, undefined, /nosuch/);
  await refused(query({ queryParams: ["$skip=1"] }), 400, undefined, /skip/i);
  await refused(query({ queryParams: ["$search=x"] }), 400, undefined, /search/i);
});
