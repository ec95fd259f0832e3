package transportws

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Handler is what runs behind one socket. [NewServer] takes the function that makes one for each upgrade request.
//
// A panic in a method is logged; it ends the operation with an error frame, or in Init the socket.
type Handler interface {
	// Init answers connection_init; payload is its payload, a JSON object, or nil. It is called once, before
	// any Operation. The socket has no limit of time for it beyond ctx, which ends when the socket begins to end.
	//
	// It returns the context of the session, derived from ctx, or nil for ctx itself. The contexts of all
	// operations derive from it. When it ends, the socket is closed with its cause if that is a
	// [*CloseError], and else with [CodeGoingAway]; so a session ends on time by [context.WithDeadlineCause]
	// and from outside by [context.WithCancelCause]. What belongs to the socket can be released by a
	// [context.AfterFunc] on ctx.
	//
	// ack is the payload of connection_ack, a JSON object, or nil for none.
	//
	// A [*CloseError] refuses: the socket closes with it (by custom [CodeForbidden], "Forbidden"). Any other
	// error is a failure of the handler: it is logged and the socket closes with [CodeTryAgainLater].
	Init(ctx context.Context, payload json.RawMessage) (session context.Context, ack json.RawMessage, err error)

	// Operation executes one operation and yields its results, each a valid JSON value that must not change
	// afterwards before yield returns; it becomes the payload of a next frame. Then:
	//
	//   - when the sequence ends, a complete frame follows;
	//   - an [*OperationError] becomes an error frame, and the operation has ended;
	//   - a [*CloseError] closes the socket;
	//   - any other error is a failure of the handler: it is logged, and becomes an error frame that does
	//     not show it. The error of a ctx that has ended is no failure (see the package comment).
	//
	// The sequence ends at the first error. ctx derives from that of the session, and ends when the client completes the operation and when the
	// socket ends; the sequence must end soon after. Operations of one socket run concurrently, each in its own goroutine,
	// which also runs the sequence. yield may block while the client is slow. From a result that is larger than
	// 64 KiB it returns when the result was written or given up, and is out of memory.
	Operation(ctx context.Context, p Payload) iter.Seq2[json.RawMessage, error]
}

// Payload is the payload of a subscribe frame.
type Payload struct {
	Query         string          // "" where none was sent, and Extensions are there
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

// CloseError closes the socket. It is an error that [Handler] returns or yields, or the cause with which the
// context of a session ends. Operations that are cut off get no error frame and no complete frame: clients take
// those as the end of the operation, while after a bare close they reconnect and subscribe again.
type CloseError struct {
	// Code is 1000 to 1014, as far as RFC 6455 lets it be sent, or 3000 to 4999. Another becomes [CodeInternal].
	Code int
	// Reason is a text for the client's developer. What is longer than 123 bytes is cut.
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string { return fmt.Sprintf("socket closed: %d %s", e.Code, e.Reason) }

// The codes with which this package closes sockets: those from 4400 on as the protocol has them.
const (
	CodeGoingAway        = 1001 // Shutdown, or a session that ended without a CloseError
	CodePolicy           = 1008 // too many messages or frames a second
	CodeTooBig           = 1009 // a message larger than Options.MaxFrameBytes
	CodeInternal         = 1011 // a panic in Init
	CodeTryAgainLater    = 1013 // Init failed; a Handler may close with it, too, and clients try again
	CodeSlowConsumer     = 4008 // the client does not read as fast as it is written to
	CodeInvalidMessage   = 4400 // a message of a type or form that the protocol does not have
	CodeUnauthorized     = 4401 // subscribe before connection_ack
	CodeForbidden        = 4403 // Init refused, or the session ended
	CodeSubprotocol      = 4406 // the client does not offer graphql-transport-ws
	CodeInitTimeout      = 4408 // no connection_init within Options.InitTimeout
	CodeSubscriberExists = 4409 // the id of an operation under way
	CodeTooManyInits     = 4429 // a second connection_init
)
