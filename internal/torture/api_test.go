package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

type object = map[string]any

// ownUsers selects the built-in users, with the fastest possible password hashing.
func ownUsers(o *buddychat.Options) {
	o.Users.Hash = user.HashParams{Memory: 8, Iterations: 1, Parallelism: 1}
	o.Tokens.Keys = []token.Key{{ID: "test", Secret: bytes.Repeat([]byte{7}, 32)}}
}

// serve serves the API of every node, without throttling.
func serve(t *testing.T, c *cluster) []*httptest.Server {
	t.Helper()
	var servers []*httptest.Server
	for _, n := range c.nodes {
		handler, err := graphqlapi.NewHandler(n.app, &graphqlapi.Options{Throttle: &graphqlapi.Throttle{Off: true}, MaxCost: 1_000_000, Introspection: true})
		require.NoError(t, err)
		server := httptest.NewServer(handler)
		servers = append(servers, server)
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, handler.Shutdown(ctx))
			server.Close()
		})
	}
	return servers
}

// expected lists the error codes that a user may get if another user changed the object in the
// meantime.
var expected = []string{"NOT_FOUND", "FORBIDDEN", "CONFLICT", "UNAUTHENTICATED"}

// ask sends a document and returns its data, or nil if the API rejected it with an expected code.
func ask(ctx context.Context, server *httptest.Server, access, document string, variables object) (object, error) {
	body, err := json.Marshal(object{"query": document, "variables": variables})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+access)
	response, err := server.Client().Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data   object
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w in %s", err, text)
	}
	for _, e := range answer.Errors {
		if !slices.Contains(expected, e.Extensions.Code) {
			return nil, fmt.Errorf("%s answered %s", document, text)
		}
	}
	if len(answer.Errors) > 0 {
		return nil, nil
	}
	return answer.Data, nil
}

// A frame is a message of graphql-transport-ws.
type frame struct {
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

// subscribe opens a socket and subscribes after a cursor, with the typed or the documented
// subscription. The next frames on the socket belong to the subscription.
func subscribe(ctx context.Context, server *httptest.Server, access, after string, typed bool) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/graphql", &websocket.DialOptions{
		HTTPClient: server.Client(), Subprotocols: []string{"graphql-transport-ws"},
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	init, operation := object{"token": access}, object{"query": typedEvents, "variables": object{"after": after}}
	if !typed {
		init["after"], operation = after, object{"query": `subscription { subscribe { success } }`}
	}
	if err := greet(ctx, conn, init, operation); err != nil {
		_ = conn.CloseNow()
		return nil, err
	}
	return conn, nil
}

func greet(ctx context.Context, conn *websocket.Conn, init, operation object) error {
	if err := writeFrame(ctx, conn, object{"type": "connection_init", "payload": init}); err != nil {
		return err
	}
	f, err := readFrame(ctx, conn)
	if err != nil {
		return err
	}
	if f.Type != "connection_ack" {
		return fmt.Errorf("answered with %s %s", f.Type, f.Payload)
	}
	return writeFrame(ctx, conn, object{"type": "subscribe", "id": "1", "payload": operation})
}

func writeFrame(ctx context.Context, conn *websocket.Conn, message object) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, text)
}

func readFrame(ctx context.Context, conn *websocket.Conn) (f frame, err error) {
	_, text, err := conn.Read(ctx)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

// at returns the value at a path in decoded JSON, or nil if it is missing.
func at(value any, path ...string) any {
	for _, step := range path {
		in, _ := value.(object)
		value = in[step]
	}
	return value
}

func textAt(value any, path ...string) string {
	text, _ := at(value, path...).(string)
	return text
}

func nodesAt(value any, path ...string) []any {
	nodes, _ := at(value, append(path, "nodes")...).([]any)
	return nodes
}
