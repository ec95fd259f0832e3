package memory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// state is everything that a store keeps.
type state struct {
	lastUser, lastPhone, lastConversation, lastCopy, lastMessage int64

	accounts map[user.ID]*account
	erased   map[user.ID]bool
	sessions map[string]*session
	refresh  map[string]*refreshToken // by hash

	conversations map[int64]*conversation
	copies        map[int64]*userCopy
	copiesOf      map[user.ID][]*userCopy // the same copies by owner, in the order of their ids
	log           []realtime.Record       // never empty
}

// conversation is what the copies of a chat or group share.
type conversation struct {
	id       int64
	kind     chat.Kind
	lastSend time.Time
	messages []message
	sent     map[clientKey]int64 // the Seq of each message that has a ClientID
	copies   []*userCopy         // in the order of their ids, including ended ones
	group    group.Group         // the zero value for a chat
}

// clientKey identifies a message for idempotent sending within a conversation.
type clientKey struct {
	sender user.ID
	id     string
}

// message is one message of a conversation. The message with Seq n is at index n-1.
type message struct {
	chat.Message
	gone bool // a tombstone: unsent, or emptied because no copy showed it any more
}

// userCopy is one user's copy of a chat or group: a view of the messages of the conversation.
type userCopy struct {
	chat.Copy
	conversation int64
	other        user.ID // for a chat
	admin        bool    // for a group
	archived     bool
	began        time.Time

	joinedSeq, clearedSeq, readSeq int64
	joinRecord, endRecord          int64
	hidden                         map[int64]bool // messages that were deleted from this copy
	// messages whose notification was marked as read
	marked map[int64]time.Time
}

func newState() *state {
	return &state{
		accounts: map[user.ID]*account{}, erased: map[user.ID]bool{},
		sessions: map[string]*session{}, refresh: map[string]*refreshToken{},
		conversations: map[int64]*conversation{},
		copies:        map[int64]*userCopy{}, copiesOf: map[user.ID][]*userCopy{},
	}
}

// clone returns a deep copy of s.
func (s *state) clone() *state {
	c := *s
	c.accounts = cloneMap(s.accounts, (*account).clone)
	c.erased = maps.Clone(s.erased)
	c.sessions = cloneMap(s.sessions, shallow)
	c.refresh = cloneMap(s.refresh, shallow)
	c.copies = cloneMap(s.copies, (*userCopy).clone)
	c.copiesOf = cloneMap(s.copiesOf, c.cloned)
	c.conversations = cloneMap(s.conversations, func(conv *conversation) *conversation {
		n := *conv
		n.messages = slices.Clone(conv.messages)
		n.sent = maps.Clone(conv.sent)
		n.copies = c.cloned(conv.copies)
		return &n
	})
	c.log = slices.Clone(s.log)
	return &c
}

// cloned returns the copies in s, a clone, that correspond to copies of its original.
func (s *state) cloned(copies []*userCopy) []*userCopy {
	own := make([]*userCopy, len(copies))
	for i, uc := range copies {
		own[i] = s.copies[uc.ID]
	}
	return own
}

func cloneMap[K comparable, V any](m map[K]V, clone func(V) V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = clone(v)
	}
	return c
}

func shallow[T any](v *T) *T { c := *v; return &c }

func (uc *userCopy) clone() *userCopy {
	c := *uc
	c.hidden, c.marked = maps.Clone(uc.hidden), maps.Clone(uc.marked)
	return &c
}

// present reports whether the copy has not ended.
func (uc *userCopy) present() bool { return uc.endRecord == 0 }

// find returns the copy that c identifies.
func (s *state) find(c chat.Copy) (*userCopy, *conversation, error) {
	uc, ok := s.copies[c.ID]
	if !ok || uc.Copy != c || !uc.present() {
		return nil, nil, storage.NotFound()
	}
	return uc, s.conversations[uc.conversation], nil
}

// findKind returns the copy that c identifies if it is of this kind.
func (s *state) findKind(kind chat.Kind, c chat.Copy) (*userCopy, *conversation, error) {
	if c.Kind != kind {
		return nil, nil, storage.NotFound()
	}
	return s.find(c)
}

// copiesOfKind returns the copies of this kind that the user has, in the order of their ids.
func (s *state) copiesOfKind(u user.ID, kind chat.Kind) []*userCopy {
	var own []*userCopy
	for _, uc := range s.copiesOf[u] {
		if uc.Kind == kind && uc.present() {
			own = append(own, uc)
		}
	}
	return own
}

// present returns the copies of the conversation that have not ended, oldest first.
func (conv *conversation) present() []*userCopy {
	var now []*userCopy
	for _, uc := range conv.copies {
		if uc.present() {
			now = append(now, uc)
		}
	}
	return now
}

// copyOf returns the user's copy of the conversation, or nil.
func (conv *conversation) copyOf(u user.ID) *userCopy {
	for _, uc := range conv.copies {
		if uc.Owner == u && uc.present() {
			return uc
		}
	}
	return nil
}

// activity is the time by which a copy is listed. It never goes back, even if the clock does.
func (conv *conversation) activity(uc *userCopy) time.Time {
	if conv.lastSeq() > uc.joinedSeq && conv.lastSend.After(uc.began) {
		return conv.lastSend
	}
	return uc.began
}

func (conv *conversation) lastSeq() int64 { return int64(len(conv.messages)) }

// find returns a message by its id.
func (conv *conversation) find(id int64) (*message, bool) {
	i, ok := slices.BinarySearchFunc(conv.messages, id, func(m message, id int64) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return nil, false
	}
	return &conv.messages[i], true
}

// shows reports whether a copy shows a message. All rules about this are here.
func (s *state) shows(uc *userCopy, m *message) bool {
	return uc.present() && m.Seq > max(uc.joinedSeq, uc.clearedSeq) && !uc.hidden[m.ID] && !s.gone(m)
}

// noUser reports whether an id cannot take part in anything: its user was erased, or it is not
// valid.
func (s *state) noUser(u user.ID) bool { return s.erased[u] || !u.Valid() }

// gone reports whether no copy can show the message any more.
func (s *state) gone(m *message) bool { return m.gone || s.erased[m.Sender] }

// shown returns the messages that the copy shows, oldest first.
func (s *state) shown(uc *userCopy) []*message {
	var all []*message
	conv := s.conversations[uc.conversation]
	for i := range conv.messages {
		if m := &conv.messages[i]; s.shows(uc, m) {
			all = append(all, m)
		}
	}
	return all
}

// begin adds a copy to the conversation. joined is the id of the record of it.
func (a *act) begin(conv *conversation, owner user.ID, joined int64) *userCopy {
	uc := &userCopy{
		Copy:         chat.Copy{Kind: conv.kind, ID: next(&a.lastCopy), Owner: owner},
		conversation: conv.id,
		began:        a.now,
		joinedSeq:    conv.lastSeq(), readSeq: conv.lastSeq(), joinRecord: joined,
		hidden: map[int64]bool{}, marked: map[int64]time.Time{},
	}
	conv.copies = append(conv.copies, uc)
	a.copies[uc.ID] = uc
	a.copiesOf[owner] = append(a.copiesOf[owner], uc)
	return uc
}

// converse adds a conversation.
func (a *act) converse(kind chat.Kind) *conversation {
	conv := &conversation{id: next(&a.lastConversation), kind: kind, sent: map[clientKey]int64{}}
	a.conversations[conv.id] = conv
	return conv
}

func next(last *int64) int64 {
	*last++
	return *last
}

// The orders of lists.
func ascending(a, b storage.Key) int {
	return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.Minor, b.Minor))
}
func descending(a, b storage.Key) int { return ascending(b, a) }

// page sorts entries by key and returns those that r selects.
func page[T any](items []T, r storage.Range, key func(T) storage.Key, order func(a, b storage.Key) int) []T {
	slices.SortFunc(items, func(x, y T) int { return order(key(x), key(y)) })
	return storage.Select(r, items, key, order)
}
