package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user/token"
)

// stopTimeout is how long a stop waits for requests in flight. A stop takes at most 10 seconds; the
// rest is for closing the database.
const stopTimeout = 8 * time.Second

// run serves until ctx ends, then stops gracefully. Its output on stdout is for a person, or for a
// script that waits until the server is ready.
func run(ctx context.Context, c config, stdout io.Writer, log *slog.Logger) (err error) {
	listener, err := listen(ctx, c.addr)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // for a failed start; otherwise the server closes it
	if c.throttle && c.proxies == 0 {
		listener = boundConnections(listener, connectionsPerAddress)
	}

	db, err := openDatabase(ctx, c.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	key, err := signingKey(c.secret, db.keyFile)
	if err != nil {
		return err
	}

	bus, closeBus, err := openBus(c.hints, log)
	if err != nil {
		return err
	}
	defer closeBus()

	app, err := buddychat.New(db.store, &buddychat.Options{
		Tokens:    token.Options{Keys: []token.Key{key}, AccessTTL: c.accessTokenTTL, RefreshTTL: c.refreshTokenTTL},
		Realtime:  realtime.Options{Bus: bus},
		Retention: c.retention,
		Logger:    log,
	})
	if err != nil {
		return err
	}
	api, err := graphqlapi.NewHandler(app, &graphqlapi.Options{
		Introspection: c.introspection,
		Origins:       c.origins,
		Hosts:         c.hosts,
		Proxies:       c.proxies,
		Throttle:      &graphqlapi.Throttle{Off: !c.throttle},
		Logger:        log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", api)
	mux.Handle("GET /healthz", health(db.check, log))

	return serve(ctx, listener, mux, app, api, log, func(ctx context.Context) error {
		base := baseURL(listener.Addr())
		log.Info("ready", "url", base)
		fmt.Fprintln(stdout, "listening on", base)
		if !c.demo {
			return nil
		}
		if err := demonstrate(ctx, app, base+"/graphql", stdout); err != nil {
			return fmt.Errorf("-demo: %w", err)
		}
		return nil
	})
}

// serve answers requests until ctx ends, and calls ready once the server accepts them. It stops in
// this order: it accepts no more connections, answers the requests in flight and closes the
// sockets, and then ends the delivery of events.
func serve(ctx context.Context, l net.Listener, h http.Handler, app *buddychat.App, api *graphqlapi.Handler, log *slog.Logger, ready func(context.Context) error) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second, // this and WriteTimeout do not apply to WebSockets
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	delivery, endDelivery := context.WithCancel(context.WithoutCancel(ctx))
	defer endDelivery()

	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return app.Run(delivery) })
	all.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	all.Go(func() error {
		<-ctx.Done()
		log.Info("stopping")
		if err := stop(server, api); err != nil {
			log.Warn("what was still in flight was cut off", "error", err)
		}
		endDelivery()
		return nil
	})
	all.Go(func() error {
		if err := ready(ctx); ctx.Err() == nil {
			return err
		}
		return nil
	})
	return all.Wait()
}

func stop(server *http.Server, api *graphqlapi.Handler) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var both errgroup.Group
	both.Go(func() error { return api.Shutdown(ctx) })
	both.Go(func() error {
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
	return both.Wait()
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // without the address, which the message below adds
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// baseURL returns the URL under which a client on this machine reaches the server.
func baseURL(listening net.Addr) string {
	a, ok := listening.(*net.TCPAddr)
	if ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", a.Port)
	}
	return "http://" + listening.String()
}

// The health check gives the database healthTimeout to answer, and reuses the answer for
// healthInterval.
const (
	healthTimeout  = 2 * time.Second
	healthInterval = time.Second
)

// health answers 200 while the database accepts writes, else 503. The endpoint needs no login, so
// it checks the database at most once per healthInterval.
func health(check func(context.Context) error, log *slog.Logger) http.HandlerFunc {
	var mu sync.Mutex
	var asked time.Time
	var healthy bool
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if asked.IsZero() || time.Since(asked) >= healthInterval {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), healthTimeout)
			defer cancel()
			err := check(ctx)
			if err != nil {
				log.WarnContext(ctx, "not healthy", "error", err)
			}
			asked, healthy = time.Now(), err == nil
		}
		w.Header().Set("Cache-Control", "no-store")
		if !healthy {
			http.Error(w, "the database does not store anything", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
