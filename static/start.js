// The start page signs in with the API of its own origin.

import { startAccount, showAccount } from "./account.js";
import { json, newContext } from "./api.js";
import { startCurlLines } from "./curl.js";
import { all, announce, byId, element, markWrong } from "./dom.js";
import { Session } from "./session.js";

const USERS = { johndoe: "secret", alice: "secret2" };
const SHOWN_REQUESTS = 8;

const form = byId("sign-in");
const inputs = [byId("username"), byId("password")];
const tokensDie = byId("account") !== null; // in this profile they can be revoked
let attempt = null; // the AbortController of the sign-in under way
let session = null; // who is signed in has one

// ---- Signing in and out ----

async function signIn() {
  if (attempt) return;
  const mine = beginAttempt();
  const fields = new URLSearchParams(new FormData(form));
  if (tokensDie) fields.set("scope", "offline_access"); // all that the user has, and a refresh token
  const outcome = await authenticate(fields, newContext(mine));
  if (mine !== attempt) return; // given up meanwhile: the answer is out of date
  endAttempt();
  outcome.session === null ? showRefused(outcome) : showSignedIn(outcome);
}

// Never throws: what went wrong is the outcome's `problem`.
async function authenticate(fields, context) {
  const outcome = { session: null, profile: null, problem: null, requests: context.requests };
  try {
    outcome.session = await Session.begin(fields, context);
    outcome.profile = await json(await outcome.session.send("users/me", context));
  } catch (problem) {
    outcome.problem = problem;
    if (problem.status === 401) outcome.session = null;
  }
  return outcome;
}

// The change of a password has ended the session.
async function signInAgain(username, password) {
  session?.close();
  session = null;
  [byId("username").value, byId("password").value] = [username, password];
  await signIn();
  if (session) showNotice("Password changed. All other sessions are ended.");
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

function giveUpAttempt() {
  attempt?.abort();
  endAttempt();
}

async function signOut() {
  if (!session) return;
  const left = session;
  forget();
  if (tokensDie) await revoke(left);
  else announce("Signed out.");
}

// The token is forgotten already, whatever the server says.
async function revoke(left) {
  const context = newContext();
  try {
    await left.revoke(context);
    showNotice("Signed out.");
  } catch ({ message }) {
    showError(`The token is forgotten here, but not revoked. ${message}`);
  }
  addRequests(context.requests);
}

function leave(notice) {
  forget();
  showNotice(notice);
}

function sessionEnded() {
  forget();
  showError("The session has ended. Sign in again.");
}

function forget() {
  session?.close();
  session = null;
  showNotice("");
  showError("");
  showRequests([]);
  showSession();
  byId("username").focus();
}

function fillIn(username) {
  giveUpAttempt();
  showError("");
  byId("username").value = username;
  byId("password").value = USERS[username];
  byId("submit").focus();
}

// ---- Showing ----

function showSignedIn({ session: opened, profile, problem, requests }) {
  const username = byId("username").value;
  session = opened;
  session.open({ refreshed: showToken, ended: sessionEnded });
  form.reset();
  showRequests(requests);
  showSession(profile, profile?.full_name || profile?.username || username);
  showError(problem ? withoutProfile(problem) : "");
  byId("holder").focus();
}

function withoutProfile({ message }) {
  return /inactive/i.test(message)
    ? `Signed in, but this account is disabled: ${message}`
    : `Signed in, but there is no profile to show. ${message}`;
}

function showRefused({ problem, requests }) {
  showSession();
  showRequests(requests);
  showError(`Not signed in. ${problem.message}`);
  const field = fieldToCorrect(problem);
  field.focus();
  field.select?.();
}

// Marks what the server found wrong and returns where to continue.
function fieldToCorrect({ status, fields }) {
  const wrong = status === 400 && fields.length === 0 ? ["username", "password"] : fields;
  const first = markWrong(inputs, ({ name }) => wrong.includes(name));
  return wrong === fields ? (first ?? byId("submit")) : byId("password");
}

function showError(message) {
  byId("error").textContent = message;
  if (!message) markWrong(inputs, () => false);
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

function showSession(profile = null, holder = "") {
  form.hidden = session !== null;
  byId("session").hidden = session === null;
  byId("gate").dataset.state = profile ? "open" : "closed";
  byId("holder").textContent = holder;
  showToken();
  byId("profile").hidden = profile === null;
  byId("fields").replaceChildren(...Object.entries(profile ?? {}).flatMap(field));
  byId("raw").textContent = profile ? JSON.stringify(profile, null, 2) : "";
  if (tokensDie) showAccount(profile && session, profile?.username);
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
  while (list.children.length > SHOWN_REQUESTS) list.firstChild.remove();
  byId("trace").hidden = list.children.length === 0;
}

function requestLine({ method, path, result }) {
  const line = element("li", `${method} ${path} `);
  line.append(element("b", result));
  return line;
}

// ---- Start ----

form.noValidate = true; // the server judges, the page shows its answer
form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn();
});
byId("sign-out").addEventListener("click", signOut);
for (const button of all("[data-fill]")) {
  button.addEventListener("click", () => fillIn(button.dataset.fill));
  button.hidden = false;
}
if (tokensDie) startAccount({ leave, signInAgain, addRequests });
startCurlLines();
showBusy(false);
