package graphqlapi

import (
	"context"
	"net/http"
)

// A viewer is the caller of an operation, with data of the request.
type viewer struct {
	Identity
	// token is the access token of the request, valid or not, or "". verifyToken needs it.
	token string
	// refused says why the token was ignored: "expired" or "invalid". It is "" if the token is
	// valid or missing.
	refused string
	// request is the HTTP request, or the upgrade request of the socket.
	request *http.Request
	// loggedIn tells the limits that this client has logged in to the named account.
	loggedIn func(username string)
	// operation is the label of the operation in the log: its name, or its kind if it has no name.
	operation string
	// eventCursor is the position taken before the operation began, if it selects eventCursor.
	eventCursor string
	// budget bounds the answer; nil has no bound.
	budget *budget
}

// known reports whether the caller is logged in.
func (v viewer) known() bool { return v.User != "" }

type viewerKey struct{}

func withViewer(ctx context.Context, v viewer) context.Context {
	return context.WithValue(ctx, viewerKey{}, v)
}

// budgetOf returns the budget of the answer in ctx.
func budgetOf(ctx context.Context) *budget { return viewerOf(ctx).budget }

func viewerOf(ctx context.Context) viewer {
	v, _ := ctx.Value(viewerKey{}).(viewer)
	return v
}
