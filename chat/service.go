package chat

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Service has the operations of a user on chats. It is safe for concurrent use. The first user
// passed to a method is the one who acts. A chat or message that is not theirs is
// [storage.ErrNotFound].
type Service struct {
	store    Store
	messages *Messages
	users    user.Directory
	options  Options
}

// NewService returns the chats of a store. The directory knows which users exist. Options may be
// nil.
func NewService(store Store, users user.Directory, o *Options) *Service {
	s := &Service{store: store, messages: NewMessages(store, o), users: users}
	if o != nil {
		s.options = *o
	}
	return s
}

// Open returns the two copies of the chat between owner and other, and creates them if they do not
// exist. If owner and other are equal, it returns the owner's chat with themselves twice. A user
// whom the directory does not know is [storage.ErrNotFound].
func (s *Service) Open(ctx context.Context, owner, other user.ID) (mine, others Chat, err error) {
	known, err := s.users.Lookup(ctx, owner, other)
	if err != nil {
		return Chat{}, Chat{}, fmt.Errorf("chat: look up users: %w", err)
	}
	if _, ok := known[other]; !ok {
		return Chat{}, Chat{}, storage.NotFound()
	}
	if _, ok := known[owner]; !ok {
		return Chat{}, Chat{}, storage.NotFound()
	}
	return s.store.OpenChat(ctx, owner, other)
}

// Get returns one chat.
func (s *Service) Get(ctx context.Context, owner user.ID, id int64) (Chat, error) {
	found, err := s.store.Chats(ctx, owner, id)
	if err != nil {
		return Chat{}, err
	}
	c, ok := found[id]
	if !ok {
		return Chat{}, storage.NotFound()
	}
	return c, nil
}

// GetAll returns the chats among ids that belong to the owner.
func (s *Service) GetAll(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Chat, error) {
	return s.store.Chats(ctx, owner, ids...)
}

// List returns a page of the owner's chats, newest activity first.
func (s *Service) List(ctx context.Context, owner user.ID, f Filter, p storage.Page) (storage.List[Chat], error) {
	name := "chats/" + string(owner)
	if f.Archived != nil {
		name = fmt.Sprintf("chats/archived=%t/%s", *f.Archived, owner)
	}
	r, err := p.AtMost(s.options.MaxPageSize).Range(name)
	if err != nil {
		return storage.List[Chat]{}, err
	}
	chats, err := s.store.ListChats(ctx, owner, f, r)
	if err != nil {
		return storage.List[Chat]{}, err
	}
	return storage.NewList(name, r, chats, Chat.Key), nil
}

// Count returns how many chats of the owner match.
func (s *Service) Count(ctx context.Context, owner user.ID, f Filter) (int, error) {
	return s.store.CountChats(ctx, owner, f)
}

// Send sends a message: see [Messages.Send].
func (s *Service) Send(ctx context.Context, sender user.ID, chat int64, d Draft) (Message, error) {
	return s.messages.Send(ctx, copyOf(sender, chat), d)
}

// Edit replaces the content of a message that the sender sent.
func (s *Service) Edit(ctx context.Context, sender user.ID, chat, message int64, content string) (Message, error) {
	return s.messages.Edit(ctx, copyOf(sender, chat), message, content)
}

// Unsend removes a message that the sender sent, for both users.
func (s *Service) Unsend(ctx context.Context, sender user.ID, chat, message int64) error {
	return s.messages.Unsend(ctx, copyOf(sender, chat), message)
}

// DeleteMessage deletes a message from the owner's copy only.
func (s *Service) DeleteMessage(ctx context.Context, owner user.ID, chat, message int64) error {
	return s.messages.Delete(ctx, copyOf(owner, chat), message)
}

// Clear deletes every message from the owner's copy only. The chat itself stays.
func (s *Service) Clear(ctx context.Context, owner user.ID, chat int64) error {
	return s.messages.Clear(ctx, copyOf(owner, chat))
}

// Archive archives or unarchives the owner's copy.
func (s *Service) Archive(ctx context.Context, owner user.ID, chat int64, archived bool) error {
	return s.messages.Archive(ctx, copyOf(owner, chat), archived)
}

// Read marks one message of the other user as read. The reader's own message, or one that is
// already read, is returned unchanged.
func (s *Service) Read(ctx context.Context, reader user.ID, chat, message int64) (Message, error) {
	return s.store.ReadMessage(ctx, copyOf(reader, chat), message)
}

// Message returns one message of a chat.
func (s *Service) Message(ctx context.Context, owner user.ID, chat, message int64) (Message, error) {
	return s.messages.Get(ctx, copyOf(owner, chat), message)
}

// Messages returns a page of the messages of a chat, newest first.
func (s *Service) Messages(ctx context.Context, owner user.ID, chat int64, p storage.Page) (storage.List[Message], error) {
	list, err := s.messages.List(ctx, copyOf(owner, chat), p)
	if err == nil {
		// The chat is read after its messages: if it still exists now, it existed then.
		_, err = s.Get(ctx, owner, chat)
	}
	if err != nil {
		return storage.List[Message]{}, err
	}
	return list, nil
}

// Unread returns how many messages of the other user are unread in a chat.
func (s *Service) Unread(ctx context.Context, owner user.ID, chat int64) (int, error) {
	n, err := s.messages.Unread(ctx, []Copy{copyOf(owner, chat)})
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

func copyOf(owner user.ID, chat int64) Copy { return Copy{Kind: OneToOne, ID: chat, Owner: owner} }
