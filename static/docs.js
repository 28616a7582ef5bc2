// Swagger UI, with a plugin that manages tokens: logging out revokes the token if the document has /revoke, and an access
// token that came with a refresh token is refreshed before it expires.

// If the response to a refresh is lost, the same refresh token may be sent again within the service's --refresh-grace,
// 10 seconds by default. The timeout leaves time for a second attempt.
const TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function tokenManager() {
  const timers = new Map(); // from the name of an authorized security scheme to its refresh timer

  const serverOf = ({ oas3Selectors }) => oas3Selectors.serverEffectiveValue(oas3Selectors.selectedServer()) || ".";
  const resolve = (url) => new URL(url, document.baseURI);

  // Resolved in the same way as Swagger UI does.
  const tokenUrl = (auth, system) => new URL(auth.schema.get("tokenUrl"), resolve(serverOf(system)));
  const revokeUrl = (system) => resolve(`${serverOf(system).replace(/\/$/, "")}/revoke`);

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

  function cancelRefresh(name) {
    clearTimeout(timers.get(name));
    timers.delete(name);
  }

  function refreshIn(milliseconds, authorization, system) {
    const { name } = authorization.auth;
    cancelRefresh(name);
    const timer = setTimeout(() => refresh(authorization, system), Math.min(milliseconds, LONGEST_TIMER_MS));
    timers.set(name, timer);
  }

  async function refresh({ auth, token }, system) {
    const started = timers.get(auth.name);
    const grant = { grant_type: "refresh_token", refresh_token: token.refresh_token };
    const response = await post(tokenUrl(auth, system), grant, auth);
    const next = response?.ok ? await response.json().catch(() => null) : null;
    if (timers.get(auth.name) !== started) return; // the user has logged out or authorized again
    if (next) system.authActions.authorizeOauth2({ auth, token: { ...token, ...next } });
    else if ([400, 401].includes(response?.status)) system.authActions.logout([auth.name]);
    else refreshIn(RETRY_MS, { auth, token }, system);
  }

  async function revoke({ token, ...auth }, system) {
    const response = await post(revokeUrl(system), { token: token.refresh_token ?? token.access_token }, auth);
    if (response?.ok) return;
    const message = "Logged out here, but the token could not be revoked.";
    system.errActions.newAuthErr({ authId: auth.name, source: "auth", level: "error", message });
  }

  const authorizeOauth2 = (authorize, system) => ({ auth, token }) => {
    authorize({ auth, token });
    cancelRefresh(auth.name);
    // Refreshes after three quarters of the token's lifetime, which leaves time for retries.
    if (token.refresh_token && token.expires_in) refreshIn(token.expires_in * 750, { auth, token }, system);
  };

  const logout = (removeAuthorizations, system) => (names) => {
    const authorized = system.authSelectors.authorized();
    const removed = names.map((name) => authorized.get(name)?.toJS()).filter((auth) => auth?.token);
    names.forEach(cancelRefresh);
    removeAuthorizations(names);
    if (system.specSelectors.specJson().hasIn(["paths", "/revoke"])) removed.forEach((auth) => revoke(auth, system));
  };

  return { statePlugins: { auth: { wrapActions: { authorizeOauth2, logout } } } };
}

// persistAuthorization stays off: it would write the password into localStorage.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [tokenManager],
  layout: "BaseLayout",
  validatorUrl: null,
});
