package bunstore

import (
	"context"
	"fmt"
)

// checkpointWait is how long a checkpoint waits for readers, in milliseconds. Operations that write
// wait for the checkpoint.
const checkpointWait = 200

// emptyLog moves the write-ahead log of SQLite into the database file and truncates it. Until then,
// older pages of the log contain content that has been unsent, erased or purged. If another
// connection keeps reading for longer, the log stays as it is. That is no error, because the next
// upkeep tries again.
func (s *Store) emptyLog(ctx context.Context) error {
	if s.dialect != SQLite {
		return nil
	}
	c, err := s.writer().Conn(ctx)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	defer c.Close() //nolint:errcheck // Close only returns the connection to the pool
	t := &tx{Store: s, conn: c}
	var busy, pages, moved, timeout int64
	if _, err := t.row(ctx, `PRAGMA wal_checkpoint(PASSIVE)`, nil, &busy, &pages, &moved); err != nil || pages <= 0 {
		return ignoreBusy(err)
	}
	if _, err := t.row(ctx, `PRAGMA busy_timeout`, nil, &timeout); err != nil {
		return err
	}
	if err := t.waitFor(ctx, min(timeout, checkpointWait)); err != nil {
		return err
	}
	_, err = t.row(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`, nil, &busy, &pages, &moved)
	if restored := t.waitFor(context.WithoutCancel(ctx), timeout); restored != nil {
		return restored
	}
	return ignoreBusy(err)
}

// waitFor sets how long the connection waits for a lock, in milliseconds.
func (t *tx) waitFor(ctx context.Context, timeout int64) error {
	_, err := t.conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA busy_timeout = %d`, timeout))
	return err
}

func ignoreBusy(err error) error {
	if isBusy(err) {
		return nil
	}
	return err
}
