package torture

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// services holds the services that execute acts: those of a node, or those bound to a transaction
// of the application.
type services struct {
	chats  *chat.Service
	groups *group.Service
}

// An act is one operation by one user in one room.
type act struct {
	name string
	room *room
	do   func(context.Context, services) error // may run concurrently with other acts
	then func()                                // updates the model
	want error                                 // the expected error, nil for success
}

// pick returns a random element.
func pick[T any](m *machine, from []T) T { return rapid.SampledFrom(from).Draw(m.T, "which") }

func (m *machine) chance(percent int) bool {
	return rapid.IntRange(1, 100).Draw(m.T, "chance") <= percent
}

// free returns the rooms that have members and no act in progress.
func (m *machine) free() (rooms []*room) {
	for _, r := range m.rooms {
		if !r.busy && len(r.present()) > 0 {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// act chooses an act in a free room and reserves the room. It returns nil if no room is free.
func (m *machine) act() *act {
	free := m.free()
	if len(free) == 0 {
		return nil
	}
	r := pick(m, free)
	by := pick(m, r.present())
	a := m.message(r, by)
	if r.kind == chat.Group && m.chance(40) {
		if b := m.membership(r, by); b != nil {
			a = b
		}
	}
	a.room, r.busy = r, true
	return a
}

// message chooses a random act on messages.
func (m *machine) message(r *room, by *ownCopy) *act {
	var shown []*message
	for _, w := range r.written {
		if by.reads(w) {
			shown = append(shown, w)
		}
	}
	if len(shown) == 0 || m.chance(40) {
		return m.send(r, by)
	}
	about := pick(m, shown)
	switch n := rapid.IntRange(0, 6).Draw(m.T, "act"); {
	case n < 2 && about.sender == by.owner:
		m.count++
		content := fmt.Sprintf("edit %d", m.count)
		return &act{name: "edit", then: func() { r.edited(about, content) }, do: func(ctx context.Context, s services) (err error) {
			if r.kind == chat.Group {
				_, err = s.groups.Edit(ctx, by.owner, by.id, about.id, content)
			} else {
				_, err = s.chats.Edit(ctx, by.owner, by.id, about.id, content)
			}
			return err
		}}
	case n == 2 && about.sender == by.owner:
		return &act{name: "unsend", then: func() { r.unsent(about) }, do: func(ctx context.Context, s services) error {
			if r.kind == chat.Group {
				return s.groups.Unsend(ctx, by.owner, by.id, about.id)
			}
			return s.chats.Unsend(ctx, by.owner, by.id, about.id)
		}}
	case n == 3:
		return &act{name: "hide", then: func() { by.hide(about) }, do: func(ctx context.Context, s services) error {
			if r.kind == chat.Group {
				return s.groups.DeleteMessage(ctx, by.owner, by.id, about.id)
			}
			return s.chats.DeleteMessage(ctx, by.owner, by.id, about.id)
		}}
	case n == 4 && m.chance(40):
		return &act{name: "clear", then: by.clear, do: func(ctx context.Context, s services) error {
			if r.kind == chat.Group {
				return s.groups.Clear(ctx, by.owner, by.id)
			}
			return s.chats.Clear(ctx, by.owner, by.id)
		}}
	}
	return m.read(r, by, about)
}

func (m *machine) read(r *room, by *ownCopy, about *message) *act {
	then := func() {}
	if r.kind == chat.Group && about.seq > by.through || r.kind == chat.OneToOne && !about.read && about.sender != by.owner {
		then = func() { by.read(about) }
	}
	return &act{name: "read", then: then, do: func(ctx context.Context, s services) (err error) {
		if r.kind == chat.Group {
			_, err = s.groups.Read(ctx, by.owner, by.id, about.id)
		} else {
			_, err = s.chats.Read(ctx, by.owner, by.id, about.id)
		}
		return err
	}}
}

// send sends a new message, or retries an earlier one.
func (m *machine) send(r *room, by *ownCopy) *act {
	m.count++
	draft := chat.Draft{Content: fmt.Sprintf("message %d", m.count)}
	var again *message
	if m.chance(50) {
		draft.ClientID = fmt.Sprintf("%d", m.count)
		if again = m.sentBefore(r, by.owner); again != nil {
			draft.ClientID = again.clientID
			if m.chance(70) {
				draft.Content = again.contents[0]
			}
		}
	}
	a := &act{name: "send"}
	if again != nil && (!by.reads(again) || len(again.contents) == 1 && draft.Content != again.contents[0]) {
		a.want = storage.ErrConflict
	}
	var made chat.Message
	a.do = func(ctx context.Context, s services) (err error) {
		if r.kind == chat.Group {
			made, err = s.groups.Send(ctx, by.owner, by.id, draft)
		} else {
			made, err = s.chats.Send(ctx, by.owner, by.id, draft)
		}
		return err
	}
	a.then = func() {
		if again != nil {
			require.Equal(m, again.id, made.ID, "a retry made another message")
			return
		}
		require.EqualValues(m, len(r.written)+1, made.Seq)
		r.sent(&message{id: made.ID, seq: made.Seq, sender: by.owner, clientID: draft.ClientID, contents: []string{draft.Content}})
	}
	return a
}

// sentBefore returns, now and then, a message that the user sent with a client id.
func (m *machine) sentBefore(r *room, u user.ID) *message {
	var candidates []*message
	for _, w := range r.written {
		if w.sender == u && w.clientID != "" {
			candidates = append(candidates, w)
		}
	}
	if len(candidates) == 0 || m.chance(50) {
		return nil
	}
	return pick(m, candidates)
}

// membership chooses a random act on a group. It returns nil if the member can do none.
func (m *machine) membership(r *room, by *ownCopy) *act {
	switch n := rapid.IntRange(0, 9).Draw(m.T, "membership"); {
	case n == 0 && (len(r.present()) > 1 || m.chance(10)):
		return &act{name: "leave", then: func() { by.end(entry{operation: realtime.MemberLeft, actor: by.owner}) }, do: func(ctx context.Context, s services) error {
			return s.groups.Leave(ctx, by.owner, by.id)
		}}
	case !by.admin:
		return nil
	case n == 1 && by.owner == r.creator && m.chance(30):
		return &act{
			name: "remove for ever",
			then: func() { r.endAll(entry{operation: realtime.GroupPermanentlyRemoved, actor: by.owner}, r.present()) },
			do:   func(ctx context.Context, s services) error { return s.groups.RemovePermanently(ctx, by.owner, by.id) },
		}
	case n < 3:
		return &act{name: "update", then: func() { r.updated(by.owner) }, do: func(ctx context.Context, s services) error {
			title := "another title"
			_, err := s.groups.Update(ctx, by.owner, by.id, group.Update{Title: &title})
			return err
		}}
	}
	if u := pick(m, m.users); r.copyOf(u) == nil {
		return m.add(r, by, u)
	}
	return m.onMember(r, by, pick(m, r.present()))
}

func (m *machine) add(r *room, by *ownCopy, u user.ID) *act {
	var made group.Member
	return &act{
		name: "add",
		then: func() { r.joined(r.join(made.ID, u, false), by.owner) },
		do: func(ctx context.Context, s services) (err error) {
			made, err = s.groups.Add(ctx, by.owner, by.id, u)
			return err
		},
	}
}

func (m *machine) onMember(r *room, by, target *ownCopy) *act {
	if m.chance(50) && target != by {
		return &act{name: "remove", then: func() { target.end(entry{operation: realtime.MemberRemoved, actor: by.owner}) }, do: func(ctx context.Context, s services) error {
			return s.groups.Remove(ctx, by.owner, by.id, target.id)
		}}
	}
	admin := !target.admin
	a := &act{name: "set admin", do: func(ctx context.Context, s services) error {
		_, err := s.groups.SetAdmin(ctx, by.owner, by.id, target.id, admin)
		return err
	}}
	if !admin && len(r.admins()) == 1 {
		a.want = storage.ErrConflict
		return a
	}
	a.then = func() {
		target.admin = admin
		r.updated(by.owner)
	}
	return a
}
