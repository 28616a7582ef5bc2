-- One text for SQLite and PostgreSQL. {key} is a text that is compared byte by byte: TEXT on SQLite, on PostgreSQL
-- TEXT COLLATE "C", whose order no update of the system's locales changes under an index.

CREATE TABLE users (
    -- A UUIDv7; tokens carry it.
    id {key} NOT NULL PRIMARY KEY,
    -- As it was written, and folded: names that differ only in case are one name.
    username TEXT NOT NULL,
    username_key {key} NOT NULL UNIQUE,
    email TEXT,
    full_name TEXT,
    disabled BOOLEAN NOT NULL,
    -- Separated by spaces, as RFC 6749 writes them.
    scopes TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    -- Seconds since 1970.
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL
);

CREATE TABLE clients (
    client_id {key} NOT NULL PRIMARY KEY,
    -- The secret's SHA-256 in base64url.
    secret_hash TEXT NOT NULL,
    created BIGINT NOT NULL
);
