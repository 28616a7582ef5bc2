// Requests to the API at the page's own origin.

const TIMEOUT_MS = 10_000;

export const apiUrl = (path) => new URL(path, document.baseURI).href;

// A failed request. The message is shown to the user.
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", fields = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

// The context of one user action: its timeout, and the list of the requests that it sent.
export function newContext(controller = new AbortController()) {
  setTimeout(() => controller.abort(), TIMEOUT_MS);
  return { signal: controller.signal, requests: [] };
}

export async function send(path, { signal, requests, ...options }) {
  const request = { method: options.method ?? "GET", path, result: "no response" };
  requests.push(request);
  const response = await fetch(apiUrl(path), { cache: "no-store", signal, ...options }).catch(() => {
    throw new ApiError(unreachable(signal));
  });
  request.result = String(response.status);
  if (!response.ok) throw responseError(response.status, await response.json().catch(() => null));
  return response;
}

export async function json(response) {
  const body = await response.json().catch(() => null);
  if (body === null) throw new ApiError("The server’s response is not JSON.");
  return body;
}

function unreachable(signal) {
  return signal.aborted
    ? "The server did not respond in time."
    : "The server cannot be reached. Is it still running?";
}

// `detail` is a string, or a list of { loc, msg } as in FastAPI.
function responseError(status, body) {
  const { detail, error: code } = body ?? {};
  if (typeof detail === "string") return new ApiError(sentence(detail), { status, code });
  if (!Array.isArray(detail)) {
    return new ApiError(`The server returned status ${status} without an explanation.`, { status });
  }
  const fields = detail.map((item) => String(item.loc?.at(-1) ?? "request"));
  const message = detail.map((item, i) => sentence(`${label(fields[i])}: ${item.msg}`)).join(" ");
  return new ApiError(message, { status, code, fields });
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
const label = (field) => field.charAt(0).toUpperCase() + field.slice(1).replaceAll("_", " ");
