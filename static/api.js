// Requests to the API of the page's own origin.

const TIMEOUT_MS = 10_000;

export const apiUrl = (path) => new URL(path, document.baseURI).href;

// What was not answered with success: its message is for the reader.
export class Problem extends Error {
  constructor(message, { status = 0, code = "", fields = [] } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

// What requests of one action have in common: when to give up, and the list of what was asked.
export function newContext(giveUp = new AbortController()) {
  setTimeout(() => giveUp.abort(), TIMEOUT_MS);
  return { signal: giveUp.signal, requests: [] };
}

export async function send(path, { signal, requests, ...options }) {
  const request = { method: options.method ?? "GET", path, result: "no answer" };
  requests.push(request);
  const response = await fetch(apiUrl(path), { cache: "no-store", signal, ...options }).catch(() => {
    throw new Problem(unreachable(signal));
  });
  request.result = String(response.status);
  if (!response.ok) throw refusal(response.status, await response.json().catch(() => null));
  return response;
}

export async function json(response) {
  const answer = await response.json().catch(() => null);
  if (answer === null) throw new Problem("The server’s answer is not JSON.");
  return answer;
}

function unreachable(signal) {
  return signal.aborted
    ? "The server did not answer in time."
    : "The server cannot be reached. Is it still running?";
}

// `detail` is a string, or a list of { loc, msg } as FastAPI writes it.
function refusal(status, answer) {
  const { detail, error: code } = answer ?? {};
  if (typeof detail === "string") return new Problem(sentence(detail), { status, code });
  if (!Array.isArray(detail)) return new Problem(`The server answered ${status} and gave no reason.`, { status });
  const fields = detail.map((item) => String(item.loc?.at(-1) ?? "request"));
  const message = detail.map((item, i) => sentence(`${label(fields[i])}: ${item.msg}`)).join(" ");
  return new Problem(message, { status, code, fields });
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
const label = (field) => field.charAt(0).toUpperCase() + field.slice(1).replaceAll("_", " ");
