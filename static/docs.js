// Swagger UI, with a plugin by which tokens die and live as they should: logging out revokes the token where the
// document has /revoke, and what came with a refresh token is refreshed before it ends.

// Within the grace in which the same answer is had once more: ten seconds, as the service has it by default.
const TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function livingTokens() {
  const timers = new Map(); // by the name of the security scheme, for as long as it is authorized

  const serverOf = ({ oas3Selectors }) => oas3Selectors.serverEffectiveValue(oas3Selectors.selectedServer()) || ".";
  const fromHere = (url) => new URL(url, document.baseURI);

  // As Swagger UI finds the two.
  const tokenUrl = (auth, system) => new URL(auth.schema.get("tokenUrl"), fromHere(serverOf(system)));
  const revokeUrl = (system) => fromHere(`${serverOf(system).replace(/\/$/, "")}/revoke`);

  function post(url, fields, { clientId, clientSecret = "", passwordType }) {
    const body = new URLSearchParams(fields);
    const headers = {};
    if (clientId && passwordType === "request-body") {
      body.append("client_id", clientId);
      body.append("client_secret", clientSecret);
    } else if (clientId) {
      headers.Authorization = `Basic ${btoa(`${clientId}:${clientSecret}`)}`;
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return fetch(url, { method: "POST", headers, body, signal, keepalive: true }).catch(() => null);
  }

  function forget(name) {
    clearTimeout(timers.get(name));
    timers.delete(name);
  }

  function refreshIn(milliseconds, authorization, system) {
    const { name } = authorization.auth;
    forget(name);
    const timer = setTimeout(() => refresh(authorization, system), Math.min(milliseconds, LONGEST_TIMER_MS));
    timers.set(name, timer);
  }

  async function refresh({ auth, token }, system) {
    const mine = timers.get(auth.name);
    const grant = { grant_type: "refresh_token", refresh_token: token.refresh_token };
    const response = await post(tokenUrl(auth, system), grant, auth);
    const next = response?.ok ? await response.json().catch(() => null) : null;
    if (timers.get(auth.name) !== mine) return; // logged out, or authorized anew, meanwhile
    if (next) system.authActions.authorizeOauth2({ auth, token: { ...token, ...next } });
    else if ([400, 401].includes(response?.status)) system.authActions.logout([auth.name]);
    else refreshIn(RETRY_MS, { auth, token }, system);
  }

  async function revoke({ token, ...auth }, system) {
    const response = await post(revokeUrl(system), { token: token.refresh_token ?? token.access_token }, auth);
    if (response?.ok) return;
    const message = "The token is forgotten here, but it could not be revoked.";
    system.errActions.newAuthErr({ authId: auth.name, source: "auth", level: "error", message });
  }

  const authorizeOauth2 = (authorize, system) => ({ auth, token }) => {
    authorize({ auth, token });
    forget(auth.name);
    // A quarter of the token's life is left for what may come between.
    if (token.refresh_token && token.expires_in) refreshIn(token.expires_in * 750, { auth, token }, system);
  };

  const logout = (forgetAuthorizations, system) => (names) => {
    const authorized = system.authSelectors.authorized();
    const left = names.map((name) => authorized.get(name)?.toJS()).filter((auth) => auth?.token);
    names.forEach(forget);
    forgetAuthorizations(names);
    if (system.specSelectors.specJson().hasIn(["paths", "/revoke"])) left.forEach((auth) => revoke(auth, system));
  };

  return { statePlugins: { auth: { wrapActions: { authorizeOauth2, logout } } } };
}

// persistAuthorization stays off: it would write the password into localStorage.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [livingTokens],
  layout: "BaseLayout",
  validatorUrl: null,
});
