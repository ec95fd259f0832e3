package bunstore

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/driver"
)

// DefaultPrefix is what the names of all tables begin with unless the host sets another prefix.
const DefaultPrefix = "buddychat_"

// Dialect is the kind of a database.
type Dialect int

// The databases that the store runs on.
const (
	PostgreSQL Dialect = iota + 1
	SQLite
)

// Driver is what only a database driver has, and what the openers hand over. The zero value does without.
type Driver struct {
	// IsConflict reports whether an error says that a unique index refused a row. Errors of PostgreSQL are known by their
	// SQLSTATE without it.
	IsConflict func(error) bool
	// IsTransient reports whether an error says that the transaction was undone for another one's sake and may be tried
	// again: a deadlock, a serialization failure, a busy database. Errors of PostgreSQL are known by their SQLSTATE without it.
	IsTransient func(error) bool
	// Writer, where set, is the same database as the store's, and used for acts alone, which wait for each other there and so take no
	// connection from reads and from the host.
	Writer *sql.DB
	// Follower, where set, is the same database as the store's, with one session for each connection. Tails take their connections
	// from it. It is for PostgreSQL behind a pooler that shares sessions.
	Follower *sql.DB
}

// Options has what can be set. Its zero value, and nil, are valid.
type Options struct {
	// Prefix begins the names of all tables: letters, digits and _, at most 30. "" is [DefaultPrefix].
	Prefix string
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Driver is what the opener knows of the database's driver.
	Driver Driver
}

// Store is a [github.com/buddychat/buddychat.Store] on a SQL database. It is safe for concurrent use. It owns neither the database nor
// any goroutine that outlives the calls to it: there is nothing to close.
type Store struct {
	db       *bun.DB
	host     conn // a transaction of the host's; nil: every act has one of its own
	dialect  Dialect
	prefix   string
	now      func() time.Time
	driver   Driver
	wipes    bool      // SQLite: acts turn secure_delete on, which not every connection has
	texts    *sync.Map // the statements, as written here, to the statements as sent
	commits  *bell
	sendings *lanes
	ownLevel bool // PostgreSQL: single statements need a transaction for their isolation level
}

// Open returns a store on a database of the host's. The tables are made by [Store.Migrate].
//
// On PostgreSQL it asks the database, for ten seconds at most, whether it can be used: the encoding must be UTF8. Whatever
// isolation level the database has for a default, the store runs at READ COMMITTED.
//
// On SQLite it looks at the settings of the connections, and refuses a database without the write-ahead log, a busy timeout or
// foreign keys. The error, and docs/sqlite.md, have the parameters of the address that set them.
func Open(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	var sd schema.Dialect
	switch d {
	case PostgreSQL:
		sd = pgdialect.New()
	case SQLite:
		sd = sqlitedialect.New()
	default:
		return nil, errDialect
	}
	return New(bun.NewDB(db, sd), o)
}

var errDialect = errors.New("bunstore: dialect must be PostgreSQL or SQLite")

// checkPrefix returns the prefix that an option names.
func checkPrefix(prefix string) (string, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !validPrefix.MatchString(prefix) {
		return "", fmt.Errorf("bunstore: the prefix %q must be 1 to 30 of a-z, 0-9 and _, and not begin with a digit", prefix)
	}
	return prefix, nil
}

var validPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

// New returns a store on a bun database of the host's, with the dialect that this has. The tables are made by
// [Store.Migrate].
func New(db *bun.DB, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{db: db, now: o.Now, driver: o.Driver, texts: &sync.Map{}, commits: &bell{}, sendings: &lanes{}}
	switch db.Dialect().Name() {
	case dialect.PG:
		s.dialect = PostgreSQL
	case dialect.SQLite:
		s.dialect = SQLite
	default:
		return nil, fmt.Errorf("bunstore: the dialect %s is not supported: use pgdialect or sqlitedialect", db.Dialect().Name())
	}
	var err error
	if s.prefix, err = checkPrefix(o.Prefix); err != nil {
		return nil, err
	}
	if s.now == nil {
		s.now = time.Now
	}
	look := s.lookAtPostgres
	if s.dialect == SQLite {
		look = s.lookAtSQLite
	}
	if err := look(); err != nil {
		return nil, err
	}
	return s, nil
}

// In returns the store bound to a transaction of the host's. It is what
// [github.com/buddychat/buddychat.App.In] stands on: an application uses that, for its own options hold there,
// and the rules of the services. The store's acts become visible, and their events are delivered, when and
// only when the host commits. Each act is all or nothing: one that fails leaves the transaction as it was before it, and fit to go on.
//
// An act holds the lock of its conversation until the transaction ends; other conversations are not held up. The transaction may run at any isolation level; from
// REPEATABLE READ on an act fails as not serializable where anything that it decides by has changed since the transaction began, and the host begins again.
// What has begun since is not found. Only EraseUser needs READ COMMITTED. The events of a committed transaction are
// found within the poll interval of whoever follows the log, or at once after [github.com/buddychat/buddychat/realtime.Hub.Hint].
//
// On SQLite begin the transaction with a write or BEGIN IMMEDIATE: one that has read before it writes fails where another one wrote
// in between. When ctx ends, an act ends between two of its statements. An act that finds the transaction gone, as after a full
// disk, fails with [ErrTransactionGone].
//
// The returned store is for one goroutine, and its Tail, Purge and Migrate must not be used.
func (s *Store) In(tx *sql.Tx) *Store {
	bound := *s
	bound.host = tx
	if s.dialect == SQLite {
		bound.host = uninterrupted{tx}
	}
	return &bound
}

// InTx implements [driver.Transactor]: it takes a *[sql.Tx] of the database that the store is on. Use it by
// [github.com/buddychat/buddychat.App.In], which keeps the application's options.
func (s *Store) InTx(tx any) (driver.Acts, error) {
	host, ok := tx.(*sql.Tx)
	if !ok || host == nil {
		return nil, fmt.Errorf("bunstore: a %T is no transaction that this store takes: begin one with BeginTx of the *sql.DB that it is on, "+
			"and give that *sql.Tx", tx)
	}
	return s.In(host), nil
}

// conn is what statements run on: the database or a transaction.
type conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// tx is the transaction of one act.
type tx struct {
	*Store
	conn  conn
	news  []realtime.Stream // what its records are on
	apart bool              // outside of a transaction each statement is given one
}

// reader returns what reads outside of an act run on.
func (s *Store) reader() *tx {
	if s.host != nil {
		return &tx{Store: s, conn: s.host}
	}
	return &tx{Store: s, conn: s.db.DB}
}

// atOneMoment runs read, all of whose statements see the database as it was at the first of them. In a transaction of the host's
// they see what that sees.
func (s *Store) atOneMoment(ctx context.Context, read func(t *tx) error) error {
	switch {
	case s.host != nil:
		return read(s.reader())
	case s.dialect == SQLite:
		return s.atOneMomentOfSQLite(ctx, read)
	}
	own, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // it wrote nothing
	return read(&tx{Store: s, conn: own})
}

// atOneMomentOfSQLite says BEGIN itself: a driver may be set to lock the database for writing at the beginning of every transaction.
func (s *Store) atOneMomentOfSQLite(ctx context.Context, read func(t *tx) error) error {
	c, err := s.db.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	defer c.Close() //nolint:errcheck // it gives the connection back to the pool
	if _, err := c.ExecContext(ctx, `BEGIN DEFERRED`); err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer func() {
		if _, err := c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`); err != nil {
			_ = c.Raw(func(any) error { return sqldriver.ErrBadConn }) // SQLite has rolled back itself, or nobody knows: leave it to no other
		}
	}()
	return read(&tx{Store: s, conn: c})
}

// An act that was undone for the sake of another one is tried again. The pause before that is random, at most firstPause, and at
// most twice as long with each try, up to longestPause. No try begins later than patience after the first one.
const (
	patience     = 10 * time.Second
	firstPause   = 2 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// act runs f as one atomic act: in a transaction of its own, or behind a savepoint in the host's.
func (s *Store) act(ctx context.Context, f func(t *tx) error) error {
	if s.host != nil {
		return s.actInHost(ctx, f)
	}
	return s.retry(ctx, patience, func() error { return s.actOnce(ctx, f) })
}

// retry calls try until it does not fail with a transient error, or until that long has passed.
func (s *Store) retry(ctx context.Context, longest time.Duration, try func() error) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try()
		if err == nil || !s.isTransient(err) || time.Since(began) >= longest {
			return err
		}
		select {
		case <-time.After(rand.N(pause)): //nolint:gosec // chance, not secrecy
		case <-ctx.Done():
			return err
		}
	}
}

// writer returns the database on which acts run.
func (s *Store) writer() *sql.DB {
	if s.driver.Writer != nil {
		return s.driver.Writer
	}
	return s.db.DB
}

func (s *Store) actOnce(ctx context.Context, f func(t *tx) error) error {
	db := s.writer()
	var o *sql.TxOptions
	if s.dialect == PostgreSQL {
		o = &sql.TxOptions{Isolation: sql.LevelReadCommitted} // for an act decides by what is there once it has its locks
	}
	own, err := db.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // after a commit it has nothing to do, and before one the cause is on its way up
	t := &tx{Store: s, conn: own}
	if err := t.wipe(ctx); err != nil {
		return err
	}
	if err := f(t); err != nil {
		return err
	}
	if err := own.Commit(); err != nil {
		return fmt.Errorf("bunstore: commit: %w", err)
	}
	s.commits.ring(t.news)
	return nil
}

// ErrTransactionGone says that the host's transaction ended before the host ended it, with nothing of it stored. SQLite rolls a
// transaction back when the disk is full, when it cannot read or write the file, and when a statement that writes is cancelled; a
// connection to PostgreSQL can break. Call Rollback and begin again. Whatever is written through the same transaction
// instead fails on PostgreSQL, and on SQLite is stored at once and survives the Rollback.
var ErrTransactionGone = errors.New("bunstore: the transaction has ended: nothing of it is stored, and on SQLite " +
	"whatever it writes next is stored at once: call Rollback, and begin again")

func (s *Store) actInHost(ctx context.Context, f func(t *tx) error) error {
	t := &tx{Store: s, conn: s.host}
	if err := t.checkBegun(ctx); err != nil {
		return err
	}
	if err := t.wipe(ctx); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `SAVEPOINT buddychat`); err != nil {
		return err
	}
	err := f(t)
	ctx = context.WithoutCancel(ctx) // the host may commit though the act broke off
	if err != nil {
		if _, undo := t.exec(ctx, `ROLLBACK TO SAVEPOINT buddychat`); undo != nil {
			return transactionGone(err, undo)
		}
	}
	if _, failed := t.exec(ctx, `RELEASE SAVEPOINT buddychat`); failed != nil {
		return transactionGone(err, failed)
	}
	return err
}

// transactionGone returns ErrTransactionGone with what the act failed with, nil for nothing, and what ending its savepoint failed with.
// It is no answer for a user, even where the act had one.
func transactionGone(act, savepoint error) error {
	if act == nil || storage.Message(act) != "" {
		return fmt.Errorf("%w: %w", ErrTransactionGone, savepoint)
	}
	return fmt.Errorf("%w: %w: %w", ErrTransactionGone, act, savepoint)
}

// emptyOnError empties the answers of an act that failed: what the act had found by then was not stored. It is deferred.
func emptyOnError[T any](err *error, answers ...*T) { //nolint:gocritic // the error is known only once the act has returned
	if *err == nil {
		return
	}
	for _, answer := range answers {
		var none T
		*answer = none
	}
}

func (s *Store) isConflict(err error) bool {
	return s.driver.IsConflict != nil && s.driver.IsConflict(err) || sqlState(err) == uniqueViolation || isConflictText(err)
}

func (s *Store) isTransient(err error) bool {
	if s.driver.IsTransient != nil && s.driver.IsTransient(err) || s.dialect == SQLite && isBusy(err) {
		return true
	}
	code := sqlState(err)
	return code == serializationFailure || code == deadlockDetected
}

// text returns a statement as it is sent. {name} becomes the table of that name, and on SQLite the placeholder $1 becomes ?1.
func (s *Store) text(statement string) string {
	if t, ok := s.texts.Load(statement); ok {
		return t.(string)
	}
	t := tableName.ReplaceAllString(statement, s.prefix+"$1")
	if s.dialect == SQLite {
		t = numbered(t)
	}
	s.texts.Store(statement, t)
	return t
}

var tableName = regexp.MustCompile(`\{([a-z_]+)\}`)

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, statement string, args ...any) (n int64, err error) {
	if b, needed := t.needsTx(); needed {
		err = t.atReadCommitted(ctx, b, func(t *tx) error {
			n, err = t.exec(ctx, statement, args...)
			return err
		})
		return n, err
	}
	r, err := t.conn.ExecContext(ctx, t.text(statement), args...)
	if err != nil {
		return 0, fmt.Errorf("bunstore: %w", err)
	}
	n, err = r.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("bunstore: %w", err)
	}
	return n, nil
}

// query runs a statement and hands each row to scan.
func (t *tx) query(ctx context.Context, statement string, args []any, scan func(*sql.Rows) error) (err error) {
	if b, needed := t.needsTx(); needed {
		return t.atReadCommitted(ctx, b, func(t *tx) error { return t.query(ctx, statement, args, scan) })
	}
	rows, err := t.conn.QueryContext(ctx, t.text(statement), args...)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("bunstore: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	return nil
}

// row runs a statement that answers one row at most, and reports whether it did.
func (t *tx) row(ctx context.Context, statement string, args []any, into ...any) (found bool, err error) {
	err = t.query(ctx, statement, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(into...)
	})
	return found, err
}

// list makes a slice an argument for [Store.in].
func list[T ~int64 | ~string](s *Store, values []T) any {
	if s.dialect == SQLite {
		return jsonArray(values)
	}
	return arrayLiteral(values)
}

// micros is how a moment is stored: microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// time returns the moment of an act, in microseconds.
func (s *Store) time() int64 { return s.now().UnixMicro() }

// bell tells those who follow the log in this process that there is news.
type bell struct {
	mu        sync.RWMutex
	next      int
	listeners map[int]func(news []realtime.Stream)
}

func (b *bell) add(f func(news []realtime.Stream)) (remove func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listeners == nil {
		b.listeners = map[int]func(news []realtime.Stream){}
	}
	id := b.next
	b.next++
	b.listeners[id] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, id)
	}
}

func (b *bell) ring(news []realtime.Stream) {
	if len(news) == 0 {
		return
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, f := range b.listeners {
		f(news)
	}
}

// OnCommit implements [github.com/buddychat/buddychat/realtime.Log].
func (s *Store) OnCommit(f func(news []realtime.Stream)) (remove func()) { return s.commits.add(f) }
