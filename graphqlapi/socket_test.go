package graphqlapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user/token"
)

const whoAmI = `{ me { username } }`

func TestALoginComesFromTheHeaderOrConnectionInit(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice, bob := a.register(t, "alice"), a.register(t, "robert")
	bearer := http.Header{"Authorization": {"Bearer " + alice.token}}
	for name, c := range map[string]struct {
		header  http.Header
		payload any
		who     any // nil without a login
	}{
		"header":                     {header: bearer, who: "alice"},
		"header of another scheme":   {header: http.Header{"Authorization": {"jwt " + alice.token}}, who: "alice"},
		"Authorization":              {payload: map[string]any{"Authorization": "Bearer " + bob.token}, who: "robert"},
		"authorization":              {payload: map[string]any{"authorization": "JWT " + bob.token}, who: "robert"},
		"token":                      {payload: map[string]any{"token": bob.token}, who: "robert"},
		"the message goes before":    {header: bearer, payload: map[string]any{"token": bob.token}, who: "robert"},
		"something else in the way":  {header: bearer, payload: map[string]any{"lang": []string{"de"}}, who: "alice"},
		"nulls":                      {payload: map[string]any{"token": nil, "Authorization": nil}},
		"empty text":                 {payload: map[string]any{"token": ""}},
		"nothing":                    {},
		"a header for somebody else": {header: http.Header{"Authorization": {"Basic YTpi"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := a.connect(t, c.header, c.payload)
			got := at(conn.run(whoAmI, nil), "data", "me")
			if c.who == nil {
				require.Nil(t, got)
				return
			}
			require.Equal(t, c.who, at(got, "username"))
		})
	}
}

func TestABadTokenClosesTheSocket(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	gone := a.login(t, alice.User)
	require.NoError(t, a.app.Tokens.End(t.Context(), alice.ID, gone.session))
	for name, c := range map[string]struct {
		header  http.Header
		payload any
	}{
		"header":              {header: http.Header{"Authorization": {"Bearer nonsense"}}},
		"Authorization":       {payload: map[string]any{"Authorization": "Bearer nonsense"}},
		"without a scheme":    {payload: map[string]any{"Authorization": alice.token}},
		"a scheme alone":      {payload: map[string]any{"Authorization": "Bearer "}},
		"token":               {payload: map[string]any{"token": "nonsense"}},
		"a token of a number": {payload: map[string]any{"token": 7}},
		"an ended session":    {payload: map[string]any{"token": gone.token}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := a.dial(t, c.header)
			conn.init(c.payload)
			code, _ := conn.closed()
			require.Equal(t, 4403, code)
		})
	}
}

func TestWithoutALoginASocketServesOnlyPublicQueries(t *testing.T) {
	t.Parallel()
	a := serve(t)
	a.register(t, "alice")
	conn := a.connect(t, nil, nil)
	require.Equal(t, "alice", at(conn.run(`{ users { nodes { username } } }`, nil), "data", "users", "nodes", 0, "username"))
	for _, document := range []string{`subscription { subscribe { success } }`, `subscription { events { id } }`} {
		require.Equal(t, "UNAUTHENTICATED", conn.next(conn.start(document, nil)).code(t))
	}
	require.Equal(t, "alice", at(conn.run(`{ users { nodes { username } } }`, nil), "data", "users", "nodes", 0, "username"))
}

func TestWhatIsRefusedOverHTTPIsRefusedOnASocket(t *testing.T) {
	t.Parallel()
	a := serve(t)
	conn := a.connectAs(t, a.register(t, "alice"))
	for document, code := range map[string]string{
		`{`:           "BAD_USER_INPUT",
		`{ nothing }`: "BAD_USER_INPUT",
		`{ a: users(first: 1) { totalCount } a: users { totalCount } }`:                         "BAD_USER_INPUT",
		`query($id: ID!) { user(id: $id) { id } }`:                                              "BAD_USER_INPUT",
		`{ __schema { queryType { name } } }`:                                                   "FORBIDDEN",
		`{ ` + strings.Repeat("x: me { id } ", 16) + `}`:                                        "QUERY_TOO_COMPLEX",
		`mutation { a: refreshToken { token } b: refreshToken { token } }`:                      "QUERY_TOO_COMPLEX",
		`subscription { subscribe { success } events { id } }`:                                  "BAD_USER_INPUT",
		`subscription { a: subscribe { success } b: subscribe { success } }`:                    "BAD_USER_INPUT",
		`subscription { ...f } fragment f on Subscription { subscribe { success } __typename }`: "BAD_USER_INPUT",
		`subscription { __typename }`:                                                           "BAD_USER_INPUT",
		`subscription { events { nothing } }`:                                                   "BAD_USER_INPUT",
		`subscription { events @skip(if: true) { id } }`:                                        "BAD_USER_INPUT",
		`subscription { subscribe @include(if: false) { success } }`:                            "BAD_USER_INPUT",
		`subscription($no: Boolean = false) { ... @include(if: $no) { events { id } } }`:        "BAD_USER_INPUT",
		`subscription { events(after: "nonsense") { id } }`:                                     "CURSOR_EXPIRED",
		`subscription($c: String = "AAAAAAAAAAcAAAAAAAAABw") { events(after: $c) { id } }`:      "CURSOR_EXPIRED",
	} {
		require.Equal(t, code, conn.next(conn.start(document, nil)).code(t), document)
	}
	for name, variable := range map[string]bool{"skip": true, "include": false} {
		document := `subscription($b: Boolean!) { ...f @` + name + `(if: $b) } fragment f on Subscription { events { operation } }`
		require.Equal(t, "BAD_USER_INPUT", conn.next(conn.start(document, map[string]any{"b": variable})).code(t), name)
		document = strings.Replace(document, "events { operation }", "subscribe { success }", 1)
		taken := conn.start(document, map[string]any{"b": !variable})
		require.Equal(t, map[string]any{"subscribe": map[string]any{"success": true}}, conn.result(taken)["data"], name)
	}
	conn.send(json.RawMessage(`{"id":"half","type":"subscribe","payload":{"query":"query($s: String) { users(search: $s) { totalCount } }","variables":{"s":"\ud83d"}}}`))
	require.Equal(t, "BAD_USER_INPUT", conn.next("half").code(t), "half a character")
	require.Equal(t, "alice", at(conn.run(whoAmI, nil), "data", "me", "username"))
}

func TestPagesOfOtherOriginsOpenNoSockets(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Origins = []string{"https://app.example.com"} })
	for origin, allowed := range map[string]bool{"https://app.example.com": true, a.server.URL: true, "https://evil.example.com": false, "null": false} {
		conn, response, err := a.tryDial(t, http.Header{"Origin": {origin}})
		if !allowed {
			require.Error(t, err, origin)
			require.Equal(t, http.StatusForbidden, response.StatusCode)
			continue
		}
		require.NoError(t, err, origin)
		conn.init(nil)
		require.Equal(t, "connection_ack", conn.read().Type)
	}
}

func TestTheEndOfALoginEndsItsSockets(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, a *api, p person){
		"the session is revoked": func(t *testing.T, a *api, p person) {
			a.must(t, "", `mutation($t: String) { revokeToken(refreshToken: $t) { revoked } }`, map[string]any{"t": p.refresh})
		},
		"the password changes": func(t *testing.T, a *api, p person) {
			a.must(t, p.token, `mutation($o: String!) { changePassword(oldPassword: $o, newPassword: "another-horse-battery-9") { user { id } } }`, map[string]any{"o": password})
		},
		"the user is deleted": func(t *testing.T, a *api, p person) {
			a.must(t, p.token, `mutation($p: String!) { deleteUser(password: $p) { userId } }`, map[string]any{"p": password})
		},
		"the host ends it": func(t *testing.T, a *api, p person) {
			require.NoError(t, a.app.EndSessions(t.Context(), p.ID, ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			alice := a.register(t, "alice")
			conn := a.connectAs(t, alice)
			subscription, _ := conn.subscribed()
			typed := conn.start(`subscription { events { id } }`, nil)
			conn.run(whoAmI, nil)
			within(t, 5*time.Second, func() {
				end(t, a, alice)
				code, reason := conn.closed()
				require.Equal(t, 4403, code)
				require.Equal(t, "Login ended", reason)
			})
			require.Empty(t, conn.kept[subscription], "after an error or complete message the client would not resubscribe")
			require.Empty(t, conn.kept[typed])
		})
	}
}

func TestOtherLoginsOfTheUserContinue(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	other := a.login(t, alice.User)
	kept, ended := a.connectAs(t, alice), a.connectAs(t, other)
	require.NoError(t, a.app.Tokens.End(t.Context(), other.ID, other.session))
	code, _ := ended.closed()
	require.Equal(t, 4403, code)
	require.Equal(t, "alice", at(kept.run(whoAmI, nil), "data", "me", "username"))
}

func TestALoginThatExpiresEndsItsSockets(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.app.Tokens = token.Options{Keys: s.app.Tokens.Keys, AccessTTL: 4 * time.Second} })
	conn := a.connectAs(t, a.register(t, "alice"))
	subscription, _ := conn.subscribed()
	within(t, 9*time.Second, func() {
		code, _ := conn.closed()
		require.Equal(t, 4403, code)
	})
	require.Empty(t, conn.kept[subscription], "after an error or complete message the client would not resubscribe")
}

func TestAMutationThatEndsItsOwnLoginIsAnswered(t *testing.T) {
	t.Parallel()
	for name, mutation := range map[string]string{
		"revokeToken":    `mutation($t: String, $p: String = "") { revokeToken(refreshToken: $t) { revoked } ...f @include(if: false) } fragment f on Mutation { deleteUser(password: $p) { userId } }`,
		"changePassword": `mutation($p: String!) { changePassword(oldPassword: $p, newPassword: "another-horse-battery-9") { user { username } } }`,
		"deleteUser":     `mutation($p: String!) { deleteUser(password: $p) { userId } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t)
			alice := a.register(t, "alice")
			conn := a.connectAs(t, alice)
			subscription, _ := conn.subscribed()
			id := conn.start(mutation, map[string]any{"t": alice.refresh, "p": password})
			answer := conn.result(id)
			require.NotContains(t, answer, "errors")
			require.NotNil(t, at(answer, "data", name))
			code, _ := conn.closed()
			require.Equal(t, 4403, code)
			require.Equal(t, "complete", conn.next(id).Type)
			require.Empty(t, conn.kept[subscription])
		})
	}
}

func TestALogoutDuringConnectionInitEndsTheSocket(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	host := hostUsers{func(_ context.Context, _ *http.Request, access string) (graphqlapi.Identity, error) {
		if asked.Add(1) > 1 {
			return graphqlapi.Identity{}, storage.Unauthenticated("ended between the two")
		}
		return graphqlapi.Identity{User: "carol", Session: access}, nil
	}}
	a := serve(t, func(s *setup) { s.app.Directory, s.api.Authenticator = host, host })
	conn := a.dial(t, nil)
	conn.init(map[string]any{"token": "one"})
	code, _ := conn.closed()
	require.Equal(t, 4403, code)
	require.EqualValues(t, 2, asked.Load())
}

func TestAFailingAuthenticatorMakesTheClientRetry(t *testing.T) {
	t.Parallel()
	host := hostUsers{func(context.Context, *http.Request, string) (graphqlapi.Identity, error) {
		return graphqlapi.Identity{}, context.DeadlineExceeded
	}}
	a := serve(t, func(s *setup) { s.app.Directory, s.api.Authenticator = host, host })
	conn := a.dial(t, nil)
	conn.init(nil)
	code, _ := conn.closed()
	require.Equal(t, 1013, code)
}

func TestShutdownAnswersOperationsInFlight(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	conn := a.connect(t, nil, object{"token": "carol"})
	subscription, _ := conn.subscribed()
	host.hold = make(chan struct{})
	host.held = make(chan struct{})
	id := conn.start(whoAmI, nil)
	<-host.held

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.handler.Shutdown(ctx) }()
	require.Eventually(t, func() bool {
		_, response, err := a.tryDial(t, nil)
		return err != nil && response.StatusCode == http.StatusServiceUnavailable
	}, patience, time.Millisecond)
	close(host.hold)
	code, _ := conn.closed()
	require.Equal(t, 1001, code)
	require.NoError(t, <-ended)
	require.Equal(t, "carol", at(conn.result(id), "data", "me", "username"))
	require.Equal(t, "complete", conn.next(id).Type)
	require.Empty(t, conn.kept[subscription], "the client resumes on another node")
}

func TestAQueryEndsWhenItsClientLeaves(t *testing.T) {
	t.Parallel()
	a, host := serveFlaky(t)
	conn := a.connect(t, nil, object{"token": "carol"})
	host.hold = make(chan struct{})
	host.held = make(chan struct{})
	host.cut = make(chan struct{})
	id := conn.start(whoAmI, nil)
	<-host.held
	conn.send(object{"id": id, "type": "complete"})
	<-host.cut
}

func throttled(limits graphqlapi.Limits) func(*setup) {
	return func(s *setup) { s.api.Throttle = &graphqlapi.Throttle{Limits: limits} }
}

// few is a limit that does not refill during a test.
func few(n int) graphqlapi.Limit { return graphqlapi.Limit{PerSecond: 1e-6, Burst: n} }

func TestThrottlingCountsRootFields(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"as documented": 0, "as new clients expect": http.StatusTooManyRequests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serve(t, throttled(graphqlapi.Limits{User: few(4), Address: few(5)}), func(s *setup) { s.api.Throttle.Status = status })
			alice := a.register(t, "alice")
			for _, access := range []string{"", alice.token} {
				require.NotContains(t, a.ask(t, access, `{ a: me { id } b: me { id } ...f } fragment f on Query { c: me { id } }`, nil).body, "errors")
				over := a.ask(t, access, `{ a: me { id } b: me { id } c: me { id } }`, nil)
				require.Equal(t, "THROTTLED", over.code())
				require.NotEmpty(t, over.header.Get("Retry-After"))
				if status == 0 {
					require.Equal(t, http.StatusForbidden, over.status)
				} else {
					require.Equal(t, status, over.status)
				}
				require.NotContains(t, a.ask(t, access, whoAmI, nil).body, "errors", "one request is left")
			}
			conn := a.connectAs(t, alice)
			require.Equal(t, "THROTTLED", conn.next(conn.start(whoAmI, nil)).code(t), "a socket has no bucket of its own")
			require.Equal(t, "THROTTLED", conn.next(conn.start(`subscription { subscribe { success } }`, nil)).code(t))
		})
	}
}

func TestLoginsAreThrottledByAccountAndAddress(t *testing.T) {
	t.Parallel()
	const login = `mutation($u: String!) { login(username: $u, password: "wrong-wrong-wrong") { token } }`
	a := serve(t, throttled(graphqlapi.Limits{LoginAccount: few(2), LoginAddress: few(3)}))
	a.register(t, "alice")
	code := func(name string) string { return a.ask(t, "", login, map[string]any{"u": name}).code() }
	require.Equal(t, "UNAUTHENTICATED", code("alice"))
	require.Equal(t, "UNAUTHENTICATED", code("ALICE"))
	require.Equal(t, "THROTTLED", code("Alice"), "in any spelling")
	require.Equal(t, "UNAUTHENTICATED", code("robert"))
	require.Equal(t, "THROTTLED", code("charles"), "the address has used up its logins")
	conn := a.connect(t, nil, nil)
	require.Equal(t, "THROTTLED", conn.next(conn.start(login, map[string]any{"u": "daniel"})).code(t))
}

func TestGuessesFromOtherAddressesLockNoUserOut(t *testing.T) {
	t.Parallel()
	const login = `mutation($u: String!, $p: String!) { login(username: $u, password: $p) { token } }`
	a := serve(t, func(s *setup) {
		s.api.Proxies = 1
		s.api.Throttle = &graphqlapi.Throttle{Limits: graphqlapi.Limits{LoginAccount: few(5), LoginStrangers: few(20), LoginTries: few(2)}}
	})
	a.register(t, "alice")
	code := func(address, secret string) string {
		body := jsonOf(map[string]any{"query": login, "variables": map[string]any{"u": "alice", "p": secret}})
		got := a.do(t, http.MethodPost, "", body, http.Header{"X-Forwarded-For": {address}})
		if got.body["errors"] == nil {
			return ""
		}
		return got.code()
	}
	require.Empty(t, code("198.51.100.1", password))
	guesses := 0
	for n := range 60 { // from ten addresses
		if code(fmt.Sprint("192.0.2.", n%10), "wrong-wrong-wrong") == "UNAUTHENTICATED" {
			guesses++
		}
	}
	require.LessOrEqual(t, guesses, 20+10*2, "guesses from many addresses are slowed down")
	require.Equal(t, "THROTTLED", code("192.0.2.1", password))
	for range 4 {
		require.Empty(t, code("198.51.100.1", password), "from an address known for the account")
	}
	require.Empty(t, code("198.51.100.2", password), "from a new address")
}

func TestPasswordGuessesWithALoginAreThrottledByUser(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{Password: few(2)}))
	alice := a.register(t, "alice")
	code := func(access, document string) string { return a.ask(t, access, document, nil).code() }
	const change = `mutation { changePassword(oldPassword: "wrong", newPassword: "another-horse-battery") { user { id } } }`
	const deletion = `mutation { deleteUser(password: "wrong") { userId } }`
	require.Equal(t, "BAD_USER_INPUT", code(alice.token, change))
	require.Equal(t, "BAD_USER_INPUT", code(alice.token, deletion))
	require.Equal(t, "THROTTLED", code(alice.token, change))
	require.Equal(t, "THROTTLED", code(a.login(t, alice.User).token, deletion), "with any login of the user")
	require.Equal(t, "BAD_USER_INPUT", code(a.register(t, "robert").token, deletion))
	require.Equal(t, "UNAUTHENTICATED", code("", deletion), "without a login there is no password to guess")
	require.Equal(t, "alice", at(a.must(t, alice.token, whoAmI, nil), "me", "username"))
}

func TestSocketsAreCountedByAddressAndUser(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{}), func(s *setup) { s.api.MaxSocketsPerAddress, s.api.MaxSocketsPerUser = 3, 2 })
	alice := a.register(t, "alice")
	first := a.connectAs(t, alice)
	a.connectAs(t, alice)
	third := a.dial(t, nil)
	third.init(map[string]any{"token": alice.token})
	code, reason := third.closed()
	require.Equal(t, 1013, code, "clients try again")
	require.Contains(t, reason, "Too many sockets")

	require.Eventually(t, func() bool {
		conn, _, err := a.tryDial(t, nil)
		return err == nil && conn != nil
	}, patience, time.Millisecond, "the third has gone")
	_, response, err := a.tryDial(t, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"code":"THROTTLED"`)

	require.NoError(t, first.conn.CloseNow())
	require.Eventually(t, func() bool {
		conn, _, err := a.tryDial(t, nil)
		if err != nil {
			return false
		}
		conn.init(map[string]any{"token": alice.token})
		f, err := conn.tryRead()
		return err == nil && f.Type == "connection_ack"
	}, patience, 10*time.Millisecond, "a finished body frees its place")
}

func TestNothingPrivateIsLogged(t *testing.T) {
	t.Parallel()
	const content = "canary-content-of-a-message"
	a := serve(t)
	alice, bob := a.register(t, "alice"), a.register(t, "robert")
	chat := at(a.must(t, alice.token, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": userIDOf(t, a, bob)}), "createChat", "chat", "id")
	conn := a.connectAs(t, bob)
	subscription, _ := conn.subscribed()
	a.must(t, alice.token, `mutation($c: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t) { chatMessage { id } } }`, map[string]any{"c": chat, "t": content})
	require.Equal(t, "CHAT_MESSAGE_CREATED", conn.result(subscription)["operation"])
	a.ask(t, "", `mutation($p: String!) { login(username: "alice", password: $p) { token } }`, map[string]any{"p": password})
	a.ask(t, "", `mutation($p: String!) { login(username: "alice", password: $p) { token } }`, map[string]any{"p": password + "-wrong"})
	a.ask(t, "", `mutation($t: String) { refreshToken(refreshToken: $t) { token } }`, map[string]any{"t": alice.refresh})
	a.ask(t, "broken."+alice.token, `{ me { email } }`, nil)
	a.ask(t, alice.token, `{ me { email } } # `+content, nil)
	a.do(t, "POST", "", `{"query":"{ `+content, nil)
	require.NoError(t, conn.conn.CloseNow())
	late := a.dial(t, nil)
	late.init(map[string]any{"token": "broken." + alice.token})
	late.closed()

	for _, secret := range []string{content, password, alice.token, bob.token, alice.refresh, "@example.com"} {
		require.NotContains(t, a.logs.String(), secret)
	}
}

func userIDOf(t testing.TB, a *api, p person) string {
	t.Helper()
	return at(a.must(t, p.token, `{ me { id } }`, nil), "me", "id").(string)
}

func TestASlowConsumerIsClosedAndResumes(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.app.Realtime.Queue = 4 })
	alice, bob := a.register(t, "alice"), a.register(t, "robert")
	chat := at(a.must(t, alice.token, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": userIDOf(t, a, bob)}), "createChat", "chat", "id")
	conn := a.connectAs(t, bob)
	_, cursor := conn.subscribed()
	// More than the buffers of the connection hold, even at their maximum size.
	const sent = 400
	content := string(bytes.Repeat([]byte("x"), 10_000))
	for range sent {
		a.must(t, alice.token, `mutation($c: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t) { chatMessage { id } } }`, map[string]any{"c": chat, "t": content})
	}
	code, reason := conn.closed()
	require.Equal(t, 4008, code)
	require.Equal(t, "slow consumer", reason)

	again := a.connect(t, nil, map[string]any{"token": bob.token, "after": cursor})
	subscription, _ := again.subscribed()
	created := 0
	for created < sent {
		if again.result(subscription)["operation"] == "CHAT_MESSAGE_CREATED" {
			created++
		}
	}
}

func TestCompletingABlockedSubscriptionEndsIt(t *testing.T) {
	t.Parallel()
	// The queue holds every event, so the blocked subscription does not end as a slow consumer.
	a := serve(t, func(s *setup) { s.app.Realtime.Queue = 2000 })
	alice, bob := a.register(t, "alice"), a.register(t, "robert")
	chat := at(a.must(t, alice.token, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": userIDOf(t, a, bob)}), "createChat", "chat", "id")
	conn := a.connectAs(t, bob)
	subscription, _ := conn.subscribed()
	// More than the buffers of the connection hold, so the subscription blocks.
	content := string(bytes.Repeat([]byte("x"), 10_000))
	for range 800 {
		a.must(t, alice.token, `mutation($c: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t) { chatMessage { id } } }`, map[string]any{"c": chat, "t": content})
	}
	conn.send(map[string]any{"type": "complete", "id": subscription})
	conn.run(`{ eventCursor }`, nil) // continues to read
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, a.handler.Shutdown(ctx)) // waits until every operation has ended
	require.NotContains(t, a.logs.String(), "panicked")
}

func TestAnExpiredCursorEndsTheSubscriptionsThatUseIt(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	own := at(a.must(t, alice.token, `{ eventCursor }`, nil), "eventCursor")
	for name, after := range map[string]any{"unknown": "AAAAAAAAAAAAAAAAAAAABw", "nonsense": "nonsense", "no text": 7, "a list": []any{own}} {
		t.Run(name, func(t *testing.T) {
			conn := a.connect(t, nil, map[string]any{"token": alice.token, "after": after})
			require.Equal(t, "CURSOR_EXPIRED", conn.next(conn.start(`subscription { subscribe { success } }`, nil)).code(t))
			require.Equal(t, "CURSOR_EXPIRED", conn.next(conn.start(`subscription { events { id } }`, nil)).code(t))
			require.Equal(t, "CURSOR_EXPIRED", conn.next(conn.start(`subscription { events(after: "") { id } }`, nil)).code(t))
			undisturbed := conn.start(`subscription($c: String) { events(after: $c) { operation } }`, map[string]any{"c": own})
			require.Equal(t, "alice", at(conn.run(whoAmI, nil), "data", "me", "username"))
			made := at(conn.run(`mutation { createGroup(title: "Climbing") { groupCopy { id } } }`, nil), "data", "createGroup")
			require.NotNil(t, made)
			require.Equal(t, "MEMBER_ADDED", at(conn.result(undisturbed), "data", "events", "operation"))
		})
		own = at(a.must(t, alice.token, `{ eventCursor }`, nil), "eventCursor")
	}
}

func TestNullAndEmptyCursorsAreIgnored(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	a.must(t, alice.token, `mutation { createGroup(title: "Before") { groupCopy { id } } }`, nil)
	for name, after := range map[string]any{"null": nil, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			conn := a.connect(t, nil, map[string]any{"token": alice.token, "after": after})
			envelopes, _ := conn.subscribed()
			literal, err := json.Marshal(after)
			require.NoError(t, err)
			const events = `{ events(after: $c) { member { group { title } } } }`
			typed := []string{
				conn.start(`subscription($c: String) `+events, nil),
				conn.start(`subscription($c: String) `+events, map[string]any{"c": after}),
				conn.start(`subscription($c: String = `+string(literal)+`) `+events, nil),
				conn.start(`subscription `+strings.Replace(events, "$c", string(literal), 1), nil),
			}
			waits := func(id string) bool { return len(conn.kept[id]) == 0 }
			for waits(envelopes) || slices.ContainsFunc(typed, waits) { // they start in any order
				conn.run(`mutation { createGroup(title: "`+name+`") { groupCopy { id } } }`, nil)
			}
			for _, id := range typed {
				require.Equal(t, name, at(conn.result(id), "data", "events", "member", "group", "title"), "no events from before")
			}
		})
	}
}

func TestSubscriptionsResumeFromTheLaterCursor(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	const document = `subscription($c: String) { events(after: $c) { cursor member { group { title } } } }`
	cursors := []any{at(a.must(t, alice.token, `{ eventCursor }`, nil), "eventCursor")}
	for _, title := range []string{"group 0", "group 1", "group 2"} {
		a.must(t, alice.token, `mutation($t: String!) { createGroup(title: $t) { groupCopy { id } } }`, map[string]any{"t": title})
		cursors = append(cursors, at(a.must(t, alice.token, `{ eventCursor }`, nil), "eventCursor"))
	}
	for sockets := range 3 {
		conn := a.connect(t, nil, map[string]any{"token": alice.token, "after": cursors[sockets]})
		envelopes, cursor := conn.subscribed()
		require.Equal(t, cursors[sockets], cursor)
		require.Equal(t, "MEMBER_ADDED", conn.result(envelopes)["operation"])
		for own, after := range []any{cursors[0], cursors[1], cursors[2], nil, ""} {
			first := conn.result(conn.start(document, map[string]any{"c": after}))
			want := sockets
			if own < 3 {
				want = max(own, sockets)
			}
			require.Equal(t, fmt.Sprintf("group %d", want), at(first, "data", "events", "member", "group", "title"), "%d and %d", sockets, own)
			require.Equal(t, map[string]any{"cursor": at(first, "data", "events", "cursor")}, first["extensions"])
		}
		require.Equal(t, "CURSOR_EXPIRED", conn.next(conn.start(document, map[string]any{"c": "nonsense"})).code(t))
	}
}

// subscribedTyped starts the typed subscription after the current position, and returns its id.
func (c *client) subscribedTyped(selection string) string {
	c.t.Helper()
	cursor := at(c.run(`{ eventCursor }`, nil), "data", "eventCursor")
	return c.start(fmt.Sprintf(`subscription($after: String) { events(after: $after) %s }`, selection), map[string]any{"after": cursor})
}
