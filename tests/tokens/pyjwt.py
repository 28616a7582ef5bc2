"""Signs a token with PyJWT. Takes a JSON request as its argument and prints a JSON response."""

import base64
import json
import sys

import jwt

request = json.loads(sys.argv[1])

key = request["key"]
if request["alg"] == "HS256":
    key = base64.urlsafe_b64decode(key.strip() + "=")
headers = {"kid": request["kid"], "typ": "at+jwt"}
print(json.dumps({"token": jwt.encode(request["claims"], key, algorithm=request["alg"], headers=headers)}))
