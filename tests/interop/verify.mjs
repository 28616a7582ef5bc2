// Verifies tokens with JavaScript libraries. The argument is the request, standard output has the result of each library.

import { readFileSync } from "node:fs";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";
import { JwksClient } from "jwks-rsa";

const request = JSON.parse(process.argv[2]);
const { alg, issuer, audience } = request;
const options = { issuer, audience, algorithms: [alg] };
// A secret is not published.
const secret = request.keys && Buffer.from(request.keys.keys[0].k, "base64url");

async function verifyJose(token) {
  const keys = secret ?? jose.createRemoteJWKSet(new URL(request.jwks_uri));
  return (await jose.jwtVerify(token, keys, { ...options, typ: "at+jwt" })).payload;
}

async function verifyJsonwebtoken(token) {
  const { kid } = jsonwebtoken.decode(token, { complete: true }).header;
  const client = () => new JwksClient({ jwksUri: request.jwks_uri }).getSigningKey(kid);
  return jsonwebtoken.verify(token, secret ?? (await client()).getPublicKey(), options);
}

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

async function run(verify) {
  let payload;
  try {
    payload = await verify(request.token);
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
  try {
    await verify(request.forged);
  } catch {
    return { sub: payload.sub };
  }
  return { error: "accepts a forged token" };
}

console.log(
  JSON.stringify({
    jose: { version: version("jose"), ...(await run(verifyJose)) },
    "jsonwebtoken and jwks-rsa": {
      version: `${version("jsonwebtoken")} and ${version("jwks-rsa")}`,
      ...(await run(verifyJsonwebtoken)),
    },
  }),
);
