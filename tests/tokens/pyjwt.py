"""Signs or verifies one token with PyJWT. The argument is a request in JSON, the output is the response."""

import base64
import json
import sys

import jwt

request = json.loads(sys.argv[1])

if request["do"] == "sign":
    key = request["key"]
    if request["alg"] == "HS256":
        key = base64.urlsafe_b64decode(key.strip() + "=")
    headers = {"kid": request["kid"], "typ": "at+jwt"}
    response = {"token": jwt.encode(request["claims"], key, algorithm=request["alg"], headers=headers)}
else:
    token = request["token"]
    key = jwt.PyJWKClient(request["jwks"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience=request["audience"],
        issuer=request["issuer"],
        options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
    )
    response = {"claims": claims, "header": jwt.get_unverified_header(token)}

print(json.dumps(response))
