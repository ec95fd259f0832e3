package memory

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// record writes a record and returns its id.
func (a *act) record(r realtime.Record) int64 {
	r.ID = a.lastRecord() + 1
	r.Nonce = rand.Int64() //nolint:gosec // it tells logs apart, and keeps nothing secret
	r.At = a.now
	a.log = append(a.log, r)
	return r.ID
}

// recordIn writes a record of what happened in a conversation.
func (a *act) recordIn(v *conversation, r realtime.Record) int64 {
	r.Conversation, r.Kind = v.id, v.kind
	return a.record(r)
}

// messageRecord returns a record about a message.
func messageRecord(m *message, op realtime.Operation, actor user.ID) realtime.Record {
	return realtime.Record{Operation: op, Actor: actor, Message: m.ID, Seq: m.Seq}
}

// lastRecord is the id of the newest record, 0 before the first.
func (s *state) lastRecord() int64 {
	if len(s.log) == 0 {
		return 0
	}
	return s.log[len(s.log)-1].ID
}

// behind returns the records behind the one with this id.
func (s *state) behind(id int64) []realtime.Record {
	i, found := slices.BinarySearchFunc(s.log, id, func(r realtime.Record, id int64) int { return cmp.Compare(r.ID, id) })
	if found {
		i++
	}
	return s.log[i:]
}

// news returns the streams of the records behind the one with this id.
func (s *state) news(id int64) (news []realtime.Stream) {
	for _, r := range s.behind(id) {
		var joined []user.ID
		if v, ok := s.conversations[r.Conversation]; ok {
			for _, uc := range v.copies {
				if uc.joinRecord == r.ID {
					joined = append(joined, uc.Owner)
				}
			}
		}
		news = r.AppendStreams(news, joined...)
	}
	return news
}

// tail follows the log of a store.
type tail struct {
	store *Store
	after int64
}

// Tail implements [realtime.Log].
func (s *Store) Tail(ctx context.Context) (realtime.Tail, error) {
	return look(ctx, s, func(st *state) (realtime.Tail, error) {
		return &tail{store: s, after: st.lastRecord()}, nil
	})
}

// Next implements [realtime.Tail].
func (t *tail) Next(ctx context.Context) (realtime.Batch, error) {
	return look(ctx, t.store, func(st *state) (realtime.Batch, error) {
		b := realtime.Batch{Records: slices.Clone(st.behind(t.after)), Safe: st.log[len(st.log)-1].Position}
		t.after = b.Safe.ID
		return b, nil
	})
}

// Close implements [realtime.Tail].
func (t *tail) Close() error { return nil }

// CheckPosition implements [realtime.Log].
func (s *Store) CheckPosition(ctx context.Context, p realtime.Position) error {
	_, err := look(ctx, s, func(st *state) (struct{}, error) {
		upTo := len(st.log) - len(st.behind(p.ID))
		if upTo == 0 || st.log[upTo-1].Position != p {
			return struct{}{}, storage.CursorExpired()
		}
		return struct{}{}, nil
	})
	return err
}

// Records implements [realtime.Log].
func (s *Store) Records(ctx context.Context, u user.ID, after, upTo int64, limit int) ([]realtime.Record, error) {
	return look(ctx, s, func(st *state) ([]realtime.Record, error) {
		concerns := func(r realtime.Record) bool {
			return r.Recipient == u && u != "" || r.Recipient == "" && slices.ContainsFunc(st.copiesOf[u], func(uc *userCopy) bool {
				return uc.conversation == r.Conversation && (r.ID == uc.endRecord || uc.present() && r.ID >= uc.joinRecord)
			})
		}
		var concern []realtime.Record
		for _, r := range st.behind(after) {
			if r.ID > upTo || len(concern) == limit {
				break
			}
			if concerns(r) {
				concern = append(concern, r)
			}
		}
		return concern, nil
	})
}

// Memberships implements [realtime.Log].
func (s *Store) Memberships(ctx context.Context, endedAfter int64, users ...user.ID) ([]realtime.Membership, error) {
	return look(ctx, s, func(st *state) ([]realtime.Membership, error) {
		var all []realtime.Membership
		for _, u := range users {
			for _, uc := range st.copiesOf[u] {
				if uc.present() || uc.endRecord > endedAfter {
					all = append(all, uc.membership())
				}
			}
		}
		return all, nil
	})
}

func (uc *userCopy) membership() realtime.Membership {
	m := realtime.Membership{
		Copy: uc.Copy, Conversation: uc.conversation,
		JoinedSeq:  uc.joinedSeq,
		JoinRecord: uc.joinRecord, EndRecord: uc.endRecord,
	}
	if uc.clearedSeq > uc.joinedSeq { // else nothing that it showed was cleared
		m.ClearedSeq = uc.clearedSeq
	}
	return m
}

// OnCommit implements [realtime.Log].
func (s *Store) OnCommit(f func(news []realtime.Stream)) (remove func()) { return s.onCommit.add(f) }

// View implements [realtime.Log].
func (s *Store) View(ctx context.Context, records []realtime.Record, readers []realtime.Membership) (realtime.View, error) {
	return look(ctx, s, func(st *state) (realtime.View, error) {
		view := realtime.View{
			Messages: map[int64]*chat.Message{},
			Hidden:   map[realtime.HiddenMessage]bool{},
			Copies:   st.changedCopies(records),
			Covered:  map[int64]map[user.ID]*chat.Message{},
			Erased:   map[user.ID]bool{},
		}
		for _, m := range view.Copies {
			if m.EndRecord != 0 {
				st.viewErased(&view, m.Copy.Owner)
			}
		}
		for _, r := range records {
			switch r.Operation {
			case realtime.ChatMessageCreated, realtime.ChatMessageUpdated, realtime.GroupMessageCreated, realtime.GroupMessageUpdated:
			case realtime.GroupMessageRead:
				view.Covered[r.ID] = st.covered(r, readers)
				fallthrough
			default:
				st.viewErased(&view, r.Actor)
			}
			if v, ok := st.conversations[r.Conversation]; ok {
				st.viewMessage(&view, v, r.Message)
			}
		}
		return view, nil
	})
}

// viewMessage adds a message to the view, where it is not gone, and the copies that it was deleted from.
func (s *state) viewMessage(view *realtime.View, v *conversation, id int64) {
	if m, ok := v.find(id); ok && !s.gone(m) {
		view.Messages[id] = shallow(&m.Message)
	}
	for _, uc := range v.copies {
		if uc.hidden[id] {
			view.Hidden[realtime.HiddenMessage{Copy: uc.ID, Message: id}] = true
		}
	}
}

// viewErased adds a user to the view, where they were erased.
func (s *state) viewErased(view *realtime.View, u user.ID) {
	if s.erased[u] {
		view.Erased[u] = true
	}
}

// changedCopies returns the copies that a follower of the records may not know, or not as they are now.
func (s *state) changedCopies(records []realtime.Record) []realtime.Membership {
	first, byConversation := int64(math.MaxInt64), map[int64][]realtime.Record{}
	for _, r := range records {
		first = min(first, r.ID)
		byConversation[r.Conversation] = append(byConversation[r.Conversation], r)
	}
	var changed []realtime.Membership
	for id, in := range byConversation {
		v, ok := s.conversations[id]
		if !ok {
			continue
		}
		for _, uc := range v.copies {
			if uc.endRecord >= first || slices.ContainsFunc(in, uc.changedBy) {
				changed = append(changed, uc.membership())
			}
		}
	}
	return changed
}

// changedBy reports whether the copy began with this record, or lasts and was cleared up to what it is about or further.
func (uc *userCopy) changedBy(r realtime.Record) bool {
	return uc.joinRecord == r.ID || uc.present() && r.Seq > 0 && uc.clearedSeq > uc.joinedSeq && uc.clearedSeq >= r.Seq
}

// covered returns, for a GROUP_MESSAGE_READ, the newest message of each of the readers among those newly
// covered that their own copy shows.
func (s *state) covered(r realtime.Record, readers []realtime.Membership) map[user.ID]*chat.Message {
	newest := map[user.ID]*chat.Message{}
	for _, reader := range readers {
		uc, ok := s.copies[reader.Copy.ID]
		if !ok || uc.conversation != r.Conversation || uc.Owner == r.Actor {
			continue
		}
		v := s.conversations[r.Conversation]
		for seq := r.Seq; seq > r.From; seq-- {
			if m := &v.messages[seq-1]; m.Sender == uc.Owner && s.shows(uc, m) {
				newest[uc.Owner] = shallow(&m.Message)
				break
			}
		}
	}
	return newest
}
