package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"sync/atomic"

	"github.com/buddychat/buddychat/internal/gqldoc"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/realtime/transportws"
	"github.com/buddychat/buddychat/storage"
)

func socketOptions(o *Options) *transportws.Options {
	opts := &transportws.Options{Origins: o.Origins, MaxFrameBytes: maxBody, Logger: o.Logger}
	if o.Throttle.Off {
		opts.MessageRate, opts.FrameRate = -1, -1
	}
	return opts
}

// serveSocket upgrades a request and returns when the socket has ended. It refuses the request if
// its address has too many sockets.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	address := h.limits.addressOf(r)
	if !h.limits.perAddress.Acquire(address) {
		writeRefusal(w, mediaPlain, h.limits.over("10", "too many sockets from this address: close one first"))
		return
	}
	defer h.limits.perAddress.Release(address)
	h.sockets.ServeHTTP(w, r)
}

// A socket executes the operations of one WebSocket. Init finishes before the first operation
// begins; afterwards only light changes.
type socket struct {
	h       *Handler
	request *http.Request
	address string
	viewer  viewer
	after   string // the cursor in connection_init; "" for none

	light atomic.Bool // whether a light typed subscription is active
}

func (h *Handler) newSocket(r *http.Request) transportws.Handler {
	return &socket{h: h, request: r, address: h.limits.addressOf(r)}
}

// errLoginEnded closes a socket whose login has ended. The client should connect with a new token
// and subscribe again.
var errLoginEnded = &transportws.CloseError{Code: transportws.CodeForbidden, Reason: "Login ended"}

// errTooManySockets does not use 4403, because many clients would take that for the end of the
// login. After 1013 they wait and try again.
var errTooManySockets = &transportws.CloseError{Code: transportws.CodeTryAgainLater, Reason: "Too many sockets of this user: close one first"}

var errForbidden = &transportws.CloseError{Code: transportws.CodeForbidden, Reason: "Forbidden"}

// Init implements [transportws.Handler]. It authenticates the client, and returns a context that
// ends with the login.
func (s *socket) Init(ctx context.Context, payload json.RawMessage) (context.Context, json.RawMessage, error) {
	p, err := readInit(payload)
	if err != nil {
		return nil, nil, err
	}
	s.after = p.after
	access, ok := p.token()
	if !ok {
		return nil, nil, errForbidden
	}
	if access == "" {
		access, _ = bearer(s.request.Header.Get("Authorization"))
	}
	identity, err := s.identify(ctx, access)
	if err != nil {
		return nil, nil, err
	}
	s.viewer = viewer{Identity: identity, token: access, request: s.request}
	if !s.viewer.known() {
		return ctx, nil, nil
	}
	session, err := s.login(ctx, access)
	return session, nil, err
}

func (s *socket) identify(ctx context.Context, access string) (Identity, error) {
	identity, err := s.h.authenticator.Authenticate(ctx, s.request, access)
	if errors.Is(err, storage.ErrUnauthenticated) {
		return Identity{}, errForbidden
	}
	return identity, err
}

// login counts the socket for its user, and returns a context that ends when the login ends.
func (s *socket) login(ctx context.Context, access string) (context.Context, error) {
	who := s.viewer.Identity
	ended, unwatch := s.h.app.Hub.WatchSession(who.User, who.Session)
	context.AfterFunc(ctx, unwatch)
	// Authenticate again, because the login may have ended before the watch began.
	if again, err := s.identify(ctx, access); err != nil {
		return nil, err
	} else if again.User != who.User || again.Session != who.Session {
		return nil, errForbidden
	}
	sockets, key := s.h.limits.perUser, string(who.User)
	if !sockets.Acquire(key) {
		return nil, errTooManySockets
	}
	context.AfterFunc(ctx, func() { sockets.Release(key) })

	session, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-ended:
			end(errLoginEnded)
		case <-ctx.Done():
			end(nil)
		}
	}()
	if who.Expires.IsZero() {
		return session, nil
	}
	session, stop := context.WithDeadlineCause(session, who.Expires, errLoginEnded)
	context.AfterFunc(ctx, stop)
	return session, nil
}

// An initPayload is the payload of connection_init.
type initPayload struct {
	authorization, bare, after string
}

// invalidCursor replaces a cursor that is not a string. It fails like any other invalid cursor.
const invalidCursor = "no cursor"

// readInit parses the payload of connection_init and ignores unknown names.
func readInit(payload json.RawMessage) (p initPayload, err error) {
	if isNull(payload) {
		return p, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return p, &transportws.CloseError{Code: transportws.CodeInvalidMessage, Reason: "The payload of connection_init must be an object"}
	}
	for name, target := range map[string]*string{"authorization": &p.authorization, "Authorization": &p.authorization, "token": &p.bare} {
		if raw := fields[name]; !isNull(raw) && (json.Unmarshal(raw, target) != nil) {
			return p, errForbidden
		}
	}
	if raw := fields["after"]; !isNull(raw) && json.Unmarshal(raw, &p.after) != nil {
		p.after = invalidCursor
	}
	return p, nil
}

// token returns the token of the payload, or "" if there is none. ok is false if authorization is
// not a Bearer or JWT token.
func (p initPayload) token() (access string, ok bool) {
	if p.authorization == "" {
		return p.bare, true
	}
	access, ok = bearer(p.authorization)
	return access, ok && access != ""
}

// Operation implements [transportws.Handler].
func (s *socket) Operation(ctx context.Context, p transportws.Payload) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		listening := true
		next := func(result json.RawMessage) bool {
			listening = listening && yield(result, nil)
			return listening
		}
		v, err := s.operate(ctx, p, next)
		if err != nil && listening {
			yield(nil, s.wsError(withViewer(ctx, v), err))
		}
	}
}

// operate executes an operation. It returns the viewer with the label of the operation, for the
// log.
func (s *socket) operate(ctx context.Context, p transportws.Payload, next func(json.RawMessage) bool) (viewer, error) {
	q, err := requestOf(p)
	if err != nil {
		return s.viewer, err
	}
	op, err := s.h.prepare(ctx, q, source{
		viewer:  func(context.Context) (viewer, error) { return s.viewer, nil },
		address: s.address,
		takes:   func(gqldoc.Operation) error { return nil },
	})
	if err != nil {
		return s.viewer, err
	}
	if op.doc.Operation == gqldoc.Subscription {
		return op.viewer, s.subscription(ctx, op, next)
	}
	ctx, cancel := s.h.finishing(ctx, op.doc.Operation)
	defer cancel()
	answer, err := s.h.execute(ctx, op)
	defer answer.release()
	if err != nil {
		// convert it here, because ctx has the deadline
		return op.viewer, s.h.refuse(withViewer(ctx, op.viewer), err)
	}
	next(answer.take())
	return op.viewer, nil
}

// finishing returns the context of a query or mutation. It has the deadline. If ctx ends because
// the socket is closing, the operation still finishes and is answered, even a mutation that ends
// its own login. If the client leaves or cancels, queries end, but mutations finish.
func (h *Handler) finishing(ctx context.Context, kind gqldoc.Operation) (context.Context, context.CancelFunc) {
	shielded, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.deadline)
	if kind == gqldoc.Mutation {
		return shielded, cancel
	}
	stop := context.AfterFunc(ctx, func() {
		if _, ok := errors.AsType[*transportws.CloseError](context.Cause(ctx)); !ok {
			cancel()
		}
	})
	return shielded, func() { stop(); cancel() }
}

// subscription runs a subscription until it ends. If ctx ends, it returns the error of ctx,
// whatever failed because of that. The client then gets neither an error nor a complete message,
// and subscribes again.
func (s *socket) subscription(ctx context.Context, op *operation, next func(json.RawMessage) bool) error {
	var err error
	switch {
	case !op.viewer.known():
		return errLogin
	case op.doc.RootFields[0].Name == "events":
		free := op.doc.Cost <= lightEventCost && s.light.CompareAndSwap(false, true)
		if free {
			defer s.light.Store(false)
		}
		err = s.h.typedEvents(ctx, op, s.after, free, next)
	default:
		err = s.h.subscribe(ctx, op, s.after, next)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// wsError returns the error that ends the operation or the socket.
func (s *socket) wsError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, realtime.ErrSlowConsumer):
		return &transportws.CloseError{Code: transportws.CodeSlowConsumer, Reason: "slow consumer"}
	case errors.Is(err, realtime.ErrClosed):
		return &transportws.CloseError{Code: transportws.CodeGoingAway, Reason: "Going away"}
	case ctx.Err() != nil && !isRefusal(err):
		return ctx.Err()
	}
	return &transportws.OperationError{Errors: encodeErrors(s.h.refuse(ctx, err).errors)}
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}
