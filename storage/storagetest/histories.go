package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// histories lets a few users do random acts, and after each act compares what every user sees with
// the model. All histories share one store, each with its own users.
func histories(t *testing.T, h Harness) {
	t.Helper()
	c := newClock()
	store := h.New(t, c.read)
	deadline := time.Now().Add(h.budget())
	begun, finished := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if begun == finished && finished > 0 && time.Now().After(deadline) {
			// The time is up. A failed history is still investigated to the end.
			return
		}
		begun++
		one := newHistory(rt, t.Context(), store, c, fmt.Sprint("history ", begun, ", "))
		one.tx = h.Tx
		one.start()
		// Twice as long as -rapid.steps says.
		for range 2 {
			rt.Repeat(one.actions())
		}
		finished++
	})
	t.Logf("%d histories", finished)
}

// budget returns how long new random histories are started.
func (h Harness) budget() time.Duration {
	switch {
	case h.Budget != 0:
		return h.Budget
	case testing.Short():
		return 3 * time.Second
	}
	return 10 * time.Second
}

// history is one random history.
type history struct {
	*model
	t     *rapid.T
	ctx   context.Context
	store buddychat.Store
	clock *clock
	now   time.Time // the time of the current act
	users []user.ID
	tx    func(ctx context.Context, store buddychat.Store, act func(tx buddychat.Store) error) error
}

func newHistory(t *rapid.T, ctx context.Context, store buddychat.Store, c *clock, prefix string) *history {
	h := &history{model: newModel(), t: t, ctx: ctx, store: store, clock: c}
	for _, name := range []user.ID{"alice", "bob", "carol", "dave", "erin"} {
		h.users = append(h.users, user.ID(prefix)+name)
	}
	return h
}

// start creates the first conversations of a history.
func (h *history) start() {
	h.tick()
	h.openChat(h.users[0], h.users[1])
	creator := h.createGroup(h.users[0])
	for _, u := range h.users[1:3] {
		h.add(creator, u)
	}
	for _, c := range h.present("") {
		h.send(c, "first", "")
	}
}

// actions are the possible next acts, with their frequency.
func (h *history) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){"": func(*rapid.T) { h.compare() }}
	for name, each := range map[string]struct {
		weight int
		act    func()
	}{
		"open a chat":    {1, func() { h.openChat(h.someUser("by"), h.someUser("with")) }},
		"create a group": {1, func() { h.createGroup(h.someUser("by")) }},
		"send":           {6, h.sendSomething},
		"send again":     {2, h.sendAgain},
		"edit":           {2, h.editSomething},
		"unsend":         {2, h.unsendSomething},
		"hide":           {3, h.hideSomething},
		"clear":          {1, func() { h.clear(h.someCopy()) }},
		"archive":        {1, func() { h.archive(h.someCopy(), rapid.Bool().Draw(h.t, "archived")) }},
		"read":           {4, h.readSomething},
		"mark":           {2, h.markSomething},
		"add":            {4, func() { h.add(h.someAdmin(), h.someUser("member")) }},
		"remove":         {1, h.removeSomebody},
		"leave":          {1, func() { h.leave(h.someMember()) }},
		"set admin":      {2, h.setSomeAdmin},
		"remove a group": {1, h.removeSomeGroup},
		"erase":          {1, h.eraseSomebody},
		"purge":          {1, h.purge},
		"roll back":      {1, h.rollBack},
	} {
		for i := range each.weight {
			all[fmt.Sprint(name, " ", i)] = func(t *rapid.T) {
				h.t = t
				h.tick()
				each.act()
			}
		}
	}
	return all
}

// tick advances the clock or leaves it, so that some acts happen at the same time.
func (h *history) tick() {
	h.now = h.clock.advance(rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Minute}).Draw(h.t, "passed"))
}

func (h *history) someUser(label string) user.ID { return rapid.SampledFrom(h.users).Draw(h.t, label) }

// someCopy is usually a present copy, and sometimes one that has ended.
func (h *history) someCopy() *ownCopy { return h.mostly("copy", h.present("")) }

// someMember is usually a copy of a group.
func (h *history) someMember() *ownCopy {
	return h.mostly("copy", slices.DeleteFunc(h.present(""), func(c *ownCopy) bool { return c.Kind != chat.Group }))
}

// someAdmin is usually an admin's copy.
func (h *history) someAdmin() *ownCopy {
	return h.mostly("copy", slices.DeleteFunc(h.present(""), func(c *ownCopy) bool { return !c.admin }))
}

// mostly usually draws one of these copies, and sometimes any copy that ever existed.
func (h *history) mostly(label string, from []*ownCopy) *ownCopy {
	if len(from) == 0 || rapid.IntRange(0, 15).Draw(h.t, "any") == 15 {
		from = h.copies
	}
	return rapid.SampledFrom(from).Draw(h.t, label)
}

// someMessage is usually a message that the copy has, and sometimes any message ever sent.
func (h *history) someMessage(c *ownCopy) int64 {
	if len(c.messages) > 0 && rapid.IntRange(0, 11).Draw(h.t, "any") < 11 {
		return rapid.SampledFrom(c.messages).Draw(h.t, "message").ID
	}
	var ids []int64
	for _, r := range h.rooms {
		for _, s := range r.sent {
			ids = append(ids, s.id)
		}
	}
	return rapid.SampledFrom(ids).Draw(h.t, "message")
}

func (h *history) someText() string {
	return rapid.SampledFrom([]string{"one", "two", "drei 🧗", " four\n"}).Draw(h.t, "text")
}

func (h *history) sendSomething() {
	h.send(h.someCopy(), h.someText(), rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(h.t, "client id"))
}

// sendAgain repeats a draft that may have been sent before, and may have been edited or removed
// since.
func (h *history) sendAgain() {
	c := h.someCopy()
	before := slices.DeleteFunc(slices.Clone(c.room.sent), func(s *sending) bool { return s.sender != c.Owner || s.clientID == "" })
	if len(before) == 0 {
		h.t.Skip("nothing to send again")
	}
	h.send(c, h.someText(), rapid.SampledFrom(before).Draw(h.t, "before").clientID)
}

func (h *history) editSomething() {
	c := h.someCopy()
	h.edit(c, h.someMessage(c), h.someText())
}

func (h *history) unsendSomething() {
	c := h.someCopy()
	h.unsend(c, h.someMessage(c))
}

func (h *history) hideSomething() {
	c := h.someCopy()
	h.hide(c, h.someMessage(c))
}

func (h *history) readSomething() {
	c := h.someCopy()
	h.read(c, h.someMessage(c))
}

func (h *history) markSomething() {
	c := h.someCopy()
	h.mark(c, h.someMessage(c))
}

func (h *history) removeSomebody() {
	by := h.someAdmin()
	h.remove(by, h.mostly("member", by.room.copies))
}

func (h *history) setSomeAdmin() {
	by := h.someAdmin()
	h.setAdmin(by, h.mostly("member", by.room.copies), rapid.Bool().Draw(h.t, "admin"))
}

// removeSomeGroup and eraseSomebody end so much that they are rare.
func (h *history) removeSomeGroup() {
	if rapid.IntRange(0, 2).Draw(h.t, "really") > 0 {
		h.t.Skip("not now")
	}
	h.removeGroup(h.someMember())
}

func (h *history) eraseSomebody() {
	if len(h.erased) > 2 || rapid.IntRange(0, 2).Draw(h.t, "really") > 0 {
		h.t.Skip("not now")
	}
	h.erase(h.someUser("whom"))
}
