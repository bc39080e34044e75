import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, CRM, GUID, NOBODY, refused } from "./client.mjs";

const api = connect();
const NOT_FOUND = "0x8006088a";

test("functions are called in the long form, the short one and with parameters", async () => {
  const me = await api.callFunction("WhoAmI");
  for (const name of ["UserId", "BusinessUnitId", "OrganizationId"]) assert.match(me[name], GUID);
  assert.deepEqual((await api.callFunction({ name: "WhoAmI" })).UserId, me.UserId);
  assert.deepEqual((await api.callFunction({ functionName: "WhoAmI" })).UserId, me.UserId);
  const user = await api.retrieve({ collection: "systemusers", key: me.UserId, select: ["_businessunitid_value"] });
  assert.equal(user._businessunitid_value, me.BusinessUnitId);
  assert.match((await api.callFunction("RetrieveVersion")).Version, /^9(\.\d+){3}$/);
  const organization = await api.callFunction({
    name: "RetrieveCurrentOrganization",
    parameters: { AccessType: `${CRM}EndpointAccessType'Default'` },
  });
  assert.equal(organization.Detail.OrganizationId, me.OrganizationId);
});

test("an unbound action answers nothing, and a bound one what it made", async () => {
  const xml = "<importexportxml><entities><entity>account</entity></entities></importexportxml>";
  assert.equal(await api.callAction({ actionName: "PublishXml", action: { ParameterXml: xml } }), undefined);
  assert.equal(await api.callAction({ actionName: "PublishAllXml" }), undefined);
  const made = await api.callAction({
    collection: "contacts",
    actionName: `${CRM}CreateMultiple`,
    action: {
      Targets: ["Ada", "Bob"].map((firstname) => ({ "@odata.type": `${CRM}contact`, firstname, lastname: "Action" })),
    },
  });
  assert.equal(made.Ids.length, 2);
  await api.callAction({
    collection: "contacts",
    actionName: `${CRM}UpdateMultiple`,
    action: {
      Targets: made.Ids.map((contactid) => ({ "@odata.type": `${CRM}contact`, contactid, jobtitle: "Actor" })),
    },
  });
  const rows = await api.retrieveMultiple({
    collection: "contacts",
    select: ["firstname", "jobtitle"],
    filter: "lastname eq 'Action'",
    orderBy: ["firstname"],
  });
  assert.deepEqual(rows.value.map((row) => [row.firstname, row.jobtitle]), [["Ada", "Actor"], ["Bob", "Actor"]]);
});

test("what is called in another way than it is made for is refused", async () => {
  await refused(api.callFunction("NoSuchFunction"), 404, NOT_FOUND, /NoSuchFunction/);
  await refused(api.callAction({ actionName: "NoSuchAction", action: {} }), 404, NOT_FOUND, /NoSuchAction/);
  await refused(api.callFunction({ name: "PublishAllXml" }), 405);
  await refused(api.callAction({ actionName: "WhoAmI" }), 405);
  await refused(api.callAction({ actionName: "PublishXml", action: {} }), 400, undefined, /ParameterXml/);
  await refused(api.callAction({ actionName: "PublishAllXml", action: { Surplus: 1 } }), 400, undefined, /Surplus/);
  await refused(api.callFunction({ name: "WhoAmI", parameters: { Surplus: 1 } }), 400, undefined, /Surplus/);
  await refused(
    api.callFunction({ collection: "accounts", key: NOBODY, name: `${CRM}WhoAmI` }), 404, NOT_FOUND, /WhoAmI/,
  );
});

test("functions and actions that are not there yet are named", async () => {
  const request = {
    name: "GetTimeZoneCodeByLocalizedName",
    parameters: { LocalizedStandardName: "Pacific Standard Time", LocaleId: 1033 },
  };
  await refused(api.callFunction(request), 404, NOT_FOUND, new RegExp(request.name));
});

test("an opportunity is won, a row goes into a queue, a team tells what it may do", async () => {
  const deal = await api.create({ collection: "opportunities", data: { name: "Deal" } });
  const close = { subject: "Won", "opportunityid@odata.bind": `opportunities(${deal})` };
  await api.callAction({ actionName: "WinOpportunity", action: { Status: 3, OpportunityClose: close } });
  assert.equal((await api.retrieve({ collection: "opportunities", key: deal, select: ["statecode"] })).statecode, 1);
  const queue = await api.create({ collection: "queues", data: { name: "Letters" } });
  const letter = await api.create({ collection: "letters", data: { subject: "Dear" } });
  const added = await api.callAction({
    actionName: `${CRM}AddToQueue`,
    collection: "queues",
    key: queue,
    action: { Target: { activityid: letter, "@odata.type": `${CRM}letter` } },
  });
  const item = await api.retrieve({ collection: "queueitems", key: added.QueueItemId, select: ["title"] });
  assert.equal(item.title, "Dear");
  const [team] = (await api.retrieveMultiple({ collection: "teams", select: ["teamid"], top: 1 })).value;
  const held = await api.callFunction({
    name: `${CRM}RetrieveTeamPrivileges`, collection: "teams", key: team.teamid,
  });
  assert.ok(Array.isArray(held.RolePrivileges));
});

test("changes are tracked by delta links", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Followed" } });
  const first = await api.retrieveMultiple({ collection: "accounts", select: ["name"], trackChanges: true });
  assert.ok(first.value.some((row) => row.accountid === key));
  const link = first["@odata.deltaLink"];
  await api.update({ collection: "accounts", key, data: { name: "Followed on" } });
  const second = await api.retrieveMultiple({ collection: "accounts" }, link);
  assert.deepEqual(second.value.map((row) => row.name), ["Followed on"]);
  await api.deleteRecord({ collection: "accounts", key });
  const third = await api.retrieveMultiple({ collection: "accounts" }, second["@odata.deltaLink"]);
  assert.deepEqual(third.value.map((row) => [row.id, row.reason]), [[key, "deleted"]]);
});

test("FetchXML is asked on one page, on all and as a long address", async () => {
  for (const number of [1, 2, 3, 4, 5]) await api.create({ collection: "accounts", data: { name: `Fetched ${number}` } });
  const fetchXml = `<fetch mapping="logical"><entity name="account"><attribute name="name"/><order attribute="name"/>
    <filter><condition attribute="name" operator="begins-with" value="Fetched"/></filter></entity></fetch>`;
  const names = (answer) => answer.value.map((row) => row.name);
  const all = [1, 2, 3, 4, 5].map((number) => `Fetched ${number}`);
  assert.deepEqual(names(await api.fetch({ collection: "accounts", fetchXml })), all);
  const paged = fetchXml.replace("<fetch", '<fetch count="2"');
  const first = await api.fetch({ collection: "accounts", fetchXml: paged, includeAnnotations: "*" });
  assert.deepEqual(names(first), all.slice(0, 2));
  assert.equal(first.PagingInfo.nextPage, 2);
  const second = await api.fetch({
    collection: "accounts", fetchXml: paged, pageNumber: first.PagingInfo.nextPage, pagingCookie: first.PagingInfo.cookie,
  });
  assert.deepEqual(names(second), all.slice(2, 4));
  assert.deepEqual(names(await api.fetchAll({ collection: "accounts", fetchXml: paged, includeAnnotations: "*" })), all);
  const long = fetchXml.replace("</filter>", `${'<condition attribute="name" operator="not-null"/>'.repeat(60)}</filter>`);
  assert.deepEqual(names(await api.fetch({ collection: "accounts", fetchXml: long })), all);
  await refused(api.fetch({ collection: "accounts", fetchXml: "<fetch/>" }), 400, "0x8004111c");
});

test("queries that are saved are read by their name only as sets", async () => {
  const data = {
    name: "Mine", returnedtypecode: "account", querytype: 0,
    fetchxml: "<fetch><entity name='account'><attribute name='name'/><filter><condition attribute='name' operator='eq' value='Fetched 3'/></filter></entity></fetch>",
  };
  const userQuery = await api.create({ collection: "userqueries", data });
  const found = await api.retrieveMultiple({ collection: "accounts", userQuery });
  assert.deepEqual(found.value.map((row) => row.name), ["Fetched 3"]);
  await refused(api.retrieveMultiple({ collection: "accounts", userQuery: NOBODY }), 404);
  await refused(api.retrieveMultiple({ collection: "contacts", userQuery }), 400, "0x80041128");
});

test("queries that are saved for one row, tagged or parted are refused by name", async () => {
  const accounts = { collection: "accounts", select: ["name"] };
  await refused(api.retrieve({ ...accounts, key: NOBODY, savedQuery: NOBODY }), 400, undefined, /savedQuery/);
  await refused(api.retrieve({ ...accounts, key: NOBODY, userQuery: NOBODY }), 400, undefined, /userQuery/);
  await refused(api.retrieveMultiple({ ...accounts, tag: "shared" }), 400, undefined, /tag/);
  await refused(api.retrieveMultiple({ ...accounts, partitionId: "p" }), 400, undefined, /partitionId/);
});

test("a background operation is refused by name, not run in the foreground", async () => {
  await refused(
    api.callAction({ actionName: "PublishAllXml", respondAsync: true }), 400, undefined, /respond-async/,
  );
});

test("one acts for another by the id of the row and by that in the directory", async () => {
  const { UserId } = await api.callFunction("WhoAmI");
  const others = await api.retrieveMultiple({
    collection: "systemusers",
    select: ["systemuserid", "azureactivedirectoryobjectid"],
    filter: `systemuserid ne ${UserId} and azureactivedirectoryobjectid ne null and isdisabled eq false`,
  });
  const [other] = others.value;
  const ways = [["impersonate", other.systemuserid], ["impersonateAAD", other.azureactivedirectoryobjectid]];
  for (const [option, id] of ways) {
    assert.equal((await api.callFunction({ name: "WhoAmI", [option]: id })).UserId, other.systemuserid);
    const key = await api.create({ collection: "leads", data: { lastname: "Masked" }, [option]: id });
    const made = await api.retrieve({ collection: "leads", key, select: ["_createdby_value", "_createdonbehalfby_value"] });
    assert.deepEqual([made._createdby_value, made._createdonbehalfby_value], [other.systemuserid, UserId]);
    assert.equal((await connect({ [option]: id }).callFunction("WhoAmI")).UserId, other.systemuserid);
  }
});

test("what is no image is refused as one", async () => {
  const key = await api.create({ collection: "accounts", data: { name: "Has no picture" } });
  const file = { collection: "accounts", key, property: "entityimage", fileName: "logo.png" };
  await refused(api.uploadFile({ ...file, data: Buffer.from("no image") }), 400, undefined, /image/);
});

test("search is refused by name", async () => {
  for (const call of [api.query("maria"), api.suggest("mar"), api.autocomplete("mar")])
    await refused(call, 404, NOT_FOUND, /search/);
});

test("a failure carries status, code, message and the number of the request", async () => {
  await assert.rejects(api.retrieve({ collection: "accounts", key: NOBODY }), (error) => {
    assert.ok(error instanceof Error);
    assert.equal(error.status, 404);
    assert.equal(error.statusMessage, "Not Found");
    assert.equal(error.code, "0x80040217");
    assert.match(error.message, new RegExp(`account.*${NOBODY}`, "i"));
    assert.match(error.headers["x-ms-service-request-id"], GUID);
    return true;
  });
  await refused(api.retrieveMultiple({ collection: "nosuchs" }), 404, NOT_FOUND, /nosuchs/);
  await refused(api.create({ collection: "accounts", data: { nosuch: 1 } }), 400, "0x80048d19", /nosuch/);
  await refused(api.create({ collection: "accounts", data: { numberofemployees: "x" } }), 400, undefined, /numberofemployees/);
  await refused(api.create({ collection: "accounts", data: { industrycode: 99 } }), 400, undefined, /industrycode/);
  await refused(api.create({ collection: "accounts", data: { name: "x".repeat(161) } }), 400, undefined, /name/);
});

test("a caller without a token, or with a bad one, is turned away", async () => {
  for (const token of [undefined, "not.a.token"]) {
    const stranger = connect({ onTokenRefresh: undefined });
    await assert.rejects(stranger.callFunction({ name: "WhoAmI", token }), (error) => {
      assert.equal(error.status, 401);
      assert.match(error.headers["www-authenticate"], /^Bearer .*authorization_uri=/);
      return true;
    });
  }
});
