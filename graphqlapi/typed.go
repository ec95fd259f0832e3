package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
)

// errFailed says that a result has an error of our own in it.
var errFailed = errors.New("a field failed")

// lightEventCost is what a selection may cost whose deliveries are free, in one subscription of each socket.
const lightEventCost = 250

// typedEvents is the typed subscription: each event is an ordinary result, resolved at its delivery with the rights that the viewer has
// then. It begins after the cursor of the socket or its own, whichever is later, and where there is neither now.
// Deliveries are charged to the viewer, unless they are free: when they come too fast they wait, and a subscription
// that lags too far behind ends as any slow consumer.
func (h *Handler) typedEvents(ctx context.Context, op *operation, sockets string, free bool, next func(json.RawMessage) bool) error {
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
		if !free {
			h.limits.awaitDelivery(ctx, op.viewer, op.doc.Cost)
		}
		result, err := h.resolveEvent(withEvent(ctx, e), op, document)
		if err != nil {
			return err
		}
		result.extensions = map[string]any{"cursor": e.Cursor}
		heard := next(result.take())
		result.release()
		if !heard {
			return nil
		}
	}
	return nil
}

// resolveEvent runs the document for the event in ctx. A field that fails every time is null, with its error,
// and the rest is delivered.
func (h *Handler) resolveEvent(ctx context.Context, op *operation, document string) (*response, error) {
	var result *response
	err := h.untilThere(ctx, func() (err error) {
		result.release()
		result, err = h.deliver(ctx, op, document)
		if err == nil && result.failed() {
			err = errFailed
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		err = ctx.Err() // what was cut off is no event
	case errors.Is(err, errFailed) && string(result.data) == "null":
		// Nothing of the event is left. The client resumes before it.
		err = &refusal{errors: result.errors}
	case errors.Is(err, errFailed):
		err = nil
	}
	if err != nil {
		result.release()
		return nil, err
	}
	return result, nil
}

// deliver runs the document for an event. While all answers together take too much memory, the event waits.
func (h *Handler) deliver(ctx context.Context, op *operation, document string) (*response, error) {
	for {
		result, err := h.runEvents(ctx, op, document)
		if !isOverload(err) || ctx.Err() != nil {
			return result, err
		}
		h.answers.wait(ctx)
	}
}
