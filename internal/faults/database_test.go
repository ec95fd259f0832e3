package faults

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/internal/netfault"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/postgres"
)

const often = 10 * time.Millisecond

func TestDatabaseCrashLosesNoAcknowledgedMessageAndEndsNoSubscription(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	address := pgtest.Database(t, server)
	one, two := open(t, nil, address, buddychat.Options{}), open(t, nil, address, buddychat.Options{})
	all := talks(t, 6, one, two)
	under(t, all, often, func(ctx context.Context) {
		for range long(2, 10) {
			progress(t, ctx, all)
			require.NoError(t, server.Crash())
			require.NoError(t, server.Restart())
		}
		progress(t, ctx, all)
	})
	stored(t, one, all)
	uncut(t, all)
}

// A pooler keeps a client's session open when the server crashes, so the client does not notice the
// crash. One node uses only the pooler. The other reads the log at the server's own address.
func TestDatabaseCrashWithAPoolerLosesNoAcknowledgedMessageAndEndsNoSubscription(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	direct := pgtest.Database(t, server)
	address, err := pgtest.Pooler(t, server, nil).URL(direct)
	require.NoError(t, err)
	one := open(t, nil, address, buddychat.Options{})
	two := open(t, &postgres.Options{ListenAddress: direct}, address, buddychat.Options{})
	all := talks(t, 6, one, two)
	under(t, all, often, func(ctx context.Context) {
		for range long(2, 10) {
			progress(t, ctx, all)
			require.NoError(t, server.Crash())
			require.NoError(t, server.Restart())
		}
		progress(t, ctx, all)
	})
	stored(t, one, all)
	uncut(t, all)
}

// administer runs a statement on a database.
func administer(t *testing.T, address, statement string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer c.Close(context.Background()) //nolint:errcheck // it has done its work
	_, err = c.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

func TestLostListenConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	listening := &postgres.Options{ListenAddress: address + "&application_name=listening"}
	slow := buddychat.Options{Realtime: realtime.Options{Poll: 500 * time.Millisecond}}
	one, two := open(t, listening, address, slow), open(t, listening, address, slow)
	apart := talks(t, 4, one) // these send on one node and listen on the other
	for i := range apart {
		apart[i].follow = overHub(apart[i], two)
	}
	under(t, apart, often, func(ctx context.Context) {
		for range long(5, 50) {
			administer(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'listening'`)
			progress(t, ctx, apart)
		}
		// Once the node listens again, messages arrive without a poll.
		require.Eventually(t, func() bool {
			for _, k := range apart {
				k.mu.Lock()
				k.delays = nil
				k.mu.Unlock()
			}
			progress(t, ctx, apart)
			return quantile(apart, 0.5) < 100*time.Millisecond
		}, settled, time.Millisecond)
	})
	stored(t, one, apart)
	uncut(t, apart)
}

// overHub returns a follow function that always listens on node n.
func overHub(k *talk, n *node) func(context.Context, string, func(arrival)) error {
	owner := k.owner
	return func(ctx context.Context, cursor string, got func(arrival)) error {
		return follow(ctx, n.app.Hub, owner, cursor, got)
	}
}

func TestDeliveryWithoutHintsTakesAtMostAPoll(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	const poll = 700 * time.Millisecond
	deaf := buddychat.Options{Realtime: realtime.Options{Bus: realtime.NoBus{}, Poll: poll}}
	one, two := open(t, nil, address, deaf), open(t, nil, address, deaf)
	apart := talks(t, 4, one)
	for i := range apart {
		apart[i].follow = overHub(apart[i], two)
	}
	under(t, apart, 100*time.Millisecond, func(ctx context.Context) { pass(ctx, long(3*time.Second, time.Minute)) })
	require.Less(t, quantile(apart, 1), poll+time.Second)
	uncut(t, apart)
}

func TestTransactionInAnotherDatabaseDelaysNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	address, elsewhere := pgtest.Database(t, server), pgtest.Database(t, server)
	one, two := open(t, nil, address, buddychat.Options{}), open(t, nil, address, buddychat.Options{})
	lasts := long(3*time.Second, 30*time.Second)
	measure := func() time.Duration {
		all := talks(t, 6, one, two)
		under(t, all, often, func(ctx context.Context) { pass(ctx, lasts) })
		return quantile(all, 0.99)
	}
	without := measure()
	c, err := pgx.Connect(t.Context(), elsewhere)
	require.NoError(t, err)
	defer c.Close(context.Background()) //nolint:errcheck // it has done its work
	_, err = c.Exec(t.Context(), `BEGIN; SELECT pg_current_xact_id()`)
	require.NoError(t, err)
	with := measure()
	_, err = c.Exec(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	t.Logf("p99 %v, and %v beside an idle transaction", without, with)
	require.Less(t, with, 2*without+500*time.Millisecond, "and not for as long as it lasts, %v", lasts)
}

func TestApplicationTransactionDelaysOnlyItsOwnConversation(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	one, two := open(t, nil, address, buddychat.Options{}), open(t, nil, address, buddychat.Options{})
	held, helds := pair(t, one)
	events, err := two.app.Hub.Subscribe(t.Context(), helds.Owner, "")
	require.NoError(t, err)
	defer events.Close()
	all := talks(t, 4, one, two)
	under(t, all, often, func(ctx context.Context) {
		tx, err := one.db.SQL().BeginTx(ctx, nil)
		require.NoError(t, err)
		defer tx.Rollback() //nolint:errcheck // has no effect after the commit
		sent, err := one.db.In(tx).AppendMessage(ctx, held.Copy(), chat.Draft{Content: "of the host's"})
		require.NoError(t, err)
		resumed, err := one.app.Hub.Position(ctx) // for a client that connects in the meantime
		require.NoError(t, err)
		progress(t, ctx, all)
		pass(ctx, long(2*time.Second, 30*time.Second))
		require.Less(t, quantile(all, 0.99), time.Second, "in other conversations")
		require.NoError(t, tx.Commit())
		one.app.Hub.Hint()
		for _, cursor := range []string{"", resumed} {
			from := events
			if cursor != "" {
				from, err = two.app.Hub.Subscribe(ctx, helds.Owner, cursor)
				require.NoError(t, err)
				defer from.Close()
			}
			within, cancel := context.WithTimeout(ctx, settled)
			for e, err := range from.Events(within) {
				require.NoError(t, err)
				if e.Operation == realtime.ChatMessageCreated {
					require.Equal(t, sent.ID, e.MessageID)
					break
				}
			}
			require.NoError(t, within.Err(), "it never came")
			cancel()
		}
	})
}

// through starts a proxy in front of a database. It returns the database's address through the
// proxy, and the proxy.
func through(t *testing.T, address string) (string, *netfault.Proxy) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	p, err := netfault.New(u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	u.Host = p.Addr()
	return u.String(), p
}

func TestFaultyNetworkBetweenNodeAndDatabaseLosesNoMessage(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	open(t, nil, address, buddychat.Options{}) // makes the tables
	far, network := through(t, address)
	near, bad := open(t, nil, address, buddychat.Options{}), open(t, nil, far, buddychat.Options{})
	all := talks(t, 6, near, bad)
	under(t, all, often, func(ctx context.Context) { misbehave(t, ctx, network, all) })
	stored(t, near, all)
	uncut(t, all)
}

func TestNodeWithALargeBacklogClosesNoSubscription(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	open(t, nil, address, buddychat.Options{}) // makes the tables
	far, network := through(t, address)
	near, behind := open(t, nil, address, buddychat.Options{}), open(t, nil, far, buddychat.Options{Realtime: realtime.Options{Window: 1000}})
	all := talks(t, 4, near)
	for i := range all {
		all[i].follow = overHub(all[i], behind)
	}
	under(t, all, time.Millisecond, func(ctx context.Context) {
		for range long(1, 5) {
			network.Set(netfault.Faults{Partitioned: true})
			// More than a queue holds. Over all talks, it is also more than the window holds.
			enough := all[0].acknowledged.Load() + 600
			require.Eventually(t, func() bool { return all[0].acknowledged.Load() >= enough }, settled, 5*time.Millisecond)
			network.Set(netfault.Faults{})
			network.Reset()
			progress(t, ctx, all)
		}
	})
	stored(t, near, all)
	uncut(t, all)
}

func TestCursorsOfARestoredOrDifferentDatabaseAreRejected(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	address, other := pgtest.Database(t, server), pgtest.Database(t, server)
	name := func(address string) string {
		return address[strings.LastIndex(address, "/")+1 : strings.Index(address, "?")]
	}
	n, strange := open(t, nil, address, buddychat.Options{}), open(t, nil, other, buddychat.Options{})
	mine, others := pair(t, n)
	send := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, err := n.app.Chats.Send(t.Context(), mine.Owner, mine.ID, chat.Draft{Content: text, ClientID: text})
			return err == nil
		}, settled, 10*time.Millisecond)
	}
	send("kept")
	kept, err := n.app.Hub.Position(t.Context())
	require.NoError(t, err)
	refused := func(cursor string) {
		t.Helper()
		_, err := n.app.Hub.Subscribe(t.Context(), others.Owner, cursor)
		require.ErrorIs(t, err, storage.ErrCursorExpired)
	}
	_, err = strange.app.Chats.Send(t.Context(), mine.Owner, 1, chat.Draft{Content: "x"})
	require.Error(t, err)
	pair(t, strange)
	foreign, err := strange.app.Hub.Position(t.Context())
	require.NoError(t, err)
	refused(foreign)

	backup := name(address) + "_backup"
	administer(t, server.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name(address))
	// CREATE DATABASE fails while the template has sessions, and the node reconnects at once.
	require.Eventually(t, func() bool {
		c, err := pgx.Connect(t.Context(), server.URL)
		require.NoError(t, err)
		defer c.Close(context.Background()) //nolint:errcheck // it has done its work
		_, _ = c.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name(address))
		_, err = c.Exec(t.Context(), `CREATE DATABASE `+backup+` TEMPLATE `+name(address))
		return err == nil
	}, settled, time.Millisecond)

	send("lost")
	live, err := n.app.Hub.Subscribe(t.Context(), others.Owner, kept)
	require.NoError(t, err)
	defer live.Close()
	lost, err := n.app.Hub.Position(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, kept, lost)

	administer(t, server.URL, `ALTER DATABASE `+name(address)+` ALLOW_CONNECTIONS false`)
	administer(t, server.URL, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name(address))
	require.Eventually(t, func() bool {
		c, err := pgx.Connect(t.Context(), server.URL)
		require.NoError(t, err)
		defer c.Close(context.Background()) //nolint:errcheck // it has done its work
		_, err = c.Exec(t.Context(), `DROP DATABASE `+name(address)+` WITH (FORCE)`)
		return err == nil
	}, settled, 10*time.Millisecond)
	administer(t, server.URL, `ALTER DATABASE `+backup+` RENAME TO `+name(address))

	within, cancel := context.WithTimeout(t.Context(), settled)
	defer cancel()
	var ended error
	for _, err := range live.Events(within) {
		ended = err
	}
	require.ErrorIs(t, ended, storage.ErrCursorExpired, "who was here when it was restored may have missed something")
	refused(lost)
	send("after")
	send("and more, beyond where it was")
	refused(lost)
	again, err := n.app.Hub.Subscribe(t.Context(), others.Owner, kept)
	require.NoError(t, err, "a cursor of before the backup is good")
	defer again.Close()
	var contents []string
	for e, err := range again.Events(within) {
		require.NoError(t, err)
		if e.Operation == realtime.ChatMessageCreated {
			if contents = append(contents, e.Message.Content); len(contents) == 2 {
				break
			}
		}
	}
	require.Equal(t, []string{"after", "and more, beyond where it was"}, contents)
}

func TestCursorOlderThanTheRetentionIsRejected(t *testing.T) {
	t.Parallel()
	n := open(t, nil, pgtest.URL(t), buddychat.Options{Retention: time.Millisecond, UpkeepInterval: 10 * time.Millisecond})
	mine, others := pair(t, n)
	old, err := n.app.Hub.Position(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := n.app.Chats.Send(t.Context(), mine.Owner, mine.ID, chat.Draft{Content: "x"})
		require.NoError(t, err)
		s, err := n.app.Hub.Subscribe(t.Context(), others.Owner, old)
		if err == nil {
			s.Close()
		}
		return errors.Is(err, storage.ErrCursorExpired)
	}, settled, 10*time.Millisecond)
}
