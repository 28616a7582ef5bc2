-- Public clients, the limits of clients, and two secrets per client. Every new column has a default: replicas of the version
-- before go on during an update, and refuse public clients.

ALTER TABLE clients ADD COLUMN name TEXT NOT NULL DEFAULT '';
-- A public client has no secret; its secret_hash is empty, which is no hash.
ALTER TABLE clients ADD COLUMN is_public BOOLEAN NOT NULL DEFAULT FALSE;
-- The grants that the client may use, separated by spaces.
ALTER TABLE clients ADD COLUMN grants TEXT NOT NULL DEFAULT 'password refresh_token';
-- Separated by spaces; NULL for all scopes.
ALTER TABLE clients ADD COLUMN scopes TEXT;
-- One per line; NULL for all audiences of the service.
ALTER TABLE clients ADD COLUMN audiences TEXT;
ALTER TABLE clients ADD COLUMN introspect_all BOOLEAN NOT NULL DEFAULT FALSE;
-- The time of the current secret; NULL for that of the registration.
ALTER TABLE clients ADD COLUMN secret_created BIGINT;
-- The secret before, which is valid until it expires.
ALTER TABLE clients ADD COLUMN old_secret_hash TEXT;
ALTER TABLE clients ADD COLUMN old_secret_created BIGINT;
ALTER TABLE clients ADD COLUMN old_secret_expires BIGINT;

-- Clients that exist could introspect all tokens.
UPDATE clients SET introspect_all = TRUE;

-- The audiences of the sign-in, one per line; NULL for those that tokens have by default.
ALTER TABLE sessions ADD COLUMN audiences TEXT;
