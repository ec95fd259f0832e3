package transportws

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
)

// A site is a Server on a real port.
type site struct {
	*Server
	url    string
	served chan struct{} // gets a value whenever ServeHTTP has returned
}

func newSite(t *testing.T, newHandler func(*http.Request) Handler, opts *Options, wrap func(http.Handler) http.Handler) *site {
	t.Helper()
	server, err := NewServer(newHandler, opts)
	require.NoError(t, err)
	s := &site{Server: server, served: make(chan struct{}, 100)}
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r)
		s.served <- struct{}{}
	})
	if wrap != nil {
		h = wrap(h)
	}
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown(context.Background()))
		web.Close()
	})
	s.url = web.URL
	return s
}

// dial opens a socket, which is cut when the test ends.
func (s *site) dial(t *testing.T, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	if opts == nil {
		opts = &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}
	}
	c, response, err := websocket.Dial(t.Context(), s.url, opts)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func exchange(t *testing.T, c *websocket.Conn, send string, want ...string) {
	t.Helper()
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(send)))
	for _, frame := range want {
		_, got, err := c.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, frame, string(got))
	}
}

func requireCloseFrame(t *testing.T, c *websocket.Conn, code int, reason string) {
	t.Helper()
	_, _, err := c.Read(t.Context())
	var closed websocket.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, websocket.StatusCode(code), closed.Code)
	require.Equal(t, reason, closed.Reason)
}

const (
	initFrame = `{"type":"connection_init"}`
	ackFrame  = `{"type":"connection_ack"}`
)

func TestOperationsOverARealSocket(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := newSite(t, func(r *http.Request) Handler {
		return handler{
			init: func(ctx context.Context, _ json.RawMessage) (context.Context, json.RawMessage, error) {
				ack, err := json.Marshal(map[string]any{"header": r.Header.Get("Authorization"), "value": ctx.Value(key{})})
				return nil, ack, err
			},
			operation: echo,
		}
	}, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// A deadline of the request does not apply to the socket.
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, "of the request"))
			cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	})
	c := s.dial(t, &websocket.DialOptions{
		Subprotocols: []string{"graphql-ws", "graphql-transport-ws"},
		HTTPHeader:   http.Header{"Authorization": {"Bearer t"}},
	})
	require.Equal(t, "graphql-transport-ws", c.Subprotocol())
	exchange(t, c, initFrame, `{"type":"connection_ack","payload":{"header":"Bearer t","value":"of the request"}}`)
	exchange(t, c, subscribe("1"), `{"id":"1","type":"next","payload":{"Query":"{me}","OperationName":"","Variables":null,"Extensions":null}}`)
	exchange(t, c, complete("1"))
	exchange(t, c, `{"type":"ping","payload":{}}`, `{"type":"pong","payload":{}}`)
	pinged := make(chan error, 1)
	go func() { pinged <- c.Ping(t.Context()) }()
	go func() { _, _, _ = c.Read(t.Context()) }()
	require.NoError(t, <-pinged)
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	<-s.served
}

func TestCloseCodesOverARealSocket(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		opts   *websocket.DialOptions
		kind   websocket.MessageType
		send   string
		code   int
		reason string
	}{
		"no subprotocol":      {&websocket.DialOptions{}, 0, "", 4406, "Subprotocol not acceptable"},
		"another subprotocol": {&websocket.DialOptions{Subprotocols: []string{"graphql-ws"}}, 0, "", 4406, "Subprotocol not acceptable"},
		"not JSON":            {nil, websocket.MessageText, "{", 4400, "Invalid message: message is not a JSON object"},
		"binary":              {nil, websocket.MessageBinary, `{"type":"ping"}`, 4400, "Invalid message: message is binary"},
		"too big":             {nil, websocket.MessageText, strings.Repeat(" ", 512<<10), 1009, "Message too big: at most 262144 bytes are allowed"},
		"unauthorized":        {nil, websocket.MessageText, subscribe("1"), 4401, "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, nil)
			c := s.dial(t, test.opts)
			if test.kind != 0 {
				require.NoError(t, c.Write(t.Context(), test.kind, []byte(test.send)))
			}
			requireCloseFrame(t, c, test.code, test.reason)
			<-s.served
		})
	}
}

func TestAMessageOfExactlyTheLimitIsAccepted(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, nil)
	c := s.dial(t, nil)
	ping := `{"type":"ping"}`
	exchange(t, c, ping+strings.Repeat(" ", 256<<10-len(ping)), `{"type":"pong"}`)
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(ping+strings.Repeat(" ", 256<<10-len(ping)+1))))
	requireCloseFrame(t, c, 1009, "Message too big: at most 262144 bytes are allowed")
}

func TestFramesOfEverySizeArriveWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, nil)
	c := s.dial(t, nil)
	c.SetReadLimit(-1)
	for _, size := range []int{50, 125, 126, 127, 4_096, 65_535, 65_536, 200_000} {
		empty := `{"type":"pong","payload":{"x":""}}`
		payload := `"payload":{"x":"` + strings.Repeat("x", size-len(empty)) + `"}}`
		exchange(t, c, `{"type":"ping",`+payload, `{"type":"pong",`+payload)
	}
}

func TestWebSocketPongsDoNotInterleaveWithResults(t *testing.T) {
	t.Parallel()
	result := raw(`"` + strings.Repeat("x", 1_000) + `"`)
	want := `{"id":"1","type":"next","payload":` + string(result) + `}`
	s := newSite(t, func(*http.Request) Handler {
		return handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(result, nil) {
			}
		}}
	}, nil, nil)
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	exchange(t, c, subscribe("1"))
	pinged := make(chan error, 1)
	go func() {
		for range 3 { // each waits for megabytes of results
			if err := c.Ping(t.Context()); err != nil {
				pinged <- err
				return
			}
		}
		pinged <- nil
	}()
	for {
		_, frame, err := c.Read(t.Context())
		if err != nil || string(frame) != want {
			require.NoError(t, err)
			// require.Equal is slow, and there are many frames
			require.Equal(t, want, string(frame))
		}
		select {
		case err := <-pinged:
			require.NoError(t, err)
			return
		default:
		}
	}
}

func TestShutdownOverARealSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{operation: forever} }, nil, nil)
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	exchange(t, c, subscribe("1"))
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	requireCloseFrame(t, c, 1001, "Going away")
	require.NoError(t, <-ended)
	<-s.served

	response, err := http.Get(s.url)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

func TestASlowReaderOfARealSocketIsCut(t *testing.T) {
	t.Parallel()
	result := raw(`"` + strings.Repeat("x", 10_000) + `"`)
	s := newSite(t, func(*http.Request) Handler {
		return handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
			for yield(result, nil) {
			}
		}}
	}, &Options{WriteTimeout: 50 * time.Millisecond}, nil)
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	exchange(t, c, subscribe("1")) // and stops reading
	<-s.served
}

func TestAClientThatVanishesEndsItsSocket(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{operation: forever} }, nil, nil)
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	exchange(t, c, subscribe("1"))
	require.NoError(t, c.CloseNow())
	<-s.served
}

func TestADeadPeerIsCut(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} },
		&Options{PingInterval: time.Millisecond, PongTimeout: 20 * time.Millisecond}, nil)
	s.dial(t, nil) // it does not read, and so does not answer pings
	<-s.served
}

func TestARequestThatCannotBeUpgradedGetsAnError(t *testing.T) {
	t.Parallel()
	server, err := NewServer(func(*http.Request) Handler { return handler{} }, nil)
	require.NoError(t, err)
	upgrade := func(origin string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://chat.example.com/graphql", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {origin}}
		return r
	}
	for name, test := range map[string]struct {
		w       http.ResponseWriter
		request *http.Request
		want    int
	}{
		"another origin":            {nil, upgrade("https://evil.example.com"), http.StatusForbidden},
		"a writer without a socket": {nil, upgrade("https://chat.example.com"), http.StatusNotImplemented},
		"no upgrade":                {hijackable{}, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusUpgradeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := httptest.NewRecorder()
			var w http.ResponseWriter = recorder
			if test.w != nil {
				w = hijackable{recorder}
			}
			server.ServeHTTP(w, test.request)
			require.Equal(t, test.want, recorder.Code)
		})
	}
}

// hijackable is a writer that only pretends to have a connection.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Unwrap() http.ResponseWriter { return fakeHijacker{} }

type fakeHijacker struct{ http.ResponseWriter }

func (fakeHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, io.EOF }

func TestAConnectionIsFoundInsideWrappersOfTheWriter(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrapper{w}, r) })
	})
	exchange(t, s.dial(t, nil), initFrame, ackFrame)
}

// wrapper is the writer of a middleware, which has no Hijack method.
type wrapper struct{ w http.ResponseWriter }

func (w wrapper) Header() http.Header         { return w.w.Header() }
func (w wrapper) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w wrapper) WriteHeader(code int)        { w.w.WriteHeader(code) }
func (w wrapper) Unwrap() http.ResponseWriter { return w.w }
