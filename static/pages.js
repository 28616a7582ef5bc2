// Enhances the sign-in and account pages, which also work without this script.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);
const language = document.documentElement.lang;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// ---- Connection ----

const offline = byId("offline");

function showConnection() {
  offline.hidden = navigator.onLine;
  offline.textContent = navigator.onLine ? "" : offline.dataset.text;
}

addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

// ---- Forms ----

const toggles = all(".toggle");

function showPasswords(toggle, shown) {
  toggle.setAttribute("aria-pressed", String(shown));
  for (const id of toggle.getAttribute("aria-controls").split(" ")) byId(id).type = shown ? "text" : "password";
}

for (const toggle of toggles) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => showPasswords(toggle, toggle.getAttribute("aria-pressed") !== "true"));
}

// A submit button is disabled after the first click, so that the form is not sent twice.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method === "get") return;
  // Shows whether the browser is offline, but sends the form anyway: the browser may be wrong.
  showConnection();
  // Passwords are hidden again: browsers remember the text of fields that are not password fields.
  for (const toggle of toggles) showPasswords(toggle, false);
  const button = event.submitter ?? form.querySelector("button.primary, button");
  button.disabled = true;
  if (form.dataset.pending) {
    button.dataset.label = button.textContent;
    button.textContent = form.dataset.pending;
  }
});

// The back/forward cache of the browser restores a page as it was left, with disabled buttons.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of all("button:disabled")) {
    button.disabled = false;
    if (button.dataset.label) button.textContent = button.dataset.label;
  }
});

const capsLock = byId("caps-lock");

if (capsLock) {
  for (const type of ["keydown", "keyup", "pointerdown"]) {
    addEventListener(type, (event) => {
      const isPassword = document.activeElement?.autocomplete?.endsWith("-password");
      const isOn = isPassword && event.getModifierState?.("CapsLock");
      const text = isOn ? capsLock.dataset.text : "";
      if (capsLock.textContent !== text) capsLock.textContent = text;
    });
  }
}

// Counts the characters of the new password as the server does.
for (const line of all(".length")) {
  const [meter, text, input] = [line.querySelector("meter"), line.querySelector("span"), byId("new-password")];
  const show = () => {
    const count = Math.min([...input.value].length, [...input.value.normalize("NFKC")].length);
    meter.value = count;
    text.textContent = fill(text.dataset.text, { count, minimum: meter.max });
  };
  line.hidden = false;
  input.addEventListener("input", show);
  show();
}

// ---- The wait after too many attempts ----

const wait = byId("wait");

if (wait) {
  const button = document.querySelector("button.primary");
  const { second, many, minutes, now } = wait.dataset;
  const end = Date.now() + wait.dataset.seconds * 1000;
  const text = (seconds) => {
    if (seconds >= 120) return fill(minutes, { minutes: Math.ceil(seconds / 60) });
    return seconds === 1 ? second : fill(many, { seconds });
  };
  const show = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (button) button.disabled = seconds > 0;
    if (seconds > 0) {
      wait.textContent = text(seconds);
      setTimeout(show, 250);
    } else {
      // Screen readers announce this text, but not the countdown.
      wait.setAttribute("role", "status");
      setTimeout(() => (wait.textContent = now));
    }
  };
  show();
}

// ---- Messages from the server ----

// Screen readers announce only texts that change after the page has loaded.
for (const message of all("main [role=status]:not(:empty), main [role=alert]:not(:empty)")) {
  setTimeout(() => message.replaceChildren(...message.cloneNode(true).childNodes), 100);
}

// ---- Times ----

const now = new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(0, "second");
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });

function showTimes() {
  for (const time of all("time")) {
    const then = new Date(time.dateTime);
    const minutes = Math.trunc(Math.max(0, Date.now() - then) / 60_000);
    time.title = absolute.format(then);
    if (minutes === 0) time.textContent = now;
    else if (minutes < 60) time.textContent = relative.format(-minutes, "minute");
    else if (minutes < 24 * 60) time.textContent = relative.format(-Math.trunc(minutes / 60), "hour");
    else time.textContent = time.title;
  }
}

showTimes();
setInterval(showTimes, 60_000);
// A relative time is of no use on paper.
addEventListener("beforeprint", () => all("time").forEach((time) => (time.textContent = time.title)));
addEventListener("afterprint", showTimes);

// ---- Confirmations ----

for (const form of all("form[data-dialog]")) {
  const dialog = byId(form.dataset.dialog);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { value = "", dataset } = event.submitter ?? form.querySelector("button");
    dialog.querySelector("[name=session]").value = value;
    dialog.querySelector("bdi").textContent = dataset.device ?? "";
    dialog.showModal();
    // Focuses the Cancel button: Enter must not end a session.
    dialog.querySelector("[type=button]").focus();
  });
}

for (const button of all("dialog [type=button]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// ---- Signing out in another tab ----

// The page must not stay visible after its user signed out, or another user signed in, in another tab.
const personal = document.querySelector("[data-personal]");

async function checkUser() {
  if (document.visibilityState !== "visible") return;
  const { personal: account, user } = personal.dataset;
  const response = await fetch(`${account}/user`, { cache: "no-store" }).catch(() => null);
  if (response?.ok && (await response.text()) !== user) location.assign(account);
}

if (personal) {
  document.addEventListener("visibilitychange", checkUser);
  addEventListener("pageshow", (event) => event.persisted && checkUser());
}

// ---- The address ----

// Removes the code of the notice from the URL, so that a reload does not show the notice again.
const address = new URL(location);
if (address.searchParams.has("done")) {
  address.searchParams.delete("done");
  history.replaceState(history.state, "", address);
}
