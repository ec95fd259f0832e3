package bunstore

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/buddychat/buddychat/realtime"
)

// hole is a range of missing ids. xid is the transaction number that the tail drew when it first
// missed them.
type hole struct {
	from, to     int64
	xid          uint64   // 0: not drawn yet
	writers      []string // the transactions that held a lock on the records then
	writersEnded bool     // all writers have ended
}

// apply adds new records, gives up the holes that no transaction can fill any more, and advances
// the safe position.
func (l *postgresTail) apply(records []realtime.Record) {
	for _, r := range records {
		if r.ID > l.high {
			if r.ID > l.high+1 {
				l.holes = append(l.holes, hole{from: l.high + 1, to: r.ID - 1})
			}
			l.high = r.ID
		} else {
			l.fill(r.ID)
		}
		l.above = append(l.above, r.Position)
	}
	slices.SortFunc(l.above, func(a, b realtime.Position) int { return cmp.Compare(a.ID, b.ID) })
	l.holes = slices.DeleteFunc(l.holes, func(h hole) bool { return h.writersEnded || h.xid != 0 && h.xid <= l.seen.xmin })
	safe := l.high
	if len(l.holes) > 0 {
		safe = l.holes[0].from - 1
	}
	n := 0
	for n < len(l.above) && l.above[n].ID <= safe {
		l.safe.Nonce = l.above[n].Nonce
		n++
	}
	l.above = slices.Delete(l.above, 0, n)
	l.safe.ID = max(l.safe.ID, safe)
}

// fill removes an id from its hole.
func (l *postgresTail) fill(id int64) {
	for i, h := range l.holes {
		if id < h.from || id > h.to {
			continue
		}
		var rest []hole
		if h.from < id {
			before := h
			before.to = id - 1
			rest = append(rest, before)
		}
		if id < h.to {
			after := h
			after.from = id + 1
			rest = append(rest, after)
		}
		l.holes = slices.Replace(l.holes, i, i+1, rest...)
		return
	}
}

// checkWritersEvery is the least time between two checks of the writers' locks. Most holes are
// given up much earlier, by their transaction numbers.
const checkWritersEvery = time.Second

// checkWriters marks the holes whose writers have ended. What those committed is visible from now
// on.
func (l *postgresTail) checkWriters(ctx context.Context) error {
	if !slices.ContainsFunc(l.holes, func(h hole) bool { return h.xid != 0 }) || time.Since(l.writersChecked) < checkWritersEvery {
		return nil
	}
	writers, err := l.writers(ctx)
	if err != nil {
		return err
	}
	l.writersChecked = time.Now()
	if slices.ContainsFunc(writers, func(w string) bool { return strings.HasPrefix(w, "-1/") }) {
		// A prepared transaction is listed under another name than before, so no writer can be
		// ruled out.
		return nil
	}
	for i, h := range l.holes {
		l.holes[i].writersEnded = h.xid != 0 && !slices.ContainsFunc(h.writers, func(w string) bool { return slices.Contains(writers, w) })
	}
	return nil
}

// writers returns the transactions that hold the lock of a writer on the table of records.
func (l *postgresTail) writers(ctx context.Context) (writers []string, err error) {
	err = l.t.query(ctx, `SELECT DISTINCT k.virtualtransaction FROM pg_locks k WHERE k.locktype = 'relation' AND k.mode = 'RowExclusiveLock' AND k.relation = '{events}'::regclass
		AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`, nil, func(rows *sql.Rows) error {
		var w string
		err := rows.Scan(&w)
		writers = append(writers, w)
		return err
	})
	return writers, err
}

// assignXIDs draws a transaction number for the holes that have none, and notes which transactions
// may fill them.
func (l *postgresTail) assignXIDs(ctx context.Context) error {
	if !slices.ContainsFunc(l.holes, func(h hole) bool { return h.xid == 0 }) {
		return nil
	}
	var text string
	if _, err := l.t.row(ctx, `SELECT pg_current_xact_id()::text`, nil, &text); err != nil {
		return err
	}
	xid, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("bunstore: transaction number: %w", err)
	}
	writers, err := l.writers(ctx)
	if err != nil {
		return err
	}
	for i := range l.holes {
		if l.holes[i].xid == 0 {
			l.holes[i].xid, l.holes[i].writers = xid, writers
		}
	}
	return nil
}
