package realtime

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// world is a small chat database. Its transactions stay open for as long as a test wants, and the
// test controls every batch of its [Log].
type world struct {
	mu       sync.Mutex
	lastID   int64
	lastKey  int64           // the last id of a conversation, copy or message
	open     map[int64]bool  // ids that are drawn and not committed
	commits  []Record        // in commit order
	pruned   int64           // records up to here are gone
	batch    int             // the most commits in a batch
	failures int             // how many calls fail
	broken   map[string]bool // calls that always fail
	replaced bool            // the next call of Next finds another log
	calls    map[string]int
	hook     func()
	before   map[string]func() // called once, just before the next call of that name

	conversations []*conversation
	messages      map[int64]*chat.Message
	hidden        map[HiddenMessage]bool
	copies        map[int64]*Membership
}

type conversation struct {
	id      int64
	kind    chat.Kind
	seq     int64
	sent    []*sentMessage
	readSeq map[int64]int64 // by copy
	locked  bool
}

type sentMessage struct {
	id, seq int64
	sender  user.ID
}

func newWorld() *world {
	w := &world{
		before: map[string]func(){},
		batch:  math.MaxInt, open: map[int64]bool{}, calls: map[string]int{}, broken: map[string]bool{},
		messages: map[int64]*chat.Message{}, hidden: map[HiddenMessage]bool{}, copies: map[int64]*Membership{},
	}
	w.do(func(x *tx) { x.write(nil, Record{Operation: LogBegun}, nil) })
	return w
}

var errDown = errorString("the database is down")

type errorString string

func (e errorString) Error() string { return string(e) }

// enter begins a call. It returns with the lock held.
func (w *world) enter(name string) {
	w.mu.Lock()
	f := w.before[name]
	delete(w.before, name)
	w.mu.Unlock()
	if f != nil {
		f()
	}
	w.mu.Lock()
}

// called counts a call, and returns the error that it must return.
func (w *world) called(name string) error {
	w.calls[name]++
	switch {
	case w.broken[name]:
		return errDown
	case w.failures > 0:
		w.failures--
		return errDown
	}
	return nil
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[name]
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// A tx is a transaction.
type tx struct {
	w       *world
	pending []func() // run by the commit
	ids     []int64
	locked  []*conversation
	undo    []func()
}

func (w *world) begin() *tx { return &tx{w: w} }

// do runs a transaction and commits it. It returns the id of its last record.
func (w *world) do(acts ...func(x *tx)) int64 {
	x := w.begin()
	for _, act := range acts {
		act(x)
	}
	x.commit()
	return x.ids[len(x.ids)-1]
}

// sends sends messages, each in a transaction of its own.
func (w *world) sends(c *conversation, by user.ID, many int) {
	for range many {
		w.do(func(x *tx) { x.send(c, by, "m") })
	}
}

// write draws the id of a record. apply runs at the commit.
func (x *tx) write(c *conversation, r Record, apply func(id int64)) int64 {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	if c != nil {
		r.Conversation, r.Kind = c.id, c.kind
		if !c.locked {
			c.locked = true
			x.locked = append(x.locked, c)
		}
	}
	x.w.lastID++
	r.Position = Position{ID: x.w.lastID, Nonce: x.w.lastID * 7919}
	r.At = time.Unix(r.ID, 0).UTC()
	x.w.open[r.ID] = true
	x.ids = append(x.ids, r.ID)
	x.pending = append(x.pending, func() {
		x.w.commits = append(x.w.commits, r)
		if apply != nil {
			apply(r.ID)
		}
	})
	return r.ID
}

func (x *tx) commit() {
	x.w.mu.Lock()
	for _, f := range x.pending {
		f()
	}
	x.close()
	hook := x.w.hook
	x.w.mu.Unlock()
	if hook != nil {
		hook()
	}
}

func (x *tx) rollback() {
	x.w.mu.Lock()
	defer x.w.mu.Unlock()
	for _, f := range slices.Backward(x.undo) {
		f()
	}
	x.close()
}

func (x *tx) close() {
	for _, id := range x.ids {
		delete(x.w.open, id)
	}
	for _, c := range x.locked {
		c.locked = false
	}
}

func (w *world) key() int64 { w.lastKey++; return w.lastKey }

// newCopy returns a copy, which the world does not have until it is committed.
func (w *world) newCopy(c *conversation, owner user.ID) *Membership {
	return &Membership{Copy: chat.Copy{Kind: c.kind, ID: w.key(), Owner: owner}, Conversation: c.id, JoinedSeq: c.seq}
}

// chat creates a chat.
func (w *world) chat(owners ...user.ID) *conversation {
	c := &conversation{id: w.key(), kind: chat.OneToOne}
	w.conversations = append(w.conversations, c)
	w.do(func(x *tx) {
		x.write(c, Record{Operation: ChatOpened, Actor: owners[0]}, func(id int64) {
			for _, u := range owners {
				m := w.newCopy(c, u)
				m.JoinRecord = id
				w.copies[m.Copy.ID] = m
			}
		})
	})
	return c
}

// group creates a group with these members.
func (w *world) group(members ...user.ID) *conversation {
	c := &conversation{id: w.key(), kind: chat.Group, readSeq: map[int64]int64{}}
	w.conversations = append(w.conversations, c)
	for _, u := range members {
		w.do(func(x *tx) { x.join(c, u) })
	}
	return c
}

func (x *tx) join(c *conversation, u user.ID) {
	m := x.w.newCopy(c, u)
	x.write(c, Record{Operation: MemberAdded, Actor: u, Member: m.Copy.ID}, func(id int64) {
		m.JoinRecord = id
		x.w.copies[m.Copy.ID] = m
		c.readSeq[m.Copy.ID] = c.seq
	})
}

func (x *tx) leave(c *conversation, m Membership) {
	x.write(c, Record{Operation: MemberLeft, Actor: m.Copy.Owner, Member: m.Copy.ID}, func(id int64) { x.w.copies[m.Copy.ID].EndRecord = id })
}

// removeGroup ends every membership.
func (x *tx) removeGroup(c *conversation) {
	x.write(c, Record{Operation: GroupPermanentlyRemoved}, func(id int64) {
		for _, m := range x.w.copies {
			if m.Conversation == c.id && m.EndRecord == 0 {
				m.EndRecord = id
			}
		}
	})
}

// eraseChat ends both copies of a chat, with a record for the remaining owner.
func (x *tx) eraseChat(c *conversation, remains user.ID) {
	x.write(c, Record{Operation: ChatDeleted, Recipient: remains, Erased: true}, func(id int64) {
		for _, m := range x.w.copies {
			if m.Conversation == c.id && m.EndRecord == 0 {
				m.EndRecord = id
			}
		}
	})
}

func (c *conversation) pick(ofChat, ofGroup Operation) Operation {
	if c.kind == chat.Group {
		return ofGroup
	}
	return ofChat
}

func (x *tx) send(c *conversation, sender user.ID, content string) *sentMessage {
	c.seq++
	x.undo = append(x.undo, func() { c.seq-- })
	m := &chat.Message{ID: x.w.key(), Conversation: c.id, Seq: c.seq, Sender: sender, Content: content}
	sent := &sentMessage{id: m.ID, seq: m.Seq, sender: sender}
	r := Record{Operation: c.pick(ChatMessageCreated, GroupMessageCreated), Actor: sender, Message: m.ID, Seq: m.Seq}
	x.write(c, r, func(int64) {
		x.w.messages[m.ID] = m
		c.sent = append(c.sent, sent)
	})
	return sent
}

func (x *tx) edit(c *conversation, m *sentMessage, content string) {
	r := Record{Operation: c.pick(ChatMessageUpdated, GroupMessageUpdated), Actor: m.sender, Message: m.id, Seq: m.seq}
	x.write(c, r, func(int64) {
		if old := x.w.messages[m.id]; old != nil {
			edited := *old
			edited.Content = content
			x.w.messages[m.id] = &edited
		}
	})
}

func (x *tx) unsend(c *conversation, m *sentMessage) {
	r := Record{Operation: c.pick(ChatMessageUnsent, GroupMessageUnsent), Actor: m.sender, Message: m.id, Seq: m.seq}
	x.write(c, r, func(int64) { delete(x.w.messages, m.id) })
}

func (x *tx) hide(c *conversation, of Membership, m *sentMessage) {
	r := Record{
		Operation: c.pick(ChatMessageDeleted, GroupMessageDeleted), Actor: of.Copy.Owner, Recipient: of.Copy.Owner,
		Message: m.id, Seq: m.seq,
	}
	x.write(c, r, func(int64) { x.w.hidden[HiddenMessage{of.Copy.ID, m.id}] = true })
}

func (x *tx) clear(c *conversation, of Membership) {
	seq := c.seq
	r := Record{Operation: c.pick(ChatDeleted, GroupDeleted), Actor: of.Copy.Owner, Recipient: of.Copy.Owner}
	x.write(c, r, func(int64) { x.w.copies[of.Copy.ID].ClearedSeq = seq })
}

func (x *tx) read(c *conversation, by Membership, m *sentMessage) {
	r := Record{Operation: c.pick(ChatMessageRead, GroupMessageRead), Actor: by.Copy.Owner, Message: m.id, Seq: m.seq}
	if c.kind == chat.Group {
		r.From = c.readSeq[by.Copy.ID]
	}
	x.write(c, r, func(int64) {
		if c.kind == chat.Group {
			c.readSeq[by.Copy.ID] = max(c.readSeq[by.Copy.ID], m.seq)
		}
	})
}

func (x *tx) endSession(u user.ID, session string) {
	x.write(nil, Record{Operation: SessionEnded, Recipient: u, Session: session}, nil)
}

// copyOf returns the current copy of a user.
func (w *world) copyOf(c *conversation, u user.ID) Membership {
	for _, m := range w.membershipsOf(c.id) {
		if m.Copy.Owner == u && m.EndRecord == 0 {
			return m
		}
	}
	panic("no copy of " + u)
}

func (w *world) membershipsOf(conversation int64) []Membership {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all(func(m *Membership) bool { return m.Conversation == conversation })
}

func (w *world) all(pick func(*Membership) bool) []Membership {
	var found []Membership
	for _, id := range slices.Sorted(maps.Keys(w.copies)) {
		if m := w.copies[id]; pick(m) {
			found = append(found, *m)
		}
	}
	return found
}

// The methods of [Log] and [Tail].

type worldTail struct {
	w    *world
	next int // index in commits
}

func (w *world) Tail(context.Context) (Tail, error) {
	w.enter("Tail")
	defer w.mu.Unlock()
	if err := w.called("Tail"); err != nil {
		return nil, err
	}
	t := &worldTail{w: w, next: len(w.commits)}
	safe := t.safe(w.commits)
	for i, r := range slices.Backward(w.commits) { // Next also returns what is after the first Safe
		if r.ID > safe.ID {
			t.next = i
		}
	}
	return t, nil
}

func (t *worldTail) Next(context.Context) (Batch, error) {
	t.w.enter("Next")
	defer t.w.mu.Unlock()
	if err := t.w.called("Next"); err != nil {
		return Batch{}, err
	}
	if t.w.replaced {
		t.w.replaced = false
		return Batch{}, storage.CursorExpired()
	}
	upTo := min(len(t.w.commits), t.next+min(t.w.batch, 1<<30))
	records := slices.Clone(t.w.commits[t.next:upTo])
	slices.SortFunc(records, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	t.next = upTo
	return Batch{Records: records, Safe: t.safe(t.w.commits[:upTo])}, nil
}

func (t *worldTail) Close() error { return nil }

// safe returns the position below all records that are open or were not returned yet.
func (t *worldTail) safe(returned []Record) Position {
	below := t.w.lastID + 1
	for id := range t.w.open {
		below = min(below, id)
	}
	for _, r := range t.w.commits[len(returned):] {
		below = min(below, r.ID)
	}
	var safe Position
	for _, r := range returned {
		if r.ID < below && r.ID > safe.ID {
			safe = r.Position
		}
	}
	return safe
}

func (w *world) CheckPosition(_ context.Context, p Position) error {
	w.enter("CheckPosition")
	defer w.mu.Unlock()
	if err := w.called("CheckPosition"); err != nil {
		return err
	}
	if p.ID < w.pruned || !slices.ContainsFunc(w.commits, func(r Record) bool { return r.Position == p }) {
		return storage.CursorExpired()
	}
	return nil
}

func (w *world) Records(_ context.Context, u user.ID, after, upTo int64, limit int) ([]Record, error) {
	w.enter("Records")
	defer w.mu.Unlock()
	if err := w.called("Records"); err != nil {
		return nil, err
	}
	for id := range w.open {
		if id <= upTo {
			panic("Records was called beyond an open record")
		}
	}
	mine := map[int64]bool{}
	for _, m := range w.copies {
		mine[m.Conversation] = mine[m.Conversation] || m.Copy.Owner == u
	}
	var found []Record
	for _, r := range w.commits {
		if r.ID > after && r.ID > w.pruned && r.ID <= upTo && (r.Recipient == u || r.Recipient == "" && mine[r.Conversation]) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	return found[:min(limit, len(found))], nil
}

func (w *world) Memberships(_ context.Context, endedAfter int64, users ...user.ID) ([]Membership, error) {
	w.enter("Memberships")
	defer w.mu.Unlock()
	if err := w.called("Memberships"); err != nil {
		return nil, err
	}
	return w.all(func(m *Membership) bool {
		return slices.Contains(users, m.Copy.Owner) && (m.EndRecord == 0 || m.EndRecord > max(endedAfter, w.pruned))
	}), nil
}

func (w *world) View(_ context.Context, records []Record, readers []Membership) (View, error) {
	w.enter("View")
	defer w.mu.Unlock()
	if err := w.called("View"); err != nil {
		return View{}, err
	}
	v := View{Messages: map[int64]*chat.Message{}, Hidden: map[HiddenMessage]bool{}, Covered: map[int64]map[user.ID]*chat.Message{}}
	lowest, wrote := map[int64]int64{}, map[int64]bool{}
	for _, r := range records {
		wrote[r.ID] = true
		if low, ok := lowest[r.Conversation]; !ok || r.Seq > 0 && (r.Seq < low || low == 0) {
			lowest[r.Conversation] = r.Seq
		}
		if m := w.messages[r.Message]; m != nil {
			v.Messages[m.ID] = m
		}
		for h := range w.hidden {
			if h.Message == r.Message {
				v.Hidden[h] = true
			}
		}
		if r.Operation == GroupMessageRead {
			v.Covered[r.ID] = w.covered(r, readers)
		}
	}
	v.Copies = w.all(func(m *Membership) bool {
		low, in := lowest[m.Conversation]
		return in && (wrote[m.JoinRecord] || m.EndRecord != 0 || low > 0 && m.ClearedSeq >= low)
	})
	return v, nil
}

func (w *world) covered(r Record, readers []Membership) map[user.ID]*chat.Message {
	newest := map[user.ID]*chat.Message{}
	for _, reader := range readers {
		m := w.copies[reader.Copy.ID]
		if m.Conversation != r.Conversation || m.Copy.Owner == r.Actor || m.EndRecord != 0 {
			continue
		}
		for _, message := range w.messages {
			if message.Conversation == r.Conversation && message.Sender == m.Copy.Owner && message.Seq > r.From && message.Seq <= r.Seq &&
				message.Seq > max(m.JoinedSeq, m.ClearedSeq) && !w.hidden[HiddenMessage{m.Copy.ID, message.ID}] &&
				(newest[m.Copy.Owner] == nil || newest[m.Copy.Owner].Seq < message.Seq) {
				newest[m.Copy.Owner] = message
			}
		}
	}
	return newest
}

func (w *world) OnCommit(f func([]Stream)) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hook = func() { f(nil) }
	return func() { w.set(func() { w.hook = nil }) }
}
