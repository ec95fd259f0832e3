package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat/internal/pgtest"
)

// built builds the reference server once and returns its path.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "buddychat-faults-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "server")
	out, err := exec.Command("go", "build", "-o", binary, "../../examples/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	buildDir = dir
	return binary, nil
})

var buildDir string

func removeServer() {
	if buildDir != "" {
		_ = os.RemoveAll(buildDir) // it is a temporary directory
	}
}

// A process is a server that can be killed and started again, at the same address.
type process struct {
	t    *testing.T
	args []string
	dir  string
	addr string

	mu  sync.Mutex
	cmd *exec.Cmd
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: append(args, "-throttle=false"), dir: t.TempDir(), addr: "127.0.0.1:0"}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) url() string { return "http://" + p.addr + "/graphql" }

func (p *process) start() {
	p.t.Helper()
	binary, err := built()
	require.NoError(p.t, err)
	for deadline := time.Now().Add(settled); ; breathe(p.t.Context(), 10*time.Millisecond) {
		cmd := exec.Command(binary, append(p.args, "-addr", p.addr)...)
		cmd.Dir, cmd.Env = p.dir, []string{"PATH=" + os.Getenv("PATH")}
		out, err := cmd.StdoutPipe()
		require.NoError(p.t, err)
		require.NoError(p.t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil { // the port may still be in use for a moment
			_ = cmd.Wait() // the process has failed
			require.True(p.t, time.Now().Before(deadline), "the server does not start")
			continue
		}
		if p.addr == "127.0.0.1:0" {
			p.addr = strings.TrimSpace(strings.TrimPrefix(line, "listening on http://"))
		}
		p.mu.Lock()
		p.cmd = cmd
		p.mu.Unlock()
		return
	}
}

// kill ends the process at once, with SIGKILL.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // fails if the process has ended
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// stop asks the process to end and waits until it has.
func (p *process) stop() {
	p.t.Helper()
	began := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	state, err := p.cmd.Process.Wait()
	require.NoError(p.t, err)
	require.Zero(p.t, state.ExitCode())
	require.Less(p.t, time.Since(began), 10*time.Second)
	p.cmd = nil
}

var people sync.Mutex

// register creates a user and returns their id and a token.
func register(t *testing.T, p *process, name string, numbered int) (id, token string) {
	t.Helper()
	people.Lock() // hash one password at a time: other tests measure delays on the same CPUs
	defer people.Unlock()
	var created struct {
		CreateUser struct{ User struct{ ID string } }
	}
	const password = "battery horse staple 7"
	require.NoError(t, ask(t.Context(), p.url(), "", `mutation($n: String!, $e: String!, $p: String!, $d: String!) {
		createUser(username: $n, email: $e, password: $p, firstName: "Ada", lastName: "Byron", phoneNumber: {countryCode: "44", number: $d}) { user { id } } }`,
		map[string]any{"n": name, "e": name + "@example.com", "p": password, "d": strconv.Itoa(10_000_000 + numbered)}, &created))
	return created.CreateUser.User.ID, logIn(t, p, name, password)
}

func logIn(t *testing.T, p *process, name, password string) string {
	t.Helper()
	var in struct{ Login struct{ Token string } }
	require.NoError(t, ask(t.Context(), p.url(), "", `mutation($n: String!, $p: String!) { login(username: $n, password: $p) { token } }`,
		map[string]any{"n": name, "p": password}, &in))
	return in.Login.Token
}

// talksOver opens chats whose users send over HTTP and listen over sockets. Each request and each
// socket uses a random server.
func talksOver(t *testing.T, many int, servers ...*process) []*talk {
	t.Helper()
	all := make([]*talk, many)
	for i := range all {
		_, sender := register(t, servers[0], fmt.Sprintf("sender.%d", i), 2*i)
		id, listener := register(t, servers[0], fmt.Sprintf("listener.%d", i), 2*i+1)
		var opened struct {
			CreateChat struct{ Chat struct{ ID string } }
		}
		require.NoError(t, ask(t.Context(), servers[0].url(), sender, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": id}, &opened))
		anywhere := func() string { return servers[rand.IntN(len(servers))].url() }
		all[i] = &talk{
			send: func(ctx context.Context, number int) error {
				return ask(ctx, anywhere(), sender, sendMutation, map[string]any{"c": opened.CreateChat.Chat.ID, "t": strconv.Itoa(number)}, nil)
			},
			follow: func(ctx context.Context, cursor string, got func(arrival)) error {
				return followSocket(ctx, anywhere(), listener, cursor, form(i%2), got)
			},
			stored: func(ctx context.Context) ([]string, error) {
				return contents(ctx, anywhere(), sender, opened.CreateChat.Chat.ID)
			},
		}
	}
	return all
}

func TestKilledServerLosesNoAcknowledgedMessageAndStoresNoneTwice(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(t *testing.T) string{
		"SQLite":     func(*testing.T) string { return "sqlite:killed.db" },
		"PostgreSQL": func(t *testing.T) string { t.Helper(); return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "-database", database(t))
			all := talksOver(t, 4, p)
			under(t, all, often, func(ctx context.Context) {
				for range long(3, 50) {
					progress(t, ctx, all)
					p.kill()
					p.start()
				}
				progress(t, ctx, all)
			})
			counted(t, all)
		})
	}
}

// contents returns the messages of a chat, newest first.
func contents(ctx context.Context, url, token, chat string) (all []string, err error) {
	for cursor, more := "", true; more; {
		var page struct {
			Chat struct {
				ChatMessages struct {
					Nodes    []struct{ Message struct{ Content string } }
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
				}
			}
		}
		variables := map[string]any{"c": chat}
		if cursor != "" {
			variables["after"] = cursor
		}
		err := ask(ctx, url, token, `query($c: ID!, $after: String) { chat(id: $c) { chatMessages(first: 100, after: $after) {
			nodes { message { content } } pageInfo { hasNextPage endCursor } } } }`, variables, &page)
		if err != nil {
			return nil, err
		}
		for _, m := range page.Chat.ChatMessages.Nodes {
			all = append(all, m.Message.Content)
		}
		cursor, more = page.Chat.ChatMessages.PageInfo.EndCursor, page.Chat.ChatMessages.PageInfo.HasNextPage
	}
	return all, nil
}

// counted checks that each chat contains the acknowledged numbers, once each and in order.
func counted(t *testing.T, all []*talk) {
	t.Helper()
	for _, k := range all {
		got, err := k.stored(t.Context())
		require.NoError(t, err)
		var want []string
		for number := k.acknowledged.Load(); number > 0; number-- {
			want = append(want, strconv.FormatInt(number, 10))
		}
		require.Equal(t, want, got)
	}
}

func TestRollingRestartLosesNoMessage(t *testing.T) {
	t.Parallel()
	flags := []string{"-database", pgtest.URL(t), "-secret", strings.Repeat("s3cret!", 5)}
	servers := []*process{start(t, flags...), start(t, flags...), start(t, flags...)}
	all := talksOver(t, 6, servers...)
	under(t, all, often, func(ctx context.Context) {
		for range long(1, 5) {
			for _, p := range servers {
				progress(t, ctx, all)
				p.stop()
				progress(t, ctx, all)
				p.start()
			}
		}
		progress(t, ctx, all)
	})
	counted(t, all)
	for _, k := range all {
		for _, cut := range k.cuts {
			if _, outside := errors.AsType[notIn](cut); !outside {
				require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(cut), "%v", cut)
			}
		}
	}
}

func TestEndingALoginClosesItsSocketsOnEveryNode(t *testing.T) {
	t.Parallel()
	flags := []string{"-database", pgtest.URL(t), "-secret", strings.Repeat("s3cret!", 5)}
	one, two := start(t, flags...), start(t, append(flags, "-access-token-ttl", "4s")...)
	const password = "battery horse staple 7"
	register(t, one, "ada.lovelace", 1)
	for name, end := range map[string]func(token, refresh string) error{
		"1 logout": func(_, refresh string) error {
			return ask(t.Context(), one.url(), "", `mutation($r: String!) { revokeToken(refreshToken: $r) { revoked } }`, map[string]any{"r": refresh}, nil)
		},
		"2 a changed password": func(token, _ string) error {
			return errors.Join(
				ask(t.Context(), one.url(), token, `mutation($p: String!) { changePassword(oldPassword: $p, newPassword: "another horse 88 ok") { user { id } } }`, map[string]any{"p": password}, nil),
				ask(t.Context(), one.url(), logIn(t, one, "ada.lovelace", "another horse 88 ok"), `mutation($p: String!) { changePassword(oldPassword: "another horse 88 ok", newPassword: $p) { user { id } } }`,
					map[string]any{"p": password}, nil),
			)
		},
	} {
		t.Run(name, func(t *testing.T) { endsSocket(t, one, two, end) })
	}
	t.Run("expiry", func(t *testing.T) {
		// The token is valid for four seconds, less up to a second of rounding.
		token := logIn(t, two, "ada.lovelace", password)
		began := time.Now()
		c, err := socket(t.Context(), one.url(), token, "", envelope)
		require.NoError(t, err)
		require.NoError(t, wait(t.Context(), c, "next"))
		requireEnded(t, c, 4*time.Second+5*time.Second-time.Since(began))
		require.Greater(t, time.Since(began), 2*time.Second)
	})
	t.Run("deletion", func(t *testing.T) {
		endsSocket(t, one, two, func(token, _ string) error {
			return ask(t.Context(), one.url(), token, `mutation($p: String!) { deleteUser(password: $p) { userId } }`, map[string]any{"p": password}, nil)
		})
	})
}

// endsSocket opens a socket on one node, ends its login on the other, and checks that the socket is
// closed.
func endsSocket(t *testing.T, one, two *process, end func(token, refresh string) error) {
	t.Helper()
	var in struct {
		Login struct{ Token, RefreshToken string }
	}
	require.NoError(t, ask(t.Context(), one.url(), "", `mutation { login(username: "ada.lovelace", password: "battery horse staple 7") { token refreshToken } }`, nil, &in))
	var sockets []*websocket.Conn
	for _, f := range []form{envelope, typed} {
		var now struct{ EventCursor string }
		require.NoError(t, ask(t.Context(), two.url(), in.Login.Token, `{ eventCursor }`, nil, &now))
		c, err := socket(t.Context(), two.url(), in.Login.Token, now.EventCursor, f)
		require.NoError(t, err)
		if f == envelope {
			require.NoError(t, wait(t.Context(), c, "next"))
		}
		sockets = append(sockets, c)
	}
	require.NoError(t, end(in.Login.Token, in.Login.RefreshToken))
	began := time.Now()
	for _, c := range sockets {
		requireEnded(t, c, 5*time.Second-time.Since(began))
	}
}

// requireEnded reads until the socket is closed, and checks that this happens in time and because
// the login ended. No subscription may receive an error first: clients take it for the end of the
// subscription and do not reconnect.
func requireEnded(t *testing.T, c *websocket.Conn, most time.Duration) {
	t.Helper()
	defer c.CloseNow() //nolint:errcheck // already ended
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	for {
		var frame struct {
			Type    string
			Payload json.RawMessage
		}
		if err := wsjson.Read(ctx, c, &frame); err != nil {
			require.Equal(t, websocket.StatusCode(4403), websocket.CloseStatus(err), "%v", err)
			return
		}
		require.NotContains(t, []string{"error", "complete"}, frame.Type, "%s", frame.Payload)
	}
}
