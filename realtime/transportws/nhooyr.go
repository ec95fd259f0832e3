package transportws

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"nhooyr.io/websocket"
)

const (
	closeWait        = 3 * time.Second  // how long a peer may take to answer a close frame
	handshakeTimeout = 10 * time.Second // how long the answer to a handshake may take to be written
	maxControlFrame  = 2 + 125          // bytes (RFC 6455, section 5.5)
)

// accept upgrades the request and returns the agreed subprotocol, or "". On a [hijackError] no
// response was sent; on any other error the library has sent one. The connection enforces FrameRate
// and MessageTimeout on what the client sends.
func accept(w http.ResponseWriter, r *http.Request, opts *Options, arriving *arriving) (conn, string, error) {
	h := &hijacker{w: w, header: w.Header().Clone(), body: w, meter: newFrameMeter(opts)}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // skip the check of the origin: the server has done it
	})
	if h.failed != nil {
		return nil, "", hijackError{h.failed}
	}
	if err != nil {
		return nil, "", err
	}
	ws.SetReadLimit(-1) // Read has its own limit, with a close frame that reaches the client
	return &wsConn{ws: ws, net: h.conn, messageTimeout: opts.MessageTimeout, arriving: arriving}, ws.Subprotocol(), nil
}

// A wsConn is a conn based on the nhooyr.io/websocket library.
type wsConn struct {
	ws             *websocket.Conn
	net            *sharedConn
	messageTimeout time.Duration
	arriving       *arriving
}

func (c *wsConn) Read(limit int) ([]byte, error) {
	kind, message, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, err // may be an error of the meter
	}
	if kind != websocket.MessageText {
		return nil, errBinary
	}
	cut := time.AfterFunc(c.messageTimeout, func() { _ = c.net.Close() })
	defer cut.Stop()
	counted := &arrivingReader{arriving: c.arriving, from: io.LimitReader(message, int64(limit)+1)}
	defer counted.done()
	data, err := io.ReadAll(counted)
	if err == nil && len(data) > limit {
		err = errTooBig
	}
	return data, err
}

// Write bypasses the library, which hands each frame to another goroutine and then to the system: a
// hundred frames would take ten times as long. The library's own frames go through sharedConn, too.
func (c *wsConn) Write(frames [][]byte, timeout time.Duration) error {
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	// Do not copy large frames: during a slow write, their memory would be held twice.
	if size > maxPooledBytes {
		parts := make([][]byte, 0, 2*len(frames))
		for _, f := range frames {
			parts = append(parts, appendHeader(nil, len(f)), f)
		}
		return c.net.write(timeout, parts...)
	}
	b := buffers.Get().(*[]byte)
	data := (*b)[:0]
	for _, f := range frames {
		data = appendHeader(data, len(f))
		data = append(data, f...)
	}
	err := c.net.write(timeout, data)
	if cap(data) <= maxPooledBytes {
		*b = data
		buffers.Put(b)
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// appendHeader appends the header of a text message in one frame (RFC 6455, section 5.2).
func appendHeader(dst []byte, size int) []byte {
	const finText = 0x80 | 0x1
	switch {
	case size < 126:
		return append(dst, finText, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, finText, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, finText, 127), uint64(size))
	}
}

func (c *wsConn) Ping(ctx context.Context) error { return c.ws.Ping(ctx) }

func (c *wsConn) Close(code int, reason string) {
	cut := time.AfterFunc(closeWait, func() { _ = c.net.Close() })
	defer cut.Stop()
	if c.net.flooded.Load() {
		c.net.closeFlooded(code, reason)
		return
	}
	// The only error it can report is that the peer has not answered.
	_ = c.ws.Close(websocket.StatusCode(code), reason)
}

func (c *wsConn) CloseNow() {
	_ = c.net.Close() // the library's CloseNow does not interrupt its Close
	_ = c.ws.CloseNow()
}

// A sharedConn is written to by wsConn and by the library, each in whole frames: the library writes
// only control frames, which fit into its buffer. All input passes through the meter.
type sharedConn struct {
	net.Conn
	unread  []byte // input that the HTTP server had already read
	meter   *frameMeter
	flooded atomic.Bool // the meter refused more input
	writing sync.Mutex
}

// Read implements [net.Conn]. It is not safe for concurrent use.
func (c *sharedConn) Read(p []byte) (n int, err error) {
	if c.flooded.Load() {
		return 0, errTooManyFrames
	}
	if len(c.unread) > 0 {
		n = copy(p, c.unread)
		c.unread = c.unread[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	if !c.meter.pass(p[:n]) {
		c.flooded.Store(true)
		return 0, errTooManyFrames
	}
	return n, err
}

// Write implements [net.Conn].
func (c *sharedConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.Write(p)
}

// write writes the parts together, without other frames in between, within the timeout. They are
// whole frames.
func (c *sharedConn) write(timeout time.Duration, parts ...[]byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := c.Conn.Write(part); err != nil {
			return err
		}
	}
	return c.SetWriteDeadline(time.Time{})
}

const (
	// how long input is still read after a flood, so that the client can read its close frame
	floodWait  = time.Second
	floodBytes = 256 << 10 // and how many bytes of it
)

// closeFlooded writes a close frame itself, because the library would wait for an answer that is
// not read. If a connection is closed with unread input, it is reset, and the peer may never see
// the frame. So it reads some input first.
func (c *sharedConn) closeFlooded(code int, reason string) {
	frame := []byte{0x88, byte(2 + len(reason))}
	frame = append(binary.BigEndian.AppendUint16(frame, uint16(code)), reason...)
	if c.write(floodWait, frame) == nil && c.SetReadDeadline(time.Now().Add(floodWait)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, floodBytes)
	}
	_ = c.Close()
}

// A hijacker is the response writer that the library gets. It gives the library a sharedConn, even
// if the connection is inside wrappers with an Unwrap method. It writes the response to the
// handshake itself, once it has the connection. So a failed hijack can still be answered, and the
// headers are spelled as some clients expect them.
type hijacker struct {
	w      http.ResponseWriter
	header http.Header // of the response; w keeps its own until something is written to it
	meter  *frameMeter
	conn   *sharedConn
	body   io.Writer
	failed error // why the hijack failed; the library's response to that is dropped
}

// Header implements [http.ResponseWriter].
func (h *hijacker) Header() http.Header { return h.header }

// WriteHeader implements [http.ResponseWriter].
func (h *hijacker) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols || h.failed != nil {
		return
	}
	maps.Copy(h.w.Header(), h.header)
	h.w.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (h *hijacker) Write(p []byte) (int, error) {
	return h.body.Write(p)
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.w).Hijack()
	if err != nil {
		h.failed, h.body = err, io.Discard
		return nil, nil, err
	}
	h.conn = &sharedConn{Conn: c, meter: h.meter}
	reader := bufio.NewReader(h.conn)
	if rw != nil && rw.Reader != nil {
		buffered, _ := rw.Reader.Peek(rw.Reader.Buffered())
		h.conn.unread = bytes.Clone(buffered)
		reader = rw.Reader
		reader.Reset(h.conn)
	}
	if err := h.conn.write(handshakeTimeout, switchingProtocols(h.header)); err != nil {
		_ = c.Close()
		return nil, nil, err // no response is possible: the writer is hijacked
	}
	return h.conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(h.conn, maxControlFrame)), nil
}

// canonicalNames has the headers whose canonical form in Go differs from RFC 6455. HTTP ignores
// case, but some clients look for this exact spelling.
var canonicalNames = map[string]string{
	"Sec-Websocket-Accept":   "Sec-WebSocket-Accept",
	"Sec-Websocket-Protocol": "Sec-WebSocket-Protocol",
}

// switchingProtocols returns the response to a handshake.
func switchingProtocols(header http.Header) []byte {
	sent := make(http.Header, len(header))
	for name, values := range header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Content-Type": // there is no content
			continue
		}
		sent[cmp.Or(canonicalNames[name], name)] = values
	}
	var answer bytes.Buffer
	answer.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = sent.Write(&answer) // writing to a buffer does not fail
	answer.WriteString("\r\n")
	return answer.Bytes()
}
