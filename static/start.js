// The start page signs in with the API of its own origin.
// The token is kept in `session`, in memory, and nowhere else.

const TIMEOUT_MS = 10_000;
const COPIED_MS = 2_000;
const USERS = { johndoe: "secret", alice: "secret2" };

const byId = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const apiUrl = (path) => new URL(path, document.baseURI).href;

const form = byId("sign-in");
const inputs = [byId("username"), byId("password")];
let attempt = null; // the AbortController of the sign-in under way
let session = null; // { token, profile }; profile is null when it was refused

// ---- API ----

class Problem extends Error {
  constructor(message, { status = 0, fields = [] } = {}) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

async function call(path, { signal, requests, ...options }) {
  const request = { method: options.method ?? "GET", path, result: "no answer" };
  requests.push(request);
  const response = await fetch(apiUrl(path), { cache: "no-store", signal, ...options }).catch(() => {
    throw new Problem(unreachable(signal));
  });
  request.result = String(response.status);
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw refusal(response.status, answer?.detail);
  if (answer === null) throw new Problem("The server’s answer is not JSON.");
  return answer;
}

function unreachable(signal) {
  return signal.aborted
    ? `The server did not answer within ${TIMEOUT_MS / 1000} seconds.`
    : "The server cannot be reached. Is it still running?";
}

// `detail` is a string, or a list of { loc, msg } as FastAPI writes it.
function refusal(status, detail) {
  if (typeof detail === "string") return new Problem(sentence(detail), { status });
  if (!Array.isArray(detail)) return new Problem(`The server answered ${status} and gave no reason.`, { status });
  const fields = detail.map((item) => String(item.loc?.at(-1) ?? "request"));
  const message = detail.map((item, i) => sentence(`${capitalized(fields[i])}: ${item.msg}`)).join(" ");
  return new Problem(message, { status, fields });
}

const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);
const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

async function requestToken(credentials, context) {
  const body = new URLSearchParams(credentials);
  const { access_token: token } = await call("token", { method: "POST", body, ...context });
  if (typeof token !== "string") throw new Problem("The server’s answer holds no token.");
  return token;
}

const requestProfile = (token, context) =>
  call("users/me", { headers: { Authorization: `Bearer ${token}` }, ...context });

// Never throws: what went wrong is the outcome's `problem`.
async function authenticate(credentials, signal) {
  const outcome = { token: null, profile: null, problem: null, requests: [] };
  const context = { signal, requests: outcome.requests };
  try {
    outcome.token = await requestToken(credentials, context);
    outcome.profile = await requestProfile(outcome.token, context);
  } catch (problem) {
    outcome.problem = problem;
    if (problem.status === 401) outcome.token = null;
  }
  return outcome;
}

// ---- Signing in and out ----

async function signIn(event) {
  event.preventDefault();
  if (attempt) return;
  const mine = beginAttempt();
  const timer = setTimeout(() => mine.abort(), TIMEOUT_MS);
  const outcome = await authenticate(new FormData(form), mine.signal);
  clearTimeout(timer);
  if (mine !== attempt) return; // given up meanwhile: the answer is out of date
  endAttempt();
  outcome.token === null ? showRefused(outcome) : showSignedIn(outcome);
}

function beginAttempt() {
  attempt = new AbortController();
  announce("");
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

function signOut() {
  session = null;
  showError("");
  showRequests([]);
  showSession();
  announce("Signed out.");
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

function showSignedIn({ token, profile, problem, requests }) {
  const username = byId("username").value;
  session = { token, profile };
  form.reset();
  showRequests(requests);
  showSession(profile?.full_name || profile?.username || username);
  showError(problem ? withoutProfile(problem) : "");
  byId("holder").focus();
}

function withoutProfile({ message }) {
  return /inactive/i.test(message)
    ? `Signed in, but this account is disabled: ${message}`
    : `Signed in, but there is no profile to show. ${message}`;
}

function showRefused({ problem, requests }) {
  showRequests(requests);
  showError(`Not signed in. ${problem.message}`);
  const field = fieldToCorrect(problem);
  field.focus();
  field.select?.();
}

// Marks what the server found wrong and returns where to continue.
function fieldToCorrect({ status, fields }) {
  const wrong = status === 400 ? ["username", "password"] : fields;
  const marked = inputs.filter((input) => wrong.includes(input.name));
  for (const input of marked) input.setAttribute("aria-invalid", "true");
  return status === 400 ? byId("password") : (marked[0] ?? byId("submit"));
}

function showError(message) {
  byId("error").textContent = message;
  if (message) return;
  for (const input of inputs) input.removeAttribute("aria-invalid");
}

function showBusy(busy) {
  const button = byId("submit");
  button.disabled = busy;
  button.textContent = busy ? "Signing in…" : "Sign in";
  for (const input of inputs) input.readOnly = busy;
}

function showSession(holder = "") {
  const profile = session?.profile ?? null;
  form.hidden = session !== null;
  byId("session").hidden = session === null;
  byId("gate").dataset.state = profile ? "open" : "closed";
  byId("holder").textContent = holder;
  byId("token").textContent = session?.token ?? "";
  byId("profile").hidden = profile === null;
  byId("fields").replaceChildren(...Object.entries(profile ?? {}).flatMap(field));
  byId("raw").textContent = profile ? JSON.stringify(profile, null, 2) : "";
}

function field([name, value]) {
  return [element("dt", name), element("dd", typeof value === "string" ? value : JSON.stringify(value))];
}

function showRequests(requests) {
  byId("trace").hidden = requests.length === 0;
  byId("requests").replaceChildren(...requests.map(requestLine));
}

function requestLine({ method, path, result }) {
  const line = element("li", `${method} ${path} `);
  line.append(element("b", result));
  return line;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function announce(message) {
  byId("status").textContent = message;
}

// ---- Curl lines ----

const shellWord = (text) =>
  /^[\w.:/%~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

async function copy(button) {
  const code = button.closest(".curl").querySelector("pre code");
  const copied = await writeClipboard(code);
  button.textContent = copied ? "Copied" : "Selected";
  announce(copied ? "Copied." : "The command is selected: copy it with the keyboard.");
  setTimeout(() => {
    button.textContent = "Copy";
    announce("");
  }, COPIED_MS);
}

// Outside a secure context there is no navigator.clipboard.
async function writeClipboard(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

// ---- Start ----

form.noValidate = true; // the server judges, the page shows its answer
form.addEventListener("submit", signIn);
byId("sign-out").addEventListener("click", signOut);
for (const button of all("[data-fill]")) {
  button.addEventListener("click", () => fillIn(button.dataset.fill));
  button.hidden = false;
}
for (const button of all(".copy")) {
  button.addEventListener("click", () => copy(button));
  button.hidden = false;
}
for (const url of all("[data-path]")) url.textContent = shellWord(apiUrl(url.dataset.path));
showBusy(false);
