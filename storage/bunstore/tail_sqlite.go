package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// sqliteTail follows the log of a database with a single writer. Ids are drawn under the write
// lock, so records are committed in the order of their ids. All records after the last one seen are
// new.
type sqliteTail struct {
	t    *tx
	last realtime.Position
}

func (s *Store) tailSQLite(ctx context.Context) (realtime.Tail, error) {
	tail := &sqliteTail{t: s.reader()}
	_, err := tail.t.row(ctx, `SELECT e.id, e.nonce FROM {events} e ORDER BY e.id DESC LIMIT 1`, nil, &tail.last.ID, &tail.last.Nonce)
	return tail, err
}

// Next implements [realtime.Tail]. It reads the last record again. If that is missing, the database
// was restored from a backup, and ids may be reused.
func (l *sqliteTail) Next(ctx context.Context) (realtime.Batch, error) {
	var records []realtime.Record
	err := l.t.query(ctx, `SELECT `+recordColumns+` FROM {events} e WHERE e.id >= $1 ORDER BY e.id`, []any{l.last.ID}, func(rows *sql.Rows) error {
		r, err := scanRecord(rows)
		records = append(records, r)
		return err
	})
	if err != nil {
		return realtime.Batch{}, err
	}
	if l.last.ID > 0 {
		if len(records) == 0 || records[0].Position != l.last {
			return realtime.Batch{}, storage.CursorExpired()
		}
		records = records[1:]
	}
	if n := len(records); n > 0 {
		l.last = records[n-1].Position
	}
	return realtime.Batch{Records: records, Safe: l.last}, nil
}

// Close implements [realtime.Tail].
func (l *sqliteTail) Close() error { return nil }
