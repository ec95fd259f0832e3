// Package pgtest gives tests a real PostgreSQL.
//
// With BUDDYCHAT_TEST_POSTGRES set to the URL of a server, that one is used; its user must be allowed to create
// databases. Otherwise a private server is started, once for each test binary, from the initdb and pg_ctl
// on the PATH or in /usr/lib/postgresql, and it goes when the test binary ends, however that ends. For benchmarks it syncs to
// disk as in production; for tests, none of which takes the power away, it does not.
//
// Where there is neither, the test is skipped, or fails if CI is true or BUDDYCHAT_REQUIRE_POSTGRES is 1.
package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// URL returns the address of a new, empty database, which is dropped when the test ends.
func URL(tb testing.TB) string {
	tb.Helper()
	start := forTests
	if _, measured := tb.(*testing.B); measured {
		start = forBenchmarks
	}
	s, err := start()
	if err != nil {
		if os.Getenv("BUDDYCHAT_TEST_POSTGRES") != "" || os.Getenv("CI") == "true" || os.Getenv("BUDDYCHAT_REQUIRE_POSTGRES") == "1" {
			tb.Fatalf("this test needs PostgreSQL: %v", err)
		}
		tb.Skipf("this test needs PostgreSQL: %v", err)
	}
	name := "buddychat_test_" + strings.ToLower(rand.Text()[:12])
	if err := administer(s.url, "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("cannot create a database: %v", err)
	}
	tb.Cleanup(func() {
		if err := administer(s.url, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("cannot drop the database: %v", err)
		}
	})
	u, err := url.Parse(s.url)
	if err != nil {
		tb.Fatalf("the address of the server: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// server is what the databases are made on.
type server struct {
	url string
	// alive is what a server of our own lives by: it ends when this is closed, by the end of the process or the collector.
	alive io.Closer
}

// forTests and forBenchmarks return the server of this test binary.
var (
	forTests      = sync.OnceValues(func() (*server, error) { return given(false) })
	forBenchmarks = sync.OnceValues(func() (*server, error) { return given(true) })
)

// given returns the server that is given, or else starts one.
func given(fsync bool) (*server, error) {
	if address := os.Getenv("BUDDYCHAT_TEST_POSTGRES"); address != "" {
		return &server{url: address}, administer(address, "SELECT 1")
	}
	return start(fsync)
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
