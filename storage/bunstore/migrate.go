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

// Migrate creates the tables, or updates those of an earlier version. If they are up to date, it
// only reads, and a connection with read access is enough. Any number of processes may call it at
// the same time, before any other use of the store. Each migration is one transaction. If one
// fails, nothing of it is stored, and the next call tries it again. A call waits for the migration
// of another process: on PostgreSQL until ctx ends, on SQLite for at most ten minutes.
//
// Tables that were created with the files of [Migrations] are recognized.
//
// Migrate returns an error if the settings of PostgreSQL could lose events.
func (s *Store) Migrate(ctx context.Context) error {
	all, err := migrations()
	if err != nil {
		return err
	}
	return s.migrate(ctx, all)
}

// Check returns an error if the tables are missing or not up to date, or if the settings of the
// database could lose events. The error names the remedy. Check changes nothing and needs only read
// access. For a store bound to a transaction, it does nothing and returns nil.
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
		return fmt.Errorf("bunstore: cannot check whether the tables exist: %w", err)
	case len(missing) == len(all):
		return fmt.Errorf("bunstore: the database has no tables with the prefix %q: %s", s.prefix, remedy)
	case len(missing) > 0:
		return fmt.Errorf("bunstore: the tables with the prefix %q are from an earlier version and lack %s: %s", s.prefix, names(missing), remedy)
	}
	return s.checkDurability(ctx)
}

const remedy = "call Migrate on the store, or run the files of bunstore.Migrations, as a role that may create tables"

// Migrations returns the SQL files that create the tables, for applications that use a migration
// tool of their own. Each version has one file, such as 0001_conversations.up.sql. Run the files in
// the order of their names, each once and each in one transaction. The names follow golang-migrate;
// for another tool, copy the content into files of that tool. A new version of this package may add
// files, and never changes existing statements.
//
// Each file also notes in the table migrations that it was run, for [Store.Migrate] and
// [Store.Check]. prefix is the prefix of all table names, as in [Options]; "" means
// [DefaultPrefix].
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
	// An in-memory zip archive is an fs.FS.
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
	number, title string // from the file name NNNN_title.sql
	text          string // a template for migrationWords
}

// migrations returns all migrations in order.
func migrations() ([]migration, error) {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return nil, fmt.Errorf("bunstore: %w", err)
	}
	return readMigrations(files)
}

func readMigrations(files fs.FS) (all []migration, err error) {
	paths, err := fs.Glob(files, "*.sql") // Glob sorts them
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

// migrationsTable lists the applied migrations. Its columns are the same as in databases that an
// earlier version created.
var migrationsTable = migration{text: `CREATE TABLE IF NOT EXISTS {migrations} (
    id          {{.ID}},
    name        VARCHAR(255) NOT NULL UNIQUE,
    group_id    BIGINT NOT NULL,
    migrated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
`}

func (s *Store) migrate(ctx context.Context, all []migration) error {
	if s.host != nil {
		return errors.New("bunstore: Migrate cannot run in a host transaction: call it on the store itself")
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

// missing returns the migrations that the database lacks. It only reads.
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

// migrationTimeout is how long Migrate waits on SQLite for the process that holds the database. A
// migration of many rows takes longer than other operations wait.
const migrationTimeout = 10 * time.Minute

// applyMigration applies one migration, unless another process has applied it meanwhile.
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
			// If two processes run CREATE TABLE IF NOT EXISTS at the same time, one of them fails
			// on PostgreSQL, so they take turns. The lock belongs to the transaction and not to the
			// session: a pooler would hand the session to another client while it holds the lock.
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
	return s.retry(ctx, migrationTimeout, func() error { return s.actOnce(ctx, apply) })
}

// migrationWords has what differs between the databases in the text of a migration. In addition,
// {name} stands for the table of that name.
type migrationWords struct {
	PostgreSQL bool
	ID         string // the type of a generated primary key
	Bytes      string
	Nonce      string // SQL: a random number, not negative
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

// statements splits a rendered migration. Each statement ends with a semicolon at the end of a
// line.
func statements(text string) (all []string) {
	for _, statement := range statementEnd.Split(sqlComment.ReplaceAllString(text, ""), -1) {
		if statement = strings.TrimSpace(statement); statement != "" {
			all = append(all, statement)
		}
	}
	return all
}

// checkDurability rejects settings of PostgreSQL with which a tail would miss records, or would
// return records that a crash then undoes.
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
		return fmt.Errorf("bunstore: the sequence of event ids must have cache 1 and increment 1, or events are lost: run %s",
			s.text(`ALTER TABLE {events} ALTER COLUMN id SET CACHE 1 SET INCREMENT BY 1`))
	case commit == "off":
		return errors.New("bunstore: synchronous_commit is off, so a crash could undo messages that users have already seen: " +
			"turn it on for these connections (synchronous_commit=on in the connection string, or ALTER ROLE … SET synchronous_commit = on)")
	}
	return nil
}
