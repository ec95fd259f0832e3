package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// subscribe is the documented subscription: one ordinary result, and then every event of the viewer in an envelope. It begins
// after the cursor, or with "" now.
func (h *Handler) subscribe(ctx context.Context, op *operation, after string, next func(json.RawMessage) bool) error {
	events, err := h.app.Hub.Subscribe(ctx, op.viewer.User, after)
	if err != nil {
		return err
	}
	defer events.Close()
	first, err := h.runEvents(ctx, op, op.doc.AsQuery())
	if err != nil {
		return err
	}
	first.extensions = map[string]any{"cursor": events.Start()}
	heard := next(first.encode())
	first.release()
	if !heard {
		return nil
	}
	var envelope []byte
	for e, err := range events.Events(ctx) {
		if err != nil {
			return err
		}
		err := h.untilThere(ctx, func() (err error) {
			envelope, err = h.appendEnvelope(ctx, envelope[:0], e)
			return err
		})
		switch {
		case errors.Is(err, errLeftOut):
			continue
		case err != nil:
			return err
		case !next(envelope):
			return nil
		}
	}
	return nil
}

// resumeFrom returns the cursor to resume from: a subscription's own, unless that of the socket is later. "" is none. Cursors
// are compared by their places alone; the hub checks the one that is used.
func resumeFrom(own, sockets string) (string, error) {
	if own == "" || sockets == "" {
		return own + sockets, nil
	}
	at, err := realtime.ParseCursor(own)
	if err != nil {
		return "", err
	}
	// What is no cursor is not later than one.
	if client, err := realtime.ParseCursor(sockets); err == nil && client.ID > at.ID {
		return sockets, nil
	}
	return own, nil
}

// runEvents runs a subscription's document as a query, for the event in ctx or for none.
func (h *Handler) runEvents(ctx context.Context, op *operation, document string) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, h.deadline)
	defer cancel()
	return h.run(ctx, op, h.events, document, "")
}

// The attempts that are made to deliver an event.
const maxAttempts = 3

// untilThere tries again where something of our own fails: while the database is away an event waits, and is delivered when it is back.
// What fails with the database there is given up.
func (h *Handler) untilThere(ctx context.Context, attempt func() error) error {
	var err error
	for range maxAttempts {
		if err = attempt(); err == nil || isAnswer(err) || ctx.Err() != nil {
			return err
		}
		// The position takes a look into the log, and waits until there is one.
		if _, err := h.app.Hub.Position(ctx); err != nil {
			return err
		}
	}
	return err
}

// isAnswer reports whether err is an answer, which will be the same the next time.
func isAnswer(err error) bool {
	return errors.Is(err, errLeftOut) || isRefusal(err) || storage.Message(err) != ""
}
