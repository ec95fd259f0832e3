package transportws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFrame gives arbitrary bytes to the state machine, one message a line. It must not panic, must
// answer with JSON, must close only with its own codes, and must end when the client does.
func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"type":"connection_init","payload":{}}` + "\n" + subscribe("1") + "\n" + complete("1")))
	f.Add([]byte(`{"type":"connection_init"}` + "\n" + subscribe(`\ud800`) + "\n" + subscribe(`\udfff`)))
	f.Add([]byte(`{"type":"ping","type":"pong","payload":{"a":[[[]]]}}`))
	f.Add([]byte(`{"type":"subscribe","id":"1","payload":{"query":"","variables":null,"operationName":null}}`))
	f.Add([]byte(`{"type":"connection_init"}` + "\n" + `{"type":"connection_init"}`))
	f.Add([]byte("\xff\n{}\n[]\nnull\n\"\"\n1"))
	codes := map[int]bool{0: true, CodeInvalidMessage: true, CodeUnauthorized: true, CodeSubscriberExists: true,
		CodeTooManyInits: true, CodePolicy: true, CodeTooBig: true}

	f.Fuzz(func(t *testing.T, data []byte) {
		server, err := NewServer(func(*http.Request) Handler { return nil }, &Options{MaxFrameBytes: 4_096, MaxOperations: 3})
		require.NoError(t, err)
		c, done := newMemConn(), make(chan struct{})
		go func() {
			defer close(done)
			server.serve(context.Background(), c, handler{operation: echo})
		}()
		for message := range bytes.SplitSeq(data, []byte("\n")) {
			select {
			case c.in <- message:
			case <-c.gone:
			}
		}
		select {
		case c.in <- errors.New("the client has left"):
		case <-c.gone:
		}
		<-done
		for _, frame := range c.frames {
			require.True(t, json.Valid([]byte(frame)), frame)
		}
		require.True(t, codes[c.code], c.code)
		require.LessOrEqual(t, len(c.reason), maxReasonBytes)
	})
}

// echo yields the query that it was asked, and continues unless that is empty.
func echo(ctx context.Context, p Payload, yield func(json.RawMessage, error) bool) {
	asked, err := json.Marshal(p)
	if yield(asked, err) && p.Query != "" {
		<-ctx.Done()
	}
}

// FuzzParseFrame compares the result of parsing with that of encoding/json.
func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(subscribe("1")))
	f.Add([]byte(`{"id":"1","type":"subscribe","payload":{"query":"a","variables":{},"extensions":{},"operationName":"x"}}`))
	f.Add([]byte(`{"id":"1","type":"subscribe","payload":{"query":null,"extensions":{"persistedQuery":{}}}}`))
	f.Add([]byte(`{"id":"1","type":"subscribe","payload":{"query":"\ud83d"}}`))
	f.Add([]byte(`{"type":"ping","payload":null}`))
	f.Add([]byte(`{"type":"complete","id":"\u0000"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseFrame(data)
		if err != nil {
			require.LessOrEqual(t, len("Invalid message: "+err.Error()), maxReasonBytes)
			return
		}
		var fields map[string]any
		require.NoError(t, json.Unmarshal(data, &fields))
		require.Equal(t, fields["type"], got.typ)
		switch got.typ {
		case typeSubscribe:
			require.Equal(t, fields["id"], got.id)
			payload, _ := fields["payload"].(map[string]any)
			if query, ok := payload["query"].(string); ok || got.request.Extensions == nil {
				require.Equal(t, query, got.request.Query)
			}
			if got.request.Variables != nil {
				var variables any
				require.NoError(t, json.Unmarshal(got.request.Variables, &variables))
				require.Equal(t, payload["variables"], variables)
			}
		case typeComplete:
			require.Equal(t, fields["id"], got.id)
		}
	})
}
