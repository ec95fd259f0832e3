package transportws

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Handler handles one socket. [NewServer] takes the function that creates one for each upgrade
// request.
//
// A panic in a method is logged. In Operation it ends the operation with an error frame, in Init it
// closes the socket.
type Handler interface {
	// Init answers connection_init. payload is its payload, a JSON object, or nil. It is called
	// once, before any Operation. It may take as long as ctx lasts, which ends when the socket
	// starts to close.
	//
	// It returns the context of the session, derived from ctx, or nil for ctx itself. The contexts
	// of all operations derive from it. When it ends, the socket is closed with its cause if that
	// is a [*CloseError], and else with [CodeGoingAway]. So use [context.WithDeadlineCause] to end
	// a session at a given time, and [context.WithCancelCause] to end it from outside. To release
	// resources of the socket, use a [context.AfterFunc] on ctx.
	//
	// ack is the payload of connection_ack, a JSON object, or nil for none.
	//
	// A [*CloseError] refuses the client: the socket closes with it (by convention [CodeForbidden],
	// "Forbidden"). Any other error is a failure of the handler: it is logged and the socket closes
	// with [CodeTryAgainLater].
	Init(ctx context.Context, payload json.RawMessage) (session context.Context, ack json.RawMessage, err error)

	// Operation executes one operation and yields its results. Each result is a valid JSON value,
	// which must not change before yield returns, and becomes the payload of a next frame. Then:
	//
	//   - when the sequence ends, a complete frame follows;
	//   - an [*OperationError] becomes an error frame, and the operation has ended;
	//   - a [*CloseError] closes the socket;
	//   - any other error is a failure of the handler: it is logged, and the client gets an error
	//     frame that does not show it. The error of a ctx that has ended is no failure (see the
	//     package comment).
	//
	// The sequence ends at the first error. ctx derives from the context of the session. It ends
	// when the client completes the operation and when the socket ends; the sequence must end soon
	// after. Operations of one socket run concurrently, each in its own goroutine, which also runs
	// the sequence. yield may block while the client is slow. For a result larger than 64 KiB,
	// yield returns once it was written or dropped, and its memory is free.
	Operation(ctx context.Context, p Payload) iter.Seq2[json.RawMessage, error]
}

// Payload is the payload of a subscribe frame.
type Payload struct {
	Query         string          // "" if none was sent, but Extensions were
	OperationName string          // "" if none was sent
	Variables     json.RawMessage // a JSON object, or nil
	Extensions    json.RawMessage // a JSON object, or nil
}

// OperationError ends an operation with an error frame.
type OperationError struct {
	// Errors is the payload of the frame: a JSON list of GraphQL errors, not empty.
	Errors json.RawMessage
}

// Error implements error.
func (e *OperationError) Error() string { return "operation failed: " + string(e.Errors) }

// CloseError closes the socket. A [Handler] returns or yields it, or the context of a session ends
// with it as the cause. Operations that are cut off get no error frame and no complete frame:
// clients take these as the end of the operation, but after a close without them they reconnect and
// subscribe again.
type CloseError struct {
	// Code is 3000 to 4999, or one of the codes from 1000 to 1014 that RFC 6455 allows to send. Any
	// other code becomes [CodeInternal].
	Code int
	// Reason is a text for the client's developer. It is cut after 123 bytes.
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string { return fmt.Sprintf("socket closed: %d %s", e.Code, e.Reason) }

// The close codes that this package uses. Those from 4400 on are defined by the protocol.
const (
	CodeGoingAway        = 1001 // Shutdown, or a session that ended without a CloseError
	CodePolicy           = 1008 // too many messages or frames a second
	CodeTooBig           = 1009 // a message larger than Options.MaxFrameBytes
	CodeInternal         = 1011 // a panic in Init
	CodeTryAgainLater    = 1013 // Init failed, or a Handler chose it; clients try again
	CodeSlowConsumer     = 4008 // the client reads more slowly than it is written to
	CodeInvalidMessage   = 4400 // a message whose type or form the protocol does not define
	CodeUnauthorized     = 4401 // subscribe before connection_ack
	CodeForbidden        = 4403 // Init refused, or the session ended
	CodeSubprotocol      = 4406 // the client does not offer graphql-transport-ws
	CodeInitTimeout      = 4408 // no connection_init within Options.InitTimeout
	CodeSubscriberExists = 4409 // the id of an operation that is still running
	CodeTooManyInits     = 4429 // a second connection_init
)
