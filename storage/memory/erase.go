package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// EraseUser implements [user.Store]. What the user wrote is hidden by the entry among the erased, and
// emptied by [Store.Purge].
func (s *Store) EraseUser(ctx context.Context, id user.ID) error {
	if !id.Valid() {
		return storage.NotFound()
	}
	return run(ctx, s, func(a *act) error {
		a.erase(id)
		return nil
	})
}

// EraseVerified implements [user.Store].
func (s *Store) EraseVerified(ctx context.Context, id user.ID, passwordVersion int64) error {
	return run(ctx, s, func(a *act) error {
		acc, err := a.account(id)
		if err != nil {
			return err
		}
		if acc.PasswordVersion != passwordVersion {
			return user.PasswordChanged()
		}
		a.erase(id)
		return nil
	})
}

func (a *act) erase(id user.ID) {
	if a.erased[id] {
		return
	}
	delete(a.accounts, id)
	a.deleteSessions(id)
	ended := a.record(realtime.Record{Operation: realtime.SessionEnded, Recipient: id})
	for _, v := range a.conversationsOf(id) {
		a.eraseFrom(v, id, ended)
	}
	a.erased[id] = true // only now: before, eraseFormer finds what the user wrote
	for _, v := range a.conversations {
		if v.group.CreatedBy == id {
			v.group.CreatedBy = ""
		}
	}
}

// conversationsOf returns the conversations of which the user has or had a copy, in the order of their ids.
func (s *state) conversationsOf(id user.ID) []*conversation {
	var all []*conversation
	for _, uc := range s.copiesOf[id] {
		all = append(all, s.conversations[uc.conversation])
	}
	slices.SortFunc(all, func(v, w *conversation) int { return cmp.Compare(v.id, w.id) })
	return slices.Compact(all)
}

// eraseFrom takes a user out of a conversation. ended is the record of the end of their sessions.
func (a *act) eraseFrom(v *conversation, id user.ID, ended int64) {
	uc := v.copyOf(id)
	switch {
	case uc == nil && v.kind == chat.Group:
		a.eraseFormer(v, id)
	case uc == nil:
	case v.kind == chat.Group:
		a.endMembership(v, uc, realtime.Record{Operation: realtime.MemberLeft, Erased: true})
	default:
		a.eraseChat(uc, ended)
	}
}

// eraseFormer records in a group that a user had left before that they are erased, where any member has something that they
// wrote: it goes with them.
func (a *act) eraseFormer(v *conversation, id user.ID) {
	var member int64
	for _, uc := range v.copies {
		if uc.Owner == id {
			member = uc.ID // the last one counts
		}
	}
	if slices.ContainsFunc(v.messages, func(m message) bool { return m.Sender == id && a.seen(v, &m) }) {
		a.recordIn(v, realtime.Record{Operation: realtime.MemberLeft, Member: member, Erased: true})
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
	if limit <= 0 {
		return 0, nil
	}
	return change(ctx, s, func(a *act) (int, error) {
		return a.purgeMessages(limit) + a.purgeLog(a.now.Add(-keep), limit) +
			a.purgeCopies(limit) + a.purgeConversations(limit) + a.purgeSessions(a.now, limit), nil
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

// purgeLog removes the records at the beginning of the log that are older than the moment, but for the newest of them. A
// record that looks old because the clock went back stays for as long as a younger record stands before it.
func (a *act) purgeLog(before time.Time, limit int) int {
	old := 0
	for old < len(a.log) && a.log[old].At.Before(before) {
		old++
	}
	n := min(max(0, old-1), limit)
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
		if uc.present() || uc.endRecord >= a.log[0].ID {
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
