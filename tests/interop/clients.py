"""Signs in with OAuth clients for Python. Takes a JSON request as its argument and prints the result of each
client as JSON."""

import asyncio
import json
import sys
from importlib.metadata import version

import httpx
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc8414 import get_well_known_url
from httpx_auth import OAuth2ClientCredentials, OAuth2ResourceOwnerPasswordCredentials
from httpx_oauth.clients.openid import OpenID
from httpx_oauth.oauth2 import OAuth2
from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

request = json.loads(sys.argv[1])
issuer, secret = request["issuer"], request["secret"]
TOKEN, ME, REVOKE, INTROSPECT = (f"{issuer}/{path}" for path in ("token", "users/me", "revoke", "introspect"))
JOHNDOE = {"username": request["username"], "password": request["password"]}
SCOPE = "me offline_access"


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, got {found!r}"


def is_johndoe(response):
    equal((response.status_code, response.json().get("username")), (200, "johndoe"))


def is_refused(access_token):
    equal(requests.get(ME, headers={"Authorization": f"Bearer {access_token}"}).status_code, 401)


def introspect(token):
    return requests.post(INTROSPECT, data={"token": token}, auth=("web", secret)).json()


def oauthlib_as_public_client():
    session = OAuth2Session(client=LegacyApplicationClient("app", scope=SCOPE.split()))
    first = session.fetch_token(TOKEN, **JOHNDOE)
    is_johndoe(session.get(ME))
    yield "password"
    second = session.refresh_token(TOKEN, client_id="app")
    assert second["refresh_token"] != first["refresh_token"]
    is_johndoe(session.get(ME))
    yield "refresh"
    prepare = session._client.prepare_token_revocation_request
    url, headers, body = prepare(REVOKE, second["refresh_token"], "refresh_token", client_id="app")
    equal(requests.post(url, body, headers=headers).status_code, 200)
    is_refused(second["access_token"])
    yield "revoke"


def authlib():
    # The client knows only the issuer.
    metadata = requests.get(get_well_known_url(issuer, external=True)).json()
    for client_id, client_secret in ("app", None), ("web", secret):
        session = AuthlibSession(client_id, client_secret, scope=SCOPE, **metadata)
        first = session.fetch_token(**JOHNDOE)
        is_johndoe(session.get(ME))
        second = session.refresh_token()
        assert second["refresh_token"] != first["refresh_token"]
        is_johndoe(session.get(ME))
        equal(session.revoke_token(metadata["revocation_endpoint"]).status_code, 200)
        is_refused(second["access_token"])
    yield from ("password", "refresh", "revoke")
    session = AuthlibSession("web", secret, scope="reports:read", **metadata)
    token = session.fetch_token(grant_type="client_credentials")
    is_active = lambda: session.introspect_token(metadata["introspection_endpoint"]).json()["active"]
    equal(is_active(), True)
    yield from ("client_credentials", "introspect")
    session.revoke_token(metadata["revocation_endpoint"], token["access_token"])
    equal(is_active(), False)


def httpx_auth():
    sent = lambda response: response.request.headers["Authorization"].split()[1]
    auth = OAuth2ClientCredentials(TOKEN, "web", secret, scope="reports:read")
    state = introspect(sent(httpx.get(ME, auth=auth)))
    equal((state["active"], state["sub"]), (True, "client:web"))
    yield "client_credentials"
    # The lifetime of tokens is shorter than `early_expiry`, so each request refreshes the token.
    auth = OAuth2ResourceOwnerPasswordCredentials(
        TOKEN, client_id="app", scope=SCOPE, early_expiry=3600, **JOHNDOE
    )
    first, second = (httpx.get(ME, auth=auth) for _ in range(2))
    is_johndoe(first)
    yield "password"
    is_johndoe(second)
    assert sent(first) != sent(second)
    equal(introspect(sent(second))["active"], False)  # `web` cannot introspect the tokens of `app`.
    yield "refresh"


def httpx_oauth_with_endpoints():
    first = requests.post(TOKEN, {**JOHNDOE, "scope": SCOPE}, auth=("web", secret)).json()
    endpoints = f"{issuer}/authorize", TOKEN, TOKEN, REVOKE
    method = "client_secret_basic"
    client = OAuth2(
        "web", secret, *endpoints, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method
    )
    second = asyncio.run(client.refresh_token(first["refresh_token"]))
    equal(introspect(second["access_token"])["active"], True)
    yield "refresh"
    asyncio.run(client.revoke_token(second["refresh_token"]))
    is_refused(second["access_token"])
    yield "revoke"


def httpx_oauth_by_discovery():
    OpenID("web", secret, f"{issuer}/.well-known/openid-configuration")
    yield "discovery"


def run(client):
    done = []
    try:
        for step in client():
            done.append(step)
    except Exception as error:
        return {"done": done, "error": f"{type(error).__name__}: {error}"}
    return {"done": done}


clients = {
    "oauthlib and requests-oauthlib": oauthlib_as_public_client,
    "Authlib": authlib,
    "httpx-auth": httpx_auth,
    "httpx-oauth": httpx_oauth_with_endpoints,
    "httpx-oauth OpenID": httpx_oauth_by_discovery,
}
versions = lambda name: " and ".join(version(package) for package in name.removesuffix(" OpenID").split(" and "))
print(json.dumps({name: {"version": versions(name), **run(client)} for name, client in clients.items()}))
