package bunstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Message implements [chat.MessageStore].
func (s *Store) Message(ctx context.Context, c chat.Copy, message int64) (chat.Message, error) {
	return s.reader().shown(ctx, c, message)
}

// FindMessage implements [chat.MessageStore].
func (s *Store) FindMessage(ctx context.Context, viewer user.ID, message int64) (m chat.Message, c chat.Copy, err error) {
	found := false
	err = s.reader().query(ctx, `SELECT `+messageColumns+copyOfMessage+` FROM {messages} x
		JOIN {copies} c ON c.conversation_id = x.conversation_id AND c.owner = $2 AND c.end_event = 0 WHERE x.id = $1 AND `+visible,
		[]any{message, userArg(viewer)}, func(rows *sql.Rows) (err error) {
			found = true
			row := newMessageRow()
			m, err = row.scan(rows, 3)
			c = row.copy()
			return err
		})
	if err == nil && !found {
		err = storage.NotFound()
	}
	return m, c, err
}

// span is the SQL of a range: bounds on an expression by which the list is ordered, the order to
// read in and the limit.
type span struct {
	conditions []string
	args       []any
	order      string
	limit      string
	reverse    bool // the rows that were read must be reversed
}

// newSpan returns the SQL of r for a list ordered by the expression. Its arguments are numbered
// after the given ones.
func newSpan(r storage.Range, expression string, descending bool, args []any) span {
	sp := span{args: args}
	bound := func(k *storage.Key, less bool) {
		if k == nil {
			return
		}
		sp.args = append(sp.args, k.Major)
		op := ">"
		if less {
			op = "<"
		}
		sp.conditions = append(sp.conditions, fmt.Sprintf("%s %s $%d", expression, op, len(sp.args)))
	}
	bound(r.After, descending)
	bound(r.Before, !descending)
	sp.order = expression
	if descending != r.Backward {
		sp.order += " DESC"
	}
	sp.args = append(sp.args, r.Limit)
	sp.limit = fmt.Sprintf("$%d", len(sp.args))
	sp.reverse = r.Backward
	return sp
}

// and adds the bounds of the span to a condition.
func (sp span) and(condition string) string {
	return strings.Join(append([]string{condition}, sp.conditions...), " AND ")
}

// Messages implements [chat.MessageStore].
func (s *Store) Messages(ctx context.Context, copies []chat.Copy, r storage.Range) ([][]chat.Message, error) {
	sp := newSpan(r, "x.seq", true, []any{list(s, copyIDs(copies))})
	from := s.joinFirst(`{copies} c`, `{messages}`, sp.and(`x.conversation_id = c.conversation_id AND `+visible), sp.order, sp.limit)
	found, row := make(map[chat.Copy][]chat.Message, len(copies)), newMessageRow()
	err := s.reader().query(ctx, `SELECT `+messageColumns+copyOfMessage+` FROM `+from+` WHERE `+s.in("c.id", "$1", "bigint")+` AND c.end_event = 0
		ORDER BY c.id, x.seq DESC`, sp.args, func(rows *sql.Rows) error {
		m, err := row.scan(rows, 3)
		c := row.copy()
		found[c] = append(found[c], m)
		return err
	})
	return inKeyOrder(copies, found), err
}

// LastMessages implements [chat.MessageStore].
func (s *Store) LastMessages(ctx context.Context, copies []chat.Copy) ([]*chat.Message, error) {
	lists, err := s.Messages(ctx, copies, storage.Range{Limit: 1})
	if err != nil {
		return nil, err
	}
	last := make([]*chat.Message, len(copies))
	for i, l := range lists {
		if len(l) > 0 {
			last[i] = &l[0]
		}
	}
	return last, nil
}

// countOthers returns the SQL that counts the messages of other users after floor that the copy c
// shows. It takes the sequence numbers after floor and subtracts tombstones, the owner's own
// messages, hidden ones, and those of users who are being erased. These sets are disjoint, and each
// is counted by an index of its own.
func countOthers(floor string) string {
	return `(v.last_seq - ` + floor + `
		- (SELECT count(*) FROM {messages} g WHERE g.conversation_id = c.conversation_id AND g.seq > ` + floor + ` AND g.gone)
		- (SELECT count(*) FROM {messages} o WHERE o.sender = c.owner AND o.conversation_id = c.conversation_id AND o.seq > ` + floor + ` AND NOT o.gone)
		- (SELECT count(*) FROM {hidden} h WHERE h.copy_id = c.id AND h.seq > ` + floor + ` AND NOT h.gone AND NOT h.own)
		- ` + countErasing(floor) + `)`
}

func countErasing(floor string) string {
	return `(SELECT count(*) FROM {erasures} z JOIN {messages} e ON e.sender = z.owner AND e.conversation_id = c.conversation_id AND e.seq > ` + floor + ` AND NOT e.gone
			WHERE NOT z.done AND NOT EXISTS (SELECT 1 FROM {hidden} h WHERE h.copy_id = c.id AND h.message_id = e.id))`
}

const countAll = `(v.last_seq - c.cleared_seq
		- (SELECT count(*) FROM {messages} g WHERE g.conversation_id = c.conversation_id AND g.seq > c.cleared_seq AND g.gone)
		- (SELECT count(*) FROM {hidden} h WHERE h.copy_id = c.id AND h.seq > c.cleared_seq AND NOT h.gone)`

// unreadFloor is the sequence number after which messages are unread in a copy of a group.
const unreadFloor = `(CASE WHEN c.read_seq > c.cleared_seq THEN c.read_seq ELSE c.cleared_seq END)`

// CountMessages implements [chat.MessageStore].
func (s *Store) CountMessages(ctx context.Context, copies []chat.Copy) ([]int, error) {
	return s.countCopies(ctx, copies, countAll+` - `+countErasing(`c.cleared_seq`)+`)`)
}

// CountUnread implements [chat.MessageStore].
func (s *Store) CountUnread(ctx context.Context, copies []chat.Copy) ([]int, error) {
	return s.countCopies(ctx, copies, `(CASE WHEN c.kind = 1 THEN CASE c.side WHEN 1 THEN v.unread_1 WHEN 2 THEN v.unread_2 ELSE 0 END ELSE `+countOthers(unreadFloor)+` END)`)
}

func (s *Store) countCopies(ctx context.Context, copies []chat.Copy, count string) ([]int, error) {
	found := make(map[chat.Copy]int, len(copies))
	err := s.reader().query(ctx, `SELECT c.kind, c.id, c.owner, `+count+` FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
		WHERE `+s.in("c.id", "$1", "bigint")+` AND c.end_event = 0`, []any{list(s, copyIDs(copies))}, func(rows *sql.Rows) error {
		var c chat.Copy
		var n int
		err := rows.Scan(&c.Kind, &c.ID, &c.Owner, &n)
		found[c] = n
		return err
	})
	return inKeyOrder(copies, found), err
}

func copyIDs(copies []chat.Copy) []int64 {
	ids := make([]int64, len(copies))
	for i, c := range copies {
		ids[i] = c.ID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// reverse reverses a page that was read backward.
func reverse[T any](items []T) { slices.Reverse(items) }

func inKeyOrder[K comparable, V any](keys []K, found map[K]V) []V {
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = found[k]
	}
	return values
}
