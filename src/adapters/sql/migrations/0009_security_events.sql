-- The events that the account page shows: those of a user by time, and the failed sign-ins with a username by time. Routine
-- events such as refreshes are not among them, so that reading the latest ones takes few rows. The query repeats these conditions.

CREATE INDEX audit_security_by_user ON audit (user_id, time, id) WHERE event NOT IN
    ('refresh', 'refresh_repeated', 'refresh_failed', 'forbidden', 'unauthorized', 'token_revoked', 'token_issued');

CREATE INDEX audit_failures_by_username ON audit (username_key, time, id) WHERE user_id IS NULL;
