CREATE TABLE users (
    id BIGSERIAL PRIMARY KEY,
    email TEXT NOT NULL,
    full_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    roles TEXT[] NOT NULL DEFAULT '{}'
);

-- Addresses that differ only in case are one address.
CREATE UNIQUE INDEX users_email ON users (lower(email));
