package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The codes of PostgreSQL that the store decides by: https://www.postgresql.org/docs/current/errcodes-appendix.html.
const (
	uniqueViolation       = "23505"
	serializationFailure  = "40001"
	deadlockDetected      = "40P01"
	insufficientPrivilege = "42501"
	readOnlyTransaction   = "25006"
)

// sqlState returns the code of an error of PostgreSQL, whatever the driver: pgx and lib/pq have a method SQLState, bun's driver
// has Field. It returns "" for any other error.
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

// openTimeout is how long the database may take to answer what Open asks.
const openTimeout = 10 * time.Second

// lookAtPostgres refuses a database that cannot keep every message, and notes at which isolation level its statements run.
func (s *Store) lookAtPostgres() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	var name, encoding, level string
	_, err := s.reader().row(ctx, `SELECT current_database(), current_setting('server_encoding'), current_setting('default_transaction_isolation')`,
		nil, &name, &encoding, &level)
	if err != nil {
		return err
	}
	if encoding != "UTF8" {
		return fmt.Errorf("bunstore: the database %s has the encoding %s, which cannot keep every character: use a database that was made with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
			name, encoding)
	}
	s.ownLevel = hasSnapshot(level)
	return nil
}

// hasSnapshot reports whether all statements of a transaction at an isolation level see the database as it was when the
// transaction began.
func hasSnapshot(level string) bool { return level != "read committed" && level != "read uncommitted" }

// beginner is a database or a connection, on which a statement is a transaction of its own.
type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// needsTx reports whether a statement needs a transaction of its own. It does where it would run at the isolation level that the
// database has for a default, which is not the one that the store relies on: above READ COMMITTED a statement fails where another
// one changed what it has waited for.
func (t *tx) needsTx() (beginner, bool) {
	if !t.ownLevel && !t.apart {
		return nil, false
	}
	b, alone := t.conn.(beginner)
	return b, alone
}

// atReadCommitted runs statements in a transaction of their own.
func (t *tx) atReadCommitted(ctx context.Context, b beginner, f func(t *tx) error) error {
	own, err := b.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // after a commit it has nothing to do, and before one the cause is on its way up
	if err := f(&tx{Store: t.Store, conn: own}); err != nil {
		return err
	}
	if err := own.Commit(); err != nil {
		return fmt.Errorf("bunstore: commit: %w", err)
	}
	return nil
}

// isRefused reports whether PostgreSQL rejected the data of a statement, such as a value or a size that it cannot store, a
// constraint or an exception that was raised, and not the connection, the server or its resources.
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

// isConflictText tells a refused row by the words of the drivers that have no code.
func isConflictText(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "SQLSTATE 23505") || strings.Contains(err.Error(), "duplicate key value") ||
		strings.Contains(err.Error(), "UNIQUE constraint failed"))
}
