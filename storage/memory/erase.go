package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// EraseUser implements [user.Store]. What the user wrote is hidden by the entry among the erased, and
// emptied by [Store.Purge].
func (s *Store) EraseUser(ctx context.Context, id user.ID) error {
	return run(ctx, s, func(a *act) error {
		if a.erased[id] {
			return nil
		}
		a.eraseFormer(id) // while it can be told what is seen of theirs
		a.erased[id] = true
		delete(a.accounts, id)
		ended := a.endSessions(id)
		a.deleteSessions(id)
		for _, uc := range a.has(id, chat.OneToOne) {
			a.eraseChat(uc, ended)
		}
		for _, uc := range a.has(id, chat.Group) {
			a.endMembership(a.conversations[uc.conversation], uc, realtime.Record{Operation: realtime.MemberLeft, Erased: true})
		}
		a.forget(id)
		return nil
	})
}

// eraseFormer says in the groups that a user had left before that they are erased, where somebody has something that they wrote: it goes with them.
func (a *act) eraseFormer(id user.ID) {
	for i, uc := range a.copiesOf[id] {
		v := a.conversations[uc.conversation]
		later := slices.ContainsFunc(a.copiesOf[id][i+1:], func(other *userCopy) bool { return other.conversation == uc.conversation })
		wrote := slices.ContainsFunc(v.messages, func(m message) bool { return m.Sender == id && a.seen(v, &m) })
		if uc.Kind == chat.Group && !uc.present() && !later && wrote {
			a.recordIn(v, realtime.Record{Operation: realtime.MemberLeft, Member: uc.ID, Erased: true})
		}
	}
}

// forget takes the name of an erased user from what they did and from what they created.
func (a *act) forget(id user.ID) {
	for i := range a.log {
		if a.log[i].Actor == id {
			a.log[i].Actor = ""
		}
	}
	for _, v := range a.conversations {
		if v.group.CreatedBy == id {
			v.group.CreatedBy = ""
		}
	}
}

func (a *act) deleteSessions(u user.ID) {
	maps.DeleteFunc(a.sessions, func(_ string, in *session) bool { return in.User == u })
	maps.DeleteFunc(a.refresh, func(_ string, t *refreshToken) bool { return a.sessions[t.session] == nil })
}

// eraseChat ends both copies of a chat of an erased user. Of a chat with oneself nobody is told.
func (a *act) eraseChat(uc *userCopy, ended int64) {
	v := a.conversations[uc.conversation]
	if uc.other != uc.Owner {
		ended = a.recordIn(v, realtime.Record{Operation: realtime.ChatDeleted, Recipient: uc.other, Erased: true})
	}
	for _, each := range v.present() {
		each.endRecord = ended
	}
}

// Purge does the upkeep that [Store.EraseUser] and the acts on messages leave behind, as
// buddychat.Store describes it.
func (s *Store) Purge(ctx context.Context, keep time.Duration, limit int) (int, error) {
	return change(ctx, s, func(a *act) (int, error) {
		return a.purgeMessages(limit) + a.purgeLog(a.now.Add(-keep), limit) +
			a.purgeCopies(limit) + a.purgeConversations(limit), nil
	})
}

// purgeMessages empties what nobody can see.
func (a *act) purgeMessages(limit int) int {
	n := 0
	for _, v := range a.conversations {
		for i := range v.messages {
			if n == limit {
				return n
			}
			m := &v.messages[i]
			switch {
			case a.erased[m.Sender]:
				delete(v.sent, clientKey{sender: m.Sender, id: m.ClientID})
				m.Sender, m.ClientID = "", ""
				m.empty()
			case !m.gone && !a.seen(v, m):
				m.empty()
			default:
				continue
			}
			n++
		}
	}
	return n
}

// seen reports whether some copy shows the message.
func (s *state) seen(v *conversation, m *message) bool {
	return slices.ContainsFunc(v.copies, func(uc *userCopy) bool { return s.shows(uc, m) })
}

// purgeLog removes what is older than the moment, but for the newest of it.
func (a *act) purgeLog(before time.Time, limit int) int {
	old := 0
	for i, r := range a.log {
		if r.At.Before(before) {
			old = i
		}
	}
	n := min(old, limit)
	a.log = slices.Clone(a.log[n:])
	return n
}

// purgeCopies removes the copies whose end nobody can resume to any more.
func (a *act) purgeCopies(limit int) int {
	n := 0
	for id, uc := range a.copies {
		if n == limit {
			break
		}
		if uc.present() || uc.endRecord > a.log[0].ID {
			continue
		}
		this := func(other *userCopy) bool { return other == uc }
		v := a.conversations[uc.conversation]
		v.copies = slices.DeleteFunc(v.copies, this)
		a.copiesOf[uc.Owner] = slices.DeleteFunc(a.copiesOf[uc.Owner], this)
		delete(a.copies, id)
		n++
	}
	return n
}

// purgeConversations removes those that have no copy left.
func (a *act) purgeConversations(limit int) int {
	n := 0
	for id, v := range a.conversations {
		if n == limit {
			break
		}
		if len(v.copies) == 0 {
			delete(a.conversations, id)
			n++
		}
	}
	return n
}
