package torture

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

// A database is a store, opened by one node.
type database interface {
	buddychat.Store
	In(tx *sql.Tx) *bunstore.Store
	SQL() *sql.DB
	Close() error
}

// A cluster is a set of nodes on one database. Each node opens the database itself.
type cluster struct {
	open    func(ctx context.Context) (database, error)
	writers bool // the database allows concurrent writers
	users   func(*buddychat.Options)
	nodes   []*node
}

// A node is one instance of the application, as it would run in one process.
type node struct {
	db  database
	app *buddychat.App
	ran chan error
}

// onPostgreSQL starts three nodes.
func onPostgreSQL(t *testing.T, users func(*buddychat.Options)) *cluster {
	t.Helper()
	address := pgtest.URL(t)
	return start(t, &cluster{writers: true, users: users, nodes: make([]*node, 3), open: func(ctx context.Context) (database, error) {
		return postgres.Open(ctx, address, &postgres.Options{Migrate: true})
	}})
}

// onSQLite starts one node.
func onSQLite(t *testing.T, users func(*buddychat.Options)) *cluster {
	t.Helper()
	file := filepath.Join(t.TempDir(), "buddychat.db")
	return start(t, &cluster{users: users, nodes: make([]*node, 1), open: func(ctx context.Context) (database, error) {
		return sqlite.Open(ctx, file, &sqlite.Options{Migrate: true})
	}})
}

func start(t *testing.T, c *cluster) *cluster {
	t.Helper()
	t.Cleanup(func() {
		for i := range c.nodes {
			require.NoError(t, c.stop(i))
		}
	})
	for i := range c.nodes {
		require.NoError(t, c.start(i))
	}
	return c
}

// windows and queues differ from node to node. One node keeps almost nothing in memory, so it
// replays from the database. Another keeps everything.
var (
	windows = []int{2, 40, 0}
	queues  = []int{40, 6, 0}
)

// upkeep is how often each node purges: so often that a purge is almost always running.
const upkeep = 50 * time.Millisecond

// start starts a stopped node.
func (c *cluster) start(i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	n := &node{db: db, ran: make(chan error, 1)}
	c.nodes[i] = n
	options := buddychat.Options{Realtime: realtime.Options{Window: windows[i], Queue: queues[i]}, UpkeepInterval: upkeep}
	c.users(&options)
	if n.app, err = buddychat.New(db, &options); err != nil {
		n.ran <- nil
		return err
	}
	go func() { n.ran <- n.app.Run(context.Background()) }()
	_, err = n.app.Hub.Position(ctx) // wait until the node is running
	return err
}

// stop shuts down a node.
func (c *cluster) stop(i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n := c.nodes[i]
	if n == nil {
		return nil
	}
	c.nodes[i] = nil
	if n.app != nil {
		if err := n.app.Shutdown(ctx); err != nil {
			return err
		}
	}
	if err := <-n.ran; err != nil {
		return err
	}
	return n.db.Close()
}

// everybody is an application's directory in which every id is a user.
type everybody struct{}

func (everybody) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	known := make(map[user.ID]user.Profile, len(ids))
	for _, id := range ids {
		known[id] = user.Profile{ID: id, Username: string(id)}
	}
	return known, nil
}

func hostsUsers(o *buddychat.Options) { o.Directory = everybody{} }
