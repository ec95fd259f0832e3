package transportws

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A memConn is a conn in memory: the tests are the client at its other end.
type memConn struct {
	in    chan any // what Read returns: []byte or error
	gone  chan struct{}
	going sync.Once

	mu      sync.Mutex
	frames  []string
	writes  int
	pings   int
	deaf    bool          // pings are not answered
	stalled chan struct{} // writes wait until it is closed; nil if they do not wait
	code    int           // of the close frame
	reason  string
}

func newMemConn() *memConn { return &memConn{in: make(chan any), gone: make(chan struct{})} }

func (c *memConn) Read(limit int) ([]byte, error) {
	select {
	case m := <-c.in:
		if err, ok := m.(error); ok {
			return nil, err
		}
		if data := m.([]byte); len(data) <= limit {
			return data, nil
		}
		return nil, errTooBig
	case <-c.gone:
		return nil, io.EOF
	}
}

func (c *memConn) Write(frames [][]byte, timeout time.Duration) error {
	c.mu.Lock()
	stalled := c.stalled
	c.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-time.After(timeout):
			return os.ErrDeadlineExceeded
		case <-c.gone:
		}
	}
	if c.isGone() {
		return io.ErrClosedPipe
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	for _, f := range frames {
		c.frames = append(c.frames, string(f))
	}
	return nil
}

func (c *memConn) Ping(ctx context.Context) error {
	c.mu.Lock()
	c.pings++
	deaf := c.deaf
	c.mu.Unlock()
	if !deaf {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		return io.ErrClosedPipe
	}
}

func (c *memConn) Close(code int, reason string) {
	c.mu.Lock()
	if c.code == 0 && !c.isGone() {
		c.code, c.reason = code, reason
	}
	c.mu.Unlock()
	c.CloseNow()
}

func (c *memConn) CloseNow() { c.going.Do(func() { close(c.gone) }) }

func (c *memConn) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// A client is a test's end of a memConn. It runs in a synctest bubble: its methods return when the
// server is idle.
type client struct {
	*memConn
	t *testing.T
}

// send sends messages (strings or errors) one after another, and returns the frames that arrived
// meanwhile.
func (c *client) send(messages ...any) []string {
	c.t.Helper()
	for _, m := range messages {
		if text, ok := m.(string); ok {
			m = []byte(text)
		}
		select {
		case c.in <- m:
		case <-c.gone:
		}
		synctest.Wait()
	}
	return c.received()
}

const pong = `{"type":"pong"}`

// stall makes the write of a pong, and all later writes, wait until the returned function is
// called.
func (c *client) stall() (resume func()) {
	stalled := make(chan struct{})
	c.mu.Lock()
	c.stalled = stalled
	c.mu.Unlock()
	require.Empty(c.t, c.send(`{"type":"ping"}`))
	return func() {
		c.mu.Lock()
		c.stalled = nil
		c.mu.Unlock()
		close(stalled)
	}
}

// received returns the frames that arrived since its last call.
func (c *client) received() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := c.frames
	c.frames = nil
	return frames
}

func (c *client) requireClosed(code int, reason string) {
	c.t.Helper()
	c.requireClosedWith(code)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(c.t, reason, c.reason)
}

func (c *client) requireClosedWith(code int) {
	c.t.Helper()
	synctest.Wait()
	require.True(c.t, c.isGone(), "the socket is open")
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(c.t, code, c.code)
}

func (c *client) requireOpen() {
	c.t.Helper()
	synctest.Wait()
	require.False(c.t, c.isGone(), "the socket is closed")
}

// counts returns the number of writes and of pings so far.
func (c *client) counts() (writes, pings int) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes, c.pings
}

// goDeaf stops the answers to pings.
func (c *client) goDeaf() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = true
}

func (c *client) requireCut() {
	c.t.Helper()
	c.requireClosed(0, "")
}

// A world is a server for tests, without network connections.
type world struct {
	t      *testing.T
	server *Server
}

// inBubble runs a test with a fake clock, and ends by checking that every socket has ended.
func inBubble(t *testing.T, opts *Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := NewServer(func(*http.Request) Handler { return nil }, opts)
		require.NoError(t, err)
		defer func() { require.NoError(t, server.Shutdown(context.Background())) }()
		test(t, &world{t: t, server: server})
	})
}

// connect opens a socket.
func (w *world) connect(h Handler) *client {
	c := &client{memConn: newMemConn(), t: w.t}
	go w.server.serve(context.Background(), c.memConn, h)
	return c
}

// ready opens a socket and initialises it.
func (w *world) ready(h Handler) *client {
	w.t.Helper()
	c := w.connect(h)
	require.Equal(w.t, []string{`{"type":"connection_ack"}`}, c.send(`{"type":"connection_init"}`))
	return c
}

// handler is a Handler made of functions. A nil function accepts, or ends at once.
type handler struct {
	init      func(ctx context.Context, payload json.RawMessage) (context.Context, json.RawMessage, error)
	operation func(ctx context.Context, p Payload, yield func(json.RawMessage, error) bool)
}

func (h handler) Init(ctx context.Context, payload json.RawMessage) (context.Context, json.RawMessage, error) {
	if h.init == nil {
		return nil, nil, nil
	}
	return h.init(ctx, payload)
}

func (h handler) Operation(ctx context.Context, p Payload) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if h.operation != nil {
			h.operation(ctx, p, yield)
		}
	}
}

// forever is an operation that continues until its context ends, and then returns without an error.
func forever(ctx context.Context, _ Payload, _ func(json.RawMessage, error) bool) { <-ctx.Done() }

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func subscribe(id string) string {
	return `{"id":"` + id + `","type":"subscribe","payload":{"query":"{me}"}}`
}

func complete(id string) string { return `{"id":"` + id + `","type":"complete"}` }
