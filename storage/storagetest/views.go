package storagetest

import (
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

func viewTests() []test {
	return []test{
		{"a view has the current messages of its records", viewHasMessages},
		{"a view has no removed messages", viewLacksWhatIsGone},
		{"a view has the messages deleted from each copy", viewKnowsHidden},
		{"a view has the copies that began, ended or were cleared", viewTellsOfCopies},
		{"a view has the newest read message of each sender", viewNamesCovered},
		{"a view has the erased users among those in its records", viewKnowsErased},
		{"a view of nothing is empty", viewOfNothing},
	}
}

func (f *fixture) view(records []realtime.Record, readers ...realtime.Membership) realtime.View {
	f.t.Helper()
	v, err := f.store.View(f.ctx, records, readers)
	f.NoError(err)
	return v
}

// contents returns the contents of the messages of a view.
func contents(v realtime.View) map[int64]string {
	all := map[int64]string{}
	for id, m := range v.Messages {
		all[id] = m.Content
	}
	return all
}

func viewHasMessages(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob)
	tail := f.tail()
	one := f.sendDraft(mine, chat.Draft{Content: "one", ClientID: "id"})
	two := f.send(copies[1], "two")
	records := f.next(tail)
	older := f.send(copies[0], "not in the records")
	f.tick()
	_, err := f.store.EditMessage(f.ctx, mine, one.ID, "uno")
	f.NoError(err)
	one = f.read(others, one)
	f.read(copies[0], older)
	two = f.message(copies[1], two.ID)
	f.NotZero(two.ReadAt)
	v := f.view(records)
	f.Equal(map[int64]*chat.Message{one.ID: &one, two.ID: &two}, v.Messages)
	f.Empty(v.Hidden)
	f.Empty(v.Covered)

	f.Equal(map[int64]*chat.Message{one.ID: &one}, f.view(records[:1]).Messages)
}

func viewLacksWhatIsGone(f *fixture) {
	copies := f.group(alice, bob, carol)
	tail := f.tail()
	kept, unsent := f.send(copies[0], "kept"), f.send(copies[0], "unsent")
	erased := f.send(copies[1], "erased")
	hidden := f.send(copies[2], "hidden")
	records := f.next(tail)
	f.Len(contents(f.view(records)), 4)
	f.unsend(copies[0], unsent)
	f.hide(copies[0], hidden)
	f.Equal(map[int64]string{kept.ID: "kept", erased.ID: "erased", hidden.ID: "hidden"}, contents(f.view(records)))
	f.erase(bob)
	f.Equal(map[int64]string{kept.ID: "kept", hidden.ID: "hidden"}, contents(f.view(records)))
	f.purge(lifetime, 100)
	f.Equal(map[int64]string{kept.ID: "kept", hidden.ID: "hidden"}, contents(f.view(records)))
	f.tick()
	f.NoError(f.store.RemoveGroup(f.ctx, copies[0]))
	f.purge(lifetime, 100)
	f.Empty(contents(f.view(records)), "messages that no copy shows must be gone after a purge")
}

func viewKnowsHidden(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob, carol)
	tail := f.tail()
	one, two := f.send(mine, "one"), f.send(copies[0], "two")
	records := f.next(tail)
	f.Empty(f.view(records).Hidden)
	other := f.send(mine, "not in the records")
	for _, each := range []struct {
		c chat.Copy
		m chat.Message
	}{{others, one}, {others, other}, {copies[0], two}, {copies[2], two}} {
		f.hide(each.c, each.m)
	}
	hidden := map[realtime.HiddenMessage]bool{
		{Copy: others.ID, Message: one.ID}:    true,
		{Copy: copies[0].ID, Message: two.ID}: true,
		{Copy: copies[2].ID, Message: two.ID}: true,
	}
	f.Equal(hidden, f.view(records).Hidden)
	f.unsend(mine, one)
	f.Equal(hidden, f.view(records).Hidden, "those of a message that is gone, too")
}

// tellsOf checks the copies in a view.
func (f *fixture) tellsOf(records []realtime.Record, want ...chat.Copy) map[chat.Copy]realtime.Membership {
	f.t.Helper()
	told := map[chat.Copy]realtime.Membership{}
	var got []chat.Copy
	for _, m := range f.view(records).Copies {
		told[m.Copy] = m
		got = append(got, m.Copy)
	}
	f.ElementsMatch(want, got)
	return told
}

func viewTellsOfCopies(f *fixture) {
	// Nothing that happens here is in the records.
	elsewhere := f.group(alice, bob, carol)
	f.leave(elsewhere[1])
	f.clear(elsewhere[2])
	tail := f.tail()
	mine, others := f.chat(alice, bob)
	f.tellsOf(f.next(tail), mine, others)
	admin := f.group(alice)[0]
	f.tellsOf(f.next(tail), admin)
	member := f.add(admin, bob)
	joined := f.next(tail)
	f.Equal(joined[0].ID, f.tellsOf(joined, member)[member].JoinRecord)

	f.send(mine, "one")
	first := f.next(tail)
	f.tellsOf(first)
	f.clear(others)
	f.Equal(int64(1), f.tellsOf(first, others)[others].ClearedSeq)
	f.send(mine, "two")
	second := f.next(tail)
	f.tellsOf(second) // it was cleared before all that these records are about
	f.tellsOf(slices.Concat(first, second), others)
	f.clear(mine)
	told := f.tellsOf(first, mine, others)
	f.Equal(int64(2), told[mine].ClearedSeq)

	f.send(admin, "one")
	sent := f.next(tail)
	late := f.add(admin, carol)
	f.next(tail)
	f.tellsOf(sent) // what carol joined after was not cleared from her copy
	f.clear(late)
	f.tellsOf(sent)
	f.Zero(f.memberships(0, carol)[late.ID].ClearedSeq)
	f.leave(late)
	f.next(tail)
	f.leave(member)
	left := f.next(tail)
	f.Equal(left[0].ID, f.tellsOf(left, member)[member].EndRecord)
	f.send(admin, "two")
	f.tellsOf(f.next(tail)) // it had ended before
	f.erase(bob)
	f.tellsOf(first, mine, others)
	f.NotZero(f.tellsOf(first, mine, others)[mine].EndRecord)
}

func viewNamesCovered(f *fixture) {
	copies := f.group(alice, bob, carol, dave)
	var sent []chat.Message
	for _, by := range []int{0, 1, 0, 2, 0, 1, 2, 3} {
		sent = append(sent, f.send(copies[by], "one"))
	}
	var readers []realtime.Membership
	for _, m := range f.memberships(0, alice, bob, carol) {
		readers = append(readers, m)
	}
	tail := f.tail()
	f.read(copies[3], sent[2])
	f.read(copies[3], sent[6])
	f.read(copies[1], sent[5])
	records := f.next(tail)
	f.Len(records, 3)
	covers := func(want ...map[user.ID]int) {
		f.t.Helper()
		v := f.view(records, readers...)
		for i, r := range records {
			got := map[user.ID]*chat.Message{}
			for u, place := range want[i] {
				m := f.message(f.copyIn(u, copies), sent[place].ID)
				got[u] = &m
			}
			f.Equal(got, v.Covered[r.ID], "of the reading up to %d from %d", r.Seq, r.From)
		}
	}
	covers(
		map[user.ID]int{alice: 2, bob: 1},
		map[user.ID]int{alice: 4, bob: 5, carol: 6},
		map[user.ID]int{alice: 4, carol: 3}, // without the reader's own
	)
	f.hide(copies[0], sent[4])
	f.unsend(copies[2], sent[6])
	covers(
		map[user.ID]int{alice: 2, bob: 1},
		map[user.ID]int{bob: 5, carol: 3}, // nothing else of alice's was newly covered
		map[user.ID]int{alice: 2, carol: 3},
	)
	f.clear(copies[1])
	v := f.view(records, readers...)
	f.NotContains(v.Covered[records[0].ID], bob)
	f.NotContains(v.Covered[records[1].ID], bob)
	f.Contains(v.Messages, sent[2].ID, "the message that was marked")
	v = f.view(records, readers[:0]...)
	none := map[int64]map[user.ID]*chat.Message{records[0].ID: {}, records[1].ID: {}, records[2].ID: {}}
	f.Equal(none, v.Covered, "no readers")
}

// copyIn returns the copy of the user among copies.
func (f *fixture) copyIn(u user.ID, copies []chat.Copy) chat.Copy {
	f.t.Helper()
	i := slices.IndexFunc(copies, func(c chat.Copy) bool { return c.Owner == u })
	f.GreaterOrEqual(i, 0, "a copy of %s", u)
	return copies[i]
}

func viewKnowsErased(f *fixture) {
	copies := f.group(alice, bob)
	mine, others := f.chat(carol, alice)
	m, n := f.send(copies[0], "one"), f.send(others, "two")
	tail := f.tail()
	f.leave(f.add(copies[0], dave))
	f.read(copies[1], m)
	f.read(mine, n)
	records := f.next(tail)
	f.Len(records, 4)
	f.Empty(f.view(records).Erased)
	f.erase("another user")
	f.Empty(f.view(records).Erased)
	f.erase(bob)
	f.erase(dave)
	f.Equal(map[user.ID]bool{bob: true, dave: true}, f.view(records).Erased)
	f.purge(lifetime, 100)
	f.Equal(map[user.ID]bool{bob: true, dave: true}, f.view(records).Erased, "after a purge, too")
	f.erase(carol)
	f.Equal(map[user.ID]bool{carol: true}, f.view(records[3:]).Erased)
}

func viewOfNothing(f *fixture) {
	copies := f.group(alice, bob)
	f.send(copies[0], "one")
	tail := f.tail()
	f.NoError(f.store.EndSession(f.ctx, alice, "a session"))
	for _, records := range [][]realtime.Record{nil, f.next(tail)} {
		v := f.view(records)
		f.Empty(v.Messages)
		f.Empty(v.Hidden)
		f.Empty(v.Copies)
		f.Empty(v.Covered)
		f.Empty(v.Erased)
	}
}
