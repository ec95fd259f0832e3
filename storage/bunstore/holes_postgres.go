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

// hole is a range of missing ids.
type hole struct {
	from, to int64
	stamp    uint64   // 0: none yet
	writers  []string // the transactions that held a lock on the records then
	over     bool     // all of them have ended
}

// take enters new records, gives up the holes that nobody can fill any more, and moves the safe position.
func (l *postgresTail) take(records []realtime.Record) {
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
	l.holes = slices.DeleteFunc(l.holes, func(h hole) bool { return h.over || h.stamp != 0 && h.stamp <= l.seen.xmin })
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

// fill takes an id out of the hole that it lay in.
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
			behind := h
			behind.from = id + 1
			rest = append(rest, behind)
		}
		l.holes = slices.Replace(l.holes, i, i+1, rest...)
		return
	}
}

// lookEvery is what lies between two looks for the ends of writers: most holes are given up by their stamps long before.
const lookEvery = time.Second

// lookForEnds marks the holes whose writers have ended: what these committed can be seen from now on.
func (l *postgresTail) lookForEnds(ctx context.Context) error {
	if !slices.ContainsFunc(l.holes, func(h hole) bool { return h.stamp != 0 }) || time.Since(l.looked) < lookEvery {
		return nil
	}
	writers, err := l.writers(ctx)
	if err != nil {
		return err
	}
	l.looked = time.Now()
	if slices.ContainsFunc(writers, func(w string) bool { return strings.HasPrefix(w, "-1/") }) {
		return nil // a prepared transaction goes by another name than when it began
	}
	for i, h := range l.holes {
		l.holes[i].over = h.stamp != 0 && !slices.ContainsFunc(h.writers, func(w string) bool { return slices.Contains(writers, w) })
	}
	return nil
}

// writers returns the transactions that hold a lock on the records, as whoever writes one does.
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

// stamp draws a transaction number for the holes that have none, and notes who may fill them.
func (l *postgresTail) stamp(ctx context.Context) error {
	if !slices.ContainsFunc(l.holes, func(h hole) bool { return h.stamp == 0 }) {
		return nil
	}
	var text string
	if _, err := l.t.row(ctx, `SELECT pg_current_xact_id()::text`, nil, &text); err != nil {
		return err
	}
	stamp, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("bunstore: transaction number: %w", err)
	}
	writers, err := l.writers(ctx)
	if err != nil {
		return err
	}
	for i := range l.holes {
		if l.holes[i].stamp == 0 {
			l.holes[i].stamp, l.holes[i].writers = stamp, writers
		}
	}
	return nil
}
