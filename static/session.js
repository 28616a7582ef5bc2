// The session of a signed-in user. Its tokens are kept in memory only.

import { ApiError, json, newContext, send } from "./api.js";

// If the response to a refresh is lost, the same refresh token may be sent again within the service's --refresh-grace,
// 10 seconds by default. The timeout leaves time for a second attempt.
const REFRESH_TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Session {
  #tokens = {};
  #refreshing = null; // the promise of a refresh in progress
  #timer = 0;
  #observer = null; // { refreshed, ended }, called while the session is open

  static async begin(credentials, context) {
    const session = new Session();
    session.#tokens = await requestTokens(credentials, context).catch((error) => {
      // A service without refresh tokens rejects the scope offline_access.
      if (error.code !== "invalid_scope" || !credentials.has("scope")) throw error;
      credentials.delete("scope");
      return requestTokens(credentials, context);
    });
    return session;
  }

  get token() {
    return this.#tokens.access_token;
  }

  // Starts automatic refreshes. Calls `observer.refreshed` after each, and `observer.ended` when the session has ended.
  open(observer) {
    this.#observer = observer;
    this.#scheduleRefresh();
  }

  close() {
    this.#observer = null;
    clearTimeout(this.#timer);
  }

  // Sends a request with the token. After a 401, refreshes the token and sends the request once more.
  async send(path, options) {
    const token = this.token;
    try {
      return await this.#sendOnce(path, options);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!this.#tokens.refresh_token) throw this.#ended(error);
    }
    if (token === this.token) await this.#refresh(options);
    return this.#sendOnce(path, options).catch((error) => {
      throw error.status === 401 ? this.#ended(error) : error;
    });
  }

  async revoke(context) {
    await this.#refreshing?.catch(() => {});
    const body = new URLSearchParams({ token: this.#tokens.refresh_token ?? this.token });
    await send("revoke", { method: "POST", body, keepalive: true, ...context });
  }

  #sendOnce(path, options) {
    return send(path, { headers: { Authorization: `Bearer ${this.token}` }, ...options });
  }

  // Concurrent callers share one refresh: a second use of the refresh token could end the session.
  #refresh(context) {
    this.#refreshing ??= this.#requestNext(context).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #requestNext({ signal, requests }) {
    const { refresh_token } = this.#tokens;
    const grant = new URLSearchParams({ grant_type: "refresh_token", refresh_token });
    const withTimeout = AbortSignal.any([signal, AbortSignal.timeout(REFRESH_TIMEOUT_MS)]);
    const next = await requestTokens(grant, { signal: withTimeout, requests }).catch((error) => {
      if (![400, 401].includes(error.status)) throw error;
      throw this.#ended(new ApiError(error.message, { status: 401 }));
    });
    this.#tokens = { ...this.#tokens, ...next };
    this.#observer?.refreshed();
    this.#scheduleRefresh();
  }

  // Refreshes after three quarters of the token's lifetime, which leaves time for retries.
  #scheduleRefresh() {
    const { expires_in, refresh_token } = this.#tokens;
    if (refresh_token && expires_in) this.#refreshIn(expires_in * 750);
  }

  #refreshIn(milliseconds) {
    if (!this.#observer) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#refresh(newContext()).catch(() => this.#refreshIn(RETRY_MS));
    }, Math.min(milliseconds, LONGEST_TIMER_MS));
  }

  #ended(error) {
    const observer = this.#observer;
    this.close();
    observer?.ended();
    return error;
  }
}

async function requestTokens(body, context) {
  const tokens = await json(await send("token", { method: "POST", body, ...context }));
  if (typeof tokens.access_token !== "string") throw new ApiError("The server’s response has no access token.");
  return tokens;
}
