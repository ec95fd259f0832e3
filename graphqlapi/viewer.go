package graphqlapi

import (
	"context"
	"net/http"
)

// A viewer is whoever runs an operation, and what came with it.
type viewer struct {
	Identity
	// token is the access token of the request, good or bad, "" for none: verifyToken takes it.
	token string
	// refused says why the token counts as none: "expired" or "invalid". It is "" for a good token, and for none.
	refused string
	// request is the HTTP request, or the upgrade request of the socket.
	request *http.Request
	// loggedIn tells the limits that this client has logged in to the account of this name.
	loggedIn func(username string)
	// operation is what the log calls the operation: its name, or the kind of one without.
	operation string
	// eventCursor is the position taken before the operation began, where the operation asks for it.
	eventCursor string
	// budget bounds the answer; nil bounds nothing.
	budget *budget
}

// known reports whether somebody is logged in.
func (v viewer) known() bool { return v.User != "" }

type viewerKey struct{}

func withViewer(ctx context.Context, v viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// budgetOf returns the budget of the answer that is being made.
func budgetOf(ctx context.Context) *budget { return viewerOf(ctx).budget }

func viewerOf(ctx context.Context) viewer {
	v, _ := ctx.Value(viewerKey{}).(viewer)
	return v
}
