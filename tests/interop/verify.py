"""Verifies tokens with Python libraries. Takes a JSON request as its argument and prints the result of each
library as JSON."""

import json
import sys
import urllib.request
from importlib.metadata import version

import jwt as pyjwt
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from jose import jwt as python_jose
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jwt as jwcrypto_jwt

request = json.loads(sys.argv[1])
alg, issuer, audience = request["alg"], request["issuer"], request["audience"]
# The service does not publish its HS256 secret.
keys = request.get("keys") or json.load(urllib.request.urlopen(request["jwks_uri"]))
essential = {name: {"essential": True, "value": value} for name, value in (("iss", issuer), ("aud", audience))}


def verify_pyjwt(token):
    if "keys" in request:
        key = pyjwt.PyJWKSet.from_dict(keys).keys[0]
    else:
        key = pyjwt.PyJWKClient(request["jwks_uri"]).get_signing_key_from_jwt(token)
    return pyjwt.decode(token, key, algorithms=[alg], issuer=issuer, audience=audience)


def verify_joserfc(token):
    decoded = joserfc_jwt.decode(token, joserfc_jwk.KeySet.import_key_set(keys), algorithms=[alg])
    joserfc_jwt.JWTClaimsRegistry(**essential).validate(decoded.claims)
    return decoded.claims


def verify_jwcrypto(token):
    key_set = jwcrypto_jwk.JWKSet.from_json(json.dumps(keys))
    checks = {"iss": issuer, "aud": audience}
    return json.loads(jwcrypto_jwt.JWT(jwt=token, key=key_set, algs=[alg], check_claims=checks).claims)


def verify_python_jose(token):
    return python_jose.decode(token, keys, algorithms=[alg], issuer=issuer, audience=audience)


def verify_authlib(token):
    claims = JsonWebToken([alg]).decode(token, JsonWebKey.import_key_set(keys), claims_options=essential)
    claims.validate()
    return claims


class Rfc9068Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return joserfc_jwk.KeySet.import_key_set(keys)


def verify_authlib_rfc9068(token):
    validator = Rfc9068Validator(issuer=issuer, resource_server=audience)
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, ["me"], None)
    return claims


def run(verify):
    try:
        subjects = [verify(token)["sub"] for token in request["tokens"]]
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    try:
        verify(request["forged"])
    except Exception:
        return {"subjects": subjects}
    return {"error": "accepted a forged token"}


libraries = {
    "PyJWT": verify_pyjwt,
    "joserfc": verify_joserfc,
    "jwcrypto": verify_jwcrypto,
    "python-jose": verify_python_jose,
    "Authlib": verify_authlib,
    "Authlib JWTBearerTokenValidator": verify_authlib_rfc9068,
}
results = {name: {"version": version(name.split()[0]), **run(verify)} for name, verify in libraries.items()}
print(json.dumps(results))
