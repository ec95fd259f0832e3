package storagetest

import (
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func memberTests() []test {
	return []test{
		{"an admin adds a member, who sees later messages", memberIsAdded},
		{"a member cannot be added twice, and a group is full at its limit", memberIsNotAdded},
		{"a member who rejoins starts with an empty copy", memberComesBack},
		{"admins make and demote admins", adminIsSet},
		{"the only admin cannot be demoted", onlyAdmin},
		{"an admin removes others", memberIsRemoved},
		{"an admin who removes themselves leaves", adminRemovesThemselves},
		{"when the last admin leaves, the longest-standing member becomes one", lastAdminLeaves},
		{"a group is removed when its last member leaves", lastMemberLeaves},
		{"members of many groups are listed in one call, oldest first, in pages", membersAreListed},
	}
}

func memberIsAdded(f *fixture) {
	copies := f.group(alice)
	id := f.groupOf(copies[0])
	f.send(copies[0], "before")
	now := f.tick()
	var m group.Member
	records := f.recorded(func() {
		var err error
		m, err = f.store.AddMember(f.ctx, copies[0], bob, 2)
		f.NoError(err)
	})
	f.Equal(group.Member{ID: m.ID, Group: id, User: bob, Joined: now}, m)
	f.Greater(m.ID, copies[0].ID)
	f.Equal([]realtime.Record{recordOf(realtime.MemberAdded, id, alice, m.ID)}, records)
	f.shows(memberCopy(m))
	f.unread(0, memberCopy(m))
	f.send(copies[0], "after")
	f.shows(memberCopy(m), "after")
	f.unread(1, memberCopy(m))
	f.shows(copies[0], "before", "after")
	f.Len(f.members(memberCopy(m)), 2)
}

func memberIsNotAdded(f *fixture) {
	copies := f.group(alice, bob)
	add := func(c chat.Copy, u user.ID, limit int) func() error {
		return func() error { _, err := f.store.AddMember(f.ctx, c, u, limit); return err }
	}
	f.refused(storage.ErrForbidden, add(copies[1], carol, limit))
	f.refused(storage.ErrConflict, add(copies[0], bob, limit))
	f.refused(storage.ErrConflict, add(copies[0], alice, limit))
	f.refused(storage.ErrConflict, add(copies[0], carol, 2))
	f.Len(f.members(copies[0]), 2)
	f.tick()
	f.NoError(add(copies[0], carol, 3)())
	f.Len(f.members(copies[0]), 3)
}

func memberComesBack(f *fixture) {
	copies := f.group(alice, bob)
	m := f.send(copies[1], "one")
	f.promote(copies[0], copies[1].ID)
	f.NoError(f.store.ArchiveCopy(f.ctx, copies[1], true))
	f.leave(copies[1])
	f.absent(copies[1], m.ID)
	f.shows(copies[0], "one")
	f.send(copies[0], "two")
	back := f.add(copies[0], bob)
	now := f.clock.advance(0)
	f.NotEqual(copies[1].ID, back.ID)
	f.absent(copies[1], m.ID)
	f.shows(back)
	f.refused(storage.ErrNotFound, func() error { return f.store.UnsendMessage(f.ctx, back, m.ID) })
	own, err := f.store.Copies(f.ctx, bob, back.ID, copies[1].ID)
	f.NoError(err)
	f.Equal(map[int64]group.Copy{back.ID: {
		Member: group.Member{ID: back.ID, Group: f.groupOf(copies[0]), User: bob, Joined: now}, Activity: now,
	}}, own, "neither the role nor the archive come back")
	f.send(copies[0], "three")
	f.shows(back, "three")
}

func adminIsSet(f *fixture) {
	copies := f.group(alice, bob, carol)
	id := f.groupOf(copies[0])
	other := f.group(alice, bob)
	set := func(c chat.Copy, member int64, admin bool) func() error {
		return func() error {
			m, err := f.store.SetAdmin(f.ctx, c, member, admin)
			if err != nil {
				f.Zero(m, "the result must be zero if there is an error")
			}
			return err
		}
	}
	f.refused(storage.ErrForbidden, set(copies[1], copies[1].ID, true))
	f.refused(storage.ErrNotFound, set(copies[0], other[1].ID, true))
	f.refused(storage.ErrNotFound, set(copies[0], 1<<40, true))
	want := f.members(copies[0])[1]
	for _, admin := range []bool{true, false, true} {
		want.Admin = admin
		for i := range 2 {
			records := f.recorded(func() {
				f.tick()
				got, err := f.store.SetAdmin(f.ctx, copies[0], want.ID, admin)
				f.NoError(err)
				f.Equal(want, got)
			})
			if i == 0 {
				f.Equal([]realtime.Record{recordOf(realtime.GroupUpdated, id, alice, 0)}, records)
			} else {
				f.Empty(records, "a change to the present state must write no record")
			}
		}
		f.Equal(want, f.members(copies[0])[1])
	}
	f.tick()
	f.NoError(set(copies[1], copies[0].ID, false)(), "a new admin can demote the admin who made them one")
	f.Equal([]user.ID{bob}, f.admins(copies[0]))
	f.refused(storage.ErrForbidden, set(copies[0], copies[0].ID, true))
	f.leave(copies[2])
	f.refused(storage.ErrNotFound, set(copies[1], copies[2].ID, true))
}

func onlyAdmin(f *fixture) {
	alone := f.group(alice)[0]
	copies := f.group(alice, bob)
	for _, c := range []chat.Copy{alone, copies[0]} {
		f.refused(storage.ErrConflict, func() error {
			m, err := f.store.SetAdmin(f.ctx, c, c.ID, false)
			f.Zero(m, "the result must be zero if there is an error")
			return err
		})
		f.Equal([]user.ID{alice}, f.admins(c))
	}
}

func memberIsRemoved(f *fixture) {
	copies := f.group(alice, bob, carol, dave)
	id := f.groupOf(copies[0])
	other := f.group(alice, bob)
	m := f.send(copies[1], "one")
	remove := func(c chat.Copy, member int64) func() error {
		return func() error { return f.store.RemoveMember(f.ctx, c, member) }
	}
	f.refused(storage.ErrForbidden, remove(copies[1], copies[2].ID))
	f.refused(storage.ErrForbidden, remove(copies[1], copies[1].ID))
	f.refused(storage.ErrNotFound, remove(copies[0], other[1].ID))
	f.refused(storage.ErrNotFound, remove(copies[0], 1<<40))
	f.promote(copies[0], copies[1].ID)
	for i, by := range []chat.Copy{copies[1], copies[0]} { // a member, then an admin
		gone := copies[2-i]
		records := f.recorded(func() {
			f.tick()
			f.NoError(remove(by, gone.ID)())
		})
		f.Equal([]realtime.Record{recordOf(realtime.MemberRemoved, id, by.Owner, gone.ID)}, records)
		f.absent(gone, m.ID)
		f.listsNoCopyOf(gone.Owner, id)
		f.refused(storage.ErrNotFound, remove(copies[0], gone.ID))
	}
	f.Len(f.members(copies[0]), 2)
	f.shows(copies[3], "one")
}

func (f *fixture) listsNoCopyOf(u user.ID, id int64) {
	f.t.Helper()
	copies, err := f.store.ListCopies(f.ctx, u, group.Filter{}, everything())
	f.NoError(err)
	for _, c := range copies {
		f.NotEqual(id, c.Group, "%s has a copy", u)
	}
	n, err := f.store.CountCopies(f.ctx, u, group.Filter{})
	f.NoError(err)
	f.Equal(len(copies), n)
}

// leaves checks the records of a member who leaves: MEMBER_LEFT, and the new admin if no admin was
// left.
func (f *fixture) leaves(id int64, gone chat.Copy, succession bool, act func()) {
	f.t.Helper()
	records := f.recorded(func() {
		f.tick()
		act()
	})
	want := []realtime.Record{recordOf(realtime.MemberLeft, id, gone.Owner, gone.ID)}
	if succession {
		want = append(want, recordOf(realtime.GroupUpdated, id, gone.Owner, 0))
	}
	f.Equal(want, records)
	f.absent(gone, 0)
	f.listsNoCopyOf(gone.Owner, id)
}

func adminRemovesThemselves(f *fixture) {
	copies := f.group(alice, bob)
	id := f.groupOf(copies[0])
	f.leaves(id, copies[0], true, func() { f.NoError(f.store.RemoveMember(f.ctx, copies[0], copies[0].ID)) })
	f.Equal([]user.ID{bob}, f.admins(copies[1]))
}

func lastAdminLeaves(f *fixture) {
	copies := f.group(alice, bob, carol, dave)
	id := f.groupOf(copies[0])
	leave := func(c chat.Copy) func() { return func() { f.NoError(f.store.Leave(f.ctx, c)) } }
	f.promote(copies[0], copies[3].ID)
	f.leaves(id, copies[0], false, leave(copies[0]))
	f.Equal([]user.ID{dave}, f.admins(copies[1]), "another admin is left")
	f.leaves(id, copies[1], false, leave(copies[1]))
	back := f.add(copies[3], bob)
	f.leaves(id, copies[3], true, leave(copies[3]))
	f.Equal([]user.ID{carol}, f.admins(copies[2]), "a member who rejoined is not the longest-standing one")
	f.leaves(id, copies[2], true, leave(copies[2]))
	f.Equal([]user.ID{bob}, f.admins(back))
}

func lastMemberLeaves(f *fixture) {
	copies := f.group(alice, bob)
	id := f.groupOf(copies[0])
	m := f.send(copies[0], "one")
	f.leave(copies[0])
	f.leaves(id, copies[1], false, func() { f.NoError(f.store.Leave(f.ctx, copies[1])) })
	f.groupIsGone(id, m.ID, copies...)
}

func membersAreListed(f *fixture) {
	copies := f.group(alice, bob, carol, dave, "erin")
	other := f.group(bob)[0]
	mine, _ := f.chat(alice, bob)
	f.leave(copies[1])
	f.add(copies[0], bob)
	ids := []int64{f.groupOf(other), 1 << 40, f.groupOf(copies[0]), f.conversation(mine)}
	all, err := f.store.Members(f.ctx, bob, ids, everything())
	f.NoError(err)
	f.Len(all, len(ids))
	f.Len(all[0], 1)
	f.Empty(all[1])
	f.Empty(all[3], "a chat is no group")
	var users []user.ID
	for _, m := range all[2] {
		f.Equal(ids[2], m.Group)
		users = append(users, m.User)
	}
	f.Equal([]user.ID{alice, carol, dave, "erin", bob}, users)
	pages(f, all[2], group.Member.Key, func(r storage.Range) ([]group.Member, error) {
		page, err := f.store.Members(f.ctx, bob, []int64{ids[0], ids[2]}, r)
		if err != nil {
			return nil, err
		}
		return page[1], nil
	})
	none, err := f.store.Members(f.ctx, bob, nil, everything())
	f.NoError(err)
	f.Empty(none)
}
