package realtime

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// crowd is a log with one group, whose records the benchmark passes to the dispatcher itself.
type crowd struct {
	Log
	message chat.Message
}

func (c *crowd) View(context.Context, []Record, []Membership) (View, error) {
	return View{Messages: map[int64]*chat.Message{c.message.ID: &c.message}}, nil
}

// BenchmarkDeliver delivers one message to subscriptions, each of another member of a group, and
// takes it out of their queues. The figures are per message, for all of them.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprintf("to=%d", n), func(b *testing.B) {
			log := &crowd{message: chat.Message{ID: 1, Seq: 1, Sender: "sender"}}
			h := NewHub(log, nil)
			d := newDispatcher(h)
			subs := make([]*Subscription, n)
			for i := range subs {
				u := user.ID(fmt.Sprint(i))
				subs[i] = newSubscription(h, u)
				require.True(b, subs[i].register(Position{}))
				d.audience.add(subs[i])
				d.audience.learn(Membership{Copy: chat.Copy{Kind: chat.Group, ID: int64(i + 1), Owner: u}, Conversation: 1})
			}
			record := Record{Operation: GroupMessageCreated, At: time.Now(), Conversation: 1, Kind: chat.Group, Actor: "sender", Message: 1, Seq: 1}
			b.ReportAllocs()
			for b.Loop() {
				record.ID++
				d.rest, d.cursors = []Record{record}, cursors{at: d.safe, safe: record.Position}
				if err := d.deliverBatch(b.Context()); err != nil {
					b.Fatal(err)
				}
				for _, s := range subs {
					for range 2 { // the message and its notification
						if _, ok := s.pop(); !ok {
							b.Fatal("not delivered")
						}
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/recipient")
		})
	}
}
