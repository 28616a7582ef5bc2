// The start page: signs in with the API at the page's own origin.

import { startAccount, showAccount } from "./account.js";
import { json, newContext } from "./api.js";
import { startCurlCommands } from "./curl.js";
import { all, announce, byId, element, markInvalid } from "./dom.js";
import { Session } from "./session.js";

const USERS = { johndoe: "secret", alice: "secret2" };
const MAX_SHOWN_REQUESTS = 8;

const form = byId("sign-in");
const inputs = [byId("username"), byId("password")];
const hasSessions = byId("account") !== null; // the secure profile; its tokens can be revoked
let attempt = null; // the AbortController of a sign-in in progress
let session = null; // the session of the signed-in user

// ---- Signing in and out ----

async function signIn() {
  if (attempt) return;
  const started = beginAttempt();
  const fields = new URLSearchParams(new FormData(form));
  if (hasSessions) fields.set("scope", "me offline_access"); // what this page needs, and a refresh token
  const outcome = await authenticate(fields, newContext(started));
  if (started !== attempt) return; // canceled: ignore the late result
  endAttempt();
  outcome.session === null ? showSignInError(outcome) : showSignedIn(outcome);
}

// Does not throw: a failure is the `error` of the outcome.
async function authenticate(fields, context) {
  const outcome = { session: null, profile: null, error: null, requests: context.requests };
  try {
    outcome.session = await Session.begin(fields, context);
    outcome.profile = await json(await outcome.session.send("users/me", context));
  } catch (error) {
    outcome.error = error;
    if (error.status === 401) outcome.session = null;
  }
  return outcome;
}

// Changing the password has ended all sessions, this one included.
async function signInAgain(username, password) {
  session?.close();
  session = null;
  [byId("username").value, byId("password").value] = [username, password];
  await signIn();
  if (session) showNotice("Password changed. All other sessions have ended.");
  else showError(`Password changed. ${byId("error").textContent}`);
}

function beginAttempt() {
  attempt = new AbortController();
  announce("");
  showNotice("");
  showError("");
  showBusy(true);
  return attempt;
}

function endAttempt() {
  attempt = null;
  showBusy(false);
}

function cancelAttempt() {
  attempt?.abort();
  endAttempt();
}

async function signOut() {
  if (!session) return;
  const closed = session;
  discardSession();
  if (hasSessions) await revoke(closed);
  else announce("Signed out.");
}

// The page has discarded the token already, even if the request fails.
async function revoke(closed) {
  const context = newContext();
  try {
    await closed.revoke(context);
    showNotice("Signed out.");
  } catch ({ message }) {
    showError(`Signed out here, but the token could not be revoked. ${message}`);
  }
  addRequests(context.requests);
}

function signedOut(notice) {
  discardSession();
  showNotice(notice);
}

function sessionEnded() {
  discardSession();
  showError("The session has ended. Sign in again.");
}

function discardSession() {
  session?.close();
  session = null;
  showNotice("");
  showError("");
  showRequests([]);
  showSession();
  byId("username").focus();
}

function fillIn(username) {
  cancelAttempt();
  showError("");
  byId("username").value = username;
  byId("password").value = USERS[username];
  byId("submit").focus();
}

// ---- Display ----

function showSignedIn({ session: newSession, profile, error, requests }) {
  const username = byId("username").value;
  session = newSession;
  session.open({ refreshed: showToken, ended: sessionEnded });
  form.reset();
  showRequests(requests);
  showSession(profile, profile?.full_name || profile?.username || username);
  showError(error ? profileError(error) : "");
  byId("display-name").focus();
}

function profileError({ message }) {
  return /inactive/i.test(message)
    ? `Signed in, but this account is disabled: ${message}`
    : `Signed in, but the profile could not be loaded. ${message}`;
}

function showSignInError({ error, requests }) {
  showSession();
  showRequests(requests);
  showError(`Sign-in failed. ${error.message}`);
  const field = fieldToCorrect(error);
  field.focus();
  field.select?.();
}

// Marks the fields that the server rejected, and returns the element to focus.
function fieldToCorrect({ status, fields }) {
  const invalid = status === 400 && fields.length === 0 ? ["username", "password"] : fields;
  const first = markInvalid(inputs, ({ name }) => invalid.includes(name));
  return invalid === fields ? (first ?? byId("submit")) : byId("password");
}

function showError(message) {
  byId("error").textContent = message;
  if (!message) markInvalid(inputs, () => false);
}

function showNotice(message) {
  byId("notice").textContent = message;
}

function showBusy(busy) {
  const button = byId("submit");
  button.disabled = busy;
  button.textContent = busy ? "Signing in…" : "Sign in";
  for (const input of inputs) input.readOnly = busy;
}

function showSession(profile = null, displayName = "") {
  form.hidden = session !== null;
  byId("session").hidden = session === null;
  byId("panel").dataset.state = profile ? "open" : "closed";
  byId("display-name").textContent = displayName;
  showToken();
  byId("profile").hidden = profile === null;
  byId("fields").replaceChildren(...Object.entries(profile ?? {}).flatMap(field));
  byId("raw").textContent = profile ? JSON.stringify(profile, null, 2) : "";
  if (hasSessions) showAccount(profile && session, profile?.username);
}

function showToken() {
  byId("token").textContent = session?.token ?? "";
}

function field([name, value]) {
  return [element("dt", name), element("dd", typeof value === "string" ? value : JSON.stringify(value))];
}

function showRequests(requests) {
  byId("requests").replaceChildren();
  addRequests(requests);
}

function addRequests(requests) {
  const list = byId("requests");
  list.append(...requests.map(requestLine));
  while (list.children.length > MAX_SHOWN_REQUESTS) list.firstChild.remove();
  byId("trace").hidden = list.children.length === 0;
}

function requestLine({ method, path, result }) {
  const line = element("li", `${method} ${path} `);
  line.append(element("b", result));
  return line;
}

// ---- Start ----

form.noValidate = true; // the server validates
form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn();
});
byId("sign-out").addEventListener("click", signOut);
for (const button of all("[data-fill]")) {
  button.addEventListener("click", () => fillIn(button.dataset.fill));
  button.hidden = false;
}
if (hasSessions) startAccount({ signedOut, signInAgain, addRequests });
startCurlCommands();
showBusy(false);
