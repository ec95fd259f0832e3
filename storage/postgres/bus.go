package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/bunstore"
)

const (
	// notifyGap is the minimum time between two notifications of a node, so that a burst of commits
	// does not send one each. NOTIFY takes a lock of the whole cluster at commit, so it must not be
	// part of the transaction of a change.
	notifyGap = 10 * time.Millisecond
	// idleTimeout is how long the connection may be silent before it is tested. Otherwise a broken
	// connection could go unnoticed forever.
	idleTimeout = 15 * time.Second
	// busTimeout is the time limit of a statement of the bus.
	busTimeout = 5 * time.Second
)

// Bus carries hints between the nodes on one database with LISTEN and NOTIFY, on one connection for
// each node. A hint says that something changed, but not where: every node on the database gets all
// hints.
type Bus struct {
	connect func(context.Context) (*pgx.Conn, error)
	channel string
	told    chan struct{}
}

var _ realtime.Bus = (*Bus)(nil)

// NewBus returns a bus for an application that opened its database itself. The function connect
// opens one connection to it, directly or through a pooler that keeps one session for each client.
// In PgBouncer's transaction mode, no notification arrives. The prefix is that of the tables, or ""
// for the default.
func NewBus(connect func(context.Context) (*pgx.Conn, error), prefix string) *Bus {
	if prefix == "" {
		prefix = bunstore.DefaultPrefix
	}
	return &Bus{connect: connect, channel: prefix + "news", told: make(chan struct{}, 1)}
}

// Bus returns the bus of this database. [github.com/buddychat/buddychat.New] uses it unless the
// options name another one. If the only address is that of a pooler in transaction mode, the bus
// carries nothing: see [Open].
func (db *DB) Bus() realtime.Bus { return db.bus }

// Tell implements [realtime.Bus].
func (b *Bus) Tell(...realtime.Stream) {
	select {
	case b.told <- struct{}{}:
	default:
	}
}

// Follow implements [realtime.Bus]. It does nothing, because notifications do not name streams.
func (b *Bus) Follow(realtime.Stream) {}

// Unfollow implements [realtime.Bus].
func (b *Bus) Unfollow(realtime.Stream) {}

// Run implements [realtime.Bus].
func (b *Bus) Run(ctx context.Context, heard func()) error {
	if err := b.run(ctx, heard); ctx.Err() == nil {
		return err
	}
	return nil
}

func (b *Bus) run(ctx context.Context, heard func()) error {
	c, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer b.disconnect(c) //nolint:contextcheck // ctx has ended by then
	if err := b.exec(ctx, c, "LISTEN "+pgx.Identifier{b.channel}.Sanitize()); err != nil {
		return err
	}
	// A notification may have been sent while no connection was listening.
	heard()
	for ctx.Err() == nil {
		told, err := b.listen(ctx, c, heard)
		if err != nil {
			return err
		}
		// The query only tests the connection.
		statement := "SELECT 1"
		if told {
			statement = "NOTIFY " + pgx.Identifier{b.channel}.Sanitize()
		}
		if err := b.exec(ctx, c, statement); err != nil {
			return err
		}
		if told {
			b.pause(ctx, c, heard)
		}
	}
	return nil
}

// listen waits for notifications until this node has something to send, or no notification arrived
// for idleTimeout.
func (b *Bus) listen(ctx context.Context, c *pgx.Conn, heard func()) (told bool, err error) {
	listening, stop := context.WithTimeout(ctx, idleTimeout)
	defer stop()
	interrupted := make(chan bool, 1)
	go func() {
		select {
		case <-b.told:
			interrupted <- true
			stop()
		case <-listening.Done():
			interrupted <- false
		}
	}()
	err = hear(listening, c, heard)
	stop()
	told = <-interrupted
	if !c.IsClosed() {
		return told, nil
	}
	if told {
		// The next connection sends it.
		b.Tell()
	}
	return false, err
}

// pause only receives notifications until the next one may be sent.
func (b *Bus) pause(ctx context.Context, c *pgx.Conn, heard func()) {
	pausing, stop := context.WithTimeout(ctx, notifyGap)
	defer stop()
	// The next statement returns the error again.
	_ = hear(pausing, c, heard)
}

// hear calls heard for each notification of another node, until ctx or the connection ends.
func hear(ctx context.Context, c *pgx.Conn, heard func()) error {
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.PID != c.PgConn().PID() {
			heard()
		}
	}
}

func (b *Bus) exec(ctx context.Context, c *pgx.Conn, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	if _, err := c.Exec(ctx, statement); err != nil {
		return fmt.Errorf("postgres: %s: %w", statement, err)
	}
	return nil
}

func (b *Bus) disconnect(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), busTimeout)
	defer cancel()
	// The connection is discarded either way.
	_ = c.Close(ctx)
}
