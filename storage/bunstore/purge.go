package bunstore

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// maxPurge limits how many rows one call handles in each kind of upkeep, whatever its limit. It
// keeps sums from overflowing.
const maxPurge = 1 << 20

// Purge implements [github.com/buddychat/buddychat.Store]. On SQLite, a call that finds nothing
// left to do also empties the write-ahead log, which may contain content that was removed from the
// database.
func (s *Store) Purge(ctx context.Context, keep time.Duration, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	limit = min(limit, maxPurge)
	cutoff := micros(s.now().Add(-keep))
	done := 0
	for _, upkeep := range []func(context.Context, int) (int, error){
		s.purgeCleared,
		s.purgeHidden,
		s.purgeErased,
		func(ctx context.Context, limit int) (int, error) { return s.purgeRecords(ctx, cutoff, limit) },
		s.purgeCopies,
		func(ctx context.Context, limit int) (int, error) { return s.PurgeSessions(ctx, s.now(), limit) },
	} {
		n, err := upkeep(ctx, limit)
		done += n
		if err != nil {
			return done, err
		}
	}
	if done == 0 {
		return 0, s.emptyLog(ctx)
	}
	return done, nil
}

// ids runs a statement that returns ids.
func (t *tx) ids(ctx context.Context, statement string, args ...any) (ids []int64, err error) {
	err = t.query(ctx, statement, args, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// purgeCleared empties the messages that lie before the cleared point of every copy, in
// conversations where a copy was cleared or has ended.
func (s *Store) purgeCleared(ctx context.Context, limit int) (done int, err error) {
	due, err := s.reader().ids(ctx, `SELECT v.id FROM {conversations} v WHERE v.purge_due LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	for _, id := range due {
		n, err := s.purgeConversation(ctx, id, limit-done)
		if done += n; err != nil || done >= limit {
			return done, err
		}
	}
	return done, nil
}

func (s *Store) purgeConversation(ctx context.Context, id int64, limit int) (done int, err error) {
	err = s.act(ctx, func(t *tx) error {
		conv, err := t.lockConversation(ctx, `v.id = $1 AND v.purge_due`, id)
		if err != nil {
			return ignoreNotFound(err)
		}
		floor := int64(math.MaxInt64)
		if _, err := t.row(ctx, `SELECT COALESCE(min(c.cleared_seq), $2) FROM {copies} c WHERE c.conversation_id = $1 AND c.end_event = 0`,
			[]any{conv.id, int64(math.MaxInt64)}, &floor); err != nil {
			return err
		}
		floor = min(floor, conv.lastSeq)
		var from int64
		if _, err := t.row(ctx, `SELECT v.purged_seq FROM {conversations} v WHERE v.id = $1`, []any{conv.id}, &from); err != nil {
			return err
		}
		to := min(floor, from+int64(limit))
		gone, err := t.ids(ctx, `SELECT x.id FROM {messages} x WHERE x.conversation_id = $1 AND x.seq > $2 AND x.seq <= $3 AND NOT x.gone`, conv.id, from, to)
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			if err := t.empty(ctx, gone); err != nil {
				return err
			}
		}
		// A message that one copy hides may now be cleared in another, so check all hidden messages
		// again.
		if _, err := t.exec(ctx, `UPDATE {hidden} SET checked = FALSE WHERE NOT gone AND checked AND copy_id IN
			(SELECT c.id FROM {copies} c WHERE c.conversation_id = $1 AND c.end_event = 0)`, conv.id); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE {conversations} SET purged_seq = $2, purge_due = $3 WHERE id = $1`, conv.id, max(from, to), to < floor)
		done = max(1, len(gone))
		return err
	})
	return done, err
}

// purgeHidden empties messages that were deleted from every copy that would show them.
func (s *Store) purgeHidden(ctx context.Context, limit int) (done int, err error) {
	messages, err := s.reader().ids(ctx, `SELECT DISTINCT h.message_id FROM {hidden} h WHERE NOT h.checked LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	for _, message := range messages {
		if err := s.purgeMessage(ctx, message); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

func (s *Store) purgeMessage(ctx context.Context, message int64) error {
	return s.act(ctx, func(t *tx) error {
		if _, err := t.lockConversation(ctx, `v.id = (SELECT x.conversation_id FROM {messages} x WHERE x.id = $1)`, message); err != nil {
			return ignoreNotFound(err)
		}
		had, err := t.exists(ctx, `SELECT 1 FROM {messages} x WHERE x.id = $1 AND `+anyCopyHasMessage, message)
		if err != nil {
			return err
		}
		if !had {
			return t.empty(ctx, []int64{message})
		}
		_, err = t.exec(ctx, `UPDATE {hidden} SET checked = TRUE WHERE message_id = $1`, message)
		return err
	})
}

// purgeErased empties the messages of erased users, one conversation at a time.
func (s *Store) purgeErased(ctx context.Context, limit int) (done int, err error) {
	for done < limit {
		var owner user.ID
		open, err := s.reader().row(ctx, `SELECT z.owner FROM {erasures} z WHERE NOT z.done LIMIT 1`, nil, &owner)
		if err != nil || !open {
			return done, err
		}
		n, err := s.purgeErasedUser(ctx, owner, limit-done)
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s *Store) purgeErasedUser(ctx context.Context, owner user.ID, limit int) (done int, err error) {
	err = s.act(ctx, func(t *tx) error {
		if err := t.writeFirst(ctx); err != nil {
			return err
		}
		var conversation int64
		found, err := t.row(ctx, `SELECT x.conversation_id FROM {messages} x WHERE x.sender = $1 AND NOT x.gone LIMIT 1`, []any{string(owner)}, &conversation)
		if err != nil {
			return err
		}
		if !found {
			done, err = t.forget(ctx, owner, limit)
			return err
		}
		conv, err := t.lockConversation(ctx, `v.id = $1`, conversation)
		if err != nil {
			done = 1 // the conversation was deleted meanwhile
			return ignoreNotFound(err)
		}
		wrote, err := t.ids(ctx, `SELECT x.id FROM {messages} x WHERE x.sender = $1 AND x.conversation_id = $2 AND NOT x.gone ORDER BY x.seq LIMIT $3`, string(owner), conv.id, limit)
		if err != nil {
			return err
		}
		done = max(1, len(wrote))
		return t.empty(ctx, wrote)
	})
	return done, err
}

// forget removes an erased user's id from the tombstones. When none is left, it marks the erasure
// as done. The log and ended copies still contain the id. They are shown to no one, and are removed
// after the retention time.
func (t *tx) forget(ctx context.Context, owner user.ID, limit int) (int, error) {
	tombstones, err := t.ids(ctx, `SELECT x.id FROM {messages} x WHERE x.sender = $1 AND x.gone AND x.sender <> '' LIMIT $2`, string(owner), limit)
	if err != nil {
		return 0, err
	}
	if len(tombstones) > 0 {
		_, err := t.exec(ctx, `UPDATE {messages} SET sender = '', client_id = NULL WHERE `+t.in("id", "$1", "bigint"), list(t.Store, tombstones))
		return len(tombstones), err
	}
	_, err = t.exec(ctx, `UPDATE {erasures} SET done = TRUE WHERE owner = $1`, string(owner))
	return 1, err
}

// purgeRecords removes the oldest records. It keeps the newest one that is old enough, because a
// cursor that was issued since then may refer to it.
func (s *Store) purgeRecords(ctx context.Context, cutoff int64, limit int) (done int, err error) {
	t := s.reader()
	var last int64
	old := true
	err = t.query(ctx, `SELECT e.id, e.at FROM {events} e ORDER BY e.id LIMIT $1`, []any{limit + 1}, func(rows *sql.Rows) error {
		var id, at int64
		err := rows.Scan(&id, &at)
		if old = old && at < cutoff; old {
			last = id
		}
		return err
	})
	if err != nil || last == 0 {
		return 0, err
	}
	err = s.act(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM {events} WHERE id < $1`, last)
		done = int(n)
		return err
	})
	return done, err
}

// purgeCopies removes the copies that ended before the oldest record, and conversations without
// copies.
func (s *Store) purgeCopies(ctx context.Context, limit int) (int, error) {
	ended, err := s.reader().ids(ctx, `SELECT c.id FROM {copies} c WHERE c.end_event <> 0 AND c.end_event < (SELECT COALESCE(min(e.id), 0) FROM {events} e) LIMIT $1`, limit)
	if err != nil || len(ended) == 0 {
		return 0, err
	}
	done := 0
	for _, id := range ended {
		n, err := s.purgeCopy(ctx, id, limit)
		if done += n; err != nil || done >= limit {
			return done, err
		}
	}
	return done, nil
}

func (s *Store) purgeCopy(ctx context.Context, id int64, limit int) (done int, err error) {
	err = s.act(ctx, func(t *tx) error {
		conv, err := t.lockConversation(ctx, `v.id = (SELECT c.conversation_id FROM {copies} c WHERE c.id = $1)`, id)
		if err != nil {
			return ignoreNotFound(err)
		}
		var others int64
		if _, err := t.row(ctx, `SELECT count(*) FROM (SELECT 1 FROM {copies} c WHERE c.conversation_id = $1 AND c.id <> $2 LIMIT 1) q`, []any{conv.id, id}, &others); err != nil {
			return err
		}
		if others == 0 {
			messages, err := t.ids(ctx, `SELECT x.id FROM {messages} x WHERE x.conversation_id = $1 LIMIT $2`, conv.id, limit)
			if err != nil {
				return err
			}
			if done = len(messages); done > 0 {
				return t.drop(ctx, messages)
			}
		}
		for _, statement := range []string{`DELETE FROM {hidden} WHERE copy_id = $1`, `DELETE FROM {notification_reads} WHERE copy_id = $1`, `DELETE FROM {copies} WHERE id = $1`} {
			if _, err := t.exec(ctx, statement, id); err != nil {
				return err
			}
		}
		done = 1
		if others > 0 {
			return nil
		}
		for _, statement := range []string{`DELETE FROM {read_marks} WHERE conversation_id = $1`, `DELETE FROM {conversations} WHERE id = $1`} {
			if _, err := t.exec(ctx, statement, conv.id); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// drop removes messages and the rows that refer to them.
func (t *tx) drop(ctx context.Context, messages []int64) error {
	ids := list(t.Store, messages)
	for _, statement := range []string{
		`DELETE FROM {hidden} WHERE ` + t.in("message_id", "$1", "bigint"),
		`DELETE FROM {notification_reads} WHERE ` + t.in("message_id", "$1", "bigint"),
		`DELETE FROM {messages} WHERE ` + t.in("id", "$1", "bigint"),
	} {
		if _, err := t.exec(ctx, statement, ids); err != nil {
			return err
		}
	}
	return nil
}

func ignoreNotFound(err error) error {
	if storage.Message(err) != "" {
		return nil
	}
	return err
}
