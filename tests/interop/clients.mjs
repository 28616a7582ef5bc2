// Signs in with OAuth clients for JavaScript. Takes a JSON request as its argument and prints the result of
// each client as JSON.

import assert from "node:assert";
import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";
import { InMemoryWebStorage, OidcClient, UserManager, WebStorageStateStore } from "oidc-client-ts";
import * as openid from "openid-client";
import { ClientCredentials, ResourceOwnerPassword } from "simple-oauth2";

const { issuer, secret, username, password } = JSON.parse(process.argv[2]);
const johndoe = { username, password };
const scope = "me openid offline_access";

async function me(token) {
  const response = await fetch(`${issuer}/users/me`, { headers: { Authorization: `Bearer ${token}` } });
  return response.ok ? (await response.json()).username : response.status;
}

async function introspect(token) {
  const headers = { Authorization: `Basic ${btoa(`web:${secret}`)}` };
  const response = await fetch(`${issuer}/introspect`, { method: "POST", body: new URLSearchParams({ token }), headers });
  return response.json();
}

async function* openidClient() {
  // The clients know only the issuer.
  const app = await openid.discovery(new URL(issuer), "app", undefined, openid.None());
  const first = await openid.genericGrantRequest(app, "password", { ...johndoe, scope });
  assert.equal(await me(first.access_token), "johndoe");
  yield "password";
  const second = await openid.refreshTokenGrant(app, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(await me(second.access_token), "johndoe");
  yield "refresh";
  const profile = await openid.fetchUserInfo(app, second.access_token, openid.skipSubjectCheck);
  assert.equal(profile.preferred_username, "johndoe");
  yield "userinfo";
  await openid.tokenRevocation(app, second.refresh_token);
  assert.equal(await me(second.access_token), 401);
  yield "revoke";
  const web = await openid.discovery(new URL(issuer), "web", secret);
  const tokens = await openid.clientCredentialsGrant(web, { scope: "reports:read" });
  yield "client_credentials";
  assert.equal((await openid.tokenIntrospection(web, tokens.access_token)).sub, "client:web");
  yield "introspect";
  await openid.tokenRevocation(web, tokens.access_token);
  assert.equal((await openid.tokenIntrospection(web, tokens.access_token)).active, false);
}

async function* oauth4webapi() {
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { algorithm: "oauth2" });
  const server = await oauth.processDiscoveryResponse(url, response);
  const client = { client_id: "web" };
  const auth = oauth.ClientSecretBasic(secret);
  const tokens = await oauth.processClientCredentialsResponse(
    server,
    client,
    await oauth.clientCredentialsGrantRequest(server, client, auth, { scope: "reports:read" }),
  );
  yield "client_credentials";
  const state = async () =>
    oauth.processIntrospectionResponse(
      server,
      client,
      await oauth.introspectionRequest(server, client, auth, tokens.access_token),
    );
  assert.equal((await state()).sub, "client:web");
  yield "introspect";
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, auth, tokens.access_token),
  );
  assert.equal((await state()).active, false);
  yield "revoke";
}

async function* simpleOauth2() {
  const client = { id: "web", secret };
  const auth = { tokenHost: issuer, tokenPath: "/token", revokePath: "/revoke" };
  const tokens = await new ClientCredentials({ client, auth }).getToken({ scope: "reports:read" });
  assert.equal((await introspect(tokens.token.access_token)).sub, "client:web");
  yield "client_credentials";
  const first = await new ResourceOwnerPassword({ client, auth }).getToken({ ...johndoe, scope });
  assert.equal(await me(first.token.access_token), "johndoe");
  yield "password";
  const second = await first.refresh();
  assert.notEqual(second.token.refresh_token, first.token.refresh_token);
  assert.equal(await me(second.token.access_token), "johndoe");
  yield "refresh";
  await second.revokeAll();
  assert.equal(await me(second.token.access_token), 401);
  yield "revoke";
}

async function* oidcClientTs() {
  const store = new WebStorageStateStore({ store: new InMemoryWebStorage() });
  const settings = { authority: issuer, client_id: "app", redirect_uri: issuer, scope };
  const manager = new UserManager({ ...settings, userStore: store, stateStore: store, automaticSilentRenew: false });
  const first = await manager.signinResourceOwnerCredentials(johndoe);
  assert.equal(await me(first.access_token), "johndoe");
  yield "password";
  const second = await manager.signinSilent();
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(await me(second.access_token), "johndoe");
  yield "refresh";
  await manager.revokeTokens();
  assert.equal(await me(second.access_token), 401);
  yield "revoke";
  // The manager's timers would keep this process running.
  await manager.removeUser();
  await new OidcClient({ ...settings, stateStore: store }).createSigninRequest({});
  yield "authorization";
}

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

async function run(name, client) {
  const done = [];
  try {
    for await (const step of client()) done.push(step);
  } catch (error) {
    return { version: version(name), done, error: `${error.name}: ${error.message}` };
  }
  return { version: version(name), done };
}

const clients = {
  "openid-client": openidClient,
  oauth4webapi,
  "simple-oauth2": simpleOauth2,
  "oidc-client-ts": oidcClientTs,
};
const results = {};
for (const [name, client] of Object.entries(clients)) results[name] = await run(name, client);
console.log(JSON.stringify(results));
