package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"
)

// An event holds the fields of a subscription's event that this program reads.
type event struct {
	Operation, ID, Cursor string
	Payload               struct {
		ChatMessage, GroupMessage struct {
			Message         struct{ Content string }
			Chat, GroupCopy struct{ ID string }
		}
		GroupCopy struct {
			ID     string
			Member struct {
				ID   string
				User struct{ ID string }
			}
		}
		MemberID string
	}
	Extensions struct{ Cursor string } // set in the first answer, which is not an event
}

// content returns the text of the message, or "" if the event is not about a message.
func (e *event) content() string {
	return e.Payload.ChatMessage.Message.Content + e.Payload.GroupMessage.Message.Content
}

// copy returns the id of the recipient's copy of the conversation.
func (e *event) copy() string {
	return e.Payload.ChatMessage.Chat.ID + e.Payload.GroupMessage.GroupCopy.ID + e.Payload.GroupCopy.ID
}

// counts reports whether the program checks events of this kind.
func (e *event) counts() bool {
	switch e.Operation {
	case "CHAT_MESSAGE_CREATED", "GROUP_MESSAGE_CREATED", "MEMBER_ADDED", "MEMBER_REMOVED", "MEMBER_LEFT":
		return true
	}
	return false
}

// follow delivers a user's events after the cursor until ctx ends. When a connection fails, it
// connects to any node that is up. Connections are numbered from 1, and opened is called once each
// subscription is active. The error is one that every node would answer.
func follow(ctx context.Context, nodes *cluster, token, cursor string, opened func(), receive func(connection int, e *event)) error {
	for connection := 1; ctx.Err() == nil; connection++ {
		err := errors.New("no node is up")
		if node := nodes.any(); node != "" {
			err = listen(ctx, node, token, cursor, func(e *event) {
				cursor = e.Cursor + e.Extensions.Cursor
				switch {
				case e.Operation == "":
					opened()
				case e.counts():
					receive(connection, e)
				}
			})
		}
		var final refusal
		if errors.As(err, &final) && ctx.Err() == nil {
			return err
		}
		select {
		case <-time.After(breath):
		case <-ctx.Done():
		}
	}
	return nil
}

// A frame is a message of graphql-transport-ws.
type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// listen opens one socket and delivers its events until it ends.
func listen(ctx context.Context, node, token, cursor string, receive func(*event)) error {
	dialing, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	socket, _, err := websocket.Dial(dialing, node+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // there is none
	if err != nil {
		return err
	}
	defer socket.CloseNow() //nolint:errcheck // closed either way
	socket.SetReadLimit(1 << 20)
	login, err := json.Marshal(map[string]string{"token": token, "after": cursor})
	if err != nil {
		return err
	}
	if err := wsjson.Write(ctx, socket, frame{Type: "connection_init", Payload: login}); err != nil {
		return err
	}
	for {
		var f frame
		if err := wsjson.Read(ctx, socket, &f); err != nil {
			return closed(err)
		}
		if err := handle(ctx, socket, f, receive); err != nil {
			return err
		}
	}
}

// closed returns a refusal for the close codes that a retry cannot fix, and err for all others.
func closed(err error) error {
	if code := websocket.CloseStatus(err); code >= 4400 && code < 4500 {
		return refusal{code: code.String(), message: err.Error()}
	}
	return err
}

func handle(ctx context.Context, socket *websocket.Conn, f frame, receive func(*event)) error {
	switch f.Type {
	case "connection_ack":
		return wsjson.Write(ctx, socket, frame{ID: "events", Type: "subscribe", Payload: json.RawMessage(`{"query":"subscription { subscribe { success } }"}`)})
	case "ping":
		return wsjson.Write(ctx, socket, frame{Type: "pong"})
	case "next":
		var e event
		if err := json.Unmarshal(f.Payload, &e); err != nil {
			return refusal{code: "not understood", message: err.Error()}
		}
		receive(&e)
		return nil
	case "error":
		return refusal{code: "the subscription was refused", message: string(f.Payload)}
	}
	return nil
}
