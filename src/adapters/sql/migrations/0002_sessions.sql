-- Sessions, and how every replica hears of what changed.

CREATE TABLE sessions (
    -- Tokens carry it.
    id {key} NOT NULL PRIMARY KEY,
    user_id {key} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id {key} REFERENCES clients (client_id) ON DELETE CASCADE,
    -- Separated by spaces; NULL for a permission without limits.
    scopes TEXT,
    -- Where it got a token from last.
    address TEXT,
    user_agent TEXT,
    -- Seconds since 1970. A session without an end has tokens without one.
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    expires BIGINT,
    -- Its refresh tokens, where it has any: SHA-256 in base64url of what all of them begin with, of the newest one and of
    -- the one before; when the newest was made, and the salt it was made of.
    family {key} UNIQUE,
    newest TEXT,
    rotated BIGINT,
    previous TEXT,
    salt TEXT
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_client ON sessions (client_id);
CREATE INDEX sessions_by_end ON sessions (expires);

-- Access tokens that were revoked while their session lives.
CREATE TABLE revoked_tokens (
    token_id {key} NOT NULL PRIMARY KEY,
    session_id {key} NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
);

CREATE INDEX revoked_tokens_by_session ON revoked_tokens (session_id);

-- What changed lately. The numbers have no gaps and are in the order of the commits: whoever takes the next one holds
-- the counter until it is written, which a sequence does not do.
CREATE TABLE changes (
    number BIGINT NOT NULL PRIMARY KEY,
    -- user, session or client, and which one.
    kind TEXT NOT NULL,
    name {key} NOT NULL,
    made BIGINT NOT NULL
);

CREATE INDEX changes_by_time ON changes (made);

CREATE TABLE change_counter (
    number BIGINT NOT NULL
);

INSERT INTO change_counter (number) VALUES (0);
