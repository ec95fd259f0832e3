package storagetest

import (
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func erasureTests() []test {
	return []test{
		{"erasing an account removes its phone numbers and sessions", accountIsErased},
		{"a verified erasure needs the current password", erasureIsVerified},
		{"erasing a user removes their chats on both sides", chatsAreErased},
		{"messages of an erased user disappear immediately", writingIsErased},
		{"an erased user leaves every group", erasedLeaves},
		{"a group that an erased user left gets an event if it shows their messages", formerMemberIsErased},
		{"a group of an erased creator has no creator", creatorIsErased},
		{"an erased user cannot take part in anything", erasedTakesNoPart},
		{"erasing again, or erasing an unknown id, is no error", erasingIsIdempotent},
	}
}

func accountIsErased(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	in, others := f.login(u.ID, "one"), f.login(other.ID, "two")
	f.Equal([]realtime.Record{{Operation: realtime.SessionEnded, Recipient: u.ID}}, f.recorded(func() { f.erase(u.ID) }))
	f.active(false, in)
	f.active(true, others)
	_, err := f.store.RotateRefresh(f.ctx, f.rotation("one", "next"))
	f.ErrorIs(err, storage.ErrUnauthenticated)
	users, err := f.store.Users(f.ctx, u.ID, other.ID)
	f.NoError(err)
	f.Equal(map[user.ID]user.User{other.ID: other}, users)
	f.matches(user.Filter{}, "other")
	f.matches(user.Filter{Search: "anna"})
	_, err = f.store.Credentials(f.ctx, u.ID)
	f.ErrorIs(err, storage.ErrNotFound)
	_, err = f.store.CredentialsByName(f.ctx, "anna")
	f.ErrorIs(err, storage.ErrNotFound)
	phones, err := f.store.Phones(f.ctx, u.ID)
	f.NoError(err)
	f.Empty(phones[u.ID])

	f.purge(0, 100)
	again := f.account("anna")
	f.NotEqual(u.ID, again.ID, "the names can be used again, the id cannot")
	f.chat(again.ID, other.ID)
}

func erasureIsVerified(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	mine, others := f.chat(u.ID, other.ID)
	f.send(mine, "one")
	f.NoError(f.store.SetPassword(f.ctx, u.ID, "hash of anna", "new"))
	in := f.newLogin(u.ID, "one")
	in.PasswordVersion = f.credentials(u.ID).User.PasswordVersion
	f.NoError(f.store.CreateSession(f.ctx, in))
	f.refused(storage.ErrConflict, func() error { return f.store.EraseVerified(f.ctx, u.ID, u.PasswordVersion) })
	f.active(true, in.Session)
	f.shows(others, "one")

	f.tick()
	f.NoError(f.store.EraseVerified(f.ctx, u.ID, in.PasswordVersion))
	f.active(false, in.Session)
	f.absent(others, 0)
	f.refused(storage.ErrNotFound, func() error { return f.store.EraseVerified(f.ctx, u.ID, in.PasswordVersion) })
}

// erasedRecords returns the records of an erasure, without the end of the sessions.
func (f *fixture) erasedRecords(u user.ID) []realtime.Record {
	f.t.Helper()
	var records []realtime.Record
	for _, r := range f.recorded(func() { f.erase(u) }) {
		if r.Operation != realtime.SessionEnded {
			records = append(records, r)
		}
	}
	return records
}

func chatsAreErased(f *fixture) {
	mine, others := f.chat(alice, bob)
	self, _ := f.chat(alice, alice)
	third, thirds := f.chat(carol, alice)
	kept, _ := f.chat(bob, carol)
	m := f.send(others, "by bob")
	f.send(self, "note")
	conversations := []int64{f.conversation(mine), f.conversation(third)}
	erased := func(i int, to user.ID) realtime.Record {
		return realtime.Record{
			Operation: realtime.ChatDeleted, Conversation: conversations[i], Kind: chat.OneToOne, Recipient: to, Erased: true,
		}
	}
	f.Equal([]realtime.Record{erased(0, bob), erased(1, carol)}, f.erasedRecords(alice))
	check := func() {
		f.t.Helper()
		for _, c := range []chat.Copy{mine, others, self, third, thirds} {
			f.absent(c, m.ID)
		}
		f.listsChats(alice)
		for _, u := range []user.ID{bob, carol} {
			n, err := f.store.CountChats(f.ctx, u, chat.Filter{})
			f.NoError(err)
			f.Equal(1, n)
		}
		_, _, err := f.store.FindMessage(f.ctx, bob, m.ID)
		f.ErrorIs(err, storage.ErrNotFound)
		f.notifies(alice)
	}
	check()
	f.Contains(f.operations(bob, 0), realtime.ChatDeleted, "a replay must also tell the other user")
	f.clock.advance(lifetime)
	f.purge(0, 1)
	check()
	f.send(kept, "goes on")
	f.Empty(f.memberships(0, alice))
}

func writingIsErased(f *fixture) {
	copies := f.group(alice, bob, carol)
	kept := f.send(copies[0], "kept")
	gone := f.sendDraft(copies[1], chat.Draft{Content: "gone", ClientID: "id"})
	f.mark(copies[0], gone)
	f.read(copies[2], gone)
	f.send(copies[1], "gone, too")
	f.read(copies[1], kept)
	f.hide(copies[2], f.send(copies[1], "gone and hidden"))
	f.unsend(copies[1], f.send(copies[1], "gone and unsent"))
	f.shows(copies[0], "kept", "gone", "gone, too", "gone and hidden")
	f.unread(3, copies[0])
	f.unread(1, copies[2])
	f.erase(bob)
	check := func() {
		f.t.Helper()
		for _, c := range []chat.Copy{copies[0], copies[2]} {
			f.shows(c, "kept")
			f.unread(0, c)
			all := acts(f, c, gone.ID)
			for _, name := range ofMessages() {
				f.ErrorIs(all[name](), storage.ErrNotFound, name)
			}
			_, _, err := f.store.FindMessage(f.ctx, c.Owner, gone.ID)
			f.ErrorIs(err, storage.ErrNotFound)
			f.Empty(f.readers(c, gone))
		}
		f.notifies(alice)
		f.notifies(carol, "kept")
		f.Equal([]user.ID{carol}, f.readers(copies[0], kept), "an erased user must not be a reader")
		f.NotZero(f.message(copies[0], kept.ID).ReadAt)
	}
	check()
	f.purge(lifetime, 1)
	check()
	f.Equal(int64(6), f.send(copies[2], "next").Seq)
	f.shows(copies[0], "kept", "next")
	f.unread(1, copies[0])
}

func erasedLeaves(f *fixture) {
	plain := f.group(alice, bob)
	headless := f.group(bob, carol, alice)
	alone := f.group(bob)
	ids := []int64{f.groupOf(plain[0]), f.groupOf(headless[0]), f.groupOf(alone[0])}
	left := func(i int, member int64) realtime.Record {
		r := recordOf(realtime.MemberLeft, ids[i], "", member)
		r.Erased = true
		return r
	}
	records := f.erasedRecords(bob)
	byGroup := map[int64][]realtime.Record{}
	for _, r := range records {
		byGroup[r.Conversation] = append(byGroup[r.Conversation], r)
	}
	f.Equal(map[int64][]realtime.Record{
		ids[0]: {left(0, plain[1].ID)},
		ids[1]: {left(1, headless[0].ID), recordOf(realtime.GroupUpdated, ids[1], "", 0)},
		ids[2]: {left(2, alone[0].ID)},
	}, byGroup)
	for _, c := range []chat.Copy{plain[1], headless[0], alone[0]} {
		f.absent(c, 0)
	}
	f.listsCopies(bob)
	f.Len(f.members(plain[0]), 1)
	f.Equal([]user.ID{carol}, f.admins(headless[2]))
	f.groupIsGone(ids[2], 0, alone...)
	f.newest()
	f.clock.advance(lifetime)
	f.purge(0, 1)
	f.Empty(f.memberships(0, bob))
	f.Len(f.members(headless[1]), 2)
}

func formerMemberIsErased(f *fixture) {
	wrote, silent, again := f.group(alice, bob), f.group(alice, bob), f.group(alice, bob)
	unsent, gone, cleared, hidden := f.group(alice, bob), f.group(bob), f.group(alice, bob), f.group(alice, bob)
	for _, c := range []chat.Copy{wrote[1], again[1], unsent[1], gone[0], cleared[1], hidden[1]} {
		f.send(c, "by bob")
	}
	f.unsend(unsent[1], f.messages(unsent[1])[0])
	f.clear(cleared[0])
	f.hide(hidden[0], f.messages(hidden[0])[0])
	id := f.groupOf(wrote[0])
	for _, c := range []chat.Copy{wrote[1], silent[1], again[1], unsent[1], gone[0], cleared[1], hidden[1]} {
		f.leave(c)
	}
	here := f.add(again[0], bob)
	rejoined := f.groupOf(again[0])
	records := f.erasedRecords(bob)
	left := func(group, member int64) realtime.Record {
		r := recordOf(realtime.MemberLeft, group, "", member)
		r.Erased = true
		return r
	}
	f.Equal([]realtime.Record{left(id, wrote[1].ID), left(rejoined, here.ID)}, records)
	f.shows(wrote[0])
	f.Equal(1, f.groupNow(wrote[0]).MembersCount)
	f.Contains(f.operations(alice, 0), realtime.MemberLeft)
}

func creatorIsErased(f *fixture) {
	copies := f.group(alice, bob)
	f.promote(copies[0], copies[1].ID)
	f.leave(copies[0])
	f.erase(alice)
	f.Equal(user.ID(""), f.groupNow(copies[1]).CreatedBy, "even of a group that they had left")
	f.refused(storage.ErrForbidden, func() error { return f.store.RemoveGroup(f.ctx, copies[1]) })
}

func erasedTakesNoPart(f *fixture) {
	u := f.account("anna").ID
	copies := f.group(bob)
	f.chat(u, bob)
	for _, gone := range []user.ID{u, "who never did anything"} {
		f.erase(gone)
		for name, act := range map[string]func() error{
			"OpenChat":         func() error { _, _, err := f.store.OpenChat(f.ctx, gone, bob); return err },
			"OpenChat by bob":  func() error { _, _, err := f.store.OpenChat(f.ctx, bob, gone); return err },
			"OpenChat by self": func() error { _, _, err := f.store.OpenChat(f.ctx, gone, gone); return err },
			"AddMember":        func() error { _, err := f.store.AddMember(f.ctx, copies[0], gone, limit); return err },
			"CreateGroup":      func() error { _, _, err := f.store.CreateGroup(f.ctx, gone, group.Draft{Title: "Mine"}); return err },
		} {
			f.refused(storage.ErrNotFound, func() error {
				err := act()
				f.Error(err, name)
				return err
			})
		}
		f.clock.advance(lifetime)
		f.purge(0, 100)
		_, _, err := f.store.OpenChat(f.ctx, bob, gone)
		f.ErrorIs(err, storage.ErrNotFound, "after a purge, too")
	}
	f.Len(f.members(copies[0]), 1)
}

func erasingIsIdempotent(f *fixture) {
	copies := f.group(alice, bob)
	f.chat(alice, bob)
	f.erase("stranger")
	f.Len(f.erasedRecords(bob), 2)
	f.Empty(f.erasedRecords(bob))
	f.erase(bob)
	f.purge(0, 100)
	f.Empty(f.erasedRecords(bob))
	f.Len(f.members(copies[0]), 1)
}
