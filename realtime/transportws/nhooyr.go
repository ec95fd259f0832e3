package transportws

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"nhooyr.io/websocket"
)

const (
	closeWait       = 3 * time.Second // how long a peer may take to answer a close frame
	maxControlFrame = 2 + 125         // bytes (RFC 6455, section 5.5)
)

// accept upgrades the request and returns the subprotocol that was agreed on, or "". When it fails it has answered.
func accept(w http.ResponseWriter, r *http.Request) (conn, string, error) {
	if !canHijack(w) {
		http.Error(w, "a WebSocket cannot be served here", http.StatusNotImplemented)
		return nil, "", http.ErrNotSupported
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // of the origin: the server has checked it
	})
	if err != nil {
		return nil, "", err
	}
	ws.SetReadLimit(-1) // Read has its own, whose close frame reaches the client
	return &wsConn{ws: ws, net: h.conn}, ws.Subprotocol(), nil
}

// A wsConn is a conn by the library.
type wsConn struct {
	ws  *websocket.Conn
	net *sharedConn
}

func (c *wsConn) Read(limit int) ([]byte, error) {
	kind, message, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		return nil, errBinary
	}
	data, err := io.ReadAll(io.LimitReader(message, int64(limit)+1))
	if err == nil && len(data) > limit {
		err = errTooBig
	}
	return data, err
}

// Write does not use the library's, which hands each frame to another goroutine and then to the system: to
// write a hundred takes ten times as long. The library's own frames go through sharedConn, too.
func (c *wsConn) Write(frames [][]byte, timeout time.Duration) error {
	b := buffers.Get().(*[]byte)
	data := (*b)[:0]
	for _, f := range frames {
		data = appendHeader(data, len(f))
		data = append(data, f...)
	}
	err := c.net.write(data, timeout)
	if cap(data) <= maxPooledBytes {
		*b = data
		buffers.Put(b)
	}
	return err
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// appendHeader appends what comes before the payload of a text message in one frame (RFC 6455, section 5.2).
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
	_ = c.ws.Close(websocket.StatusCode(code), reason) // that the peer has not answered is all it can say
}

func (c *wsConn) CloseNow() {
	_ = c.net.Close() // for the library does not cut its own Close short
	_ = c.ws.CloseNow()
}

// A sharedConn is written to by wsConn and by the library, in whole frames each: the library writes nothing but
// control frames, which its buffer has room for.
type sharedConn struct {
	net.Conn
	writing sync.Mutex
}

// Write implements [net.Conn].
func (c *sharedConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.Write(p)
}

func (c *sharedConn) write(p []byte, timeout time.Duration) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := c.Conn.Write(p); err != nil {
		return err
	}
	return c.SetWriteDeadline(time.Time{})
}

// A hijacker gives the library a sharedConn for the connection, also where the connection is reached
// through wrappers that have an Unwrap method.
type hijacker struct {
	http.ResponseWriter
	conn *sharedConn
}

// Hijack implements [http.Hijacker].
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = &sharedConn{Conn: c}
	return h.conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(h.conn, maxControlFrame)), nil
}

// WriteHeaderNow is what gin's writers need to be told before they are hijacked; the library looks for it.
func (h *hijacker) WriteHeaderNow() {
	if w, ok := h.ResponseWriter.(interface{ WriteHeaderNow() }); ok {
		w.WriteHeaderNow()
	}
}

// canHijack reports whether Hijack will find a connection: the library asks only after it has written the header.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch wrapper := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = wrapper.Unwrap()
		default:
			return false
		}
	}
}
