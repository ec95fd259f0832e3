package storagetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// The users of the tests. The store must not need to know them first, because ids belong to the
// application.
const (
	alice user.ID = "alice"
	bob   user.ID = "bob"
	carol user.ID = "carol"
	dave  user.ID = "dave"
)

// limit is the maximum number of members, phone numbers and so on, in tests that are not about it.
const limit = 1000

// everything is a page that is large enough for every test.
func everything() storage.Range { return storage.Range{Limit: limit} }

// fixture is one test with its store. Its helpers end the test if an act that must succeed fails.
type fixture struct {
	*require.Assertions
	t     *testing.T
	ctx   context.Context
	store buddychat.Store
	clock *clock
	tx    func(act func(tx buddychat.Store) error) error
}

func newFixture(t *testing.T, h Harness) *fixture {
	t.Helper()
	c := newClock()
	f := &fixture{Assertions: require.New(t), t: t, ctx: t.Context(), clock: c, store: h.New(t, c.read)}
	f.tx = func(act func(tx buddychat.Store) error) error { return h.Tx(f.ctx, f.store, act) }
	return f
}

// clock is the time of the stores. It stands still until a test advances it. It has nanoseconds and
// a zone, which no store may keep.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	zone := time.FixedZone("", 2*60*60+30*60)
	return &clock{now: time.Date(2026, 2, 28, 23, 59, 58, 987654321, zone)}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// advance advances the clock and returns the time as a store keeps it.
func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now.UTC().Truncate(time.Microsecond)
}

// tick advances the clock by a second and returns the time of the next act.
func (f *fixture) tick() time.Time { return f.clock.advance(time.Second) }

// chat opens a chat and returns the two copies.
func (f *fixture) chat(owner, other user.ID) (mine, others chat.Copy) {
	f.t.Helper()
	f.tick()
	a, b, err := f.store.OpenChat(f.ctx, owner, other)
	f.NoError(err)
	return a.Copy(), b.Copy()
}

// group creates a group of the first user with the others as members, and returns all of their
// copies.
func (f *fixture) group(creator user.ID, others ...user.ID) []chat.Copy {
	f.t.Helper()
	f.tick()
	_, own, err := f.store.CreateGroup(f.ctx, creator, group.Draft{Title: "Climbing", Description: "Walls and rocks"})
	f.NoError(err)
	copies := []chat.Copy{own.Copy()}
	for _, u := range others {
		copies = append(copies, f.add(own.Copy(), u))
	}
	return copies
}

// groupOf returns the group of a copy.
func (f *fixture) groupOf(c chat.Copy) int64 {
	f.t.Helper()
	own, err := f.store.Copies(f.ctx, c.Owner, c.ID)
	f.NoError(err)
	f.Contains(own, c.ID)
	return own[c.ID].Group
}

// conversation returns the conversation of a copy of either kind.
func (f *fixture) conversation(c chat.Copy) int64 {
	f.t.Helper()
	if c.Kind == chat.Group {
		return f.groupOf(c)
	}
	own, err := f.store.Chats(f.ctx, c.Owner, c.ID)
	f.NoError(err)
	f.Contains(own, c.ID)
	return own[c.ID].Conversation
}

// add makes a user a member, and returns the new member's copy.
func (f *fixture) add(by chat.Copy, u user.ID) chat.Copy {
	f.t.Helper()
	f.tick()
	m, err := f.store.AddMember(f.ctx, by, u, limit)
	f.NoError(err)
	return memberCopy(m)
}

// memberCopy returns the copy of a member.
func memberCopy(m group.Member) chat.Copy {
	return chat.Copy{Kind: chat.Group, ID: m.ID, Owner: m.User}
}

func (f *fixture) leave(c chat.Copy) {
	f.t.Helper()
	f.tick()
	f.NoError(f.store.Leave(f.ctx, c))
}

func (f *fixture) promote(by chat.Copy, member int64) {
	f.t.Helper()
	f.tick()
	_, err := f.store.SetAdmin(f.ctx, by, member, true)
	f.NoError(err)
}

func (f *fixture) send(c chat.Copy, content string) chat.Message {
	f.t.Helper()
	return f.sendDraft(c, chat.Draft{Content: content})
}

func (f *fixture) sendDraft(c chat.Copy, d chat.Draft) chat.Message {
	f.t.Helper()
	f.tick()
	m, err := f.store.AppendMessage(f.ctx, c, d)
	f.NoError(err)
	return m
}

func (f *fixture) hide(c chat.Copy, m chat.Message) {
	f.t.Helper()
	f.tick()
	f.NoError(f.store.HideMessage(f.ctx, c, m.ID))
}

func (f *fixture) clear(c chat.Copy) {
	f.t.Helper()
	f.tick()
	f.NoError(f.store.ClearCopy(f.ctx, c))
}

func (f *fixture) unsend(c chat.Copy, m chat.Message) {
	f.t.Helper()
	f.tick()
	f.NoError(f.store.UnsendMessage(f.ctx, c, m.ID))
}

// read reads a message of a chat, or everything up to a message of a group.
func (f *fixture) read(c chat.Copy, m chat.Message) chat.Message {
	f.t.Helper()
	f.tick()
	read := f.store.ReadMessage
	if c.Kind == chat.Group {
		read = f.store.ReadThrough
	}
	m, err := read(f.ctx, c, m.ID)
	f.NoError(err)
	return m
}

func (f *fixture) mark(c chat.Copy, m chat.Message) {
	f.t.Helper()
	f.tick()
	_, err := f.store.MarkNotification(f.ctx, c, m.ID)
	f.NoError(err)
}

func (f *fixture) erase(u user.ID) {
	f.t.Helper()
	f.tick()
	f.NoError(f.store.EraseUser(f.ctx, u))
}

// purge runs the upkeep in batches of this size until nothing is left.
func (f *fixture) purge(keep time.Duration, step int) {
	f.t.Helper()
	for range 10_000 {
		n, err := f.store.Purge(f.ctx, keep, step)
		f.NoError(err)
		if n == 0 {
			return
		}
	}
	f.Fail("Purge never returns 0")
}

// messages returns what a copy shows, newest first.
func (f *fixture) messages(c chat.Copy) []chat.Message {
	f.t.Helper()
	all, err := f.store.Messages(f.ctx, []chat.Copy{c}, everything())
	f.NoError(err)
	f.Len(all, 1)
	return all[0]
}

// shows checks the contents that a copy shows, oldest first, and that all counts agree with them.
func (f *fixture) shows(c chat.Copy, contents ...string) {
	f.t.Helper()
	shown := f.messages(c)
	f.Len(shown, len(contents), "messages of the copy of %s", c.Owner)
	for i, m := range shown {
		f.Equal(contents[len(contents)-1-i], m.Content)
	}
	counts, err := f.store.CountMessages(f.ctx, []chat.Copy{c})
	f.NoError(err)
	f.Equal([]int{len(contents)}, counts, "CountMessages of the copy of %s", c.Owner)
	last, err := f.store.LastMessages(f.ctx, []chat.Copy{c})
	f.NoError(err)
	f.Len(last, 1)
	if len(contents) == 0 {
		f.Nil(last[0], "LastMessages of the copy of %s", c.Owner)
		return
	}
	f.NotNil(last[0], "LastMessages of the copy of %s", c.Owner)
	f.Equal(shown[0], *last[0], "LastMessages of the copy of %s", c.Owner)
}

// unread checks how many unread messages a copy shows.
func (f *fixture) unread(want int, c chat.Copy) {
	f.t.Helper()
	got, err := f.store.CountUnread(f.ctx, []chat.Copy{c})
	f.NoError(err)
	f.Equal([]int{want}, got, "CountUnread of the copy of %s", c.Owner)
}

// message returns a message that the copy shows.
func (f *fixture) message(c chat.Copy, id int64) chat.Message {
	f.t.Helper()
	m, err := f.store.Message(f.ctx, c, id)
	f.NoError(err)
	return m
}

// tail starts to follow the log after everything committed so far. The first batch may still have
// some of it.
func (f *fixture) tail() realtime.Tail {
	f.t.Helper()
	tail, err := f.store.Tail(f.ctx)
	f.NoError(err)
	// A test may have closed it before.
	f.t.Cleanup(func() { f.NoError(tail.Close()) })
	f.next(tail)
	return tail
}

// next returns the records that were committed since the last call.
func (f *fixture) next(tail realtime.Tail) []realtime.Record {
	f.t.Helper()
	b, err := tail.Next(f.ctx)
	f.NoError(err)
	return b.Records
}

// recorded returns the records that an act writes. The act happens a second after the previous
// ones. The positions and times of the records are checked here and removed.
func (f *fixture) recorded(act func()) []realtime.Record {
	f.t.Helper()
	tail := f.tail()
	act()
	now := f.clock.advance(0)
	records := f.next(tail)
	f.NoError(tail.Close())
	var before realtime.Position
	for i := range records {
		f.Equal(now, records[i].At, "the time of a %s", records[i].Operation)
		f.Greater(records[i].ID, before.ID, "ids rise")
		f.NotEqual(before.Nonce, records[i].Nonce, "every record has a nonce of its own")
		before = records[i].Position
		records[i].Position, records[i].At = realtime.Position{}, time.Time{}
	}
	return records
}

// silent checks that an act writes no record.
func (f *fixture) silent(act func()) {
	f.t.Helper()
	f.Empty(f.recorded(act), "records of an act that has no event")
}

// refused checks that an act returns this error and writes no record.
func (f *fixture) refused(kind error, act func() error) {
	f.t.Helper()
	f.silent(func() {
		f.tick()
		err := act()
		f.ErrorIs(err, kind)
		f.NotEmpty(storage.Message(err), "the error must have a text for the caller")
	})
}

// account registers a built-in account with a username, from which its other fields are derived.
func (f *fixture) account(name string) user.User {
	f.t.Helper()
	f.tick()
	u, _, err := f.store.CreateUser(f.ctx, newAccount(name))
	f.NoError(err)
	return u
}

// newAccount returns an account whose email and phone number are as unique as its name.
func newAccount(name string) user.Account {
	var number uint64 = 14695981039346656037
	for _, b := range []byte(name) {
		number = (number ^ uint64(b)) * 1099511628211
	}
	return user.Account{
		Username: name, Email: name + "@example.org", FirstName: "First " + name, LastName: "Last " + name,
		PasswordHash: "hash of " + name,
		Phone:        user.Phone{Number: strconv.FormatUint(number%1e12+1e12, 10), CountryCode: "49"},
	}
}

// atOnce calls a function n times at the same time and returns the errors.
func (f *fixture) atOnce(n int, do func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWins checks that exactly one call succeeded and all others returned this error.
func (f *fixture) oneWins(kind error, errs []error) {
	f.t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		f.ErrorIs(err, kind)
	}
	f.Equal(1, won, "how many of %d at the same time won", len(errs))
}

// allWin checks that all calls succeeded.
func (f *fixture) allWin(errs []error) {
	f.t.Helper()
	f.NoError(errors.Join(errs...))
}
