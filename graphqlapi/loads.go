package graphqlapi

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// maxLoading is how many bytes the messages may have, if all are as long as can be, that are read from the
	// store at the same time. What is more waits.
	maxLoading = 128 << 20
	// maxLoadedAtOnce is how many of them one client may read at the same time, and so one query.
	maxLoadedAtOnce = maxLoading / 2
)

// loads bounds how many bytes of messages are read from the store at the same time: of each client, and of all.
// A client waits for a turn among its own reads first. So nobody waits behind all that one client has asked for.
type loads struct {
	all *semaphore.Weighted

	mu       sync.Mutex
	byClient map[string]*clientLoads
}

type clientLoads struct {
	own   *semaphore.Weighted
	reads int // under way or waiting
}

func newLoads() *loads {
	return &loads{all: semaphore.NewWeighted(maxLoading), byClient: map[string]*clientLoads{}}
}

// enter waits for a turn to read messages of so many bytes, maxLoadedAtOnce at most. The error is that of ctx.
func (l *loads) enter(ctx context.Context, client string, bytes int64) (leave func(), err error) {
	own := l.join(client)
	if err := own.Acquire(ctx, bytes); err != nil {
		l.quit(client)
		return nil, err
	}
	if err := l.all.Acquire(ctx, bytes); err != nil {
		own.Release(bytes)
		l.quit(client)
		return nil, err
	}
	return func() {
		l.all.Release(bytes)
		own.Release(bytes)
		l.quit(client)
	}, nil
}

func (l *loads) join(client string) *semaphore.Weighted {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.byClient[client]
	if c == nil {
		c = &clientLoads{own: semaphore.NewWeighted(maxLoadedAtOnce)}
		l.byClient[client] = c
	}
	c.reads++
	return c.own
}

func (l *loads) quit(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.byClient[client]
	if c.reads--; c.reads == 0 {
		delete(l.byClient, client)
	}
}
