-- What a login relies on, and what the operation that it authorizes checks again.

-- Every new password increments it.
ALTER TABLE {users} ADD COLUMN password_version BIGINT NOT NULL DEFAULT 1;

-- From this time on, no token of the session is valid, access tokens included, and the session can
-- be deleted. How long the access tokens of existing sessions live is not known here, so they get
-- more time than they can need.
ALTER TABLE {sessions} ADD COLUMN lives_until BIGINT NOT NULL DEFAULT 0;
UPDATE {sessions} SET lives_until = {{.Now}} + 90 * 24 * 3600 * CAST(1000000 AS BIGINT);
CREATE INDEX {sessions}_lives_until ON {sessions} (lives_until);

-- Several successors of one refresh token are valid at the same time, so these columns are no
-- longer needed.
DROP INDEX {refresh_tokens}_parent;
ALTER TABLE {refresh_tokens} DROP COLUMN parent;
ALTER TABLE {refresh_tokens} DROP COLUMN superseded;
