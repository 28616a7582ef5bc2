-- The responses that contained the current refresh token of a session. Every token response of a session has a number:
-- 0 for the sign-in, and one more for each refresh.

-- The numbers of the first response, of the first one to the current address and user agent, and of the last one.
ALTER TABLE sessions ADD COLUMN first_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN sender_sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_sequence BIGINT NOT NULL DEFAULT 0;
-- Whether an access token with a number of sender_sequence or more was used.
ALTER TABLE sessions ADD COLUMN received BOOLEAN NOT NULL DEFAULT FALSE;
