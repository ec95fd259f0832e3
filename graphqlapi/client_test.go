package graphqlapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
)

// A client is the client end of a socket. It is for one goroutine.
type client struct {
	t      testing.TB
	conn   *websocket.Conn
	lastID int
	kept   map[string][]frame // frames that were read before they were asked for, by operation
}

type frame struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

func (f frame) decode(t testing.TB) map[string]any {
	t.Helper()
	var decoded map[string]any
	require.NoError(t, json.Unmarshal(f.Payload, &decoded), "%s", f.Payload)
	return decoded
}

// code returns the code of the first error in an error frame.
func (f frame) code(t testing.TB) string {
	t.Helper()
	var list []map[string]any
	require.Equal(t, "error", f.Type, "%s", f.Payload)
	require.NoError(t, json.Unmarshal(f.Payload, &list))
	return at(list[0], "extensions", "code").(string)
}

// dial opens a socket and sends nothing.
func (a *api) dial(t testing.TB, header http.Header) *client {
	t.Helper()
	conn, response, err := a.tryDial(t, header)
	require.NoError(t, err, "%v", response)
	return conn
}

func (a *api) tryDial(t testing.TB, header http.Header) (*client, *http.Response, error) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(a.server.URL, "http")+"/graphql", &websocket.DialOptions{
		HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		return nil, response, err
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{t: t, conn: conn, kept: map[string][]frame{}}, response, nil
}

// connect opens a socket and sends connection_init. The payload may be nil.
func (a *api) connect(t testing.TB, header http.Header, payload any) *client {
	t.Helper()
	c := a.dial(t, header)
	c.init(payload)
	require.Equal(t, "connection_ack", c.read().Type)
	return c
}

// connectAs opens a socket with a user's login.
func (a *api) connectAs(t testing.TB, p person) *client {
	t.Helper()
	return a.connect(t, nil, map[string]any{"Authorization": "Bearer " + p.token})
}

func (c *client) init(payload any) {
	c.t.Helper()
	message := map[string]any{"type": "connection_init"}
	if payload != nil {
		message["payload"] = payload
	}
	c.send(message)
}

func (c *client) send(message any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(c.t, c.conn.Write(ctx, websocket.MessageText, []byte(jsonOf(message))))
}

// start starts an operation and returns its id.
func (c *client) start(document string, variables map[string]any) string {
	c.t.Helper()
	c.lastID++
	id := strconv.Itoa(c.lastID)
	c.send(map[string]any{"id": id, "type": "subscribe", "payload": map[string]any{"query": document, "variables": variables}})
	return id
}

// read returns the next frame of any operation.
func (c *client) read() frame {
	c.t.Helper()
	f, err := c.tryRead()
	require.NoError(c.t, err)
	return f
}

func (c *client) tryRead() (f frame, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(data, &f)
}

// next returns the next frame of an operation. Frames of others are kept for later.
func (c *client) next(id string) frame {
	c.t.Helper()
	for {
		if kept := c.kept[id]; len(kept) > 0 {
			c.kept[id] = kept[1:]
			return kept[0]
		}
		f := c.read()
		c.kept[f.ID] = append(c.kept[f.ID], f)
	}
}

// result returns the payload of the next frame of an operation, which must have the type next.
func (c *client) result(id string) map[string]any {
	c.t.Helper()
	f := c.next(id)
	require.Equal(c.t, "next", f.Type, "%s", f.Payload)
	return f.decode(c.t)
}

// run executes a query or mutation and returns its result.
func (c *client) run(document string, variables map[string]any) map[string]any {
	c.t.Helper()
	id := c.start(document, variables)
	result := c.result(id)
	require.Equal(c.t, "complete", c.next(id).Type)
	return result
}

// subscribed starts the documented subscription and returns its id and first cursor.
func (c *client) subscribed() (id, cursor string) {
	c.t.Helper()
	id = c.start(`subscription { subscribe { success } }`, nil)
	first := c.result(id)
	require.Equal(c.t, map[string]any{"subscribe": map[string]any{"success": true}}, first["data"])
	return id, at(first, "extensions", "cursor").(string)
}

// closed reads until the socket is closed, and returns the close error. Frames before that are
// kept.
func (c *client) closed() (code int, reason string) {
	c.t.Helper()
	for {
		f, err := c.tryRead()
		if err == nil {
			c.kept[f.ID] = append(c.kept[f.ID], f)
			continue
		}
		var closed websocket.CloseError
		require.ErrorAs(c.t, err, &closed, "%v", err)
		return int(closed.Code), closed.Reason
	}
}

// within fails the test if f takes too long.
func within(t testing.TB, most time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	require.Less(t, time.Since(began), most)
}
