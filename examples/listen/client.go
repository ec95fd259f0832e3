package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"
)

// A client listens with one token and remembers the last event that it printed.
type client struct {
	url, token string
	cursor     string // of the last event that was printed
	out        io.Writer
	wait       time.Duration // before it reconnects
	lost       func(error)   // called with the reason before each reconnect
}

// run prints events until ctx ends, or until the server answers with an error that a retry cannot
// fix.
func (c *client) run(ctx context.Context) error {
	for {
		err := c.listen(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the caller asked for the end
		}
		if final(err) {
			return err
		}
		c.lost(err)
		select {
		case <-time.After(c.wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// final reports whether a retry would get the same answer: the token or the cursor is not valid, or
// the client violated the protocol. After any other error, the client may reconnect.
func final(err error) bool {
	var refused refusal
	code := websocket.CloseStatus(err)
	return errors.As(err, &refused) || code >= 4400 && code < 4500 && code != 4408
}

// A refusal holds the GraphQL errors that ended a subscription.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }

// A frame is a message of graphql-transport-ws.
type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// listen opens one socket and prints its events until it is closed.
func (c *client) listen(ctx context.Context) error {
	socket, _, err := websocket.Dial(ctx, c.url, &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // there is none
	if err != nil {
		return err
	}
	defer socket.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // closed either way
	socket.SetReadLimit(1 << 20)
	login := map[string]string{"token": c.token}
	if c.cursor != "" {
		login["after"] = c.cursor
	}
	if err := send(ctx, socket, frame{Type: "connection_init"}, login); err != nil {
		return err
	}
	for {
		var f frame
		if err := wsjson.Read(ctx, socket, &f); err != nil {
			return err
		}
		if err := c.handle(ctx, socket, f); err != nil {
			return err
		}
	}
}

func (c *client) handle(ctx context.Context, socket *websocket.Conn, f frame) error {
	switch f.Type {
	case "connection_ack":
		return send(ctx, socket, frame{ID: "events", Type: "subscribe"}, map[string]string{"query": "subscription { subscribe { success } }"})
	case "ping":
		return send(ctx, socket, frame{Type: "pong"}, nil)
	case "next":
		return c.print(f.Payload)
	case "error":
		return refusal(f.Payload)
	case "complete":
		return errors.New("the subscription ended")
	}
	return nil
}

// print prints an event, and only then moves the cursor, so that the event is not lost if printing
// fails.
func (c *client) print(event json.RawMessage) error {
	var position struct {
		Cursor     string
		Extensions struct{ Cursor string } // set in the first answer, which is not an event
	}
	if err := json.Unmarshal(event, &position); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.out, "%s\n", event); err != nil {
		return refusal(err.Error())
	}
	c.cursor = position.Cursor + position.Extensions.Cursor
	return nil
}

func send(ctx context.Context, socket *websocket.Conn, f frame, payload any) error {
	if payload != nil {
		var err error
		if f.Payload, err = json.Marshal(payload); err != nil {
			return err
		}
	}
	return wsjson.Write(ctx, socket, f)
}
