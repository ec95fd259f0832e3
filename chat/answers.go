package chat

import "github.com/buddychat/buddychat/storage"

// Errors of the stores. Every store returns the same ones.

// NotTheSender is the error for editing or unsending another user's message.
func NotTheSender() error {
	return storage.Forbidden("only the sender can change or unsend a message")
}

// ClientIDTaken is the error for a [Draft] whose ClientID belongs to a message with another
// content.
func ClientIDTaken() error {
	return storage.Conflict("another message was sent with this clientMessageId: use a new one for this message")
}

// ClientIDGone is the error for a [Draft] whose ClientID belongs to a message that the copy no
// longer shows.
func ClientIDGone() error {
	return storage.Conflict("the message with this clientMessageId is gone: use a new one for a new message")
}
