-- The built-in users. The tables stay empty if the host has users of its own. Names and email
-- addresses are compared folded: see user.Fold.

CREATE TABLE {users} (
    number          {{.ID}},
    username        TEXT NOT NULL,
    username_fold   TEXT NOT NULL,
    email           TEXT NOT NULL,
    -- The SHA-256 of the folded email address, which may be too long for an index.
    email_key       {{.Bytes}} NOT NULL,
    first_name      TEXT NOT NULL,
    first_name_fold TEXT NOT NULL,
    last_name       TEXT NOT NULL,
    last_name_fold  TEXT NOT NULL,
    bio             TEXT NOT NULL DEFAULT '',
    picture         TEXT NOT NULL DEFAULT '',
    password_hash   TEXT NOT NULL,
    joined_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX {users}_username ON {users} (username_fold);
CREATE UNIQUE INDEX {users}_email ON {users} (email_key);

CREATE TABLE {phones} (
    id           {{.ID}},
    user_number  BIGINT NOT NULL REFERENCES {users} (number),
    country_code TEXT NOT NULL,
    number       TEXT NOT NULL
);
CREATE UNIQUE INDEX {phones}_number ON {phones} (country_code, number);
CREATE INDEX {phones}_user ON {phones} (user_number, id);
