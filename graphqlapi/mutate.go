package graphqlapi

import (
	"context"
	"errors"

	"github.com/buddychat/buddychat/user"
)

// mutations is the root of mutations.
type mutations struct{ *resolver }

// mutate runs a mutation that takes a login: it acts, and then answers what the act made, with whatever is selected of it. What is gone
// again by then is null in the answer, for the act was done.
func mutate[R, P any](ctx context.Context, m *mutations, act func(viewer user.ID) (R, error), answer func(*load, selection, R) (*P, error)) (*P, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	done, err := act(v.User)
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	return loading(ctx, m.resolver, v.User, func(l *load, sel selection) (*P, error) {
		p, err := answer(l, sel, done)
		if errors.Is(err, errMoved) {
			return new(P), nil
		}
		return p, err
	})
}

// success answers a mutation that makes nothing to be shown.
type success struct{ Success *bool }

func succeed(ctx context.Context, m *mutations, act func(viewer user.ID) error) (*success, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	if err := act(v.User); err != nil {
		return nil, m.wire(ctx, err)
	}
	return done(), nil
}

func done() *success {
	yes := true
	return &success{&yes}
}
