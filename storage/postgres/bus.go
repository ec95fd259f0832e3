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
	// What lies at least between two notifications of one node: a stream of commits costs a hundred a second, and not one each. A NOTIFY
	// takes a lock of the whole cluster's when it commits, so it never stands in the transaction of an act.
	notifyGap = 10 * time.Millisecond
	// How long the connection may be silent before it is tried: a connection that was cut without a word would be listened to for ever.
	silence = 15 * time.Second
	// How long the server may take for a statement of the bus.
	busTimeout = 5 * time.Second
)

// Bus carries hints between the nodes on one database by LISTEN and NOTIFY, on one connection for each node. It tells that there is news and
// not where: every node on the database hears of all.
type Bus struct {
	connect func(context.Context) (*pgx.Conn, error)
	channel string
	told    chan struct{}
}

var _ realtime.Bus = (*Bus)(nil)

// NewBus returns a bus for a host that has opened its database itself: connect opens one connection to it, directly or through a pooler that
// keeps one session for each client (in the transaction mode of PgBouncer nothing is ever heard). The prefix is that of the tables, "" for the usual one.
func NewBus(connect func(context.Context) (*pgx.Conn, error), prefix string) *Bus {
	if prefix == "" {
		prefix = bunstore.DefaultPrefix
	}
	return &Bus{connect: connect, channel: prefix + "news", told: make(chan struct{}, 1)}
}

// Bus returns the bus of this database. [github.com/buddychat/buddychat.New] uses it unless the host chooses another. Where the only
// address is that of a pooler in transaction mode, it carries nothing: see [Open].
func (db *DB) Bus() realtime.Bus { return db.bus }

// Tell implements [realtime.Bus].
func (b *Bus) Tell(...realtime.Stream) {
	select {
	case b.told <- struct{}{}:
	default:
	}
}

// Follow implements [realtime.Bus]: a notification says nothing of streams.
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
	heard() // what was told while nobody listened
	for ctx.Err() == nil {
		told, err := b.listen(ctx, c, heard)
		if err != nil {
			return err
		}
		statement := "SELECT 1" // are you there?
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

// listen hears notifications until there is something to tell others, or nothing was heard for long.
func (b *Bus) listen(ctx context.Context, c *pgx.Conn, heard func()) (told bool, err error) {
	listening, stop := context.WithTimeout(ctx, silence)
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
		b.Tell() // with the next connection
	}
	return false, err
}

// pause hears notifications for as long as nothing more is to be told.
func (b *Bus) pause(ctx context.Context, c *pgx.Conn, heard func()) {
	pausing, stop := context.WithTimeout(ctx, notifyGap)
	defer stop()
	_ = hear(pausing, c, heard) // an error comes again with the next statement
}

// hear calls heard for each notification by others, until ctx ends or the connection does.
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
	_ = c.Close(ctx) // it is gone either way
}
