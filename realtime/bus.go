package realtime

import (
	"context"
	"slices"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Stream names what changed: either a conversation, or a user if only that user is affected.
// Exactly one field is set.
type Stream struct {
	Conversation int64
	User         user.ID
}

// AppendStreams appends the streams of the record and those of the joined users, whose copies begin
// with it. It skips streams that are in the slice already.
func (r Record) AppendStreams(changed []Stream, joined ...user.ID) []Stream {
	add := func(s Stream) {
		if s != (Stream{}) && !slices.Contains(changed, s) {
			changed = append(changed, s)
		}
	}
	add(Stream{Conversation: r.Conversation})
	add(Stream{User: r.Recipient})
	for _, u := range joined {
		add(Stream{User: u})
	}
	return changed
}

// Bus carries hints between the nodes that follow one log. A hint says that the log has new
// records, not which ones. Hints may be lost, late or repeated: the hub polls the log every
// [Options.Poll] anyway, and a hint only makes it poll at once. So a bus stores nothing and
// delivers on a best-effort basis.
//
// Tell, Follow and Unfollow are safe for concurrent use, whether the bus runs or not, and never
// block.
type Bus interface {
	// Run carries hints until ctx ends, and then returns nil. If it fails it returns the error, and
	// the hub calls it again after a pause. It calls heard for each hint of another node, and once
	// when it starts to receive them, so that the hub finds what earlier hints were about. heard
	// never blocks.
	Run(ctx context.Context, heard func()) error
	// Tell tells the other nodes that these streams have new records. Without arguments, any stream
	// may have some.
	Tell(changed ...Stream)
	// Follow says that a user on this node receives events of the stream. Unfollow undoes one such
	// call: a stream may be followed several times. A bus may drop hints for streams that are not
	// followed, or ignore both calls.
	Follow(s Stream)
	Unfollow(s Stream)
}

// NoBus is a bus that carries nothing. Use it if there is a single node, or if polling is fast
// enough.
type NoBus struct{}

// Run implements [Bus].
func (NoBus) Run(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// Tell implements [Bus].
func (NoBus) Tell(...Stream) {}

// Follow implements [Bus].
func (NoBus) Follow(Stream) {}

// Unfollow implements [Bus].
func (NoBus) Unfollow(Stream) {}

// runBus runs the bus until ctx ends. While it fails, the hub relies on polling.
func (h *Hub) runBus(ctx context.Context) {
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
			h.opts.Logger.Warn("realtime: no hints between nodes: the bus failed; retrying, and polling meanwhile", "error", err, "poll", h.opts.Poll)
		}
		select {
		case <-time.After(pause(failures)):
		case <-ctx.Done():
		}
	}
}

// heard is the callback of the bus.
func (h *Hub) heard() { signal(h.hinted) }

// committed is the callback of the log.
func (h *Hub) committed(changed []Stream) {
	signal(h.hinted)
	h.opts.Bus.Tell(changed...)
}
