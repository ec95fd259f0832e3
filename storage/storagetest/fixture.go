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

// The users of the tests. A store that wants to know them first is wrong: ids are the host's.
const (
	alice user.ID = "alice"
	bob   user.ID = "bob"
	carol user.ID = "carol"
	dave  user.ID = "dave"
)

// limit is of members and the like, where a test is about something else.
const limit = 1000

// everything is a page for all that a test makes.
func everything() storage.Range { return storage.Range{Limit: limit} }

// fixture is one test with its store. Its helpers end the test where an act that must work does not.
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

// clock is the stores' time. It stands still until it is moved, and shows what no store may keep: nanoseconds and a zone.
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

// advance moves the clock and returns the moment that a store keeps of it.
func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now.UTC().Truncate(time.Microsecond)
}

// tick moves the clock by a second and returns the moment at which the next act happens.
func (f *fixture) tick() time.Time { return f.clock.advance(time.Second) }

// chat opens a chat and returns the two copies.
func (f *fixture) chat(owner, other user.ID) (mine, others chat.Copy) {
	f.t.Helper()
	f.tick()
	a, b, err := f.store.OpenChat(f.ctx, owner, other)
	f.NoError(err)
	return a.Copy(), b.Copy()
}

// group makes a group of the first user with the others as members, and returns all their copies.
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

// memberCopy names the copy of a member.
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

// read reads a message of a chat, or of a group everything up to it.
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

// purge does all upkeep, in steps of this size.
func (f *fixture) purge(keep time.Duration, step int) {
	f.t.Helper()
	for range 10_000 {
		n, err := f.store.Purge(f.ctx, keep, step)
		f.NoError(err)
		if n == 0 {
			return
		}
	}
	f.Fail("Purge never says that nothing is left")
}

// messages returns what a copy shows, newest first.
func (f *fixture) messages(c chat.Copy) []chat.Message {
	f.t.Helper()
	all, err := f.store.Messages(f.ctx, []chat.Copy{c}, everything())
	f.NoError(err)
	f.Len(all, 1)
	return all[0]
}

// shows checks the contents that a copy shows, oldest first, and that all that is counted agrees with it.
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

// tail begins to follow the log, behind all that was committed before: the first batch may have some of that.
func (f *fixture) tail() realtime.Tail {
	f.t.Helper()
	tail, err := f.store.Tail(f.ctx)
	f.NoError(err)
	f.t.Cleanup(func() { f.NoError(tail.Close()) }) // it may be closed before
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

// recorded returns the records that an act, which happens a second after what was before, writes: without their
// positions and times, which are checked here.
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

// refused checks that an act is refused with this kind of error, and leaves no record.
func (f *fixture) refused(kind error, act func() error) {
	f.t.Helper()
	f.silent(func() {
		f.tick()
		err := act()
		f.ErrorIs(err, kind)
		f.NotEmpty(storage.Message(err), "an answer has a text for its caller")
	})
}

// account registers a built-in user under a name, from which all else is made.
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

// atOnce does something n times at the same time, and returns the errors.
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

// oneWins checks that exactly one of them was let, and the others were refused with this kind of error.
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

// allWin checks that all of them were let.
func (f *fixture) allWin(errs []error) {
	f.t.Helper()
	f.NoError(errors.Join(errs...))
}
