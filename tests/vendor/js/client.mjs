// A client of the live server that the environment names: address, tenant, application.
import { DynamicsWebApi } from "dynamics-web-api";

const { LIVE_URL, LIVE_TENANT, LIVE_CLIENT, LIVE_SECRET } = process.env;

async function token() {
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

export const NOBODY = "00000000-0000-4000-8000-0000000000ee";
export const FORMATTED = "OData.Community.Display.V1.FormattedValue";

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
