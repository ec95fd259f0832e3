package graphqlapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/internal/gqldoc"
	"github.com/buddychat/buddychat/internal/origin"
	"github.com/buddychat/buddychat/realtime/transportws"
	"github.com/buddychat/buddychat/storage"
)

const (
	defaultSocketsPerAddress = 100
	defaultSocketsPerUser    = 20
	defaultDeadline          = 15 * time.Second
)

// Handler serves the API: GraphQL over HTTP, and over a WebSocket where a request asks for one. It is safe for concurrent use.
type Handler struct {
	app                *buddychat.App
	authenticator      Authenticator
	documents          *gqldoc.Schema
	operations, events *graphql.Schema
	introspection      bool
	deadline           time.Duration
	origins            origins
	hosts              origin.Hosts
	limits             *limits
	bodies             *bodies
	answers            *answers
	sockets            *transportws.Server
	log                *slog.Logger
}

// checkTimeout is how long NewHandler waits for the store.
const checkTimeout = 10 * time.Second

// NewHandler returns the API of an application. The events of subscriptions flow while [buddychat.App.Run] runs. A nil Options is the
// zero value. The error says what cannot be served, or which option is wrong. As [buddychat.New] does, NewHandler asks the store
// whether it is ready, and waits ten seconds at most.
func NewHandler(app *buddychat.App, o *Options) (*Handler, error) {
	opts, err := o.withDefaults(app)
	if err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	if err := app.Check(ctx); err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	h := &Handler{
		app:           app,
		authenticator: opts.Authenticator,
		introspection: opts.Introspection,
		deadline:      opts.Deadline,
		bodies:        newBodies(opts),
		log:           opts.Logger,
	}
	if h.origins.List, err = origin.NewList(opts.Origins); err != nil {
		return nil, fmt.Errorf("graphqlapi: Options.Origins: %w", err)
	}
	if h.hosts, err = origin.NewHosts(opts.Hosts); err != nil {
		return nil, fmt.Errorf("graphqlapi: Options.Hosts: %w", err)
	}
	if h.limits, err = newLimits(opts); err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	h.answers = newAnswers(opts, h.limits)
	var sdl string
	if h.operations, h.events, sdl, err = newSchemas(app, opts); err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	if h.documents, err = gqldoc.NewSchema(sdl, documentLimits(opts, max(app.Messages.MaxPageSize(), storage.MaxPageSize))); err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	if h.sockets, err = transportws.NewServer(h.newSocket, socketOptions(opts)); err != nil {
		return nil, fmt.Errorf("graphqlapi: %w", err)
	}
	return h, nil
}

// withDefaults returns a copy of o without zero values, or says which field cannot be.
func (o *Options) withDefaults(app *buddychat.App) (*Options, error) {
	if app == nil {
		return nil, errors.New("an App is required: see buddychat.New")
	}
	d := Options{}
	if o != nil {
		d = *o
	}
	switch {
	case d.Authenticator == nil && app.Tokens == nil:
		return nil, errors.New("Options.Authenticator is required where the host has its own users")
	case d.Proxies < 0, d.MaxSocketsPerAddress < 0, d.MaxSocketsPerUser < 0, d.Deadline < 0, d.MaxSearches < 0, d.MaxCost < 0, d.MaxEventCost < 0,
		d.MaxAnswerBytes < 0, d.MaxInFlightBytes < 0:
		return nil, errors.New("a negative number in Options: zero stands for the default")
	case d.MaxBodiesPerAddress < 0, d.BodyTimeout < 0:
		return nil, errors.New("a negative number in Options: zero stands for the default")
	case d.MaxBodyMemory != 0 && d.MaxBodyMemory < maxBody:
		return nil, fmt.Errorf("Options.MaxBodyMemory is %d: give it at least %d bytes, the size of one body", d.MaxBodyMemory, maxBody)
	case d.Throttle != nil && d.Throttle.Status != 0 && d.Throttle.Status != http.StatusForbidden && d.Throttle.Status != http.StatusTooManyRequests:
		return nil, fmt.Errorf("Options.Throttle.Status is %d: want 403 or 429", d.Throttle.Status)
	}
	if d.Authenticator == nil {
		d.Authenticator = tokenAuthenticator{app.Tokens}
	}
	if d.Throttle == nil {
		d.Throttle = &Throttle{}
	}
	if d.Logger == nil {
		d.Logger = app.Logger()
	}
	d.MaxSocketsPerAddress = cmp.Or(d.MaxSocketsPerAddress, defaultSocketsPerAddress)
	d.MaxSocketsPerUser = cmp.Or(d.MaxSocketsPerUser, defaultSocketsPerUser)
	d.MaxBodiesPerAddress = cmp.Or(d.MaxBodiesPerAddress, defaultBodiesPerAddress)
	d.MaxBodyMemory = cmp.Or(d.MaxBodyMemory, defaultBodyMemory)
	d.BodyTimeout = cmp.Or(d.BodyTimeout, defaultBodyTimeout)
	d.Deadline = cmp.Or(d.Deadline, defaultDeadline)
	d.MaxCost = cmp.Or(d.MaxCost, defaultMaxCost)
	d.MaxAnswerBytes = cmp.Or(d.MaxAnswerBytes, defaultMaxAnswerBytes)
	d.MaxInFlightBytes = cmp.Or(d.MaxInFlightBytes, defaultMaxInFlightBytes)
	return &d, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := h.bodies.begin(w, r)
	defer b.end()
	switch {
	case !h.hosts.Has(r.Host):
		writeRefusal(w, mediaPlain, h.misdirected())
	case transportws.IsUpgrade(r):
		h.serveSocket(w, r)
	default:
		h.serveHTTP(w, r, b)
	}
}

// misdirected refuses a request for a host that is not in the list.
func (h *Handler) misdirected() *refusal {
	refused := wellFormed(http.StatusMisdirectedRequest, &wireError{code: codeForbidden, message: "this server does not answer for the host in the request: call it by its own name"})
	refused.plain = http.StatusMisdirectedRequest
	return refused
}

// Shutdown lets no socket in any more, closes those that are open with 1001 once what is in flight on them has been answered, and
// waits until they have ended. When ctx ends before, it cuts them and returns the error of ctx. It may be called again.
// Requests over HTTP are for [http.Server.Shutdown] to wait for.
func (h *Handler) Shutdown(ctx context.Context) error { return h.sockets.Shutdown(ctx) }
