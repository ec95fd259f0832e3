package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// noLogin is a viewer without a login.
const noLogin = user.ID("")

const secret = "correct-horse-battery"

// A world is an application whose schemas are executed directly.
type world struct {
	t                  testing.TB
	store              buddychat.Store
	app                *buddychat.App
	operations, events *graphql.Schema
	log                *bytes.Buffer

	registered int
	hash       string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, memory.New(nil), nil)
}

// newWorldOn creates a world on a store. With a nil directory, it has the built-in users.
func newWorldOn(t testing.TB, store buddychat.Store, directory user.Directory) *world {
	t.Helper()
	app, err := buddychat.New(store, &buddychat.Options{
		Directory: directory,
		Users:     user.Options{Hash: user.HashParams{Memory: 8, Iterations: 1, Parallelism: 1}},
		Tokens:    token.Options{Keys: []token.Key{{ID: "test", Secret: bytes.Repeat([]byte{7}, 32)}}},
	})
	require.NoError(t, err)
	w := &world{t: t, store: store, app: app, log: &bytes.Buffer{}}
	w.operations, w.events, _, err = newSchemas(app, &Options{})
	require.NoError(t, err)
	return w
}

// A result is the answer to an operation.
type result struct {
	t      testing.TB
	data   any
	errors []resultError
	text   string
}

type resultError struct {
	Message    string
	Path       []any
	Extensions struct{ Code, Field string }
}

// run executes an operation. The variables alternate between name and value.
func (w *world) run(as user.ID, document string, variables ...any) result {
	w.t.Helper()
	return w.runAs(viewer{Identity: Identity{User: as}, eventCursor: "a position"}, document, variables...)
}

func (w *world) runAs(v viewer, document string, variables ...any) result {
	w.t.Helper()
	ctx := withViewer(w.t.Context(), v)
	response := w.operations.Exec(ctx, document, "", named(variables))
	h := &Handler{log: slog.New(slog.NewTextHandler(w.log, nil))}
	h.newResponse(ctx, response.Data, response.Errors) // for its log entries
	return read(w.t, response)
}

// deliver executes a subscription for an event.
func (w *world) deliver(e realtime.Event, document string) result {
	w.t.Helper()
	ctx := withViewer(withEvent(w.t.Context(), e), viewer{Identity: Identity{User: e.Copy.Owner}})
	return read(w.t, w.events.Exec(ctx, document, "", nil))
}

func named(variables []any) map[string]any {
	all := map[string]any{}
	for i := 0; i < len(variables); i += 2 {
		all[variables[i].(string)] = variables[i+1]
	}
	return all
}

func read(t testing.TB, response *graphql.Response) result {
	t.Helper()
	text, err := json.Marshal(response)
	require.NoError(t, err)
	var decoded struct {
		Data   any
		Errors []resultError
	}
	require.NoError(t, json.Unmarshal(text, &decoded))
	return result{t, decoded.Data, decoded.Errors, string(text)}
}

// at returns the value at a path such as "chats.nodes.0.id". The answer must have no errors.
func (r result) at(path string) any {
	r.t.Helper()
	require.Empty(r.t, r.errors, r.text)
	return r.in(path)
}

// in is like at, for an answer that has errors as well.
func (r result) in(path string) any {
	r.t.Helper()
	value := r.data
	for step := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			found, ok := v[step]
			require.True(r.t, ok, "no %s of %s in %s", step, path, r.text)
			value = found
		case []any:
			var i int
			_, err := fmt.Sscan(step, &i)
			require.NoError(r.t, err)
			require.Less(r.t, i, len(v), "%s in %s", path, r.text)
			value = v[i]
		default:
			require.Fail(r.t, "there is nothing at "+path, r.text)
		}
	}
	return value
}

func (r result) string(path string) string {
	r.t.Helper()
	s, ok := r.at(path).(string)
	require.True(r.t, ok, "%s in %s", path, r.text)
	return s
}

func (r result) is(path string) bool {
	r.t.Helper()
	b, ok := r.at(path).(bool)
	require.True(r.t, ok, "%s in %s", path, r.text)
	return b
}

// list returns the strings at a path under each element of a list.
func (r result) list(path, below string) []string {
	r.t.Helper()
	all := []string{}
	for i := range r.at(path).([]any) {
		all = append(all, fmt.Sprint(r.at(fmt.Sprintf("%s.%d.%s", path, i, below))))
	}
	return all
}

// codes returns the codes of the errors, each with its field.
func (r result) codes() []string {
	var codes []string
	for _, e := range r.errors {
		code := e.Extensions.Code
		if e.Extensions.Field != "" {
			code += " " + e.Extensions.Field
		}
		codes = append(codes, code)
	}
	return codes
}

// refused requires exactly one error, with this code and field.
func (r result) refused(code string) {
	r.t.Helper()
	require.Equal(r.t, []string{code}, r.codes(), r.text)
	require.NotEmpty(r.t, r.errors[0].Message)
	require.NotEmpty(r.t, r.errors[0].Path)
}

// register creates a built-in user. All have the same password, because hashing one takes long.
func (w *world) register(name string) user.ID {
	w.t.Helper()
	w.registered++
	phone := user.Phone{Number: fmt.Sprint(10_000_000 + w.registered), CountryCode: "44"}
	if w.hash != "" {
		u, _, err := w.store.CreateUser(w.t.Context(), user.Account{
			Username: name, Email: name + "@example.com", PasswordHash: w.hash, FirstName: "First " + name, LastName: "Last " + name, Phone: phone,
		})
		require.NoError(w.t, err)
		return u.ID
	}
	u, _, err := w.app.Users.Register(w.t.Context(), user.Registration{
		Username: name, Email: name + "@example.com", Password: secret, FirstName: "First " + name, LastName: "Last " + name, Phone: phone,
	})
	require.NoError(w.t, err)
	c, err := w.store.Credentials(w.t.Context(), u.ID)
	require.NoError(w.t, err)
	w.hash = c.PasswordHash
	return u.ID
}

// open opens a chat and returns both copies.
func (w *world) open(a, b user.ID) (mine, others chat.Chat) {
	w.t.Helper()
	mine, others, err := w.app.Chats.Open(w.t.Context(), a, b)
	require.NoError(w.t, err)
	return mine, others
}

func (w *world) send(c chat.Copy, content string) chat.Message {
	w.t.Helper()
	m, err := w.app.Messages.Send(w.t.Context(), c, chat.Draft{Content: content})
	require.NoError(w.t, err)
	return m
}

// group creates a group and adds the other users. It returns the creator's copy first, then the
// others'.
func (w *world) group(title string, creator user.ID, others ...user.ID) []group.Copy {
	w.t.Helper()
	ctx := w.t.Context()
	_, own, err := w.app.Groups.Create(ctx, creator, group.Draft{Title: title})
	require.NoError(w.t, err)
	copies := []group.Copy{own}
	for _, u := range others {
		m, err := w.app.Groups.Add(ctx, creator, own.ID, u)
		require.NoError(w.t, err)
		copies = append(copies, w.groupCopy(u, m.ID))
	}
	return copies
}

func (w *world) groupCopy(u user.ID, id int64) group.Copy {
	w.t.Helper()
	c, err := w.app.Groups.Get(w.t.Context(), u, id)
	require.NoError(w.t, err)
	return c
}

// hostDirectory knows the users of a host.
type hostDirectory map[user.ID]user.Profile

func (d hostDirectory) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		if p, ok := d[id]; ok {
			found[id] = p
		}
	}
	return found, nil
}

// notFound is the message for all objects that do not exist.
var notFound = storage.NotFound().Error()

// failingDirectory returns an error for every lookup.
type failingDirectory struct{}

func (failingDirectory) Lookup(context.Context, ...user.ID) (map[user.ID]user.Profile, error) {
	return nil, errors.New("unreachable")
}

func jsonText(v any) string { return strings.Trim(fmt.Sprint(v), `"`) }

// aMoment matches the format of every date-time.
const aMoment = `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`
