package transportws

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var event = raw(`{"data":"` + strings.Repeat("x", 390) + `"}`)

func BenchmarkAppendFrame(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = appendFrame(dst[:0], typeNext, raw(`"1"`), event)
	}
}

func BenchmarkParseFrame(b *testing.B) {
	data := []byte(`{"id":"7e4b3c","type":"subscribe","payload":{"query":"` + strings.Repeat("x", 300) + `","variables":{"id":"1"}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseFrame(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver yields frames of 400 bytes on loopback sockets, whose clients read as fast as
// they can. frames/s is what the server writes on all of them together.
func BenchmarkDeliver(b *testing.B) {
	for _, sockets := range []int{1, 16} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) {
			frames := 0
			server, err := NewServer(func(*http.Request) Handler {
				return handler{operation: func(_ context.Context, _ Payload, yield func(json.RawMessage, error) bool) {
					for range frames {
						if !yield(event, nil) {
							return
						}
					}
				}}
			}, nil)
			require.NoError(b, err)
			web := httptest.NewServer(server)
			defer web.Close()

			frames = max(1, b.N/sockets)
			done := make(chan error, sockets)
			b.ResetTimer()
			for range sockets {
				go func() { done <- drain(web.Listener.Addr().String(), frames) }()
			}
			for range sockets {
				require.NoError(b, <-done)
			}
			b.ReportMetric(float64(frames*sockets)/b.Elapsed().Seconds(), "frames/s")
			require.NoError(b, server.Shutdown(context.Background()))
		})
	}
}

// drain subscribes and reads this many frames of more than 125 bytes and one smaller frame, at the
// lowest possible cost.
func drain(address string, frames int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r := bufio.NewReaderSize(c, 64<<10)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n")
	if _, err := http.ReadResponse(r, nil); err != nil {
		return err
	}
	for _, message := range []string{initFrame, subscribe("1")} {
		// A frame with a mask of zeros, of less than 126 bytes.
		if _, err := c.Write(append([]byte{0x81, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)); err != nil {
			return err
		}
		if message == initFrame {
			if _, err := r.Discard(2 + len(ackFrame)); err != nil {
				return err
			}
		}
	}
	for got := 0; ; got++ {
		header, err := r.Peek(4)
		switch {
		case err != nil:
			return err
		case header[1] < 126 && got == frames:
			return nil // the complete frame
		case header[1] < 126:
			return fmt.Errorf("got %d frames of %d", got, frames)
		}
		if _, err := r.Discard(4 + int(header[2])<<8 + int(header[3])); err != nil {
			return err
		}
	}
}
