-- Keys that failed attempts are counted under have different lifetimes: the row is removed after `expires`, in seconds since
-- 1970. Rows of older versions have none.
ALTER TABLE failures ADD COLUMN expires BIGINT;

CREATE INDEX failures_by_expiry ON failures (expires);

-- Keys that replicas share, as base64url. The key of device cookies only affects throttling: signing in still takes a
-- password.
CREATE TABLE secrets (
    name {key} NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Failures of one kind, account, address and minute are one row with a count, found by the hash of these (`failure`). Other
-- entries have no hash, and neither have failures of older versions.
ALTER TABLE audit ADD COLUMN count BIGINT NOT NULL DEFAULT 1;
ALTER TABLE audit ADD COLUMN failure {key};

CREATE UNIQUE INDEX audit_by_failure ON audit (failure);

-- The oldest failures, which are removed if there are too many.
CREATE INDEX audit_failures_by_time ON audit (time) WHERE failure IS NOT NULL;
