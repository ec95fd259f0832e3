package storagetest

import (
	"fmt"
	"math"
	"slices"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// compareSome compares a part of what one user sees, each time another part, or the view of some
// records. A difference does not disappear, so what one part misses, another finds later.
func (l *lockstepHistory) compareSome() {
	l.t.Helper()
	way := rapid.IntRange(0, 1<<16).Draw(l.t, "way to ask")
	all := l.everybody()
	u, part := all[way/4%len(all)], way%4
	way /= 4 * len(all)
	switch part {
	case 0:
		l.compareLists(u, way)
	case 1:
		l.compareCopiesOf(u, way)
	case 2:
		l.compareNotificationsOf(u, way)
		l.compareAccounts(u, way)
	default:
		// The records of an open transaction are not paired yet.
		if !l.inTx {
			l.compareRecords(way)
		}
	}
}

// compareUser compares every read that a user can make.
func (l *lockstepHistory) compareUser(u user.ID, way int) {
	l.t.Helper()
	l.compareLists(u, way)
	l.compareCopiesOf(u, way)
	l.compareNotificationsOf(u, way)
	l.compareAccounts(u, way)
}

// compareList compares a whole list and a part of it, whose bounds are entries of the list.
func compareList[T any](l *lockstepHistory, what string, way int, translate func(T) T, key func(T) storage.Key, list func(side, storage.Range) ([]T, error)) []T {
	l.t.Helper()
	var whole [2][]T
	all := asked(l, what, each(translate), func(s side) ([]T, error) {
		entries, err := list(s, storage.Range{Limit: []int{limit, math.MaxInt}[way%2]})
		whole[s.index()] = entries
		return entries, err
	})
	n := len(all)
	r := storage.Range{Limit: []int{1, 2, 3, 5, limit, 0}[way%6], Backward: way%4 > 1}
	after, before := way/7%(n+1), way/11%(n+1)
	asked(l, fmt.Sprintf("%s: %d after entry %d and before entry %d, backward: %v", what, r.Limit, after, before, r.Backward), each(translate),
		func(s side) ([]T, error) {
			own := r
			if after < n {
				own.After = new(key(whole[s.index()][after]))
			}
			if before < n {
				own.Before = new(key(whole[s.index()][before]))
			}
			return list(s, own)
		})
	return all
}

// index is 0 for the reference and 1 for the tested store.
func (s side) index() int {
	if s.reference {
		return 0
	}
	return 1
}

func (l *lockstepHistory) number(what string, ask func(side) (int, error)) {
	l.t.Helper()
	asked(l, what, same1[int], ask)
}

func (l *lockstepHistory) compareLists(u user.ID, way int) {
	l.t.Helper()
	of := " of " + l.short(u)
	archived := either(way)
	compareList(l, "ListChats"+of, way, l.chat, chat.Chat.Key, func(s side, r storage.Range) ([]chat.Chat, error) {
		return s.ListChats(l.ctx, s.theirUser(u), chat.Filter{Archived: archived}, r)
	})
	l.number("CountChats"+of, func(s side) (int, error) {
		return s.CountChats(l.ctx, s.theirUser(u), chat.Filter{Archived: archived})
	})
	compareList(l, "ListCopies"+of, way, l.groupCopy, group.Copy.Key, func(s side, r storage.Range) ([]group.Copy, error) {
		return s.ListCopies(l.ctx, s.theirUser(u), group.Filter{Archived: archived}, r)
	})
	l.number("CountCopies"+of, func(s side) (int, error) {
		return s.CountCopies(l.ctx, s.theirUser(u), group.Filter{Archived: archived})
	})
	copies, conversations := l.ids()
	asked(l, "Chats"+of, byID(l.names, copyID, l.chat), func(s side) (map[int64]chat.Chat, error) {
		return s.Chats(l.ctx, s.theirUser(u), s.all(copyID, copies)...)
	})
	asked(l, "Copies"+of, byID(l.names, copyID, l.groupCopy), func(s side) (map[int64]group.Copy, error) {
		return s.Copies(l.ctx, s.theirUser(u), s.all(copyID, copies)...)
	})
	asked(l, "Groups"+of, byID(l.names, conversationID, l.group), func(s side) (map[int64]group.Group, error) {
		return s.Groups(l.ctx, s.theirUser(u), s.all(conversationID, conversations)...)
	})
	asked(l, "MembersByID"+of, byID(l.names, copyID, l.member), func(s side) (map[int64]group.Member, error) {
		return s.MembersByID(l.ctx, s.theirUser(u), s.all(copyID, copies)...)
	})
	i := way % len(conversations)
	compareList(l, "Members", way, l.member, group.Member.Key, func(s side, r storage.Range) ([]group.Member, error) {
		all, err := s.Members(l.ctx, s.theirUser(u), s.all(conversationID, conversations), r)
		if err != nil {
			return nil, err
		}
		return all[i], nil
	})
	asked(l, "Members", each(each(l.member)), func(s side) ([][]group.Member, error) {
		return s.Members(l.ctx, s.theirUser(u), s.all(conversationID, conversations), everything())
	})
	if l.inTx {
		// The records of an open transaction are not paired yet.
		return
	}
	for _, after := range []int64{0, l.from, math.MaxInt64, -1} {
		asked(l, "Memberships"+of, l.memberships, func(s side) ([]realtime.Membership, error) {
			all, err := s.Memberships(l.ctx, s.theirs(recordID, after), s.theirUser(u))
			return byCopy(all), err
		})
	}
}

// ids returns the ids of all copies and conversations that ever existed, and of some that never
// did.
func (l *lockstepHistory) ids() (copies, conversations []int64) {
	for _, c := range l.copies {
		copies, conversations = append(copies, c.ID), append(conversations, c.conversation)
	}
	odd := []int64{0, -1, 1 << 40}
	return append(copies, odd...), append(slices.Compact(conversations), odd...)
}

// foundMessage is the result of FindMessage.
type foundMessage struct {
	chat.Message
	in chat.Copy
}

// compareCopiesOf compares what the user's copies show, with one that ended and one of another user
// among them.
func (l *lockstepHistory) compareCopiesOf(u user.ID, way int) {
	l.t.Helper()
	var copies []chat.Copy
	for i, c := range l.copies {
		if c.Owner == u || i == way%len(l.copies) {
			copies = append(copies, c.Copy)
		}
	}
	stranger := l.copies[way/3%len(l.copies)].Copy
	stranger.Owner = u
	copies = append(copies, stranger, chat.Copy{Kind: chat.Group, ID: 1 << 40, Owner: u}, copies[0])
	i := way % len(copies)
	shown := compareList(l, "Messages of "+l.shortCopy(copies[i]), way, l.message, chat.Message.Key, func(s side, r storage.Range) ([]chat.Message, error) {
		all, err := s.Messages(l.ctx, s.theirCopies(copies), r)
		if err != nil {
			return nil, err
		}
		return all[i], nil
	})
	asked(l, "Messages", each(each(l.message)), func(s side) ([][]chat.Message, error) {
		return s.Messages(l.ctx, s.theirCopies(copies), everything())
	})
	asked(l, "LastMessages", each(l.messageOrNone), func(s side) ([]*chat.Message, error) {
		return s.LastMessages(l.ctx, s.theirCopies(copies))
	})
	asked(l, "CountMessages", same1[[]int], func(s side) ([]int, error) { return s.CountMessages(l.ctx, s.theirCopies(copies)) })
	asked(l, "CountUnread", same1[[]int], func(s side) ([]int, error) { return s.CountUnread(l.ctx, s.theirCopies(copies)) })
	l.compareReaders(copies[i], shown, way)
	ids := append([]int64{0, 1 << 40}, l.messages...)
	for _, id := range ids[way%len(ids) : min(len(ids), way%len(ids)+2)] {
		what := l.shortMessage(id) + " for " + l.shortCopy(copies[i])
		asked(l, "Message: "+what, l.message, func(s side) (chat.Message, error) {
			return s.Message(l.ctx, s.theirCopy(copies[i]), s.theirs(messageID, id))
		})
		asked(l, "Notification: "+what, l.notification, func(s side) (notify.Notification, error) {
			return s.Notification(l.ctx, s.theirCopy(copies[i]), s.theirs(messageID, id))
		})
		asked(l, "FindMessage: "+what, func(f foundMessage) foundMessage { return foundMessage{l.message(f.Message), l.copy(f.in)} },
			func(s side) (f foundMessage, err error) {
				f.Message, f.in, err = s.FindMessage(l.ctx, s.theirUser(u), s.theirs(messageID, id))
				return f, err
			})
	}
}

// compareReaders compares the readers of the messages that a copy shows, and of some others.
func (l *lockstepHistory) compareReaders(c chat.Copy, shown []chat.Message, way int) {
	l.t.Helper()
	ids := []int64{1 << 40}
	for _, m := range shown {
		ids = append(ids, m.ID)
	}
	if len(l.messages) > 0 {
		ids = append(ids, l.messages[way%len(l.messages)])
	}
	refs := func(s side) (refs []group.MessageRef) {
		for _, id := range ids {
			refs = append(refs, group.MessageRef{Copy: s.theirCopy(c), Message: s.theirs(messageID, id)})
		}
		return refs
	}
	asked(l, "Readers by "+l.shortCopy(c), each(each(l.member)), func(s side) ([][]group.Member, error) {
		return s.Readers(l.ctx, refs(s), everything())
	})
	asked(l, "CountReaders by "+l.shortCopy(c), same1[[]int], func(s side) ([]int, error) { return s.CountReaders(l.ctx, refs(s)) })
	i := way % len(ids)
	compareList(l, "Readers by "+l.shortCopy(c), way, l.member, group.Member.Key, func(s side, r storage.Range) ([]group.Member, error) {
		all, err := s.Readers(l.ctx, refs(s), r)
		if err != nil {
			return nil, err
		}
		return all[i], nil
	})
}

func (l *lockstepHistory) compareNotificationsOf(u user.ID, way int) {
	l.t.Helper()
	filter := notify.Filter{Read: either(way / 3)}
	compareList(l, "ListNotifications of "+l.short(u), way, l.notification, notify.Notification.Key, func(s side, r storage.Range) ([]notify.Notification, error) {
		return s.ListNotifications(l.ctx, s.theirUser(u), filter, r)
	})
	l.number("CountNotifications of "+l.short(u), func(s side) (int, error) {
		return s.CountNotifications(l.ctx, s.theirUser(u), filter)
	})
}

// compareAccounts compares the built-in accounts of the history.
func (l *lockstepHistory) compareAccounts(u user.ID, way int) {
	l.t.Helper()
	all := append(l.everybody(), "0", "stranger")
	asked(l, "Users", byUser(l.names, l.account), func(s side) (map[user.ID]user.User, error) {
		return s.Users(l.ctx, s.theirUsers(all)...)
	})
	asked(l, "Phones", byUser(l.names, each(l.phone)), func(s side) (map[user.ID][]user.Phone, error) {
		return s.Phones(l.ctx, s.theirUsers(all)...)
	})
	asked(l, "Credentials of "+l.short(u), l.credentials, func(s side) (user.Credentials, error) {
		return s.Credentials(l.ctx, s.theirUser(u))
	})
	name := []string{"ada", "BOB", "öz", "stranger"}[way%4] + "." + l.tag
	asked(l, "CredentialsByName: "+name, l.credentials, func(s side) (user.Credentials, error) {
		return s.CredentialsByName(l.ctx, name)
	})
	filter := []user.Filter{
		{Search: l.tag}, {LastName: l.tag}, {LastName: l.tag, FirstName: "ADA"}, {Username: name}, {Search: name}, {LastName: l.tag, Search: "0%"},
	}[way%6]
	compareList(l, fmt.Sprintf("ListUsers by %+v", filter), way, l.account, user.User.Key, func(s side, r storage.Range) ([]user.User, error) {
		return s.ListUsers(l.ctx, filter, r)
	})
	// Other histories have users too.
	for _, f := range []user.Filter{filter, {}} {
		l.number(fmt.Sprintf("CountUsers by %+v", f), func(s side) (int, error) { return s.CountUsers(l.ctx, f) })
	}
	for _, in := range l.sessions {
		asked(l, "SessionActive", same1[bool], func(s side) (bool, error) {
			return s.SessionActive(l.ctx, s.theirUser([]user.ID{in.owner, in.owner, u}[way%3]), in.id)
		})
	}
}

// compareRecords compares a user's records and the view of some of them.
func (l *lockstepHistory) compareRecords(way int) {
	l.t.Helper()
	if len(l.records) == 0 {
		return
	}
	all := l.everybody()
	u := all[way%len(all)]
	n := len(l.records)
	first, last := way%n, n-1-way/5%n
	after, upTo := l.from, l.records[n-1].reference.ID
	if first < last {
		after, upTo = l.records[first].reference.ID, l.records[last].reference.ID
	}
	size := []int{limit, 1, 3, math.MaxInt, 0}[way%5]
	asked(l, "Records of "+l.short(u), each(l.record), func(s side) ([]realtime.Record, error) {
		return s.Records(l.ctx, s.theirUser(u), s.theirs(recordID, after), s.theirs(recordID, upTo), size)
	})
	some := l.records[min(first, last) : max(first, last)+1]
	asked(l, fmt.Sprintf("View of records %d to %d", min(first, last), max(first, last)), l.view, func(s side) (realtime.View, error) {
		readers, err := s.Memberships(l.ctx, math.MaxInt64, s.theirUsers(all)...)
		if err != nil {
			return realtime.View{}, err
		}
		var records []realtime.Record
		for _, r := range some {
			records = append(records, s.theirRecord(r))
		}
		v, err := s.View(l.ctx, records, readers)
		v.Copies = byCopy(v.Copies)
		return v, err
	})
}
