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

// DefaultPrefix is the prefix of all table names unless the host sets another.
const DefaultPrefix = "buddychat_"

// Dialect is the SQL dialect of a database.
type Dialect int

// The supported databases.
const (
	PostgreSQL Dialect = iota + 1
	SQLite
)

// Driver has what depends on the database driver. The openers fill it in. The zero value is valid.
type Driver struct {
	// IsConflict reports whether an error means that a unique index rejected a row. PostgreSQL
	// errors are also recognized by their SQLSTATE.
	IsConflict func(error) bool
	// IsTransient reports whether an error means that the transaction was rolled back because of a
	// concurrent one and may be retried: a deadlock, a serialization failure, a busy database.
	// PostgreSQL errors are also recognized by their SQLSTATE.
	IsTransient func(error) bool
	// Writer, if set, is another pool for the same database, used only for operations that write.
	// They wait for each other there, and take no connections from readers and the host.
	Writer *sql.DB
	// Follower, if set, is another pool for the same database in which each connection has a
	// session of its own. Tails take their connections from it. Set it if a pooler that shares
	// sessions is in front of PostgreSQL.
	Follower *sql.DB
}

// Options configures a store. The zero value and nil are valid.
type Options struct {
	// Prefix is the prefix of all table names: 1 to 30 of a-z, 0-9 and _, not beginning with a
	// digit. "" means [DefaultPrefix].
	Prefix string
	// Now is the clock. nil means [time.Now].
	Now func() time.Time
	// Driver describes the database driver. The openers set it.
	Driver Driver
}

// Store is a [github.com/buddychat/buddychat.Store] on a SQL database. It is safe for concurrent
// use. It does not own the database, and no goroutine outlives the calls to it, so there is nothing
// to close.
type Store struct {
	db         *bun.DB
	host       conn // the host's transaction; nil: every operation begins its own
	dialect    Dialect
	prefix     string
	now        func() time.Time
	driver     Driver
	statements *sync.Map // SQL as written in this package to SQL as sent
	commits    *notifier
	sends      *groupCommit
	// SQLite: some connections lack secure_delete, so each operation sets it.
	setsSecureDelete bool
	// PostgreSQL: the default isolation level is above READ COMMITTED.
	needsOwnLevel bool
}

// Open returns a store on the host's database. [Store.Migrate] creates the tables.
//
// On PostgreSQL, Open queries the database, for at most ten seconds, and requires the encoding
// UTF8. The store runs at READ COMMITTED, whatever the default isolation level of the database is.
//
// On SQLite, Open checks the settings of the connections. It requires the write-ahead log, a busy
// timeout and foreign keys. The error names the parameters of the database address that set them;
// see also docs/sqlite.md.
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

// checkPrefix returns the prefix to use for the given option, or an error if it is invalid.
func checkPrefix(prefix string) (string, error) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !validPrefix.MatchString(prefix) {
		return "", fmt.Errorf("bunstore: the prefix %q is invalid: use 1 to 30 of a-z, 0-9 and _, not beginning with a digit", prefix)
	}
	return prefix, nil
}

var validPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

// New returns a store on the host's bun database and uses its dialect. [Store.Migrate] creates the
// tables.
func New(db *bun.DB, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{db: db, now: o.Now, driver: o.Driver, statements: &sync.Map{}, commits: &notifier{}, sends: &groupCommit{}}
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
	check := s.checkPostgres
	if s.dialect == SQLite {
		check = s.checkSQLite
	}
	if err := check(); err != nil {
		return nil, err
	}
	return s, nil
}

// In returns the store bound to a transaction of the host. Applications call
// [github.com/buddychat/buddychat.App.In] instead, which is built on it and keeps the application's
// options and the rules of the services. The store's changes become visible, and their events are
// delivered, only when the host commits. Each operation is all or nothing: if it fails, the
// transaction is as it was before the operation and can continue.
//
// An operation holds the lock of its conversation until the transaction ends. It does not block
// other conversations. The transaction may have any isolation level. At REPEATABLE READ and above,
// an operation fails with a serialization failure if anything it depends on has changed since the
// transaction began, and the host must retry the transaction. Conversations and memberships that
// began since then are not found. Only EraseUser requires READ COMMITTED. A tail finds the events
// of a committed transaction within its poll interval, or at once after
// [github.com/buddychat/buddychat/realtime.Hub.Hint].
//
// On SQLite, begin the transaction with a write or BEGIN IMMEDIATE. A transaction that reads before
// it writes fails if another one wrote in between. When ctx ends, an operation stops between two
// statements. If SQLite has rolled back the transaction, for example because the disk is full,
// operations fail with [ErrTransactionGone].
//
// The returned store must be used by one goroutine at a time. Its Tail, Purge and Migrate must not
// be called.
func (s *Store) In(tx *sql.Tx) *Store {
	bound := *s
	bound.host = tx
	if s.dialect == SQLite {
		bound.host = uninterrupted{tx}
	}
	return &bound
}

// InTx implements [driver.Transactor]. tx must be a *[sql.Tx] of the store's database. Applications
// call [github.com/buddychat/buddychat.App.In] instead, which keeps the application's options.
func (s *Store) InTx(tx any) (driver.Acts, error) {
	host, ok := tx.(*sql.Tx)
	if !ok || host == nil {
		return nil, fmt.Errorf("bunstore: a %T is not a transaction of this store: "+
			"call BeginTx on the store's *sql.DB and pass the *sql.Tx", tx)
	}
	return s.In(host), nil
}

// conn runs statements: a database or a transaction.
type conn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// tx is the transaction of one operation.
type tx struct {
	*Store
	conn    conn
	changed []realtime.Stream // the streams that the transaction's records belong to
	ownTx   bool              // outside of a transaction, each statement gets one of its own
}

// reader returns a tx for reads outside of an operation.
func (s *Store) reader() *tx {
	if s.host != nil {
		return &tx{Store: s, conn: s.host}
	}
	return &tx{Store: s, conn: s.db.DB}
}

// inSnapshot runs read so that all of its statements see the same snapshot of the database. In a
// host transaction, the isolation level of that transaction applies instead.
func (s *Store) inSnapshot(ctx context.Context, read func(t *tx) error) error {
	switch {
	case s.host != nil:
		return read(s.reader())
	case s.dialect == SQLite:
		return s.inSQLiteSnapshot(ctx, read)
	}
	own, err := s.db.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // a read-only transaction has nothing to commit
	return read(&tx{Store: s, conn: own})
}

// inSQLiteSnapshot issues BEGIN itself, because a driver can be configured to take SQLite's write
// lock at the start of every transaction.
func (s *Store) inSQLiteSnapshot(ctx context.Context, read func(t *tx) error) error {
	c, err := s.db.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("bunstore: %w", err)
	}
	defer c.Close() //nolint:errcheck // Close only returns the connection to the pool
	if _, err := c.ExecContext(ctx, `BEGIN DEFERRED`); err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer func() {
		if _, err := c.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`); err != nil {
			// SQLite may have rolled back already, so the state of the connection is unknown.
			// Discard it.
			_ = c.Raw(func(any) error { return sqldriver.ErrBadConn })
		}
	}()
	return read(&tx{Store: s, conn: c})
}

// An operation that was rolled back because of a concurrent one is retried. The pause before a
// retry is random. It is at most firstPause at first, and the maximum doubles with each retry, up
// to longestPause. No retry starts later than retryTimeout after the first attempt.
const (
	retryTimeout = 10 * time.Second
	firstPause   = 2 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// act runs f atomically: in its own transaction, or inside a savepoint of the host transaction.
func (s *Store) act(ctx context.Context, f func(t *tx) error) error {
	if s.host != nil {
		return s.actInHost(ctx, f)
	}
	return s.retry(ctx, retryTimeout, func() error { return s.actOnce(ctx, f) })
}

// retry calls try until it succeeds, fails with an error that is not transient, or timeout has
// passed. It returns the last error.
func (s *Store) retry(ctx context.Context, timeout time.Duration, try func() error) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try()
		if err == nil || !s.isTransient(err) || time.Since(began) >= timeout {
			return err
		}
		select {
		case <-time.After(rand.N(pause)): //nolint:gosec // jitter, not a secret
		case <-ctx.Done():
			return err
		}
	}
}

// writer returns the database that operations run on.
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
		// An operation must see what was committed before it got its locks.
		o = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	own, err := db.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("bunstore: begin: %w", err)
	}
	defer own.Rollback() //nolint:errcheck // no effect after a commit; before one, the original error is returned
	t := &tx{Store: s, conn: own}
	if err := t.setSecureDelete(ctx); err != nil {
		return err
	}
	if err := f(t); err != nil {
		return err
	}
	if err := own.Commit(); err != nil {
		return fmt.Errorf("bunstore: commit: %w", err)
	}
	s.commits.notify(t.changed)
	return nil
}

// ErrTransactionGone means that the database rolled back the host's transaction, and nothing of it
// is stored. SQLite does so when the disk is full, when it cannot read or write the file, and when
// a writing statement is canceled. On PostgreSQL, the connection can break. Call Rollback and begin
// again. Further writes through the same transaction fail on PostgreSQL. On SQLite they are stored
// immediately and survive the Rollback.
var ErrTransactionGone = errors.New("bunstore: the database has rolled back the transaction: nothing of it is stored, " +
	"and on SQLite further writes through it are stored immediately: call Rollback and begin again")

func (s *Store) actInHost(ctx context.Context, f func(t *tx) error) error {
	t := &tx{Store: s, conn: s.host}
	if err := t.checkBegun(ctx); err != nil {
		return err
	}
	if err := t.setSecureDelete(ctx); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `SAVEPOINT buddychat`); err != nil {
		return err
	}
	err := f(t)
	ctx = context.WithoutCancel(ctx) // the host may commit even if ctx has ended
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

// transactionGone returns ErrTransactionGone, wrapping the error of the operation, if any, and the
// error of ending its savepoint. It drops an operation error that has a message for the client,
// because the result must not be shown to a client as that error.
func transactionGone(act, savepoint error) error {
	if act == nil || storage.Message(act) != "" {
		return fmt.Errorf("%w: %w", ErrTransactionGone, savepoint)
	}
	return fmt.Errorf("%w: %w: %w", ErrTransactionGone, act, savepoint)
}

// emptyOnError resets the results of an operation that failed, because they were not stored. It
// must be deferred.
func emptyOnError[T any](err *error, answers ...*T) { //nolint:gocritic // err is set only when the operation returns
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

// text returns the statement as it is sent: {name} becomes the table of that name, and on SQLite
// the placeholder $1 becomes ?1.
func (s *Store) text(statement string) string {
	if t, ok := s.statements.Load(statement); ok {
		return t.(string)
	}
	t := tableName.ReplaceAllString(statement, s.prefix+"$1")
	if s.dialect == SQLite {
		t = numbered(t)
	}
	s.statements.Store(statement, t)
	return t
}

var tableName = regexp.MustCompile(`\{([a-z_]+)\}`)

// exec runs a statement and returns the number of rows it changed.
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

// query runs a statement and calls scan for each row.
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

// row runs a statement that returns at most one row, and reports whether it returned one.
func (t *tx) row(ctx context.Context, statement string, args []any, into ...any) (found bool, err error) {
	err = t.query(ctx, statement, args, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(into...)
	})
	return found, err
}

// list converts a slice to an argument for [Store.in].
func list[T ~int64 | ~string](s *Store, values []T) any {
	if s.dialect == SQLite {
		return jsonArray(values)
	}
	return arrayLiteral(values)
}

// micros returns t as it is stored: microseconds since 1970, or 0 for the zero time.
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

// time returns the current time in microseconds since 1970.
func (s *Store) time() int64 { return s.now().UnixMicro() }

// notifier tells the tails in this process about committed records.
type notifier struct {
	mu        sync.RWMutex
	next      int
	listeners map[int]func(changed []realtime.Stream)
}

func (n *notifier) add(f func(changed []realtime.Stream)) (remove func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[int]func(changed []realtime.Stream){}
	}
	id := n.next
	n.next++
	n.listeners[id] = f
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, id)
	}
}

func (n *notifier) notify(changed []realtime.Stream) {
	if len(changed) == 0 {
		return
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, f := range n.listeners {
		f(changed)
	}
}

// OnCommit implements [github.com/buddychat/buddychat/realtime.Log].
func (s *Store) OnCommit(f func(changed []realtime.Stream)) (remove func()) { return s.commits.add(f) }
