package group

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// The limits of a group, in characters (code points) and members.
const (
	MinTitleLength       = 2
	MaxTitleLength       = 100
	MaxDescriptionLength = 2_000
	MaxMembers           = 100_000
)

// Options configures groups. The zero value and nil are valid.
type Options struct {
	// Messages limits the length of messages and the size of pages.
	Messages chat.Options
	// MaxMembers is the maximum number of members of a group; 0 means [MaxMembers].
	MaxMembers int
}

// Service has the operations of a user on groups. It is safe for concurrent use. The first user
// passed to a method is the one who acts, through their own copy of the group. A copy, member or
// message that they may not see is [storage.ErrNotFound]. A change that needs another role is
// [storage.ErrForbidden].
type Service struct {
	store    Store
	messages *chat.Messages
	users    user.Directory
	options  Options
}

// NewService returns the groups of a store. The directory knows which users exist. Options may be
// nil.
func NewService(store Store, users user.Directory, o *Options) *Service {
	s := &Service{store: store, users: users}
	if o != nil {
		s.options = *o
	}
	if s.options.MaxMembers <= 0 {
		s.options.MaxMembers = MaxMembers
	}
	s.messages = chat.NewMessages(store, &s.options.Messages)
	return s
}

// Create creates a group. Its creator is the first member and an admin.
func (s *Service) Create(ctx context.Context, creator user.ID, d Draft) (Group, Copy, error) {
	d.Title = strings.TrimSpace(d.Title)
	if err := checkTitle(d.Title); err != nil {
		return Group{}, Copy{}, err
	}
	if err := checkDescription(d.Description); err != nil {
		return Group{}, Copy{}, err
	}
	return s.store.CreateGroup(ctx, creator, d)
}

// Get returns one copy.
func (s *Service) Get(ctx context.Context, owner user.ID, id int64) (Copy, error) {
	found, err := s.store.Copies(ctx, owner, id)
	if err != nil {
		return Copy{}, err
	}
	return only(found, id)
}

// GetAll returns the copies among ids that belong to the owner.
func (s *Service) GetAll(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Copy, error) {
	return s.store.Copies(ctx, owner, ids...)
}

// List returns a page of the owner's copies, newest activity first.
func (s *Service) List(ctx context.Context, owner user.ID, f Filter, p storage.Page) (storage.List[Copy], error) {
	name := "groups/" + string(owner)
	if f.Archived != nil {
		name = fmt.Sprintf("groups/archived=%t/%s", *f.Archived, owner)
	}
	r, err := s.page(p).Range(name)
	if err != nil {
		return storage.List[Copy]{}, err
	}
	copies, err := s.store.ListCopies(ctx, owner, f, r)
	if err != nil {
		return storage.List[Copy]{}, err
	}
	return storage.NewList(name, r, copies, Copy.Key), nil
}

// Count returns how many copies of the owner match.
func (s *Service) Count(ctx context.Context, owner user.ID, f Filter) (int, error) {
	return s.store.CountCopies(ctx, owner, f)
}

// Group returns the group itself. The viewer must be a member.
func (s *Service) Group(ctx context.Context, viewer user.ID, id int64) (Group, error) {
	found, err := s.store.Groups(ctx, viewer, id)
	if err != nil {
		return Group{}, err
	}
	return only(found, id)
}

// Groups returns the groups among ids that the viewer is a member of.
func (s *Service) Groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]Group, error) {
	return s.store.Groups(ctx, viewer, ids...)
}

// Member returns one member. The viewer must be a member of the same group.
func (s *Service) Member(ctx context.Context, viewer user.ID, id int64) (Member, error) {
	found, err := s.store.MembersByID(ctx, viewer, id)
	if err != nil {
		return Member{}, err
	}
	return only(found, id)
}

// Members returns a page of the members of a group, oldest first. The viewer must be a member.
func (s *Service) Members(ctx context.Context, viewer user.ID, group int64, p storage.Page) (storage.List[Member], error) {
	lists, err := s.MemberLists(ctx, viewer, []int64{group}, p)
	if err == nil && len(lists[0].Items) == 0 {
		// The viewer is not a member, or the page starts after the last member.
		_, err = s.Group(ctx, viewer, group)
	}
	if err != nil {
		return storage.List[Member]{}, err
	}
	return lists[0], nil
}

// MemberLists returns the same page of the members of several groups with one query. The i-th list
// is that of groups[i]. It is empty if the viewer is not a member of that group.
func (s *Service) MemberLists(ctx context.Context, viewer user.ID, groups []int64, p storage.Page) ([]storage.List[Member], error) {
	return lists(groups, s.page(p), Member.Key,
		func(group int64) string { return fmt.Sprintf("members/%d", group) },
		func(r storage.Range) ([][]Member, error) { return s.store.Members(ctx, viewer, groups, r) })
}

// ReaderLists returns the same page of the readers of several messages with one query: the present
// members, without the sender, who have read it. The i-th list is that of messages[i].
func (s *Service) ReaderLists(ctx context.Context, messages []MessageRef, p storage.Page) ([]storage.List[Member], error) {
	return lists(messages, s.page(p), Member.Key,
		func(m MessageRef) string { return fmt.Sprintf("readers/%d/%d", m.Copy.ID, m.Message) },
		func(r storage.Range) ([][]Member, error) { return s.store.Readers(ctx, messages, r) })
}

// CountReaders returns how many members have read each message.
func (s *Service) CountReaders(ctx context.Context, messages []MessageRef) ([]int, error) {
	return s.store.CountReaders(ctx, messages)
}

// Add adds a user; the actor must be an admin. A user whom the directory does not know is
// [storage.ErrNotFound]. A user who is already a member is [storage.ErrConflict].
func (s *Service) Add(ctx context.Context, actor user.ID, copy int64, u user.ID) (Member, error) {
	known, err := s.users.Lookup(ctx, u)
	if err != nil {
		return Member{}, fmt.Errorf("group: look up users: %w", err)
	}
	if _, ok := known[u]; !ok {
		return Member{}, storage.NotFound()
	}
	return s.store.AddMember(ctx, copyOf(actor, copy), u, s.options.MaxMembers)
}

// SetAdmin makes a member an admin or takes that role away; the actor must be an admin. The only
// admin must keep the role.
func (s *Service) SetAdmin(ctx context.Context, actor user.ID, copy, member int64, admin bool) (Member, error) {
	return s.store.SetAdmin(ctx, copyOf(actor, copy), member, admin)
}

// Update changes the group; the actor must be an admin.
func (s *Service) Update(ctx context.Context, actor user.ID, copy int64, u Update) (Group, error) {
	if u.Title != nil {
		title := strings.TrimSpace(*u.Title)
		if err := checkTitle(title); err != nil {
			return Group{}, err
		}
		u.Title = &title
	}
	if u.Description != nil {
		if err := checkDescription(*u.Description); err != nil {
			return Group{}, err
		}
	}
	if u.Image != nil {
		if err := user.CheckImage("groupImage", *u.Image); err != nil {
			return Group{}, err
		}
	}
	return s.store.UpdateGroup(ctx, copyOf(actor, copy), u)
}

// Remove ends a membership; the actor must be an admin. For the actor's own membership it does what
// [Service.Leave] does.
func (s *Service) Remove(ctx context.Context, actor user.ID, copy, member int64) error {
	return s.store.RemoveMember(ctx, copyOf(actor, copy), member)
}

// Leave ends the owner's membership and removes their copy. If no admin is left, the
// longest-standing member becomes one. If no member is left, the group is removed.
func (s *Service) Leave(ctx context.Context, owner user.ID, copy int64) error {
	return s.store.Leave(ctx, copyOf(owner, copy))
}

// RemovePermanently removes the group and everything in it; the actor must be its creator.
func (s *Service) RemovePermanently(ctx context.Context, actor user.ID, copy int64) error {
	return s.store.RemoveGroup(ctx, copyOf(actor, copy))
}

// Send sends a message: see [chat.Messages.Send].
func (s *Service) Send(ctx context.Context, sender user.ID, copy int64, d chat.Draft) (chat.Message, error) {
	return s.messages.Send(ctx, copyOf(sender, copy), d)
}

// Edit replaces the content of a message that the sender sent.
func (s *Service) Edit(ctx context.Context, sender user.ID, copy, message int64, content string) (chat.Message, error) {
	return s.messages.Edit(ctx, copyOf(sender, copy), message, content)
}

// Unsend removes a message that the sender sent, for all members.
func (s *Service) Unsend(ctx context.Context, sender user.ID, copy, message int64) error {
	return s.messages.Unsend(ctx, copyOf(sender, copy), message)
}

// DeleteMessage deletes a message from the owner's copy only.
func (s *Service) DeleteMessage(ctx context.Context, owner user.ID, copy, message int64) error {
	return s.messages.Delete(ctx, copyOf(owner, copy), message)
}

// Clear deletes every message from the owner's copy only. The membership stays.
func (s *Service) Clear(ctx context.Context, owner user.ID, copy int64) error {
	return s.messages.Clear(ctx, copyOf(owner, copy))
}

// Archive archives or unarchives the owner's copy.
func (s *Service) Archive(ctx context.Context, owner user.ID, copy int64, archived bool) error {
	return s.messages.Archive(ctx, copyOf(owner, copy), archived)
}

// Read moves the reader's read point forward to a message: it and all messages before it are read.
func (s *Service) Read(ctx context.Context, reader user.ID, copy, message int64) (chat.Message, error) {
	return s.store.ReadThrough(ctx, copyOf(reader, copy), message)
}

// Message returns one message of a copy.
func (s *Service) Message(ctx context.Context, owner user.ID, copy, message int64) (chat.Message, error) {
	return s.messages.Get(ctx, copyOf(owner, copy), message)
}

// Messages returns a page of the messages of a copy, newest first.
func (s *Service) Messages(ctx context.Context, owner user.ID, copy int64, p storage.Page) (storage.List[chat.Message], error) {
	list, err := s.messages.List(ctx, copyOf(owner, copy), p)
	if err == nil {
		// The copy is read after its messages: if it still exists now, it existed then.
		_, err = s.Get(ctx, owner, copy)
	}
	if err != nil {
		return storage.List[chat.Message]{}, err
	}
	return list, nil
}

// Unread returns how many messages of others are after the owner's read point.
func (s *Service) Unread(ctx context.Context, owner user.ID, copy int64) (int, error) {
	n, err := s.messages.Unread(ctx, []chat.Copy{copyOf(owner, copy)})
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

func (s *Service) page(p storage.Page) storage.Page { return p.AtMost(s.options.Messages.MaxPageSize) }

func copyOf(owner user.ID, copy int64) chat.Copy {
	return chat.Copy{Kind: chat.Group, ID: copy, Owner: owner}
}

func only[T any](found map[int64]T, id int64) (T, error) {
	v, ok := found[id]
	if !ok {
		return v, storage.NotFound()
	}
	return v, nil
}

// lists returns the same page of several lists. It calls fetch once for all of them.
func lists[K, T any](of []K, p storage.Page, key func(T) storage.Key, name func(K) string, fetch func(storage.Range) ([][]T, error)) ([]storage.List[T], error) {
	if len(of) == 0 {
		return nil, nil
	}
	ranges := make([]storage.Range, len(of))
	for i, k := range of {
		r, err := p.Range(name(k))
		if err != nil {
			return nil, err
		}
		ranges[i] = r
	}
	found, err := fetch(ranges[0])
	if err != nil {
		return nil, err
	}
	out := make([]storage.List[T], len(of))
	for i, k := range of {
		out[i] = storage.NewList(name(k), ranges[i], found[i], key)
	}
	return out, nil
}

func checkTitle(title string) error {
	if err := checkText("title", title); err != nil {
		return err
	}
	if n := utf8.RuneCountInString(title); n < MinTitleLength || n > MaxTitleLength {
		return storage.Invalid("title", "title must be %d to %d characters", MinTitleLength, MaxTitleLength)
	}
	return user.CheckLine("title", title)
}

func checkDescription(description string) error {
	if err := checkText("description", description); err != nil {
		return err
	}
	if utf8.RuneCountInString(description) > MaxDescriptionLength {
		return storage.Invalid("description", "description must be at most %d characters", MaxDescriptionLength)
	}
	return user.CheckLines("description", description)
}

func checkText(field, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return storage.Invalid(field, "%s must be valid UTF-8 without NUL", field)
	}
	return nil
}
