// Who is signed in has a session. Its tokens are kept here, in memory, and nowhere else.

import { Problem, json, newContext, send } from "./api.js";

// A lost answer is asked for again within the grace in which it is had once more: ten seconds, as the service has it
// by default.
const REFRESH_TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Session {
  #tokens = {};
  #refreshing = null; // the refresh under way
  #timer = 0;
  #watcher = null; // told of the session as long as it is open

  static async begin(credentials, context) {
    const session = new Session();
    session.#tokens = await requestTokens(credentials, context).catch((problem) => {
      // A service without refresh tokens knows no scope for them.
      if (problem.code !== "invalid_scope" || !credentials.has("scope")) throw problem;
      credentials.delete("scope");
      return requestTokens(credentials, context);
    });
    return session;
  }

  get token() {
    return this.#tokens.access_token;
  }

  // From now on the session refreshes by itself, and tells when it `refreshed` and when it `ended`.
  open(watcher) {
    this.#watcher = watcher;
    this.#refreshInTime();
  }

  close() {
    this.#watcher = null;
    clearTimeout(this.#timer);
  }

  // Sends a request with the token; where that is refused, refreshes and sends it once more.
  async send(path, options) {
    const token = this.token;
    try {
      return await this.#sendOnce(path, options);
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      if (!this.#tokens.refresh_token) throw this.#ended(problem);
    }
    if (token === this.token) await this.#refresh(options);
    return this.#sendOnce(path, options).catch((problem) => {
      throw problem.status === 401 ? this.#ended(problem) : problem;
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

  // One at a time: who comes while a refresh is under way waits for that one.
  #refresh(context) {
    this.#refreshing ??= this.#requestNext(context).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #requestNext({ signal, requests }) {
    const { refresh_token } = this.#tokens;
    const grant = new URLSearchParams({ grant_type: "refresh_token", refresh_token });
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(REFRESH_TIMEOUT_MS)]);
    const next = await requestTokens(grant, { signal: inTime, requests }).catch((problem) => {
      if (![400, 401].includes(problem.status)) throw problem;
      throw this.#ended(new Problem(problem.message, { status: 401 }));
    });
    this.#tokens = { ...this.#tokens, ...next };
    this.#watcher?.refreshed();
    this.#refreshInTime();
  }

  // A quarter of the token's life is left for what may come between.
  #refreshInTime() {
    const { expires_in, refresh_token } = this.#tokens;
    if (refresh_token && expires_in) this.#refreshIn(expires_in * 750);
  }

  #refreshIn(milliseconds) {
    if (!this.#watcher) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // A server that is out of reach now may be back in a moment.
      this.#refresh(newContext()).catch(() => this.#refreshIn(RETRY_MS));
    }, Math.min(milliseconds, LONGEST_TIMER_MS));
  }

  #ended(problem) {
    const watcher = this.#watcher;
    this.close();
    watcher?.ended();
    return problem;
  }
}

async function requestTokens(body, context) {
  const tokens = await json(await send("token", { method: "POST", body, ...context }));
  if (typeof tokens.access_token !== "string") throw new Problem("The server’s answer holds no token.");
  return tokens;
}
