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

// answer answers every message that a bot gets in its chats, each once, until ctx ends.
//
// A bot that keeps the cursor on disk goes on where it was after a restart, too.
func answer(ctx context.Context, app *buddychat.App, bot user.ID, reply func(string) string) error {
	for cursor := ""; ; {
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
			if err != nil {
				events.Close()
				return err
			}
			cursor = e.Cursor
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
