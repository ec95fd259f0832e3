// Package pgtest gives tests a real PostgreSQL.
//
// If BUDDYCHAT_TEST_POSTGRES is the URL of a server, tests use that server. Its user must be
// allowed to create databases. Otherwise each test binary starts one private server, with the
// initdb and pg_ctl on the PATH or in /usr/lib/postgresql. The server is removed when the test
// binary ends, however it ends. It syncs to disk for benchmarks, as in production, but not for
// tests, since no test simulates a power loss.
//
// If no server is available, the test is skipped. It fails instead if BUDDYCHAT_TEST_POSTGRES is
// set, CI is true or BUDDYCHAT_REQUIRE_POSTGRES is 1.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/buddychat/buddychat/internal/pgserver"
)

// URL returns the address of a new, empty database, which is dropped when the test ends.
func URL(tb testing.TB) string {
	tb.Helper()
	return URLWith(tb, "")
}

// URLWith is like URL, with options for CREATE DATABASE, such as an encoding.
func URLWith(tb testing.TB, options string) string {
	tb.Helper()
	return database(tb, Shared(tb), options)
}

// Shared returns the server on which URL creates databases. A test must not crash it, or change
// settings that affect other tests.
func Shared(tb testing.TB) *pgserver.Server {
	tb.Helper()
	start := forTests
	if _, measured := tb.(*testing.B); measured {
		start = forBenchmarks
	}
	s, err := start()
	if err != nil {
		missing(tb, err)
	}
	return s
}

// Own starts a server for one test, which may crash it. The server syncs to disk, as in production,
// and is removed when the test ends.
func Own(tb testing.TB) *pgserver.Server {
	tb.Helper()
	s, err := pgserver.Start(true)
	if err != nil {
		missing(tb, err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("cannot end the server: %v", err)
		}
	})
	return s
}

// Pooler starts a PgBouncer in transaction mode in front of a server, with these settings. It is
// stopped when the test ends.
func Pooler(tb testing.TB, s *pgserver.Server, settings map[string]string) *pgserver.Pooler {
	tb.Helper()
	p, err := pgserver.StartPooler(s, settings)
	if err != nil {
		missing(tb, err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("cannot end the pooler: %v", err)
		}
	})
	return p
}

// missing skips the test, or fails it if the environment requires PostgreSQL.
func missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("BUDDYCHAT_TEST_POSTGRES") != "" || os.Getenv("CI") == "true" || os.Getenv("BUDDYCHAT_REQUIRE_POSTGRES") == "1" {
		tb.Fatalf("this test needs PostgreSQL: %v", err)
	}
	tb.Skipf("this test needs PostgreSQL: %v", err)
}

// Database creates an empty database on a server and returns its address. It is dropped when the
// test ends.
func Database(tb testing.TB, s *pgserver.Server) string {
	tb.Helper()
	return database(tb, s, "")
}

func database(tb testing.TB, s *pgserver.Server, options string) string {
	tb.Helper()
	name := "buddychat_test_" + strings.ToLower(rand.Text()[:12])
	if err := administer(s.URL, "CREATE DATABASE "+name+" "+options); err != nil {
		tb.Fatalf("cannot create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := administer(s.URL, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("cannot drop the database: %v", err)
		}
	})
	u, err := url.Parse(s.URL)
	if err != nil {
		tb.Fatalf("the address of the server: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// forTests and forBenchmarks return the shared server of this test binary, and start it on first
// use.
var (
	forTests      = sync.OnceValues(func() (*pgserver.Server, error) { return given(false) })
	forBenchmarks = sync.OnceValues(func() (*pgserver.Server, error) { return given(true) })
)

// given returns the server in BUDDYCHAT_TEST_POSTGRES, or starts one.
func given(fsync bool) (*pgserver.Server, error) {
	if address := os.Getenv("BUDDYCHAT_TEST_POSTGRES"); address != "" {
		return &pgserver.Server{URL: address}, administer(address, "SELECT 1")
	}
	s, err := pgserver.Start(fsync)
	if err != nil {
		return nil, fmt.Errorf("BUDDYCHAT_TEST_POSTGRES is not set, and %w", err)
	}
	return s, nil
}

func administer(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx) //nolint:errcheck // nothing depends on it
	if _, err := c.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
