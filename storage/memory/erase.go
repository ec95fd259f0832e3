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

// EraseUser implements [user.Store]. The user's entry in erased hides what they wrote;
// [Store.Purge] empties it.
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
	for _, conv := range a.conversationsOf(id) {
		a.eraseFrom(conv, id, ended)
	}
	// This comes last, because eraseFormer must still find what the user wrote.
	a.erased[id] = true
	for _, conv := range a.conversations {
		if conv.group.CreatedBy == id {
			conv.group.CreatedBy = ""
		}
	}
}

// conversationsOf returns the conversations of which the user has or had a copy, in the order of
// their ids.
func (s *state) conversationsOf(id user.ID) []*conversation {
	var all []*conversation
	for _, uc := range s.copiesOf[id] {
		all = append(all, s.conversations[uc.conversation])
	}
	slices.SortFunc(all, func(conv, w *conversation) int { return cmp.Compare(conv.id, w.id) })
	return slices.Compact(all)
}

// eraseFrom removes a user from a conversation. ended is the id of the record of the end of their
// sessions.
func (a *act) eraseFrom(conv *conversation, id user.ID, ended int64) {
	uc := conv.copyOf(id)
	switch {
	case uc == nil && conv.kind == chat.Group:
		a.eraseFormer(conv, id)
	case uc == nil:
	case conv.kind == chat.Group:
		a.endMembership(conv, uc, realtime.Record{Operation: realtime.MemberLeft, Erased: true})
	default:
		a.eraseChat(uc, ended)
	}
}

// eraseFormer records the erasure in a group that the user had left before, if any member still
// sees a message of theirs. Those messages disappear with the erasure.
func (a *act) eraseFormer(conv *conversation, id user.ID) {
	var member int64
	for _, uc := range conv.copies {
		if uc.Owner == id {
			// The last membership counts.
			member = uc.ID
		}
	}
	if slices.ContainsFunc(conv.messages, func(m message) bool { return m.Sender == id && a.seen(conv, &m) }) {
		a.recordIn(conv, realtime.Record{Operation: realtime.MemberLeft, Member: member, Erased: true})
	}
}

func (a *act) deleteSessions(u user.ID) {
	maps.DeleteFunc(a.sessions, func(_ string, in *session) bool { return in.User == u })
	maps.DeleteFunc(a.refresh, func(_ string, t *refreshToken) bool { return a.sessions[t.session] == nil })
}

// eraseChat ends both copies of a chat of an erased user. For a chat with oneself it writes no
// event.
func (a *act) eraseChat(uc *userCopy, ended int64) {
	conv := a.conversations[uc.conversation]
	if uc.other != uc.Owner {
		ended = a.recordIn(conv, realtime.Record{Operation: realtime.ChatDeleted, Recipient: uc.other, Erased: true})
	}
	for _, each := range conv.present() {
		each.endRecord = ended
	}
}

// Purge implements buddychat.Store. It removes what [Store.EraseUser] and the changes of messages
// leave.
func (s *Store) Purge(ctx context.Context, keep time.Duration, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	return change(ctx, s, func(a *act) (int, error) {
		return a.purgeMessages(limit) + a.purgeLog(a.now.Add(-keep), limit) +
			a.purgeCopies(limit) + a.purgeConversations(limit) + a.purgeSessions(a.now, limit), nil
	})
}

// purgeMessages empties the messages that no copy shows.
func (a *act) purgeMessages(limit int) int {
	n := 0
	for _, conv := range a.conversations {
		for i := range conv.messages {
			if n == limit {
				return n
			}
			m := &conv.messages[i]
			switch {
			case a.erased[m.Sender]:
				delete(conv.sent, clientKey{sender: m.Sender, id: m.ClientID})
				m.Sender, m.ClientID = "", ""
				m.empty()
			case !m.gone && !a.seen(conv, m):
				m.empty()
			default:
				continue
			}
			n++
		}
	}
	return n
}

// seen reports whether a copy shows the message.
func (s *state) seen(conv *conversation, m *message) bool {
	return slices.ContainsFunc(conv.copies, func(uc *userCopy) bool { return s.shows(uc, m) })
}

// purgeLog removes the records at the start of the log that are older than before, except the
// newest of them. A record that looks old because the clock went back stays until no younger record
// precedes it.
func (a *act) purgeLog(before time.Time, limit int) int {
	old := 0
	for old < len(a.log) && a.log[old].At.Before(before) {
		old++
	}
	n := min(max(0, old-1), limit)
	a.log = slices.Clone(a.log[n:])
	return n
}

// purgeCopies removes the copies whose end no client can resume to any more.
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
		conv := a.conversations[uc.conversation]
		conv.copies = slices.DeleteFunc(conv.copies, this)
		a.copiesOf[uc.Owner] = slices.DeleteFunc(a.copiesOf[uc.Owner], this)
		delete(a.copies, id)
		n++
	}
	return n
}

// purgeConversations removes the conversations that have no copy left.
func (a *act) purgeConversations(limit int) int {
	n := 0
	for id, conv := range a.conversations {
		if n == limit {
			break
		}
		if len(conv.copies) == 0 {
			delete(a.conversations, id)
			n++
		}
	}
	return n
}
