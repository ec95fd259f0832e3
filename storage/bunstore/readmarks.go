package bunstore

import (
	"context"
	"database/sql"
	"math"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// ReadThrough implements [group.Store].
func (s *Store) ReadThrough(ctx context.Context, c chat.Copy, message int64) (m chat.Message, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockKind(ctx, chat.Group, c)
		if err != nil {
			return err
		}
		if m, err = t.shown(ctx, c, message); err != nil || m.Seq <= own.readSeq {
			return err
		}
		now := t.time()
		if err := t.markRead(ctx, conv, own, m.Seq, false, now); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {copies} SET read_seq = $2 WHERE id = $1`, own.id, m.Seq); err != nil {
			return err
		}
		if own, err := t.readOnlyOwn(ctx, own, m); own || err != nil {
			return err
		}
		if _, err := t.record(ctx, realtime.Record{Operation: realtime.GroupMessageRead, At: moment(now), Conversation: conv.id, Kind: conv.kind,
			Actor: own.owner, Message: m.ID, Seq: m.Seq, From: own.readSeq}); err != nil {
			return err
		}
		m, err = t.shown(ctx, c, message)
		return err
	})
	return m, err
}

// readOnlyOwn reports whether all messages after the owner's read point, up to m, are the owner's
// own. Messages that no copy has any more do not count, whether they have been purged or not.
func (t *tx) readOnlyOwn(ctx context.Context, own ownCopy, m chat.Message) (bool, error) {
	if m.Sender != own.owner {
		return false, nil
	}
	others, err := t.row(ctx, `SELECT 1 FROM {messages} x WHERE x.conversation_id = $1 AND x.seq > $2 AND x.seq < $3 AND x.sender <> $4 AND `+messagePresent+` AND `+anyCopyHasMessage+` LIMIT 1`,
		[]any{m.Conversation, own.readSeq, m.Seq, string(own.owner)}, new(int64))
	return !others, err
}

// markRead stores which messages have now been read by all members, when the read point of member m
// moves to the sequence number to, or when m leaves the group.
//
// A message has been read by all when the lowest read point of the present members other than its
// sender has passed it. A member who joined after the message has a read point after it from the
// start. For the sender of a message, moving m's read point can change that lowest point in only
// two ways:
//
//   - For every sender but m, it is m's own point if that is the lowest of all. It can rise up to
//     the next lowest.
//   - For the member with the lowest point of the others, it is m's own point or the second lowest
//     of the others.
//
// So at most two ranges cover everything, no matter how many members and messages there are. A
// message that was sent while its sender was alone in the group lies below every read point that is
// compared for its sender, and is in no range.
func (t *tx) markRead(ctx context.Context, conv conversation, m ownCopy, to int64, goes bool, now int64) error {
	lowest, next, holder, err := t.lowestReadPoints(ctx, conv, m)
	if err != nil {
		return err
	}
	if goes {
		to = math.MaxInt64
	}
	if m.readSeq < lowest {
		if err := t.mark(ctx, conv, m.owner, false, m.readSeq, min(to, lowest, conv.lastSeq), now); err != nil {
			return err
		}
	}
	if holder == "" {
		return nil
	}
	// Up to there, the first range covers the messages, or they had been read before.
	from := max(min(m.readSeq, next), min(lowest, to))
	if m.readSeq >= lowest {
		from = min(m.readSeq, next)
	}
	return t.mark(ctx, conv, holder, true, from, min(to, next, conv.lastSeq), now)
}

// lowestReadPoints returns the two lowest read points of the present members other than m, and the
// member with the lowest. A point that does not exist is math.MaxInt64.
func (t *tx) lowestReadPoints(ctx context.Context, conv conversation, m ownCopy) (lowest, next int64, holder user.ID, err error) {
	lowest, next = math.MaxInt64, math.MaxInt64
	n := 0
	err = t.query(ctx, `SELECT c.owner, c.read_seq FROM {copies} c WHERE c.conversation_id = $1 AND c.kind = 2 AND c.end_event = 0 AND c.id <> $2
		ORDER BY c.read_seq LIMIT 2`, []any{conv.id, m.id}, func(rows *sql.Rows) error {
		var owner user.ID
		var seq int64
		err := rows.Scan(&owner, &seq)
		if n++; n == 1 {
			holder, lowest = owner, seq
		} else {
			next = seq
		}
		return err
	})
	return lowest, next, holder, err
}

func (t *tx) mark(ctx context.Context, conv conversation, sender user.ID, only bool, from, to, now int64) error {
	if from >= to {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO {read_marks} (conversation_id, sender, only_sender, from_seq, to_seq, at) VALUES ($1, $2, $3, $4, $5, $6)`,
		conv.id, string(sender), only, from, to, now)
	return err
}
