package bunstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// postgresTail follows the log of a database with many writers, which commit their ids out of
// order.
//
// New records are found by snapshots, not by ids. A record is new if its transaction was not
// visible in the previous snapshot and is visible in this one. Such transactions are those at or
// above the previous snapshot's xmax, and those that it listed as running. No record can be missed
// this way, and a slow transaction delays only its own records.
//
// Ids are needed for one thing only: the safe position, below which no record can appear any more.
// A missing id may still be committed by a running transaction that drew it. When an id is first
// missed, the tail draws a transaction number of its own. It is higher than that of the writer,
// because the writer locked its conversation, and so had its number, before it drew the id. When
// the xmin of a later snapshot has reached that number and the id is still missing, the tail gives
// the id up: the writer was rolled back.
//
// An unrelated transaction, such as an idle one in another database, can hold xmin back for hours.
// So there is a second sign. A writer holds a lock on the table of records. It takes the lock
// before it draws an id, and releases it only when its commit is visible. The tail notes who held
// the lock when the id was first missed, and checks now and then whether they still do. When none
// of them does and a later poll still misses the id, the tail gives it up as well.
//
// All of this relies on transaction numbers that only rise. A server that crashed may reuse numbers
// that it had not written to disk. No session of the server survives a crash, but with a pooler in
// between, the tail's own session may seem to. So each poll asks for the start times of the server
// and of the session that serves the poll. If either started after the previous poll, the tail
// reads by id again, from its safe position.
type postgresTail struct {
	t    *tx
	conn *sql.Conn // nil after an error
	seen snapshot  // what was visible at the last poll

	server  int64 // when the server was started, as of the last poll; 0: not known
	process int64 // process id of the session that served the last poll
	polled  int64 // when the last poll was, by the clock of the server

	// Every record up to safe has been read, and no other can appear there.
	safe  realtime.Position
	above []realtime.Position // records read above safe, ordered by id
	high  int64               // the highest id read
	holes []hole              // ids missing between safe and high, ordered

	// Records above safe that existed when the tail began. The first poll returns them.
	first  []realtime.Record
	resync bool // after an error: the next poll reads by id, from safe
	// When the safe position was last stored.
	saved time.Time
	// When the locks of the writers were last checked.
	writersChecked time.Time
}

// snapshot is a pg_snapshot. All transactions below xmin have ended, and none at or above xmax has.
// Of those in between, the ones in xip are running.
type snapshot struct {
	xmin, xmax uint64
	xip        []string
}

func parseSnapshot(s string) (snapshot, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 3 {
		return snapshot{}, fmt.Errorf("bunstore: %q is not a snapshot", s)
	}
	xmin, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return snapshot{}, fmt.Errorf("bunstore: snapshot: %w", err)
	}
	xmax, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return snapshot{}, fmt.Errorf("bunstore: snapshot: %w", err)
	}
	sn := snapshot{xmin: xmin, xmax: xmax}
	if parts[2] != "" {
		sn.xip = strings.Split(parts[2], ",")
	}
	return sn, nil
}

// savePositionEvery is the least time between two saves of the safe position, from which the next
// tail begins.
const savePositionEvery = 5 * time.Second

func (s *Store) tailPostgres(ctx context.Context) (realtime.Tail, error) {
	if s.follower().Stats().MaxOpenConnections == 1 {
		return nil, errors.New("bunstore: a tail keeps one connection, and the pool is limited to one: allow at least two")
	}
	l := &postgresTail{}
	if err := l.connect(ctx, s); err != nil {
		return nil, err
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// follower returns the pool that tails take their connections from.
func (s *Store) follower() *sql.DB {
	if s.driver.Follower != nil {
		return s.driver.Follower
	}
	return s.db.DB
}

// connect takes a connection for the tail.
func (l *postgresTail) connect(ctx context.Context, s *Store) error {
	c, err := s.follower().Conn(ctx)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	l.conn, l.t = c, &tx{Store: s, conn: c}
	return nil
}

// begin determines the position to start from.
func (l *postgresTail) begin(ctx context.Context) error {
	if err := l.resetFutureXIDs(ctx); err != nil {
		return err
	}
	start := int64(0)
	if _, err := l.t.row(ctx, `SELECT p.id FROM {log_positions} p WHERE p.name = 'safe'`, nil, &start); err != nil {
		return err
	}
	at, found, err := l.t.positionAt(ctx, start)
	if err != nil {
		return err
	}
	// The saved position is missing or belongs to another log. Begin with the oldest record.
	if !found {
		if _, err := l.t.row(ctx, `SELECT e.id, e.nonce FROM {events} e ORDER BY e.id LIMIT 1`, nil, &at.ID, &at.Nonce); err != nil {
			return err
		}
	}
	l.safe, l.high = at, at.ID
	// Records that exist by now are not new. But a cursor at the safe position does not cover those
	// above a hole, so consumers that begin there need them.
	records, err := l.byID(ctx)
	if err != nil {
		return err
	}
	l.first = slices.DeleteFunc(records, func(r realtime.Record) bool { return r.ID <= l.safe.ID })
	return l.assignXIDs(ctx)
}

// resetFutureXIDs gives the records of a restored dump a transaction number of the past. In a new
// cluster, the numbers in the dump lie in the future.
func (l *postgresTail) resetFutureXIDs(ctx context.Context) error {
	_, err := l.t.exec(ctx, `UPDATE {events} SET xid = '3' WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
		AND xid > pg_current_xact_id()`)
	return err
}

// Next implements [realtime.Tail].
func (l *postgresTail) Next(ctx context.Context) (realtime.Batch, error) {
	if l.conn == nil {
		if err := l.connect(ctx, l.t.Store); err != nil {
			return realtime.Batch{}, err
		}
	}
	records, err := l.poll(ctx)
	if err == nil && len(l.first) > 0 {
		records = append(l.first, records...)
		slices.SortFunc(records, func(a, b realtime.Record) int { return cmp.Compare(a.ID, b.ID) })
		l.first = nil
	}
	if err == nil && l.assignXIDs(ctx) == nil {
		l.save(ctx)
		return realtime.Batch{Records: records, Safe: l.safe}, nil
	}
	l.distrustXIDs()
	closed := l.Close()
	if err != nil {
		return realtime.Batch{}, errors.Join(err, closed)
	}
	// The records have been read. The next poll assigns the missing transaction numbers.
	return realtime.Batch{Records: records, Safe: l.safe}, nil
}

// distrustXIDs makes the next poll ignore all transaction numbers known so far.
func (l *postgresTail) distrustXIDs() {
	l.resync = true
	for i := range l.holes {
		l.holes[i].xid, l.holes[i].writersEnded = 0, false
	}
}

// poll reads the new records.
func (l *postgresTail) poll(ctx context.Context) ([]realtime.Record, error) {
	if !l.resync {
		if err := l.checkWriters(ctx); err != nil {
			return nil, err
		}
		records, err := l.bySnapshot(ctx)
		if !errors.Is(err, errRestarted) {
			return records, err
		}
		l.distrustXIDs()
	}
	if err := l.resetFutureXIDs(ctx); err != nil {
		return nil, err
	}
	return l.byID(ctx)
}

// errRestarted means that the server may have crashed since the last poll.
var errRestarted = errors.New("bunstore: the server may have restarted")

// bySnapshot reads the records that became visible since the last poll.
func (l *postgresTail) bySnapshot(ctx context.Context) ([]realtime.Record, error) {
	return l.read(ctx, false, `SELECT `+nowColumns+nullableRecord+` FROM `+nowAndNewest+` LEFT JOIN LATERAL (
			SELECT e.* FROM {events} e WHERE e.xid >= $3::text::xid8
			UNION ALL
			SELECT e.* FROM {events} e WHERE e.xid = ANY ($4::text[]::xid8[]) AND e.xid < $3::text::xid8
		) e ON TRUE ORDER BY e.id`, strconv.FormatUint(l.seen.xmax, 10), list(l.t.Store, l.seen.xip))
}

// byID reads all records above the safe position, except those read before.
func (l *postgresTail) byID(ctx context.Context) ([]realtime.Record, error) {
	records, err := l.read(ctx, true, `SELECT `+nowColumns+nullableRecord+` FROM `+nowAndNewest+` LEFT JOIN {events} e ON e.id > $3 ORDER BY e.id`, l.safe.ID)
	if err == nil {
		l.resync = false
	}
	return records, err
}

// nullableRecord is recordColumns for a LEFT JOIN, which returns the snapshot even if no record
// matches.
var nullableRecord = strings.NewReplacer(
	"e.id", "COALESCE(e.id, 0)", "e.nonce", "COALESCE(e.nonce, 0)", "e.operation", "COALESCE(e.operation, '')", "e.at", "COALESCE(e.at, 0)",
	"e.conversation_id", "COALESCE(e.conversation_id, 0)", "e.kind", "COALESCE(e.kind, 0)", "e.recipient", "COALESCE(e.recipient, '')",
	"e.actor", "COALESCE(e.actor, '')", "e.message_id", "COALESCE(e.message_id, 0)", "e.seq", "COALESCE(e.seq, 0)", "e.from_seq", "COALESCE(e.from_seq, 0)",
	"e.member_id", "COALESCE(e.member_id, 0)", "e.session", "COALESCE(e.session, '')", "e.erased", "COALESCE(e.erased, FALSE)").Replace(recordColumns)

// now is what each statement of the tail returns in addition to records.
type now struct {
	snap    string
	nonce   int64 // of the record with the id $1; 0 if it does not exist
	server  int64 // when the server was started, in microseconds since 1970
	process int64 // process id of the session that serves the statement
	session int64 // when that session was started, in microseconds; 0 if it is the process $2
	at      int64 // the current time of the same clock
}

const nowColumns = `s.snap::text, s.nonce, s.server, s.process, s.session, s.at, `

// nowAndNewest is a table with the columns of now.
const nowAndNewest = `(SELECT pg_current_snapshot() AS snap, COALESCE((SELECT n.nonce FROM {events} n WHERE n.id = $1), 0) AS nonce,
	(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS server, pg_backend_pid()::bigint AS process,
	CASE WHEN pg_backend_pid() = $2::bigint THEN 0 ELSE
		COALESCE((SELECT (extract(epoch FROM a.backend_start) * 1000000)::bigint FROM pg_stat_get_activity(pg_backend_pid()) a), 0) END AS session,
	(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at) s`

// newest returns the position of the record with the highest id that was read. If no id below it is
// missing, that is the safe position.
func (l *postgresTail) newest() realtime.Position {
	if n := len(l.above); n > 0 {
		return l.above[n-1]
	}
	return l.safe
}

// read runs one statement, whose records and snapshot are consistent with each other, and applies
// them to the tail.
//
// If the newest record that was read before no longer exists, this is another log. Either the
// database was restored, or a standby took over that lacks records the tail had read. Ids may then
// be reused and records be missing without any other sign, so read fails with
// storage.CursorExpired.
//
// If byID is false and the server may have crashed since the last poll, read returns errRestarted
// and applies nothing.
func (l *postgresTail) read(ctx context.Context, byID bool, statement string, args ...any) ([]realtime.Record, error) {
	var now now
	var records []realtime.Record
	newest := l.newest()
	err := l.t.query(ctx, statement, append([]any{newest.ID, l.process}, args...), func(rows *sql.Rows) error {
		r, err := scanNowRecord(rows, &now)
		if err == nil && r.ID != 0 && !l.known(r.ID) {
			records = append(records, r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if now.nonce != newest.Nonce {
		return nil, storage.CursorExpired()
	}
	if !byID && (now.server != l.server || now.session > l.polled) {
		return nil, errRestarted
	}
	seen, err := parseSnapshot(now.snap)
	if err != nil {
		return nil, err
	}
	l.seen, l.server, l.process, l.polled = seen, now.server, now.process, now.at
	l.apply(records)
	return records, nil
}

// known reports whether the tail has read the record.
func (l *postgresTail) known(id int64) bool {
	if id <= l.safe.ID {
		return true
	}
	_, found := slices.BinarySearchFunc(l.above, id, func(p realtime.Position, id int64) int { return cmp.Compare(p.ID, id) })
	return found
}

// save stores the safe position from time to time. It only spares the next tail some work, so
// errors are ignored and the save is tried again.
func (l *postgresTail) save(ctx context.Context) {
	if l.t.now().Sub(l.saved).Abs() < savePositionEvery {
		return
	}
	if _, err := l.t.exec(ctx, `INSERT INTO {log_positions} AS p (name, id) VALUES ('safe', $1)
		ON CONFLICT (name) DO UPDATE SET id = excluded.id WHERE p.id < excluded.id`, l.safe.ID); err == nil {
		l.saved = l.t.now()
	}
}

// Close implements [realtime.Tail].
func (l *postgresTail) Close() error {
	if l.conn == nil {
		return nil
	}
	c := l.conn
	l.conn = nil
	if err := c.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return fmt.Errorf("bunstore: %w", err)
	}
	return nil
}

func scanNowRecord(rows *sql.Rows, n *now) (realtime.Record, error) {
	var r realtime.Record
	var at int64
	err := rows.Scan(&n.snap, &n.nonce, &n.server, &n.process, &n.session, &n.at, &r.ID, &r.Nonce, &r.Operation, &at, &r.Conversation, &r.Kind, &r.Recipient, &r.Actor,
		&r.Message, &r.Seq, &r.From, &r.Member, &r.Session, &r.Erased)
	r.At = moment(at)
	return r, err
}
