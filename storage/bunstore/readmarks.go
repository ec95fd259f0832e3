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
		v, own, err := t.lockKind(ctx, chat.Group, c)
		if err != nil {
			return err
		}
		if m, err = t.shown(ctx, c, message); err != nil || m.Seq <= own.readSeq {
			return err
		}
		now := t.time()
		if err := t.markRead(ctx, v, own, m.Seq, false, now); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {copies} SET read_seq = $2 WHERE id = $1`, own.id, m.Seq); err != nil {
			return err
		}
		if own, err := t.nothingButOwn(ctx, own, m); own || err != nil {
			return err
		}
		if _, err := t.record(ctx, realtime.Record{Operation: realtime.GroupMessageRead, At: moment(now), Conversation: v.id, Kind: v.kind,
			Actor: own.owner, Message: m.ID, Seq: m.Seq, From: own.readSeq}); err != nil {
			return err
		}
		m, err = t.shown(ctx, c, message)
		return err
	})
	return m, err
}

// nothingButOwn reports whether all that lies behind the owner's read point, up to a message, is of the owner's own. What nobody has any more does not
// count, whether it was purged already or not.
func (t *tx) nothingButOwn(ctx context.Context, own ownCopy, m chat.Message) (bool, error) {
	if m.Sender != own.owner {
		return false, nil
	}
	others, err := t.row(ctx, `SELECT 1 FROM {messages} x WHERE x.conversation_id = $1 AND x.seq > $2 AND x.seq < $3 AND x.sender <> $4 AND `+there+` AND `+hadByAny+` LIMIT 1`,
		[]any{m.Conversation, own.readSeq, m.Seq, string(own.owner)}, new(int64))
	return !others, err
}

// markRead writes down which messages have now been read by everybody concerned, as the read point of a member moves from where it is to
// the place to, or as the member goes.
//
// A message has been read by everybody when the lowest read point of the present members other than its sender has passed it. (Whoever joined behind
// it has a read point behind it from the start.) For the sender of a message, that lowest point can move with this member's in two ways only:
//
//   - For everybody but this member it is this member's own, if that is the lowest; it rises up to the next lowest.
//   - For the one who has the lowest point of the others, it is this member's own or the second lowest of the others.
//
// So two ranges at most say it all, however many members and messages there are. A message that was sent with nobody else there lies below every
// read point that is ever compared for its sender, and is in no range.
func (t *tx) markRead(ctx context.Context, v conversation, m ownCopy, to int64, goes bool, now int64) error {
	lowest, next, holder, err := t.lowestReadPoints(ctx, v, m)
	if err != nil {
		return err
	}
	if goes {
		to = math.MaxInt64
	}
	if m.readSeq < lowest {
		if err := t.mark(ctx, v, m.owner, false, m.readSeq, min(to, lowest, v.lastSeq), now); err != nil {
			return err
		}
	}
	if holder == "" {
		return nil
	}
	from := max(min(m.readSeq, next), min(lowest, to)) // up to there the first range has it, or it had been read before
	if m.readSeq >= lowest {
		from = min(m.readSeq, next)
	}
	return t.mark(ctx, v, holder, true, from, min(to, next, v.lastSeq), now)
}

// lowestReadPoints returns the two lowest read points of the present members other than m, and who has the lowest. Where there
// are none, they are as high as can be.
func (t *tx) lowestReadPoints(ctx context.Context, v conversation, m ownCopy) (lowest, next int64, holder user.ID, err error) {
	lowest, next = math.MaxInt64, math.MaxInt64
	n := 0
	err = t.query(ctx, `SELECT c.owner, c.read_seq FROM {copies} c WHERE c.conversation_id = $1 AND c.kind = 2 AND c.end_event = 0 AND c.id <> $2
		ORDER BY c.read_seq LIMIT 2`, []any{v.id, m.id}, func(rows *sql.Rows) error {
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

func (t *tx) mark(ctx context.Context, v conversation, sender user.ID, only bool, from, to, now int64) error {
	if from >= to {
		return nil
	}
	_, err := t.exec(ctx, `INSERT INTO {read_marks} (conversation_id, sender, only_sender, from_seq, to_seq, at) VALUES ($1, $2, $3, $4, $5, $6)`,
		v.id, string(sender), only, from, to, now)
	return err
}
