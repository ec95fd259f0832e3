package throttle

import "sync"

// Gauge bounds how many of something, connections say, each key holds at once. A nil *Gauge has no bound. It is
// safe for concurrent use, and remembers only keys that hold something.
type Gauge struct {
	most int

	mu   sync.Mutex
	held map[string]int
}

// NewGauge returns a gauge that allows each key so many; nil, and with it no bound, where most is not positive.
func NewGauge(most int) *Gauge {
	if most <= 0 {
		return nil
	}
	return &Gauge{most: most, held: map[string]int{}}
}

// Acquire takes one, and is false where the key holds the most already. Each one taken is given back by
// one [Gauge.Release] with the same key.
func (g *Gauge) Acquire(key string) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held[key] >= g.most {
		return false
	}
	g.held[key]++
	return true
}

// Release gives back one that was acquired. A key that holds none stays so.
func (g *Gauge) Release(key string) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held[key] <= 1 {
		delete(g.held, key)
		return
	}
	g.held[key]--
}

// Held returns how many the key holds.
func (g *Gauge) Held(key string) int {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held[key]
}
