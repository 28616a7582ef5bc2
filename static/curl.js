// Shows the curl commands with the URL of this service, and copies them to the clipboard.

import { apiUrl } from "./api.js";
import { all, announce } from "./dom.js";

const COPIED_MS = 2_000;

export function startCurlCommands() {
  for (const button of all(".copy")) {
    button.addEventListener("click", () => copy(button));
    button.hidden = false;
  }
  for (const url of all("[data-path]")) url.textContent = shellWord(apiUrl(url.dataset.path));
}

export const shellWord = (text) =>
  /^[\w.:/%~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

// Copies the command in the button's figure.
export async function copy(button) {
  const label = button.textContent;
  const code = button.closest(".curl").querySelector("pre code");
  const copied = await writeClipboard(code);
  button.textContent = copied ? "Copied" : "Selected";
  announce(copied ? "Copied." : "The command is selected. Copy it with the keyboard.");
  setTimeout(() => {
    button.textContent = label;
    announce("");
  }, COPIED_MS);
}

// Browsers offer navigator.clipboard only in secure contexts.
async function writeClipboard(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}
