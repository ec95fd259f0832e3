package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

func concurrencyTests() []test {
	return slices.Concat(
		[]test{
			{"many callers open one chat at once", manyOpenChat},
			{"many callers register one name at once", manyRegister},
			{"many callers add one phone number at once", manyAddPhone},
			{"many callers add one member at once", manyAddMember},
			{"concurrent adds do not exceed the member limit", manyJoin},
			{"the last admins leave at once", adminsLeave},
			{"the last admins demote each other at once", adminsDemote},
			{"all members leave at once", everybodyLeaves},
			{"a refresh token is used twice at once", refreshAtOnce},
			{"a password is replaced while it is used to log in", loginsDuringChange},
			{"no session of an old password survives the change", oldPasswordDies},
			{"a password is replaced while its sessions are refreshed", refreshesDuringChange},
			{"a password is replaced while it is used to delete the account", deletionDuringChange},
			{"an account is erased during logins", sessionsDuringErasure},
			{"a user is erased while others write to them", erasedWhileWritten},
		},
		inBoth("many callers send one draft at once", manySendDraft),
		inBoth("counts are right during concurrent sends, clears, hides and reads", everythingAtOnce),
		[]test{
			{"a count is a snapshot during concurrent writes", countsAreOfOneMoment},
			{"a view is a snapshot during concurrent writes", viewIsOfOneMoment},
			{"a tail misses no record of concurrent writers", tailMissesNothing},
		},
	)
}

func manyOpenChat(f *fixture) {
	tail := f.tail()
	ids := make([][2]int64, 32)
	f.allWin(f.atOnce(len(ids), func(i int) error {
		owner, other := alice, bob
		if i%2 == 1 {
			owner, other = bob, alice
		}
		mine, others, err := f.store.OpenChat(f.ctx, owner, other)
		if i%2 == 1 {
			mine, others = others, mine
		}
		ids[i] = [2]int64{mine.ID, others.ID}
		return err
	}))
	for _, each := range ids {
		f.Equal(ids[0], each)
	}
	f.Len(f.next(tail), 1)
	for _, u := range []user.ID{alice, bob} {
		n, err := f.store.CountChats(f.ctx, u, chat.Filter{})
		f.NoError(err)
		f.Equal(1, n)
	}
}

func manyRegister(f *fixture) {
	errs := f.atOnce(16, func(i int) error {
		n := newAccount(fmt.Sprint("user", i))
		n.Username = []string{"anna", "ANNA"}[i%2]
		_, _, err := f.store.CreateUser(f.ctx, n)
		return err
	})
	f.oneWins(storage.ErrConflict, errs)
	n, err := f.store.CountUsers(f.ctx, user.Filter{Username: "Anna"})
	f.NoError(err)
	f.Equal(1, n)
}

func manyAddPhone(f *fixture) {
	users := []user.ID{f.account("anna").ID, f.account("bert").ID}
	f.oneWins(storage.ErrConflict, f.atOnce(8, func(i int) error {
		_, err := f.store.AddPhone(f.ctx, users[i%2], user.Phone{Number: "12345678", CountryCode: "1"}, limit)
		return err
	}))
	errs := f.atOnce(8, func(i int) error {
		_, err := f.store.AddPhone(f.ctx, users[0], user.Phone{Number: fmt.Sprint("1000000", i), CountryCode: "1"}, 4)
		return err
	})
	phones, err := f.store.Phones(f.ctx, users[0])
	f.NoError(err)
	f.Len(phones[users[0]], 4, "the limit")
	for _, err := range errs {
		if err != nil {
			f.ErrorIs(err, storage.ErrConflict)
		}
	}
}

func manyAddMember(f *fixture) {
	copies := f.group(alice, bob)
	f.promote(copies[0], copies[1].ID)
	tail := f.tail()
	f.oneWins(storage.ErrConflict, f.atOnce(16, func(i int) error {
		_, err := f.store.AddMember(f.ctx, copies[i%2], carol, limit)
		return err
	}))
	f.Len(f.next(tail), 1)
	f.Len(f.members(copies[0]), 3)
}

func manyJoin(f *fixture) {
	copies := f.group(alice)
	errs := f.atOnce(16, func(i int) error {
		_, err := f.store.AddMember(f.ctx, copies[0], user.ID(fmt.Sprint("user", i)), 5)
		return err
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		f.ErrorIs(err, storage.ErrConflict)
	}
	f.Equal(4, won)
	f.Len(f.members(copies[0]), 5)
}

func adminsLeave(f *fixture) {
	for range 5 {
		copies := f.group(alice, bob, carol, dave)
		f.promote(copies[0], copies[1].ID)
		f.allWin(f.atOnce(2, func(i int) error { return f.store.Leave(f.ctx, copies[i]) }))
		f.Equal([]user.ID{carol}, f.admins(copies[3]))
		f.Len(f.members(copies[3]), 2)
	}
}

func adminsDemote(f *fixture) {
	for range 5 {
		copies := f.group(alice, bob, carol)
		f.promote(copies[0], copies[1].ID)
		errs := f.atOnce(2, func(i int) error {
			_, err := f.store.SetAdmin(f.ctx, copies[i], copies[1-i].ID, false)
			return err
		})
		f.oneWins(storage.ErrForbidden, errs)
		f.Len(f.admins(copies[2]), 1)
		f.promote(copies[slices.Index(errs, nil)], copies[2].ID)
		// Each admin gives up their own role.
		errs = f.atOnce(2, func(i int) error {
			c := []chat.Copy{copies[slices.Index(errs, nil)], copies[2]}[i]
			_, err := f.store.SetAdmin(f.ctx, c, c.ID, false)
			return err
		})
		f.oneWins(storage.ErrConflict, errs)
		f.Len(f.admins(copies[2]), 1)
	}
}

func everybodyLeaves(f *fixture) {
	users := []user.ID{alice}
	for i := range 7 {
		users = append(users, user.ID(fmt.Sprint("user", i)))
	}
	copies := f.group(users[0], users[1:]...)
	id := f.groupOf(copies[0])
	m := f.send(copies[0], "one")
	tail := f.tail()
	f.allWin(f.atOnce(len(copies), func(i int) error { return f.store.Leave(f.ctx, copies[i]) }))
	left := 0
	for _, r := range f.next(tail) {
		if r.Operation == realtime.MemberLeft {
			left++
		}
	}
	f.Equal(len(copies), left)
	f.groupIsGone(id, m.ID, copies...)
}

func refreshAtOnce(f *fixture) {
	u := f.account("anna").ID
	spend := func(in string, grace time.Duration) []error {
		now := f.tick()
		return f.atOnce(2, func(i int) error {
			_, err := f.store.RotateRefresh(f.ctx, token.Rotation{
				Spent: hashed(in), Next: hashed(fmt.Sprint(in, i)), Now: now, Expires: now.Add(lifetime), Grace: grace,
			})
			return err
		})
	}
	strict := f.login(u, "strict")
	f.oneWins(storage.ErrUnauthenticated, spend("strict", 0))
	f.active(false, strict)

	kind := f.login(u, "kind")
	f.allWin(spend("kind", grace))
	f.active(true, kind)
	f.rotate("kind0", "next")
	f.rotate("kind1", "next, too")
	f.active(true, kind)
}

func loginsDuringChange(f *fixture) {
	u := f.account("anna")
	for round := range 5 {
		before := f.credentials(u.ID)
		checked := make([]token.Login, 8)
		for i := range checked {
			checked[i] = f.newLogin(u.ID, fmt.Sprint("login ", round, i))
			checked[i].PasswordVersion = before.User.PasswordVersion
		}
		errs := f.atOnce(len(checked)+1, func(i int) error {
			if i == len(checked) {
				return f.store.SetPassword(f.ctx, u.ID, before.PasswordHash, fmt.Sprint("password ", round))
			}
			return f.store.CreateSession(f.ctx, checked[i])
		})
		f.NoError(errs[len(checked)])
		for i, l := range checked {
			if errs[i] != nil {
				f.ErrorIs(errs[i], storage.ErrUnauthenticated)
			}
			f.active(false, l.Session)
			_, err := f.store.RotateRefresh(f.ctx, f.rotation(fmt.Sprint("login ", round, i), "next"))
			f.ErrorIs(err, storage.ErrUnauthenticated, "a login with the old password")
		}
	}
}

// oldPasswordDies logs in with the old password repeatedly while it is replaced.
func oldPasswordDies(f *fixture) {
	accounts, err := user.NewService(f.store, &user.Options{Hash: user.HashParams{Memory: 8, Iterations: 1}, MaxHashing: 8})
	f.NoError(err)
	tokens, err := token.NewService(f.store, &token.Options{Keys: []token.Key{{ID: "test", Secret: make([]byte, 32)}}, Now: f.clock.read})
	f.NoError(err)
	passwords := []string{"correct-horse-battery", "another-stable-donkey"}
	n := newAccount("anna")
	u, _, err := accounts.Register(f.ctx, user.Registration{
		Username: n.Username, Email: n.Email, FirstName: n.FirstName, LastName: n.LastName, Phone: n.Phone, Password: passwords[0],
	})
	f.NoError(err)
	for round := range 4 {
		old, next := passwords[round%2], passwords[(round+1)%2]
		changed := make(chan struct{})
		pairs := make([][]token.Pair, 6)
		errs := f.atOnce(len(pairs)+1, func(i int) error {
			if i == len(pairs) {
				_, err := accounts.ChangePassword(f.ctx, u.ID, old, next)
				close(changed)
				return err
			}
			for answered := false; ; {
				select {
				case <-changed:
					answered = true
				default:
				}
				verified, err := accounts.Authenticate(f.ctx, n.Username, old)
				if err != nil {
					return err
				}
				pair, err := tokens.Login(f.ctx, verified)
				if err != nil {
					return err
				}
				if answered {
					return errors.New("the old password was accepted after the change had returned")
				}
				pairs[i] = append(pairs[i], pair)
			}
		})
		f.NoError(errs[len(pairs)])
		for i := range pairs {
			f.ErrorIs(errs[i], storage.ErrUnauthenticated)
			f.Equal(storage.Message(user.WrongLogin()), storage.Message(errs[i]))
			for _, pair := range pairs[i] {
				_, err = tokens.Verify(f.ctx, pair.Access)
				f.ErrorIs(err, storage.ErrUnauthenticated)
				_, err = tokens.Refresh(f.ctx, pair.Refresh, accounts)
				f.ErrorIs(err, storage.ErrUnauthenticated)
			}
		}
	}
}

func refreshesDuringChange(f *fixture) {
	u := f.account("anna")
	sessions := make([]token.Session, 8)
	rotations := make([]token.Rotation, len(sessions))
	for i := range sessions {
		sessions[i] = f.login(u.ID, fmt.Sprint("login ", i))
		rotations[i] = f.rotation(fmt.Sprint("login ", i), fmt.Sprint("next ", i))
	}
	errs := f.atOnce(len(sessions)+1, func(i int) error {
		if i == len(sessions) {
			return f.store.SetPassword(f.ctx, u.ID, "hash of anna", "new")
		}
		_, err := f.store.RotateRefresh(f.ctx, rotations[i])
		return err
	})
	f.NoError(errs[len(sessions)])
	for i, in := range sessions {
		if errs[i] != nil {
			f.ErrorIs(errs[i], storage.ErrUnauthenticated)
		}
		f.active(false, in)
		_, err := f.store.RotateRefresh(f.ctx, f.rotation(fmt.Sprint("next ", i), "last"))
		f.ErrorIs(err, storage.ErrUnauthenticated)
	}
}

func sessionsDuringErasure(f *fixture) {
	for round := range 3 {
		u := f.account(fmt.Sprint("anna", round))
		name := func(what string, i int) string { return fmt.Sprint(what, round, i) }
		checked := make([]token.Login, 4)
		rotations := make([]token.Rotation, len(checked))
		for i := range checked {
			f.login(u.ID, name("old ", i))
			rotations[i] = f.rotation(name("old ", i), name("next ", i))
			checked[i] = f.newLogin(u.ID, name("new ", i))
		}
		errs := f.atOnce(2*len(checked)+1, func(i int) error {
			switch {
			case i == 2*len(checked):
				return f.store.EraseUser(f.ctx, u.ID)
			case i%2 == 0:
				return f.store.CreateSession(f.ctx, checked[i/2])
			}
			_, err := f.store.RotateRefresh(f.ctx, rotations[i/2])
			return err
		})
		f.NoError(errs[2*len(checked)])
		for i, err := range errs {
			if err != nil {
				f.ErrorIs(err, storage.ErrUnauthenticated, "act %d", i)
			}
		}
		for i, l := range checked {
			f.active(false, l.Session)
			f.active(false, token.Session{ID: sessionID(name("old ", i)), User: u.ID})
			for _, t := range []string{name("old ", i), name("next ", i), name("new ", i)} {
				_, err := f.store.RotateRefresh(f.ctx, f.rotation(t, t+" and on"))
				f.ErrorIs(err, storage.ErrUnauthenticated)
			}
		}
	}
}

func deletionDuringChange(f *fixture) {
	for round := range 5 {
		u := f.account(fmt.Sprint("anna", round))
		errs := f.atOnce(2, func(i int) error {
			if i == 0 {
				return f.store.SetPassword(f.ctx, u.ID, "hash of "+u.Username, "new")
			}
			return f.store.EraseVerified(f.ctx, u.ID, u.PasswordVersion)
		})
		users, err := f.store.Users(f.ctx, u.ID)
		f.NoError(err)
		if errs[0] == nil {
			f.ErrorIs(errs[1], storage.ErrConflict, "the password was replaced first")
			f.Len(users, 1)
		} else {
			f.ErrorIs(errs[0], storage.ErrNotFound, "the account was erased first")
			f.NoError(errs[1])
			f.Empty(users)
		}
	}
}

func erasedWhileWritten(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob, carol)
	errs := f.atOnce(12, func(i int) error {
		switch i {
		case 5:
			return f.store.EraseUser(f.ctx, bob)
		case 6:
			_, _, err := f.store.OpenChat(f.ctx, carol, bob)
			return err
		case 7:
			_, err := f.store.AddMember(f.ctx, copies[0], bob, limit)
			return err
		}
		c := []chat.Copy{mine, others, copies[0], copies[1]}[i%4]
		_, err := f.store.AppendMessage(f.ctx, c, chat.Draft{Content: "by " + string(c.Owner)})
		return err
	})
	for i, err := range errs {
		if err != nil && i != 7 {
			f.ErrorIs(err, storage.ErrNotFound, "act %d", i)
		}
	}
	f.NoError(errs[5])
	f.absent(mine, 0)
	f.absent(others, 0)
	f.absent(copies[1], 0)
	for _, u := range []user.ID{alice, bob, carol} {
		n, err := f.store.CountChats(f.ctx, u, chat.Filter{})
		f.NoError(err)
		f.Zero(n, "chats of %s", u)
	}
	f.Len(f.members(copies[0]), 2)
	for _, m := range f.messages(copies[2]) {
		f.Equal(alice, m.Sender)
	}
	f.shows(copies[2], slices.Repeat([]string{"by alice"}, len(f.messages(copies[0])))...)
}

func manySendDraft(p *pair) {
	tail := p.tail()
	sent := make([]chat.Message, 32)
	p.allWin(p.atOnce(len(sent), func(i int) error {
		var err error
		sent[i], err = p.store.AppendMessage(p.ctx, p.mine, chat.Draft{Content: "one", ClientID: "id"})
		return err
	}))
	for _, m := range sent {
		p.Equal(sent[0], m)
	}
	p.Len(p.next(tail), 1)
	p.shows(p.others, "one")

	errs := p.atOnce(8, func(i int) error {
		_, err := p.store.AppendMessage(p.ctx, p.mine, chat.Draft{Content: fmt.Sprint(i), ClientID: "other"})
		return err
	})
	p.oneWins(storage.ErrConflict, errs)
	p.Equal(int64(2), p.messages(p.mine)[0].Seq)
}

func everythingAtOnce(p *pair) {
	f := p.fixture
	var before []chat.Message
	for i := range 12 {
		before = append(before, f.send([]chat.Copy{p.mine, p.others}[i%2], "before"))
	}
	f.allWin(f.atOnce(24, func(i int) error {
		c := []chat.Copy{p.mine, p.others}[i%2]
		var errs []error
		for j := range 4 {
			m, err := f.store.AppendMessage(f.ctx, c, chat.Draft{Content: fmt.Sprint(i, " ", j)})
			errs = append(errs, err)
			// Only bob's, whose copy is never cleared.
			if i%6 == 3 && j == 0 {
				errs = append(errs, f.store.UnsendMessage(f.ctx, c, m.ID))
			}
		}
		if i < 6 {
			errs = append(errs, f.store.HideMessage(f.ctx, p.others, before[2*i].ID), tolerate(f.readAny(p.others, before[11-i].ID)))
		}
		if i == 9 || i == 10 {
			errs = append(errs, f.store.ClearCopy(f.ctx, p.mine))
		}
		return errors.Join(errs...)
	}))
	const sent, unsent, hidden = 12 + 24*4, 4, 6
	counts, err := f.store.CountMessages(f.ctx, []chat.Copy{p.others, p.mine})
	f.NoError(err)
	f.Equal(sent-unsent-hidden, counts[0], "what was not unsent or hidden")
	for i, c := range []chat.Copy{p.others, p.mine} {
		shown := f.messages(c)
		f.Len(shown, counts[i])
		f.True(slices.IsSortedFunc(shown, func(a, b chat.Message) int { return int(b.Seq - a.Seq) }))
		if c.Kind == chat.OneToOne {
			n := 0
			for _, m := range shown {
				if m.Sender != c.Owner && m.ReadAt.IsZero() {
					n++
				}
			}
			f.unread(n, c)
		}
	}
	f.Equal(int64(sent), f.messages(p.others)[0].Seq, "sequence numbers must have no gaps")
	p.unreadAfterwards()
}

// unreadAfterwards checks what is unread in a group after a member has read half of it.
func (p *pair) unreadAfterwards() {
	p.t.Helper()
	shown := p.messages(p.others)
	middle := shown[len(shown)/2]
	p.read(p.others, middle)
	n := 0
	for _, m := range p.messages(p.others) {
		unread := m.ReadAt.IsZero()
		if p.others.Kind == chat.Group {
			unread = m.Seq > middle.Seq
		}
		if m.Sender != bob && unread {
			n++
		}
	}
	p.unread(n, p.others)
}

// readAny reads a message of either kind of conversation.
func (f *fixture) readAny(c chat.Copy, message int64) error {
	read := f.store.ReadMessage
	if c.Kind == chat.Group {
		read = f.store.ReadThrough
	}
	_, err := read(f.ctx, c, message)
	return err
}

// tolerate drops the error of an act that lost a race.
func tolerate(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

func tailMissesNothing(f *fixture) {
	const writers, each = 12, 12
	var copies []chat.Copy
	for i := range 3 {
		mine, _ := f.chat(alice, user.ID(fmt.Sprint("user", i)))
		copies = append(copies, mine)
	}
	copies = append(copies, f.group(alice, bob)[0])
	other := f.group(carol)[0]

	hint := make(chan struct{}, 1)
	f.t.Cleanup(f.store.OnCommit(func([]realtime.Stream) {
		select {
		case hint <- struct{}{}:
		default:
		}
	}))
	tail := f.tail()
	writing, done := context.WithCancel(f.ctx)
	followed := make(chan follower)
	go func() { followed <- follow(f.ctx, tail, hint, writing.Done()) }()

	late := make([]*lateTail, writers)
	errs := f.atOnce(writers, func(i int) error {
		c := copies[i%len(copies)]
		var errs []error
		for j := range each {
			if i == j {
				errs = append(errs, f.beginLate(&late[i]))
			}
			_, err := f.store.AppendMessage(f.ctx, c, chat.Draft{Content: fmt.Sprint(i, " ", j)})
			errs = append(errs, err)
			if j%4 == 0 {
				errs = append(errs, f.store.ClearCopy(f.ctx, c))
				_, err = f.store.UpdateGroup(f.ctx, other, group.Update{Title: new(fmt.Sprint(i, j))})
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	})
	done()
	got := <-followed
	f.allWin(errs)
	f.NoError(got.err)
	f.Empty(got.faults, strings.Join(got.faults, "\n"))
	f.Equal(map[realtime.Operation]int{
		realtime.ChatMessageCreated:  writers * each * 3 / 4,
		realtime.GroupMessageCreated: writers * each / 4,
		realtime.ChatDeleted:         writers * each / 4 * 3 / 4,
		realtime.GroupDeleted:        writers * each / 4 / 4,
		realtime.GroupUpdated:        writers * each / 4,
	}, got.count)
	for _, each := range late {
		f.missesNothing(each, got.seen)
	}
	f.safe(tail, got.newest)
	records, err := f.store.Records(f.ctx, alice, 0, got.newest, 10_000)
	f.NoError(err)
	for _, r := range records {
		delete(got.seen, r.ID)
	}
	f.Len(got.seen, writers*each/4, "but for carol's, a replay has what the tail had")
}

// viewIsOfOneMoment reads views while a member leaves. In a view in which the membership has ended,
// a message for which only that member was missing must have been read.
func viewIsOfOneMoment(f *fixture) {
	for range 40 {
		tail := f.tail()
		copies := f.group(alice, bob)
		f.next(tail)
		m := f.send(copies[0], "one")
		records := f.next(tail)
		f.NoError(tail.Close())
		f.tick()
		left := make(chan error, 1)
		go func() { left <- f.store.Leave(f.ctx, copies[1]) }()
		for last := false; !last; {
			select {
			case err := <-left:
				f.NoError(err)
				last = true
			default:
			}
			v := f.view(records)
			ended := slices.ContainsFunc(v.Copies, func(m realtime.Membership) bool { return m.Copy == copies[1] && m.EndRecord != 0 })
			f.Equal(ended, !v.Messages[m.ID].ReadAt.IsZero(), "whether the message has been read, as the membership has ended or not")
		}
	}
}

// lateTail is a tail that begins while others write.
type lateTail struct {
	tail  realtime.Tail
	first realtime.Batch
}

func (f *fixture) beginLate(late **lateTail) error {
	tail, err := f.store.Tail(f.ctx)
	if err != nil {
		return err
	}
	*late = &lateTail{tail: tail}
	(*late).first, err = tail.Next(f.ctx)
	return err
}

// missesNothing checks, after everything was written, that the tail returned all records after
// those that were safe when it began.
func (f *fixture) missesNothing(late *lateTail, written map[int64]bool) {
	f.t.Helper()
	seen := map[int64]bool{}
	for _, r := range slices.Concat(late.first.Records, f.next(late.tail)) {
		f.False(seen[r.ID], "record %d was returned twice", r.ID)
		seen[r.ID] = true
	}
	for id := range written {
		f.True(id <= late.first.Safe.ID || seen[id], "record %d is missed by a tail that began at %d", id, late.first.Safe.ID)
	}
	f.NoError(late.tail.Close())
}

// countsAreOfOneMoment counts while several users send messages to alice. Each waits until alice
// has marked and read a message before they send the next, so at any time at most one message of
// each sender is unread and not marked.
func countsAreOfOneMoment(f *fixture) {
	const senders, rounds = 6, 60
	var theirs, own []chat.Copy
	for i := range senders {
		a, b := f.chat(user.ID(fmt.Sprint("sender ", i)), alice)
		theirs, own = append(theirs, a), append(own, b)
	}
	var writing sync.WaitGroup
	errs := make([]error, senders)
	for i := range senders {
		writing.Go(func() {
			for range rounds {
				m, err := f.store.AppendMessage(f.ctx, theirs[i], chat.Draft{Content: "one"})
				if err == nil {
					_, err = f.store.MarkNotification(f.ctx, own[i], m.ID)
				}
				if err == nil {
					_, err = f.store.ReadMessage(f.ctx, own[i], m.ID)
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		writing.Wait()
	}()
	for last := false; !last; {
		select {
		case <-written:
			last = true
		default:
		}
		n, err := f.store.CountNotifications(f.ctx, alice, notify.Filter{Read: new(false)})
		f.NoError(err)
		f.GreaterOrEqual(n, 0, "notifications that are not marked")
		f.LessOrEqual(n, senders, "notifications that are not marked")
		unread, err := f.store.CountUnread(f.ctx, own)
		f.NoError(err)
		for _, n := range unread {
			f.Contains([]int{0, 1}, n, "unread messages")
		}
	}
	f.allWin(errs)
	for filter, want := range map[*bool]int{nil: senders * rounds, new(true): senders * rounds, new(false): 0} {
		n, err := f.store.CountNotifications(f.ctx, alice, notify.Filter{Read: filter})
		f.NoError(err)
		f.Equal(want, n)
	}
}

// follower collects what a reader of the log finds.
type follower struct {
	count  map[realtime.Operation]int
	seen   map[int64]bool
	newest int64
	faults []string
	err    error
}

// follow reads a tail at every hint, and once more when everything is written.
func follow(ctx context.Context, tail realtime.Tail, hint, written <-chan struct{}) follower {
	f := follower{count: map[realtime.Operation]int{}, seen: map[int64]bool{}}
	var safe int64
	lastID, lastSeq := map[int64]int64{}, map[int64]int64{}
	for last := false; !last; {
		select {
		case <-hint:
		case <-written:
			last = true
		}
		b, err := tail.Next(ctx)
		if err != nil {
			f.err = err
			return f
		}
		previous := int64(0)
		for _, r := range b.Records {
			switch {
			case f.seen[r.ID]:
				f.fault("record %d was returned twice", r.ID)
			case r.ID <= safe:
				f.fault("record %d comes after %d was safe", r.ID, safe)
			case r.ID < previous:
				f.fault("record %d follows %d in its batch", r.ID, previous)
			case r.ID < lastID[r.Conversation]:
				f.fault("record %d of conversation %d comes after %d", r.ID, r.Conversation, lastID[r.Conversation])
			case r.Seq > 0 && r.Seq != lastSeq[r.Conversation]+1:
				f.fault("message %d of conversation %d comes after %d", r.Seq, r.Conversation, lastSeq[r.Conversation])
			}
			f.seen[r.ID] = true
			f.count[r.Operation]++
			f.newest = max(f.newest, r.ID)
			previous, lastID[r.Conversation] = r.ID, r.ID
			if r.Seq > 0 {
				lastSeq[r.Conversation] = r.Seq
			}
		}
		if b.Safe.ID < safe {
			f.fault("Safe goes back from %d to %d", safe, b.Safe.ID)
		}
		safe = b.Safe.ID
	}
	return f
}

func (f *follower) fault(format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
}
