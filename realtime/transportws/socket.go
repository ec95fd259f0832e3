package transportws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// A socket runs the protocol on one connection.
type socket struct {
	conn    conn
	handler Handler
	opts    *Options
	out     *outbox
	ctx     context.Context // ends when the socket starts to close
	cancel  context.CancelCauseFunc
	running sync.WaitGroup // all goroutines of the socket except the reader

	mu         sync.Mutex
	state      state
	session    context.Context       // set when ready
	operations map[string]*operation // by id; a client may reuse an id that is not in here
	executing  int                   // goroutines of operations, including those that are ending
	drained    chan struct{}         // closed when the socket is closing and executing is 0
}

type state int

const (
	waiting      state = iota // for connection_init
	initialising              // in the handler's Init
	ready
	closing // also when the connection has ended
)

func newSocket(ctx context.Context, c conn, h Handler, opts *Options) *socket {
	s := &socket{conn: c, handler: h, opts: opts, operations: map[string]*operation{}, drained: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.out = newOutbox(c, opts, &s.running, s.writeFailed)
	return s
}

// serve runs the socket and returns when all of its goroutines have ended.
func (s *socket) serve() {
	initTimer := time.AfterFunc(s.opts.InitTimeout, s.initTimedOut)
	defer initTimer.Stop()
	if s.opts.PingInterval > 0 {
		defer s.startPings()()
	}
	if err := s.read(); err != nil {
		s.gone(err)
	}
	s.running.Wait()
}

// read handles messages from the client until the socket is closing, or the connection has ended
// with an error.
func (s *socket) read() error {
	allowance := newBucket(s.opts.MessageRate, s.opts.MessageBurst)
	for {
		data, err := s.conn.Read(s.opts.MaxFrameBytes)
		var violation *CloseError
		switch {
		case errors.Is(err, errTooBig):
			violation = &CloseError{Code: CodeTooBig, Reason: fmt.Sprintf("Message too big: at most %d bytes are allowed", s.opts.MaxFrameBytes)}
		case errors.Is(err, errBinary):
			violation = invalid(err)
		case errors.Is(err, errTooMuchArrives):
			violation = &CloseError{Code: CodeTryAgainLater, Reason: "Too many unfinished messages: try again later"}
		case errors.Is(err, errTooManyFrames):
			violation = &CloseError{Code: CodePolicy, Reason: fmt.Sprintf("Too many control frames or fragments: at most %g a second are allowed", s.opts.FrameRate)}
		case err != nil:
			return err
		case s.isClosing():
			return nil
		case !allowance.take(time.Now()):
			violation = &CloseError{Code: CodePolicy, Reason: fmt.Sprintf("Too many messages: at most %g a second are allowed", s.opts.MessageRate)}
		default:
			violation = s.handle(data)
		}
		if violation != nil {
			s.closeNow(violation)
			return nil
		}
	}
}

// handle is the state machine: it handles one message, and returns how the client has broken the
// protocol, nil if it has not.
func (s *socket) handle(data []byte) *CloseError {
	f, err := parseFrame(data)
	if err != nil {
		return invalid(err)
	}
	switch f.typ {
	case typeInit:
		return s.init(f.payload)
	case typeSubscribe:
		return s.subscribe(&f)
	case typeComplete:
		s.complete(f.id)
	case typePing:
		s.out.send(nil, typePong, nil, f.payload)
	case typePong:
		// A pong needs no action: the WebSocket's own pings check that the client is alive.
	}
	return nil
}

func invalid(err error) *CloseError {
	return &CloseError{Code: CodeInvalidMessage, Reason: "Invalid message: " + err.Error()}
}

func (s *socket) init(payload json.RawMessage) *CloseError {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case waiting:
		s.state = initialising
		s.running.Go(func() { s.initialise(payload) })
		return nil
	case closing:
		return nil
	default:
		return &CloseError{Code: CodeTooManyInits, Reason: "Too many initialisation requests"}
	}
}

// initialise calls the handler's Init. The reader goes on in the meantime: it answers pings and
// refuses a second connection_init.
func (s *socket) initialise(payload json.RawMessage) {
	session, ack, err := s.callInit(payload)
	var refusal *CloseError
	switch {
	case errors.As(err, &refusal):
		s.closeNow(refusal)
		return
	case err != nil:
		if s.ctx.Err() == nil {
			s.opts.Logger.Error("init failed", "error", err)
		}
		s.closeNow(&CloseError{Code: CodeTryAgainLater, Reason: "Try again later"})
		return
	}

	if s.acknowledge(session, ack) {
		context.AfterFunc(session, func() { s.close(endOf(session)) })
	}
}

// acknowledge makes the socket ready and queues connection_ack under one lock. So no frame of an
// operation can come before it, and a client that has received it is never unauthorized.
func (s *socket) acknowledge(session context.Context, ack json.RawMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == closing {
		return false
	}
	s.state, s.session = ready, session
	s.out.sendNow(typeAck, nil, ack)
	return true
}

func (s *socket) callInit(payload json.RawMessage) (session context.Context, ack json.RawMessage, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.opts.Logger.Error("init panicked", "panic", v, "stack", string(debug.Stack()))
			err = &CloseError{Code: CodeInternal, Reason: "Internal error"}
		}
	}()
	session, ack, err = s.handler.Init(s.ctx, payload)
	if session == nil {
		session = s.ctx
	}
	return session, ack, err
}

func (s *socket) initTimedOut() {
	s.mu.Lock()
	late := s.state == waiting
	s.mu.Unlock()
	if late {
		s.closeNow(&CloseError{Code: CodeInitTimeout, Reason: "Connection initialisation timeout"})
	}
}

func (s *socket) subscribe(f *frame) *CloseError {
	op, violation := s.admit(f)
	switch {
	case violation != nil:
		return violation
	case op == nil:
		s.out.send(nil, typeError, f.rawID, s.opts.OverLimit)
		return nil
	case f.refusal != nil:
		s.end(op, typeError, f.refusal)
		s.leave(op)
		return nil
	}
	s.running.Go(func() { s.run(op, f.request) })
	return nil
}

// admit registers an operation. It returns nil if the socket has too many.
func (s *socket) admit(f *frame) (*operation, *CloseError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != ready {
		return nil, &CloseError{Code: CodeUnauthorized, Reason: "Unauthorized"}
	}
	if _, taken := s.operations[f.id]; taken {
		return nil, &CloseError{Code: CodeSubscriberExists, Reason: subscriberExists(f.id)}
	}
	// Completed operations may take a moment to end. They must not count against a client that
	// replaces one by another, but a client must not be able to pile them up either.
	if len(s.operations) >= s.opts.MaxOperations || s.executing >= 2*s.opts.MaxOperations {
		return nil, nil
	}
	op := &operation{id: f.id, rawID: f.rawID}
	op.ctx, op.cancel = context.WithCancel(s.session)
	s.operations[op.id] = op
	s.executing++
	return op, nil
}

// complete handles the client's complete. It is no error if the operation has just ended.
func (s *socket) complete(id string) {
	s.mu.Lock()
	op := s.operations[id]
	delete(s.operations, id)
	s.mu.Unlock()
	if op != nil {
		s.out.drop(op)
		op.cancel()
	}
}

// leave is the last call of an operation's goroutine.
func (s *socket) leave(op *operation) {
	op.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executing--
	s.signalDrained()
}

// The caller of signalDrained must hold the lock.
func (s *socket) signalDrained() {
	if s.state == closing && s.executing == 0 {
		close(s.drained)
	}
}
