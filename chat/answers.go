package chat

import "github.com/buddychat/buddychat/storage"

// The answers that stores give, so that every store gives the same.

// NotTheSender is the answer to whoever would edit or unsend another's message.
func NotTheSender() error {
	return storage.Forbidden("only the sender can change or unsend a message")
}

// ClientIDTaken is the answer to a [Draft] whose ClientID is that of a message with another content.
func ClientIDTaken() error {
	return storage.Conflict("another message was sent with this clientMessageId: give this one another")
}

// ClientIDGone is the answer to a [Draft] whose ClientID is that of a message that the copy no longer shows.
func ClientIDGone() error {
	return storage.Conflict("the message with this clientMessageId is gone: give a new message another one")
}
