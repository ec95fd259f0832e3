package graphqlapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/graphqlapi"
)

// A rawConn is a connection for requests that an HTTP client would not send.
type rawConn struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (a *api) dialRaw(t *testing.T) *rawConn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(a.server.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return &rawConn{Conn: c, t: t, r: bufio.NewReader(c)}
}

// begin sends the header of a request with a body of the given size, and the first bytes of the
// body.
func (c *rawConn) begin(method string, size int, body, header string) {
	c.t.Helper()
	_, err := fmt.Fprintf(c, "%s /graphql?query=%%7B__typename%%7D HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		method, size, header, body)
	require.NoError(c.t, err)
}

// answer reads an answer. It returns the status, the text, and whether the connection stays open.
func (c *rawConn) answer() (status int, text string, goesOn bool) {
	c.t.Helper()
	response, err := http.ReadResponse(c.r, nil)
	require.NoError(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return response.StatusCode, string(body), !response.Close
}

// requireEnded waits until the server has closed the connection.
func (c *rawConn) requireEnded() {
	c.t.Helper()
	_, err := c.r.ReadByte()
	require.ErrorIs(c.t, err, io.EOF)
}

const small = `{"query":"{ __typename }"}`

func TestUnfinishedBodiesOfAnAddressAreBounded(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) {
		s.api.Throttle = &graphqlapi.Throttle{}
		s.api.MaxBodiesPerAddress, s.api.BodyTimeout = 3, time.Minute
	})
	var unfinished []*rawConn
	for range 3 {
		c := a.dialRaw(t)
		c.begin("POST", len(small), small[:10], "")
		unfinished = append(unfinished, c)
	}
	var over answer
	require.Eventually(t, func() bool {
		over = a.do(t, "POST", "", small, nil)
		return over.status != http.StatusOK
	}, patience, time.Millisecond)
	require.Equal(t, http.StatusForbidden, over.status)
	require.Equal(t, "THROTTLED", over.code())
	require.NotEmpty(t, over.header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, a.do(t, "GET", "?query=%7B__typename%7D", "", nil).status, "it has no body")

	_, err := io.WriteString(unfinished[0], small[10:])
	require.NoError(t, err)
	status, _, goesOn := unfinished[0].answer()
	require.Equal(t, http.StatusOK, status)
	require.True(t, goesOn)
	require.Equal(t, http.StatusOK, a.do(t, "POST", "", small, nil).status, "a finished body frees its place")
	require.NoError(t, unfinished[1].Close())
	require.Eventually(t, func() bool { // an aborted request frees its place as well
		unfinished[0].begin("POST", len(small), small[:10], "")
		return a.do(t, "POST", "", small, nil).status == http.StatusOK
	}, patience, time.Millisecond)
}

func TestTheBytesOfAllUnfinishedBodiesAreBounded(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.MaxBodyMemory, s.api.BodyTimeout = 256<<10, time.Minute })
	const most, free = 256 << 10, 16 << 10
	large := small + strings.Repeat(" ", free+1-len(small))
	// Two unfinished bodies hold all of the memory, so any further large body is refused. A trial
	// that comes while they arrive may take the last byte from one of them: then they begin again.
	var begun []*rawConn
	require.Eventually(t, func() bool {
		for _, c := range begun {
			_ = c.Close()
		}
		begun = []*rawConn{a.dialRaw(t), a.dialRaw(t)}
		for _, c := range begun {
			c.begin("POST", most, small+strings.Repeat(" ", most/2+free-len(small)), "")
		}
		for range 100 {
			c := a.dialRaw(t)
			c.begin("POST", len(large), large, "")
			status, text, goesOn := c.answer()
			if status == http.StatusOK {
				continue
			}
			require.Equal(t, http.StatusForbidden, status)
			require.Contains(t, text, `"code":"THROTTLED"`)
			require.False(t, goesOn)
			c.requireEnded()
			return true
		}
		return false
	}, patience, time.Millisecond)
	require.Equal(t, http.StatusOK, a.do(t, "POST", "", large[:free], nil).status, "a small body is always accepted")
	require.NoError(t, begun[0].Close())
	require.Eventually(t, func() bool { return a.do(t, "POST", "", large, nil).status == http.StatusOK }, patience, time.Millisecond)
}

func TestAnIncompleteBodyEndsItsConnection(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.BodyTimeout = 100 * time.Millisecond })
	for name, test := range map[string]struct {
		method, header string
		status         int
	}{
		"a body that is read":        {"POST", "", http.StatusRequestTimeout},
		"one of another type":        {"POST", "Accept: text/plain\r\n", http.StatusNotAcceptable},
		"one that belongs nowhere":   {"GET", "", http.StatusOK},
		"one of another method":      {"PUT", "", http.StatusMethodNotAllowed},
		"one that wants to go ahead": {"POST", "Expect: 100-continue\r\n", http.StatusRequestTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := a.dialRaw(t)
			c.begin(test.method, 200_000, small, test.header)
			if strings.Contains(test.header, "Expect") {
				line, err := c.r.ReadString('\n')
				require.NoError(t, err)
				require.Contains(t, line, "100 Continue")
				_, err = c.r.ReadString('\n')
				require.NoError(t, err)
			}
			status, text, _ := c.answer()
			require.Equal(t, test.status, status)
			if status == http.StatusRequestTimeout {
				require.Contains(t, text, "the body did not arrive within 100ms")
			}
			c.requireEnded()
		})
	}
}

func TestBodyTimeoutDoesNotApplyToTheAnswer(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	a, host := serveFlaky(t, func(s *setup) { s.api.BodyTimeout = timeout })
	host.hold, host.held = make(chan struct{}), make(chan struct{})
	query := `{"query":"{ me { username } }"}`
	c := a.dialRaw(t)
	c.begin("POST", len(query), query, "Authorization: Bearer carol\r\n")
	<-host.held
	time.AfterFunc(4*timeout, func() { close(host.hold) })
	status, text, goesOn := c.answer()
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "carol", "its context has not ended")
	require.True(t, goesOn)

	host.hold = nil
	<-time.After(4 * timeout)
	c.begin("POST", len(small), small, "")
	status, _, _ = c.answer()
	require.Equal(t, http.StatusOK, status)
}

// deadlines is a response writer that records read deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}

func TestACompleteBodyClearsTheReadDeadline(t *testing.T) {
	t.Parallel()
	a := serve(t)
	ask := func(method, body string) []time.Time {
		r := httptest.NewRequest(method, "/graphql?query=%7B__typename%7D", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		a.handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		return w.set
	}
	require.Empty(t, ask("GET", ""))
	set := ask("POST", small)
	require.Len(t, set, 2)
	require.WithinDuration(t, time.Now().Add(10*time.Second), set[0], 5*time.Second)
	require.True(t, set[1].IsZero())
}

func TestInvalidBodyLimitsAreRefused(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for _, opts := range []graphqlapi.Options{{MaxBodiesPerAddress: -1}, {BodyTimeout: -1}, {MaxBodyMemory: -1}, {MaxBodyMemory: 1000}} {
		_, err := graphqlapi.NewHandler(a.app, &opts)
		require.Error(t, err)
	}
}
