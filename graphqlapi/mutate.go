package graphqlapi

import (
	"context"
	"errors"

	"github.com/buddychat/buddychat/user"
)

// mutations resolves the root type Mutation.
type mutations struct{ *resolver }

// mutate runs a mutation that needs a login. act makes the change, and answer loads what is
// selected of the result. If the result was deleted in the meantime, the answer has null for it,
// because the mutation itself succeeded.
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
		if errors.Is(err, errObjectGone) {
			return new(P), nil
		}
		return p, err
	})
}

// success is the answer to a mutation that has no object to return.
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
