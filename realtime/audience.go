package realtime

import (
	"slices"

	"github.com/buddychat/buddychat/user"
)

// audience is who is online here, and which copies are theirs, by conversation. It is the dispatcher's alone.
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
	place    int // in its conversation
}

func newAudience(bus Bus) audience {
	return audience{bus: bus, listeners: map[user.ID]*listener{}, conversations: map[int64][]*member{}}
}

// add takes in a subscription. One that is there already is fine.
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

// remove forgets a subscription, and with the last of a user everything about them. One that is not there is fine.
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

// learn takes in the state of a copy, which may be known or new, where its owner is online.
func (a *audience) learn(m Membership) {
	l := a.listeners[m.Copy.Owner]
	if l == nil {
		return
	}
	if known := l.members[m.Copy.ID]; known != nil {
		known.Membership = m
		return
	}
	here := a.conversations[m.Conversation]
	if len(here) == 0 {
		a.bus.Follow(Stream{Conversation: m.Conversation})
	}
	fresh := &member{Membership: m, listener: l, place: len(here)}
	a.conversations[m.Conversation] = append(here, fresh)
	l.members[m.Copy.ID] = fresh
}

// forget takes a copy out. The last of its conversation takes its place there: whoever iterates goes backwards.
func (a *audience) forget(m *member) {
	delete(m.listener.members, m.Copy.ID)
	here := a.conversations[m.Conversation]
	last := len(here) - 1
	here[m.place] = here[last]
	here[m.place].place = m.place
	here[last] = nil
	if last == 0 {
		delete(a.conversations, m.Conversation)
		a.bus.Unfollow(Stream{Conversation: m.Conversation})
		return
	}
	a.conversations[m.Conversation] = here[:last]
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
