// Command listen prints one user's events, one line of JSON each. It reconnects when the server or
// the network fails, and misses no event.
//
//	go run ./examples/listen -token "$TOKEN"
//
// It is also an example of a client: it shows how to open a socket, and how to resume from a cursor
// after a disconnect.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	c := client{out: os.Stdout, wait: time.Second}
	flag.StringVar(&c.url, "url", "http://127.0.0.1:8080/graphql", "the `address` of the server's API")
	flag.StringVar(&c.token, "token", os.Getenv("BUDDYCHAT_TOKEN"), "the access `token` that a login answered [BUDDYCHAT_TOKEN]")
	flag.StringVar(&c.cursor, "after", "", "begin behind this `cursor`, rather than now")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.lost = func(err error) { fmt.Fprintln(os.Stderr, "listen: trying again:", err) }
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1) //nolint:gocritic // nothing to clean up
	}
}
