"""Tests a service with the client that openapi-python-client generated from its OpenAPI document.

Arguments: the folder with the package `gatepass_client`, and the address of the service.
"""

import sys

package, address = sys.argv[1:]
sys.path.insert(0, package)
sys.dont_write_bytecode = True

from gatepass_client import AuthenticatedClient, Client
from gatepass_client.api.o_auth_2 import sign_in
from gatepass_client.api.users import read_users_me
from gatepass_client.models import (
    HTTPError,
    HTTPValidationError,
    TokenRequestForm,
    TokenResponse,
    User,
    ValidationError,
)
from gatepass_client.types import UNSET

anonymous = Client(base_url=address, raise_on_unexpected_status=True)


def bearer(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=address, token=token, raise_on_unexpected_status=True)


def equal(found, expected):
    assert found == expected, f"expected {expected!r}, got {found!r}"


# A token and its user.
token = sign_in.sync(client=anonymous, body=TokenRequestForm(username="johndoe", password="secret"))
equal(token, TokenResponse(access_token="johndoe", token_type="bearer"))
equal(token.expires_in, UNSET)
me = read_users_me.sync(client=bearer(token.access_token))
equal(
    me,
    User(
        username="johndoe",
        email="johndoe@example.com",
        full_name="John Doe",
        disabled=False,
        hashed_password="fakehashedsecret",
    ),
)

# All documented fields of the form; null is treated as missing.
form = TokenRequestForm(
    grant_type="password",
    username="johndoe",
    password="secret",
    scope="a b",
    client_id=None,
    client_secret=None,
)
equal(sign_in.sync(client=anonymous, body=form), token)

# 400: a wrong password and a disabled user.
wrong = TokenRequestForm(username="johndoe", password="wrong")
refused = sign_in.sync_detailed(client=anonymous, body=wrong)
equal((refused.status_code, refused.parsed), (400, HTTPError(detail="Incorrect username or password")))
disabled = read_users_me.sync_detailed(client=bearer("alice"))
equal((disabled.status_code, disabled.parsed), (400, HTTPError(detail="Inactive user")))

# 401: an unknown token.
unknown = read_users_me.sync_detailed(client=bearer("nobody"))
equal((unknown.status_code, unknown.parsed), (401, HTTPError(detail="Not authenticated")))
equal(unknown.headers["WWW-Authenticate"], "Bearer")

# 413: a body that is too large.
large = TokenRequestForm(username="johndoe", password="x" * 1024 * 1024)
refused = sign_in.sync_detailed(client=anonymous, body=large)
equal((refused.status_code, type(refused.parsed)), (413, HTTPError))

# 422: a missing and an invalid field.
invalid = sign_in.sync_detailed(
    client=anonymous,
    body=TokenRequestForm(grant_type="implicit", username="johndoe", password=""),
)
equal((invalid.status_code, type(invalid.parsed)), (422, HTTPValidationError))
grant_type, password = invalid.parsed.detail
equal((type(grant_type), grant_type.type_), (ValidationError, "string_pattern_mismatch"))
equal((grant_type.loc, grant_type.input_), (["body", "grant_type"], "implicit"))
equal(grant_type.ctx["pattern"], "^password$")
equal((password.type_, password.loc, password.msg), ("missing", ["body", "password"], "Field required"))
equal((password.input_, password.ctx), (None, UNSET))
