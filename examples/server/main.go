// Command server is the reference server of BuddyChat: the library with its built-in users, on SQLite, PostgreSQL or memory.
//
//	go run ./examples/server
//
// needs nothing else and serves http://127.0.0.1:8080/graphql from the file buddychat.db, which it makes. The flags are listed by -h.
//
// It is also an example of how the library is embedded: serve.go has all of it, and the other files are a server's own business.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	c, err := parseFlags(os.Args[1:], os.Getenv, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		// The first signal asks for a graceful stop, the second ends the process.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		err = run(ctx, c, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "buddychat:", oneLine(err))
		os.Exit(1)
	}
}

// oneLine is the text of an error, which some drivers spread over several lines, and repeat one for each attempt.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(slices.Compact(lines), " ")
}
