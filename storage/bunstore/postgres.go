package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The error codes of PostgreSQL that the store checks:
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation       = "23505"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	insufficientPrivilege = "42501"
	readOnlyTransaction   = "25006"
)

// sqlState returns the SQLSTATE of a PostgreSQL error, or "" for any other error. It works with all
// drivers: errors of pgx and lib/pq have a method SQLState, errors of bun's driver have Field.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	var fields interface{ Field(field byte) string }
	if errors.As(err, &fields) {
		return fields.Field('C')
	}
	return ""
}

// openTimeout is how long Open waits for the database.
const openTimeout = 10 * time.Second

// checkPostgres rejects a database with an encoding other than UTF8, and notes whether statements
// need to set their isolation level.
func (s *Store) checkPostgres() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	var name, encoding, level string
	_, err := s.reader().row(ctx, `SELECT current_database(), current_setting('server_encoding'), current_setting('default_transaction_isolation')`,
		nil, &name, &encoding, &level)
	if err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("bunstore: the database %s has the encoding %s, which cannot store every character: use a database created with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
			name, encoding)
	}
	s.needsOwnLevel = hasSnapshot(level)
	return nil
}

// hasSnapshot reports whether, at this isolation level, all statements of a transaction see the
// database as it was when the transaction began.
func hasSnapshot(level string) bool { return level != "read committed" && level != "read uncommitted" }

// beginner is a database or a connection, where a statement is a transaction of its own.
type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// needsTx reports whether a statement must run in a transaction of its own. It must if the sender
// asks for it, or if the default isolation level of the database is above READ COMMITTED. The store
// relies on READ COMMITTED: at higher levels, a statement fails if a row that it waited for has
// changed.
func (t *tx) needsTx() (beginner, bool) {
	if !t.needsOwnLevel && !t.ownTx {
		return nil, false
	}
	b, alone := t.conn.(beginner)
	return b, alone
}

// atReadCommitted runs f in a transaction of its own at READ COMMITTED.
func (t *tx) atReadCommitted(ctx context.Context, b beginner, f func(t *tx) error) error {
	own, err := b.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // no effect after a commit; before one, the original error is returned
	if err := f(&tx{Store: t.Store, conn: own}); err != nil {
		return err
	}
	if err := own.Commit(); err != nil {
		return fmt.Errorf("bunstore: commit: %w", err)
	}
	return nil
}

// isRefused reports whether PostgreSQL rejected the data of a statement, for example a value or
// size that it cannot store, a constraint violation or a raised exception. It is false if the
// connection, the server or its resources failed.
func isRefused(err error) bool {
	code := sqlState(err)
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "08", "53", "57", "58", "XX":
		return false
	}
	return true
}

// isConflictText recognizes a unique violation by its text, for drivers without error codes.
func isConflictText(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "SQLSTATE 23505") || strings.Contains(err.Error(), "duplicate key value") ||
		strings.Contains(err.Error(), "UNIQUE constraint failed"))
}
