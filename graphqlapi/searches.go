package graphqlapi

import (
	"context"
	"runtime"
)

// searches bounds how many searches for users run at the same time. The others wait for their turn.
type searches chan struct{}

var errSearches = &wireError{code: codeThrottled, message: "too many searches at the same time: try again"}

// newSearches lets so many run at a time; 0 is half of the processors, and two at least.
func newSearches(most int) searches {
	if most == 0 {
		most = max(2, runtime.GOMAXPROCS(0)/2)
	}
	return make(searches, most)
}

// enter waits for a turn, and returns what ends it.
func (s searches) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, errSearches
	}
}
