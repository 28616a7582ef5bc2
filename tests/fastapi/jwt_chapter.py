"""The program of FastAPI's chapter "OAuth2 with Password (and hashing), Bearer with JWT tokens": the same steps and
libraries, with one user in a dict. The benchmarks measure it."""

import secrets
from datetime import datetime, timedelta, timezone
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, status
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jwt.exceptions import InvalidTokenError
from pwdlib import PasswordHash
from pydantic import BaseModel

ALGORITHM = "HS256"
LIFETIME = timedelta(minutes=30)

# Random, because it is not shared with other workers.
secret_key = secrets.token_hex(32)
password_hash = PasswordHash.recommended()
dummy_hash = password_hash.hash("dummy")
users_db = {
    "johndoe": {
        "username": "johndoe",
        "full_name": "John Doe",
        "email": "johndoe@example.com",
        "hashed_password": password_hash.hash("secret"),
        "disabled": False,
    }
}

app = FastAPI()
oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")


class Token(BaseModel):
    access_token: str
    token_type: str


class TokenData(BaseModel):
    username: str | None = None


class User(BaseModel):
    username: str
    email: str | None = None
    full_name: str | None = None
    disabled: bool | None = None


class UserInDB(User):
    hashed_password: str


def get_user(db, username: str):
    if username in db:
        return UserInDB(**db[username])


def unauthorized(detail: str):
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, {"WWW-Authenticate": "Bearer"})


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)]):
    try:
        payload = jwt.decode(token, secret_key, algorithms=[ALGORITHM])
    except InvalidTokenError:
        raise unauthorized("Could not validate credentials")
    token_data = TokenData(username=payload.get("sub"))
    user = get_user(users_db, token_data.username)
    if user is None:
        raise unauthorized("Could not validate credentials")
    return user


async def get_current_active_user(current_user: Annotated[User, Depends(get_current_user)]):
    if current_user.disabled:
        raise HTTPException(status_code=400, detail="Inactive user")
    return current_user


@app.post("/token")
async def login(form_data: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
    user = get_user(users_db, form_data.username)
    is_right = password_hash.verify(form_data.password, user.hashed_password if user else dummy_hash)
    if user is None or not is_right:
        raise unauthorized("Incorrect username or password")
    claims = {"sub": user.username, "exp": datetime.now(timezone.utc) + LIFETIME}
    return Token(access_token=jwt.encode(claims, secret_key, algorithm=ALGORITHM), token_type="bearer")


@app.get("/users/me/")
async def read_users_me(current_user: Annotated[User, Depends(get_current_active_user)]) -> User:
    return current_user
