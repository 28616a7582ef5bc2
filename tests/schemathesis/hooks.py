"""Signs in, and sets valid values for fields that schemathesis cannot guess."""

import os
import random

import requests
import schemathesis

URL = os.environ["GATEPASS_TEST_URL"]
USERNAME = os.environ["GATEPASS_TEST_USERNAME"]
password = os.environ["GATEPASS_TEST_PASSWORD"]

service = requests.Session()
# A separate generator, so that the choices below do not change the generated data.
rng = random.Random(1)


def sign_in():
    form = {"username": USERNAME, "password": password}
    response = service.post(f"{URL}/token", data=form, timeout=10)
    response.raise_for_status()
    return response.json()


# Authentication by cookie is excluded: the check for ignored credentials sends a wrong cookie together with a correct
# token, which takes precedence.
@schemathesis.hook
def before_load_schema(context, raw_schema):
    for item in raw_schema["paths"].values():
        for operation in item.values():
            alternatives = operation.get("security", [])
            operation["security"] = [scheme for scheme in alternatives if "SessionCookie" not in scheme]
            if not alternatives:
                del operation["security"]


# A new token for every request: operations under test end sessions, revoke tokens and change the password.
@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return sign_in()["access_token"]

    def set(self, case, token, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {token}"


def is_form(case, *fields):
    return isinstance(case.body, dict) and all(field in case.body for field in fields)


# Generated passwords, tokens and session IDs are always wrong. Half of the valid requests get correct ones, so that
# responses to accepted requests are checked too.
@schemathesis.hook
def before_call(context, case, kwargs):
    if rng.random() < 0.5:
        return
    is_positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_positive:
        return
    operation = case.operation.definition.raw.get("operationId")
    if operation in ("log_in", "log_out"):
        # Both operations refuse requests that do not come from a page of the service.
        case.headers = {**(case.headers or {}), "Sec-Fetch-Site": "same-origin"}
    if operation == "sign_in" and is_form(case, "username", "password"):
        case.body = {**case.body, "username": USERNAME, "password": password, "scope": ""}
        for field in ("grant_type", "client_id", "client_secret"):
            case.body.pop(field, None)
    elif operation == "log_in" and is_form(case, "username", "password"):
        case.body = {"username": USERNAME, "password": password, "next": "/items"}
    elif operation in ("revoke_token", "introspect_token") and is_form(case, "token"):
        case.body = {"token": sign_in()["access_token"]}
    elif operation == "change_password" and is_form(case, "current_password", "new_password"):
        case.body = {**case.body, "current_password": password}
    elif operation == "end_session":
        response = service.get(
            f"{URL}/users/me/sessions",
            headers={"Authorization": f"Bearer {sign_in()['access_token']}"},
            timeout=10,
        )
        case.path_parameters = {"id": response.json()[0]["id"]}


@schemathesis.hook
def after_call(context, case, response):
    global password
    operation = case.operation.definition.raw.get("operationId")
    if operation == "change_password" and response.status_code == 204:
        password = case.body["new_password"]
