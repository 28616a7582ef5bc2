// The account of the signed-in user: lists and ends sessions, changes the password.

import { json, newContext } from "./api.js";
import { announce, byId, element, markInvalid } from "./dom.js";

const passwordForm = byId("change-password");
const passwords = [byId("current-password"), byId("new-password")];
let page = null; // callbacks of the start page: { signedOut, signInAgain, addRequests }
let session = null;
let busySession = null; // the session that an action is in progress for

export function startAccount(callbacks) {
  page = callbacks;
  byId("reload-sessions").addEventListener("click", () => run(listSessions, showSessionsError));
  byId("end-all").addEventListener("click", () => run(endAll, showSessionsError));
  passwordForm.noValidate = true;
  passwordForm.addEventListener("submit", (event) => {
    event.preventDefault();
    run(changePassword, showPasswordError);
  });
}

// Shows the account of this session, or hides it if the session is null.
export function showAccount(newSession, username = "") {
  session = newSession;
  byId("account").hidden = session === null;
  byId("session-list").replaceChildren();
  byId("sessions-error").textContent = "";
  clearPasswordError();
  passwordForm.reset();
  passwordForm.closest("details").open = false;
  byId("password-username").value = username;
  if (session) run(listSessions, showSessionsError);
}

// Runs one action at a time. Ignores results for a session that is no longer shown.
async function run(action, showError) {
  if (busySession === session) return;
  const started = (busySession = session);
  const context = newContext();
  try {
    await action(context);
  } catch (error) {
    if (started === session) showError(error);
  }
  if (started === session) page.addRequests(context.requests);
  if (started === busySession) busySession = null;
}

// ---- Sessions ----

async function listSessions(context) {
  byId("sessions-error").textContent = "";
  const requested = session;
  const sessions = await json(await requested.send("users/me/sessions", context));
  if (requested === session) byId("session-list").replaceChildren(...sessions.map(sessionItem));
}

async function endSession({ id, current }, context) {
  const path = `users/me/sessions/${encodeURIComponent(id)}`;
  await session.send(path, { method: "DELETE", ...context }).catch((error) => {
    if (error.status !== 404) throw error; // 404: the session has already ended
  });
  if (current) return page.signedOut("Signed out: this session has ended.");
  byId("sessions-title").focus();
  await listSessions(context);
  announce("The session has ended.");
}

async function endAll(context) {
  await session.send("users/me/sessions", { method: "DELETE", ...context });
  page.signedOut("Signed out: all sessions have ended.");
}

function sessionItem(details) {
  const { id, client, user_agent: agent, address, created, last_used: lastUsed, current } = details;
  const name = client ?? userAgentName(agent);
  const heading = element("p");
  heading.append(element("b", name, { title: agent ?? "" }));
  if (current) heading.append(" ", element("mark", "current"));

  const facts = element("p", "", { class: "facts", id: `session-${id}` });
  facts.append(element("span", address ?? "unknown address"), time("created", created), time("last used", lastUsed));

  const labels = { "aria-label": `End the session ${name}`, "aria-describedby": facts.id };
  const end = element("button", "End", { type: "button", ...labels });
  end.addEventListener("click", () => run((context) => endSession(details, context), showSessionsError));

  const item = element("li");
  item.append(heading, facts, end);
  return item;
}

function time(event, timestamp) {
  const text = new Date(timestamp).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const line = element("span", `${event} `);
  line.append(element("time", text, { datetime: timestamp }));
  return line;
}

const BROWSERS = {
  "Edg/": "Edge",
  "OPR/": "Opera",
  "Firefox/": "Firefox",
  "FxiOS/": "Firefox",
  "CriOS/": "Chrome",
  "Chrome/": "Chrome",
  "Safari/": "Safari",
};
const SYSTEMS = {
  Android: "Android",
  iPhone: "iOS",
  iPad: "iPadOS",
  Windows: "Windows",
  "Mac OS": "macOS",
  CrOS: "ChromeOS",
  Linux: "Linux",
};

// A browser is shown as "Chrome on Linux", any other client by the first word of its User-Agent. The order of BROWSERS
// matters: Edge and Opera also contain "Chrome/", and Chrome contains "Safari/".
function userAgentName(agent) {
  if (!agent) return "Unknown client";
  const found = (names) => Object.entries(names).find(([word]) => agent.includes(word))?.[1];
  const [browser, system] = [found(BROWSERS), found(SYSTEMS)];
  if (browser) return system ? `${browser} on ${system}` : browser;
  return agent.split(" ")[0];
}

function showSessionsError({ message }) {
  byId("sessions-error").textContent = message;
}

// ---- Password ----

async function changePassword(context) {
  const body = new URLSearchParams(new FormData(passwordForm));
  const username = byId("password-username").value;
  clearPasswordError();
  showBusy(true);
  try {
    await session.send("users/me/password", { method: "PUT", body, ...context });
  } finally {
    showBusy(false);
  }
  await page.signInAgain(username, body.get("new_password"));
}

function showPasswordError({ message, status, fields }) {
  const invalid = status === 400 && fields.length === 0 ? ["current_password"] : fields;
  const field = markInvalid(passwords, ({ name }) => invalid.includes(name));
  byId("password-error").textContent = `Password not changed. ${message}`;
  (field ?? byId("change")).focus();
  field?.select();
}

function clearPasswordError() {
  byId("password-error").textContent = "";
  markInvalid(passwords, () => false);
}

function showBusy(busy) {
  const button = byId("change");
  button.disabled = busy;
  button.textContent = busy ? "Changing…" : "Change password";
  for (const input of passwords) input.readOnly = busy;
}
