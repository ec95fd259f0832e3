// Package faults tests that the library keeps its promises while its environment fails: processes
// are killed, databases crash, connections are cut, slow or silent, and clients do not read.
//
// With BUDDYCHAT_TORTURE set, the tests run for a long time. Otherwise they are short runs of the
// same tests.
package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/internal/netfault"
	"github.com/buddychat/buddychat/user"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		removeServer()
		os.Exit(status)
	}))
}

// long returns the second value in a long run, else the first.
func long[T any](short, long T) T {
	if os.Getenv("BUDDYCHAT_TORTURE") != "" {
		return long
	}
	return short
}

// settled is how long recovery may take once the fault is over.
const settled = 60 * time.Second

// A talk is a chat in which one user sends the numbers 1, 2, 3 and so on, and another listens. The
// functions send and follow choose the node and the transport.
type talk struct {
	// send sends a number, which is also the message's clientMessageId. After an error, it is
	// unknown whether the message was sent.
	send func(ctx context.Context, number int) error
	// follow delivers the numbers sent after a cursor, until it fails or ctx ends. It calls got
	// with the number 0 once it listens.
	follow func(ctx context.Context, cursor string, got func(arrival)) error

	owner user.ID // the user who listens
	// stored returns the stored numbers, newest first. It may be nil.
	stored       func(ctx context.Context) ([]string, error)
	acknowledged atomic.Int64

	mu       sync.Mutex
	cursor   string
	ids      []string // event ids, by number
	last     int
	resumed  bool // no new number has arrived since the last resume
	ends     int
	problems []string
	delays   []time.Duration
	cuts     []error // the errors that ended connections
}

// got records an arrival and checks it.
func (k *talk) got(a arrival) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a.cursor != "" {
		k.cursor = a.cursor
	}
	switch {
	case a.number == 0:
	case a.number == k.last+1:
		k.last, k.resumed = a.number, false
		k.ids = append(k.ids, a.id)
		k.delays = append(k.delays, time.Since(a.at))
	case a.number > k.last || a.number < 0:
		k.problems = append(k.problems, fmt.Sprintf("%d came behind %d", a.number, k.last))
		k.last = a.number
	case !k.resumed:
		k.problems = append(k.problems, fmt.Sprintf("%d came again behind %d", a.number, k.last))
	case k.ids[a.number-1] != a.id: // right after a resume, an event may repeat with the same id
		k.problems = append(k.problems, fmt.Sprintf("%d came as %s, and then as %s", a.number, k.ids[a.number-1], a.id))
	}
}

// An arrival is a number as its listener receives it.
type arrival struct {
	number     int
	id, cursor string    // of the event
	at         time.Time // when it was sent
}

// listen follows the chat until ctx ends, and resumes whenever it is cut off.
func (k *talk) listen(ctx context.Context, ready func()) {
	var once sync.Once
	for ctx.Err() == nil {
		k.mu.Lock()
		cursor := k.cursor
		k.mu.Unlock()
		err := k.follow(ctx, cursor, func(a arrival) {
			k.got(a)
			once.Do(ready)
		})
		if ctx.Err() != nil {
			return
		}
		k.mu.Lock()
		k.resumed = true
		k.ends++
		k.cuts = append(k.cuts, err)
		k.mu.Unlock()
		breathe(ctx, 20*time.Millisecond)
	}
}

// speak sends numbers until enough is closed. It retries each number until it is acknowledged.
func (k *talk) speak(ctx context.Context, enough <-chan struct{}, every time.Duration) {
	for number := 1; ; number++ {
		select {
		case <-enough:
			return
		default:
		}
		for ctx.Err() == nil {
			attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := k.send(attempt, number)
			cancel()
			if err == nil {
				k.acknowledged.Store(int64(number))
				break
			}
			breathe(ctx, 10*time.Millisecond)
		}
		breathe(ctx, every)
	}
}

// breathe pauses a client for a random time of at most most.
func breathe(ctx context.Context, most time.Duration) { pass(ctx, most/2+rand.N(most/2+1)) }

// pass waits while a fault lasts, or until ctx ends.
func pass(ctx context.Context, lasts time.Duration) {
	timer := time.NewTimer(lasts)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// under runs the talks while wrong causes faults, then checks that each listener received what was
// acknowledged. Each talk sends a number about once per every.
func under(t *testing.T, talks []*talk, every time.Duration, wrong func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var listening, speaking, ready sync.WaitGroup
	defer func() {
		cancel()
		listening.Wait()
		speaking.Wait()
	}()
	for _, k := range talks {
		ready.Add(1)
		listening.Go(func() { k.listen(ctx, ready.Done) })
	}
	ready.Wait()
	enough := make(chan struct{})
	for _, k := range talks {
		speaking.Go(func() { k.speak(ctx, enough, every) })
	}
	wrong(ctx)
	close(enough)
	speaking.Wait()
	deadline := time.Now().Add(settled)
	for _, k := range talks {
		for int64(k.heard()) < k.acknowledged.Load() && time.Now().Before(deadline) {
			breathe(ctx, 10*time.Millisecond)
		}
	}
	cancel()
	listening.Wait()
	sent := int64(0)
	for i, k := range talks {
		require.Empty(t, k.problems, "talk %d, cut off %d times: %v", i, k.ends, k.cuts)
		require.EqualValues(t, k.acknowledged.Load(), k.last, "talk %d, cut off %d times: what was acknowledged and what came", i, k.ends)
		sent += k.acknowledged.Load()
	}
	require.Positive(t, sent)
	t.Logf("%d messages in %d talks, cut off %d times, p50 %v, p99 %v", sent, len(talks), cutOff(talks), quantile(talks, 0.5), quantile(talks, 0.99))
}

func (k *talk) heard() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

func cutOff(talks []*talk) (ends int) {
	for _, k := range talks {
		ends += k.ends
	}
	return ends
}

// uncut requires that no listener was cut off: subscriptions stay open while the database is down.
func uncut(t *testing.T, talks []*talk) {
	t.Helper()
	for _, k := range talks {
		require.Empty(t, k.cuts)
	}
}

// quantile returns the q-quantile of the delays between sending and arrival, over all talks that
// record delays.
func quantile(talks []*talk, q float64) time.Duration {
	var all []time.Duration
	for _, k := range talks {
		k.mu.Lock()
		all = append(all, k.delays...)
		k.mu.Unlock()
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(q*float64(len(all))))]
}

// progress waits until each listener has received a number that was sent after the call.
func progress(t *testing.T, ctx context.Context, talks []*talk) {
	t.Helper()
	targets := make([]int, len(talks))
	for i, k := range talks {
		targets[i] = int(k.acknowledged.Load()) + 2
	}
	for i, k := range talks {
		require.Eventually(t, func() bool { return k.heard() >= targets[i] || ctx.Err() != nil }, settled, 5*time.Millisecond,
			"nothing goes on: heard %d of %d", k.heard(), targets[i])
	}
}

// misbehave makes the network slow, then split the data into single bytes, then partitioned. After
// each of these it cuts every connection.
func misbehave(t *testing.T, ctx context.Context, network *netfault.Proxy, talks []*talk) {
	t.Helper()
	for _, f := range []netfault.Faults{
		{Latency: 3 * time.Millisecond, Jitter: 10 * time.Millisecond},
		{Slice: 1},
		{Partitioned: true},
	} {
		network.Set(f)
		if f.Partitioned {
			pass(ctx, long(1500*time.Millisecond, 10*time.Second))
			network.Set(netfault.Faults{})
		}
		progress(t, ctx, talks)
		network.Reset()
		progress(t, ctx, talks)
	}
}

func number(content string) int {
	n, err := strconv.Atoi(content)
	if err != nil {
		return -1
	}
	return n
}
