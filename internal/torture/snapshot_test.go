package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"

	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/user"
)

func TestSnapshotPlusEventsEqualsAFreshQueryOnThreeNodes(t *testing.T) {
	t.Parallel()
	snapshots(t, onPostgreSQL(t, ownUsers))
}

func TestSnapshotPlusEventsEqualsAFreshQueryOnSQLite(t *testing.T) {
	t.Parallel()
	snapshots(t, onSQLite(t, ownUsers))
}

func snapshots(t *testing.T, c *cluster) {
	t.Helper()
	servers := serve(t, c)
	requireEveryMutation(t, servers[0])
	until := budget(t, 5*time.Minute)
	for n := 0; n == 0 || time.Now().Before(until); n++ {
		newWorld(t, c, servers, n).live(t)
	}
}

// requireEveryMutation requires that each mutation of the schema is in mutations, or in leftOut.
func requireEveryMutation(t *testing.T, server *httptest.Server) {
	t.Helper()
	known := append(slices.Collect(maps.Keys(mutations)), leftOut...)
	known = append(known, "deleteUser")
	data, err := ask(t.Context(), server, "", `{ __schema { mutationType { fields(includeDeprecated: true) { name } } } }`, nil)
	require.NoError(t, err)
	var all []string
	for _, f := range at(data, "__schema", "mutationType", "fields").([]any) { //nolint:forcetypeassert // a panic fails the test too
		all = append(all, textAt(f, "name"))
	}
	require.ElementsMatch(t, all, known)
}

// A world is a set of users who share chats and groups.
type world struct {
	servers []*httptest.Server
	people  []*person
	doomed  string

	mu        sync.Mutex
	observers []*observer
}

type person struct {
	id, access string
	random     *rand.Rand
}

const password = "correct-horse-battery-9"

// newWorld creates users, a chat for each pair of them, and two groups.
func newWorld(t *testing.T, c *cluster, servers []*httptest.Server, round int) *world {
	t.Helper()
	w := &world{servers: servers}
	app := c.nodes[0].app
	var ids []user.ID
	for i := range 4 {
		name := fmt.Sprintf("user-%d-%d", round, i)
		u, _, err := app.Users.Register(t.Context(), user.Registration{
			Username: name, Email: name + "@example.com", Password: password, FirstName: "Given", LastName: "Family",
			Phone: user.Phone{Number: fmt.Sprintf("1%08d", 10*round+i), CountryCode: "49"},
		})
		require.NoError(t, err)
		pair, err := app.Tokens.Login(t.Context(), u)
		require.NoError(t, err)
		p := &person{access: pair.Access, random: rand.New(rand.NewPCG(rand.Uint64(), 0))}
		data, err := ask(t.Context(), servers[0], p.access, `{ me { id } }`, nil)
		require.NoError(t, err)
		p.id = textAt(data, "me", "id")
		w.people, ids = append(w.people, p), append(ids, u.ID)
		for _, other := range ids {
			_, _, err := app.Chats.Open(t.Context(), u.ID, other)
			require.NoError(t, err)
		}
	}
	for _, creator := range ids[:2] {
		_, own, err := app.Groups.Create(t.Context(), creator, group.Draft{Title: "a title"})
		require.NoError(t, err)
		for _, other := range ids {
			if other != creator {
				_, err := app.Groups.Add(t.Context(), creator, own.ID, other)
				require.NoError(t, err)
			}
		}
	}
	w.doomed = w.people[len(w.people)-1].id
	return w
}

func (w *world) server(random *rand.Rand) *httptest.Server {
	return w.servers[random.IntN(len(w.servers))]
}

// live makes all users act at the same time, while clients connect. At the end, each client must
// have what a fresh query returns.
func (w *world) live(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
	defer cancel()
	errs := make([]error, len(w.people))
	var wg sync.WaitGroup
	for i, p := range w.people {
		wg.Go(func() { errs[i] = w.act(ctx, p, 30) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	// Send a last message to each conversation. A client that has it has everything before it.
	alive := w.people[:len(w.people)-1]
	for _, p := range alive {
		require.NoError(t, w.endAll(ctx, p))
	}
	for _, p := range alive {
		fresh, err := ask(ctx, w.server(p.random), p.access, snapshot, nil)
		require.NoError(t, err)
		requireCounts(t, p.id, fresh)
		for _, o := range w.observers {
			if o.person == p {
				o.settle(t, viewOf(fresh))
			}
		}
	}
	for _, o := range w.observers { // also those of the erased user
		require.NoError(t, o.stop())
	}
}

// act runs random mutations on random nodes, and adds a client twice in the meantime. The user who
// is doomed is erased at the end.
func (w *world) act(ctx context.Context, p *person, steps int) error {
	s := &seen{random: p.random}
	for _, other := range w.people {
		s.others = append(s.others, other.id)
	}
	names := slices.Sorted(maps.Keys(mutations))
	for i := range steps {
		if i == steps/4 || i == steps/2 {
			if err := w.observe(ctx, p, i == steps/2); err != nil {
				return err
			}
		}
		data, err := ask(ctx, w.server(p.random), p.access, snapshot, nil)
		if err != nil {
			return err
		}
		s.view = viewOf(data)
		m := mutations[names[p.random.IntN(len(names))]]
		variables, ok := m.choose(s)
		if !ok {
			m = mutations[[]string{"createChatMessage", "createGroupMessage"}[i%2]]
			if variables, ok = m.choose(s); !ok {
				continue
			}
		}
		if _, err := ask(ctx, w.server(p.random), p.access, m.document, declared(m.document, variables)); err != nil {
			return err
		}
	}
	if p.id != w.doomed {
		return nil
	}
	_, err := ask(ctx, w.server(p.random), p.access, eraseMutation, object{"password": password})
	return err
}

// declared returns the variables that a document declares.
func declared(document string, variables object) object {
	needed := maps.Clone(variables)
	maps.DeleteFunc(needed, func(name string, _ any) bool { return !strings.Contains(document, "$"+name+":") })
	return needed
}

// endAll sends a last message to each conversation of a user.
func (w *world) endAll(ctx context.Context, p *person) error {
	data, err := ask(ctx, w.server(p.random), p.access, snapshot, nil)
	if err != nil {
		return err
	}
	v := viewOf(data)
	for id := range v.Chats {
		_, err = ask(ctx, w.server(p.random), p.access, mutations["createChatMessage"].document, object{"of": id, "text": "the end"})
		if err != nil {
			return err
		}
	}
	for id := range v.Groups {
		_, err = ask(ctx, w.server(p.random), p.access, mutations["createGroupMessage"].document, object{"of": id, "text": "the end"})
		if err != nil {
			return err
		}
	}
	return nil
}

// An observer is a client that begins with a snapshot and then follows only the events. When its
// socket is closed, it resumes on a random node.
type observer struct {
	*person
	w      *world
	typed  bool
	cursor string
	random *rand.Rand

	cancel  context.CancelFunc
	ended   chan error
	changed chan struct{}

	mu    sync.Mutex
	view  *view
	heard []string // printed if the test fails
}

func (w *world) observe(ctx context.Context, p *person, typed bool) error {
	data, err := ask(ctx, w.server(p.random), p.access, snapshot, nil)
	if err != nil {
		return err
	}
	o := &observer{
		person: p, w: w, typed: typed, view: viewOf(data), cursor: textAt(data, "eventCursor"), random: rand.New(rand.NewPCG(p.random.Uint64(), 0)),
		ended: make(chan error, 1), changed: make(chan struct{}, 1),
	}
	ctx, o.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() { o.ended <- o.follow(ctx) }()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.observers = append(w.observers, o)
	return nil
}

// follow applies events until the client is stopped or its user is erased.
func (o *observer) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		err := o.listen(ctx)
		switch code := websocket.CloseStatus(err); {
		case ctx.Err() != nil, code == 4403 && o.id == o.w.doomed:
			return nil //nolint:nilerr // the expected end
		case code == 4008: // the client was slow, and resumes
		default:
			return fmt.Errorf("following: %w", err)
		}
	}
	return nil
}

// listen applies the events of one socket. It returns the error that ended the socket.
func (o *observer) listen(ctx context.Context) error {
	conn, err := subscribe(ctx, o.w.server(o.random), o.access, o.cursor, o.typed)
	if err != nil {
		return err
	}
	defer conn.CloseNow() //nolint:errcheck // already ended
	for {
		f, err := readFrame(ctx, conn)
		if err != nil {
			return err
		}
		switch f.Type {
		case "next":
			if err := o.take(ctx, f.Payload); err != nil {
				return err
			}
		case "error":
			if o.id != o.w.doomed {
				return fmt.Errorf("refused: %s", f.Payload)
			}
		}
	}
}

// take applies one event. The first frame of the documented subscription is not an event.
func (o *observer) take(ctx context.Context, payload json.RawMessage) error {
	var decoded any
	if err := json.Unmarshal(payload, &decoded); err != nil {
		return err
	}
	var c change
	switch event := at(decoded, "data", "events"); {
	case at(decoded, "errors") != nil && o.id == o.w.doomed:
		return nil
	case at(decoded, "errors") != nil:
		return fmt.Errorf("an event failed: %s", payload)
	case event != nil:
		c, o.cursor = typedChange(event), textAt(event, "cursor")
	case textAt(decoded, "operation") != "":
		c, o.cursor = envelopeChange(decoded), textAt(decoded, "cursor")
	default:
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.heard = append(o.heard, fmt.Sprintf("%+v", c))
	err := o.view.apply(c, o.id, func(copy string) (any, error) {
		data, err := ask(ctx, o.w.server(o.random), o.access, oneGroup, object{"id": copy})
		return at(data, "group"), err
	})
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return err
}

// settle waits until the client's view equals the fresh query. Nothing changes the data any more.
func (o *observer) settle(t *testing.T, fresh *view) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !o.has(fresh) {
		select {
		case <-o.changed:
		case err := <-o.ended:
			require.NoError(t, err)
		case <-ctx.Done():
			o.mu.Lock()
			defer o.mu.Unlock()
			require.Equal(t, fresh, o.view, "typed %t, heard:\n%s", o.typed, strings.Join(o.heard, "\n"))
		}
	}
	require.NoError(t, o.stop())
}

func (o *observer) has(fresh *view) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return reflect.DeepEqual(fresh, o.view)
}

// stop stops the client. It may be called more than once.
func (o *observer) stop() error {
	o.cancel()
	err := <-o.ended
	o.ended <- nil
	return err
}
