package transportws

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALargeFrameIsWrittenWithoutACopy(t *testing.T) { //nolint:paralleltest // it measures memory
	server, client := net.Pipe()
	defer client.Close() //nolint:errcheck // so is the server
	c := &wsConn{net: &sharedConn{Conn: server}}
	large, small := bytes.Repeat([]byte("x"), 8<<20), []byte("small")
	received := make(chan []byte, 1)
	all, buffer := make([]byte, 0, len(large)+2*len(small)+100), make([]byte, 64<<10)
	go func() {
		for {
			n, err := client.Read(buffer)
			all = append(all, buffer[:n]...)
			if err == io.EOF { //nolint:errorlint // as a pipe returns it
				received <- all
				return
			}
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.NoError(t, c.Write([][]byte{small, large, small}, time.Minute))
	runtime.ReadMemStats(&after)
	require.NoError(t, server.Close())
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(large)/2))

	want := append(appendHeader(nil, len(small)), small...)
	want = append(appendHeader(want, len(large)), large...)
	want = append(appendHeader(want, len(small)), small...)
	require.True(t, bytes.Equal(want, <-received))
}
