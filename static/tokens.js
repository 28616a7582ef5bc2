// Token requests of Swagger UI, and a plugin that manages the tokens. Logging out revokes the token if the document
// contains /revoke. An access token that was issued with a refresh token is refreshed before it expires; any other
// access token is removed when it expires.

// If the response to a refresh is lost, the same refresh token may be sent again within the service's --refresh-grace,
// 10 seconds by default. The timeout leaves time for a second attempt.
const REFRESH_TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;
const REQUEST_TIMEOUT_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const serverOf = ({ oas3Selectors }) => oas3Selectors.serverEffectiveValue(oas3Selectors.selectedServer()) || ".";
const resolve = (url) => new URL(url, document.baseURI);

// Resolves the URL of the token endpoint in the same way as Swagger UI.
const tokenUrl = (auth, system) => new URL(auth.schema.get("tokenUrl"), resolve(serverOf(system)));
export const urlOf = (path, system) => resolve(serverOf(system).replace(/\/$/, "") + path);

export const hasPath = (path, system) => system.specSelectors.specJson().hasIn(["paths", path]);

function post(url, fields, { clientId, clientSecret = "", passwordType }, timeout) {
  const body = new URLSearchParams(fields);
  const headers = {};
  if (clientId && passwordType === "basic") {
    const encode = (text) => new URLSearchParams({ "": text }).toString().slice(1);
    headers.Authorization = `Basic ${btoa(`${encode(clientId)}:${encode(clientSecret)}`)}`;
  } else if (clientId) {
    body.append("client_id", clientId);
    if (clientSecret) body.append("client_secret", clientSecret);
  }
  const signal = AbortSignal.timeout(timeout);
  return fetch(url, { method: "POST", headers, body, signal, keepalive: true }).catch(() => null);
}

// Sends a token request and returns either { token } or { error }, a sentence.
export async function requestToken(auth, fields, system) {
  const url = tokenUrl(auth, system);
  const response = await post(url, fields, auth, REQUEST_TIMEOUT_MS);
  if (!response) {
    const reason = url.origin === location.origin ? "" : `, and does it allow requests from ${location.origin} (CORS)`;
    return { error: `No response from ${url}. Is the service running${reason}?` };
  }
  const body = await response.json().catch(() => null);
  if (response.ok && typeof body?.access_token === "string") return { token: body };
  return { error: describe(response, body) };
}

function describe(response, body) {
  const detail = body?.detail ?? body?.error_description ?? body?.error;
  if (Array.isArray(detail)) return detail.map(({ loc, msg }) => `${loc?.at(-1)}: ${msg}`).join(". ");
  if (typeof detail !== "string") return `The service responded with status ${response.status}.`;
  const seconds = Number(response.headers.get("Retry-After"));
  return seconds > 0 ? `${detail}. Try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.` : detail;
}

export function tokenManager() {
  const timers = new Map(); // the timer of each authorized security scheme, by name

  function cancelTimer(name) {
    clearTimeout(timers.get(name));
    timers.delete(name);
  }

  function startTimer(name, milliseconds, action) {
    cancelTimer(name);
    timers.set(name, setTimeout(action, milliseconds));
  }

  function refreshIn(milliseconds, authorization, system) {
    const action = () => refresh(authorization, system);
    startTimer(authorization.auth.name, Math.min(milliseconds, LONGEST_TIMER_MS), action);
  }

  async function refresh({ auth, token }, system) {
    const started = timers.get(auth.name);
    const grant = { grant_type: "refresh_token", refresh_token: token.refresh_token };
    const response = await post(tokenUrl(auth, system), grant, auth, REFRESH_TIMEOUT_MS);
    const next = response?.ok ? await response.json().catch(() => null) : null;
    if (timers.get(auth.name) !== started) return; // the user has logged out or authorized again
    if (next) system.authActions.authorizeOauth2({ auth, token: { ...token, ...next } });
    else if ([400, 401].includes(response?.status)) system.authActions.logout([auth.name]);
    else refreshIn(RETRY_MS, { auth, token }, system);
  }

  async function revoke({ token, ...auth }, system) {
    const fields = { token: token.refresh_token ?? token.access_token };
    const response = await post(urlOf("/revoke", system), fields, auth, REFRESH_TIMEOUT_MS);
    if (response?.ok) return;
    const message = "Logged out here, but the token could not be revoked.";
    system.errActions.newAuthErr({ authId: auth.name, source: "auth", level: "error", message });
  }

  const authorizeOauth2 = (authorize, system) => ({ auth, token }) => {
    authorize({ auth, token });
    cancelTimer(auth.name);
    const lifetime = token.expires_in * 1000;
    // Refreshes after three quarters of the token's lifetime, which leaves time for retries.
    if (token.refresh_token && lifetime) refreshIn(lifetime * 0.75, { auth, token }, system);
    else if (lifetime <= LONGEST_TIMER_MS) startTimer(auth.name, lifetime, () => system.authActions.logout([auth.name]));
  };

  const logout = (removeAuthorizations, system) => (names) => {
    const authorized = system.authSelectors.authorized();
    const removed = names.map((name) => authorized.get(name)?.toJS()).filter((auth) => auth?.token);
    names.forEach(cancelTimer);
    removeAuthorizations(names);
    if (hasPath("/revoke", system)) removed.forEach((auth) => revoke(auth, system));
  };

  return { statePlugins: { auth: { wrapActions: { authorizeOauth2, logout } } } };
}
