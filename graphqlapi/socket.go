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

// serveSocket upgrades a request, where its address has not too many sockets already, and returns when the socket has ended.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	address := h.limits.addressOf(r)
	if !h.limits.perAddress.Acquire(address) {
		writeRefusal(w, mediaPlain, h.limits.over("10", "too many sockets from this address: close one first"))
		return
	}
	defer h.limits.perAddress.Release(address)
	h.sockets.ServeHTTP(w, r)
}

// A socket runs the operations of one socket. Init is over before the first of them begins, and nothing changes afterwards.
type socket struct {
	h       *Handler
	request *http.Request
	address string
	viewer  viewer
	after   string // the cursor in connection_init, "" for none

	light atomic.Bool // a light typed subscription is under way
}

func (h *Handler) newSocket(r *http.Request) transportws.Handler {
	return &socket{h: h, request: r, address: h.limits.addressOf(r)}
}

// errLoginEnded closes a socket. Its client is to come back with a fresh token, and subscribe again.
var errLoginEnded = &transportws.CloseError{Code: transportws.CodeForbidden, Reason: "Login ended"}

// errTooManySockets is not 4403, which many clients take for the end of the login. At 1013 they wait, and try again.
var errTooManySockets = &transportws.CloseError{Code: transportws.CodeTryAgainLater, Reason: "Too many sockets of this user: close one first"}

var errForbidden = &transportws.CloseError{Code: transportws.CodeForbidden, Reason: "Forbidden"}

// Init implements [transportws.Handler]: it says who is there, and ends the session when the login ends.
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

// login returns a context that ends with the login, and counts the socket among the user's.
func (s *socket) login(ctx context.Context, access string) (context.Context, error) {
	who := s.viewer.Identity
	ended, unwatch := s.h.app.Hub.WatchSession(who.User, who.Session)
	context.AfterFunc(ctx, unwatch)
	// Asked again, for the login may have ended before the watch began.
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

// An initPayload is what a client says in connection_init.
type initPayload struct {
	authorization, bare, after string
}

// noCursor stands for a value that is no string. It is answered as any other text that is no cursor.
const noCursor = "no cursor"

// readInit reads the payload of connection_init. Names that it does not know are the client's own business.
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
		p.after = noCursor
	}
	return p, nil
}

// token returns the token of the payload, "" where there is none. It is false where there is something else in its place.
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
		heard := true
		next := func(result json.RawMessage) bool {
			heard = heard && yield(result, nil)
			return heard
		}
		v, err := s.operate(ctx, p, next)
		if err != nil && heard {
			yield(nil, s.wsError(withViewer(ctx, v), err))
		}
	}
}

// operate runs an operation. The viewer that it returns says whose it was, and which.
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
		return op.viewer, s.h.refuse(withViewer(ctx, op.viewer), err) // here, where the deadline is known
	}
	next(answer.take())
	return op.viewer, nil
}

// finishing returns the context of a query or mutation. It has the deadline, and goes on where ctx ends because the socket is to be
// closed: what is in flight is answered, a mutation that ends its own login too. A client that has left, or lost
// interest, ends its queries, but no mutation.
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

// subscription runs one until it ends. One that was cut off ends with the error of ctx, whatever failed because of it, and where an
// event went out at that very moment: the client gets neither an error nor a complete, and so subscribes again.
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

// wsError returns what ends an operation, or the socket.
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
