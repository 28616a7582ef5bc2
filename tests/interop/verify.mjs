// Verifies tokens with JavaScript libraries. Takes a JSON request as its argument and prints the result of
// each library as JSON.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import fastifyJwt from "@fastify/jwt";
import express from "express";
import { auth } from "express-oauth2-jwt-bearer";
import fastify from "fastify";
import buildGetJwks from "get-jwks";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";
import { JwksClient } from "jwks-rsa";
import * as oauth from "oauth4webapi";

const request = JSON.parse(process.argv[2]);
const { alg, issuer, audience } = request;
const options = { issuer, audience, algorithms: [alg] };
// The service does not publish its HS256 secret.
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

// The next three libraries get only the issuer and discover its keys.
async function verifyOauth4webapi(token) {
  const url = new URL(issuer);
  const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: "oauth2" }));
  const headers = { Authorization: `Bearer ${token}` };
  return oauth.validateJwtAccessToken(server, new Request(audience, { headers }), audience);
}

async function verifyExpress(token) {
  const app = express();
  const key = secret ? { issuer, secret: secret.toString(), tokenSigningAlg: alg } : { issuerBaseURL: issuer };
  app.get("/", auth({ ...key, audience, strict: true }), (request, response) => response.json(request.auth.payload));
  app.use((error, request, response, next) => response.status(error.status).json({ error: error.message }));
  const server = app.listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const headers = { Authorization: `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${server.address().port}`, { headers });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    return body;
  } finally {
    server.close();
  }
}

async function verifyFastify(token) {
  const getJwks = buildGetJwks({ issuersWhitelist: [issuer], providerDiscovery: true });
  const key = (request, { header, payload }) => getJwks.getPublicKey({ ...header, domain: payload.iss });
  const app = fastify();
  app.register(fastifyJwt, {
    decode: { complete: true },
    secret: secret ?? key,
    verify: { allowedIss: issuer, allowedAud: audience, algorithms: [alg] },
  });
  app.get("/", (request) => request.jwtVerify());
  const response = await app.inject({ url: "/", headers: { Authorization: `Bearer ${token}` } });
  const body = response.json();
  if (response.statusCode !== 200) throw new Error(body.message);
  return body;
}

const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

async function run(name, verify) {
  const result = { version: name.split(" and ").map(version).join(" and ") };
  try {
    result.subjects = [];
    for (const token of request.tokens) result.subjects.push((await verify(token)).sub);
  } catch (error) {
    return { ...result, error: `${error.name}: ${error.message}` };
  }
  try {
    await verify(request.forged);
  } catch {
    return result;
  }
  return { ...result, error: "accepted a forged token" };
}

const libraries = {
  jose: verifyJose,
  "jsonwebtoken and jwks-rsa": verifyJsonwebtoken,
  oauth4webapi: verifyOauth4webapi,
  "express-oauth2-jwt-bearer": verifyExpress,
  "@fastify/jwt and get-jwks": verifyFastify,
};
const results = {};
for (const [name, verify] of Object.entries(libraries)) results[name] = await run(name, verify);
console.log(JSON.stringify(results));
