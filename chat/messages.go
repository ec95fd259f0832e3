package chat

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// The limits of a message.
const (
	// MaxContentLength is the maximum length of a message's content in characters (code points),
	// without surrounding white space. It is the default of [Options].
	MaxContentLength = 10_000
	// MaxContentSize is the maximum size of the content as JSON in bytes, with surrounding white
	// space. JSON writes a control character in six bytes. The longest content without surrounding
	// white space always fits.
	MaxContentSize = 64 << 10
	// MaxClientIDLength is the maximum length of a [Draft]'s ClientID in characters.
	MaxClientIDLength = 128
)

// Options configures messages. The zero value and nil are valid.
type Options struct {
	// MaxContentLength is the maximum length of a message in characters; 0 means
	// [MaxContentLength].
	MaxContentLength int
	// MaxPageSize is the maximum number of entries of a page; 0 means [storage.MaxPageSize].
	MaxPageSize int
}

// Messages has the operations of a copy's owner on messages, in chats and groups. It is safe for
// concurrent use. In every method, a message that the copy does not show is [storage.ErrNotFound].
type Messages struct {
	store   MessageStore
	options Options
}

// NewMessages returns the messages of a store. Options may be nil.
func NewMessages(store MessageStore, o *Options) *Messages {
	m := &Messages{store: store}
	if o != nil {
		m.options = *o
	}
	if m.options.MaxContentLength <= 0 {
		m.options.MaxContentLength = MaxContentLength
	}
	return m
}

// MaxPageSize returns the maximum number of entries of a page.
func (m *Messages) MaxPageSize() int { return cmp.Or(m.options.MaxPageSize, storage.MaxPageSize) }

// MaxContentSize returns the maximum size of a message's content as JSON in bytes:
// [MaxContentSize], or more if [Options] allow longer messages.
func (m *Messages) MaxContentSize() int {
	return max(MaxContentSize, maxEncoded*m.options.MaxContentLength+MaxContentSize/16)
}

// maxEncoded is the maximum number of bytes in which JSON writes a character.
const maxEncoded = 6

// encodedSize returns the maximum size of a text as JSON, whichever characters the encoder escapes.
func encodedSize(s string) int {
	n := len(s) + 3*(strings.Count(s, "\u2028")+strings.Count(s, "\u2029"))
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n', c == '\t', c == '\r', c == '"', c == '\\':
			n++
		case c < ' ', c == '<', c == '>', c == '&':
			n += maxEncoded - 1
		}
	}
	return n
}

// Send sends a message as the owner of c. The content must have 1 to [MaxContentLength] characters
// without surrounding white space, and is stored with it. Sending again with the same ClientID
// returns the first message: see [MessageStore].
func (m *Messages) Send(ctx context.Context, c Copy, d Draft) (Message, error) {
	if err := m.checkContent(d.Content); err != nil {
		return Message{}, err
	}
	if !utf8.ValidString(d.ClientID) || strings.ContainsRune(d.ClientID, 0) || utf8.RuneCountInString(d.ClientID) > MaxClientIDLength {
		return Message{}, storage.Invalid("clientMessageId", "clientMessageId must be at most %d characters, in valid UTF-8 without NUL", MaxClientIDLength)
	}
	return m.store.AppendMessage(ctx, c, d)
}

// Edit replaces the content of a message that the owner of c sent.
func (m *Messages) Edit(ctx context.Context, c Copy, message int64, content string) (Message, error) {
	if err := m.checkContent(content); err != nil {
		return Message{}, err
	}
	return m.store.EditMessage(ctx, c, message, content)
}

// Unsend removes a message that the owner of c sent, for all users.
func (m *Messages) Unsend(ctx context.Context, c Copy, message int64) error {
	return m.store.UnsendMessage(ctx, c, message)
}

// Delete deletes a message from the copy c only.
func (m *Messages) Delete(ctx context.Context, c Copy, message int64) error {
	return m.store.HideMessage(ctx, c, message)
}

// Clear deletes every message from the copy c only.
func (m *Messages) Clear(ctx context.Context, c Copy) error { return m.store.ClearCopy(ctx, c) }

// Archive archives or unarchives the copy c.
func (m *Messages) Archive(ctx context.Context, c Copy, archived bool) error {
	return m.store.ArchiveCopy(ctx, c, archived)
}

// Get returns one message of the copy c.
func (m *Messages) Get(ctx context.Context, c Copy, message int64) (Message, error) {
	return m.store.Message(ctx, c, message)
}

// Find returns a message by its id, with a copy of the viewer that shows it.
func (m *Messages) Find(ctx context.Context, viewer user.ID, message int64) (Message, Copy, error) {
	return m.store.FindMessage(ctx, viewer, message)
}

// List returns a page of the messages of the copy c, newest first. It is empty if the copy does not
// exist.
func (m *Messages) List(ctx context.Context, c Copy, p storage.Page) (storage.List[Message], error) {
	lists, err := m.Lists(ctx, []Copy{c}, p)
	if err != nil {
		return storage.List[Message]{}, err
	}
	return lists[0], nil
}

// Lists returns the same page of several copies with one query. The i-th list is that of copies[i].
// A page with a cursor is possible for only one copy.
func (m *Messages) Lists(ctx context.Context, copies []Copy, p storage.Page) ([]storage.List[Message], error) {
	ranges := make([]storage.Range, len(copies))
	for i, c := range copies {
		r, err := p.AtMost(m.options.MaxPageSize).Range(listName(c))
		if err != nil {
			return nil, err
		}
		ranges[i] = r
	}
	if len(copies) == 0 {
		return nil, nil
	}
	found, err := m.store.Messages(ctx, copies, ranges[0])
	if err != nil {
		return nil, err
	}
	lists := make([]storage.List[Message], len(copies))
	for i, c := range copies {
		lists[i] = storage.NewList(listName(c), ranges[i], found[i], Message.Key)
	}
	return lists, nil
}

func listName(c Copy) string { return fmt.Sprintf("messages/%d/%d", c.Kind, c.ID) }

// Counts returns how many messages each copy shows. The i-th number is that of copies[i].
func (m *Messages) Counts(ctx context.Context, copies []Copy) ([]int, error) {
	return m.store.CountMessages(ctx, copies)
}

// Last returns the newest message that each copy shows, or nil if there is none. The i-th message
// is that of copies[i].
func (m *Messages) Last(ctx context.Context, copies []Copy) ([]*Message, error) {
	return m.store.LastMessages(ctx, copies)
}

// Unread returns how many unread messages of other users each copy shows. The i-th number is that
// of copies[i].
func (m *Messages) Unread(ctx context.Context, copies []Copy) ([]int, error) {
	return m.store.CountUnread(ctx, copies)
}

func (m *Messages) checkContent(content string) error {
	most := m.options.MaxContentLength
	switch trimmed := strings.TrimSpace(content); {
	case !utf8.ValidString(content):
		return storage.Invalid("content", "content must be valid UTF-8")
	case strings.ContainsRune(content, 0):
		return storage.Invalid("content", "content must not contain NUL")
	case trimmed == "":
		return storage.Invalid("content", "content must not be empty")
	case utf8.RuneCountInString(trimmed) > most:
		return storage.Invalid("content", "content must be at most %d characters", most)
	case encodedSize(content) > m.MaxContentSize():
		return storage.Invalid("content", "content must be at most %d bytes as JSON, including surrounding white space", m.MaxContentSize())
	}
	return nil
}
