package realtime

import (
	"context"
	"slices"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Stream is what news is on: a conversation, or a user, for what concerns one alone. One of the two is set.
type Stream struct {
	Conversation int64
	User         user.ID
}

// AppendStreams appends the streams that the record is on, and those of the users whose copies begin with it, where they are not among the news
// already.
func (r Record) AppendStreams(news []Stream, joined ...user.ID) []Stream {
	add := func(s Stream) {
		if s != (Stream{}) && !slices.Contains(news, s) {
			news = append(news, s)
		}
	}
	add(Stream{Conversation: r.Conversation})
	add(Stream{User: r.Recipient})
	for _, u := range joined {
		add(Stream{User: u})
	}
	return news
}

// Bus carries hints between the nodes that follow one log: word that there is something new, and never what. A hint may be lost, late, or come
// twice: the hub looks into the log every [Options.Poll] anyway, and a hint only has it look at once. So a bus keeps nothing, and
// promises nothing but to try.
//
// Tell, Follow and Unfollow may be called from any goroutine, whether the bus runs or not, and never block.
type Bus interface {
	// Run carries hints until ctx ends, and then returns nil, or until it cannot, and returns the error; the hub calls it again after a
	// pause. It calls heard for hints of other nodes, and once when it begins to hear them: what was told before is found then. heard never
	// blocks.
	Run(ctx context.Context, heard func()) error
	// Tell tells the other nodes that there is news on these streams; without any, that there may be on all.
	Tell(news ...Stream)
	// Follow says that somebody here gets what is on a stream, and Unfollow takes one such call back: the same stream may be followed several
	// times. A bus may leave out hints on streams that are not followed, or pay no heed to it.
	Follow(s Stream)
	Unfollow(s Stream)
}

// Alone is the bus of a node that has no others beside it, or that leaves the news of others to its poll.
type Alone struct{}

// Run implements [Bus].
func (Alone) Run(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// Tell implements [Bus].
func (Alone) Tell(...Stream) {}

// Follow implements [Bus].
func (Alone) Follow(Stream) {}

// Unfollow implements [Bus].
func (Alone) Unfollow(Stream) {}

// carry runs the bus until ctx ends. Without it the hub lives on its polls.
func (h *Hub) carry(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := h.opts.Bus.Run(ctx, h.heard)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestPause {
			failures = 0
		}
		if failures == 0 {
			h.opts.Logger.Warn("realtime: no hints between the nodes; they are tried again, and the log is looked into regularly", "error", err, "every", h.opts.Poll)
		}
		select {
		case <-time.After(pause(failures)):
		case <-ctx.Done():
		}
	}
}

// heard is what the bus calls.
func (h *Hub) heard() { signal(h.hinted) }

// committed is what the log calls.
func (h *Hub) committed(news []Stream) {
	signal(h.hinted)
	h.opts.Bus.Tell(news...)
}
