// Shorthands for the elements of the page.

export const byId = (id) => document.getElementById(id);
export const all = (selector) => document.querySelectorAll(selector);

export function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

// For those who listen to the page.
export function announce(message) {
  byId("status").textContent = message;
}

// Marks the fields that are wrong, and takes the mark from the others. The first that is wrong is returned.
export function markWrong(inputs, isWrong) {
  for (const input of inputs) input.removeAttribute("aria-invalid");
  const wrong = inputs.filter(isWrong);
  for (const input of wrong) input.setAttribute("aria-invalid", "true");
  return wrong[0];
}
