package storagetest

import (
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// The acts of a history. Each asks the model for the expected result, calls the store, compares the
// two, and then updates the model.

// agrees reports whether the store's error is one of the expected reasons. A nil reason does not
// apply. If several apply, the store may return any of them.
func (h *history) agrees(what string, err error, reasons ...error) (done bool) {
	h.t.Helper()
	h.t.Logf("%s: %v", what, err)
	refusable := false
	for _, reason := range reasons {
		if reason == nil {
			continue
		}
		refusable = true
		if errors.Is(err, reason) {
			return false
		}
	}
	if refusable {
		h.t.Fatalf("%s must be refused as one of %v, not %v", what, reasons, err)
	}
	if err != nil {
		h.t.Fatalf("%s must work: %v", what, err)
	}
	return true
}

// answered compares the value that an act returns.
func answered[T any](h *history, what string, want, got T) {
	h.t.Helper()
	if !equal(want, got) {
		h.t.Fatalf("%s answers\nwant %+v\ngot  %+v", what, want, got)
	}
}

// when returns a reason if it applies.
func when(holds bool, reason error) error {
	if holds {
		return reason
	}
	return nil
}

func (h *history) openChat(a, b user.ID) {
	mine, others, err := h.store.OpenChat(h.ctx, a, b)
	what := fmt.Sprintf("%s opens a chat with %s", a, b)
	if !h.agrees(what, err, when(h.erased[a] || h.erased[b], storage.ErrNotFound)) {
		return
	}
	own, other := h.chatBetween(a, b)
	if own == nil {
		r := h.addRoom(chat.OneToOne, mine.Conversation)
		own = h.join(r, mine.ID, a, h.now)
		own.other, other = b, own
		if a != b {
			other = h.join(r, others.ID, b, h.now)
			other.other = a
		}
	}
	answered(h, what, [2]chat.Chat{own.asChat(), other.asChat()}, [2]chat.Chat{mine, others})
}

func (h *history) createGroup(u user.ID) *ownCopy {
	g, own, err := h.store.CreateGroup(h.ctx, u, group.Draft{Title: "Climbing", Description: "Walls"})
	what := fmt.Sprintf("%s creates a group", u)
	if !h.agrees(what, err, when(h.erased[u], storage.ErrNotFound)) {
		return nil
	}
	r := h.addRoom(chat.Group, g.ID)
	r.group = group.Group{ID: g.ID, Title: "Climbing", Description: "Walls", CreatedBy: u, UpdatedAt: h.now}
	c := h.join(r, own.ID, u, h.now)
	c.admin = true
	answered(h, what, r.asGroup(), g)
	answered(h, what, c.asGroupCopy(), own)
	return c
}

func (h *history) send(c *ownCopy, content, clientID string) {
	got, err := h.store.AppendMessage(h.ctx, c.Copy, chat.Draft{Content: content, ClientID: clientID})
	what := fmt.Sprintf("sending %q as %q by %s", content, clientID, c)
	var before *ownMessage
	s := c.room.sentBefore(c.Owner, clientID)
	if s != nil {
		before = c.message(s.id)
	}
	differs := before != nil && before.Content != content && before.EditedAt.IsZero()
	taken := !c.ended && s != nil && (before == nil || differs)
	if !h.agrees(what, err, when(c.ended, storage.ErrNotFound), when(taken, storage.ErrConflict)) {
		return
	}
	if before != nil {
		answered(h, what, before.Message, got)
		return
	}
	want := chat.Message{
		ID: got.ID, Conversation: c.room.id, Seq: int64(len(c.room.sent) + 1),
		Sender: c.Owner, Content: content, ClientID: clientID, Date: h.now,
	}
	answered(h, what, want, got)
	if n := len(c.room.sent); n > 0 && c.room.sent[n-1].id >= got.ID {
		h.t.Fatalf("%s: the id %d follows %d", what, got.ID, c.room.sent[n-1].id)
	}
	c.room.send(want)
}

// notShown and notSent are reasons to refuse an act on a message.
func notShown(c *ownCopy, id int64) error {
	return when(c.ended || c.message(id) == nil, storage.ErrNotFound)
}

func notSent(c *ownCopy, id int64) error {
	m := c.message(id)
	return when(!c.ended && m != nil && m.Sender != c.Owner, storage.ErrForbidden)
}

func (h *history) edit(c *ownCopy, id int64, content string) {
	got, err := h.store.EditMessage(h.ctx, c.Copy, id, content)
	what := fmt.Sprintf("editing %d to %q by %s", id, content, c)
	if !h.agrees(what, err, notShown(c, id), notSent(c, id)) {
		return
	}
	c.room.each(id, func(m *ownMessage) { m.Content, m.EditedAt = content, h.now })
	answered(h, what, c.message(id).Message, got)
}

func (h *history) unsend(c *ownCopy, id int64) {
	err := h.store.UnsendMessage(h.ctx, c.Copy, id)
	if !h.agrees(fmt.Sprintf("unsending %d by %s", id, c), err, notShown(c, id), notSent(c, id)) {
		return
	}
	for _, each := range c.room.copies {
		each.drop(func(m *ownMessage) bool { return m.ID == id })
	}
}

func (h *history) hide(c *ownCopy, id int64) {
	err := h.store.HideMessage(h.ctx, c.Copy, id)
	if h.agrees(fmt.Sprintf("hiding %d by %s", id, c), err, notShown(c, id)) {
		c.drop(func(m *ownMessage) bool { return m.ID == id })
	}
}

func (h *history) clear(c *ownCopy) {
	err := h.store.ClearCopy(h.ctx, c.Copy)
	if h.agrees(fmt.Sprintf("clearing %s", c), err, when(c.ended, storage.ErrNotFound)) {
		c.messages = nil
	}
}

func (h *history) archive(c *ownCopy, archived bool) {
	err := h.store.ArchiveCopy(h.ctx, c.Copy, archived)
	if h.agrees(fmt.Sprintf("archiving (%v) %s", archived, c), err, when(c.ended, storage.ErrNotFound)) {
		c.archived = archived
	}
}

func (h *history) read(c *ownCopy, id int64) {
	read := h.store.ReadMessage
	if c.Kind == chat.Group {
		read = h.store.ReadThrough
	}
	got, err := read(h.ctx, c.Copy, id)
	what := fmt.Sprintf("reading %d by %s", id, c)
	if !h.agrees(what, err, notShown(c, id)) {
		return
	}
	own := c.message(id)
	switch {
	case c.Kind == chat.Group:
		c.readThrough(own.Seq, h.now)
	case own.Sender != c.Owner && own.ReadAt.IsZero():
		c.room.each(id, func(m *ownMessage) { m.ReadAt = h.now })
	}
	answered(h, what, own.Message, got)
}

func (h *history) mark(c *ownCopy, id int64) {
	got, err := h.store.MarkNotification(h.ctx, c.Copy, id)
	what := fmt.Sprintf("marking %d by %s", id, c)
	own := c.message(id)
	if !h.agrees(what, err, notShown(c, id), when(own != nil && own.Sender == c.Owner, storage.ErrNotFound)) {
		return
	}
	if own.marked.IsZero() {
		own.marked = h.now
	}
	answered(h, what, c.notification(own), got)
}

// notAdmin and notMember are reasons to refuse an act on a group.
func notAdmin(c *ownCopy) error {
	if c.ended || c.Kind != chat.Group {
		return storage.ErrNotFound
	}
	return when(!c.admin, storage.ErrForbidden)
}

func notMember(c, member *ownCopy) error {
	return when(member.ended || member.Kind != chat.Group || member.room != c.room, storage.ErrNotFound)
}

func (h *history) add(c *ownCopy, u user.ID) {
	const most = 4
	got, err := h.store.AddMember(h.ctx, c.Copy, u, most)
	what := fmt.Sprintf("adding %s by %s", u, c)
	reasons := []error{notAdmin(c)}
	if !c.ended {
		full := c.room.copyOf(u) != nil || len(c.room.copies) >= most
		reasons = append(reasons, when(h.erased[u], storage.ErrNotFound), when(full, storage.ErrConflict))
	}
	if h.agrees(what, err, reasons...) {
		answered(h, what, h.join(c.room, got.ID, u, h.now).asMember(), got)
	}
}

func (h *history) remove(c, member *ownCopy) {
	err := h.store.RemoveMember(h.ctx, c.Copy, member.ID)
	if h.agrees(fmt.Sprintf("removing %s by %s", member, c), err, notAdmin(c), notMember(c, member)) {
		member.end(h.now)
	}
}

func (h *history) leave(c *ownCopy) {
	err := h.store.Leave(h.ctx, c.Copy)
	if h.agrees(fmt.Sprintf("leaving of %s", c), err, when(c.ended || c.Kind != chat.Group, storage.ErrNotFound)) {
		c.end(h.now)
	}
}

func (h *history) setAdmin(c, member *ownCopy, admin bool) {
	got, err := h.store.SetAdmin(h.ctx, c.Copy, member.ID, admin)
	what := fmt.Sprintf("making %s an admin (%v) by %s", member, admin, c)
	last := !admin && member.admin && member.room.admins() == 1
	if h.agrees(what, err, notAdmin(c), notMember(c, member), when(last, storage.ErrConflict)) {
		member.admin = admin
		answered(h, what, member.asMember(), got)
	}
}

func (h *history) removeGroup(c *ownCopy) {
	err := h.store.RemoveGroup(h.ctx, c.Copy)
	gone := when(c.ended || c.Kind != chat.Group, storage.ErrNotFound)
	forbidden := when(gone == nil && c.room.group.CreatedBy != c.Owner, storage.ErrForbidden)
	if !h.agrees(fmt.Sprintf("removing the group of %s", c), err, gone, forbidden) {
		return
	}
	for len(c.room.copies) > 0 {
		c.room.copies[0].end(h.now)
	}
}

func (h *history) erase(u user.ID) {
	if h.agrees(fmt.Sprintf("erasing %s", u), h.store.EraseUser(h.ctx, u)) && !h.erased[u] {
		h.model.erase(u, h.now)
	}
}

// purge does some or all of the upkeep. No user sees a difference.
func (h *history) purge() {
	keep := rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour}).Draw(h.t, "keep")
	step := rapid.IntRange(1, 10).Draw(h.t, "step")
	for range rapid.IntRange(1, 10).Draw(h.t, "steps") {
		n, err := h.store.Purge(h.ctx, keep, step)
		h.agrees(fmt.Sprintf("purging %d", n), err)
	}
}

// rollBack makes many changes in a transaction of the application that is rolled back.
func (h *history) rollBack() {
	if h.tx == nil {
		h.t.Skip("the harness has no Tx")
	}
	c, other := h.someCopy(), h.someCopy()
	id := h.someMessage(c)
	err := h.tx(h.ctx, h.store, func(tx buddychat.Store) error {
		// Any of these may be refused. The test is that none of them leaves a trace.
		_, sent := tx.AppendMessage(h.ctx, c.Copy, chat.Draft{Content: "never sent", ClientID: "a"})
		hidden := tx.HideMessage(h.ctx, c.Copy, id)
		cleared := tx.ClearCopy(h.ctx, other.Copy)
		_, _, opened := tx.OpenChat(h.ctx, c.Owner, other.Owner)
		left := tx.Leave(h.ctx, other.Copy)
		erased := tx.EraseUser(h.ctx, c.Owner)
		for _, err := range []error{sent, hidden, cleared, opened, left, erased} {
			if err != nil && storage.Message(err) == "" {
				return fmt.Errorf("in a transaction: %w", err)
			}
		}
		return errHost{}
	})
	h.agrees(fmt.Sprintf("rolling back by %s and %s", c, other), err, errHost{})
}
