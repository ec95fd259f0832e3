package main

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/user"
)

const cookieName = "login"

// A login names the member who is logged in, and the cookie that proves it. The zero value means
// that no member is logged in.
type login struct{ id, member string }

type loginKey struct{}

func loginOf(ctx context.Context) login {
	l, _ := ctx.Value(loginKey{}).(login)
	return l
}

// withLogin is the application's middleware. It looks up the login for the request's cookie.
func (s *site) withLogin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie(cookieName); err == nil {
			l := login{id: cookie.Value}
			err := s.db.QueryRowContext(r.Context(), `SELECT member FROM logins WHERE id = ?`, l.id).Scan(&l.member)
			if err == nil {
				r = r.WithContext(context.WithValue(r.Context(), loginKey{}, l))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// cookies tells the chat API who is calling: the login that the middleware found. It is a
// [graphqlapi.Authenticator].
type cookies struct{}

func (cookies) Authenticate(_ context.Context, r *http.Request, _ string) (graphqlapi.Identity, error) {
	l := loginOf(r.Context())
	return graphqlapi.Identity{User: user.ID(l.member), Session: l.id}, nil
}

// login accepts any member's name without proof. A real application checks a password here.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	var member string
	if err := s.db.QueryRowContext(r.Context(), `SELECT id FROM members WHERE name = ?`, r.PostFormValue("name")).Scan(&member); err != nil {
		http.Error(w, "there is no such member", http.StatusForbidden)
		return
	}
	id := rand.Text()
	if _, err := s.db.ExecContext(r.Context(), `INSERT INTO logins VALUES (?, ?)`, id, member); err != nil {
		http.Error(w, "cannot log in", http.StatusInternalServerError)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}) //nolint:gosec // served without TLS
}

// logout ends the login. EndSessions closes the chat sockets that the login opened.
func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	l := loginOf(r.Context())
	if l.member == "" {
		return
	}
	_, err := s.db.ExecContext(r.Context(), `DELETE FROM logins WHERE id = ?`, l.id)
	if err == nil {
		err = s.app.EndSessions(r.Context(), user.ID(l.member), l.id)
	}
	if err != nil {
		http.Error(w, "cannot log out", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
