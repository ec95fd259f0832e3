package bunstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

var errEraseInSnapshot = errors.New("bunstore: EraseUser needs READ COMMITTED: a transaction at a higher isolation level does not see chats that were opened since it began; erase the user outside of a transaction, or in one at READ COMMITTED")

// EraseUser implements [user.Store]. Its cost grows with the user's chats and groups. [Store.Purge]
// removes the content of the user's messages.
func (s *Store) EraseUser(ctx context.Context, id user.ID) error {
	return s.erase(ctx, id, func(*tx) error { return nil })
}

// EraseVerified implements [user.Store].
func (s *Store) EraseVerified(ctx context.Context, id user.ID, passwordVersion int64) error {
	return s.erase(ctx, id, func(t *tx) error {
		valid, err := t.lockVerified(ctx, number(id), passwordVersion)
		if err != nil || valid {
			return err
		}
		exists, err := t.exists(ctx, `SELECT 1 FROM {users} WHERE number = $1`, number(id))
		if err == nil {
			err = storage.NotFound()
			if exists {
				err = user.PasswordChanged()
			}
		}
		return err
	})
}

// erase erases a user, unless check returns an error.
func (s *Store) erase(ctx context.Context, id user.ID, check func(t *tx) error) error {
	if !id.Valid() {
		return storage.NotFound()
	}
	return s.act(ctx, func(t *tx) error {
		switch old, err := t.snapshot(ctx); {
		case err != nil:
			return err
		case old:
			return errEraseInSnapshot
		}
		if err := t.lockUserToErase(ctx, id); err != nil {
			return err
		}
		if err := check(t); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO {erasures} (owner, at) VALUES ($1, $2) ON CONFLICT (owner) DO NOTHING`, string(id), t.time())
		if err != nil || n == 0 {
			return err
		}
		if err := t.eraseAccount(ctx, id); err != nil {
			return err
		}
		ended, err := t.record(ctx, realtime.Record{Operation: realtime.SessionEnded, At: moment(t.time()), Recipient: id})
		if err != nil {
			return err
		}
		conversations, err := t.conversationsOf(ctx, id)
		if err != nil {
			return err
		}
		for _, conversation := range conversations {
			if err := t.eraseFrom(ctx, conversation, id, ended); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, `UPDATE {groups} SET created_by = '' WHERE created_by = $1`, string(id))
		return err
	})
}

// conversationsOf returns the conversations that the user takes part in, and the groups that the
// user has left and that still have messages of the user. They are in the order of locking.
func (t *tx) conversationsOf(ctx context.Context, id user.ID) (ids []int64, err error) {
	err = t.query(ctx, `SELECT DISTINCT c.conversation_id FROM {copies} c WHERE c.owner = $1 AND (c.end_event = 0 OR c.kind = 2 AND EXISTS (
			SELECT 1 FROM {messages} x WHERE x.sender = c.owner AND x.conversation_id = c.conversation_id AND NOT x.gone)) ORDER BY c.conversation_id`,
		[]any{string(id)}, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, err
}

// eraseFrom removes a user from a conversation. sessions is the id of the record that ended the
// user's sessions.
func (t *tx) eraseFrom(ctx context.Context, id int64, u user.ID, sessions int64) error {
	conv, err := t.lockConversation(ctx, `v.id = $1`, id)
	if err != nil {
		return ignoreNotFound(err) // deleted after it was listed
	}
	var own ownCopy
	present, err := t.row(ctx, `SELECT `+copyColumns+` FROM {copies} c WHERE c.conversation_id = $1 AND c.owner = $2 AND c.end_event = 0`,
		[]any{conv.id, string(u)}, own.into()...)
	if err != nil {
		return err
	}
	if !present {
		return t.eraseFormer(ctx, conv, u)
	}
	if conv.kind == chat.Group {
		return t.leave(ctx, conv, own, realtime.Record{Operation: realtime.MemberLeft, Erased: true})
	}
	ended := sessions
	if own.other != own.owner {
		if ended, err = t.record(ctx, realtime.Record{Operation: realtime.ChatDeleted, At: moment(t.time()), Conversation: conv.id, Kind: conv.kind,
			Recipient: own.other, Erased: true}); err != nil {
			return err
		}
	}
	return t.endCopies(ctx, conv, ended, `TRUE`)
}

// eraseFormer records in a group that a user who left it earlier is erased, so that members drop
// that user's messages. It records nothing if no copy shows any of them.
func (t *tx) eraseFormer(ctx context.Context, conv conversation, u user.ID) error {
	var member int64
	found, err := t.row(ctx, `SELECT f.id FROM {copies} f JOIN {groups} g ON g.conversation_id = f.conversation_id
		WHERE f.owner = $1 AND f.kind = 2 AND f.conversation_id = $2 AND EXISTS (SELECT 1 FROM {messages} x
			WHERE x.sender = $1 AND x.conversation_id = $2 AND NOT x.gone AND `+anyCopyHasMessage+`)
		ORDER BY f.id DESC LIMIT 1`, []any{string(u), conv.id}, &member)
	if err != nil || !found {
		return err
	}
	_, err = t.record(ctx, realtime.Record{Operation: realtime.MemberLeft, At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Member: member, Erased: true})
	return err
}
