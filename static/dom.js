// Shorthands for DOM access.

export const byId = (id) => document.getElementById(id);
export const all = (selector) => document.querySelectorAll(selector);

export function element(name, text = "", attributes = {}) {
  const created = document.createElement(name);
  created.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) created.setAttribute(attribute, value);
  return created;
}

// Announces a message to screen readers.
export function announce(message) {
  byId("status").textContent = message;
}

// Marks the invalid inputs, removes the mark from all other inputs, and returns the first invalid one.
export function markInvalid(inputs, isInvalid) {
  for (const input of inputs) input.removeAttribute("aria-invalid");
  const invalid = inputs.filter(isInvalid);
  for (const input of invalid) input.setAttribute("aria-invalid", "true");
  return invalid[0];
}
