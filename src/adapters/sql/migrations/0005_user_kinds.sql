-- Sessions of users that another table holds: a session names the kind of its user, and no foreign key ties it to our
-- users and clients. SQLite cannot drop a foreign key, so the tables are built again. Columns keep their names, and the new
-- one has a default: replicas of the version before go on during an update.

-- First, because it locks the table on PostgreSQL: no session is opened between the copy and the removal.
ALTER TABLE sessions ADD COLUMN user_kind {key} NOT NULL DEFAULT 'User';

CREATE TABLE new_sessions (
    -- Tokens carry it.
    id {key} NOT NULL PRIMARY KEY,
    -- The name of the user model, and the user's subject in tokens.
    user_kind {key} NOT NULL DEFAULT 'User',
    user_id {key} NOT NULL,
    client_id {key},
    -- Separated by spaces; NULL for all scopes.
    scopes TEXT,
    -- The sender of the last request for a token.
    address TEXT,
    user_agent TEXT,
    -- Seconds since 1970. A session without an end has tokens without one.
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    expires BIGINT,
    -- The refresh tokens of the session, if it has any: the SHA-256 in base64url of their common part, of the current
    -- token and of the previous one; the time of the last rotation, and the salt of the current token.
    family {key} UNIQUE,
    newest TEXT,
    rotated BIGINT,
    previous TEXT,
    salt TEXT
);

INSERT INTO new_sessions
SELECT id, user_kind, user_id, client_id, scopes, address, user_agent, created, last_used, expires,
       family, newest, rotated, previous, salt
FROM sessions;

-- Access tokens that were revoked before their session ended.
CREATE TABLE new_revoked_tokens (
    token_id {key} NOT NULL PRIMARY KEY,
    session_id {key} NOT NULL REFERENCES new_sessions (id) ON DELETE CASCADE
);

INSERT INTO new_revoked_tokens SELECT token_id, session_id FROM revoked_tokens;

DROP TABLE revoked_tokens;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;
ALTER TABLE new_revoked_tokens RENAME TO revoked_tokens;

CREATE INDEX sessions_by_user ON sessions (user_id, user_kind);
CREATE INDEX sessions_by_client ON sessions (client_id);
CREATE INDEX sessions_by_end ON sessions (expires);
CREATE INDEX revoked_tokens_by_session ON revoked_tokens (session_id);

-- A sign-in reads the version before it verifies the password, and opens its session only if the version is still the
-- same. The version grows whenever all sessions of a user end. A user without a row has version 0; rows are not removed.
CREATE TABLE credential_versions (
    user_kind {key} NOT NULL,
    user_id {key} NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_kind, user_id)
);
