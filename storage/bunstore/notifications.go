package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// marked is the SQL of when the owner of the copy c marked the notification of the message x as
// read, 0 for never.
const marked = `COALESCE((SELECT n.at FROM {notification_reads} n WHERE n.copy_id = c.id AND n.message_id = x.id), 0)`

func (r *messageRow) scanNotification(rows *sql.Rows) (notify.Notification, error) {
	m, err := r.scan(rows, 4)
	return notify.Notification{Copy: r.copy(), Message: m, ReadAt: moment(r.more)}, err
}

const notificationColumns = messageColumns + copyOfMessage + `, ` + marked

// ListNotifications implements [notify.Store]. Its cost grows with the number of the user's
// conversations.
func (s *Store) ListNotifications(ctx context.Context, u user.ID, f notify.Filter, r storage.Range) (found []notify.Notification, err error) {
	where := `x.conversation_id = c.conversation_id AND x.sender <> c.owner AND ` + visible
	if f.Read != nil {
		exists := ` AND EXISTS (`
		if !*f.Read {
			exists = ` AND NOT EXISTS (`
		}
		where += exists + `SELECT 1 FROM {notification_reads} n WHERE n.copy_id = c.id AND n.message_id = x.id)`
	}
	sp := newSpan(r, "x.id", true, []any{userArg(u)})
	from := s.joinFirst(`{copies} c`, `{messages}`, sp.and(where), sp.order, sp.limit)
	row := newMessageRow()
	err = s.reader().query(ctx, `SELECT `+notificationColumns+` FROM `+from+` WHERE c.owner = $1 AND c.end_event = 0 ORDER BY `+sp.order+` LIMIT `+sp.limit,
		sp.args, func(rows *sql.Rows) error {
			n, err := row.scanNotification(rows)
			found = append(found, n)
			return err
		})
	if sp.reverse {
		reverse(found)
	}
	return found, err
}

// The SQL that counts all notifications of the user $1, and those marked as read.
var (
	countNotifications = `(SELECT CAST(COALESCE(sum(` + countOthers(`c.cleared_seq`) + `), 0) AS BIGINT)
		FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id WHERE c.owner = $1 AND c.end_event = 0)`
	countMarked = `(SELECT count(*) FROM {copies} c JOIN {notification_reads} n ON n.copy_id = c.id JOIN {messages} x ON x.id = n.message_id
		WHERE c.owner = $1 AND c.end_event = 0 AND ` + visible + `)`
)

// CountNotifications implements [notify.Store]. It runs one statement, so that both counts come
// from the same snapshot.
func (s *Store) CountNotifications(ctx context.Context, u user.ID, f notify.Filter) (n int, err error) {
	count := countNotifications
	switch {
	case f.Read == nil:
	case *f.Read:
		count = countMarked
	default:
		count += ` - ` + countMarked
	}
	_, err = s.reader().row(ctx, `SELECT `+count, []any{userArg(u)}, &n)
	return n, err
}

// Notification implements [notify.Store].
func (s *Store) Notification(ctx context.Context, c chat.Copy, message int64) (notify.Notification, error) {
	return s.reader().notification(ctx, c, message)
}

func (t *tx) notification(ctx context.Context, c chat.Copy, message int64) (n notify.Notification, err error) {
	found := false
	err = t.query(ctx, `SELECT `+notificationColumns+` FROM {copies} c JOIN {messages} x ON x.conversation_id = c.conversation_id
		WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0 AND x.id = $4 AND x.sender <> c.owner AND `+visible,
		[]any{c.ID, userArg(c.Owner), int64(c.Kind), message}, func(rows *sql.Rows) (err error) {
			found = true
			n, err = newMessageRow().scanNotification(rows)
			return err
		})
	if err == nil && !found {
		err = storage.NotFound()
	}
	return n, err
}

// MarkNotification implements [notify.Store].
func (s *Store) MarkNotification(ctx context.Context, c chat.Copy, message int64) (n notify.Notification, err error) {
	defer emptyOnError(&err, &n)
	err = s.act(ctx, func(t *tx) error {
		if _, _, err := t.lock(ctx, c); err != nil {
			return err
		}
		if n, err = t.notification(ctx, c, message); err != nil || !n.ReadAt.IsZero() {
			return err
		}
		now := t.time()
		n.ReadAt = moment(now)
		_, err := t.exec(ctx, `INSERT INTO {notification_reads} (copy_id, message_id, at) VALUES ($1, $2, $3)`, c.ID, message, now)
		return err
	})
	return n, err
}
