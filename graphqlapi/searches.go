package graphqlapi

import (
	"context"
	"runtime"
)

// searches bounds how many user searches run at the same time. Further searches wait.
type searches chan struct{}

var errSearches = &wireError{code: codeThrottled, message: "too many user searches are running: try again"}

// newSearches allows most searches at a time; 0 means half the number of processors, but at least
// 2.
func newSearches(most int) searches {
	if most == 0 {
		most = max(2, runtime.GOMAXPROCS(0)/2)
	}
	return make(searches, most)
}

// enter waits until a search may run. The caller must call leave after the search.
func (s searches) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, errSearches
	}
}
