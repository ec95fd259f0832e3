package realtime

import (
	"slices"

	"github.com/buddychat/buddychat/user"
)

// audience has the users who are online here, and their copies by conversation. Only the
// dispatcher's goroutine uses it.
type audience struct {
	bus           Bus
	listeners     map[user.ID]*listener
	conversations map[int64][]*member
}

// A listener is a user with at least one subscription.
type listener struct {
	subscriptions []*Subscription
	members       map[int64]*member // by the id of the copy
}

// A member is a copy of a listener.
type member struct {
	Membership
	listener *listener
	index    int // in its conversation
}

func newAudience(bus Bus) audience {
	return audience{bus: bus, listeners: map[user.ID]*listener{}, conversations: map[int64][]*member{}}
}

// add registers a subscription. Adding it again is a no-op.
func (a *audience) add(s *Subscription) {
	l := a.listeners[s.user]
	if l == nil {
		l = &listener{members: map[int64]*member{}}
		a.listeners[s.user] = l
		a.bus.Follow(Stream{User: s.user})
	}
	if !slices.Contains(l.subscriptions, s) {
		l.subscriptions = append(l.subscriptions, s)
	}
}

// remove forgets a subscription, and the user with their last one. An unknown subscription is
// ignored.
func (a *audience) remove(s *Subscription) {
	l := a.listeners[s.user]
	if l == nil {
		return
	}
	i := slices.Index(l.subscriptions, s)
	if i < 0 {
		return
	}
	l.subscriptions = slices.Delete(l.subscriptions, i, i+1)
	if len(l.subscriptions) > 0 {
		return
	}
	for _, m := range l.members {
		a.forget(m)
	}
	delete(a.listeners, s.user)
	a.bus.Unfollow(Stream{User: s.user})
}

// learn stores the state of a copy, new or changed, if its owner is online.
func (a *audience) learn(m Membership) {
	l := a.listeners[m.Copy.Owner]
	if l == nil {
		return
	}
	if known := l.members[m.Copy.ID]; known != nil {
		known.Membership = m
		return
	}
	members := a.conversations[m.Conversation]
	if len(members) == 0 {
		a.bus.Follow(Stream{Conversation: m.Conversation})
	}
	fresh := &member{Membership: m, listener: l, index: len(members)}
	a.conversations[m.Conversation] = append(members, fresh)
	l.members[m.Copy.ID] = fresh
}

// forget removes a copy. The last copy of the conversation moves to its index, so iterate backwards
// while forgetting.
func (a *audience) forget(m *member) {
	delete(m.listener.members, m.Copy.ID)
	members := a.conversations[m.Conversation]
	last := len(members) - 1
	members[m.index] = members[last]
	members[m.index].index = m.index
	members[last] = nil
	if last == 0 {
		delete(a.conversations, m.Conversation)
		a.bus.Unfollow(Stream{Conversation: m.Conversation})
		return
	}
	a.conversations[m.Conversation] = members[:last]
}

// memberships returns the copies of a conversation.
func (a *audience) memberships(conversation int64) []Membership {
	members := a.conversations[conversation]
	copies := make([]Membership, len(members))
	for i, m := range members {
		copies[i] = m.Membership
	}
	return copies
}
