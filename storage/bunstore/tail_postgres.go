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

// postgresTail follows the log of a database with many writers, whose ids are committed out of order.
//
// What is new is told by snapshots, not by ids: a record is new if its transaction was not visible in the snapshot before and is in this one. That is
// every transaction from the former snapshot's xmax on, and those that it listed as running. Nothing can be missed so, and a transaction that takes long
// holds up nothing but itself.
//
// Ids are watched for one thing only, the position below which nothing is open. An id that is missing between others may still be committed by a
// transaction that drew it and runs. When it is first missed, this tail draws a transaction number of its own, which is higher than that of whoever
// drew the id (who had locked its conversation, and so had its number, before). When a later snapshot's xmin has reached that number and the id is
// still missing, it is given up: its transaction was rolled back.
//
// A transaction of no concern, such as an idle one in another database, can hold xmin back for hours. So there is a second sign: whoever drew an id holds a
// lock on the table of records, taken before and let go of after its commit can be seen. Those who held one when the id was first missed are
// looked for now and then; when none of them does any more and a later look still misses the id, it is given up, too.
//
// All of it is true as long as transaction numbers rise, and a server that crashed may give those again that it had not written
// down. No session of the server survives a crash, but behind a pooler the tail's own may seem to. So each poll asks when the
// server, and the session that serves the poll, were started. If one of them is younger than the poll before, the tail reads again
// by id, from its safe position.
type postgresTail struct {
	t    *tx
	conn *sql.Conn // nil after an error
	seen snapshot  // what was visible at the last step

	server  int64 // when the server was started, as of the last step; 0: not known
	process int64 // that served the last step
	polled  int64 // when the last step was, by the clock of the server

	safe  realtime.Position
	above []realtime.Position // records read above safe, in the order of their ids
	high  int64               // the highest id read
	holes []hole              // ids missing between safe and high, in their order

	first  []realtime.Record // what was there above safe when the tail began: it comes with the first step
	resync bool              // after an error: read again by id, from safe
	saved  time.Time
	looked time.Time // for the ends of writers
}

// snapshot is a pg_snapshot: every transaction below xmin has ended, none from xmax on has, and of those between xip run.
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

// savedPosition is how old the stored position, from which the next tail begins to look for holes, may be.
const savedPosition = 5 * time.Second

func (s *Store) tailPostgres(ctx context.Context) (realtime.Tail, error) {
	if s.follower().Stats().MaxOpenConnections == 1 {
		return nil, errors.New("bunstore: following the log takes a connection for as long as it goes on: let the pool have at least two")
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

// follower returns the database that tails take their sessions from.
func (s *Store) follower() *sql.DB {
	if s.driver.Follower != nil {
		return s.driver.Follower
	}
	return s.db.DB
}

// connect takes a session for the tail.
func (l *postgresTail) connect(ctx context.Context, s *Store) error {
	c, err := s.follower().Conn(ctx)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	l.conn, l.t = c, &tx{Store: s, conn: c}
	return nil
}

// begin finds where to start.
func (l *postgresTail) begin(ctx context.Context) error {
	if err := l.thaw(ctx); err != nil {
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
	if !found { // nothing is known, or it is of another log: begin with the oldest record
		if _, err := l.t.row(ctx, `SELECT e.id, e.nonce FROM {events} e ORDER BY e.id LIMIT 1`, nil, &at.ID, &at.Nonce); err != nil {
			return err
		}
	}
	l.safe, l.high = at, at.ID
	// What is there by now is not new, but where it has holes, it lies above what a position can say: whoever begins at that position needs it.
	there, err := l.byID(ctx)
	if err != nil {
		return err
	}
	l.first = slices.DeleteFunc(there, func(r realtime.Record) bool { return r.ID <= l.safe.ID })
	return l.stamp(ctx)
}

// thaw gives the records of a restored dump a transaction number of the past: in a new cluster those that they had lie in the future.
func (l *postgresTail) thaw(ctx context.Context) error {
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
	records, err := l.look(ctx)
	if err == nil && len(l.first) > 0 {
		records = append(l.first, records...)
		slices.SortFunc(records, func(a, b realtime.Record) int { return cmp.Compare(a.ID, b.ID) })
		l.first = nil
	}
	if err == nil && l.stamp(ctx) == nil {
		l.save(ctx)
		return realtime.Batch{Records: records, Safe: l.safe}, nil
	}
	l.doubt()
	closed := l.Close()
	if err != nil {
		return realtime.Batch{}, errors.Join(err, closed)
	}
	return realtime.Batch{Records: records, Safe: l.safe}, nil // they were read: holes are stamped with the next step
}

// doubt has the next step trust no transaction number of before.
func (l *postgresTail) doubt() {
	l.resync = true
	for i := range l.holes {
		l.holes[i].stamp, l.holes[i].over = 0, false
	}
}

// look reads what is new.
func (l *postgresTail) look(ctx context.Context) ([]realtime.Record, error) {
	if !l.resync {
		if err := l.lookForEnds(ctx); err != nil {
			return nil, err
		}
		records, err := l.bySnapshot(ctx)
		if !errors.Is(err, errRestarted) {
			return records, err
		}
		l.doubt()
	}
	if err := l.thaw(ctx); err != nil {
		return nil, err
	}
	return l.byID(ctx)
}

// errRestarted says that the server may have crashed since the last step.
var errRestarted = errors.New("bunstore: the server was started anew")

// bySnapshot reads what has become visible since the last step.
func (l *postgresTail) bySnapshot(ctx context.Context) ([]realtime.Record, error) {
	return l.read(ctx, false, `SELECT `+nowColumns+nullableRecord+` FROM `+nowAndNewest+` LEFT JOIN LATERAL (
			SELECT e.* FROM {events} e WHERE e.xid >= $3::text::xid8
			UNION ALL
			SELECT e.* FROM {events} e WHERE e.xid = ANY ($4::text[]::xid8[]) AND e.xid < $3::text::xid8
		) e ON TRUE ORDER BY e.id`, strconv.FormatUint(l.seen.xmax, 10), list(l.t.Store, l.seen.xip))
}

// byID reads everything above the safe position, and leaves out what was read before.
func (l *postgresTail) byID(ctx context.Context) ([]realtime.Record, error) {
	records, err := l.read(ctx, true, `SELECT `+nowColumns+nullableRecord+` FROM `+nowAndNewest+` LEFT JOIN {events} e ON e.id > $3 ORDER BY e.id`, l.safe.ID)
	if err == nil {
		l.resync = false
	}
	return records, err
}

// nullableRecord are the columns of a record that may be missing, for its snapshot comes all the same.
var nullableRecord = strings.NewReplacer(
	"e.id", "COALESCE(e.id, 0)", "e.nonce", "COALESCE(e.nonce, 0)", "e.operation", "COALESCE(e.operation, '')", "e.at", "COALESCE(e.at, 0)",
	"e.conversation_id", "COALESCE(e.conversation_id, 0)", "e.kind", "COALESCE(e.kind, 0)", "e.recipient", "COALESCE(e.recipient, '')",
	"e.actor", "COALESCE(e.actor, '')", "e.message_id", "COALESCE(e.message_id, 0)", "e.seq", "COALESCE(e.seq, 0)", "e.from_seq", "COALESCE(e.from_seq, 0)",
	"e.member_id", "COALESCE(e.member_id, 0)", "e.session", "COALESCE(e.session, '')", "e.erased", "COALESCE(e.erased, FALSE)").Replace(recordColumns)

// now is what a statement of the tail tells beside its records.
type now struct {
	snap    string
	nonce   int64 // of the record $1, 0 where it is not there
	server  int64 // when the server was started, in microseconds
	process int64 // that serves the statement
	session int64 // when that was started, 0 where it is the process $2
	at      int64 // the same clock, now
}

const nowColumns = `s.snap::text, s.nonce, s.server, s.process, s.session, s.at, `

// nowAndNewest has the columns of now.
const nowAndNewest = `(SELECT pg_current_snapshot() AS snap, COALESCE((SELECT n.nonce FROM {events} n WHERE n.id = $1), 0) AS nonce,
	(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS server, pg_backend_pid()::bigint AS process,
	CASE WHEN pg_backend_pid() = $2::bigint THEN 0 ELSE
		COALESCE((SELECT (extract(epoch FROM a.backend_start) * 1000000)::bigint FROM pg_stat_get_activity(pg_backend_pid()) a), 0) END AS session,
	(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at) s`

// newest is the position of the record with the highest id that was read: with no hole below it, that is safe.
func (l *postgresTail) newest() realtime.Position {
	if n := len(l.above); n > 0 {
		return l.above[n-1]
	}
	return l.safe
}

// read runs one statement, so that its records and its snapshot are of one moment, and takes them in. Where the newest record that was read before is not
// there any more, it is another log: of a database that was restored, or of a standby that took over without all that the tail had read. Ids may then be
// given again, and records be missing, without any other sign.
//
// Unless the statement reads by id, it is errRestarted where the server may have crashed since the last step, and nothing is taken in.
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
	l.take(records)
	return records, nil
}

// known reports whether a record was read before.
func (l *postgresTail) known(id int64) bool {
	if id <= l.safe.ID {
		return true
	}
	_, found := slices.BinarySearchFunc(l.above, id, func(p realtime.Position, id int64) int { return cmp.Compare(p.ID, id) })
	return found
}

// save stores the safe position now and then. It is a help for the next tail, no more: what fails is tried again.
func (l *postgresTail) save(ctx context.Context) {
	if l.t.now().Sub(l.saved).Abs() < savedPosition {
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
