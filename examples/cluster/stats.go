package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// stats holds the numbers that are reported during the run.
type stats struct {
	mu                       sync.Mutex
	sent, delivered, resumed int
	lately, all              histogram
}

func (s *stats) countSent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
}

func (s *stats) countResumed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resumed++
}

func (s *stats) countDelivered(latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered++
	s.lately.add(latency)
	s.all.add(latency)
}

// report prints one line a second until ctx ends.
func (s *stats) report(ctx context.Context, nodes *cluster) {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		line := fmt.Sprintf("%4.0fs  sent %d  delivered %d  nodes %d/%d  resumed %d  %s", time.Since(began).Seconds(),
			s.sent, s.delivered, nodes.up(), len(nodes.nodes), s.resumed, &s.lately)
		s.lately = histogram{}
		s.mu.Unlock()
		nodes.say("%s", line)
	}
}

// A histogram counts latencies in buckets, each 5% wider than the one before.
type histogram struct {
	counts [400]int
	total  int
}

const step = 1.05

func (h *histogram) add(d time.Duration) {
	i := int(math.Log(float64(d)/float64(10*time.Microsecond)) / math.Log(step))
	h.counts[min(max(i, 0), len(h.counts)-1)]++
	h.total++
}

// quantile returns the latency that a share q of all latencies does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int(q * float64(h.total))
	for i := range h.counts {
		if rest -= h.counts[i]; rest < 0 {
			return time.Duration(float64(10*time.Microsecond) * math.Pow(step, float64(i+1)))
		}
	}
	return 0
}

func (h *histogram) String() string {
	if h.total == 0 {
		return "p50 -  p99 -"
	}
	return fmt.Sprintf("p50 %s  p99 %s", short(h.quantile(0.5)), short(h.quantile(0.99)))
}

func short(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// sayer returns a function that prints lines. It is safe for concurrent use.
func sayer(out io.Writer) func(format string, args ...any) {
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
}
