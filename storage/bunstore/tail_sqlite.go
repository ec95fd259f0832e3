package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/realtime"
)

// sqliteTail follows the log of a database with one writer at a time: ids are drawn under the write lock, so they are committed in their order,
// and what is behind the last one seen is all that is new.
type sqliteTail struct {
	t    *tx
	last realtime.Position
}

func (s *Store) tailSQLite(ctx context.Context) (realtime.Tail, error) {
	tail := &sqliteTail{t: s.reader()}
	last, _, err := tail.t.positionAt(ctx, noPlace)
	tail.last = last
	return tail, err
}

// Next implements [realtime.Tail].
func (l *sqliteTail) Next(ctx context.Context) (realtime.Batch, error) {
	var records []realtime.Record
	err := l.t.query(ctx, `SELECT `+recordColumns+` FROM {events} e WHERE e.id > $1 ORDER BY e.id`, []any{l.last.ID}, func(rows *sql.Rows) error {
		r, err := scanRecord(rows)
		records = append(records, r)
		return err
	})
	if err != nil {
		return realtime.Batch{}, err
	}
	if n := len(records); n > 0 {
		l.last = records[n-1].Position
	}
	return realtime.Batch{Records: records, Safe: l.last}, nil
}

// Close implements [realtime.Tail].
func (l *sqliteTail) Close() error { return nil }
