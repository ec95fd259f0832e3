package bunstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
)

// On PostgreSQL, a batch is sent in one statement: one round trip and one transaction. For each
// message that it does not send, the statement reports why. Either another transaction holds the
// lock of the conversation, or the message needs a transaction of its own: its copy does not exist,
// its ClientID is already known, or the state changed before the lock was acquired.

// appendIfUnlocked sends messages to the conversations that are not locked. It does not wait for
// locks.
func (s *Store) appendIfUnlocked(ctx context.Context, batch []*pendingSend) {
	if len(batch) == 1 {
		s.runAppend(ctx, appendOneSkipLocked, batch, s.firstColumns)
		return
	}
	s.runAppend(ctx, appendSkipLocked, batch, s.columns)
}

// appendAfterWaiting sends messages to one conversation. It waits for the lock.
func (s *Store) appendAfterWaiting(ctx context.Context, batch []*pendingSend) {
	s.runAppend(ctx, appendWaiting, batch, s.columns)
}

// sender returns a tx for statements that send. Package sql repeats a statement outside of a
// transaction if the driver reports driver.ErrBadConn. pgx reports it only if nothing was sent.
// Other drivers also report it if the answer was lost, and the messages may have been stored. With
// those, the statement runs in a transaction, where package sql repeats nothing.
func (s *Store) sender() *tx {
	t := s.reader()
	t.ownTx = driverPackage(s.db.Driver()) != pgxPackage
	return t
}

const pgxPackage = "github.com/jackc/pgx/v5/stdlib"

// runAppend runs one of the statements below. They return a row for each sent message, with its
// number in the batch, and a row with id 0 for each message whose conversation is locked.
func (s *Store) runAppend(ctx context.Context, statement string, all []*pendingSend, columns func([]*pendingSend) []any) {
	batch := distinct(all)
	now := s.time()
	shared := []any{now, nonce(), string(realtime.ChatMessageCreated), string(realtime.GroupMessageCreated)}
	var changed []realtime.Stream
	err := s.sender().query(ctx, statement, append(shared, columns(batch)...), func(rows *sql.Rows) error {
		var n int
		var m chat.Message
		if err := rows.Scan(&n, &m.Conversation, &m.ID, &m.Seq); err != nil {
			return err
		}
		p := batch[n-1]
		if p.alone = false; m.ID == 0 {
			p.lockedConversation = m.Conversation
			return nil
		}
		m.Sender, m.Content, m.ClientID, m.Date = p.copy.Owner, p.draft.Content, p.draft.ClientID, moment(now)
		p.message = m
		if on := (realtime.Stream{Conversation: m.Conversation}); !slices.Contains(changed, on) {
			changed = append(changed, on)
		}
		return nil
	})
	if err == nil {
		s.commits.notify(changed)
		return
	}
	// If two nodes send the same draft at the same time, the unique index rejects the batch, and
	// nothing of it is stored. If PostgreSQL rejects the data of one message, the other messages
	// must not fail. In both cases, each message is sent again alone. Any other error is returned
	// to all.
	retryAlone := s.isConflict(err) || s.isTransient(err) || len(all) > 1 && isRefused(err)
	for _, p := range batch {
		p.message = chat.Message{}
		if p.lockedConversation, p.alone = 0, retryAlone; !retryAlone {
			p.err = err
		}
	}
}

// distinct marks all messages to be sent alone until a statement sends them. It returns the
// messages for one statement: if the same draft occurs more than once, only the first.
func distinct(all []*pendingSend) []*pendingSend {
	type key struct {
		copy     chat.Copy
		clientID string
	}
	known := map[key]bool{}
	batch := make([]*pendingSend, 0, len(all))
	for _, p := range all {
		p.lockedConversation, p.alone = 0, true
		k := key{p.copy, p.draft.ClientID}
		if p.draft.ClientID != "" && known[k] {
			continue
		}
		known[k] = true
		batch = append(batch, p)
	}
	return batch
}

// columns returns the drafts as arguments, one array per column.
func (s *Store) columns(batch []*pendingSend) []any {
	copies, kinds := make([]int64, len(batch)), make([]int64, len(batch))
	owners, contents, clientIDs := make([]string, len(batch)), make([]string, len(batch)), make([]string, len(batch))
	for i, p := range batch {
		copies[i], kinds[i], owners[i] = p.copy.ID, int64(p.copy.Kind), string(p.copy.Owner)
		contents[i], clientIDs[i] = p.draft.Content, p.draft.ClientID
	}
	return []any{list(s, copies), list(s, kinds), list(s, owners), list(s, contents), list(s, clientIDs)}
}

// firstColumns returns the first draft as arguments.
func (s *Store) firstColumns(batch []*pendingSend) []any {
	p := batch[0]
	return []any{p.copy.ID, int64(p.copy.Kind), string(p.copy.Owner), p.draft.Content, p.draft.ClientID}
}

// In these statements, each step uses the result of the one before, so that ids of messages and of
// records are drawn under the lock, in the order of the sequence numbers.
//
// The copy is read before the statement waits for the lock. If a copy of the conversation ends in
// between (endings changes), nothing is sent. The same holds for the check of the ClientID: if the
// ClientID was used in between, the unique index rejects the statement.
const (
	appendSkipLocked = lockAll + ` SKIP LOCKED` + appendAll
	appendWaiting    = lockAll + appendAll

	// OFFSET 0 makes the planner check up each copy by itself. Without it, the planner may read the
	// whole table for a batch.
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

	// appendOneSkipLocked does the same as appendSkipLocked for a single message, but faster.
	appendOneSkipLocked = `
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
