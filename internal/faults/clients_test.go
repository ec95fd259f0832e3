package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"
)

// ask runs one operation over HTTP and decodes its data into data. The text of an API error
// contains its code.
func ask(ctx context.Context, url, token, query string, variables map[string]any, data any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Data   any
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("%s: %s", answer.Errors[0].Extensions.Code, answer.Errors[0].Message)
	}
	return nil
}

const sendMutation = `mutation($c: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t, clientMessageId: $t) { chatMessage { id } } }`

// A form selects one of the two subscriptions of the API.
type form int

const (
	envelope form = iota // subscribe, which takes its cursor from connection_init
	typed                // events, which takes its cursor as an argument
)

// socket opens a socket and subscribes on it in the given form.
func socket(ctx context.Context, url, token, cursor string, f form) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(1 << 20)
	login, operation := map[string]any{"token": token}, map[string]any{"query": `subscription { subscribe { success } }`}
	if f == typed {
		operation = map[string]any{
			"query":     `subscription($after: String) { events(after: $after) { id cursor operation at chatMessage { message { content } } } }`,
			"variables": map[string]any{"after": cursor},
		}
	} else if cursor != "" {
		login["after"] = cursor
	}
	err = errors.Join(
		wsjson.Write(ctx, c, map[string]any{"type": "connection_init", "payload": login}),
		wait(ctx, c, "connection_ack"),
		wsjson.Write(ctx, c, map[string]any{"type": "subscribe", "id": "1", "payload": operation}),
	)
	if err != nil {
		return nil, errors.Join(err, c.CloseNow())
	}
	return c, nil
}

func wait(ctx context.Context, c *websocket.Conn, kind string) error {
	for {
		var frame struct{ Type string }
		if err := wsjson.Read(ctx, c, &frame); err != nil {
			return err
		}
		if frame.Type == kind {
			return nil
		}
	}
}

// notIn wraps an error that kept a client from connecting, unlike one that ended a connection.
type notIn struct{ error }

// followSocket delivers the numbers that arrive on a new socket until the socket ends.
func followSocket(ctx context.Context, url, token, cursor string, f form, got func(arrival)) error {
	// The typed form has no first answer with a cursor. Ask for one before the subscription begins,
	// so that no event is missed.
	if f == typed && cursor == "" {
		var now struct{ EventCursor string }
		if err := ask(ctx, url, token, `{ eventCursor }`, nil, &now); err != nil {
			return notIn{err}
		}
		cursor = now.EventCursor
	}
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := socket(dialing, url, token, cursor, f)
	if err != nil {
		return notIn{err}
	}
	defer c.CloseNow() //nolint:errcheck // already ended
	if f == typed {
		got(arrival{cursor: cursor})
	}
	for {
		var frame struct {
			Type    string
			Payload json.RawMessage
		}
		if err := wsjson.Read(ctx, c, &frame); err != nil {
			return err
		}
		switch frame.Type {
		case "ping":
			if err := wsjson.Write(ctx, c, map[string]string{"type": "pong"}); err != nil {
				return err
			}
		case "error", "complete":
			return fmt.Errorf("%s: %s", frame.Type, frame.Payload)
		case "next":
			if err := take(frame.Payload, got); err != nil {
				return err
			}
		}
	}
}

// take decodes an event of either form and delivers it.
func take(payload json.RawMessage, got func(arrival)) error {
	var e struct {
		ID, Operation, Cursor string
		At                    time.Time
		Payload               struct {
			ChatMessage struct{ Message struct{ Content string } }
		}
		Extensions struct{ Cursor string }
		Data       struct {
			Events *struct {
				ID, Operation, Cursor string
				At                    time.Time
				ChatMessage           *struct{ Message struct{ Content string } }
			}
		}
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return err
	}
	switch {
	case e.Data.Events != nil && e.Data.Events.Operation == "CHAT_MESSAGE_CREATED":
		got(arrival{number(e.Data.Events.ChatMessage.Message.Content), e.Data.Events.ID, e.Data.Events.Cursor, e.Data.Events.At})
	case e.Operation == "CHAT_MESSAGE_CREATED":
		got(arrival{number(e.Payload.ChatMessage.Message.Content), e.ID, e.Cursor, e.At})
	case e.Extensions.Cursor != "":
		got(arrival{cursor: e.Extensions.Cursor})
	}
	return nil
}
