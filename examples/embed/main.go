// Command embed is an application with its own users and its own login. Chat is one more path of
// its mux.
//
//	go run ./examples/embed
//
// BuddyChat has no user table here, and no tokens. members.go shows chat the application's users,
// and login.go tells it who is calling.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

const addr = "127.0.0.1:8081"

const howto = `Log in as ada, whose id in chat is that of a CustomUser as any other, and see who she is there:

curl -s -c ada.cookies http://` + addr + `/login -d name=ada
curl -s -b ada.cookies http://` + addr + `/chat -H 'Content-Type: application/json' -d '{"query": "{ me { id username firstName } }"}'
`

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	db, err := sqlite.Open(ctx, ":memory:", &sqlite.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	s, err := newSite(ctx, db)
	if err != nil {
		return err
	}
	go s.app.Run(ctx)
	fmt.Print(howto)
	server := http.Server{Addr: addr, Handler: s, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// A site is the application: its own pages, and chat at /chat.
type site struct {
	http.Handler
	app *buddychat.App
	api *graphqlapi.Handler
	db  *sql.DB
}

func newSite(ctx context.Context, db *sqlite.DB) (*site, error) {
	s := &site{db: db.SQL()}
	if err := s.makeTables(ctx); err != nil {
		return nil, err
	}
	var err error
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if s.app, err = buddychat.New(db, &buddychat.Options{Directory: members{s.db}, UserIDs: user.NumericIDs, Logger: logger}); err != nil {
		return nil, err
	}
	if s.api, err = graphqlapi.NewHandler(s.app, &graphqlapi.Options{Authenticator: cookies{}}); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/chat", s.api)
	mux.HandleFunc("GET /members", s.list)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	s.Handler = s.withLogin(mux)
	return s, nil
}
