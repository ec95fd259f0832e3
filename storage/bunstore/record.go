package bunstore

import (
	"context"
	"database/sql"
	"math/rand/v2"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// record writes a record into the log and returns its id. joined are the users whose copies begin
// with it. The transaction must have written something before, usually by locking its conversation:
// on PostgreSQL, tails rely on a transaction number that was drawn before the id of the record.
func (t *tx) record(ctx context.Context, r realtime.Record, joined ...user.ID) (int64, error) {
	t.changed = r.AppendStreams(t.changed, joined...)
	var id int64
	_, err := t.row(ctx, `
		INSERT INTO {events} (nonce, operation, at, conversation_id, kind, recipient, actor, message_id, seq, from_seq, member_id, session, erased)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id`,
		[]any{nonce(), string(r.Operation), micros(r.At), r.Conversation, int64(r.Kind), string(r.Recipient), string(r.Actor),
			r.Message, r.Seq, r.From, r.Member, r.Session, r.Erased}, &id)
	return id, err
}

// nonce returns a random number that tells one log from another. It is not a secret.
func nonce() int64 { return rand.Int64() } //nolint:gosec // see above

const recordColumns = `e.id, e.nonce, e.operation, e.at, e.conversation_id, e.kind, e.recipient, e.actor, e.message_id, e.seq, e.from_seq, e.member_id, e.session, e.erased`

func scanRecord(rows *sql.Rows, more ...any) (realtime.Record, error) {
	var r realtime.Record
	var at int64
	into := append([]any{&r.ID, &r.Nonce, &r.Operation, &at, &r.Conversation, &r.Kind, &r.Recipient, &r.Actor,
		&r.Message, &r.Seq, &r.From, &r.Member, &r.Session, &r.Erased}, more...)
	err := rows.Scan(into...)
	r.At = moment(at)
	return r, err
}
