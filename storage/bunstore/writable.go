package bunstore

import (
	"context"
	"strings"
)

// probeSize is how many bytes CheckWritable writes on SQLite. It is about as much as a few
// operations write, so that a disk with less room counts as full.
const probeSize = 32 << 10

// CheckWritable reports whether the store can write. It commits a small write that leaves no data.
// It fails if the database is unreachable, read-only, full or, until ctx ends, locked by another
// transaction. It is meant for health checks, and cheap enough for one per second. For a store
// bound to a transaction, it does nothing and returns nil.
func (s *Store) CheckWritable(ctx context.Context) error {
	if s.host != nil {
		return nil
	}
	return s.act(ctx, func(t *tx) error {
		if t.dialect == PostgreSQL {
			_, err := t.exec(ctx, `INSERT INTO {log_positions} AS p (name, id) VALUES ('health', 1) ON CONFLICT (name) DO UPDATE SET id = p.id + 1`)
			return err
		}
		// The row is deleted in the same transaction, so no other connection ever sees it.
		probe := strings.Repeat("\x01", probeSize)
		if _, err := t.exec(ctx, `INSERT INTO {erasures} (owner, at, done) VALUES ($1, 0, TRUE)`, probe); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM {erasures} WHERE owner = $1`, probe)
		return err
	})
}
