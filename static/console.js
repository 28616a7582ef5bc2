// The list of requests, each with its headers, its response and an explanation.

import { copy, shellWord } from "./curl.js";
import { byId, element } from "./dom.js";

const MAX_SHOWN = 50;
const WAITING_MS = 300;

// The passwords of the tutorial, which are shown. Any other password may be a real one, so it is hidden.
const PUBLIC_PASSWORDS = ["secret", "secret2", "wrong"];

const SHOWN_HEADERS = ["Content-Type", "WWW-Authenticate", "Cache-Control", "Retry-After"];

const LESSONS = {
  "token 200": "The service exchanged the password for a token. From now on, the page sends only the token.",
  "token 400": "An unknown user and a wrong password get the same response, so nobody can find out who has an account.",
  "token 422": "The form is invalid. The response lists each field and what is wrong with it.",
  "users/me 200": "The token alone identifies the user. As in the chapter, the profile contains the “hash”; a real service never returns it.",
  "users/me 400": "The token is valid, but the user is disabled, and the endpoint requires an active user.",
};
const WITHOUT_TOKEN = "The request has no token. The header WWW-Authenticate names what is missing: a Bearer token.";
const WRONG_TOKEN = "No user has this token. 401 and WWW-Authenticate: Bearer ask the client to authenticate again.";

export function lessonOf({ path, status, headers, failure }) {
  if (failure) return failure;
  if (status === 401) return headers.Authorization ? WRONG_TOKEN : WITHOUT_TOKEN;
  return LESSONS[`${path} ${status}`] ?? "";
}

// Adds the record of a request to the list when the response is complete. If this takes more than a moment, shows a
// placeholder until then.
export async function show(method, path, request) {
  const waiting = element("li", "", { class: "waiting" });
  waiting.append(element("code", `${method} /${path}`), " waiting for the response…");
  const timer = setTimeout(() => add(waiting), WAITING_MS);
  const record = await request;
  clearTimeout(timer);
  waiting.remove();
  const item = element("li");
  item.append(entry(record));
  add(item);
  return record;
}

function add(item) {
  const list = byId("requests");
  list.prepend(item);
  while (list.children.length > MAX_SHOWN) list.lastChild.remove();
  byId("no-requests").hidden = true;
}

function entry(record) {
  const { method, path, status, reason, milliseconds } = record;
  const succeeded = status >= 200 && status < 300;
  const summary = element("summary");
  summary.append(
    element("code", `${method} /${path}`),
    element("b", status === null ? "no response" : `${status} ${reason}`, { class: succeeded ? "success" : "failure" }),
    element("span", `${milliseconds} ms`, { class: "time" }),
    element("span", lessonOf(record), { class: "lesson" }),
  );
  const details = element("details");
  details.append(summary, element("h4", "Request"), element("pre", requestText(record)));
  if (status !== null) details.append(element("h4", `Response after ${milliseconds} ms`), element("pre", responseText(record)));
  details.append(curl(record));
  return details;
}

function requestText({ method, url, headers, fields }) {
  const head = [`${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  const body = fields ? [""].concat(new URLSearchParams(shown(fields)).toString()) : [];
  return [...head, ...body].join("\n");
}

function responseText({ status, reason, responseHeaders, json, text }) {
  const headers = SHOWN_HEADERS.filter((name) => responseHeaders.has(name));
  const lines = headers.map((name) => `${name}: ${responseHeaders.get(name)}`);
  return [`${status} ${reason}`, ...lines, "", json === null ? text : JSON.stringify(json, null, 2)].join("\n");
}

const isPublic = ({ password = "" }) => password === "" || PUBLIC_PASSWORDS.includes(password);
const shown = (fields) => (isPublic(fields) ? fields : { ...fields, password: "••••••••" });

function curl(record) {
  const figure = element("figure", "", { class: "curl" });
  const button = element("button", "Copy as curl", { type: "button", class: "copy" });
  button.addEventListener("click", () => copy(button));
  const command = element("pre");
  command.append(element("code", curlCommand(record)));
  figure.append(element("figcaption", "With curl"), button, command);
  return figure;
}

// A hidden password is replaced with a shell variable.
function curlCommand({ url, headers, fields }) {
  const words = ["curl", "-i"];
  if (headers.Authorization) words.push("-H", shellWord(`Authorization: ${headers.Authorization}`));
  if (fields && isPublic(fields)) words.push("-d", shellWord(new URLSearchParams(fields).toString()));
  else if (fields) {
    const { password, ...others } = fields;
    words.push("-d", shellWord(new URLSearchParams(others).toString()), "--data-urlencode", '"password=$PASSWORD"');
  }
  return [...words, shellWord(url)].join(" ");
}
