package throttle

import "sync"

// Gauge bounds how many of something, such as connections, each key holds at once. A nil *Gauge has
// no bound. It is safe for concurrent use, and uses memory only for keys that hold something.
type Gauge struct {
	most int

	mu   sync.Mutex
	held map[string]int
}

// NewGauge returns a gauge that lets each key hold at most most. If most is not positive, it
// returns nil, which has no bound.
func NewGauge(most int) *Gauge {
	if most <= 0 {
		return nil
	}
	return &Gauge{most: most, held: map[string]int{}}
}

// Acquire takes one for the key. It returns false, and takes nothing, if the key already holds the
// maximum. Each success must be followed by one [Gauge.Release] with the same key.
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

// Release returns one that was acquired. It does nothing if the key holds none.
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

// Held returns how many the key holds. It is 0 for a nil *Gauge.
func (g *Gauge) Held(key string) int {
	if g == nil {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held[key]
}
