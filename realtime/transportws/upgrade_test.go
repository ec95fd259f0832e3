package transportws

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"

// dialRaw opens a connection without a WebSocket library, because no library would send this, and
// sends a handshake followed by the given bytes.
func (s *site) dialRaw(t *testing.T, sent string) (net.Conn, *bufio.Reader) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, sent)
	require.NoError(t, err)
	return c, bufio.NewReader(c)
}

func TestHandshakeHeadersHaveTheSpellingThatClientsExpect(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "of a middleware")
			w.Header().Set("Content-Length", "7")
			next.ServeHTTP(w, r)
		})
	})
	_, r := s.dialRaw(t, handshake)
	var lines []string
	for {
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		if line == "\r\n" {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
	}
	require.Equal(t, "HTTP/1.1 101 Switching Protocols", lines[0])
	require.ElementsMatch(t, []string{
		"Connection: Upgrade",
		"Upgrade: websocket",
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"Sec-WebSocket-Protocol: graphql-transport-ws",
		"X-Request-Id: of a middleware",
	}, lines[1:])
}

func TestFramesSentWithTheHandshakeAreRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, nil)
	_, r := s.dialRaw(t, handshake+clientFrame(0x81, initFrame)+clientFrame(0x81, `{"type":"ping"}`))
	_, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	for _, want := range []string{ackFrame, pong} {
		frame := make([]byte, 2+len(want))
		_, err := io.ReadFull(r, frame)
		require.NoError(t, err)
		require.Equal(t, want, string(frame[2:]))
	}
}

func TestAFailedUpgradeSaysWhatToChange(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	server, err := NewServer(func(*http.Request) Handler { return handler{} }, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	request := func(change func(*http.Request)) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://chat.example.com/graphql", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		change(r)
		return r
	}
	for name, test := range map[string]struct {
		hijack error
		change func(*http.Request)
		status int
		says   string
	}{
		"a proxy that drops both headers": {nil, func(r *http.Request) { r.Header.Del("Connection"); r.Header.Del("Upgrade") }, 426, "proxy_set_header Upgrade"},
		"a proxy that drops one header":   {nil, func(r *http.Request) { r.Header.Set("Connection", "close") }, 426, `proxy_set_header Connection "upgrade"`},
		"a proxy that speaks HTTP/1.0":    {nil, func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0 }, 426, "proxy_http_version 1.1"},
		"HTTP/2": {nil, func(r *http.Request) {
			r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
			r.Header.Del("Connection")
		}, 505, "HTTP/1.1"},
		"a writer whose Hijack fails": {io.ErrUnexpectedEOF, func(*http.Request) {}, 501, "Hijack nor Unwrap"},
		"a writer that cannot":        {http.ErrNotSupported, func(*http.Request) {}, 501, "http.TimeoutHandler"},
		"another version":             {nil, func(r *http.Request) { r.Header.Set("Sec-Websocket-Version", "8") }, 400, "only 13 is supported"},
		"another method":              {nil, func(r *http.Request) { r.Method = http.MethodPost }, 405, "not GET"},
	} {
		r := request(test.change)
		require.True(t, IsUpgrade(r), name)
		recorder := httptest.NewRecorder()
		server.ServeHTTP(failing{recorder, test.hijack}, r)
		require.Equal(t, test.status, recorder.Code, name)
		require.Contains(t, recorder.Body.String(), test.says, name)
		require.Empty(t, recorder.Header().Get("Sec-Websocket-Accept"), name)
	}
	require.Contains(t, log.String(), "cannot be taken over")
	require.Contains(t, log.String(), io.ErrUnexpectedEOF.Error())

	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, request(func(*http.Request) {}))
	require.Equal(t, http.StatusNotImplemented, recorder.Code)
}

// failing is a writer whose connection cannot be taken over.
type failing struct {
	*httptest.ResponseRecorder
	err error
}

func (f failing) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, f.err }

func TestAnUpgradeOverHTTP2SaysWhatToChange(t *testing.T) {
	t.Parallel()
	server, err := NewServer(func(*http.Request) Handler { return handler{} }, nil)
	require.NoError(t, err)
	web := httptest.NewUnstartedServer(server)
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL, nil)
	require.NoError(t, err)
	r.Header.Set("Sec-WebSocket-Version", "13")
	response, err := web.Client().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 2, response.ProtoMajor)
	require.Equal(t, http.StatusHTTPVersionNotSupported, response.StatusCode)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "use HTTP/1.1")
	require.NoError(t, server.Shutdown(context.Background()))
}

func TestUpgradesAreRecognised(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		connection, upgrade string
		want                bool
	}{
		{"Upgrade", "websocket", true},
		{"keep-alive, upgrade", "WebSocket", true},
		{"keep-alive", "websocket", false},
		{"Upgrade", "h2c", false},
		{"", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Connection", test.connection)
		r.Header.Set("Upgrade", test.upgrade)
		require.Equal(t, test.want, IsUpgrade(r), "%+v", test)
	}
}
