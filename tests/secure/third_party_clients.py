"""Signs in and refreshes with requests-oauthlib and with Authlib. Authlib also revokes and introspects tokens.

Arguments: the service's URL, and the secret of the client `web`.
"""

import sys

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidScopeError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

address, secret = sys.argv[1:]
TOKEN, ME = f"{address}/token", f"{address}/users/me"
JOHNDOE = {"username": "johndoe", "password": "johndoe's own passphrase"}


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, got {found!r}"


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, but nothing was raised")


def is_johndoe(reply):
    equal((reply.status_code, reply.json().get("username")), (200, "johndoe"))


# requests-oauthlib as a public client, and as a confidential client with its secret in HTTP Basic or in the form.
def legacy(client_id="", scope=("me", "users:read")):
    return OAuth2Session(client=LegacyApplicationClient(client_id=client_id, scope=list(scope)))


for client_id, options in [
    ("", {}),
    ("gatepass", {}),
    ("app", {}),
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


# Explicit refreshes, and automatic refreshes after the access token has expired.
STAYS = ["me", "users:read", "offline_access"]
for client_id, auth in [("", None), ("web", HTTPBasicAuth("web", secret))]:
    session = legacy(client_id, STAYS)
    options = {"client_secret": secret} if client_id else {}
    first = session.fetch_token(TOKEN, **JOHNDOE, **options)
    equal(set(first.scopes), set(STAYS))
    second = session.refresh_token(TOKEN, auth=auth)
    assert second["refresh_token"] != first["refresh_token"], "a refresh must return a new refresh token"
    equal((session.token["refresh_token"], set(second.scopes)), (second["refresh_token"], set(STAYS)))
    is_johndoe(session.get(ME))

    saved = []
    session = OAuth2Session(
        client=LegacyApplicationClient(client_id=client_id),
        token={**second, "expires_in": -1, "expires_at": 1},
        auto_refresh_url=TOKEN,
        # The client authenticates in the form.
        auto_refresh_kwargs={"client_id": client_id, **options} if client_id else {},
        token_updater=saved.append,
    )
    session.scope = STAYS
    is_johndoe(session.get(ME))
    equal(len(saved), 1)
    raises(InvalidGrantError, lambda: session.refresh_token(TOKEN, refresh_token="x" * 86))
    session.scope = [*STAYS, "admin"]
    raises(InvalidScopeError, lambda: session.refresh_token(TOKEN))


# Authlib as a confidential client that authenticates with HTTP Basic or in the form, and as a public client.
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

    session = authlib(client_id, client_secret, method)
    first = session.fetch_token(TOKEN, grant_type="password", scope="me offline_access", **JOHNDOE)
    second = session.refresh_token(TOKEN, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"], "a refresh must return a new refresh token"
    equal(session.token["refresh_token"], second["refresh_token"])
    is_johndoe(session.get(ME))
    # A repeated refresh succeeds within the grace period; a refresh with an unknown token fails.
    equal(session.refresh_token(TOKEN, first["refresh_token"])["refresh_token"], second["refresh_token"])
    wrong = raises(OAuthError, lambda: session.refresh_token(TOKEN, "x" * 86))
    equal((wrong.error, wrong.description), ("invalid_grant", "Invalid refresh token"))

    # An automatic refresh after the access token has expired.
    saved = []
    session = AuthlibSession(
        client_id,
        client_secret,
        token={**second, "expires_at": 1},
        token_endpoint=TOKEN,
        token_endpoint_auth_method=method,
        update_token=lambda token, **_: saved.append(token),
    )
    is_johndoe(session.get(ME))
    equal(len(saved), 1)

    # Revocation (RFC 7009) and introspection (RFC 7662).
    current = saved[0]
    if client_id:
        equal(session.introspect_token(f"{address}/introspect", token=current["refresh_token"]).json()["active"], True)
    equal(session.revoke_token(f"{address}/revoke", token=current["refresh_token"]).status_code, 200)
    if client_id:
        state = session.introspect_token(f"{address}/introspect", token=current["access_token"]).json()
        equal(state, {"active": False})
    raises(OAuthError, lambda: session.refresh_token(TOKEN, current["refresh_token"]))

session = authlib("web", secret, "client_secret_basic")
wrong = raises(
    OAuthError, lambda: session.fetch_token(TOKEN, grant_type="password", username="johndoe", password="wrong")
)
equal((wrong.error, wrong.description), ("invalid_grant", "Incorrect username or password"))
for method in ["client_secret_basic", "client_secret_post"]:
    session = authlib("web", "wrong", method)
    wrong = raises(OAuthError, lambda: session.fetch_token(TOKEN, grant_type="password", **JOHNDOE))
    equal(wrong.error, "invalid_client")
