package graphqlapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// A flakyHost has its own users, whose tokens are their names, and a directory that can be made to
// fail.
type flakyHost struct {
	hostUsers
	failures atomic.Int32 // number of lookups that will fail
	panics   atomic.Bool
	// If set, a lookup closes held and waits until hold is closed, or until its context ends, when
	// it closes cut.
	hold, held, cut chan struct{}
}

func (h *flakyHost) Lookup(ctx context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	if h.hold != nil {
		close(h.held)
		select {
		case <-h.hold:
		case <-ctx.Done():
			close(h.cut)
		}
	}
	if h.panics.Load() {
		panic("canary of a panic")
	}
	if h.failures.Add(-1) >= 0 {
		return nil, errors.New("canary of an error")
	}
	return h.hostUsers.Lookup(ctx, ids...)
}

func serveFlaky(t *testing.T, configure ...func(*setup)) (*api, *flakyHost) {
	host := &flakyHost{hostUsers: hostUsers{func(_ context.Context, _ *http.Request, name string) (graphqlapi.Identity, error) {
		return graphqlapi.Identity{User: user.ID(name)}, nil
	}}}
	return serve(t, append(configure, func(s *setup) { s.app.Directory, s.api.Authenticator = host, host })...), host
}

func TestFailuresHideTheirCauseAndKeepOtherFields(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*flakyHost){
		"an error": func(h *flakyHost) { h.failures.Store(1 << 20) },
		"a panic":  func(h *flakyHost) { h.panics.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, host := serveFlaky(t)
			fail(host)
			got := a.ask(t, "carol", `{ me { username } chats { totalCount } __typename }`, nil)
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, "INTERNAL", got.code())
			require.Equal(t, "internal error", got.message())
			require.Equal(t, []any{"me"}, firstError(got.body)["path"])
			require.NotContains(t, got.text, "canary")
			require.Equal(t, object{"me": nil, "chats": object{"totalCount": 0.0}, "__typename": "Query"}, got.body["data"])
			require.Contains(t, a.logs.String(), "canary", "the log has the cause")
		})
	}
}

func TestTypedEventsAreRetriedAfterFailures(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	conn := a.connect(t, nil, object{"token": "robert"})
	id := conn.subscribedTyped(`{ operation actor { username } }`)
	mine, _, err := a.app.Chats.Open(t.Context(), "alice", "robert")
	require.NoError(t, err)
	host.failures.Store(2)
	_, err = a.app.Chats.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "hello"})
	require.NoError(t, err)
	for _, operation := range []string{"CHAT_MESSAGE_CREATED", "NOTIFICATION_CREATED"} {
		require.Equal(t, object{"events": object{"operation": operation, "actor": object{"username": "alice"}}}, conn.result(id)["data"])
	}

	host.failures.Store(1 << 20)
	_, err = a.app.Chats.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "hello"})
	require.NoError(t, err)
	require.Equal(t, "INTERNAL", conn.next(id).code(t), "nothing could be resolved, so the client resumes before the event")
}

func TestASubscriptionThatCannotBeRenderedCanBeResumed(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	conn := a.connect(t, nil, object{"token": "alice"})
	id, cursor := conn.subscribed()
	host.failures.Store(1 << 20)
	conn.run(`mutation { createGroup(title: "Climbing") { userGroup { title } } }`, nil)
	require.Equal(t, "INTERNAL", conn.next(id).code(t))

	host.failures.Store(0)
	again := a.connect(t, nil, object{"token": "alice", "after": cursor})
	id, _ = again.subscribed()
	require.Equal(t, "MEMBER_ADDED", again.result(id)["operation"])
}

func TestWithoutRunSubscriptionsFailAndTheLogSaysWhatToCall(t *testing.T) {
	t.Parallel()
	var logs logBuffer
	host := hostUsers{func(_ context.Context, _ *http.Request, name string) (graphqlapi.Identity, error) {
		return graphqlapi.Identity{User: user.ID(name)}, nil
	}}
	// A handler without a logger uses that of the app.
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{Directory: host, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	require.NoError(t, err)
	handler, err := graphqlapi.NewHandler(app, &graphqlapi.Options{Authenticator: host})
	require.NoError(t, err)
	a := &api{app: app, handler: handler, server: httptest.NewServer(handler), logs: &logs}
	t.Cleanup(a.server.Close)
	t.Cleanup(func() { require.NoError(t, handler.Shutdown(context.Background())) })

	within(t, patience/2, func() {
		got := a.ask(t, "alice", `{ eventCursor }`, nil)
		require.Equal(t, "INTERNAL", got.code())
		require.Equal(t, "internal error", got.message(), "clients do not see the host's mistake")
		conn := a.connect(t, nil, object{"token": "alice"})
		for _, document := range []string{`subscription { subscribe { success } }`, `subscription { events { id } }`} {
			require.Equal(t, "INTERNAL", conn.next(conn.start(document, nil)).code(t), document)
		}
		require.Equal(t, object{"data": object{"me": object{"username": "alice"}}}, conn.run(`{ me { username } }`, nil), "queries that need no events work")
	})
	require.Equal(t, 3, strings.Count(logs.String(), "call App.Run"), logs.String())
}

func TestInternalErrorsAreLoggedWithOperationPathAndUser(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail func(*flakyHost)
		ask  func(*testing.T, *api)
		want []string
	}{
		"a named query": {
			fail: func(h *flakyHost) { h.failures.Store(1 << 20) },
			ask: func(t *testing.T, a *api) {
				require.Equal(t, "INTERNAL", a.ask(t, "carol", `query Profile { self: me { username } }`, nil).code())
			},
			want: []string{`level=ERROR msg="an operation failed" operation=Profile user=carol path=self error="look up users: canary of an error"`},
		},
		"a mutation without a name": {
			fail: func(h *flakyHost) { h.failures.Store(1 << 20) },
			ask: func(t *testing.T, a *api) {
				got := a.ask(t, "carol", `mutation { createGroup(title: "Secret title") { userGroup { members { nodes { user { username } } } } } }`, nil)
				require.Equal(t, "INTERNAL", got.code())
			},
			want: []string{"operation=mutation user=carol path=createGroup", "canary of an error"},
		},
		"over a socket": {
			fail: func(h *flakyHost) { h.failures.Store(1 << 20) },
			ask: func(t *testing.T, a *api) {
				conn := a.connect(t, nil, object{"token": "carol"})
				require.Contains(t, conn.run(`query Profile { me { username } }`, nil), "errors")
			},
			want: []string{"operation=Profile user=carol path=me", "canary of an error"},
		},
		"a panic": {
			fail: func(h *flakyHost) { h.panics.Store(true) },
			ask: func(t *testing.T, a *api) {
				require.Equal(t, "INTERNAL", a.ask(t, "carol", `query Profile { me { username } }`, nil).code())
			},
			want: []string{"operation=Profile user=carol path=me", "canary of a panic", "flakyHost"},
		},
		"a subscription": {
			fail: func(h *flakyHost) { h.failures.Store(1 << 20) },
			ask: func(t *testing.T, a *api) {
				conn := a.connect(t, nil, object{"token": "carol"})
				id := conn.start(`subscription Live { subscribe { success } }`, nil)
				conn.result(id)
				conn.run(`mutation { createGroup(title: "Secret title") { userGroup { title } } }`, nil)
				require.Equal(t, "INTERNAL", conn.next(id).code(t))
			},
			want: []string{"operation=Live user=carol error=", "canary of an error"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, host := serveFlaky(t)
			tc.fail(host)
			tc.ask(t, a)
			for _, want := range tc.want {
				require.Contains(t, a.logs.String(), want)
			}
			require.NotContains(t, a.logs.String(), "Secret title", "the log has no content")
		})
	}
}

func TestAFailureOfManyFieldsIsLoggedOnce(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	for _, other := range []user.ID{"ann", "bob", "dan"} {
		mine, _, err := a.app.Chats.Open(t.Context(), "carol", other)
		require.NoError(t, err)
		_, err = a.app.Chats.Send(t.Context(), "carol", mine.ID, chat.Draft{Content: "hello"})
		require.NoError(t, err)
	}
	host.failures.Store(1 << 20)
	got := a.ask(t, "carol", `{ chats { nodes { chatMessages(first: 1) { nodes { message { sender { username } } } } } } }`, nil)
	require.Len(t, got.body["errors"], 3)
	require.Equal(t, 1, strings.Count(a.logs.String(), "an operation failed"), a.logs.String())
	require.Contains(t, a.logs.String(), "path=chats.nodes.")
}

func TestLongOperationNamesAreTruncatedInTheLog(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	host.failures.Store(1 << 20)
	require.Equal(t, "INTERNAL", a.ask(t, "carol", `query N`+strings.Repeat("a", 5000)+` { me { username } }`, nil).code())
	require.Contains(t, a.logs.String(), "N"+strings.Repeat("a", 199)+"…")
	require.NotContains(t, a.logs.String(), strings.Repeat("a", 200))
}
