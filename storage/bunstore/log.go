package bunstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

var errBound = errors.New("bunstore: a store bound to a transaction has no log to follow: follow the log of the store itself")

// Tail implements [realtime.Log].
func (s *Store) Tail(ctx context.Context) (realtime.Tail, error) {
	if s.host != nil {
		return nil, errBound
	}
	if s.dialect == SQLite {
		return s.tailSQLite(ctx)
	}
	return s.tailPostgres(ctx)
}

// positionAt returns the position of the record with an id.
func (t *tx) positionAt(ctx context.Context, id int64) (p realtime.Position, found bool, err error) {
	found, err = t.row(ctx, `SELECT e.id, e.nonce FROM {events} e WHERE e.id = $1`, []any{id}, &p.ID, &p.Nonce)
	return p, found, err
}

// CheckPosition implements [realtime.Log].
func (s *Store) CheckPosition(ctx context.Context, p realtime.Position) error {
	at, found, err := s.reader().positionAt(ctx, p.ID)
	if err == nil && (!found || at != p) {
		err = storage.CursorExpired()
	}
	return err
}

// Records implements [realtime.Log].
func (s *Store) Records(ctx context.Context, u user.ID, after, upTo int64, limit int) (records []realtime.Record, err error) {
	inConversations := s.each(`{copies} c`, `{events}`, `x.conversation_id = c.conversation_id AND x.recipient = ''
		AND x.id > $2 AND x.id <= $3 AND x.id >= c.join_event AND (c.end_event = 0 OR x.id = c.end_event)`, `x.id`, `$4`)
	err = s.reader().query(ctx, `SELECT `+recordColumns+` FROM (
			SELECT x.* FROM {events} x WHERE x.recipient = $1 AND x.id > $2 AND x.id <= $3
			UNION ALL
			SELECT x.* FROM `+inConversations+` WHERE c.owner = $1 AND (c.end_event = 0 OR c.end_event > $2)
		) e ORDER BY e.id LIMIT $4`, []any{named(u), after, upTo, limit}, func(rows *sql.Rows) error {
		r, err := scanRecord(rows)
		records = append(records, r)
		return err
	})
	return records, err
}

const membershipColumns = `c.kind, c.id, c.owner, c.conversation_id, c.joined_seq,
	CASE WHEN c.cleared_seq > c.joined_seq THEN c.cleared_seq ELSE 0 END, c.join_event, c.end_event`

func scanMembership(rows *sql.Rows) (realtime.Membership, error) {
	var m realtime.Membership
	err := rows.Scan(&m.Copy.Kind, &m.Copy.ID, &m.Copy.Owner, &m.Conversation, &m.JoinedSeq, &m.ClearedSeq, &m.JoinRecord, &m.EndRecord)
	return m, err
}

// Memberships implements [realtime.Log].
func (s *Store) Memberships(ctx context.Context, endedAfter int64, users ...user.ID) (memberships []realtime.Membership, err error) {
	err = s.reader().query(ctx, `SELECT `+membershipColumns+` FROM {copies} c
		WHERE `+s.in("c.owner", "$2", "text")+` AND (c.end_event = 0 OR c.end_event > $1)`,
		[]any{endedAfter, list(s, valid(users))}, func(rows *sql.Rows) error {
			m, err := scanMembership(rows)
			memberships = append(memberships, m)
			return err
		})
	return memberships, err
}

// View implements [realtime.Log].
func (s *Store) View(ctx context.Context, records []realtime.Record, readers []realtime.Membership) (realtime.View, error) {
	v := realtime.View{Messages: map[int64]*chat.Message{}, Hidden: map[realtime.HiddenMessage]bool{}, Covered: map[int64]map[user.ID]*chat.Message{}, Erased: map[user.ID]bool{}}
	if len(records) == 0 {
		return v, nil
	}
	err := s.atOneMoment(ctx, func(t *tx) error {
		for _, part := range []func(context.Context, *realtime.View, []realtime.Record) error{t.viewMessages, t.viewHidden, t.viewCopies, t.viewErased} {
			if err := part(ctx, &v, records); err != nil {
				return err
			}
		}
		return t.viewCovered(ctx, &v, records, readers)
	})
	if err != nil {
		return realtime.View{}, err
	}
	return v, nil
}

// messagesOf returns the ids of the messages that records are about.
func messagesOf(records []realtime.Record) []int64 {
	var ids []int64
	for _, r := range records {
		if r.Message != 0 {
			ids = append(ids, r.Message)
		}
	}
	return ids
}

func (t *tx) viewMessages(ctx context.Context, v *realtime.View, records []realtime.Record) error {
	ids := messagesOf(records)
	if len(ids) == 0 {
		return nil
	}
	row := newMessageRow()
	return t.query(ctx, `SELECT `+messageColumns+` FROM {messages} x WHERE `+t.in("x.id", "$1", "bigint")+` AND `+there, []any{list(t.Store, ids)}, func(rows *sql.Rows) error {
		m, err := row.scan(rows, 0)
		v.Messages[m.ID] = &m
		return err
	})
}

func (t *tx) viewHidden(ctx context.Context, v *realtime.View, records []realtime.Record) error {
	ids := messagesOf(records)
	if len(ids) == 0 {
		return nil
	}
	return t.query(ctx, `SELECT h.copy_id, h.message_id FROM {hidden} h WHERE `+t.in("h.message_id", "$1", "bigint"), []any{list(t.Store, ids)}, func(rows *sql.Rows) error {
		var h realtime.HiddenMessage
		err := rows.Scan(&h.Copy, &h.Message)
		v.Hidden[h] = true
		return err
	})
}

// viewCopies reads the copies that began with the records, ended since the first of them, or were cleared behind the lowest place in question.
func (t *tx) viewCopies(ctx context.Context, v *realtime.View, records []realtime.Record) error {
	var members, opened, conversations, lowest []int64
	first := records[0].ID
	at := map[int64]int{}
	for _, r := range records {
		first = min(first, r.ID)
		switch {
		case r.Conversation == 0:
			continue
		case r.Operation == realtime.MemberAdded:
			members = append(members, r.Member)
		case r.Operation == realtime.ChatOpened:
			opened = append(opened, r.Conversation)
		}
		i, known := at[r.Conversation]
		if !known {
			i, at[r.Conversation] = len(lowest), len(lowest)
			conversations, lowest = append(conversations, r.Conversation), append(lowest, noPlace)
		}
		if r.Seq > 0 {
			lowest[i] = min(lowest[i], r.Seq)
		}
	}
	if len(conversations) == 0 {
		return nil
	}
	s := t.Store
	return t.query(ctx, `
		SELECT `+membershipColumns+` FROM {copies} c WHERE `+t.in("c.id", "$1", "bigint")+`
		UNION SELECT `+membershipColumns+` FROM {copies} c WHERE `+t.in("c.conversation_id", "$2", "bigint")+`
		UNION SELECT `+membershipColumns+` FROM {copies} c WHERE `+t.in("c.conversation_id", "$3", "bigint")+` AND c.end_event >= $4 AND c.end_event <> 0
		UNION SELECT `+membershipColumns+` FROM `+t.pairs(5)+` p JOIN {copies} c ON c.conversation_id = p.a AND c.cleared_seq >= p.b AND c.cleared_seq > c.joined_seq AND c.end_event = 0`,
		append([]any{list(s, members), list(s, opened), list(s, conversations), first}, s.pairArgs(conversations, lowest)...), func(rows *sql.Rows) error {
			m, err := scanMembership(rows)
			v.Copies = append(v.Copies, m)
			return err
		})
}

// viewErased asks after the actors whose message was not asked after, and after the owners of copies that ended. Where there are none, as with
// sends alone, it costs nothing.
func (t *tx) viewErased(ctx context.Context, v *realtime.View, records []realtime.Record) error {
	users := map[user.ID]bool{}
	for _, r := range records {
		switch r.Operation {
		case realtime.ChatMessageCreated, realtime.ChatMessageUpdated, realtime.GroupMessageCreated, realtime.GroupMessageUpdated:
		default:
			users[r.Actor] = r.Actor != ""
		}
	}
	for _, m := range v.Copies {
		users[m.Copy.Owner] = users[m.Copy.Owner] || m.EndRecord != 0
	}
	var asked []user.ID
	for u, ask := range users {
		if ask {
			asked = append(asked, u)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	return t.query(ctx, `SELECT z.owner FROM {erasures} z WHERE `+t.in("z.owner", "$1", "text"), []any{list(t.Store, asked)}, func(rows *sql.Rows) error {
		var u user.ID
		err := rows.Scan(&u)
		v.Erased[u] = true
		return err
	})
}

// noPlace lies behind every place.
const noPlace = 1 << 62

// shortRange is how many places a read may cover for its senders to be found by the places; behind that they are found by who is asking.
const shortRange = 256

// viewCovered finds, for each read, the newest message of each reader that it newly covers. A short range is read whole, a long one by who is asking, so that neither a
// long history nor a large group makes a read expensive.
func (t *tx) viewCovered(ctx context.Context, v *realtime.View, records []realtime.Record, readers []realtime.Membership) error {
	for _, r := range records {
		if r.Operation != realtime.GroupMessageRead {
			continue
		}
		covered := map[user.ID]*chat.Message{}
		v.Covered[r.ID] = covered
		var asking []int64
		for _, m := range readers {
			if m.Conversation == r.Conversation && m.Copy.Owner != r.Actor {
				asking = append(asking, m.Copy.ID)
			}
		}
		if len(asking) == 0 {
			continue
		}
		const inRange = `x.conversation_id = c.conversation_id AND x.conversation_id = $4 AND x.sender = c.owner AND x.seq > $2 AND x.seq <= $3 AND ` + visible
		from := `{messages} x JOIN {copies} c ON ` + inRange
		if r.Seq-r.From > shortRange {
			from = t.each(`{copies} c`, `{messages}`, inRange, `x.seq DESC`, `1`)
		}
		row := newMessageRow()
		err := t.query(ctx, `SELECT `+messageColumns+` FROM `+from+` WHERE `+t.in("c.id", "$1", "bigint")+` AND c.end_event = 0 ORDER BY x.seq`,
			[]any{list(t.Store, asking), r.From, r.Seq, r.Conversation}, func(rows *sql.Rows) error {
				m, err := row.scan(rows, 0)
				covered[m.Sender] = &m // the newest comes last
				return err
			})
		if err != nil {
			return err
		}
	}
	return nil
}
