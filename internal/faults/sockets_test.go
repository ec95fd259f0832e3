package faults

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/netfault"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// A proxy in front of a node: returns the node's address through the proxy, and the proxy.
func behind(t *testing.T, n *node) (string, *netfault.Proxy) {
	t.Helper()
	p, err := netfault.New(strings.TrimPrefix(n.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return "http://" + p.Addr(), p
}

// listenOver makes the talks listen on sockets, with both forms of subscription.
func listenOver(all []*talk, url string) {
	for i, k := range all {
		k.follow = func(ctx context.Context, cursor string, got func(arrival)) error {
			return followSocket(ctx, url, string(k.owner), cursor, form(i%2), got)
		}
	}
}

func TestFaultyNetworkBetweenClientAndNodeLosesNoMessage(t *testing.T) {
	t.Parallel()
	n := serve(t, memory.New(nil), buddychat.Options{})
	url, network := behind(t, n)
	all := talks(t, 8, n)
	listenOver(all, url)
	under(t, all, often, func(ctx context.Context) { misbehave(t, ctx, network, all) })
	require.GreaterOrEqual(t, cutOff(all), len(all))
}

func TestManyClientsThatResumeAtTheSameTimeMissNoMessage(t *testing.T) {
	t.Parallel()
	n := serve(t, memory.New(nil), buddychat.Options{})
	url, network := behind(t, n)
	all := talks(t, long(200, 1000), n)
	listenOver(all, url)
	under(t, all, time.Second, func(ctx context.Context) {
		for range 2 {
			progress(t, ctx, all)
			network.Reset()
		}
		progress(t, ctx, all)
	})
	require.GreaterOrEqual(t, cutOff(all), 2*len(all))
}

// A crowd is a group whose members each listen on a socket.
type crowd struct {
	*node
	owner   user.ID
	copy    int64
	aside   int64 // the owner's chat with the first member
	members []user.ID
	heard   atomic.Int64 // messages received in this run, by all members together
}

func newCrowd(t *testing.T, many int) *crowd {
	t.Helper()
	c := &crowd{node: serve(t, memory.New(nil), buddychat.Options{}), owner: "speaker"}
	_, own, err := c.app.Groups.Create(t.Context(), c.owner, group.Draft{Title: "A crowd"})
	require.NoError(t, err)
	c.copy = own.ID
	for i := range many {
		c.members = append(c.members, user.ID("member-"+strconv.Itoa(i)))
		_, err := c.app.Groups.Add(t.Context(), c.owner, c.copy, c.members[i])
		require.NoError(t, err)
	}
	aside, _, err := c.app.Chats.Open(t.Context(), c.owner, c.members[0])
	require.NoError(t, err)
	c.aside = aside.ID
	return c
}

const (
	crowdMessages = 300
	crowdEvery    = 10 * time.Millisecond
	crowdAhead    = 20 // how many messages the readers may lag; on a slow machine the sender waits
)

// p99 sends messages to the crowd, and three times as many to its first member only. It returns the
// 99th percentile of the delays to the other members.
func (c *crowd) p99(t *testing.T) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settled)
	defer cancel()
	var (
		listening, ready sync.WaitGroup
		mu               sync.Mutex
		delays           []time.Duration
	)
	for _, m := range c.members[1:] {
		ready.Add(1)
		listening.Go(func() {
			own, err := c.listen(ctx, m, ready.Done)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%s: %v", m, err)
			}
			delays = append(delays, own...)
		})
	}
	ready.Wait()
	long := strings.Repeat("blah ", 1900)
	c.heard.Store(0)
	for i := range crowdMessages {
		for c.heard.Load() < int64((i-crowdAhead)*(len(c.members)-1)) && ctx.Err() == nil {
			breathe(ctx, time.Millisecond)
		}
		_, err := c.app.Groups.Send(ctx, c.owner, c.copy, chat.Draft{Content: fmt.Sprint(i, " blah")})
		require.NoError(t, err)
		for range 3 {
			_, err := c.app.Chats.Send(ctx, c.owner, c.aside, chat.Draft{Content: long})
			require.NoError(t, err)
		}
		breathe(ctx, crowdEvery)
	}
	listening.Wait()
	require.Len(t, delays, crowdMessages*(len(c.members)-1))
	slices.Sort(delays)
	return delays[len(delays)*99/100]
}

// listen receives all messages of a run and returns the delay of each.
func (c *crowd) listen(ctx context.Context, m user.ID, ready func()) (delays []time.Duration, err error) {
	s, err := socket(ctx, c.url, string(m), "", envelope)
	if err != nil {
		ready()
		return nil, err
	}
	defer s.CloseNow() //nolint:errcheck // everything has been received
	if err := wait(ctx, s, "next"); err != nil {
		ready()
		return nil, err
	}
	ready()
	for len(delays) < crowdMessages {
		var frame struct {
			Payload struct {
				Operation string
				At        time.Time
			}
		}
		if err := wsjson.Read(ctx, s, &frame); err != nil {
			return delays, err
		}
		if frame.Payload.Operation == "GROUP_MESSAGE_CREATED" {
			delays = append(delays, time.Since(frame.Payload.At))
			c.heard.Add(1)
		}
	}
	return delays, nil
}

// This test is not parallel, because it measures.
func TestSlowReaderDelaysNoOtherMemberAndResumesWithoutLoss(t *testing.T) {
	c := newCrowd(t, long(200, 1000))
	var without, with time.Duration
	// A short run shares the machine with other tests, so it allows more noise.
	noise := long(250*time.Millisecond, 20*time.Millisecond)
	// Other processes can disturb a measurement, so one good result of three is enough.
	for range 3 {
		without = c.p99(t)
		before := heap()
		slow, cursor := c.silent(t)
		with = c.p99(t)
		require.Less(t, heap(), before+64<<20, "bytes in use")
		c.requireComesBack(t, slow, cursor)
		t.Logf("p99 %v, and %v beside a client that does not read", without, with)
		if with <= without*11/10+noise {
			return
		}
	}
	require.LessOrEqual(t, with, without*11/10+noise)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// silent opens a socket of the first member with a small receive buffer. It reads only the first
// answer, and returns the cursor in it.
func (c *crowd) silent(t *testing.T) (*websocket.Conn, string) {
	t.Helper()
	narrow := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		}
		return conn, err
	}}}
	s, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(c.url, "http"), &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPClient: narrow})
	require.NoError(t, err)
	s.SetReadLimit(1 << 20)
	require.NoError(t, wsjson.Write(t.Context(), s, map[string]any{"type": "connection_init", "payload": map[string]any{"token": string(c.members[0])}}))
	require.NoError(t, wait(t.Context(), s, "connection_ack"))
	require.NoError(t, wsjson.Write(t.Context(), s, map[string]any{"type": "subscribe", "id": "1", "payload": map[string]any{"query": `subscription { subscribe { success } }`}}))
	var first struct {
		Payload struct{ Extensions struct{ Cursor string } }
	}
	require.NoError(t, wsjson.Read(t.Context(), s, &first))
	require.NotEmpty(t, first.Payload.Extensions.Cursor)
	return s, first.Payload.Extensions.Cursor
}

// requireComesBack reads the events that wait on the silent client's socket until the socket ends.
// It then resumes from the last cursor, and checks that the client misses no message of the group.
func (c *crowd) requireComesBack(t *testing.T, s *websocket.Conn, cursor string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settled)
	defer cancel()
	next, resumes := 0, 0
	for next < crowdMessages {
		var frame struct {
			Type    string
			Payload struct {
				Operation, Cursor string
				Payload           struct {
					GroupMessage struct{ Message struct{ Content string } }
				}
			}
		}
		if err := wsjson.Read(ctx, s, &frame); err != nil {
			require.NoError(t, ctx.Err())
			code := websocket.CloseStatus(err)
			require.Contains(t, []websocket.StatusCode{4008, -1}, code, "slow consumer, or no frame where it could not be sent: %v", err)
			require.NoError(t, s.CloseNow())
			s, err = socket(ctx, c.url, string(c.members[0]), cursor, envelope)
			require.NoError(t, err)
			resumes++
			continue
		}
		if frame.Payload.Cursor != "" {
			cursor = frame.Payload.Cursor
		}
		if frame.Payload.Operation == "GROUP_MESSAGE_CREATED" {
			text, _, _ := strings.Cut(frame.Payload.Payload.GroupMessage.Message.Content, " ")
			if n := number(text); n == next {
				next++
			} else {
				require.Less(t, n, next, "missed")
			}
		}
	}
	require.Positive(t, resumes, "it was never closed")
	require.NoError(t, s.CloseNow())
}
