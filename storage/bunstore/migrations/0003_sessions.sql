-- The sessions of the built-in users, each with the family of its refresh tokens.

CREATE TABLE {sessions} (
    id          TEXT NOT NULL PRIMARY KEY,
    user_number BIGINT NOT NULL REFERENCES {users} (number),
    began_at    BIGINT NOT NULL,
    ended       BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX {sessions}_user ON {sessions} (user_number);

CREATE TABLE {refresh_tokens} (
    hash       {{.Bytes}} NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES {sessions} (id),
    parent     {{.Bytes}}, -- the token that was spent for this one; NULL for the first
    expires_at BIGINT NOT NULL,
    spent_at   BIGINT NOT NULL DEFAULT 0,
    superseded BOOLEAN NOT NULL DEFAULT FALSE -- a sibling was spent before
);
CREATE INDEX {refresh_tokens}_session ON {refresh_tokens} (session_id);
CREATE INDEX {refresh_tokens}_parent ON {refresh_tokens} (parent) WHERE parent IS NOT NULL;
CREATE INDEX {refresh_tokens}_expired ON {refresh_tokens} (expires_at);
