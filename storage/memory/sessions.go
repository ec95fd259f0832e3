package memory

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

type session struct {
	token.Session
	ended bool
	until time.Time // from then on, all of its tokens have expired
}

// refreshToken is one token of a session's family.
type refreshToken struct {
	session string
	expires time.Time
	spent   time.Time // the first use, or zero if it was not used
}

// CreateSession implements [token.Store].
func (s *Store) CreateSession(ctx context.Context, l token.Login) error {
	return run(ctx, s, func(a *act) error {
		acc, err := a.account(l.Session.User)
		if err != nil || acc.PasswordVersion != l.PasswordVersion {
			return token.Refused()
		}
		a.sessions[l.Session.ID] = &session{Session: l.Session, until: l.Until}
		a.refresh[string(l.Refresh)] = &refreshToken{session: l.Session.ID, expires: l.Expires}
		return nil
	})
}

// SessionActive implements [token.Store].
func (s *Store) SessionActive(ctx context.Context, u user.ID, id string) (bool, error) {
	return readState(ctx, s, func(st *state) (bool, error) {
		in, ok := st.sessions[id]
		return ok && in.User == u && !in.ended, nil
	})
}

// RotateRefresh implements [token.Store].
func (s *Store) RotateRefresh(ctx context.Context, r token.Rotation) (token.Session, error) {
	return change(ctx, s, func(a *act) (token.Session, error) {
		spent, in, err := a.usable(r.Spent, r.Now)
		if err != nil {
			return token.Session{}, err
		}
		if !r.Allows(spent.spent) {
			a.endSession(in)
			return token.Session{}, token.Refused()
		}
		if spent.spent.IsZero() {
			spent.spent = r.Now
		}
		if r.Until.After(in.until) {
			in.until = r.Until
		}
		a.refresh[string(r.Next)] = &refreshToken{session: in.ID, expires: r.Expires}
		return in.Session, nil
	})
}

// usable returns a token that exists, has not expired, and whose session has not ended. It may have
// been used.
func (s *state) usable(hash []byte, now time.Time) (*refreshToken, *session, error) {
	t, ok := s.refresh[string(hash)]
	if !ok || !now.Before(t.expires) || s.sessions[t.session].ended {
		return nil, nil, token.Refused()
	}
	return t, s.sessions[t.session], nil
}

// RevokeRefresh implements [token.Store].
func (s *Store) RevokeRefresh(ctx context.Context, refresh []byte, now time.Time) (token.Session, error) {
	return change(ctx, s, func(a *act) (token.Session, error) {
		_, in, err := a.usable(refresh, now)
		if err != nil {
			return token.Session{}, err
		}
		a.endSession(in)
		return in.Session, nil
	})
}

// EndSession implements [token.Store].
func (s *Store) EndSession(ctx context.Context, u user.ID, id string) error {
	if !u.Valid() {
		return storage.NotFound()
	}
	if err := storage.CheckText("session", id); err != nil {
		return err
	}
	return run(ctx, s, func(a *act) error {
		in, ok := a.sessions[id]
		switch {
		case id == "":
			a.endSessions(u)
		case ok && in.User == u:
			a.endSession(in)
		case !ok:
			a.record(realtime.Record{Operation: realtime.SessionEnded, Recipient: u, Actor: u, Session: id})
		}
		return nil
	})
}

// endSession ends one session, if it has not ended.
func (a *act) endSession(in *session) {
	if in.ended {
		return
	}
	in.ended = true
	a.record(realtime.Record{Operation: realtime.SessionEnded, Recipient: in.User, Actor: in.User, Session: in.ID})
}

// endSessions ends every session of the user and returns the id of the record of it.
func (a *act) endSessions(u user.ID) int64 {
	for _, in := range a.sessions {
		if in.User == u {
			in.ended = true
		}
	}
	return a.record(realtime.Record{Operation: realtime.SessionEnded, Recipient: u, Actor: u})
}

// PurgeSessions implements [token.Store].
func (s *Store) PurgeSessions(ctx context.Context, expired time.Time, limit int) (int, error) {
	return change(ctx, s, func(a *act) (int, error) { return a.purgeSessions(expired, limit), nil })
}

func (a *act) purgeSessions(expired time.Time, limit int) int {
	tokens, sessions := 0, 0
	inUse := map[string]bool{}
	for hash, t := range a.refresh {
		if tokens < limit && t.expires.Before(expired) {
			delete(a.refresh, hash)
			tokens++
			continue
		}
		inUse[t.session] = true
	}
	for id, in := range a.sessions {
		if sessions < limit && in.until.Before(expired) && !inUse[id] {
			delete(a.sessions, id)
			sessions++
		}
	}
	return tokens + sessions
}
