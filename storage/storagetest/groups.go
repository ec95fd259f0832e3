package storagetest

import (
	"cmp"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func groupTests() []test {
	return []test{
		{"the creator of a group is its first member and admin", groupIsCreated},
		{"an admin updates the group", groupIsUpdated},
		{"only the creator removes the group, with everything in it", groupIsRemoved},
		{"a creator who rejoins without being an admin can still remove the group", creatorComesBack},
		{"only members see a group", groupIsPrivate},
		{"copies are listed by activity since joining, in pages", copiesAreListed},
		{"only a sent message moves a copy in the list", copiesStay},
		{"each member archives only their own copy", copiesAreArchived},
	}
}

// groupNow returns a group as the viewer sees it.
func (f *fixture) groupNow(viewer chat.Copy) group.Group {
	f.t.Helper()
	id := f.groupOf(viewer)
	found, err := f.store.Groups(f.ctx, viewer.Owner, id)
	f.NoError(err)
	f.Contains(found, id)
	return found[id]
}

// members returns the present members of the viewer's group, oldest first.
func (f *fixture) members(viewer chat.Copy) []group.Member {
	f.t.Helper()
	all, err := f.store.Members(f.ctx, viewer.Owner, []int64{f.groupOf(viewer)}, everything())
	f.NoError(err)
	f.Len(all, 1)
	f.Equal(len(all[0]), f.groupNow(viewer).MembersCount, "MembersCount")
	return all[0]
}

// admins returns the admins of the viewer's group.
func (f *fixture) admins(viewer chat.Copy) []user.ID {
	f.t.Helper()
	var admins []user.ID
	for _, m := range f.members(viewer) {
		if m.Admin {
			admins = append(admins, m.User)
		}
	}
	return admins
}

// recordOf returns the record of an act on a group.
func recordOf(op realtime.Operation, group int64, actor user.ID, member int64) realtime.Record {
	return realtime.Record{Operation: op, Conversation: group, Kind: chat.Group, Actor: actor, Member: member}
}

func groupIsCreated(f *fixture) {
	now := f.tick()
	var g group.Group
	var own group.Copy
	records := f.recorded(func() {
		var err error
		g, own, err = f.store.CreateGroup(f.ctx, alice, group.Draft{Title: "Climbing 🧗", Description: "Walls\nand rocks"})
		f.NoError(err)
	})
	want := group.Group{
		ID: g.ID, Title: "Climbing 🧗", Description: "Walls\nand rocks", MembersCount: 1, CreatedBy: alice, UpdatedAt: now,
	}
	f.Equal(want, g)
	f.NotZero(g.ID)
	member := group.Member{ID: own.ID, Group: g.ID, User: alice, Admin: true, Joined: now}
	f.Equal(group.Copy{Member: member, Activity: now}, own)
	f.Equal([]realtime.Record{recordOf(realtime.MemberAdded, g.ID, alice, own.ID)}, records)
	f.Equal(want, f.groupNow(own.Copy()))
	f.Equal([]group.Member{member}, f.members(own.Copy()))
	f.shows(own.Copy())

	second, _, err := f.store.CreateGroup(f.ctx, alice, group.Draft{Title: "Climbing 🧗"})
	f.NoError(err)
	f.NotEqual(g.ID, second.ID, "two groups can have the same title")
}

func groupIsUpdated(f *fixture) {
	copies := f.group(alice, bob)
	want := f.groupNow(copies[0])
	f.refused(storage.ErrForbidden, func() error {
		_, err := f.store.UpdateGroup(f.ctx, copies[1], group.Update{Title: new("Mine")})
		return err
	})
	for _, step := range []struct {
		update group.Update
		change func(*group.Group)
	}{
		{group.Update{Title: new("Bouldering")}, func(g *group.Group) { g.Title = "Bouldering" }},
		{group.Update{Description: new(""), Image: new("/wall.png")}, func(g *group.Group) { g.Description, g.Image = "", "/wall.png" }},
		{group.Update{Image: new("")}, func(g *group.Group) { g.Image = "" }},
	} {
		want.UpdatedAt = f.tick()
		step.change(&want)
		records := f.recorded(func() {
			got, err := f.store.UpdateGroup(f.ctx, copies[0], step.update)
			f.NoError(err)
			f.Equal(want, got)
		})
		f.Equal([]realtime.Record{recordOf(realtime.GroupUpdated, want.ID, alice, 0)}, records)
		f.Equal(want, f.groupNow(copies[1]))
	}
	f.silent(func() {
		f.tick()
		got, err := f.store.UpdateGroup(f.ctx, copies[0], group.Update{})
		f.NoError(err)
		f.Equal(want, got, "an empty update changes nothing")
	})
	f.refused(storage.ErrForbidden, func() error {
		_, err := f.store.UpdateGroup(f.ctx, copies[1], group.Update{})
		return err
	})
	f.Equal(want, f.groupNow(copies[1]))
	f.send(copies[1], "one")
	f.promote(copies[0], copies[1].ID)
	f.add(copies[1], carol)
	want.MembersCount = 3
	f.Equal(want, f.groupNow(copies[1]), "only title, description and image change UpdatedAt")
}

func groupIsRemoved(f *fixture) {
	copies := f.group(alice, bob, carol)
	id := f.groupOf(copies[0])
	m := f.send(copies[1], "one")
	f.promote(copies[0], copies[1].ID)
	f.refused(storage.ErrForbidden, func() error { return f.store.RemoveGroup(f.ctx, copies[1]) })
	f.refused(storage.ErrForbidden, func() error { return f.store.RemoveGroup(f.ctx, copies[2]) })
	records := f.recorded(func() {
		f.tick()
		f.NoError(f.store.RemoveGroup(f.ctx, copies[0]))
	})
	f.Equal([]realtime.Record{recordOf(realtime.GroupPermanentlyRemoved, id, alice, 0)}, records)
	f.groupIsGone(id, m.ID, copies...)
}

// groupIsGone checks that no one can see anything of a group.
func (f *fixture) groupIsGone(id, message int64, copies ...chat.Copy) {
	f.t.Helper()
	for _, c := range copies {
		f.absent(c, message)
		f.listsCopies(c.Owner)
		groups, err := f.store.Groups(f.ctx, c.Owner, id)
		f.NoError(err)
		f.Empty(groups)
		own, err := f.store.Copies(f.ctx, c.Owner, c.ID)
		f.NoError(err)
		f.Empty(own)
		members, err := f.store.MembersByID(f.ctx, c.Owner, c.ID)
		f.NoError(err)
		f.Empty(members)
		_, _, err = f.store.FindMessage(f.ctx, c.Owner, message)
		f.ErrorIs(err, storage.ErrNotFound)
		f.notifies(c.Owner)
	}
	for _, c := range copies {
		members, err := f.store.Members(f.ctx, c.Owner, []int64{id}, everything())
		f.NoError(err)
		f.Equal([][]group.Member{nil}, members)
	}
}

func creatorComesBack(f *fixture) {
	copies := f.group(alice, bob)
	id := f.groupOf(copies[0])
	f.leave(copies[0])
	f.Equal(alice, f.groupNow(copies[1]).CreatedBy)
	f.refused(storage.ErrForbidden, func() error { return f.store.RemoveGroup(f.ctx, copies[1]) })
	f.refused(storage.ErrNotFound, func() error { return f.store.RemoveGroup(f.ctx, copies[0]) })
	back := f.add(copies[1], alice)
	f.Equal([]user.ID{bob}, f.admins(back))
	f.NoError(f.store.RemoveGroup(f.ctx, back))
	f.groupIsGone(id, 0, back, copies[1])
}

func groupIsPrivate(f *fixture) {
	copies := f.group(alice, bob)
	other := f.group(carol, alice)
	mine, _ := f.chat(alice, bob)
	id, otherID := f.groupOf(copies[0]), f.groupOf(other[0])

	groups, err := f.store.Groups(f.ctx, bob, id, otherID, f.conversation(mine), 1<<40)
	f.NoError(err)
	f.Len(groups, 1)
	f.Contains(groups, id)
	members, err := f.store.MembersByID(f.ctx, bob, copies[0].ID, copies[1].ID, other[0].ID, other[1].ID, mine.ID, 1<<40)
	f.NoError(err)
	all := f.members(copies[1])
	f.Equal(map[int64]group.Member{all[0].ID: all[0], all[1].ID: all[1]}, members)
	own, err := f.store.Copies(f.ctx, bob, copies[0].ID, copies[1].ID, other[0].ID, mine.ID)
	f.NoError(err)
	f.Len(own, 1)
	f.Equal(all[1], own[copies[1].ID].Member)
	none, err := f.store.Groups(f.ctx, dave, id)
	f.NoError(err)
	f.Empty(none)
	lists, err := f.store.Members(f.ctx, bob, []int64{otherID, id}, everything())
	f.NoError(err)
	f.Equal([][]group.Member{nil, all}, lists)
	f.leave(copies[1])
	none, err = f.store.Groups(f.ctx, bob, id)
	f.NoError(err)
	f.Empty(none)
	lists, err = f.store.Members(f.ctx, bob, []int64{id}, everything())
	f.NoError(err)
	f.Equal([][]group.Member{nil}, lists, "a user who was removed between the two calls")
	members, err = f.store.MembersByID(f.ctx, bob, copies[0].ID, copies[1].ID)
	f.NoError(err)
	f.Empty(members)
	members, err = f.store.MembersByID(f.ctx, alice, copies[0].ID, copies[1].ID)
	f.NoError(err)
	f.Len(members, 1, "a user who left is no member")
}

// listsCopies checks the list of a user's copies, newest activity first.
func (f *fixture) listsCopies(owner user.ID, want ...group.Copy) {
	f.t.Helper()
	got, err := f.store.ListCopies(f.ctx, owner, group.Filter{}, everything())
	f.NoError(err)
	f.Len(got, len(want))
	if len(want) > 0 {
		f.Equal(want, got)
	}
	n, err := f.store.CountCopies(f.ctx, owner, group.Filter{})
	f.NoError(err)
	f.Equal(len(want), n)
}

func copiesAreListed(f *fixture) {
	var all []group.Copy
	f.tick()
	// They have the same activity, so they are ordered by id.
	for range 4 {
		_, own, err := f.store.CreateGroup(f.ctx, alice, group.Draft{Title: "Climbing"})
		f.NoError(err)
		all = append(all, own)
	}
	admin := f.group(bob)[0]
	f.send(admin, "before alice joined")
	joined := f.add(admin, alice)
	found, err := f.store.Copies(f.ctx, alice, joined.ID)
	f.NoError(err)
	f.Equal(f.clock.advance(0), found[joined.ID].Activity, "the time of joining, not of the last message before it")
	f.Equal(found[joined.ID].Joined, found[joined.ID].Activity)
	all = append(all, found[joined.ID])
	all[1].Activity = f.send(all[1].Copy(), "to the top").Date
	f.chat(alice, bob)

	slices.SortFunc(all, func(a, b group.Copy) int {
		return cmp.Or(b.Activity.Compare(a.Activity), cmp.Compare(b.ID, a.ID))
	})
	f.listsCopies(alice, all...)
	f.listsCopies("stranger")
	pages(f, all, group.Copy.Key, func(r storage.Range) ([]group.Copy, error) {
		return f.store.ListCopies(f.ctx, alice, group.Filter{}, r)
	})
}

func copiesStay(f *fixture) {
	copies := f.group(alice, bob)
	f.staysWhileUsed(copies[0], copies[1])
	moment := f.activity(copies[1])
	third := f.add(copies[0], carol)
	f.promote(copies[0], copies[1].ID)
	f.tick()
	_, err := f.store.UpdateGroup(f.ctx, copies[0], group.Update{Title: new("Bouldering")})
	f.NoError(err)
	f.leave(copies[0])
	f.Equal(moment, f.activity(copies[1]), "changes of the group must not change Activity")
	f.Greater(f.activity(third), moment)
}

func copiesAreArchived(f *fixture) {
	copies := f.group(alice, bob)
	other := f.group(alice)[0]
	f.silent(func() { f.NoError(f.store.ArchiveCopy(f.ctx, copies[0], true)) })
	list := func(u user.ID, archived bool, want ...chat.Copy) {
		f.t.Helper()
		filter := group.Filter{Archived: &archived}
		got, err := f.store.ListCopies(f.ctx, u, filter, everything())
		f.NoError(err)
		f.Len(got, len(want))
		for i, c := range got {
			f.Equal(want[i], c.Copy())
			f.Equal(archived, c.Archived)
		}
		n, err := f.store.CountCopies(f.ctx, u, filter)
		f.NoError(err)
		f.Equal(len(want), n)
	}
	list(alice, true, copies[0])
	list(alice, false, other)
	list(bob, true)
	list(bob, false, copies[1])
	f.send(copies[1], "a message does not unarchive")
	list(alice, true, copies[0])
	f.NoError(f.store.ArchiveCopy(f.ctx, copies[0], false))
	list(alice, false, copies[0], other)
}
