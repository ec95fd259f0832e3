package realtime

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

func TestVisibilityByOperationAndMembership(t *testing.T) {
	t.Parallel()
	const (
		self   = alice
		copyID = 7
		about  = 70 // the message that the record is about
		own    = 71 // self's newest message that a read mark covers
	)
	message := &chat.Message{ID: about, Seq: 5, Sender: bob}
	mine := &chat.Message{ID: own, Seq: 4, Sender: self}
	current := &View{
		Messages: map[int64]*chat.Message{about: message},
		Covered:  map[int64]map[user.ID]*chat.Message{20: {self: mine}},
	}
	gone := &View{}
	hidden := &View{Messages: current.Messages, Covered: current.Covered, Hidden: map[HiddenMessage]bool{{copyID, about}: true, {copyID, own}: true}}
	hiddenElsewhere := &View{Messages: current.Messages, Hidden: map[HiddenMessage]bool{{copyID + 1, about}: true}}
	member := Membership{Copy: chat.Copy{ID: copyID, Owner: self}, JoinedSeq: 2, JoinRecord: 10}
	with := func(change func(*Membership)) Membership {
		m := member
		change(&m)
		return m
	}
	late := with(func(m *Membership) { m.JoinRecord = 21 })
	justIn := with(func(m *Membership) { m.JoinRecord = 20 })
	joinedLater := with(func(m *Membership) { m.JoinedSeq = 5 })
	cleared := with(func(m *Membership) { m.ClearedSeq = 5 })
	ends := with(func(m *Membership) { m.EndRecord = 20 })
	ended := with(func(m *Membership) { m.EndRecord = 19 })
	willEnd := with(func(m *Membership) { m.EndRecord = 21 })

	content := []Operation{ChatMessageCreated, ChatMessageUpdated, ChatMessageRead, GroupMessageCreated, GroupMessageUpdated}
	unsent := []Operation{ChatMessageUnsent, GroupMessageUnsent}
	oneOwn := []Operation{ChatMessageDeleted, ChatDeleted, GroupMessageDeleted, GroupDeleted}
	everybody := []Operation{GroupUpdated, GroupPermanentlyRemoved, MemberAdded, MemberRemoved, MemberLeft}
	internal := []Operation{LogBegun, ChatOpened, SessionEnded, NotificationCreated, "UNKNOWN"}
	all := [][]Operation{content, unsent, oneOwn, everybody, internal, {GroupMessageRead}}

	for _, test := range []struct {
		name      string
		of        [][]Operation
		member    Membership
		view      *View
		recipient user.ID
		actor     user.ID
		want      bool
		message   *chat.Message
	}{
		{name: "a message in the copy", of: [][]Operation{content}, member: member, view: current, want: true, message: message},
		{name: "a message that is gone", of: [][]Operation{content}, member: member, view: gone},
		{name: "a message deleted from the copy", of: [][]Operation{content, unsent}, member: member, view: hidden},
		{name: "a message deleted from another copy", of: [][]Operation{content}, member: member, view: hiddenElsewhere, want: true, message: message},
		{name: "a message sent before the member joined", of: [][]Operation{content, unsent}, member: joinedLater, view: current},
		{name: "a message that was cleared", of: [][]Operation{content, unsent}, member: cleared, view: current},
		{name: "a message without its content", of: [][]Operation{unsent}, member: member, view: current, want: true},
		{name: "a tombstone", of: [][]Operation{unsent}, member: member, view: gone, want: true},

		{name: "a change of the user to their own copy", of: [][]Operation{oneOwn}, member: member, view: gone, recipient: self, want: true},
		{name: "a change of another user to their copy", of: all, member: member, view: current, recipient: bob},
		{name: "a record for one user that names no recipient", of: [][]Operation{oneOwn}, member: member, view: current},
		{name: "a record for every member", of: [][]Operation{everybody}, member: member, view: gone, want: true},
		{name: "the user joins", of: [][]Operation{everybody}, member: justIn, view: gone, want: true},

		{name: "a record before the member joined", of: all, member: late, view: current, actor: self},
		{name: "the end of the copy", of: [][]Operation{everybody}, member: ends, view: gone, want: true},
		{name: "the erasure of the other user", of: [][]Operation{{ChatDeleted}}, member: ends, view: gone, recipient: self, want: true},
		{name: "the erasure, for the erased user", of: [][]Operation{{ChatDeleted}}, member: ends, view: gone, recipient: bob},
		{name: "a record after the end", of: all, member: ended, view: current, actor: self},
		{name: "a record before the end, delivered afterwards", of: all, member: willEnd, view: current, actor: self},
		{name: "a record for nodes only", of: [][]Operation{internal}, member: member, view: current, recipient: self},

		{name: "the user's read mark", of: [][]Operation{{GroupMessageRead}}, member: member, view: current, actor: self, want: true, message: message},
		{name: "the user's read mark on a message that is gone", of: [][]Operation{{GroupMessageRead}}, member: member, view: gone, actor: self},
		{name: "the user's read mark on a deleted message", of: [][]Operation{{GroupMessageRead}}, member: member, view: hidden, actor: self},
		{name: "a read mark that covers a message of the user", of: [][]Operation{{GroupMessageRead}}, member: member, view: current, actor: bob, want: true, message: mine},
		{name: "a read mark that covers no message", of: [][]Operation{{GroupMessageRead}}, member: member, view: gone, actor: bob},
		{name: "a read mark that covers a deleted message", of: [][]Operation{{GroupMessageRead}}, member: member, view: hidden, actor: bob},
		{name: "a read mark that covers a cleared message", of: [][]Operation{{GroupMessageRead}}, member: cleared, view: current, actor: bob},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, operations := range test.of {
				for _, op := range operations {
					r := Record{Position: Position{ID: 20}, Operation: op, Recipient: test.recipient, Actor: test.actor, Message: about, Seq: 5}
					got, ok := visible(r, test.member, test.view)
					require.Equal(t, test.want, ok, op)
					require.Equal(t, test.message, got, op)
				}
			}
		})
	}
}

func TestErasedUsersAreNotNamed(t *testing.T) {
	t.Parallel()
	const joined = 8
	view := &View{
		Copies: []Membership{
			{Copy: chat.Copy{ID: joined, Owner: carol}, EndRecord: 30},
			{Copy: chat.Copy{ID: joined + 1, Owner: bob}, EndRecord: 30},
		},
		Erased: map[user.ID]bool{bob: true},
	}
	member := Membership{Copy: chat.Copy{ID: 7, Owner: alice}, JoinRecord: 10}
	event := func(op Operation, actor user.ID, id int64) Event {
		t.Helper()
		d := delivery{Record: Record{Position: Position{ID: 20}, Operation: op, Actor: actor, Member: id}, view: view}
		events := d.appendTo(nil, member)
		require.Len(t, events, 1)
		return events[0]
	}
	for _, op := range []Operation{MemberAdded, MemberRemoved, MemberLeft, GroupUpdated} {
		require.Equal(t, carol, event(op, carol, joined).Actor, op)
		require.Empty(t, event(op, bob, joined).Actor, op)
	}
	require.Equal(t, carol, event(MemberAdded, bob, joined).MemberUser, "a user who left again is still named")
	require.Empty(t, event(MemberAdded, carol, joined+1).MemberUser)
	require.Empty(t, event(MemberAdded, carol, joined+2).MemberUser)
	require.Empty(t, event(MemberLeft, carol, joined).MemberUser)
}

func TestCursorsNeverDecreaseAndNeverPassAnOpenRecord(t *testing.T) {
	t.Parallel()
	position := func(id int64) Position { return Position{ID: id, Nonce: -id} }
	c := cursors{at: position(3), safe: position(6)}
	for _, step := range []struct{ record, before, after int64 }{
		{4, 3, 4}, // its own position
		{6, 4, 6},
		{8, 6, 6}, // a record below it may be open
		{5, 6, 6},
	} {
		before, after := c.next(Record{Position: position(step.record)})
		require.Equal(t, position(step.before), before)
		require.Equal(t, position(step.after), after)
	}
}
