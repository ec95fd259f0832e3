package transportws

import (
	"context"
	"math"
	"time"
)

// startPings pings the client until stop is called. It has a goroutine only while a ping is waiting
// for its answer.
func (s *socket) startPings() (stop func() bool) {
	var timer *time.Timer
	timer = time.AfterFunc(math.MaxInt64, func() {
		if s.ping() {
			timer.Reset(s.opts.PingInterval)
		}
	})
	timer.Reset(s.opts.PingInterval)
	return timer.Stop
}

// ping cuts the connection of a client that does not answer. It reports whether the client did.
func (s *socket) ping() bool {
	// Not s.ctx: if a context ends during a write, the library cuts the connection.
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.PongTimeout)
	defer cancel()
	if s.conn.Ping(ctx) == nil {
		return true
	}
	if s.ctx.Err() == nil { // else it is already closing
		s.conn.CloseNow()
	}
	return false
}

// A bucket of tokens, one for each message that may be accepted; see
// https://en.wikipedia.org/wiki/Token_bucket. It is not safe for concurrent use.
type bucket struct {
	rate, burst, tokens float64
	filled              time.Time
}

// newBucket returns a full bucket. A negative rate means no limit.
func newBucket(rate float64, burst int) *bucket {
	return &bucket{rate: rate, burst: float64(burst), tokens: float64(burst), filled: time.Now()}
}

func (b *bucket) take(now time.Time) bool {
	if b.rate < 0 {
		return true
	}
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.filled).Seconds())
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
