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

// answer replies to every message that the bot receives in its chats after the cursor, once each,
// until ctx ends. It calls keep with the cursor of each event that it has handled.
//
// A bot that saves this cursor on disk and starts from it after a restart also answers the messages
// sent in the meantime. If the cursor is older than the retention of events, the error is
// [storage.ErrCursorExpired].
func answer(ctx context.Context, app *buddychat.App, bot user.ID, cursor string, keep func(cursor string) error, reply func(string) string) error {
	for {
		events, err := app.Hub.Subscribe(ctx, bot, cursor)
		if err != nil {
			return err
		}
		for e, err := range events.Events(ctx) {
			if errors.Is(err, realtime.ErrSlowConsumer) {
				break // too many events at once: resume after the last one that was handled
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

// answerOne may see an event again after a resume. The ClientID of the answer keeps it from being
// sent twice.
func answerOne(ctx context.Context, app *buddychat.App, bot user.ID, e realtime.Event, reply func(string) string) error {
	if e.Operation != realtime.ChatMessageCreated || e.Actor == bot || e.Message == nil {
		return nil
	}
	_, err := app.Chats.Send(ctx, bot, e.Copy.ID, chat.Draft{
		Content:  reply(e.Message.Content),
		ClientID: fmt.Sprintf("answer to %d", e.MessageID),
	})
	if errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrConflict) {
		return nil // the chat was deleted, or the answer was unsent, in the meantime
	}
	return err
}

func backwards(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}
