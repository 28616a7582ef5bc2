// What somebody who is signed in can do about it: see and end their sessions, change their password.

import { json, newContext } from "./api.js";
import { announce, byId, element, markWrong } from "./dom.js";

const passwordForm = byId("change-password");
const passwords = [byId("current-password"), byId("new-password")];
let page = null; // the page around: { leave, signInAgain, addRequests }
let session = null;
let actingFor = null; // the session that something is being done for

export function startAccount(around) {
  page = around;
  byId("update").addEventListener("click", () => act(listSessions, showSessionsProblem));
  byId("end-all").addEventListener("click", () => act(endAll, showSessionsProblem));
  passwordForm.noValidate = true;
  passwordForm.addEventListener("submit", (event) => {
    event.preventDefault();
    act(changePassword, showPasswordProblem);
  });
}

// Shows the account of who is signed in, and nothing where that is nobody.
export function showAccount(shown, username = "") {
  session = shown;
  byId("account").hidden = session === null;
  byId("session-list").replaceChildren();
  byId("sessions-error").textContent = "";
  showPasswordError("");
  passwordForm.reset();
  passwordForm.closest("details").open = false;
  byId("password-username").value = username;
  if (session) act(listSessions, showSessionsProblem);
}

// One thing at a time. What came back for a session that is shown no more is of no interest.
async function act(action, showProblem) {
  if (actingFor === session) return;
  const mine = (actingFor = session);
  const context = newContext();
  try {
    await action(context);
  } catch (problem) {
    if (mine === session) showProblem(problem);
  }
  if (mine === session) page.addRequests(context.requests);
  if (mine === actingFor) actingFor = null;
}

// ---- Sessions ----

async function listSessions(context) {
  byId("sessions-error").textContent = "";
  const mine = session;
  const sessions = await json(await mine.send("users/me/sessions", context));
  if (mine === session) byId("session-list").replaceChildren(...sessions.map(sessionItem));
}

async function endSession({ id, current }, context) {
  const path = `users/me/sessions/${encodeURIComponent(id)}`;
  await session.send(path, { method: "DELETE", ...context }).catch((problem) => {
    if (problem.status !== 404) throw problem; // it has ended meanwhile
  });
  if (current) return page.leave("Signed out: this session is ended.");
  byId("sessions-title").focus();
  await listSessions(context);
  announce("The session is ended.");
}

async function endAll(context) {
  await session.send("users/me/sessions", { method: "DELETE", ...context });
  page.leave("Signed out: all sessions are ended.");
}

function sessionItem(shown) {
  const { id, client, user_agent: agent, address, created, last_used: lastUsed, current } = shown;
  const name = client ?? programName(agent);
  const heading = element("p");
  heading.append(element("b", name, { title: agent ?? "" }));
  if (current) heading.append(" ", element("mark", "this one"));

  const facts = element("p", "", { class: "facts", id: `session-${id}` });
  facts.append(element("span", address ?? "address unknown"), fact("created", created), fact("last used", lastUsed));

  const names = { "aria-label": `End the session ${name}`, "aria-describedby": facts.id };
  const end = element("button", "End", { type: "button", ...names });
  end.addEventListener("click", () => act((context) => endSession(shown, context), showSessionsProblem));

  const item = element("li");
  item.append(heading, facts, end);
  return item;
}

function fact(what, moment) {
  const text = new Date(moment).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const line = element("span", `${what} `);
  line.append(element("time", text, { datetime: moment }));
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

// "Chrome on Linux" of a browser, which names all others too; of any other program its first word.
function programName(agent) {
  if (!agent) return "Unknown program";
  const found = (names) => Object.entries(names).find(([word]) => agent.includes(word))?.[1];
  const [browser, system] = [found(BROWSERS), found(SYSTEMS)];
  if (browser) return system ? `${browser} on ${system}` : browser;
  return agent.split(" ")[0];
}

function showSessionsProblem({ message }) {
  byId("sessions-error").textContent = message;
}

// ---- Password ----

async function changePassword(context) {
  const body = new URLSearchParams(new FormData(passwordForm));
  const username = byId("password-username").value;
  showPasswordError("");
  showChanging(true);
  try {
    await session.send("users/me/password", { method: "PUT", body, ...context });
  } finally {
    showChanging(false);
  }
  await page.signInAgain(username, body.get("new_password"));
}

function showPasswordProblem({ message, status, fields }) {
  const wrong = status === 400 && fields.length === 0 ? ["current_password"] : fields;
  const field = markWrong(passwords, ({ name }) => wrong.includes(name));
  byId("password-error").textContent = `Not changed. ${message}`;
  (field ?? byId("change")).focus();
  field?.select();
}

function showPasswordError(message) {
  byId("password-error").textContent = message;
  markWrong(passwords, () => false);
}

function showChanging(changing) {
  const button = byId("change");
  button.disabled = changing;
  button.textContent = changing ? "Changing…" : "Change password";
  for (const input of passwords) input.readOnly = changing;
}
