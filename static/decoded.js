// Decodes JWTs, and verifies their signatures with the keys of the service.

const utf8 = new TextDecoder("utf-8", { fatal: true });

const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));

// Returns null if the token is not a JWT.
export function decode(token) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(utf8.decode(bytes(part))));
    const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
    const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject(header) && isObject(claims) ? { header, claims, signed, signature: bytes(parts[2]) } : null;
  } catch {
    return null;
  }
}

const ALGORITHMS = {
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
};

// Verifies the signature of a decoded token, and returns the result as a sentence.
export async function verify({ header, signed, signature }, keysUrl) {
  if (!keysUrl) return "Not checked: the service publishes no keys at this origin.";
  if (!globalThis.crypto?.subtle) return "Not checked: browsers verify signatures only on HTTPS pages.";
  const response = await fetch(keysUrl, { cache: "no-cache" }).catch(() => null);
  const set = response?.ok ? await response.json().catch(() => null) : null;
  if (!Array.isArray(set?.keys)) return "Not checked: the keys of the service could not be loaded.";
  const key = set.keys.find(({ kid }) => kid === header.kid);
  if (!key) return "Not verified: the service has no key with the ID in the header.";
  const algorithm = ALGORITHMS[header.alg];
  if (!algorithm || (key.alg && key.alg !== header.alg)) return "Not verified: the header specifies a different algorithm than the key.";
  try {
    const { alg, use, key_ops, ...jwk } = key; // browsers use different names for algorithms
    const imported = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
    const matches = await crypto.subtle.verify(algorithm, imported, signature, signed);
    return matches ? "Verified with a public key of this service." : "Not verified: the signature does not match the key.";
  } catch {
    return `Not checked: this browser does not support ${header.alg}.`;
  }
}

const UNITS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

// Formats a Unix timestamp in seconds, such as "30 Nov 2026, 04:12:33".
export const timeOf = (seconds) =>
  new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

// Formats a duration in its two largest units, such as "14 minutes 32 seconds".
export function duration(seconds) {
  const parts = [];
  let rest = Math.floor(Math.abs(seconds));
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
  }
  return parts.join(" ") || "0 seconds";
}
