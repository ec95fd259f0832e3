package graphqlapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

const (
	mediaPlain   = "application/json"
	mediaGraphQL = "application/graphql-response+json"
)

func accepting(media ...string) http.Header { return http.Header{"Accept": media} }

func typed(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

func TestRequestsOverHTTPFollowTheSpecification(t *testing.T) {
	t.Parallel()
	a := serve(t)
	big := strings.Repeat(" ", 256<<10)
	cases := []struct {
		name          string
		method, query string
		body          string
		header        http.Header
		status        int
		media         string // mediaPlain by default
		code          string // of the first error; "" for none
	}{
		{name: "a query by POST", body: `{"query":"{ __typename }"}`, status: 200},
		{name: "with a charset", body: `{"query":"{ __typename }"}`, header: typed("application/json; charset=UTF-8"), status: 200},
		{name: "with parameters that are null", body: `{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null}`, status: 200},
		{name: "with maps", body: `{"query":"query Q { __typename }","operationName":"Q","variables":{},"extensions":{"a":1}}`, status: 200},
		{name: "with names that are not known", body: `{"query":"{ __typename }","id":7,"Query":1}`, status: 200},
		{name: "a query by GET", method: "GET", query: "?query=" + url.QueryEscape("{ __typename }"), status: 200},
		{name: "a query by HEAD", method: "HEAD", query: "?query=" + url.QueryEscape("{ __typename }"), status: 200},
		{name: "variables by GET", method: "GET", query: "?query=" + url.QueryEscape("query($n: Int){ users(first: $n) { totalCount } }") + "&variables=" + url.QueryEscape(`{"n":1}`), status: 200},
		{name: "an operation name by GET", method: "GET", query: "?operationName=A&query=" + url.QueryEscape("query A { a: __typename } query B { b: __typename }"), status: 200},
		{name: "empty parameters by GET", method: "GET", query: "?variables=&extensions=&operationName=&query=" + url.QueryEscape("{ __typename }"), status: 200},

		{name: "a mutation by GET", method: "GET", query: "?query=" + url.QueryEscape("mutation { __typename }"), status: 405, code: "BAD_USER_INPUT"},
		{name: "no query by GET", method: "GET", status: 400, code: "BAD_USER_INPUT"},
		{name: "a broken escape by GET", method: "GET", query: "?query=%zz", status: 400, code: "BAD_USER_INPUT"},
		{name: "no UTF-8 by GET", method: "GET", query: "?query=%ff", status: 400, code: "BAD_USER_INPUT"},
		{name: "variables that are no JSON by GET", method: "GET", query: "?query=%7B__typename%7D&variables=%7B", status: 400, code: "BAD_USER_INPUT"},
		{name: "variables that are a list by GET", method: "GET", query: "?query=%7B__typename%7D&variables=%5B%5D", status: 400, code: "BAD_USER_INPUT"},
		{name: "another method", method: "PUT", body: `{"query":"{ __typename }"}`, status: 405, code: "BAD_USER_INPUT"},

		{name: "no content type", body: `{"query":"{ __typename }"}`, header: http.Header{"Content-Type": nil}, status: 415, code: "BAD_USER_INPUT"},
		{name: "text that a form can send", body: `{"query":"{ __typename }"}`, header: typed("text/plain"), status: 415, code: "BAD_USER_INPUT"},
		{name: "a form", body: `query=%7B__typename%7D`, header: typed("application/x-www-form-urlencoded"), status: 415, code: "BAD_USER_INPUT"},
		{name: "a document of its own type", body: `{ __typename }`, header: typed("application/graphql"), status: 415, code: "BAD_USER_INPUT"},
		{name: "another charset", body: `{"query":"{ __typename }"}`, header: typed("application/json; charset=latin1"), status: 415, code: "BAD_USER_INPUT"},
		{name: "a compressed body", body: `{"query":"{ __typename }"}`, header: http.Header{"Content-Encoding": {"gzip"}}, status: 415, code: "BAD_USER_INPUT"},

		{name: "no body", status: 400, code: "BAD_USER_INPUT"},
		{name: "no JSON", body: `{ "not a JSON`, status: 400, code: "BAD_USER_INPUT"},
		{name: "more behind the JSON", body: `{"query":"{ __typename }"} {}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "no UTF-8", body: "{\"query\":\"{ __typename } # \xff\"}", status: 400, code: "BAD_USER_INPUT"},
		{name: "half a character in the query", body: `{"query":"{ users(search: \"\ud83d\") { totalCount } }"}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "half a character in a variable", body: `{"query":"query($s: String) { users(search: $s) { totalCount } }","variables":{"s":"\ude00"}}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "half a character in a variable by GET", method: "GET", query: "?query=" + url.QueryEscape("query($s: String){ users(search: $s) { totalCount } }") + "&variables=" + url.QueryEscape(`{"s":"\ud83d"}`), status: 400, code: "BAD_USER_INPUT"},
		{name: "a character of two halves", body: `{"query":"query($s: String) { users(search: $s) { totalCount } }","variables":{"s":"\ud83d\ude00!"}}`, status: 200},
		{name: "a list of requests", body: `[{"query":"{ __typename }"}]`, status: 400, code: "BAD_USER_INPUT"},
		{name: "null", body: `null`, status: 400, code: "BAD_USER_INPUT"},
		{name: "a number", body: `1`, status: 400, code: "BAD_USER_INPUT"},
		{name: "no query", body: `{"qeury":"{ __typename }"}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "no query in capitals", body: `{"QUERY":"{ __typename }"}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "a query that is an object", body: `{"query":{"a":1}}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "a query that is a number", body: `{"query":0}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "an operation name that is false", body: `{"query":"{ __typename }","operationName":false}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "variables that are text", body: `{"query":"{ __typename }","variables":"{}"}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "variables that are a list", body: `{"query":"{ __typename }","variables":["a"]}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "extensions that are a number", body: `{"query":"{ __typename }","extensions":0}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "a body at its edge", body: `{"query":"{ __typename }"}` + big[26:], status: 200},
		{name: "a body beyond it", body: `{"query":"{ __typename }"}` + big[25:], status: 413, code: "BAD_USER_INPUT"},

		{name: "what does not parse, plain", body: `{"query":"{"}`, status: 200, code: "BAD_USER_INPUT"},
		{name: "what does not parse", body: `{"query":"{"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "what is not valid, plain", body: `{"query":"{ nothing }"}`, status: 200, code: "BAD_USER_INPUT"},
		{name: "what is not valid", body: `{"query":"{ nothing }"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "fields that conflict", body: `{"query":"{ a: users(first: 1) { totalCount } a: users(first: 2) { totalCount } }"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "a variable that is null, plain", body: `{"query":"query($id: ID!) { user(id: $id) { id } }","variables":{"id":null}}`, status: 200, code: "BAD_USER_INPUT"},
		{name: "a variable that is null", body: `{"query":"query($id: ID!) { user(id: $id) { id } }","variables":{"id":null}}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "a variable of another type", body: `{"query":"query($n: Int) { users(first: $n) { totalCount } }","variables":{"n":"1"}}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "an operation that is not there", body: `{"query":"query A { __typename }","operationName":"B"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "no operation name for two", body: `{"query":"query A { __typename } query B { __typename }"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "too much", body: `{"query":"{ users(first:100) { nodes { a: chats(first:100) { nodes { id chatMessages(first:100) { nodes { id } } } } } } }"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "QUERY_TOO_COMPLEX"},
		{name: "introspection", body: `{"query":"{ __schema { queryType { name } } }"}`, header: accepting(mediaGraphQL), status: 403, media: mediaGraphQL, code: "FORBIDDEN"},
		{name: "introspection in a fragment", body: `{"query":"{ ...f } fragment f on Query { __type(name: \"Query\") { name } }"}`, status: 200, code: "FORBIDDEN"},
		{name: "a subscription", body: `{"query":"subscription { subscribe { success } }"}`, header: accepting(mediaGraphQL), status: 400, media: mediaGraphQL, code: "BAD_USER_INPUT"},
		{name: "a subscription, plain", body: `{"query":"subscription { subscribe { success } }"}`, status: 400, code: "BAD_USER_INPUT"},
		{name: "what needs a login", body: `{"query":"{ chats { totalCount } }"}`, header: accepting(mediaGraphQL), status: 200, media: mediaGraphQL, code: "UNAUTHENTICATED"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.media == "" {
				c.media = mediaPlain
			}
			got := a.do(t, c.method, c.query, c.body, c.header)
			require.Equal(t, c.status, got.status, "%s", got.text)
			require.Equal(t, c.media+"; charset=utf-8", got.header.Get("Content-Type"))
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
			switch {
			case c.code != "":
				require.Equal(t, c.code, got.code())
				if c.code != "UNAUTHENTICATED" {
					require.NotContains(t, got.body, "data", "nothing was executed")
				}
			case c.method != http.MethodHead:
				require.NotContains(t, got.body, "errors")
			}
		})
	}
}

func TestAllowNamesTheAcceptedMethods(t *testing.T) {
	t.Parallel()
	a := serve(t)
	got := a.do(t, "GET", "?query="+url.QueryEscape("mutation { __typename }"), "", nil)
	require.Equal(t, "POST", got.header.Get("Allow"))
	got = a.do(t, "DELETE", "", "", nil)
	require.Equal(t, "GET, HEAD, POST, OPTIONS", got.header.Get("Allow"))
	got = a.do(t, "OPTIONS", "", "", nil)
	require.Equal(t, http.StatusNoContent, got.status)
	require.Equal(t, "GET, HEAD, POST, OPTIONS", got.header.Get("Allow"))
}

func TestTheAnswerHasThePreferredMediaType(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for accept, media := range map[string]string{
		"":                                     mediaPlain,
		"*/*":                                  mediaPlain,
		"application/*":                        mediaPlain,
		mediaPlain:                             mediaPlain,
		mediaGraphQL:                           mediaGraphQL,
		mediaGraphQL + ", " + mediaPlain:       mediaGraphQL,
		mediaPlain + ", " + mediaGraphQL:       mediaGraphQL,
		mediaPlain + ", */*":                   mediaPlain,
		mediaGraphQL + ", */*":                 mediaGraphQL,
		mediaGraphQL + ";q=0.8, " + mediaPlain: mediaPlain,
		mediaGraphQL + ";q=0.8, */*;q=0.9":     mediaPlain,
		mediaGraphQL + ";q=0, */*":             mediaPlain,
		mediaPlain + ";q=0, */*":               mediaGraphQL,
		mediaGraphQL + ";charset=utf-8, application/json;charset=utf-8": mediaGraphQL,
		"text/html, application/json;q=0.1":                             mediaPlain,
		"APPLICATION/JSON":                                              mediaPlain,
		"text/html":                                                     "",
		"application/json;charset=latin1":                               "",
		"*/*;q=0":                                                       "",
		"nonsense":                                                      "",
	} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			got := a.do(t, "POST", "", `{"query":"{ __typename }"}`, http.Header{"Accept": {accept}})
			if media == "" {
				require.Equal(t, http.StatusNotAcceptable, got.status)
				require.Equal(t, "BAD_USER_INPUT", got.code())
				return
			}
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, media+"; charset=utf-8", got.header.Get("Content-Type"))
		})
	}
}

func TestErrorsHaveLocationsAndNoSuggestions(t *testing.T) {
	t.Parallel()
	a := serve(t)
	got := a.ask(t, "", "{\n  users(", nil)
	require.Equal(t, []any{map[string]any{"line": 2.0, "column": 9.0}}, firstError(got.body)["locations"])
	got = a.ask(t, "", "{ user }", nil)
	require.NotContains(t, got.text, "Did you mean")
	got = a.ask(t, "", `{ userz(id: "1") { idd } }`, nil)
	require.NotContains(t, got.text, "Did you mean")
	require.NotContains(t, at(firstError(got.body), "extensions"), "field")
}

func TestAtMost64ErrorsAreListedAndEveryNullStays(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for i := range 70 {
		a.register(t, fmt.Sprintf("somebody%d", i))
	}
	got := a.ask(t, "", `{ users(first: 70) { nodes { username email } } }`, nil)
	require.Len(t, got.body["errors"], 64)
	nodes := at(got.body, "data", "users", "nodes").([]any)
	require.Len(t, nodes, 70)
	for _, node := range nodes {
		require.NotEmpty(t, at(node, "username"))
		require.Nil(t, at(node, "email"))
	}
	var document strings.Builder
	for range 90 {
		document.WriteString("x ")
	}
	got = a.ask(t, "", "{ users { "+document.String()+"} }", nil)
	require.LessOrEqual(t, len(got.body["errors"].([]any)), 64)
}

func TestAnInvalidTokenCountsAsNoLogin(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	require.Equal(t, "alice", at(a.must(t, alice.token, `{ me { username } }`, nil), "me", "username"))
	got := a.do(t, "POST", "", `{"query":"{ me { username } }"}`, http.Header{"Authorization": {"JWT " + alice.token}})
	require.Equal(t, "alice", at(got.body, "data", "me", "username"))

	require.Nil(t, a.must(t, alice.token+"x", `{ me { username } }`, nil)["me"])
	require.NoError(t, a.app.Tokens.End(t.Context(), alice.ID, alice.session))
	require.Nil(t, a.must(t, alice.token, `{ me { username } }`, nil)["me"])
	require.Equal(t, "UNAUTHENTICATED", a.ask(t, alice.token, `{ chats { totalCount } }`, nil).code())
}

func TestExpiryIsCappedAtTheMaximumInt(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.app.Tokens.RefreshTTL = 100 * 365 * 24 * time.Hour })
	alice := a.register(t, "alice")
	got := a.must(t, "", `mutation($r: String) { refreshToken(refreshToken: $r) { refreshExpiresIn } }`, map[string]any{"r": alice.refresh})
	require.EqualValues(t, math.MaxInt32, at(got, "refreshToken", "refreshExpiresIn"))
}

func TestIntrospectionCanBeEnabled(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Introspection = true })
	data := a.must(t, "", `{ __schema { queryType { name } subscriptionType { name } } __type(name: "Chat") { name } }`, nil)
	require.Equal(t, "Query", at(data, "__schema", "queryType", "name"))
	require.Equal(t, "Subscription", at(data, "__schema", "subscriptionType", "name"))
	require.Equal(t, "Chat", at(data, "__type", "name"))
}

// hostUsers is the Authenticator of a host that has its own users.
type hostUsers struct {
	authenticate func(ctx context.Context, r *http.Request, token string) (graphqlapi.Identity, error)
}

func (u hostUsers) Authenticate(ctx context.Context, r *http.Request, token string) (graphqlapi.Identity, error) {
	return u.authenticate(ctx, r, token)
}

func (u hostUsers) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		found[id] = user.Profile{ID: id, Username: string(id)}
	}
	return found, nil
}

func TestAHostCanAuthenticateCallers(t *testing.T) {
	t.Parallel()
	host := hostUsers{func(_ context.Context, r *http.Request, _ string) (graphqlapi.Identity, error) {
		switch name := r.Header.Get("X-User"); name {
		case "broken":
			return graphqlapi.Identity{}, context.DeadlineExceeded
		case "refused":
			return graphqlapi.Identity{}, storage.Unauthenticated("no")
		default:
			return graphqlapi.Identity{User: user.ID(name)}, nil
		}
	}}
	a := serve(t, func(s *setup) { s.app.Directory, s.api.Authenticator = host, host })
	as := func(name string) answer {
		return a.do(t, "POST", "", `{"query":"{ me { username } }"}`, http.Header{"X-User": {name}, "Accept": {mediaGraphQL}})
	}
	require.Equal(t, "carol", at(as("carol").body, "data", "me", "username"))
	require.Nil(t, at(as("").body, "data", "me"))
	require.Nil(t, at(as("refused").body, "data", "me"))
	broken := as("broken")
	require.Equal(t, http.StatusInternalServerError, broken.status)
	require.Equal(t, "INTERNAL", broken.code())
	require.Equal(t, "internal error", broken.message())
}

func TestTheDeadlineEndsAnOperationAndKeepsResolvedData(t *testing.T) {
	t.Parallel()
	slow := hostUsers{}
	a := serve(t, func(s *setup) {
		s.app.Directory = slowDirectory{slow}
		s.api.Deadline = time.Second
		s.api.Authenticator = hostUsers{func(context.Context, *http.Request, string) (graphqlapi.Identity, error) {
			return graphqlapi.Identity{User: "carol"}, nil
		}}
	})
	got := a.ask(t, "", `{ first: __typename chats { totalCount } me { username } }`, nil)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "Query", at(got.body, "data", "first"), "%s", got.text)
	require.Equal(t, 0.0, at(got.body, "data", "chats", "totalCount"))
	require.Nil(t, at(got.body, "data", "me"))
	require.Equal(t, "INTERNAL", got.code())
	require.Contains(t, got.message(), "took longer than 1s")
	require.NotContains(t, a.logs.String(), "level=ERROR")
}

// slowDirectory answers only after its caller has given up.
type slowDirectory struct{ hostUsers }

func (slowDirectory) Lookup(ctx context.Context, _ ...user.ID) (map[user.ID]user.Profile, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestThePositionIsTakenFirst(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	data := a.must(t, alice.token, `{ a: eventCursor ...f } fragment f on Query { b: eventCursor me { username } }`, nil)
	require.NotEmpty(t, data["a"])
	require.Equal(t, data["a"], data["b"])
	require.Equal(t, "UNAUTHENTICATED", a.ask(t, "", `{ eventCursor }`, nil).code())
}

// A watchedStore counts the polls of its log.
type watchedStore struct {
	buddychat.Store
	looks atomic.Int32
}

func (s *watchedStore) Tail(ctx context.Context) (realtime.Tail, error) {
	tail, err := s.Store.Tail(ctx)
	return watchedTail{tail, &s.looks}, err
}

type watchedTail struct {
	realtime.Tail
	looks *atomic.Int32
}

func (l watchedTail) Next(ctx context.Context) (realtime.Batch, error) {
	l.looks.Add(1)
	return l.Tail.Next(ctx)
}

// A watchedHost has its own users, whose tokens are their names, and counts lookups.
type watchedHost struct {
	hostUsers
	lookups atomic.Int32
}

func (h *watchedHost) Lookup(ctx context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	h.lookups.Add(1)
	return h.hostUsers.Lookup(ctx, ids...)
}

func TestThePositionIsTakenOnceBeforeResolving(t *testing.T) {
	t.Parallel()
	store := &watchedStore{Store: memory.New(nil)}
	host := &watchedHost{hostUsers: hostUsers{func(_ context.Context, _ *http.Request, name string) (graphqlapi.Identity, error) {
		return graphqlapi.Identity{User: user.ID(name)}, nil
	}}}
	app, err := buddychat.New(store, &buddychat.Options{Directory: host, Realtime: realtime.Options{Poll: time.Hour}})
	require.NoError(t, err)
	served := func(o graphqlapi.Options) *api {
		o.Authenticator = host
		handler, err := graphqlapi.NewHandler(app, &o)
		require.NoError(t, err)
		a := &api{app: app, handler: handler, server: httptest.NewServer(handler)}
		t.Cleanup(a.server.Close)
		return a
	}
	const document = `{ me { username } ...f } fragment f on Query { last: eventCursor }`

	// While the app does not run, there is no position.
	require.Equal(t, "INTERNAL", served(graphqlapi.Options{Deadline: 100 * time.Millisecond}).ask(t, "alice", document, nil).code())
	require.Zero(t, host.lookups.Load())

	ran := make(chan error, 1)
	go func() { ran <- app.Run(context.Background()) }()
	defer func() {
		require.NoError(t, app.Shutdown(context.Background()))
		require.NoError(t, <-ran)
	}()
	_, err = app.Hub.Position(t.Context())
	require.NoError(t, err)
	before := store.looks.Load()
	require.NotEmpty(t, served(graphqlapi.Options{}).must(t, "alice", document, nil)["last"])
	require.EqualValues(t, 1, store.looks.Load()-before)
	require.EqualValues(t, 1, host.lookups.Load())
}

func TestMutationsOfADocumentRunOneAfterAnother(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	data := a.must(t, alice.token, `mutation {
		a: updateUser(bio: "1") { user { bio } }
		b: updateUser(bio: "2") { user { bio } }
		c: updateUser(bio: "3") { user { bio } }
	}`, nil)
	require.Equal(t, "1", at(data, "a", "user", "bio"))
	require.Equal(t, "3", at(data, "c", "user", "bio"))
	require.Equal(t, "3", at(a.must(t, alice.token, `{ me { bio } }`, nil), "me", "bio"))
}

func TestNewHandlerRejectsInvalidOptions(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for name, o := range map[string]*graphqlapi.Options{
		"no origin":         {Origins: []string{"example.com"}},
		"a path":            {Origins: []string{"https://example.com/chat"}},
		"negative proxies":  {Proxies: -1},
		"negative deadline": {Deadline: -time.Second},
		"negative cost":     {MaxCost: -1},
		"negative searches": {MaxSearches: -1},
		"negative event":    {MaxEventCost: -1},
		"a strange status":  {Throttle: &graphqlapi.Throttle{Status: 200}},
		"a rate of nothing": {Throttle: &graphqlapi.Throttle{Limits: graphqlapi.Limits{User: graphqlapi.Limit{Burst: 1}}}},
		"a burst of none":   {Throttle: &graphqlapi.Throttle{Limits: graphqlapi.Limits{Address: graphqlapi.Limit{PerSecond: 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := graphqlapi.NewHandler(a.app, o)
			require.Error(t, err)
		})
	}
	_, err := graphqlapi.NewHandler(nil, nil)
	require.Error(t, err)
	h, err := graphqlapi.NewHandler(a.app, nil)
	require.NoError(t, err)
	require.NoError(t, h.Shutdown(t.Context()))
}

func TestPersistedQueriesAreRefusedSoThatClientsFallBack(t *testing.T) {
	t.Parallel()
	a := serve(t)
	const extensions = `{"persistedQuery":{"version":1,"sha256Hash":"ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38"}}`
	byGET := "?extensions=" + url.QueryEscape(extensions) + "&operationName=Q&variables=%7B%7D"
	for name, got := range map[string]answer{
		"POST":                a.do(t, "POST", "", `{"operationName":"Q","variables":{},"extensions":`+extensions+`}`, nil),
		"POST, null":          a.do(t, "POST", "", `{"query":null,"extensions":`+extensions+`}`, nil),
		"POST, empty":         a.do(t, "POST", "", `{"query":"","extensions":`+extensions+`}`, nil),
		"GET":                 a.do(t, "GET", byGET, "", nil),
		"GET, empty":          a.do(t, "GET", byGET+"&query=", "", nil),
		"POST, new type":      a.do(t, "POST", "", `{"extensions":`+extensions+`}`, accepting(mediaGraphQL)),
		"POST, with a login":  a.do(t, "POST", "", `{"extensions":`+extensions+`}`, http.Header{"Authorization": {"Bearer nonsense"}}),
		"GET, of both kinds":  a.do(t, "GET", byGET, "", accepting(mediaGraphQL, mediaPlain)),
		"POST, more of it":    a.do(t, "POST", "", `{"extensions":{"clientLibrary":{"name":"x"},`+extensions[1:]+`}`, nil),
		"POST, other version": a.do(t, "POST", "", `{"extensions":{"persistedQuery":{"sha256Hash":"x"}}}`, nil),
	} {
		require.Equal(t, "PersistedQueryNotSupported", got.message(), name)
		require.Equal(t, map[string]any{"code": "BAD_USER_INPUT"}, firstError(got.body)["extensions"], name)
		require.NotContains(t, got.body, "data", name)
	}
	conn := a.connect(t, nil, nil)
	conn.send(json.RawMessage(`{"id":"hash","type":"subscribe","payload":{"operationName":"Q","extensions":` + extensions + `}}`))
	refused := conn.next("hash")
	require.Equal(t, "BAD_USER_INPUT", refused.code(t))
	require.Contains(t, string(refused.Payload), `"message":"PersistedQueryNotSupported"`)

	for name, extensions := range map[string]string{"with the query": extensions, "without a hash": `{"persistedQuery":{}}`, "of another form": `{"persistedQuery":7}`} {
		got := a.do(t, "POST", "", `{"query":"{ __typename }","extensions":`+extensions+`}`, nil)
		require.NotContains(t, got.body, "errors", name)
		got = a.do(t, "POST", "", `{"extensions":`+strings.ReplaceAll(extensions, "sha256Hash", "other")+`}`, nil)
		require.Equal(t, 400, got.status, name)
		require.Contains(t, got.message(), "query is missing", name)
	}
}
