package bunstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
)

// On PostgreSQL a batch is sent in one statement, one round trip and one transaction. What it cannot send it leaves undone, and says of each
// message why: its conversation is held by somebody else, or it must be done alone, because its copy is not there, or its ClientID is known
// already, or what it decided by changed before it had the lock.

// appendFree sends messages to conversations that nobody holds, and waits for none.
func (s *Store) appendFree(ctx context.Context, batch []*sending) {
	if len(batch) == 1 {
		s.appendBy(ctx, appendLone, batch, s.loneColumns)
		return
	}
	s.appendBy(ctx, appendSkipping, batch, s.columns)
}

// appendInTurn sends messages to one conversation, behind whoever holds it.
func (s *Store) appendInTurn(ctx context.Context, batch []*sending) {
	s.appendBy(ctx, appendWaiting, batch, s.columns)
}

// sender returns what a statement that sends runs on. Package sql repeats a single statement where the driver says that the connection
// was bad. Of the drivers pgx says so only where nothing was sent. Others also say so where the answer was lost, and the messages may
// be there: with them the statement is in a transaction, in which none is repeated.
func (s *Store) sender() *tx {
	t := s.reader()
	t.apart = driverPackage(s.db.Driver()) != pgxPackage
	return t
}

const pgxPackage = "github.com/jackc/pgx/v5/stdlib"

// appendBy runs a statement that answers a row for each message that it sent, by its number in the batch, and, with the id 0, for each whose
// conversation is held.
func (s *Store) appendBy(ctx context.Context, statement string, all []*sending, columns func([]*sending) []any) {
	batch := distinct(all)
	now := s.time()
	shared := []any{now, nonce(), string(realtime.ChatMessageCreated), string(realtime.GroupMessageCreated)}
	var news []realtime.Stream
	err := s.sender().query(ctx, statement, append(shared, columns(batch)...), func(rows *sql.Rows) error {
		var n int
		var m chat.Message
		if err := rows.Scan(&n, &m.Conversation, &m.ID, &m.Seq); err != nil {
			return err
		}
		w := batch[n-1]
		if w.alone = false; m.ID == 0 {
			w.held = m.Conversation
			return nil
		}
		m.Sender, m.Content, m.ClientID, m.Date = w.copy.Owner, w.draft.Content, w.draft.ClientID, moment(now)
		w.message = m
		if on := (realtime.Stream{Conversation: m.Conversation}); !slices.Contains(news, on) {
			news = append(news, on)
		}
		return nil
	})
	if err == nil {
		s.commits.ring(news)
		return
	}
	// Where two nodes send one draft at the same time, the unique index refuses the batch: nothing of it is done. So it is where the database does not take
	// one of the messages, which the others must not suffer from. Any other error concerns all alike.
	undone := s.isConflict(err) || s.isTransient(err) || len(all) > 1 && isRefused(err)
	for _, w := range batch {
		w.message = chat.Message{}
		if w.held, w.alone = 0, undone; !undone {
			w.err = err
		}
	}
}

// distinct marks all to be done alone, until they are done, and returns those that one statement can do: of one draft sent twice, the first.
func distinct(all []*sending) []*sending {
	type key struct {
		copy     chat.Copy
		clientID string
	}
	known := map[key]bool{}
	batch := make([]*sending, 0, len(all))
	for _, w := range all {
		w.held, w.alone = 0, true
		k := key{w.copy, w.draft.ClientID}
		if w.draft.ClientID != "" && known[k] {
			continue
		}
		known[k] = true
		batch = append(batch, w)
	}
	return batch
}

// columns returns the drafts as arguments, an array for each column.
func (s *Store) columns(batch []*sending) []any {
	copies, kinds := make([]int64, len(batch)), make([]int64, len(batch))
	owners, contents, clientIDs := make([]string, len(batch)), make([]string, len(batch)), make([]string, len(batch))
	for i, w := range batch {
		copies[i], kinds[i], owners[i] = w.copy.ID, int64(w.copy.Kind), string(w.copy.Owner)
		contents[i], clientIDs[i] = w.draft.Content, w.draft.ClientID
	}
	return []any{list(s, copies), list(s, kinds), list(s, owners), list(s, contents), list(s, clientIDs)}
}

// loneColumns returns the first draft as arguments.
func (s *Store) loneColumns(batch []*sending) []any {
	w := batch[0]
	return []any{w.copy.ID, int64(w.copy.Kind), string(w.copy.Owner), w.draft.Content, w.draft.ClientID}
}

// In these statements each step is made from the one before it, so that the ids of messages and of records are drawn behind the locks, in the
// order of the places.
//
// A copy is seen as of before a wait for the lock; where one of its conversation has ended meanwhile (endings), nothing is done. So is whether a
// ClientID is known; where one has become so meanwhile, the unique index refuses the statement.
const (
	appendSkipping = lockAll + ` SKIP LOCKED` + appendAll
	appendWaiting  = lockAll + appendAll

	// That a copy is looked up by itself (OFFSET 0) keeps the planner from reading all of them for a batch.
	lockAll = `
		WITH own AS MATERIALIZED (
			SELECT d.n, d.owner, d.content, d.client_id, c.conversation_id, c.side, v.endings
			FROM unnest($5::bigint[], $6::smallint[], $7::text[], $8::text[], $9::text[]) WITH ORDINALITY AS d (copy, kind, owner, content, client_id, n)
			CROSS JOIN LATERAL (SELECT c.* FROM {copies} c WHERE c.id = d.copy OFFSET 0) c
			CROSS JOIN LATERAL (SELECT v.* FROM {conversations} v WHERE v.id = c.conversation_id OFFSET 0) v
			WHERE c.owner = d.owner AND c.kind = d.kind AND c.end_event = 0 AND (d.client_id = '' OR NOT EXISTS (SELECT 1 FROM {messages} x
				WHERE x.conversation_id = c.conversation_id AND x.sender = d.owner AND x.client_id = d.client_id))
		), locked AS MATERIALIZED (
			SELECT v.id, v.endings FROM {conversations} v WHERE v.id IN (SELECT o.conversation_id FROM own o) ORDER BY v.id FOR NO KEY UPDATE`
	appendAll = `
		), free AS MATERIALIZED (
			SELECT o.* FROM own o JOIN locked l ON l.id = o.conversation_id AND l.endings = o.endings
		), bumped AS (
			UPDATE {conversations} v SET last_seq = v.last_seq + f.messages, last_sent_at = GREATEST(v.last_sent_at, $1::bigint),
				unread_1 = v.unread_1 + f.by_2, unread_2 = v.unread_2 + f.by_1
			FROM (SELECT conversation_id, count(*) AS messages, count(*) FILTER (WHERE side = 1) AS by_1, count(*) FILTER (WHERE side = 2) AS by_2
				FROM free GROUP BY conversation_id) f
			WHERE v.id = f.conversation_id RETURNING v.id, v.kind, v.last_seq - f.messages AS before
		), placed AS MATERIALIZED (
			SELECT f.n, f.owner, f.content, f.client_id, f.conversation_id, b.kind,
				b.before + row_number() OVER (PARTITION BY f.conversation_id ORDER BY f.n) AS seq
			FROM free f JOIN bumped b ON b.id = f.conversation_id
		), sent AS (
			INSERT INTO {messages} (conversation_id, seq, sender, content, client_id, created_at)
			SELECT p.conversation_id, p.seq, p.owner, p.content, NULLIF(p.client_id, ''), $1::bigint FROM placed p ORDER BY p.conversation_id, p.seq
			RETURNING id, conversation_id, seq
		), recorded AS (
			INSERT INTO {events} (nonce, operation, at, conversation_id, kind, actor, message_id, seq)
			SELECT $2::bigint, CASE p.kind WHEN 1 THEN $3::text ELSE $4::text END, $1::bigint, p.conversation_id, p.kind, p.owner, s.id, p.seq
			FROM sent s JOIN placed p ON p.conversation_id = s.conversation_id AND p.seq = s.seq ORDER BY s.id
		)
		SELECT p.n, p.conversation_id, s.id, s.seq FROM sent s JOIN placed p ON p.conversation_id = s.conversation_id AND p.seq = s.seq
		UNION ALL
		SELECT o.n, o.conversation_id, 0, 0 FROM own o WHERE o.conversation_id NOT IN (SELECT l.id FROM locked l)`

	// appendLone does what appendSkipping does, for one message, in less time.
	appendLone = `
		WITH own AS MATERIALIZED (
			SELECT c.conversation_id, c.owner, c.side, v.endings FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
			WHERE c.id = $5::bigint AND c.owner = $7::text AND c.kind = $6::smallint AND c.end_event = 0 AND ($9::text = '' OR NOT EXISTS (
				SELECT 1 FROM {messages} x WHERE x.conversation_id = c.conversation_id AND x.sender = c.owner AND x.client_id = $9::text))
		), locked AS MATERIALIZED (
			SELECT v.id, o.owner, o.side FROM {conversations} v JOIN own o ON o.conversation_id = v.id AND o.endings = v.endings FOR NO KEY UPDATE OF v SKIP LOCKED
		), bumped AS (
			UPDATE {conversations} v SET last_seq = v.last_seq + 1, last_sent_at = GREATEST(v.last_sent_at, $1::bigint),
				unread_1 = v.unread_1 + CASE WHEN l.side = 2 THEN 1 ELSE 0 END, unread_2 = v.unread_2 + CASE WHEN l.side = 1 THEN 1 ELSE 0 END
			FROM locked l WHERE v.id = l.id RETURNING v.id, v.last_seq, v.kind, l.owner
		), sent AS (
			INSERT INTO {messages} (conversation_id, seq, sender, content, client_id, created_at)
			SELECT b.id, b.last_seq, b.owner, $8::text, NULLIF($9::text, ''), $1::bigint FROM bumped b RETURNING id, seq
		), recorded AS (
			INSERT INTO {events} (nonce, operation, at, conversation_id, kind, actor, message_id, seq)
			SELECT $2::bigint, CASE b.kind WHEN 1 THEN $3::text ELSE $4::text END, $1::bigint, b.id, b.kind, b.owner, s.id, s.seq FROM sent s, bumped b
		)
		SELECT 1, o.conversation_id, COALESCE(s.id, 0), COALESCE(s.seq, 0) FROM own o LEFT JOIN sent s ON TRUE`
)
