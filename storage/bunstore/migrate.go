package bunstore

import (
	"archive/zip"
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Migrate makes the tables, or brings those of an earlier version up to date. Where they are up to date it only reads, and
// works on a connection that may do no more. Any number of processes may call it at once, before anything else on the store.
// One migration is one transaction: one that fails leaves nothing behind, and the next call tries it again. A call waits for the
// migration of another process: on PostgreSQL for as long as ctx lasts, on SQLite for ten minutes at most.
//
// Tables that were made with the files of [Migrations] are known for what they are.
//
// It refuses a PostgreSQL on which the log could lose events.
func (s *Store) Migrate(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return s.migrate(ctx, all)
}

// Check reports whether the tables are there and up to date, and whether the database keeps every event. The error says what to
// do. Check changes nothing, and needs no right but to read. A store that is bound to a transaction checks nothing.
func (s *Store) Check(ctx context.Context) error {
	if s.host != nil {
		return nil
	}
	all, err := migrations()
	if err != nil {
		return err
	}
	missing, err := s.missing(ctx, all)
	switch {
	case err != nil:
		return fmt.Errorf("bunstore: cannot tell whether the tables are there: %w", err)
	case len(missing) == len(all):
		return fmt.Errorf("bunstore: the database has no tables with the prefix %q: %s", s.prefix, remedy)
	case len(missing) > 0:
		return fmt.Errorf("bunstore: the tables with the prefix %q are of an earlier version, without %s: %s", s.prefix, names(missing), remedy)
	}
	return s.checkDurability(ctx)
}

const remedy = "call Migrate on the store, or run the files of bunstore.Migrations, as a role that may create tables"

// Migrations returns the statements that make the tables, for an application that has a migration tool of its own. There is one
// file for each version, such as 0001_conversations.up.sql: they are run in the order of their names, each once, and each in one
// transaction. That is how golang-migrate names files; with another tool copy their content into files of its own. A new version
// of this package may add files, and changes none.
//
// Each file also notes in the table migrations that it was run, so that [Store.Migrate] and [Store.Check] know. The prefix begins
// the names of all tables, as in [Options]; "" is [DefaultPrefix].
func Migrations(d Dialect, prefix string) (fs.FS, error) {
	if d != PostgreSQL && d != SQLite {
		return nil, errDialect
	}
	prefix, err := checkPrefix(prefix)
	if err != nil {
		return nil, err
	}
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	words := wordsOf(d)
	words.Nonce, words.Now = "abs(random() % 9007199254740992)", "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
	if d == PostgreSQL {
		words.Nonce, words.Now = "(random() * 9007199254740991)::bigint", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	}
	// An archive in memory is a file system that is ready to use.
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, m := range all {
		text, err := m.render(words, prefix)
		if err != nil {
			return nil, err
		}
		table, err := migrationsTable.render(words, prefix)
		if err != nil {
			return nil, err
		}
		f, err := w.Create(m.number + "_" + m.title + ".up.sql")
		if err != nil {
			return nil, fmt.Errorf("bunstore: %w", err)
		}
		fmt.Fprintf(f, "%s\n-- For Migrate and Check of the store.\n%sINSERT INTO %smigrations (name, group_id) VALUES ('%s', 1);\n",
			text, table, prefix, m.number)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("bunstore: %w", err)
	}
	files, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		return nil, fmt.Errorf("bunstore: %w", err)
	}
	return files, nil
}

// migration is a step from one version of the tables to the next.
type migration struct {
	number, title string // of the file NNNN_title.sql
	text          string // a template of migrationWords
}

// migrations returns all migrations in their order.
func migrations() ([]migration, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, fmt.Errorf("bunstore: %w", err)
	}
	return readMigrations(files)
}

func readMigrations(files fs.FS) (all []migration, err error) {
	paths, err := fs.Glob(files, "*.sql") // in order
	if err != nil {
		return nil, fmt.Errorf("bunstore: %w", err)
	}
	for _, p := range paths {
		text, err := fs.ReadFile(files, p)
		if err != nil {
			return nil, fmt.Errorf("bunstore: %w", err)
		}
		number, title, _ := strings.Cut(strings.TrimSuffix(path.Base(p), ".sql"), "_")
		all = append(all, migration{number: number, title: title, text: string(text)})
	}
	return all, nil
}

func names(all []migration) string {
	var names []string
	for _, m := range all {
		names = append(names, m.number+"_"+m.title)
	}
	return strings.Join(names, ", ")
}

// migrationsTable says which migrations were applied. Databases that an earlier version made have the same columns.
var migrationsTable = migration{text: `CREATE TABLE IF NOT EXISTS {migrations} (
    id          {{.ID}},
    name        VARCHAR(255) NOT NULL UNIQUE,
    group_id    BIGINT NOT NULL,
    migrated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
`}

func (s *Store) migrate(ctx context.Context, all []migration) error {
	if s.host != nil {
		return errors.New("bunstore: Migrate does not run in a transaction of the host's: call it on the store itself")
	}
	missing, err := s.missing(ctx, all)
	if err != nil {
		return fmt.Errorf("bunstore: migrate: %w", err)
	}
	for _, m := range missing {
		if err := s.applyMigration(ctx, m); err != nil {
			err = fmt.Errorf("bunstore: migrate: %s_%s: %w", m.number, m.title, err)
			if code := sqlState(err); code == insufficientPrivilege || code == readOnlyTransaction {
				err = fmt.Errorf("%w: %s", err, remedy)
			}
			return err
		}
	}
	return s.checkDurability(ctx)
}

// missing returns the migrations that the database does not have yet. It only reads.
func (s *Store) missing(ctx context.Context, all []migration) ([]migration, error) {
	t := s.reader()
	query := `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '{migrations}'`
	if s.dialect == PostgreSQL {
		query = `SELECT count(to_regclass('{migrations}'))`
	}
	var tables int
	if _, err := t.row(ctx, query, nil, &tables); err != nil || tables == 0 {
		return all, err
	}
	applied := map[string]bool{}
	err := t.query(ctx, `SELECT m.name FROM {migrations} m`, nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		applied[name] = true
		return err
	})
	return slices.DeleteFunc(slices.Clone(all), func(m migration) bool { return applied[m.number] }), err
}

// migrationPatience is how long Migrate waits on SQLite for the process that holds the database. A migration of many rows takes
// longer than any act waits.
const migrationPatience = 10 * time.Minute

// applyMigration applies one migration, unless another process has done so by then.
func (s *Store) applyMigration(ctx context.Context, m migration) error {
	words := wordsOf(s.dialect)
	words.Nonce, words.Now = strconv.FormatInt(nonce(), 10), strconv.FormatInt(s.time(), 10)
	table, err := migrationsTable.render(words, s.prefix)
	if err != nil {
		return err
	}
	text, err := m.render(words, s.prefix)
	if err != nil {
		return err
	}
	apply := func(t *tx) error {
		if s.dialect == PostgreSQL {
			// Of two processes that make a table that may exist, one fails on PostgreSQL. The lock is the transaction's and not the
			// session's: behind a pooler the session would go on with it.
			if _, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "buddychat migrations of "+s.prefix); err != nil {
				return err
			}
		}
		if _, err := t.conn.ExecContext(ctx, table); err != nil {
			return err
		}
		marked, err := t.exec(ctx, `INSERT INTO {migrations} (name, group_id) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING`, m.number)
		if err != nil || marked == 0 {
			return err
		}
		for _, statement := range statements(text) {
			if _, err := t.conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%w in: %s", err, statement)
			}
		}
		return nil
	}
	return s.retry(ctx, migrationPatience, func() error { return s.actOnce(ctx, apply) })
}

// migrationWords are what differs between the databases in the text of a migration. Beside them, {name} is the table of that
// name.
type migrationWords struct {
	PostgreSQL bool
	ID         string // the type of a number that each row gets of its own
	Bytes      string
	Nonce      string // SQL: random, not negative
	Now        string // SQL: microseconds since 1970
}

func wordsOf(d Dialect) migrationWords {
	if d == PostgreSQL {
		return migrationWords{PostgreSQL: true, ID: "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", Bytes: "BYTEA"}
	}
	return migrationWords{ID: "INTEGER PRIMARY KEY AUTOINCREMENT", Bytes: "BLOB"}
}

// render returns the text of a migration for one database and prefix.
func (m migration) render(words migrationWords, prefix string) (string, error) {
	parsed, err := template.New("migration").Option("missingkey=error").Parse(m.text)
	if err != nil {
		return "", fmt.Errorf("bunstore: %w", err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, words); err != nil {
		return "", fmt.Errorf("bunstore: %w", err)
	}
	return tableName.ReplaceAllString(b.String(), prefix+"$1"), nil
}

var (
	sqlComment   = regexp.MustCompile(`(?m)--.*$`)
	statementEnd = regexp.MustCompile(`;[ \t]*(\n|$)`)
)

// statements returns the statements of a rendered migration. Each ends with a semicolon at the end of a line.
func statements(text string) (all []string) {
	for _, statement := range statementEnd.Split(sqlComment.ReplaceAllString(text, ""), -1) {
		if statement = strings.TrimSpace(statement); statement != "" {
			all = append(all, statement)
		}
	}
	return all
}

// checkDurability refuses settings of PostgreSQL under which a follower of the log would miss records, or be given some that a
// crash then takes back.
func (s *Store) checkDurability(ctx context.Context) error {
	if s.dialect != PostgreSQL {
		return nil
	}
	var cache, increment int64
	var commit string
	t := s.reader()
	_, err := t.row(ctx, `
		SELECT seqcache, seqincrement, current_setting('synchronous_commit')
		FROM pg_sequence WHERE seqrelid = pg_get_serial_sequence('{events}', 'id')::regclass`, nil, &cache, &increment, &commit)
	switch {
	case err != nil:
		return err
	case cache != 1 || increment != 1:
		return fmt.Errorf("bunstore: ids of events must be drawn one by one, or events are lost: run %s",
			s.text(`ALTER TABLE {events} ALTER COLUMN id SET CACHE 1 SET INCREMENT BY 1`))
	case commit == "off":
		return errors.New("bunstore: synchronous_commit is off, so that a crash would take back what users have seen already: " +
			"set it on for these connections (synchronous_commit=on in the connection string, or ALTER ROLE … SET synchronous_commit = on)")
	}
	return nil
}
