package transportws

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
)

// internalErrors is what a client gets instead of an internal error.
const internalErrors = `[{"message":"internal error","extensions":{"code":"INTERNAL"}}]`

// An operation is one that is still running.
type operation struct {
	id      string
	rawID   json.RawMessage
	ctx     context.Context
	cancel  context.CancelFunc
	late    bool // a result was yielded after ctx had ended; used only by its goroutine
	dropped bool // no more of its frames are written; guarded by the outbox's lock
	// closed when the memory of a large result is free; used only by its goroutine
	freed chan struct{}
}

// The caller of isDropped must hold the outbox's lock. A nil operation is never dropped.
func (op *operation) isDropped() bool { return op != nil && op.dropped }

// run executes an operation and tells the client how it ended.
func (s *socket) run(op *operation, p Payload) {
	defer s.leave(op)
	err := s.stream(op, p)
	cutOff := op.ctx.Err() != nil && (err != nil || !op.late)

	var closing *CloseError
	var refusal *OperationError
	switch {
	case errors.As(err, &closing):
		s.close(closing)
	case errors.As(err, &refusal) && len(refusal.Errors) > 0:
		s.end(op, typeError, refusal.Errors)
	case cutOff:
		// The client has completed it, or the socket is closing and the close code tells the client
		// why.
	case err != nil:
		s.opts.Logger.Error("operation failed", "error", err)
		s.end(op, typeError, json.RawMessage(internalErrors))
	default:
		s.end(op, typeComplete, nil)
	}
}

// stream sends the results of an operation as they come, and returns its error.
func (s *socket) stream(op *operation, p Payload) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.opts.Logger.Error("operation panicked", "panic", v, "stack", string(debug.Stack()))
			err = &OperationError{Errors: json.RawMessage(internalErrors)}
		}
	}()
	for result, err := range s.handler.Operation(op.ctx, p) {
		if err != nil {
			return err
		}
		op.late = op.ctx.Err() != nil
		if !s.out.send(op, typeNext, op.rawID, result) {
			return nil
		}
	}
	return nil
}

// end frees the operation's id and sends its last frame, unless the client has completed it.
func (s *socket) end(op *operation, typ string, payload json.RawMessage) {
	s.mu.Lock()
	current := s.operations[op.id] == op
	if current {
		delete(s.operations, op.id)
	}
	s.mu.Unlock()
	if current {
		s.out.send(nil, typ, op.rawID, payload)
	}
}
