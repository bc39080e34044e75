// Data entities as @odata/client reads them: any OData v4 service, and no one's in particular.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { EdmV4, OData } from "@odata/client";
import { LIVE_URL, signIn } from "./client.mjs";

const SPACE = "Microsoft.Dynamics.DataEntities.";
const COMPANY = "npm";
const account = (n) => `N-${String(n).padStart(3, "0")}`;
let client;
let small;
let customers;

before(async () => {
  const token = await signIn();
  const connect = (more) =>
    OData.New4({
      serviceEndpoint: `${LIVE_URL}/data/`,
      variant: "default",
      commonHeaders: { Authorization: `Bearer ${token}`, ...more },
    });
  client = connect({});
  small = connect({ Prefer: "odata.maxpagesize=10" });
  customers = client.getEntitySet("CustomersV3");
  for (let n = 0; n < 25; n += 1) {
    await customers.create({
      dataAreaId: COMPANY,
      CustomerAccount: account(n),
      OrganizationName: n === 7 ? "Quern Co" : `Quern ${n}`,
      CustomerGroupId: n % 2 ? "10" : "30",
      SalesCurrencyCode: "USD",
      CreditLimit: n * 100.25,
      IsOneTimeCustomer: n === 3 ? "Yes" : "No",
    });
  }
});

const asked = () => client.newParam().custom("cross-company", "true").filter(`dataAreaId eq '${COMPANY}'`);

test("the feed is read page by page, forward and by its links", async () => {
  const seen = [];
  for (let skip = 0; ; skip += 10) {
    const params = asked().select(["CustomerAccount"]).orderby("CustomerAccount", "asc").top(10).skip(skip).count(true);
    const page = await client.newRequest({ collection: "CustomersV3", params });
    assert.equal(page["@odata.count"], 25);
    seen.push(...page.value.map((row) => row.CustomerAccount));
    if (page.value.length < 10) break;
  }
  assert.deepEqual(seen, Array.from({ length: 25 }, (_, n) => account(n)));

  const linked = [];
  const params = asked().select(["CustomerAccount"]);
  let page = await small.newRequest({ collection: "CustomersV3", params });
  for (;;) {
    linked.push(page.value.map((row) => row.CustomerAccount));
    const next = page["@odata.nextLink"];
    if (!next) break;
    page = await small.newRequest({ collection: next.slice(`${LIVE_URL}/data/`.length) });
  }
  assert.deepEqual(linked.map((each) => each.length), [10, 10, 5]);
  assert.deepEqual(linked.flat(), seen);
});

test("filters of the client find what they say", async () => {
  const quern = client.newFilter().property("OrganizationName").eq("Quern Co").property("dataAreaId").eq(COMPANY);
  const params = client.newParam().custom("cross-company", "true").filter(quern);
  const page = await client.newRequest({ collection: "CustomersV3", params });
  assert.deepEqual(page.value.map((row) => row.CustomerAccount), [account(7)]);
  const once = asked().filter(`dataAreaId eq '${COMPANY}' and IsOneTimeCustomer eq ${SPACE}NoYes'Yes'`);
  const found = await client.newRequest({ collection: "CustomersV3", params: once });
  assert.deepEqual(found.value.map((row) => [row.CustomerAccount, row.CreditLimit]), [[account(3), 300.75]]);
});

test("a row is read and changed by its composite key, and a failure is understood", async () => {
  const key = { dataAreaId: EdmV4.String.from(COMPANY), CustomerAccount: EdmV4.String.from(account(1)) };
  const params = client.newParam().custom("cross-company", "true");
  const row = await client.newRequest({ collection: "CustomersV3", id: key, params });
  assert.equal(row.OrganizationName, "Quern 1");
  await client.newRequest({ collection: "CustomersV3", id: key, params, method: "PATCH", entity: { KnownAs: "One" } });
  assert.equal((await client.newRequest({ collection: "CustomersV3", id: key, params })).KnownAs, "One");
  await assert.rejects(
    () => customers.create({ CustomerAccount: "N-999" }),
    (error) => /error has occurred/.test(error.message),
  );
});
