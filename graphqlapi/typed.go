package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
)

// errFailed means that a result has an INTERNAL error.
var errFailed = errors.New("a field failed")

// lightEventCost is the maximum cost of a selection whose deliveries are not charged. Each socket
// may have one such subscription at a time.
const lightEventCost = 250

// typedEvents runs the typed subscription. Each event is an ordinary result, resolved at delivery
// with the viewer's rights at that time. It begins after the later of its own cursor and that of
// the socket, or with the next event if there is neither. Unless free, deliveries are charged to
// the viewer and wait if they exceed the rate. A subscription that lags too far behind ends like
// any slow consumer.
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
		listening := next(result.take())
		result.release()
		if !listening {
			return nil
		}
	}
	return nil
}

// resolveEvent executes the document for the event in ctx. A field that keeps failing is null with
// its error, and the rest is delivered.
func (h *Handler) resolveEvent(ctx context.Context, op *operation, document string) (*response, error) {
	var result *response
	err := h.retryFailures(ctx, func() (err error) {
		result.release()
		result, err = h.deliver(ctx, op, document)
		if err == nil && result.failed() {
			err = errFailed
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		err = ctx.Err() // the result of a canceled attempt is not delivered
	case errors.Is(err, errFailed) && string(result.data) == "null":
		// Nothing of the event could be resolved. The client resumes before it.
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

// deliver executes the document for an event. It waits while all answers together use too much
// memory.
func (h *Handler) deliver(ctx context.Context, op *operation, document string) (*response, error) {
	for {
		result, err := h.runEvents(ctx, op, document)
		if !isOverload(err) || ctx.Err() != nil {
			return result, err
		}
		h.answers.wait(ctx)
	}
}
