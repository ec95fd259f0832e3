package transportws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/buddychat/buddychat/internal/origin"
)

const (
	subprotocol = "graphql-transport-ws"
	goingAway   = "Going away"
)

// Server accepts sockets. Its methods are safe for concurrent use.
type Server struct {
	newHandler func(*http.Request) Handler
	opts       *Options
	origins    origin.List
	arriving   arriving

	mu      sync.Mutex
	sockets map[*socket]struct{}
	ending  bool
	ended   chan struct{} // closed when the server is shutting down and no socket is left
}

// NewServer returns a server. It starts no goroutines until it serves a request. newHandler is
// called once for each socket, with the request that it was upgraded from. The error is about opts.
func NewServer(newHandler func(*http.Request) Handler, opts *Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	origins, err := origin.NewList(opts.Origins)
	if err != nil {
		return nil, fmt.Errorf("transportws: Options.Origins: %w", err)
	}
	return &Server{
		newHandler: newHandler,
		opts:       opts,
		origins:    origins,
		arriving:   arriving{limit: int64(opts.MaxArrivingBytes)},
		sockets:    map[*socket]struct{}{},
		ended:      make(chan struct{}),
	}, nil
}

// ServeHTTP upgrades the request to a WebSocket and serves it until the socket and all its
// operations have ended. The context of the socket has the values of the request's context, but
// does not end with it.
//
// If the request cannot be upgraded, it answers 400, 405, 426 or 505 if the request is at fault, or
// a proxy that altered it; 403 if its Origin is not allowed; 501 if the connection of w cannot be
// taken over; and 503 after Shutdown. The text says what to change.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.isEnding() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is shutting down", http.StatusServiceUnavailable)
		return
	}
	if !s.allows(r) {
		http.Error(w, "this origin may not open sockets: add it to the allowed origins of the server", http.StatusForbidden)
		return
	}
	c, chosen, ok := s.open(w, r)
	if !ok {
		return // open has sent the response
	}
	defer c.CloseNow()
	if chosen != subprotocol {
		c.Close(CodeSubprotocol, "Subprotocol not acceptable")
		return
	}
	s.serve(context.WithoutCancel(r.Context()), c, s.newHandler(r))
}

// allows reports whether r may open a socket: it has no Origin, or one that is listed or of the
// same host.
func (s *Server) allows(r *http.Request) bool {
	headers := r.Header.Values("Origin")
	switch len(headers) {
	case 0:
		return true
	case 1:
		return s.origins.Has(headers[0]) || origin.SameHost(headers[0], r.Host)
	}
	return false
}

func (s *Server) serve(ctx context.Context, c conn, h Handler) {
	k := newSocket(ctx, c, h, s.opts)
	if !s.add(k) {
		c.Close(CodeGoingAway, goingAway)
		return
	}
	defer s.remove(k)
	k.serve()
}

// Shutdown stops accepting sockets, closes the open ones with [CodeGoingAway], as the package
// comment describes, and waits until all have ended. If ctx ends first, it cuts their connections
// and returns the error of ctx, without waiting for handlers that have not returned. It may be
// called again, and waits again.
func (s *Server) Shutdown(ctx context.Context) error {
	sockets := s.end()
	for _, k := range sockets {
		k.close(&CloseError{Code: CodeGoingAway, Reason: goingAway})
	}
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	for _, k := range sockets {
		k.conn.CloseNow()
	}
	return ctx.Err()
}

// end marks the server as ending, and returns the open sockets.
func (s *Server) end() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.ending = true
		s.signalEnded()
	}
	return slices.Collect(maps.Keys(s.sockets))
}

func (s *Server) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// add registers a socket, unless the server started to shut down after it accepted the request.
func (s *Server) add(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return false
	}
	s.sockets[k] = struct{}{}
	return true
}

func (s *Server) remove(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, k)
	s.signalEnded()
}

// The caller of signalEnded must hold the lock.
func (s *Server) signalEnded() {
	if s.ending && len(s.sockets) == 0 {
		close(s.ended)
	}
}
