// The start page of the tutorial profile: signs in, and runs the steps of the chapter.

import { errorOf, exchange } from "./api.js";
import { lessonOf, show } from "./console.js";
import { startCurlCommands } from "./curl.js";
import { all, announce, byId, element, markInvalid } from "./dom.js";

const BUSY_MS = 300;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

const form = byId("sign-in");
const inputs = [byId("username"), byId("password")];
let token = null; // in memory only
let busy = false;
let failed = null; // the action whose request got no response
let retries = 0; // how many times that action was repeated
let retryTimer = 0;

// ---- The steps ----

const STEPS = {
  johndoe: () => signIn({ username: "johndoe", password: "secret" }),
  "without-token": () => readUser(null),
  "wrong-token": () => readUser("nobody"),
  "wrong-password": () => requestToken({ username: "johndoe", password: "wrong" }),
  alice: () => signIn({ username: "alice", password: "secret2" }),
  "sign-out": signOut,
};

const readUser = (bearer) => show("GET", "users/me", exchange("users/me", { token: bearer }));
const requestToken = (fields) => show("POST", "token", exchange("token", { method: "POST", fields }));

async function signIn(fields) {
  showNotice("");
  showError("");
  const issued = await requestToken(fields);
  if (typeof issued.json?.access_token !== "string") {
    if (token === null) showSignInError(issued);
    return issued;
  }
  const bearer = issued.json.access_token;
  const read = await readUser(bearer);
  const hadFocus = form.contains(document.activeElement);
  token = bearer;
  form.reset();
  showSession(fields.username, read.status === 200 ? read.json : null);
  if (read.status !== 200) showError(profileError(read));
  if (hadFocus) byId("display-name").focus();
  return read;
}

function signOut() {
  token = null;
  showError("");
  showSession();
  showNotice("Signed out: the page has discarded the token. The service is not involved, so the token itself is still valid.");
  byId("username").focus();
  return null;
}

// Runs one action at a time.
async function run(action) {
  if (busy) return;
  const timer = setTimeout(() => showBusy(true), BUSY_MS);
  busy = true;
  announce("");
  const record = await action();
  clearTimeout(timer);
  busy = false;
  showBusy(false);
  failed = record?.failure ? action : null;
  showConnection();
  if (record && byId("error").textContent === "") announce(summaryOf(record));
}

function summaryOf(record) {
  const { method, path, status, reason } = record;
  return `${method} /${path}: ${status ?? "no response"} ${reason ?? ""}. ${lessonOf(record)}`;
}

// ---- Display ----

function profileError(record) {
  const { message } = errorOf(record);
  return /inactive/i.test(message)
    ? `Signed in, but this user is disabled: ${message}`
    : `Signed in, but the profile could not be loaded. ${message}`;
}

// Marks the fields that the server rejected, and moves the focus from the form's button to the first of them.
function showSignInError(record) {
  const { message, fields } = errorOf(record);
  showError(`Sign-in failed. ${message}`);
  const invalid = record.status === 400 && fields.length === 0 ? ["username", "password"] : fields;
  const first = markInvalid(inputs, ({ name }) => invalid.includes(name));
  if (!form.contains(document.activeElement)) return;
  const field = invalid === fields ? first : byId("password");
  (field ?? byId("submit")).focus();
  field?.select();
}

function showError(message) {
  byId("error").textContent = message;
  if (!message) markInvalid(inputs, () => false);
}

function showNotice(message) {
  byId("notice").textContent = message;
}

function showBusy(isBusy) {
  byId("submit").textContent = isBusy ? "Signing in…" : "Sign in";
  byId("panel").setAttribute("aria-busy", isBusy);
}

function showSession(username = "", profile = null) {
  form.hidden = token !== null;
  byId("session").hidden = token === null;
  byId("panel").dataset.state = profile ? "open" : "closed";
  byId("display-name").textContent = profile?.full_name || username;
  byId("token").textContent = token ?? "";
  byId("profile").hidden = profile === null;
  byId("fields").replaceChildren(...Object.entries(profile ?? {}).map(field));
  for (const button of all("[data-step=sign-out]")) button.disabled = token === null;
}

function field([name, value]) {
  const line = element("div");
  line.append(element("dt", name), element("dd", typeof value === "string" ? value : JSON.stringify(value)));
  return line;
}

// Shows a banner above the requests if the device is offline or the last request got no response.
function showConnection() {
  const message = navigator.onLine ? "The last request got no response." : "This device is offline.";
  const isShown = failed !== null || !navigator.onLine;
  byId("connection").hidden = !isShown;
  byId("connection").querySelector("p").textContent = isShown ? message : "";
  byId("retry").hidden = failed === null;
  scheduleRetry();
}

// Repeats a request that got no response, and waits twice as long before each further attempt.
function scheduleRetry() {
  clearTimeout(retryTimer);
  if (failed === null) retries = 0;
  else if (navigator.onLine) {
    retryTimer = setTimeout(() => run(failed), Math.min(FIRST_RETRY_MS * 2 ** retries++, LONGEST_RETRY_MS));
  }
}

// ---- Start ----

form.noValidate = true; // the server validates
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  run(() => signIn(fields));
});
for (const button of all("[data-step]")) button.addEventListener("click", () => run(STEPS[button.dataset.step]));
byId("retry").addEventListener("click", () => failed && run(failed));
for (const event of ["online", "offline"]) addEventListener(event, showConnection);
for (const id of ["steps", "console"]) byId(id).hidden = false;
startCurlCommands();
showBusy(false);
showConnection();
