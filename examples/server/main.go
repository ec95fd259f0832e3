// Command server is the reference server of BuddyChat: the library with its built-in users, on
// SQLite, PostgreSQL or memory.
//
//	go run ./examples/server
//
// needs no setup. It serves http://127.0.0.1:8080/graphql and creates its database in the file
// buddychat.db. Run it with -h for a list of flags.
//
// It is also an example of how to embed the library: all of that is in serve.go. The other files
// are what any server needs.
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
		// The first signal starts a graceful stop. The second kills the process.
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		err = run(ctx, c, os.Stdout, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "buddychat:", oneLine(err))
		os.Exit(1)
	}
}

// oneLine returns the text of an error on one line. Some drivers spread it over several lines and
// repeat a line for each attempt.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(slices.Compact(lines), " ")
}
