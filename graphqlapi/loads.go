package graphqlapi

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// maxLoading bounds the bytes of messages that are read from the store at the same time,
	// assuming that all messages have the maximum length. Further reads wait.
	maxLoading = 128 << 20
	// maxLoadedAtOnce is the share of maxLoading that one client, and so one query, may use.
	maxLoadedAtOnce = maxLoading / 2
)

// loads bounds the bytes of messages that are read from the store at the same time, for each client
// and in total. A read waits for the other reads of its client first, so that no client waits for
// all reads of another.
type loads struct {
	all *semaphore.Weighted

	mu       sync.Mutex
	byClient map[string]*clientLoads
}

type clientLoads struct {
	own   *semaphore.Weighted
	reads int // running or waiting
}

func newLoads() *loads {
	return &loads{all: semaphore.NewWeighted(maxLoading), byClient: map[string]*clientLoads{}}
}

// enter waits until bytes may be read, at most maxLoadedAtOnce. The caller must call leave after
// reading. The error is that of ctx.
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
