package bunstore_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// byCopy has every operation on a conversation, called with a copy.
var byCopy = map[string]func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error{
	"send": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error {
		_, err := s.AppendMessage(ctx, c, chat.Draft{Content: "a"})
		return err
	},
	"edit": func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error {
		_, err := s.EditMessage(ctx, c, message, "b")
		return err
	},
	"unsend": func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error {
		return s.UnsendMessage(ctx, c, message)
	},
	"hide": func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error {
		return s.HideMessage(ctx, c, message)
	},
	"read": func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error {
		read := s.ReadMessage
		if c.Kind == chat.Group {
			read = s.ReadThrough
		}
		_, err := read(ctx, c, message)
		return err
	},
	"mark": func(ctx context.Context, s *bunstore.Store, c chat.Copy, message int64) error {
		_, err := s.MarkNotification(ctx, c, message)
		return err
	},
	"clear": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error { return s.ClearCopy(ctx, c) },
	"archive": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error {
		return s.ArchiveCopy(ctx, c, true)
	},
	"leave":  func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error { return s.Leave(ctx, c) },
	"remove": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error { return s.RemoveGroup(ctx, c) },
	"add": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error {
		_, err := s.AddMember(ctx, c, "eve", 10)
		return err
	},
	"update": func(ctx context.Context, s *bunstore.Store, c chat.Copy, _ int64) error {
		_, err := s.UpdateGroup(ctx, c, group.Update{Title: new("Title")})
		return err
	},
}

// private creates a chat and a group that mallory is not in, each with a message. It maps the
// copies of alice to the messages.
func private(t *testing.T, s *bunstore.Store) map[chat.Copy]int64 {
	t.Helper()
	mine, _, err := s.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err)
	_, own, err := s.CreateGroup(t.Context(), "alice", group.Draft{Title: "Private"})
	require.NoError(t, err)
	messages := map[chat.Copy]int64{}
	for _, c := range []chat.Copy{mine.Copy(), own.Copy()} {
		m, err := s.AppendMessage(t.Context(), c, chat.Draft{Content: "private"})
		require.NoError(t, err)
		messages[c] = m.ID
	}
	return messages
}

const mallory = "mallory"

func TestAStrangerDoesNotWaitForTheLockOfAConversation(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	messages := private(t, l.db.Store)
	l.beginWithEveryConversation()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for c, message := range messages {
		for name, act := range byCopy {
			c.Owner = mallory
			require.ErrorIs(t, act(ctx, l.db.Store, c, message), storage.ErrNotFound, name)
		}
	}
}

// The thresholds of the test below. The timing difference that it was written for was 80 to 125 µs
// of 250 µs, with z above 10.
const (
	samples      = 300
	rounds       = 3
	noticeable   = 0.1 // of the median
	significantZ = 5
)

// The test alternates between a foreign copy and a missing one. It fails only if the times differ
// in every round, by much more than chance.
func TestAForeignCopyTakesAsLongAsAMissingOne(t *testing.T) {
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			db := migrated(t, open)
			for c, message := range private(t, db.Store) {
				foreign, missing := c, c
				foreign.Owner, missing.Owner, missing.ID = mallory, mallory, 1<<40
				for _, name := range []string{"unsend", "send", "leave", "read", "clear"} {
					act := func(c chat.Copy) time.Duration {
						began := time.Now()
						err := byCopy[name](t.Context(), db.Store, c, message)
						took := time.Since(began)
						require.ErrorIs(t, err, storage.ErrNotFound)
						return took
					}
					differ := 0
					for range rounds {
						one, other := make([]time.Duration, samples), make([]time.Duration, samples)
						for i := range samples {
							one[i], other[i] = act(foreign), act(missing)
						}
						z, ratio := mannWhitney(one, other), float64(median(one))/float64(median(other))
						if math.Abs(z) < significantZ || math.Abs(ratio-1) < noticeable {
							break
						}
						differ++
						t.Logf("%s of kind %d: foreign %v, missing %v, z %.1f", name, c.Kind, median(one), median(other), z)
					}
					require.Less(t, differ, rounds, "%s of kind %d", name, c.Kind)
				}
			}
		})
	}
}

func median(samples []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}

// mannWhitney returns the normal approximation of the Mann-Whitney U test: by how many standard
// deviations the ranks of a are above those of b.
func mannWhitney(a, b []time.Duration) float64 {
	u := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				u++
			case x == y:
				u += 0.5
			}
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}
