"""Signs in with requests-oauthlib and with Authlib.

Arguments: the service's address, and the secret of the client `web`.
"""

import sys

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidScopeError
from requests_oauthlib import OAuth2Session

address, secret = sys.argv[1:]
TOKEN, ME = f"{address}/token", f"{address}/users/me"
JOHNDOE = {"username": "johndoe", "password": "johndoe's own passphrase"}


def equal(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind}")


def is_johndoe(reply):
    equal((reply.status_code, reply.json().get("username")), (200, "johndoe"))


# requests-oauthlib: nobody in particular, then the client, by the form and by HTTP Basic.
def legacy(client_id="", scope=("me", "users:read")):
    return OAuth2Session(client=LegacyApplicationClient(client_id=client_id, scope=list(scope)))


for client_id, options in [
    ("", {}),
    ("web", {"client_secret": secret}),
    ("web", {"client_secret": secret, "include_client_id": True}),
]:
    session = legacy(client_id)
    token = session.fetch_token(TOKEN, **JOHNDOE, **options)
    equal((token["token_type"], token["expires_in"]), ("bearer", 900))
    equal((set(token.scopes), token.scope_changed), ({"me", "users:read"}, False))
    is_johndoe(session.get(ME))

narrow = legacy(scope=["users:read"])
narrow.fetch_token(TOKEN, **JOHNDOE)
reply = narrow.get(ME)
equal((reply.status_code, reply.json()), (403, {"detail": "Not enough permissions"}))

wrong = raises(InvalidGrantError, lambda: legacy().fetch_token(TOKEN, username="johndoe", password="wrong"))
equal(wrong.description, "Incorrect username or password")
raises(InvalidScopeError, lambda: legacy(scope=["admin"]).fetch_token(TOKEN, **JOHNDOE))
raises(InvalidClientError, lambda: legacy("web").fetch_token(TOKEN, **JOHNDOE))
raises(InvalidClientError, lambda: legacy("web").fetch_token(TOKEN, **JOHNDOE, client_secret="wrong"))


# Authlib: the client, by HTTP Basic and by the form, and nobody in particular.
def authlib(client_id, client_secret, method):
    return AuthlibSession(client_id, client_secret, scope="me", token_endpoint_auth_method=method)


for client_id, client_secret, method in [
    ("web", secret, "client_secret_basic"),
    ("web", secret, "client_secret_post"),
    ("", None, "none"),
]:
    session = authlib(client_id, client_secret, method)
    token = session.fetch_token(TOKEN, grant_type="password", **JOHNDOE)
    equal((token["token_type"], token["expires_in"]), ("bearer", 900))
    assert "me" in token["scope"].split(), token
    is_johndoe(session.get(ME))

session = authlib("web", secret, "client_secret_basic")
wrong = raises(
    OAuthError, lambda: session.fetch_token(TOKEN, grant_type="password", username="johndoe", password="wrong")
)
equal((wrong.error, wrong.description), ("invalid_grant", "Incorrect username or password"))
for method in ["client_secret_basic", "client_secret_post"]:
    session = authlib("web", "wrong", method)
    wrong = raises(OAuthError, lambda: session.fetch_token(TOKEN, grant_type="password", **JOHNDOE))
    equal(wrong.error, "invalid_client")
