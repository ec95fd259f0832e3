package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat/internal/pgtest"
)

const (
	registration = `mutation($name: String!, $email: String!, $password: String!, $number: String!) {
		createUser(username: $name, email: $email, password: $password, firstName: "Ada", lastName: "Lovelace",
			phoneNumber: {countryCode: "44", number: $number}) { user { id username } } }`
	login    = `mutation($name: String!, $password: String!) { login(username: $name, password: $password) { token } }`
	password = "canary-in-a-password"
)

// register creates a user over HTTP and logs them in.
func register(t *testing.T, p *process, name, number string) client {
	t.Helper()
	c := client{url: p.url + "/graphql", Username: name}
	var created struct {
		CreateUser struct{ User struct{ ID string } }
	}
	require.NoError(t, c.do(t.Context(), &created, registration, map[string]any{
		"name": name, "email": name + "@canary.example", "password": password, "number": number,
	}))
	c.ID = created.CreateUser.User.ID
	require.NotEmpty(t, c.ID)
	var in struct{ Login struct{ Token string } }
	require.NoError(t, c.do(t.Context(), &in, login, map[string]any{"name": name, "password": password}))
	c.Token = in.Login.Token
	return c
}

func whoAmI(t *testing.T, c client) string {
	t.Helper()
	var me struct{ Me struct{ Username string } }
	require.NoError(t, c.do(t.Context(), &me, `{ me { username } }`, nil))
	return me.Me.Username
}

func TestServerWithoutFlagsCreatesItsDatabaseFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir)

	response, err := http.Get(p.url + "/healthz")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, "ok\n", string(body))

	require.Equal(t, "ada.lovelace", whoAmI(t, register(t, p, "ada.lovelace", "12345678")))
	for _, file := range []string{"buddychat.db", "buddychat.db.key"} {
		info, err := os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
	status, _ := p.stop(t, syscall.SIGTERM)
	require.Zero(t, status, p.stderr)
	require.Empty(t, p.stdout.String(), "behind the line that says it is ready nothing is written to the standard output")
}

func TestRestartKeepsDataAndTokens(t *testing.T) {
	t.Parallel()
	databases := map[string]func(t testing.TB) string{
		"SQLite":     func(testing.TB) string { return "sqlite:some.file" },
		"PostgreSQL": pgtest.URL,
	}
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, address := t.TempDir(), database(t)
			first := start(t, dir, "-database", address)
			ada := register(t, first, "ada.lovelace", "12345678")
			status, _ := first.stop(t, syscall.SIGINT)
			require.Zero(t, status, first.stderr)

			second := start(t, dir, "-database", address)
			ada.url = second.url + "/graphql"
			require.Equal(t, "ada.lovelace", whoAmI(t, ada))
			status, _ = second.stop(t, syscall.SIGTERM)
			require.Zero(t, status, second.stderr)
		})
	}
}

func TestMemoryDatabaseKeepsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "-database", "memory:")
	require.Equal(t, "ada.lovelace", whoAmI(t, register(t, p, "ada.lovelace", "12345678")))
	status, _ := p.stop(t, syscall.SIGTERM)
	require.Zero(t, status, p.stderr)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestSecretFlagSignsTheTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "-secret", strings.Repeat("s3cret!", 5))
	register(t, p, "ada.lovelace", "12345678")
	require.NoFileExists(t, filepath.Join(dir, "buddychat.db.key"))
}

// dial opens a logged-in socket without a subscription.
func dial(t *testing.T, c client) *websocket.Conn {
	t.Helper()
	socket, _, err := websocket.Dial(t.Context(), c.url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.CloseNow() })
	require.NoError(t, wsjson.Write(t.Context(), socket, map[string]any{"type": "connection_init", "payload": map[string]string{"token": c.Token}}))
	require.Equal(t, "connection_ack", receive(t, socket)["type"])
	return socket
}

func receive(t *testing.T, socket *websocket.Conn) (frame map[string]any) {
	t.Helper()
	require.NoError(t, wsjson.Read(t.Context(), socket, &frame))
	return frame
}

func TestSignalClosesSocketsAndExitsWithStatusZero(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), "-database", "memory:")
			ada := register(t, p, "ada.lovelace", "12345678")
			idle, busy := dial(t, ada), dial(t, ada)
			require.NoError(t, wsjson.Write(t.Context(), busy, map[string]any{
				"type": "subscribe", "id": "1", "payload": map[string]string{"query": "subscription { subscribe { success } }"},
			}))
			require.Equal(t, "next", receive(t, busy)["type"])

			closed := make(chan error, 2)
			for _, socket := range []*websocket.Conn{idle, busy} {
				go func() {
					var err error
					for err == nil {
						_, _, err = socket.Read(t.Context())
					}
					closed <- err
				}()
			}
			status, took := p.stop(t, signal)
			require.Zero(t, status, p.stderr)
			require.Less(t, took, 10*time.Second)
			for range 2 {
				require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(<-closed))
			}
		})
	}
}

func TestSocketWithSilentPeerDoesNotBlockTheStop(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "-database", "memory:")
	dial(t, register(t, p, "ada.lovelace", "12345678")) // it never reads again
	status, took := p.stop(t, syscall.SIGTERM)
	require.Zero(t, status, p.stderr)
	require.Less(t, took, 10*time.Second)
}

func TestSecondSignalKillsTheServerAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "-database", "memory:")
	dial(t, register(t, p, "ada.lovelace", "12345678")) // the stop waits for this socket
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	// Repeat the signal: the server may not have handled the first one yet.
	require.Eventually(t, func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}, 10*time.Second, 10*time.Millisecond)
	_ = p.cmd.Wait()
	require.Equal(t, -1, p.cmd.ProcessState.ExitCode(), "it was ended by the signal")
}

func TestMessagesArriveOnASocket(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	ada, grace := register(t, p, "ada.lovelace", "12345678"), register(t, p, "grace.hopper", "87654321")
	socket := dial(t, grace)
	require.NoError(t, wsjson.Write(t.Context(), socket, map[string]any{
		"type": "subscribe", "id": "1", "payload": map[string]string{"query": "subscription { subscribe { success } }"},
	}))
	require.Equal(t, "next", receive(t, socket)["type"])

	var opened struct {
		CreateChat struct{ Chat struct{ ID string } }
	}
	require.NoError(t, ada.do(t.Context(), &opened, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": grace.ID}))
	require.NoError(t, ada.do(t.Context(), nil, `mutation($c: ID!) { createChatMessage(chatId: $c, content: "canary-in-a-message") { chatMessage { id } } }`,
		map[string]any{"c": opened.CreateChat.Chat.ID}))
	event, err := json.Marshal(receive(t, socket)["payload"])
	require.NoError(t, err)
	require.Contains(t, string(event), `"CHAT_MESSAGE_CREATED"`)
	require.Contains(t, string(event), "canary-in-a-message")

	require.Error(t, ada.do(t.Context(), nil, login, map[string]any{"name": "ada.lovelace", "password": "canary-in-a-wrong-password"}))
	status, _ := p.stop(t, syscall.SIGTERM)
	require.Zero(t, status)
	log := p.stderr.String()
	require.Contains(t, log, "level=INFO")
	for _, secret := range []string{"canary", ada.Token, grace.Token} {
		require.NotContains(t, log, secret)
	}
}

func TestThrottleCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	const tries = 100
	for _, throttle := range []string{"true", "false"} {
		t.Run(throttle, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.TempDir(), "-database", "memory:", "-throttle="+throttle)
			throttled := 0
			for i := range tries {
				err := client{url: p.url + "/graphql"}.do(t.Context(), nil, `mutation { refreshToken(refreshToken: "nonsense") { token } }`, nil)
				require.Error(t, err, i)
				if strings.Contains(err.Error(), "THROTTLED") {
					throttled++
				}
			}
			require.Equal(t, throttle == "true", throttled > 0)
		})
	}
}

func TestIntrospectionNeedsTheFlag(t *testing.T) {
	t.Parallel()
	closed := client{url: start(t, t.TempDir(), "-database", "memory:").url + "/graphql"}
	require.ErrorContains(t, closed.do(t.Context(), nil, `{ __schema { queryType { name } } }`, nil), "FORBIDDEN")
	open := client{url: start(t, t.TempDir(), "-database", "memory:", "-introspection").url + "/graphql"}
	require.NoError(t, open.do(t.Context(), nil, `{ __schema { queryType { name } } }`, nil))
}

func TestPagesOfListedOriginsMayCall(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "-database", "memory:", "-origin", "https://one.example", "-origin", "https://two.example:8443")
	for origin, allowed := range map[string]bool{"https://one.example": true, "https://two.example:8443": true, "https://three.example": false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, p.url+"/graphql", nil)
		require.NoError(t, err)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, allowed, response.Header.Get("Access-Control-Allow-Origin") == origin, origin)
	}
}

func TestDemonstrationCanBeRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var ids []string
	for range 2 {
		p := start(t, dir, "-demo")
		require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), "# See what there is") }, 10*time.Second, 10*time.Millisecond, p.stderr)
		said := p.stdout.String()
		alice := client{url: p.url + "/graphql", Token: between(t, said, "ALICE=", " ")}
		require.Equal(t, "demo.alice", whoAmI(t, alice))

		var has struct {
			Chats, Groups struct {
				Nodes []struct{ ID string }
			}
		}
		require.NoError(t, alice.do(t.Context(), &has, `{ chats { nodes { id } } groups { nodes { id } } }`, nil))
		require.Len(t, has.Chats.Nodes, 1)
		require.Len(t, has.Groups.Nodes, 1)
		ids = append(ids, has.Chats.Nodes[0].ID+has.Groups.Nodes[0].ID)
		runPasted(t, said, p)
		status, _ := p.stop(t, syscall.SIGTERM)
		require.Zero(t, status, p.stderr)
	}
	require.Equal(t, ids[0], ids[1])
}

// runPasted runs the printed requests of the demonstration in a shell.
func runPasted(t *testing.T, said string, p *process) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("no curl: the requests are not tried")
		return
	}
	variables := "export URL=" + between(t, said, "export URL=", "\n") + "\n"
	_, requests, ok := strings.Cut(said, "# Write to Robert as Alice:")
	require.True(t, ok)
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", variables+requests).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), "errors", p.stderr)
	require.Contains(t, string(out), "Hello, Alice!", "the last request shows what was sent")
}

func between(t *testing.T, s, before, after string) string {
	t.Helper()
	_, s, ok := strings.Cut(s, before)
	require.True(t, ok, before)
	s, _, ok = strings.Cut(s, after)
	require.True(t, ok, after)
	return s
}

func TestDemonstrationDoesNotTakeOverOtherAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir)
	register(t, p, "demo.alice", "12345678")
	p.stop(t, syscall.SIGTERM)
	out, err := command(t, dir, []string{"BUDDYCHAT_ADDR=127.0.0.1:0"}, "-demo").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "buddychat: -demo: the name demo.alice, or what belongs to it, is somebody else's in this database\n")
}

func TestFailedStartPrintsOneLineAndExitsWithStatusOne(t *testing.T) {
	t.Parallel()
	taken := start(t, t.TempDir(), "-database", "memory:")
	port := taken.url[strings.LastIndex(taken.url, ":"):]
	cases := map[string]struct {
		env, args []string
		want      string
	}{
		"port in use":                   {args: []string{"-addr", "127.0.0.1" + port}, want: "cannot listen on 127.0.0.1" + port},
		"invalid address":               {args: []string{"-addr", "nonsense"}, want: "cannot listen on nonsense"},
		"missing directory":             {args: []string{"-database", "sqlite:not/there.db"}, want: "the directory not does not exist"},
		"file that is not a database":   {args: []string{"-database", "sqlite:text"}, want: "text"},
		"unreachable PostgreSQL server": {args: []string{"-database", "postgres://u:canary@127.0.0.1:1/db"}, want: "postgres"},
		"unknown kind of database":      {args: []string{"-database", "mongodb://u:canary@db"}, want: "-database must be sqlite:PATH, memory: or postgres://…"},
		"SQLite without a file":         {args: []string{"-database", "sqlite:"}, want: "sqlite:PATH"},
		"unknown flag":                  {args: []string{"-nonsense"}, want: "-nonsense"},
		"invalid flag value":            {args: []string{"-access-token-ttl", "soon"}, want: `"soon" for flag -access-token-ttl`},
		"invalid variable value":        {env: []string{"BUDDYCHAT_THROTTLE=maybe"}, want: `"maybe" for BUDDYCHAT_THROTTLE`},
		"invalid retention":             {args: []string{"-retention", "0"}, want: "-retention is 0s"},
		"unknown kind of hints":         {args: []string{"-hints", "redis://u:canary@h"}, want: "-hints must be database, none, or nats://"},
		"unreachable NATS server":       {args: []string{"-database", "memory:", "-hints", "nats://u:canary@127.0.0.1:1"}, want: "NATS cannot be reached"},
		"short secret":                  {args: []string{"-secret", "canary"}, want: "-secret has 6 bytes: give it 32 or more"},
		"damaged key":                   {args: []string{"-database", "sqlite:damaged"}, want: "there is no signing key in damaged.key"},
		"invalid origin":                {args: []string{"-origin", "app.example.com"}, want: "scheme://host[:port]"},
		"invalid token lifetime":        {args: []string{"-refresh-token-ttl", "-1s"}, want: "-refresh-token-ttl is -1s"},
		"unexpected argument":           {args: []string{"memory:"}, want: `no flag: "memory:"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte(strings.Repeat("This is no database. ", 100)), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "damaged.key"), nil, 0o600))
			cmd := command(t, dir, append(c.env, "BUDDYCHAT_ADDR=127.0.0.1:0"), c.args...)
			var stdout, stderr strings.Builder
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			require.Error(t, cmd.Run())
			require.Equal(t, 1, cmd.ProcessState.ExitCode())
			require.Empty(t, stdout.String())
			require.Regexp(t, `^buddychat: [^\n]+\n$`, stderr.String())
			require.Contains(t, stderr.String(), c.want)
			require.NotContains(t, stderr.String(), "canary")
			require.LessOrEqual(t, strings.Count(stderr.String(), "refused"), 1, "it says so once")
		})
	}
}

func TestHelpNamesEveryFlagAndItsVariable(t *testing.T) {
	t.Parallel()
	out, err := command(t, t.TempDir(), nil, "-h").Output()
	require.NoError(t, err)
	for _, name := range []string{
		"addr", "database", "hints", "retention", "secret", "throttle", "introspection", "access-token-ttl", "refresh-token-ttl", "origin", "demo",
	} {
		require.Contains(t, string(out), "\n  -"+name)
		require.Contains(t, string(out), fmt.Sprintf("[%s]", variable(name)))
	}
}
