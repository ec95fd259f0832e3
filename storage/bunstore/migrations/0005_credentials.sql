-- What a login relies on, to be checked again by the act that it allows.

-- Rises with every new password.
ALTER TABLE {users} ADD COLUMN password_version BIGINT NOT NULL DEFAULT 1;

-- The moment from which no token of a session is good, access tokens included: from then on it can go. How long those
-- live that were issued before nobody knows here; they get more than they can need.
ALTER TABLE {sessions} ADD COLUMN lives_until BIGINT NOT NULL DEFAULT 0;
UPDATE {sessions} SET lives_until = {{.Now}} + 90 * 24 * 3600 * CAST(1000000 AS BIGINT);
CREATE INDEX {sessions}_lives_until ON {sessions} (lives_until);

-- Successors of one refresh token live side by side, so that nothing is asked about them any more.
DROP INDEX {refresh_tokens}_parent;
ALTER TABLE {refresh_tokens} DROP COLUMN parent;
ALTER TABLE {refresh_tokens} DROP COLUMN superseded;
