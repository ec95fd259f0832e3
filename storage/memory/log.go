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
	r.Nonce = rand.Int64() //nolint:gosec // a nonce tells logs apart and is no secret
	r.At = a.now
	a.log = append(a.log, r)
	return r.ID
}

// recordIn writes a record about a conversation.
func (a *act) recordIn(conv *conversation, r realtime.Record) int64 {
	r.Conversation, r.Kind = conv.id, conv.kind
	return a.record(r)
}

// messageRecord returns a record about a message.
func messageRecord(m *message, op realtime.Operation, actor user.ID) realtime.Record {
	return realtime.Record{Operation: op, Actor: actor, Message: m.ID, Seq: m.Seq}
}

// lastRecord returns the id of the newest record, or 0 if there is none.
func (s *state) lastRecord() int64 {
	if len(s.log) == 0 {
		return 0
	}
	return s.log[len(s.log)-1].ID
}

// recordsAfter returns the records after the one with this id.
func (s *state) recordsAfter(id int64) []realtime.Record {
	i, found := slices.BinarySearchFunc(s.log, id, func(r realtime.Record, id int64) int { return cmp.Compare(r.ID, id) })
	if found {
		i++
	}
	return s.log[i:]
}

// changedStreams returns the streams of the records after the one with this id.
func (s *state) changedStreams(id int64) (changed []realtime.Stream) {
	for _, r := range s.recordsAfter(id) {
		var joined []user.ID
		if conv, ok := s.conversations[r.Conversation]; ok {
			for _, uc := range conv.copies {
				if uc.joinRecord == r.ID {
					joined = append(joined, uc.Owner)
				}
			}
		}
		changed = r.AppendStreams(changed, joined...)
	}
	return changed
}

// tail follows the log of a store.
type tail struct {
	store *Store
	after int64
}

// Tail implements [realtime.Log].
func (s *Store) Tail(ctx context.Context) (realtime.Tail, error) {
	return readState(ctx, s, func(st *state) (realtime.Tail, error) {
		return &tail{store: s, after: st.lastRecord()}, nil
	})
}

// Next implements [realtime.Tail].
func (t *tail) Next(ctx context.Context) (realtime.Batch, error) {
	return readState(ctx, t.store, func(st *state) (realtime.Batch, error) {
		b := realtime.Batch{Records: slices.Clone(st.recordsAfter(t.after)), Safe: st.log[len(st.log)-1].Position}
		t.after = b.Safe.ID
		return b, nil
	})
}

// Close implements [realtime.Tail].
func (t *tail) Close() error { return nil }

// CheckPosition implements [realtime.Log].
func (s *Store) CheckPosition(ctx context.Context, p realtime.Position) error {
	_, err := readState(ctx, s, func(st *state) (struct{}, error) {
		upTo := len(st.log) - len(st.recordsAfter(p.ID))
		if upTo == 0 || st.log[upTo-1].Position != p {
			return struct{}{}, storage.CursorExpired()
		}
		return struct{}{}, nil
	})
	return err
}

// Records implements [realtime.Log].
func (s *Store) Records(ctx context.Context, u user.ID, after, upTo int64, limit int) ([]realtime.Record, error) {
	return readState(ctx, s, func(st *state) ([]realtime.Record, error) {
		concerns := func(r realtime.Record) bool {
			return r.Recipient == u && u != "" || r.Recipient == "" && slices.ContainsFunc(st.copiesOf[u], func(uc *userCopy) bool {
				return uc.conversation == r.Conversation && (r.ID == uc.endRecord || uc.present() && r.ID >= uc.joinRecord)
			})
		}
		var concern []realtime.Record
		for _, r := range st.recordsAfter(after) {
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
	return readState(ctx, s, func(st *state) ([]realtime.Membership, error) {
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
	// Otherwise the copy had not shown anything that was cleared.
	if uc.clearedSeq > uc.joinedSeq {
		m.ClearedSeq = uc.clearedSeq
	}
	return m
}

// OnCommit implements [realtime.Log].
func (s *Store) OnCommit(f func(changed []realtime.Stream)) (remove func()) { return s.onCommit.add(f) }

// View implements [realtime.Log].
func (s *Store) View(ctx context.Context, records []realtime.Record, readers []realtime.Membership) (realtime.View, error) {
	return readState(ctx, s, func(st *state) (realtime.View, error) {
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
			if conv, ok := st.conversations[r.Conversation]; ok {
				st.viewMessage(&view, conv, r.Message)
			}
		}
		return view, nil
	})
}

// viewMessage adds a message to the view, unless it is gone, and the copies from which it was
// deleted.
func (s *state) viewMessage(view *realtime.View, conv *conversation, id int64) {
	if m, ok := conv.find(id); ok && !s.gone(m) {
		view.Messages[id] = shallow(&m.Message)
	}
	for _, uc := range conv.copies {
		if uc.hidden[id] {
			view.Hidden[realtime.HiddenMessage{Copy: uc.ID, Message: id}] = true
		}
	}
}

// viewErased adds a user to the view if they were erased.
func (s *state) viewErased(view *realtime.View, u user.ID) {
	if s.erased[u] {
		view.Erased[u] = true
	}
}

// changedCopies returns the copies that began, were cleared or ended in or after the records, which
// their reader may not know.
func (s *state) changedCopies(records []realtime.Record) []realtime.Membership {
	first, byConversation := int64(math.MaxInt64), map[int64][]realtime.Record{}
	for _, r := range records {
		first = min(first, r.ID)
		byConversation[r.Conversation] = append(byConversation[r.Conversation], r)
	}
	var changed []realtime.Membership
	for id, in := range byConversation {
		conv, ok := s.conversations[id]
		if !ok {
			continue
		}
		for _, uc := range conv.copies {
			if uc.endRecord >= first || slices.ContainsFunc(in, uc.changedBy) {
				changed = append(changed, uc.membership())
			}
		}
	}
	return changed
}

// changedBy reports whether the copy began with this record, or exists and was cleared at least up
// to the record's message.
func (uc *userCopy) changedBy(r realtime.Record) bool {
	return uc.joinRecord == r.ID || uc.present() && r.Seq > 0 && uc.clearedSeq > uc.joinedSeq && uc.clearedSeq >= r.Seq
}

// covered returns, for a GROUP_MESSAGE_READ, the newest of the newly read messages that each of
// readers sent and that their own copy shows.
func (s *state) covered(r realtime.Record, readers []realtime.Membership) map[user.ID]*chat.Message {
	newest := map[user.ID]*chat.Message{}
	for _, reader := range readers {
		uc, ok := s.copies[reader.Copy.ID]
		if !ok || uc.conversation != r.Conversation || uc.Owner == r.Actor {
			continue
		}
		conv := s.conversations[r.Conversation]
		for seq := r.Seq; seq > r.From; seq-- {
			if m := &conv.messages[seq-1]; m.Sender == uc.Owner && s.shows(uc, m) {
				newest[uc.Owner] = shallow(&m.Message)
				break
			}
		}
	}
	return newest
}
