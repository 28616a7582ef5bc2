-- Who did what, when, from where.

CREATE TABLE audit (
    id {serial},
    -- Seconds since 1970.
    time BIGINT NOT NULL,
    event TEXT NOT NULL,
    -- The name that somebody gave, and as names are compared, where it can be anybody's.
    username TEXT,
    username_key {key},
    user_id {key},
    client_id TEXT,
    session_id TEXT,
    address TEXT,
    user_agent TEXT,
    -- Who did it where no request did, and what else there is to say.
    actor TEXT,
    detail TEXT
);

CREATE INDEX audit_by_time ON audit (time, id);
CREATE INDEX audit_by_user ON audit (user_id);
CREATE INDEX audit_by_username ON audit (username_key);
