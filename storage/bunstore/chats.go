package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// OpenChat implements [chat.Store].
func (s *Store) OpenChat(ctx context.Context, owner, other user.ID) (mine, others chat.Chat, err error) {
	defer emptyOnError(&err, &mine, &others)
	for range maxOpenings {
		err = s.act(ctx, func(t *tx) error {
			if err := t.lockUsers(ctx, owner, other); err != nil {
				return err
			}
			var found bool
			if mine, others, found, err = t.pair(ctx, owner, other); found || err != nil {
				return err
			}
			if err := t.openChat(ctx, owner, other); err != nil {
				return err
			}
			mine, others, _, err = t.pair(ctx, owner, other)
			return err
		})
		if !errors.Is(err, errOpened) { // a concurrent call opened it; the next attempt finds it
			return mine, others, err
		}
	}
	return mine, others, err
}

// maxOpenings is how often OpenChat tries. The chat that a concurrent call opened may have ended
// when OpenChat reads it.
const maxOpenings = 10

var errOpened = errors.New("bunstore: concurrent requests keep opening and ending this chat: try again")

const chatColumns = `c.id, c.conversation_id, c.owner, c.other, c.archived, ` + activity

// activity is the time of the last send since the copy began, or else the time when the copy began.
// It never goes back, even if the clocks of nodes differ.
const activity = `CASE WHEN v.last_seq > c.joined_seq AND v.last_sent_at > c.joined_at THEN v.last_sent_at ELSE c.joined_at END`

func scanChat(rows *sql.Rows) (chat.Chat, error) {
	var c chat.Chat
	var active int64
	err := rows.Scan(&c.ID, &c.Conversation, &c.Owner, &c.Other, &c.Archived, &active)
	c.Activity = moment(active)
	return c, err
}

func (t *tx) pair(ctx context.Context, owner, other user.ID) (mine, others chat.Chat, found bool, err error) {
	err = t.query(ctx, `SELECT `+chatColumns+` FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
		WHERE c.kind = 1 AND c.end_event = 0 AND (c.owner = $1 AND c.other = $2 OR c.owner = $2 AND c.other = $1)`,
		[]any{userArg(owner), userArg(other)}, func(rows *sql.Rows) error {
			c, err := scanChat(rows)
			if c.Owner == owner {
				mine, found = c, true
			}
			if c.Owner == other {
				others = c
			}
			return err
		})
	return mine, others, found, err
}

func (t *tx) openChat(ctx context.Context, owner, other user.ID) error {
	now := t.time()
	var conversation int64
	if _, err := t.row(ctx, `INSERT INTO {conversations} (kind) VALUES ($1) RETURNING id`, []any{int64(chat.OneToOne)}, &conversation); err != nil {
		return err
	}
	opened, err := t.record(ctx, realtime.Record{Operation: realtime.ChatOpened, At: moment(now), Conversation: conversation, Kind: chat.OneToOne, Actor: owner}, owner, other)
	if err != nil {
		return err
	}
	insert := func(owner, other user.ID, side int) error {
		n, err := t.exec(ctx, `INSERT INTO {copies} (conversation_id, kind, owner, other, side, joined_at, join_event) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT DO NOTHING`, conversation, int64(chat.OneToOne), userArg(owner), userArg(other), side, now, opened)
		if err == nil && n == 0 {
			err = errOpened
		}
		return err
	}
	if owner == other {
		return insert(owner, owner, 0)
	}
	// All calls insert in the same order, so that two concurrent ones conflict at the first row.
	first, second := min(owner, other), max(owner, other)
	if err := insert(first, second, 1); err != nil {
		return err
	}
	return insert(second, first, 2)
}

// Chats implements [chat.Store].
func (s *Store) Chats(ctx context.Context, owner user.ID, ids ...int64) (map[int64]chat.Chat, error) {
	chats := make(map[int64]chat.Chat, len(ids))
	err := s.reader().query(ctx, `SELECT `+chatColumns+` FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
		WHERE `+s.in("c.id", "$2", "bigint")+` AND c.owner = $1 AND c.kind = 1 AND c.end_event = 0`,
		[]any{userArg(owner), list(s, ids)}, func(rows *sql.Rows) error {
			c, err := scanChat(rows)
			chats[c.ID] = c
			return err
		})
	return chats, err
}

// ListChats implements [chat.Store].
func (s *Store) ListChats(ctx context.Context, owner user.ID, f chat.Filter, r storage.Range) (chats []chat.Chat, err error) {
	err = s.listByActivity(ctx, chat.OneToOne, owner, f.Archived, r, chatColumns, func(rows *sql.Rows) error {
		c, err := scanChat(rows)
		chats = append(chats, c)
		return err
	})
	if r.Backward {
		reverse(chats)
	}
	return chats, err
}

// CountChats implements [chat.Store].
func (s *Store) CountChats(ctx context.Context, owner user.ID, f chat.Filter) (int, error) {
	return s.countByOwner(ctx, chat.OneToOne, owner, f.Archived)
}

// ownedCopies returns the condition that c is a present copy of the given kind and owner, with its
// arguments.
func ownedCopies(kind chat.Kind, owner user.ID, archived *bool) (conditions []string, args []any) {
	conditions, args = []string{`c.owner = $1 AND c.kind = $2 AND c.end_event = 0`}, []any{userArg(owner), int64(kind)}
	if archived != nil {
		conditions, args = append(conditions, `c.archived = $3`), append(args, *archived)
	}
	return conditions, args
}

// listByActivity reads a page of an owner's copies of a kind, most recent activity first. A
// backward page is in the opposite order.
func (s *Store) listByActivity(ctx context.Context, kind chat.Kind, owner user.ID, archived *bool, r storage.Range, columns string, scan func(*sql.Rows) error) error {
	conditions, args := ownedCopies(kind, owner, archived)
	bound := func(k *storage.Key, op string) {
		if k != nil {
			args = append(args, k.Major, k.Minor)
			conditions = append(conditions, fmt.Sprintf(`(%s, c.id) %s ($%d, $%d)`, activity, op, len(args)-1, len(args)))
		}
	}
	bound(r.After, "<")
	bound(r.Before, ">")
	order := "DESC"
	if r.Backward {
		order = "ASC"
	}
	args = append(args, r.Limit)
	return s.reader().query(ctx, fmt.Sprintf(`SELECT %s FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
		WHERE %s ORDER BY %s %s, c.id %s LIMIT $%d`, columns, strings.Join(conditions, " AND "), activity, order, order, len(args)), args, scan)
}

func (s *Store) countByOwner(ctx context.Context, kind chat.Kind, owner user.ID, archived *bool) (n int, err error) {
	conditions, args := ownedCopies(kind, owner, archived)
	_, err = s.reader().row(ctx, `SELECT count(*) FROM {copies} c WHERE `+strings.Join(conditions, " AND "), args, &n)
	return n, err
}

// ReadMessage implements [chat.Store].
func (s *Store) ReadMessage(ctx context.Context, c chat.Copy, message int64) (m chat.Message, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockKind(ctx, chat.OneToOne, c)
		if err != nil {
			return err
		}
		if m, err = t.shown(ctx, c, message); err != nil {
			return err
		}
		if m.Sender == own.owner || !m.ReadAt.IsZero() {
			return nil
		}
		now := t.time()
		if _, err := t.exec(ctx, `UPDATE {messages} SET read_at = $2 WHERE id = $1`, message, now); err != nil {
			return err
		}
		if err := t.uncount(ctx, conv, m, own.side); err != nil {
			return err
		}
		m.ReadAt = moment(now)
		_, err = t.record(ctx, realtime.Record{Operation: realtime.ChatMessageRead, At: m.ReadAt, Conversation: conv.id, Kind: conv.kind,
			Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
	return m, err
}
