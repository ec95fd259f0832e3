package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

var errBound = errors.New("bunstore: a store bound to a transaction has no log: call Tail on the store itself")

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

// positionAt returns the position of the record with the given id.
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
	inConversations := s.joinFirst(`{copies} c`, `{events}`, `x.conversation_id = c.conversation_id AND x.recipient = ''
		AND x.id > $2 AND x.id <= $3 AND x.id >= c.join_event AND (c.end_event = 0 OR x.id = c.end_event)`, `x.id`, `$4`)
	err = s.reader().query(ctx, `SELECT `+recordColumns+` FROM (
			SELECT x.* FROM {events} x WHERE x.recipient = $1 AND x.id > $2 AND x.id <= $3
			UNION ALL
			SELECT x.* FROM `+inConversations+` WHERE c.owner = $1 AND (c.end_event = 0 OR c.end_event > $2)
		) e ORDER BY e.id LIMIT $4`, []any{userArg(u), after, upTo, limit}, func(rows *sql.Rows) error {
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
		[]any{endedAfter, list(s, validUsers(users))}, func(rows *sql.Rows) error {
			m, err := scanMembership(rows)
			memberships = append(memberships, m)
			return err
		})
	return memberships, err
}

// View implements [realtime.Log]. It runs one statement, because every delivery waits for its round
// trip. If the records include reads of group messages, it runs one more per read, in a
// transaction.
func (s *Store) View(ctx context.Context, records []realtime.Record, readers []realtime.Membership) (realtime.View, error) {
	v := realtime.View{
		Messages: map[int64]*chat.Message{}, Hidden: map[realtime.HiddenMessage]bool{},
		Covered: map[int64]map[user.ID]*chat.Message{}, Erased: map[user.ID]bool{},
	}
	if len(records) == 0 {
		return v, nil
	}
	var err error
	if slices.ContainsFunc(records, isGroupRead) {
		err = s.inSnapshot(ctx, func(t *tx) error {
			if err := t.viewState(ctx, &v, records); err != nil {
				return err
			}
			return t.viewCovered(ctx, &v, records, readers)
		})
	} else {
		err = s.reader().viewState(ctx, &v, records)
	}
	if err != nil {
		return realtime.View{}, err
	}
	return v, nil
}

func isGroupRead(r realtime.Record) bool { return r.Operation == realtime.GroupMessageRead }

// The numbers of the statement's parts. The first column of each row has the number of its part.
const (
	viewedCopy = iota + 1
	viewedMessage
	viewedHidden
	viewedErased
)

// viewState reads the view except the messages that reads newly cover. It looks up erased users one
// by one, because a join might read all users who were ever erased.
func (t *tx) viewState(ctx context.Context, v *realtime.View, records []realtime.Record) error {
	c := changesOf(records)
	s := t.Store
	statement := `
		WITH changed (kind, id, owner, conversation_id, joined_seq, cleared_seq, join_event, end_event)
		AS MATERIALIZED (
			SELECT ` + membershipColumns + ` FROM {copies} c
				WHERE ` + t.in("c.id", "$1", "bigint") + `
			UNION SELECT ` + membershipColumns + ` FROM {copies} c
				WHERE ` + t.in("c.conversation_id", "$2", "bigint") + `
			UNION SELECT ` + membershipColumns + ` FROM {copies} c
				WHERE ` + t.in("c.conversation_id", "$3", "bigint") + `
				AND c.end_event >= $4 AND c.end_event <> 0
			UNION SELECT ` + membershipColumns + ` FROM ` + t.pairs(7) + ` p
				JOIN {copies} c ON c.conversation_id = p.a AND c.cleared_seq >= p.b
					AND c.cleared_seq > c.joined_seq AND c.end_event = 0
		)
		SELECT 1, m.kind, m.id, m.conversation_id, m.joined_seq, m.cleared_seq, m.join_event,
				m.end_event, m.owner, '', ''
			FROM changed m
		UNION ALL SELECT 2, x.id, x.conversation_id, x.seq, x.created_at, x.edited_at, ` + readTime + `,
				0, x.sender, x.content, COALESCE(x.client_id, '')
			FROM {messages} x WHERE ` + t.in("x.id", "$5", "bigint") + ` AND ` + messagePresent + `
		UNION ALL SELECT 3, h.copy_id, h.message_id, 0, 0, 0, 0, 0, '', '', ''
			FROM {hidden} h WHERE ` + t.in("h.message_id", "$5", "bigint") + `
		UNION ALL SELECT 4, 0, 0, 0, 0, 0, 0, 0, u.owner, '', ''
			FROM (SELECT m.owner FROM changed m WHERE m.end_event <> 0
				UNION ` + t.values("$6", "text") + `) u
			WHERE (SELECT count(*) FROM {erasures} z WHERE z.owner = u.owner) > 0`
	args := append([]any{
		list(s, c.members), list(s, c.opened), list(s, c.conversations), c.first,
		list(s, messagesOf(records)), list(s, c.actors),
	}, s.pairArgs(c.conversations, c.lowest)...)
	return t.query(ctx, statement, args, func(rows *sql.Rows) error {
		var part int
		var n [7]int64
		var name, content, clientID string
		err := rows.Scan(&part, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &name, &content, &clientID)
		if err != nil {
			return err
		}
		switch part {
		case viewedCopy:
			v.Copies = append(v.Copies, realtime.Membership{
				Copy:         chat.Copy{Kind: chat.Kind(n[0]), ID: n[1], Owner: user.ID(name)},
				Conversation: n[2], JoinedSeq: n[3], ClearedSeq: n[4], JoinRecord: n[5], EndRecord: n[6],
			})
		case viewedMessage:
			v.Messages[n[0]] = &chat.Message{
				ID: n[0], Conversation: n[1], Seq: n[2], Sender: user.ID(name), Content: content,
				ClientID: clientID, Date: moment(n[3]), EditedAt: moment(n[4]), ReadAt: moment(n[5]),
			}
		case viewedHidden:
			v.Hidden[realtime.HiddenMessage{Copy: n[0], Message: n[1]}] = true
		case viewedErased:
			v.Erased[user.ID(name)] = true
		}
		return nil
	})
}

// messagesOf returns the ids of the messages that the records refer to.
func messagesOf(records []realtime.Record) []int64 {
	var ids []int64
	for _, r := range records {
		if r.Message != 0 {
			ids = append(ids, r.Message)
		}
	}
	return ids
}

// changes is what the records affect.
type changes struct {
	members       []int64 // members who were added
	opened        []int64 // conversations of chats that were opened
	conversations []int64
	lowest        []int64 // for each of conversations, the lowest sequence number in its records
	first         int64   // the lowest id of a record
	// actors may have been erased. It leaves out the actors who sent or edited a message: if one is
	// erased, the view lacks the message.
	actors []user.ID
}

func changesOf(records []realtime.Record) changes {
	c := changes{first: records[0].ID}
	at := map[int64]int{}
	for _, r := range records {
		c.first = min(c.first, r.ID)
		switch r.Operation {
		case realtime.ChatMessageCreated, realtime.ChatMessageUpdated,
			realtime.GroupMessageCreated, realtime.GroupMessageUpdated:
		default:
			if r.Actor != "" && !slices.Contains(c.actors, r.Actor) {
				c.actors = append(c.actors, r.Actor)
			}
		}
		switch {
		case r.Conversation == 0:
			continue
		case r.Operation == realtime.MemberAdded:
			c.members = append(c.members, r.Member)
		case r.Operation == realtime.ChatOpened:
			c.opened = append(c.opened, r.Conversation)
		}
		i, known := at[r.Conversation]
		if !known {
			i, at[r.Conversation] = len(c.lowest), len(c.lowest)
			c.conversations = append(c.conversations, r.Conversation)
			c.lowest = append(c.lowest, noSeq)
		}
		if r.Seq > 0 {
			c.lowest[i] = min(c.lowest[i], r.Seq)
		}
	}
	return c
}

// noSeq is higher than any sequence number.
const noSeq = 1 << 62

// shortRange is how many sequence numbers a read may cover for viewCovered to scan the range. For
// longer ranges, it looks up each reader.
const shortRange = 256

// viewCovered finds, for each read record, the newest message of each reader that the read newly
// covers. It scans a short range as a whole, and looks up each reader in a long one. So neither a
// long history nor a large group makes this expensive.
func (t *tx) viewCovered(ctx context.Context, v *realtime.View, records []realtime.Record, readers []realtime.Membership) error {
	for _, r := range records {
		if !isGroupRead(r) {
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
			from = t.joinFirst(`{copies} c`, `{messages}`, inRange, `x.seq DESC`, `1`)
		}
		row := newMessageRow()
		err := t.query(ctx, `SELECT `+messageColumns+` FROM `+from+` WHERE `+t.in("c.id", "$1", "bigint")+` AND c.end_event = 0 ORDER BY x.seq`,
			[]any{list(t.Store, asking), r.From, r.Seq, r.Conversation}, func(rows *sql.Rows) error {
				m, err := row.scan(rows, 0)
				covered[m.Sender] = &m // rows are ordered by seq, so the newest message wins
				return err
			})
		if err != nil {
			return err
		}
	}
	return nil
}
