package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
)

// errFailed says that a result has an error of our own in it.
var errFailed = errors.New("a field failed")

// typedEvents is the typed subscription: each event is an ordinary result, resolved at its delivery with the rights that the viewer has
// then. It begins after the cursor of the socket or its own, whichever is later, and where there is neither now.
func (h *Handler) typedEvents(ctx context.Context, op *operation, sockets string, next func(json.RawMessage) bool) error {
	own, _ := op.doc.RootFields[0].StringArgument("after")
	after, err := resumeFrom(own, sockets)
	if err != nil {
		return err
	}
	events, err := h.app.Hub.Subscribe(ctx, op.viewer.User, after)
	if err != nil {
		return err
	}
	defer events.Close()
	document := op.doc.AsQuery()
	for e, err := range events.Events(ctx) {
		if err != nil {
			return err
		}
		var result *response
		err := h.untilThere(ctx, func() (err error) {
			result, err = h.runEvents(withEvent(ctx, e), op, document)
			if err == nil && result.failed() {
				err = errFailed
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err() // what was cut off is no event
		case errors.Is(err, errFailed) && string(result.data) == "null":
			// Nothing of the event is left. The client resumes before it.
			return &refusal{errors: result.errors}
		case err != nil && !errors.Is(err, errFailed):
			return err
		}
		// A field that fails every time is null, with its error, and the rest is delivered.
		result.extensions = map[string]any{"cursor": e.Cursor}
		if !next(result.encode()) {
			return nil
		}
	}
	return nil
}
