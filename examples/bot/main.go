// Command bot is an application without a server. Two of its users chat through the Go API, and one
// of them is a program.
//
//	go run ./examples/bot
//
// Each line you type is sent to the bot as a message. The bot replies with the text reversed.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// The users of this application.
const (
	person user.ID = "person"
	robot  user.ID = "robot"
)

// directory holds the users. A real application has a table for them: see examples/embed.
type directory map[user.ID]user.Profile

func (d directory) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		if profile, ok := d[id]; ok {
			found[id] = profile
		}
	}
	return found, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing to clean up
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{
		Directory: directory{person: {ID: person, Username: "you"}, robot: {ID: robot, Username: "bot"}},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = app.Run(ctx) })
	now, err := app.Hub.Position(ctx) // the bot answers messages sent from here on
	if err != nil {
		return err
	}
	// Nothing to save: the store is in memory and ends with the program.
	forget := func(string) error { return nil }
	running.Go(func() { _ = answer(ctx, app, robot, now, forget, backwards) })
	return converse(ctx, app, in, out)
}

// converse sends each line to the bot and writes its answer.
func converse(ctx context.Context, app *buddychat.App, in io.Reader, out io.Writer) error {
	with, _, err := app.Chats.Open(ctx, person, robot)
	if err != nil {
		return err
	}
	events, err := app.Hub.Subscribe(ctx, person, "")
	if err != nil {
		return err
	}
	defer events.Close()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if _, err := app.Chats.Send(ctx, person, with.ID, chat.Draft{Content: lines.Text()}); err != nil {
			fmt.Fprintln(out, "!", err)
			continue
		}
		for e, err := range events.Events(ctx) {
			if err != nil {
				return err
			}
			if e.Operation == realtime.ChatMessageCreated && e.Actor == robot && e.Message != nil {
				fmt.Fprintln(out, "<", e.Message.Content)
				break
			}
		}
	}
	return errors.Join(lines.Err(), ctx.Err())
}
