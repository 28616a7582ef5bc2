// Requests to the API at the page's own origin.

const TIMEOUT_MS = 10_000;

export const apiUrl = (path) => new URL(path, document.baseURI).href;

// Sends a request and returns a record of the exchange. Never throws: if there is no response, `status` is null
// and `failure` contains the reason.
export async function exchange(path, { method = "GET", token = null, fields = null } = {}) {
  const headers = { Accept: "application/json" };
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (fields) headers["Content-Type"] = "application/x-www-form-urlencoded";
  const record = { path, method, url: apiUrl(path), headers, fields, status: null };
  const started = performance.now();
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const options = { method, headers, body: fields && new URLSearchParams(fields), cache: "no-store", signal };
    const response = await fetch(record.url, options);
    record.text = await response.text();
    record.status = response.status;
    record.reason = response.statusText || REASONS[response.status] || "";
    record.responseHeaders = response.headers;
    record.json = parse(record.text);
  } catch {
    record.failure = signal.aborted
      ? "The server did not respond in time."
      : "The server cannot be reached. Is it still running?";
  }
  record.milliseconds = Math.round(performance.now() - started);
  return record;
}

// HTTP/2 has no reason phrases.
const REASONS = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Describes the error of a record as { message, fields }, where `fields` contains the names of the invalid fields.
export function errorOf({ status, json, failure }) {
  if (failure) return { message: failure, fields: [] };
  const detail = json?.detail;
  if (typeof detail === "string") return { message: sentence(detail), fields: [] };
  // Validation errors are a list of { loc, msg }, as in FastAPI.
  if (!Array.isArray(detail)) {
    return { message: `The server returned status ${status} without an explanation.`, fields: [] };
  }
  const fields = detail.map((item) => String(item.loc?.at(-1) ?? "request"));
  const message = detail.map((item, i) => sentence(`${label(fields[i])}: ${item.msg}`)).join(" ");
  return { message, fields };
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
const label = (field) => field.charAt(0).toUpperCase() + field.slice(1).replaceAll("_", " ");
