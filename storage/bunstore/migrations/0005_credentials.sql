-- What a login relies on, to be checked again by the act that it allows.

-- Rises with every new password.
ALTER TABLE {users} ADD COLUMN password_version BIGINT NOT NULL DEFAULT 1;
