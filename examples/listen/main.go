// Command listen prints what happens to one user, each event as a line of JSON, and misses nothing while the server or the network is away.
//
//	go run ./examples/listen -token "$TOKEN"
//
// It is also an example of a client: how a socket is opened, and how it goes on from its cursor when it was cut.
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
		os.Exit(1) //nolint:gocritic // there is nothing to undo
	}
}
