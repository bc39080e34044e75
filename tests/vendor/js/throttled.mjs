// The retry code that the library leaves to its users, against a server that allows a few requests at a time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "./client.mjs";

const api = connect();
const ROWS = 14;

async function patiently(call, told) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.status !== 429) throw error;
      assert.match(error.code, /^0x8007232[126]$/);
      const seconds = Number(error.headers["retry-after"]);
      assert.ok(Number.isInteger(seconds) && seconds > 0, String(error.headers["retry-after"]));
      told.push(seconds);
      await wait(seconds * 1000);
    }
  }
}

test("a client that waits as long as it is told gets everything done, each once", async () => {
  const told = [];
  const names = Array.from({ length: ROWS }, (_, number) => `Throttled ${number}`);
  const make = (name) => () => api.create({ collection: "accounts", data: { name } });
  await Promise.all(names.map((name) => patiently(make(name), told)));
  assert.ok(told.length >= 2, String(told));
  const list = () =>
    api.retrieveMultiple({ collection: "accounts", select: ["name"], filter: "startswith(name,'Throttled ')" });
  const found = (await patiently(list, told)).value.map((row) => row.name);
  assert.deepEqual(found.sort(), names.sort());
});
