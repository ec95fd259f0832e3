package transportws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"

	"nhooyr.io/websocket"

	"github.com/buddychat/buddychat/realtime/transportws"
)

// counter is a handler whose operations count to two.
type counter struct{}

func (counter) Init(ctx context.Context, payload json.RawMessage) (context.Context, json.RawMessage, error) {
	if string(payload) != `{"token":"secret"}` {
		return nil, nil, &transportws.CloseError{Code: transportws.CodeForbidden, Reason: "Forbidden"}
	}
	return ctx, nil, nil
}

func (counter) Operation(context.Context, transportws.Payload) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for i := range 2 {
			if !yield(fmt.Appendf(nil, `{"data":{"count":%d}}`, i+1), nil) {
				return
			}
		}
	}
}

func Example() {
	server, err := transportws.NewServer(func(*http.Request) transportws.Handler { return counter{} }, nil)
	if err != nil {
		panic(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, web.URL, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		panic(err)
	}
	read := func() {
		_, frame, err := client.Read(ctx)
		if err != nil {
			fmt.Println(websocket.CloseStatus(err))
			return
		}
		fmt.Println(string(frame))
	}
	write := func(frame string) { _ = client.Write(ctx, websocket.MessageText, []byte(frame)) }

	write(`{"type":"connection_init","payload":{"token":"secret"}}`)
	read()
	write(`{"id":"1","type":"subscribe","payload":{"query":"subscription { count }"}}`)
	read()
	read()
	read()

	go func() { _ = server.Shutdown(ctx) }()
	read()
	// Output:
	// {"type":"connection_ack"}
	// {"id":"1","type":"next","payload":{"data":{"count":1}}}
	// {"id":"1","type":"next","payload":{"data":{"count":2}}}
	// {"id":"1","type":"complete"}
	// StatusGoingAway
}
