// No token is stored anywhere: the browser sends the session cookie by itself.
const $ = (id) => document.getElementById(id);

// Sends a GET request, or a POST request if a form is passed. If the form is null, the POST request has no body. If the
// session has ended, the page shows the sign-in form again.
async function call(path, form) {
  const body = form instanceof HTMLFormElement ? new URLSearchParams(new FormData(form)) : undefined;
  const response = await fetch(path, form === undefined ? {} : { method: "POST", body });
  if (response.ok) return response;
  if (response.status === 401) show(null);
  const text = await response.text();
  throw new Error(detail(text) ?? (text || response.statusText));
}

function detail(text) {
  try {
    const { error_description, detail } = JSON.parse(text);
    return error_description ?? detail;
  } catch {
    return undefined;
  }
}

function show(username) {
  $("sign-in").hidden = username !== null;
  $("app").hidden = username === null;
  $("username").textContent = username ?? "";
  if (username === null) $("notes").replaceChildren();
}

async function refresh() {
  const { username } = await (await call("/api/me")).json();
  show(username);
  if (username === null) return;
  const notes = await (await call("/api/notes")).json();
  // textContent keeps the browser from parsing the text of a note as markup.
  $("notes").replaceChildren(...notes.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function on(id, event, action) {
  $(id).addEventListener(event, async (dispatched) => {
    dispatched.preventDefault();
    $("message").textContent = "";
    try {
      await action(dispatched);
      await refresh();
    } catch (error) {
      $("message").textContent = error.message;
    }
  });
}

on("sign-in", "submit", async ({ submitter }) => {
  const form = $("sign-in");
  if (submitter?.id === "register") await call("/api/register", form);
  await call("/login", form);
  form.reset();
});
on("new-note", "submit", async () => {
  await call("/api/notes", $("new-note"));
  $("new-note").reset();
});
on("sign-out", "click", () => call("/logout", null));
// Another tab may have signed in or out.
document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(() => {}));

refresh().catch((error) => ($("message").textContent = error.message));
