// Files in chunks, as the package uploads and downloads them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, CRM, label } from "./client.mjs";

const api = connect();
let account;

before(async () => {
  await api.createAttribute({
    entityKey: "LogicalName='account'",
    data: {
      "@odata.type": `${CRM}FileAttributeMetadata`,
      SchemaName: "new_Scan",
      DisplayName: label("Scan"),
      MaxSizeInKB: 32768,
    },
  });
  const data = { name: "Scanned" };
  account = (await api.create({ collection: "accounts", data, returnRepresentation: true })).accountid;
});

after(() => api.deleteRecord({ collection: "accounts", key: account }));

for (const size of [11, 10_000_000]) {
  test(`a file of ${size} bytes is uploaded and downloaded`, async () => {
    const data = Buffer.alloc(size, "orgstead ");
    const place = { collection: "accounts", key: account, property: "new_scan" };
    await api.uploadFile({ ...place, fileName: "scan.txt", data, contentType: "text/plain" });
    const got = await api.downloadFile(place);
    assert.equal(got.fileName, "scan.txt");
    assert.equal(got.fileSize, size);
    assert.ok(Buffer.from(got.data).equals(data));
  });
}
