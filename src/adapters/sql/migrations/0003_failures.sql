-- Failed attempts to sign in, by address and by account and address; an account by its SHA-256.

CREATE TABLE failures (
    name {key} NOT NULL PRIMARY KEY,
    count BIGINT NOT NULL,
    -- Seconds since 1970.
    last BIGINT NOT NULL
);

CREATE INDEX failures_by_time ON failures (last);
