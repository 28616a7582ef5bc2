CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    full_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active INTEGER NOT NULL DEFAULT TRUE,
    -- A JSON array of strings.
    roles TEXT NOT NULL DEFAULT '[]'
) STRICT;

-- Addresses that differ only in the case of ASCII letters are one address.
CREATE UNIQUE INDEX users_email ON users (lower(email));
