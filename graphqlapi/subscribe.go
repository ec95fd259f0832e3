package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// subscribe runs the documented subscription: one ordinary result, then each event of the viewer in
// an envelope. It begins after the cursor, or with the next event if after is "".
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
	listening := next(first.encode())
	first.release()
	if !listening {
		return nil
	}
	var envelope []byte
	for e, err := range events.Events(ctx) {
		if err != nil {
			return err
		}
		err := h.retryFailures(ctx, func() (err error) {
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

// resumeFrom returns the later of a subscription's own cursor and the cursor of its socket; ""
// means no cursor. It compares only positions. The hub validates the cursor that is used.
func resumeFrom(own, sockets string) (string, error) {
	if own == "" || sockets == "" {
		return own + sockets, nil
	}
	at, err := realtime.ParseCursor(own)
	if err != nil {
		return "", err
	}
	// An invalid cursor of the socket is ignored.
	if client, err := realtime.ParseCursor(sockets); err == nil && client.ID > at.ID {
		return sockets, nil
	}
	return own, nil
}

// runEvents executes the document of a subscription as a query, for the event in ctx if there is
// one.
func (h *Handler) runEvents(ctx context.Context, op *operation, document string) (*response, error) {
	ctx, cancel := context.WithTimeout(ctx, h.deadline)
	defer cancel()
	return h.run(ctx, op, h.events, document, "")
}

// maxAttempts is how often the delivery of an event is tried.
const maxAttempts = 3

// retryFailures retries attempt after failures of the server. While the database is unavailable it
// waits, so that the event is delivered afterwards. It gives up after maxAttempts failures while
// the database is available.
func (h *Handler) retryFailures(ctx context.Context, attempt func() error) error {
	var err error
	for range maxAttempts {
		if err = attempt(); err == nil || isAnswer(err) || ctx.Err() != nil {
			return err
		}
		// Position polls the log, and so returns only once the database is available.
		if _, err := h.app.Hub.Position(ctx); err != nil {
			return err
		}
	}
	return err
}

// isAnswer reports whether err is the result of the attempt, so that a retry would not change it.
func isAnswer(err error) bool {
	return errors.Is(err, errLeftOut) || isRefusal(err) || storage.Message(err) != ""
}
