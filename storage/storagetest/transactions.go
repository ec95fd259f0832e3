package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func transactionTests() []test {
	return []test{
		{"a commit makes all changes and records visible", commitShowsEverything},
		{"a rollback leaves no change and no record", rollbackLeavesNothing},
		{"a rollback restores the previous state", rollbackRestores},
		{"changes in one transaction see each other", actsSeeEachOther},
		{"a conflict leaves the transaction usable", conflictSpoilsNothing},
		{"a refused change leaves no trace in the transaction", refusalLeavesNothing},
		{"an interrupted change leaves no trace in the transaction", brokenOffLeavesNothing},
		{"a rollback undoes an erasure completely", erasureIsRolledBack},
	}
}

// errHost is the reason of the application to roll back.
type errHost struct{}

func (errHost) Error() string { return "the application rolls back" }

// commit runs acts in a transaction of the application, which must commit. The function act must
// not end the test.
func (f *fixture) commit(act func(tx buddychat.Store) error) {
	f.t.Helper()
	f.tick()
	f.NoError(f.tx(act))
}

// rollBack runs acts in a transaction of the application, which then rolls back.
func (f *fixture) rollBack(act func(tx buddychat.Store) error) {
	f.t.Helper()
	f.tick()
	err := f.tx(func(tx buddychat.Store) error {
		if err := act(tx); err != nil {
			return err
		}
		return errHost{}
	})
	f.ErrorIs(err, errHost{})
}

// host makes one change of every kind, as an application might in one transaction.
func (f *fixture) host(tx buddychat.Store) error {
	mine, others, err := tx.OpenChat(f.ctx, alice, bob)
	if err != nil {
		return err
	}
	m, err := tx.AppendMessage(f.ctx, mine.Copy(), chat.Draft{Content: "your order", ClientID: "order 1"})
	if err != nil {
		return err
	}
	_, own, err := tx.CreateGroup(f.ctx, carol, group.Draft{Title: "Support"})
	if err != nil {
		return err
	}
	_, member := tx.AddMember(f.ctx, own.Copy(), bob, limit)
	_, read := tx.ReadMessage(f.ctx, others.Copy(), m.ID)
	_, _, account := tx.CreateUser(f.ctx, newAccount("anna"))
	return errors.Join(member, read, account, tx.HideMessage(f.ctx, mine.Copy(), m.ID))
}

func hostOperations() []realtime.Operation {
	return []realtime.Operation{
		realtime.ChatOpened, realtime.ChatMessageCreated, realtime.MemberAdded, realtime.MemberAdded,
		realtime.ChatMessageRead, realtime.ChatMessageDeleted,
	}
}

func commitShowsEverything(f *fixture) {
	tail := f.tail()
	f.commit(f.host)
	var ops []realtime.Operation
	for _, r := range f.next(tail) {
		ops = append(ops, r.Operation)
		f.Equal(f.clock.advance(0), r.At)
	}
	f.Equal(hostOperations(), ops)
	_, others := f.chat(alice, bob)
	f.shows(others, "your order")
	f.NotZero(f.messages(others)[0].ReadAt)
	f.matches(user.Filter{}, "anna")
	groups, err := f.store.ListCopies(f.ctx, bob, group.Filter{}, everything())
	f.NoError(err)
	f.Len(groups, 1)
	f.Len(f.members(groups[0].Copy()), 2)
}

func rollbackLeavesNothing(f *fixture) {
	mine, others := f.chat(alice, bob)
	f.send(mine, "before")
	before := f.everythingOf(alice) + f.everythingOf(bob) + f.everythingOf(carol)
	tail := f.tail()
	f.rollBack(f.host)
	f.Empty(f.next(tail))
	f.Equal(before, f.everythingOf(alice)+f.everythingOf(bob)+f.everythingOf(carol))
	f.matches(user.Filter{})
	f.Equal(int64(2), f.send(others, "after").Seq, "a rolled back Seq must be used again")
	f.commit(f.host)
	f.shows(others, "before", "after", "your order")
	var ops []realtime.Operation
	for _, r := range f.next(tail) {
		ops = append(ops, r.Operation)
	}
	f.Equal(append([]realtime.Operation{realtime.ChatMessageCreated}, hostOperations()[1:]...), ops)
	f.safe(tail, 1)
	f.NoError(f.store.CheckPosition(f.ctx, f.newest()))
}

func rollbackRestores(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob, carol)
	var sent []chat.Message
	for _, c := range []chat.Copy{mine, copies[0]} {
		for range 3 {
			sent = append(sent, f.send(c, "one"))
		}
	}
	users := []user.ID{alice, bob, carol}
	var before, within, after string
	for _, u := range users {
		before += f.everythingOf(u)
	}
	f.silent(func() {
		f.rollBack(func(tx buddychat.Store) error {
			_, edited := tx.EditMessage(f.ctx, mine, sent[0].ID, "uno")
			_, read := tx.ReadMessage(f.ctx, others, sent[0].ID)
			_, marked := tx.MarkNotification(f.ctx, others, sent[1].ID)
			_, readThrough := tx.ReadThrough(f.ctx, copies[1], sent[5].ID)
			_, promoted := tx.SetAdmin(f.ctx, copies[0], copies[2].ID, true)
			_, updated := tx.UpdateGroup(f.ctx, copies[0], group.Update{Title: new("Bouldering")})
			list, err := tx.ListNotifications(f.ctx, bob, notify.Filter{}, everything())
			within = fmt.Sprint(list)
			return errors.Join(edited, read, marked, readThrough, promoted, updated, err,
				tx.HideMessage(f.ctx, others, sent[0].ID), tx.UnsendMessage(f.ctx, mine, sent[2].ID),
				tx.HideMessage(f.ctx, copies[2], sent[3].ID), tx.ClearCopy(f.ctx, copies[1]),
				tx.ArchiveCopy(f.ctx, mine, true), tx.RemoveMember(f.ctx, copies[0], copies[1].ID))
		})
	})
	for _, u := range users {
		after += f.everythingOf(u)
	}
	f.Contains(within, "uno", "it was done")
	f.Equal(before, after)
}

func actsSeeEachOther(f *fixture) {
	copies := f.group(alice, bob)
	var shown [][]chat.Message
	var unread, readers []int
	f.commit(func(tx buddychat.Store) error {
		m, err := tx.AppendMessage(f.ctx, copies[0], chat.Draft{Content: "one"})
		if err != nil {
			return err
		}
		_, edited := tx.EditMessage(f.ctx, copies[0], m.ID, "uno")
		n, counted := tx.CountUnread(f.ctx, copies)
		_, read := tx.ReadThrough(f.ctx, copies[1], m.ID)
		all, listed := tx.Messages(f.ctx, copies, everything())
		r, told := tx.CountReaders(f.ctx, []group.MessageRef{{Copy: copies[0], Message: m.ID}})
		shown, unread, readers = all, n, r
		return errors.Join(edited, counted, read, listed, told)
	})
	f.Equal([]int{0, 1}, unread)
	f.Equal([]int{1}, readers)
	for _, page := range shown {
		f.Len(page, 1)
		f.Equal("uno", page[0].Content)
		f.Equal(f.clock.advance(0), page[0].ReadAt)
	}
	f.Equal(shown[0], f.messages(copies[0]))
}

func conflictSpoilsNothing(f *fixture) {
	u := f.account("anna")
	copies := f.group(alice, bob)
	sent := f.sendDraft(copies[0], chat.Draft{Content: "one", ClientID: "id"})
	in := f.login(u.ID, "token")
	f.rotate("token", "next")
	f.clock.advance(grace)
	refused := map[string]error{}
	var again chat.Message
	tail := f.tail()
	f.commit(func(tx buddychat.Store) error {
		var err error
		if again, err = tx.AppendMessage(f.ctx, copies[0], chat.Draft{Content: "one", ClientID: "id"}); err != nil {
			return err
		}
		_, refused["a client id"] = tx.AppendMessage(f.ctx, copies[0], chat.Draft{Content: "two", ClientID: "id"})
		_, refused["a member"] = tx.AddMember(f.ctx, copies[0], bob, limit)
		_, refused["a full group"] = tx.AddMember(f.ctx, copies[0], carol, 2)
		_, refused["the only admin"] = tx.SetAdmin(f.ctx, copies[0], copies[0].ID, false)
		_, _, refused["a username"] = tx.CreateUser(f.ctx, newAccount("ANNA"))
		_, refused["a phone number"] = tx.AddPhone(f.ctx, u.ID, newAccount("anna").Phone, limit)
		refused["a password"] = tx.SetPassword(f.ctx, u.ID, "another", "new")
		_, reuse := tx.RotateRefresh(f.ctx, f.rotation("token", "spoils"))
		if !errors.Is(reuse, storage.ErrUnauthenticated) {
			return errors.Join(errors.New("a used token was accepted again"), reuse)
		}
		if _, _, err = tx.OpenChat(f.ctx, alice, bob); err != nil {
			return err
		}
		_, err = tx.AppendMessage(f.ctx, copies[1], chat.Draft{Content: "the application continues"})
		return err
	})
	for what, err := range refused {
		f.ErrorIs(err, storage.ErrConflict, what)
	}
	f.Equal(sent, again)
	f.shows(copies[0], "one", "the application continues")
	f.Len(f.members(copies[0]), 2)
	f.active(false, in)
	var ops []realtime.Operation
	for _, r := range f.next(tail) {
		ops = append(ops, r.Operation)
	}
	f.Equal([]realtime.Operation{realtime.SessionEnded, realtime.ChatOpened, realtime.GroupMessageCreated}, ops)
}

func refusalLeavesNothing(f *fixture) {
	copies := f.group(alice, bob)
	theirs := f.send(copies[0], "one")
	before := f.everythingOf(alice) + f.everythingOf(bob)
	refused := map[string]error{}
	f.silent(func() {
		f.commit(func(tx buddychat.Store) error {
			_, refused["an edit"] = tx.EditMessage(f.ctx, copies[1], theirs.ID, "mine")
			refused["unsending"] = tx.UnsendMessage(f.ctx, copies[1], theirs.ID)
			refused["a removal"] = tx.RemoveMember(f.ctx, copies[1], copies[0].ID)
			_, refused["an update"] = tx.UpdateGroup(f.ctx, copies[1], group.Update{Title: new("Mine")})
			refused["removing the group"] = tx.RemoveGroup(f.ctx, copies[1])
			return nil
		})
	})
	for what, err := range refused {
		f.ErrorIs(err, storage.ErrForbidden, what)
	}
	f.Equal(before, f.everythingOf(alice)+f.everythingOf(bob))
}

// fuse is a context that ends after it was checked a number of times.
type fuse struct {
	context.Context
	end  context.CancelFunc
	mu   sync.Mutex
	left int
}

func (f *fixture) fuse(looks int) *fuse {
	ctx, end := context.WithCancel(f.ctx)
	return &fuse{Context: ctx, end: end, left: looks}
}

func (c *fuse) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

func (c *fuse) Err() error {
	c.look()
	return c.Context.Err()
}

func (c *fuse) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		c.end()
	}
}

// brokenOffLeavesNothing ends the context of an act after one step, then after two, and so on. The
// application still commits.
func brokenOffLeavesNothing(f *fixture) {
	copies := f.group(alice, bob, carol)
	f.send(copies[1], "one")
	f.read(copies[2], f.messages(copies[2])[0])
	before := f.everythingOf(alice) + f.everythingOf(bob) + f.everythingOf(carol)
	const most = 1000
	for looks := 1; ; looks += 1 + looks/8 {
		f.Less(looks, most, "the act never completes")
		ctx := f.fuse(looks)
		var err error
		f.silent(func() {
			_ = f.tx(func(tx buddychat.Store) error {
				if err = tx.Leave(ctx, copies[0]); err == nil {
					return errHost{}
				}
				// If the connection broke off too, the commit fails.
				return nil
			})
		})
		ctx.end()
		f.Equal(before, f.everythingOf(alice)+f.everythingOf(bob)+f.everythingOf(carol), "broken off at look %d", looks)
		if err == nil {
			return
		}
	}
}

func erasureIsRolledBack(f *fixture) {
	u := f.account("anna").ID
	in := f.login(u, "token")
	copies := f.group(u, bob)
	mine, others := f.chat(u, bob)
	f.send(mine, "one")
	f.send(copies[1], "two")
	before := f.everythingOf(u) + f.everythingOf(bob)
	f.silent(func() { f.rollBack(func(tx buddychat.Store) error { return tx.EraseUser(f.ctx, u) }) })
	f.Equal(before, f.everythingOf(u)+f.everythingOf(bob))
	f.active(true, in)
	f.shows(others, "one")
	f.commit(func(tx buddychat.Store) error { return tx.EraseUser(f.ctx, u) })
	f.active(false, in)
	f.absent(others, 0)
	f.shows(copies[1], "two")
	f.Equal([]user.ID{bob}, f.admins(copies[1]))
}
