package transportws

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clientFrame returns a frame as clients send it, with a mask of zeros.
func clientFrame(first byte, payload string) string {
	frame := []byte{first}
	switch size := len(payload); {
	case size < 126:
		frame = append(frame, 0x80|byte(size))
	case size <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(size))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(size))
	}
	return string(append(frame, 0, 0, 0, 0)) + payload
}

// flood sends frames until the server closes, and returns the code and the reason of its close
// frame.
func (s *site) flood(t *testing.T, frames string) (code int, reason string) {
	t.Helper()
	c, r := s.dialRaw(t, handshake+clientFrame(0x81, initFrame))
	_, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	go func() {
		for {
			if _, err := io.WriteString(c, frames); err != nil {
				return
			}
		}
	}()
	for {
		var header [2]byte
		_, err := io.ReadFull(r, header[:])
		require.NoError(t, err, "the server closed without a close frame")
		payload := make([]byte, header[1])
		_, err = io.ReadFull(r, payload)
		require.NoError(t, err)
		if header[0] == 0x88 {
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

func TestControlFramesAndFragmentsHaveARateLimit(t *testing.T) {
	t.Parallel()
	const tooMany = "Too many control frames or fragments: at most 100 a second are allowed"
	for name, test := range map[string]struct{ frames, reason string }{
		"pings":     {clientFrame(0x89, ""), tooMany},
		"pongs":     {clientFrame(0x8a, "x"), tooMany},
		"both":      {clientFrame(0x89, "abc") + clientFrame(0x8a, "abc"), tooMany},
		"fragments": {clientFrame(0x01, `{"type":`) + strings.Repeat(clientFrame(0x00, ""), 10) + clientFrame(0x80, `"pong"}`), tooMany},
		"messages":  {clientFrame(0x81, `{"type":"pong"}`), "Too many messages: at most 100 a second are allowed"},
		"completes": {clientFrame(0x81, complete("1")), "Too many messages: at most 100 a second are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(*http.Request) Handler { return handler{} }, nil, nil)
			code, reason := s.flood(t, strings.Repeat(test.frames, 50))
			require.Equal(t, CodePolicy, code)
			require.Equal(t, test.reason, reason)
			<-s.served
		})
	}
}

func TestFramesSentWithTheHandshakeCountTowardsTheRate(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, &Options{FrameRate: 1, FrameBurst: 10}, nil)
	c, r := s.dialRaw(t, handshake+strings.Repeat(clientFrame(0x89, ""), 11))
	_, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Contains(t, string(rest), "Too many control frames")
	<-s.served
}

func TestWholeMessagesAreNotCountedAsFrames(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(*http.Request) Handler { return handler{} }, &Options{FrameRate: 1e-9, FrameBurst: 1}, nil)
	c := s.dial(t, nil)
	for range 50 {
		exchange(t, c, `{"type":"ping"}`, pong)
	}
	pinged := make(chan error, 1)
	go func() { pinged <- c.Ping(t.Context()) }()
	go func() { _, _, _ = c.Read(t.Context()) }()
	require.NoError(t, <-pinged, "the burst")
}

func TestTheFrameRateCanBeDisabled(t *testing.T) {
	t.Parallel()
	m := newFrameMeter(&Options{FrameRate: -1})
	for range 10_000 {
		require.True(t, m.pass([]byte(clientFrame(0x89, ""))))
	}
}

func TestAnIncompleteMessageEndsItsSocketAfterTheTimeout(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string]string{
		"a frame":    clientFrame(0x81, `{"type":"ping"}`)[:10],
		"a fragment": clientFrame(0x01, `{"type":`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(*http.Request) Handler { return handler{} }, &Options{MessageTimeout: 50 * time.Millisecond, PingInterval: -1}, nil)
			c, r := s.dialRaw(t, handshake+clientFrame(0x81, initFrame)+begun)
			_, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			ping := clientFrame(0x89, "") // the client is alive, and shows it
			if name == "a fragment" {
				_, err = io.WriteString(c, ping)
				require.NoError(t, err)
			}
			select {
			case <-s.served:
			case <-time.After(20 * time.Second):
				t.Error("the socket is still open")
			}
		})
	}
}

func TestUnfinishedMessagesOfAllSocketsHaveAByteLimit(t *testing.T) {
	t.Parallel()
	const most, each, sockets = 128 << 10, 48 << 10, 6 // the limit has room for three
	s := newSite(t, func(*http.Request) Handler { return handler{} }, &Options{MaxArrivingBytes: most, MessageTimeout: time.Minute, PingInterval: -1}, nil)
	begun := clientFrame(0x81, strings.Repeat(" ", each))
	var open []net.Conn
	for range sockets {
		c, _ := s.dialRaw(t, handshake+clientFrame(0x81, initFrame)+begun[:len(begun)-1])
		open = append(open, c)
	}
	select {
	case <-s.served: // a socket over the limit
	case <-time.After(20 * time.Second):
		t.Fatal("no socket was closed")
	}
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	// Small messages are always accepted.
	exchange(t, c, `{"type":"ping"}`+strings.Repeat(" ", 15<<10), pong)
	for _, c := range open {
		require.NoError(t, c.Close())
	}
	for range sockets - 1 {
		<-s.served
	}
	for range sockets { // messages that were cut off or have arrived no longer count
		exchange(t, c, `{"type":"ping"}`+strings.Repeat(" ", most/2), pong)
	}
}

func TestASocketMayBeIdleForLongerThanTheMessageTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 20 * time.Millisecond
	s := newSite(t, func(*http.Request) Handler { return handler{} }, &Options{MessageTimeout: timeout}, nil)
	c := s.dial(t, nil)
	exchange(t, c, initFrame, ackFrame)
	<-time.After(5 * timeout)
	exchange(t, c, `{"type":"ping"}`, pong)
}

// FuzzFrameMeter compares the meter with a parser that has all bytes at once, for any split into
// reads.
func FuzzFrameMeter(f *testing.F) {
	f.Add([]byte(clientFrame(0x89, "abc")+clientFrame(0x81, "{}")+clientFrame(0x01, strings.Repeat("x", 300))+clientFrame(0x80, "")), uint8(1))
	f.Add([]byte(clientFrame(0x82, strings.Repeat("x", 70_000))+clientFrame(0x8a, "")), uint8(100))
	f.Add([]byte{0x89, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		want := countFrames(data)
		const burst = 1 << 20
		m := newFrameMeter(&Options{FrameRate: 1e-9, FrameBurst: burst})
		for rest := data; len(rest) > 0; {
			n := min(len(rest), int(cut)+1)
			require.True(t, m.pass(rest[:n]))
			rest = rest[n:]
		}
		require.InDelta(t, burst-want, m.bucket.tokens, 0.5)
	})
}

func countFrames(data []byte) (n int) {
	r := bytes.NewReader(data)
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return n
		}
		length := uint64(head[1] & 0x7f)
		extended := map[uint64]int{126: 2, 127: 8}[length]
		if head[1]&0x80 != 0 {
			extended += 4
		}
		rest := make([]byte, extended)
		if _, err := io.ReadFull(r, rest); err != nil {
			return n
		}
		switch length {
		case 126:
			length = uint64(binary.BigEndian.Uint16(rest))
		case 127:
			length = binary.BigEndian.Uint64(rest)
		}
		if head[0]&0x80 == 0 || head[0]&0x0f == 0 || head[0]&0x0f > 2 {
			n++
		}
		if length > uint64(r.Len()) {
			return n
		}
		_, _ = r.Seek(int64(length), io.SeekCurrent)
	}
}
