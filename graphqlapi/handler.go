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

// Handler serves the API: GraphQL over HTTP, and over a WebSocket if the request asks for an
// upgrade. It is safe for concurrent use.
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

// NewHandler returns the API of an application. Subscriptions deliver events only while
// [buddychat.App.Run] is running. Nil Options are the zero value. Like [buddychat.New], NewHandler
// checks that the store is ready, which takes at most ten seconds. The error says what failed, or
// which option is invalid.
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

// withDefaults returns a copy of o with the defaults filled in. The error names an invalid option.
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
		return nil, errors.New("Options.Authenticator is required if the App has no built-in users")
	case d.Proxies < 0, d.MaxSocketsPerAddress < 0, d.MaxSocketsPerUser < 0, d.Deadline < 0, d.MaxSearches < 0, d.MaxCost < 0, d.MaxEventCost < 0,
		d.MaxAnswerBytes < 0, d.MaxInFlightBytes < 0:
		return nil, errors.New("a number in Options is negative: use 0 for the default")
	case d.MaxBodiesPerAddress < 0, d.BodyTimeout < 0:
		return nil, errors.New("a number in Options is negative: use 0 for the default")
	case d.MaxBodyMemory != 0 && d.MaxBodyMemory < maxBody:
		return nil, fmt.Errorf("Options.MaxBodyMemory is %d: at least %d are required, the maximum size of one body", d.MaxBodyMemory, maxBody)
	case d.Throttle != nil && d.Throttle.Status != 0 && d.Throttle.Status != http.StatusForbidden && d.Throttle.Status != http.StatusTooManyRequests:
		return nil, fmt.Errorf("Options.Throttle.Status is %d: only 403 and 429 are allowed", d.Throttle.Status)
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

// misdirected refuses a request for a host that is not in Options.Hosts.
func (h *Handler) misdirected() *refusal {
	refused := wellFormed(http.StatusMisdirectedRequest, &wireError{code: codeForbidden, message: "this server does not serve the host in the Host header: use one of its own names"})
	refused.plain = http.StatusMisdirectedRequest
	return refused
}

// Shutdown refuses new sockets, lets operations in flight finish, and closes the open sockets with
// 1001. It returns when all have ended. If ctx ends first, it cuts the remaining sockets and
// returns the error of ctx. It may be called again. It does not wait for requests over HTTP: use
// [http.Server.Shutdown].
func (h *Handler) Shutdown(ctx context.Context) error { return h.sockets.Shutdown(ctx) }
