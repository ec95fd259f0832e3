package storagetest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// names maps the ids of the tested store to those of the reference and back, because each store
// creates its own. The mapping must be one to one, or the history fails.
type names struct {
	pairs    map[kind]*pairing
	position map[int64]realtime.Position // of the reference, by record id of the tested store
	nonces   map[int64]int64             // of the tested store, by record id
	// built-in accounts: from the tested store to the reference, and back
	users [2]map[user.ID]user.ID
}

// kind is what an id identifies.
type kind string

const (
	conversationID kind = "conversation"
	copyID         kind = "copy"
	messageID      kind = "message"
	phoneID        kind = "phone number"
	accountNumber  kind = "account"
	recordID       kind = "record"
)

// pairing maps the ids of one kind in both directions.
type pairing struct{ toReference, toTested map[int64]int64 }

// unpaired is added to an id of the tested store that has no counterpart in the reference, so that
// it equals no other id.
const unpaired = -1 << 60

func newNames() *names {
	n := &names{pairs: map[kind]*pairing{}, position: map[int64]realtime.Position{}, nonces: map[int64]int64{}}
	for _, k := range []kind{conversationID, copyID, messageID, phoneID, accountNumber, recordID} {
		n.pairs[k] = &pairing{toReference: map[int64]int64{0: 0}, toTested: map[int64]int64{0: 0}}
	}
	for i := range n.users {
		n.users[i] = map[user.ID]user.ID{}
	}
	return n
}

func (n *names) clone() *names {
	c := &names{pairs: map[kind]*pairing{}, position: maps.Clone(n.position), nonces: maps.Clone(n.nonces)}
	for k, p := range n.pairs {
		c.pairs[k] = &pairing{toReference: maps.Clone(p.toReference), toTested: maps.Clone(p.toTested)}
	}
	for i := range n.users {
		c.users[i] = maps.Clone(n.users[i])
	}
	return c
}

// learn pairs two ids. If one of them is already paired, the new pair is not stored.
func (n *names) learn(k kind, reference, tested int64) {
	p := n.pairs[k]
	_, known := p.toTested[reference]
	if _, taken := p.toReference[tested]; taken || known {
		return
	}
	p.toReference[tested], p.toTested[reference] = reference, tested
}

func (n *names) learnUser(reference, tested user.User) {
	n.learn(accountNumber, reference.Number, tested.Number)
	n.users[0][tested.ID], n.users[1][reference.ID] = reference.ID, tested.ID
}

func (n *names) learnPosition(reference, tested realtime.Position) {
	n.learn(recordID, reference.ID, tested.ID)
	n.position[tested.ID], n.nonces[tested.ID] = reference, tested.Nonce
}

// The functions below translate results of the tested store.

func (n *names) id(k kind, tested int64) int64 {
	if reference, ok := n.pairs[k].toReference[tested]; ok {
		return reference
	}
	return unpaired + tested
}

func (n *names) user(tested user.ID) user.ID {
	if reference, ok := n.users[0][tested]; ok {
		return reference
	}
	return tested
}

func (n *names) copy(c chat.Copy) chat.Copy {
	c.ID, c.Owner = n.id(copyID, c.ID), n.user(c.Owner)
	return c
}

func (n *names) chat(c chat.Chat) chat.Chat {
	c.ID, c.Conversation = n.id(copyID, c.ID), n.id(conversationID, c.Conversation)
	c.Owner, c.Other = n.user(c.Owner), n.user(c.Other)
	return c
}

func (n *names) message(m chat.Message) chat.Message {
	m.ID, m.Conversation, m.Sender = n.id(messageID, m.ID), n.id(conversationID, m.Conversation), n.user(m.Sender)
	return m
}

func (n *names) messageOrNone(m *chat.Message) *chat.Message {
	if m == nil {
		return nil
	}
	return new(n.message(*m))
}

func (n *names) group(g group.Group) group.Group {
	g.ID, g.CreatedBy = n.id(conversationID, g.ID), n.user(g.CreatedBy)
	return g
}

func (n *names) member(m group.Member) group.Member {
	m.ID, m.Group, m.User = n.id(copyID, m.ID), n.id(conversationID, m.Group), n.user(m.User)
	return m
}

func (n *names) groupCopy(c group.Copy) group.Copy {
	c.Member = n.member(c.Member)
	return c
}

func (n *names) notification(o notify.Notification) notify.Notification {
	o.Copy, o.Message = n.copy(o.Copy), n.message(o.Message)
	return o
}

func (n *names) phone(p user.Phone) user.Phone {
	p.ID = n.id(phoneID, p.ID)
	return p
}

func (n *names) account(u user.User) user.User {
	u.ID, u.Number = n.user(u.ID), n.id(accountNumber, u.Number)
	return u
}

func (n *names) credentials(c user.Credentials) user.Credentials {
	c.User = n.account(c.User)
	return c
}

func (n *names) record(r realtime.Record) realtime.Record {
	position, known := n.position[r.ID]
	if !known || n.nonces[r.ID] != r.Nonce {
		position = realtime.Position{ID: unpaired + r.ID, Nonce: r.Nonce}
	}
	r.Position = position
	r.Conversation, r.Message, r.Member = n.id(conversationID, r.Conversation), n.id(messageID, r.Message), n.id(copyID, r.Member)
	r.Recipient, r.Actor = n.user(r.Recipient), n.user(r.Actor)
	return r
}

func (n *names) membership(m realtime.Membership) realtime.Membership {
	m.Copy, m.Conversation = n.copy(m.Copy), n.id(conversationID, m.Conversation)
	m.JoinRecord, m.EndRecord = n.id(recordID, m.JoinRecord), n.id(recordID, m.EndRecord)
	return m
}

// memberships translates memberships, which have no order.
func (n *names) memberships(all []realtime.Membership) []realtime.Membership {
	return byCopy(each(n.membership)(all))
}

// byCopy sorts memberships by copy.
func byCopy(all []realtime.Membership) []realtime.Membership {
	slices.SortFunc(all, func(a, b realtime.Membership) int { return cmp.Compare(a.Copy.ID, b.Copy.ID) })
	return all
}

func (n *names) view(v realtime.View) realtime.View {
	out := realtime.View{Hidden: map[realtime.HiddenMessage]bool{}, Covered: map[int64]map[user.ID]*chat.Message{}}
	out.Messages = keyed(v.Messages, func(id int64) int64 { return n.id(messageID, id) }, n.messageOrNone)
	for h, hidden := range v.Hidden {
		out.Hidden[realtime.HiddenMessage{Copy: n.id(copyID, h.Copy), Message: n.id(messageID, h.Message)}] = hidden
	}
	out.Copies = n.memberships(v.Copies)
	for id, newest := range v.Covered {
		out.Covered[n.id(recordID, id)] = keyed(newest, n.user, n.messageOrNone)
	}
	out.Erased = keyed(v.Erased, n.user, same1)
	return out
}

// same1 translates a value without ids.
func same1[T any](v T) T { return v }

// each translates the entries of a list.
func each[T any](translate func(T) T) func([]T) []T {
	return func(all []T) []T {
		if all == nil {
			return nil
		}
		out := make([]T, len(all))
		for i, v := range all {
			out[i] = translate(v)
		}
		return out
	}
}

// keyed translates the keys and the values of a map.
func keyed[K comparable, V any](m map[K]V, key func(K) K, value func(V) V) map[K]V {
	if m == nil {
		return nil
	}
	out := make(map[K]V, len(m))
	for k, v := range m {
		out[key(k)] = value(v)
	}
	return out
}

// byID translates a map whose keys are ids of a kind.
func byID[V any](n *names, k kind, value func(V) V) func(map[int64]V) map[int64]V {
	return func(m map[int64]V) map[int64]V {
		return keyed(m, func(id int64) int64 { return n.id(k, id) }, value)
	}
}

// byUser translates a map whose keys are users.
func byUser[V any](n *names, value func(V) V) func(map[user.ID]V) map[user.ID]V {
	return func(m map[user.ID]V) map[user.ID]V { return keyed(m, n.user, value) }
}

// The functions below translate ids of the reference to ids of a side.

func (s side) theirs(k kind, reference int64) int64 {
	if tested, ok := s.pairs[k].toTested[reference]; ok && !s.reference {
		return tested
	}
	return reference
}

func (s side) all(k kind, reference []int64) []int64 {
	var all []int64
	for _, id := range reference {
		all = append(all, s.theirs(k, id))
	}
	return all
}

func (s side) theirUser(reference user.ID) user.ID {
	if tested, ok := s.users[1][reference]; ok && !s.reference {
		return tested
	}
	return reference
}

func (s side) theirUsers(reference []user.ID) []user.ID {
	var all []user.ID
	for _, u := range reference {
		all = append(all, s.theirUser(u))
	}
	return all
}

func (s side) theirCopy(c chat.Copy) chat.Copy {
	return chat.Copy{Kind: c.Kind, ID: s.theirs(copyID, c.ID), Owner: s.theirUser(c.Owner)}
}

func (s side) theirCopies(reference []chat.Copy) []chat.Copy {
	var all []chat.Copy
	for _, c := range reference {
		all = append(all, s.theirCopy(c))
	}
	return all
}

func (s side) theirRecord(r twinRecord) realtime.Record {
	if s.reference {
		return r.reference
	}
	return r.tested
}
