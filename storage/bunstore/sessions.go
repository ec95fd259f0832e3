package bunstore

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// CreateSession implements [token.Store].
func (s *Store) CreateSession(ctx context.Context, l token.Login) error {
	return s.act(ctx, func(t *tx) error {
		n := l.Session
		valid, err := t.lockVerified(ctx, number(n.User), l.PasswordVersion)
		if err != nil {
			return err
		}
		if !valid {
			return token.Refused()
		}
		if _, err := t.exec(ctx, `INSERT INTO {sessions} (id, user_number, began_at, lives_until) VALUES ($1, $2, $3, $4)`,
			n.ID, number(n.User), micros(n.Began), micros(l.Until)); err != nil {
			return err
		}
		return t.insertToken(ctx, n.ID, l.Refresh, l.Expires)
	})
}

// insertToken stores a refresh token.
func (t *tx) insertToken(ctx context.Context, session string, hash []byte, expires time.Time) error {
	_, err := t.exec(ctx, `INSERT INTO {refresh_tokens} (hash, session_id, expires_at) VALUES ($1, $2, $3)`, hash, session, micros(expires))
	return err
}

// SessionActive implements [token.Store].
func (s *Store) SessionActive(ctx context.Context, u user.ID, id string) (bool, error) {
	return s.reader().exists(ctx, `SELECT 1 FROM {sessions} WHERE id = $1 AND user_number = $2 AND NOT ended`, id, number(u))
}

// RotateRefresh implements [token.Store].
func (s *Store) RotateRefresh(ctx context.Context, r token.Rotation) (token.Session, error) {
	var in token.Session
	var allowed bool
	err := s.act(ctx, func(t *tx) (err error) {
		var spent time.Time
		if in, spent, err = t.lockSession(ctx, r.Spent, r.Now, r.Until); err != nil {
			return err
		}
		if allowed = r.Allows(spent); !allowed {
			return t.endSession(ctx, in) // committed, although the caller is refused
		}
		return t.rotate(ctx, r, in, spent.IsZero())
	})
	if err == nil && !allowed {
		err = token.Refused()
	}
	if err != nil {
		return token.Session{}, err
	}
	return in, nil
}

// lockSession locks the session of a refresh token. Every operation on the token's family begins
// with it. It refuses a token that is unknown or expired, and one whose session has ended. It
// extends lives_until of the session to until, if that is later. It returns when the token was
// first spent, or the zero time if it was not.
func (t *tx) lockSession(ctx context.Context, hash []byte, now, until time.Time) (in token.Session, firstSpent time.Time, err error) {
	var owner, began int64
	lasts, err := t.row(ctx, `
		UPDATE {sessions} SET lives_until = CASE WHEN lives_until < $2 THEN $2 ELSE lives_until END
		WHERE id = (SELECT session_id FROM {refresh_tokens} WHERE hash = $1) AND NOT ended RETURNING id, user_number, began_at`,
		[]any{hash, micros(until)}, &in.ID, &owner, &began)
	if err != nil {
		return token.Session{}, time.Time{}, err
	}
	in.User, in.Began = accountID(owner), moment(began)

	var expires, spent int64
	found, err := t.row(ctx, `SELECT expires_at, spent_at FROM {refresh_tokens} WHERE hash = $1`, []any{hash}, &expires, &spent)
	if err != nil {
		return token.Session{}, time.Time{}, err
	}
	if !lasts || !found || !now.Before(moment(expires)) {
		return token.Session{}, time.Time{}, token.Refused()
	}
	return in, moment(spent), nil
}

// rotate stores the successor of the spent token. first reports whether this is the first use of
// the spent token.
func (t *tx) rotate(ctx context.Context, r token.Rotation, in token.Session, first bool) error {
	if first {
		if _, err := t.exec(ctx, `UPDATE {refresh_tokens} SET spent_at = $2 WHERE hash = $1`, r.Spent, micros(r.Now)); err != nil {
			return err
		}
	}
	return t.insertToken(ctx, in.ID, r.Next, r.Expires)
}

// RevokeRefresh implements [token.Store].
func (s *Store) RevokeRefresh(ctx context.Context, refresh []byte, now time.Time) (token.Session, error) {
	var in token.Session
	err := s.act(ctx, func(t *tx) (err error) {
		if in, _, err = t.lockSession(ctx, refresh, now, time.Time{}); err != nil {
			return err
		}
		return t.endSession(ctx, in)
	})
	if err != nil {
		return token.Session{}, err
	}
	return in, nil
}

// EndSession implements [token.Store].
func (s *Store) EndSession(ctx context.Context, u user.ID, id string) error {
	if !u.Valid() {
		return storage.NotFound()
	}
	if err := storage.CheckText("session", id); err != nil {
		return err
	}
	return s.act(ctx, func(t *tx) error {
		if id == "" {
			if _, err := t.lockAccount(ctx, number(u)); err != nil {
				return err
			}
			return t.endSessions(ctx, u)
		}
		var owner int64
		ours, err := t.row(ctx, `UPDATE {sessions} SET ended = ended WHERE id = $1 RETURNING user_number`, []any{id}, &owner)
		if err != nil {
			return err
		}
		if ours && owner != number(u) {
			return nil
		}
		if ours {
			return t.endSession(ctx, token.Session{ID: id, User: u})
		}
		return t.recordEnd(ctx, u, id)
	})
}

// endSession ends a session unless it has already ended.
func (t *tx) endSession(ctx context.Context, in token.Session) error {
	n, err := t.exec(ctx, `UPDATE {sessions} SET ended = TRUE WHERE id = $1 AND NOT ended`, in.ID)
	if err != nil || n == 0 {
		return err
	}
	return t.recordEnd(ctx, in.User, in.ID)
}

// endSessions ends every session of a user. For a user of the host, whose sessions only the host
// knows, it only records that. The account must be locked.
func (t *tx) endSessions(ctx context.Context, u user.ID) error {
	if _, err := t.exec(ctx, `UPDATE {sessions} SET ended = TRUE WHERE user_number = $1 AND NOT ended`, number(u)); err != nil {
		return err
	}
	return t.recordEnd(ctx, u, "")
}

// recordEnd records that a session of the user ended. With "", all sessions ended.
func (t *tx) recordEnd(ctx context.Context, u user.ID, session string) error {
	if t.dialect == PostgreSQL {
		// A session of the host is not stored here, so nothing has drawn the transaction number
		// yet: see record.
		if _, err := t.exec(ctx, `SELECT pg_current_xact_id()`); err != nil {
			return err
		}
	}
	_, err := t.record(ctx, realtime.Record{Operation: realtime.SessionEnded, Recipient: u, Actor: u, Session: session, At: t.now()})
	return err
}

// PurgeSessions implements [token.Store].
func (s *Store) PurgeSessions(ctx context.Context, expired time.Time, limit int) (removed int, err error) {
	if limit <= 0 {
		return 0, nil
	}
	limit = min(limit, maxPurge)
	err = s.act(ctx, func(t *tx) error {
		tokens, err := t.exec(ctx, `DELETE FROM {refresh_tokens} WHERE hash IN (
			SELECT hash FROM {refresh_tokens} WHERE expires_at < $1 ORDER BY expires_at, hash LIMIT $2)`, micros(expired), limit)
		if err != nil {
			return err
		}
		// A concurrent refresh moves lives_until, so the DELETE checks the condition again after it
		// has locked the row.
		sessions, err := t.exec(ctx, `DELETE FROM {sessions} WHERE lives_until < $1 AND id IN (
			SELECT s.id FROM {sessions} s WHERE s.lives_until < $1
			AND NOT EXISTS (SELECT 1 FROM {refresh_tokens} r WHERE r.session_id = s.id) ORDER BY s.lives_until, s.id LIMIT $2)`, micros(expired), limit)
		removed = int(tokens + sessions)
		return err
	})
	return removed, err
}
