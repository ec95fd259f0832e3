package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/user"
)

// A host is an application with its own users. Each user's token is their id.
type host struct{}

func (host) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	profiles := make(map[user.ID]user.Profile, len(ids))
	for _, id := range ids {
		profiles[id] = user.Profile{ID: id, Username: string(id)}
	}
	return profiles, nil
}

func (host) Authenticate(_ context.Context, _ *http.Request, token string) (graphqlapi.Identity, error) {
	return graphqlapi.Identity{User: user.ID(token), Session: token}, nil
}

// A node is one instance of the application, as it would run in one process.
type node struct {
	app *buddychat.App
	db  *postgres.DB // nil on another store
	url string       // of the API
}

// serve runs a node on a store until the test ends.
func serve(t *testing.T, store buddychat.Store, o buddychat.Options) *node {
	t.Helper()
	o.Directory = host{}
	app, err := buddychat.New(store, &o)
	require.NoError(t, err)
	api, err := graphqlapi.NewHandler(app, &graphqlapi.Options{Authenticator: host{}, Throttle: &graphqlapi.Throttle{Off: true}})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(context.Background()) }()
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), settled)
		defer cancel()
		_ = api.Shutdown(ctx) // clients that do not read are cut off
		server.Close()
		require.NoError(t, app.Shutdown(ctx))
		require.NoError(t, <-ended)
	})
	n := &node{app: app, url: server.URL}
	n.db, _ = store.(*postgres.DB)
	return n
}

// open runs a node on a PostgreSQL database until the test ends.
func open(t *testing.T, o *postgres.Options, address string, opts buddychat.Options) *node {
	t.Helper()
	if o == nil {
		o = &postgres.Options{}
	}
	o.Migrate = true
	db, err := postgres.Open(t.Context(), address, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return serve(t, db, opts)
}

var chats atomic.Int64

// pair opens a chat between two new users and returns the copy of each.
func pair(t *testing.T, n *node) (mine, others chat.Chat) {
	t.Helper()
	id := chats.Add(1)
	mine, others, err := n.app.Chats.Open(t.Context(), user.ID(fmt.Sprintf("sender-%d", id)), user.ID(fmt.Sprintf("listener-%d", id)))
	require.NoError(t, err)
	return mine, others
}

// talks opens chats whose users send and listen by the Go API. Each call uses a random node.
func talks(t *testing.T, many int, nodes ...*node) []*talk {
	t.Helper()
	all := make([]*talk, many)
	for i := range all {
		mine, others := pair(t, nodes[0])
		all[i] = &talk{
			owner: others.Owner,
			send: func(ctx context.Context, number int) error {
				text := strconv.Itoa(number)
				_, err := nodes[rand.IntN(len(nodes))].app.Chats.Send(ctx, mine.Owner, mine.ID, chat.Draft{Content: text, ClientID: text})
				return err
			},
			follow: func(ctx context.Context, cursor string, got func(arrival)) error {
				return follow(ctx, nodes[rand.IntN(len(nodes))].app.Hub, others.Owner, cursor, got)
			},
		}
	}
	return all
}

func follow(ctx context.Context, hub *realtime.Hub, u user.ID, cursor string, got func(arrival)) error {
	events, err := hub.Subscribe(ctx, u, cursor)
	if err != nil {
		return err
	}
	defer events.Close()
	got(arrival{cursor: events.Start()})
	for e, err := range events.Events(ctx) {
		if err != nil {
			return err
		}
		if e.Operation == realtime.ChatMessageCreated {
			got(arrival{number(e.Message.Content), e.ID, e.Cursor, e.At})
		}
	}
	return ctx.Err()
}

// stored checks that as many messages are stored as were acknowledged.
func stored(t *testing.T, n *node, all []*talk) {
	t.Helper()
	want, got := int64(0), int64(0)
	for _, k := range all {
		want += k.acknowledged.Load()
	}
	require.NoError(t, n.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_messages`).Scan(&got))
	require.Equal(t, want, got, "messages acknowledged, and stored")
}
