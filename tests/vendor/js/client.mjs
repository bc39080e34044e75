// A client of the live server that the environment names: address, tenant, application.
import assert from "node:assert/strict";
import { DynamicsWebApi } from "dynamics-web-api";

export const { LIVE_URL, LIVE_HTTP, LIVE_TENANT, LIVE_CLIENT, LIVE_SECRET } = process.env;

export async function signIn() {
  const answer = await fetch(`${LIVE_URL}/${LIVE_TENANT}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: LIVE_CLIENT,
      client_secret: LIVE_SECRET,
      scope: `${LIVE_URL}/.default`,
    }),
  });
  return (await answer.json()).access_token;
}

let held;
const token = () => (held ??= signIn());

export const NOBODY = "00000000-0000-4000-8000-0000000000ee";
export const FORMATTED = "OData.Community.Display.V1.FormattedValue";
export const CRM = "Microsoft.Dynamics.CRM.";
export const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const connect = (more = {}) =>
  new DynamicsWebApi({
    serverUrl: LIVE_URL,
    dataApi: { version: "9.2" },
    onTokenRefresh: token,
    ...more,
  });

export const label = (text) => ({
  "@odata.type": "Microsoft.Dynamics.CRM.Label",
  LocalizedLabels: [
    { "@odata.type": "Microsoft.Dynamics.CRM.LocalizedLabel", Label: text, LanguageCode: 1033 },
  ],
});

// The definition of a table with a primary name column, as the library's documentation writes one.
export const tableOf = (schemaName, primary, more = {}) => ({
  "@odata.type": `${CRM}EntityMetadata`,
  Attributes: [
    {
      "@odata.type": `${CRM}StringAttributeMetadata`,
      AttributeType: "String",
      AttributeTypeName: { Value: "StringType" },
      Description: label(`The ${primary} of the row`),
      DisplayName: label(primary),
      IsPrimaryName: true,
      RequiredLevel: {
        Value: "None",
        CanBeChanged: true,
        ManagedPropertyLogicalName: "canmodifyrequirementlevelsettings",
      },
      SchemaName: primary,
      FormatName: { Value: "Text" },
      MaxLength: 100,
    },
  ],
  Description: label(`Rows of ${schemaName}`),
  DisplayCollectionName: label(`${schemaName}s`),
  DisplayName: label(schemaName),
  HasActivities: false,
  HasNotes: false,
  IsActivity: false,
  OwnershipType: "UserOwned",
  SchemaName: schemaName,
  ...more,
});

// A call is refused with a status, a code of Dataverse's form and a message; all three are the server's own.
export const refused = (call, status, code, message) =>
  assert.rejects(call, (error) => {
    assert.equal(error.status, status, `${error.status} ${error.code}: ${error.message}`);
    assert.match(error.code, /^0x8[0-9a-f]{7}$/);
    if (code !== undefined) assert.equal(error.code, code, error.message);
    assert.match(error.message, message ?? /\S/);
    return true;
  });
