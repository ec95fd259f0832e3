package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// answer answers every message that a bot gets in its chats behind a cursor, each once, until ctx ends, and calls keep with the cursor of what it has dealt
// with. A bot that keeps that on disk and begins with it after a restart answers what was sent meanwhile, too: for as far back as the
// retention of events goes, of which [storage.ErrCursorExpired] is the end.
func answer(ctx context.Context, app *buddychat.App, bot user.ID, cursor string, keep func(cursor string) error, reply func(string) string) error {
	for {
		events, err := app.Hub.Subscribe(ctx, bot, cursor)
		if err != nil {
			return err
		}
		for e, err := range events.Events(ctx) {
			if errors.Is(err, realtime.ErrSlowConsumer) {
				break // too many at once: resume behind the last one that was answered
			}
			if err == nil {
				err = answerOne(ctx, app, bot, e, reply)
			}
			if err == nil {
				cursor, err = e.Cursor, keep(e.Cursor)
			}
			if err != nil {
				events.Close()
				return err
			}
		}
		events.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// answerOne may see an event again after a resume. The answer's ClientID makes it the same answer then.
func answerOne(ctx context.Context, app *buddychat.App, bot user.ID, e realtime.Event, reply func(string) string) error {
	if e.Operation != realtime.ChatMessageCreated || e.Actor == bot || e.Message == nil {
		return nil
	}
	_, err := app.Chats.Send(ctx, bot, e.Copy.ID, chat.Draft{
		Content:  reply(e.Message.Content),
		ClientID: fmt.Sprintf("answer to %d", e.MessageID),
	})
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict) {
		return nil // the chat is gone, or the answer was unsent meanwhile
	}
	return err
}

func backwards(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}
