package bunstore

import (
	"context"
	"strings"
)

// probeSize is how many bytes CheckWritable writes on SQLite: about as much as a few acts, so that a disk with less room counts
// as full.
const probeSize = 32 << 10

// CheckWritable reports whether acts can be stored: it commits a small write that leaves nothing behind. It fails where the database is
// away, read-only, full or, for as long as ctx lasts, locked by another transaction. It is for health checks, such as one each
// second. A store that is bound to a transaction checks nothing.
func (s *Store) CheckWritable(ctx context.Context) error {
	if s.host != nil {
		return nil
	}
	return s.act(ctx, func(t *tx) error {
		if t.dialect == PostgreSQL {
			_, err := t.exec(ctx, `INSERT INTO {log_positions} AS p (name, id) VALUES ('health', 1) ON CONFLICT (name) DO UPDATE SET id = p.id + 1`)
			return err
		}
		// No other connection ever sees this row.
		probe := strings.Repeat("\x01", probeSize)
		if _, err := t.exec(ctx, `INSERT INTO {erasures} (owner, at, done) VALUES ($1, 0, TRUE)`, probe); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM {erasures} WHERE owner = $1`, probe)
		return err
	})
}
