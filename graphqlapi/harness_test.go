package graphqlapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// patience is how long a test waits for an expected event.
const patience = 10 * time.Second

const password = "correct-horse-battery-9"

// An api is a served application, with helpers for tests.
type api struct {
	app     *buddychat.App
	handler *graphqlapi.Handler
	server  *httptest.Server
	logs    *logBuffer
}

type setup struct {
	store buddychat.Store // must be empty
	app   buddychat.Options
	api   graphqlapi.Options
}

// serve serves an application. The default store is in memory, and nothing is throttled unless the
// test configures it.
func serve(t testing.TB, configure ...func(*setup)) *api {
	t.Helper()
	a := &api{logs: &logBuffer{}}
	s := setup{store: memory.New(nil), api: graphqlapi.Options{Throttle: &graphqlapi.Throttle{Off: true}}}
	logger := slog.New(slog.NewTextHandler(a.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.app.Logger, s.api.Logger = logger, logger
	s.app.Users.Hash = user.HashParams{Memory: 8, Iterations: 1, Parallelism: 1}
	s.app.Tokens.Keys = []token.Key{{ID: "test", Secret: bytes.Repeat([]byte{7}, 32)}}
	for _, c := range configure {
		c(&s)
	}
	var err error
	a.app, err = buddychat.New(s.store, &s.app)
	require.NoError(t, err)
	a.handler, err = graphqlapi.NewHandler(a.app, &s.api)
	require.NoError(t, err)
	ran := make(chan error, 1)
	go func() { ran <- a.app.Run(context.Background()) }()
	a.server = httptest.NewServer(a.handler)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, a.handler.Shutdown(ctx))
		a.server.Close()
		require.NoError(t, a.app.Shutdown(ctx))
		require.NoError(t, <-ran)
	})
	return a
}

// A person is a registered user who is logged in.
type person struct {
	user.User
	token, refresh string
	session        string
}

func (a *api) register(t testing.TB, name string) person {
	t.Helper()
	u, _, err := a.app.Users.Register(t.Context(), user.Registration{
		Username: name, Email: name + "@example.com", Password: password, FirstName: "Given", LastName: "Family",
		Phone: user.Phone{Number: phoneOf(name), CountryCode: "49"},
	})
	require.NoError(t, err)
	return a.login(t, u)
}

// phoneOf derives a phone number from a name.
func phoneOf(name string) string {
	number := 0
	for _, r := range name {
		number = (number*31 + int(r)) % 1_000_000_000
	}
	return fmt.Sprintf("111%09d", number)
}

func jsonOf(v any) string {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func (a *api) login(t testing.TB, u user.User) person {
	t.Helper()
	pair, err := a.app.Tokens.Login(t.Context(), u)
	require.NoError(t, err)
	return person{User: u, token: pair.Access, refresh: pair.Refresh, session: pair.Claims.Session}
}

// An answer is an answer over HTTP.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

// do sends a request. The default Content-Type is JSON. A nil value removes a header.
func (a *api) do(t testing.TB, method, query, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.server.URL+"/graphql"+query, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	maps.Copy(r.Header, header)
	response, err := a.server.Client().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	got := answer{status: response.StatusCode, header: response.Header}
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	got.text = string(raw)
	if len(raw) > 0 && strings.Contains(response.Header.Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(raw, &got.body), "%s", raw)
	}
	return got
}

// ask sends a document with variables and a token; "" sends no token.
func (a *api) ask(t testing.TB, access, document string, variables map[string]any) answer {
	t.Helper()
	header := http.Header{}
	if access != "" {
		header.Set("Authorization", "Bearer "+access)
	}
	return a.do(t, http.MethodPost, "", jsonOf(map[string]any{"query": document, "variables": variables}), header)
}

// must sends a document. The answer must have no errors; must returns its data.
func (a *api) must(t testing.TB, access, document string, variables map[string]any) map[string]any {
	t.Helper()
	got := a.ask(t, access, document, variables)
	require.NotContains(t, got.body, "errors", "%s", got.text)
	return got.body["data"].(map[string]any)
}

// code returns the code of the first error.
func (a answer) code() string {
	return firstError(a.body)["extensions"].(map[string]any)["code"].(string)
}

func (a answer) message() string { return firstError(a.body)["message"].(string) }

func firstError(body map[string]any) map[string]any {
	return body["errors"].([]any)[0].(map[string]any)
}

// at returns the value at a path of keys and indexes in decoded JSON.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			value = value.(map[string]any)[step]
		case int:
			value = value.([]any)[step]
		}
	}
	return value
}

// A logBuffer is a log that tests can read.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
