package graphqlapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user/token"
)

// tokenAuthenticator verifies the access tokens of the built-in users.
type tokenAuthenticator struct{ tokens *token.Service }

func (a tokenAuthenticator) Authenticate(ctx context.Context, _ *http.Request, access string) (Identity, error) {
	if access == "" {
		return Identity{}, nil
	}
	claims, err := a.tokens.Verify(ctx, access)
	if err != nil {
		return Identity{}, err
	}
	return Identity{User: claims.UserID, Session: claims.Session, Expires: claims.Expires}, nil
}

// authenticate identifies the sender of an HTTP request. An invalid token counts as no token, so
// that operations that need no login still work.
func (h *Handler) authenticate(ctx context.Context, r *http.Request) (viewer, error) {
	access, _ := bearer(r.Header.Get("Authorization"))
	identity, err := h.authenticator.Authenticate(ctx, r, access)
	v := viewer{Identity: identity, token: access, request: r}
	switch {
	case errors.Is(err, storage.ErrTokenExpired):
		v.Identity, v.refused = Identity{}, "expired"
	case errors.Is(err, storage.ErrUnauthenticated):
		v.Identity, v.refused = Identity{}, "invalid"
	case err != nil:
		return viewer{}, err
	}
	return v, nil
}

// bearer returns the token of an Authorization header. ok is false for other schemes, which only
// the host's Authenticator reads.
func bearer(header string) (access string, ok bool) {
	scheme, access, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "JWT") {
		return "", false
	}
	return strings.TrimSpace(access), true
}
