package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// The database is asked in two ways for what clients should have received. The list of each
// conversation gives its messages. A replay of the owner's events, who is a member from first to
// last, shows between which messages members joined and left.

// A truth is a conversation as the database has it.
type truth struct {
	*conversation
	stored   []string // the messages in its list, oldest first
	replayed []string // the messages in the replay
	history  history
}

// askAtOnce is how many users' conversations are read at the same time.
const askAtOnce = 8

// findTruth reads the history of all conversations. Call it only when there is no more traffic.
// Each conversation must end with a message from its owner.
func (l *load) findTruth(ctx context.Context) ([]*truth, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	owned := map[*person][]*truth{}
	var truths []*truth
	for _, c := range l.conversations {
		t := &truth{conversation: c}
		truths = append(truths, t)
		owned[c.owner] = append(owned[c.owner], t)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(askAtOnce)
	for owner, theirs := range owned {
		all.Go(func() error {
			for _, t := range theirs {
				if err := l.list(ctx, t); err != nil {
					return err
				}
			}
			return l.replay(ctx, owner, theirs)
		})
	}
	return truths, all.Wait()
}

// list reads all messages of a conversation.
func (l *load) list(ctx context.Context, t *truth) error {
	query := `query($copy: ID!, $after: String) { conversation: chat(id: $copy) { messages: chatMessages(first: 100, after: $after) {
		nodes { message { content } } pageInfo { hasNextPage endCursor } } } }`
	if t.group != "" {
		query = strings.NewReplacer("chat(", "group(", "chatMessages(", "groupMessages(").Replace(query)
	}
	for after := any(nil); ; {
		var page struct {
			Conversation struct {
				Messages struct {
					Nodes    []struct{ Message struct{ Content string } }
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
				}
			}
		}
		if err := l.api.ask(ctx, t.owner.token, query, map[string]any{"copy": t.copy, "after": after}, &page); err != nil {
			return err
		}
		messages := page.Conversation.Messages
		for _, n := range messages.Nodes {
			t.stored = append(t.stored, n.Message.Content)
		}
		if !messages.PageInfo.HasNextPage {
			slices.Reverse(t.stored)
			return nil
		}
		after = messages.PageInfo.EndCursor
	}
}

// replay reads all events of the conversations that one person owns, up to the last message of
// each.
func (l *load) replay(ctx context.Context, owner *person, theirs []*truth) error {
	following, done := context.WithCancel(ctx)
	defer done()
	byCopy, last, seen := map[string]*truth{}, map[string]bool{}, map[string]bool{}
	for _, t := range theirs {
		byCopy[t.copy] = t
		last[t.stored[len(t.stored)-1]] = true
		t.history.shown = map[string][]span{}
	}
	err := follow(following, l.api.nodes, owner.token, owner.cursor, func() {}, func(_ int, e *event) {
		t := byCopy[e.copy()]
		if t == nil || seen[e.ID] {
			return
		}
		seen[e.ID] = true
		t.take(e)
		if delete(last, e.content()); len(last) == 0 {
			done()
		}
	})
	if err != nil {
		return err
	}
	if len(last) > 0 {
		return fmt.Errorf("the replay lacks the last messages of %d conversations: %w", len(last), ctx.Err())
	}
	for _, t := range theirs {
		t.conclude()
	}
	return nil
}

// take appends an event to the history.
func (t *truth) take(e *event) {
	t.history.events = append(t.history.events, e.ID)
	length := len(t.history.events)
	switch e.Operation {
	case "MEMBER_ADDED":
		member := e.Payload.GroupCopy.Member
		t.learn(member.ID, member.User.ID)
		u := t.members[member.ID]
		t.history.shown[u] = append(t.history.shown[u], span{from: length - 1})
	case "MEMBER_REMOVED", "MEMBER_LEFT":
		if spans := t.history.shown[t.members[e.Payload.MemberID]]; len(spans) > 0 {
			spans[len(spans)-1].to, spans[len(spans)-1].ended = length, true
		}
	default:
		t.replayed = append(t.replayed, e.content())
	}
}

// conclude extends each span that did not end to the last event.
func (t *truth) conclude() {
	length := len(t.history.events)
	if t.group == "" {
		for _, w := range t.writers {
			t.history.shown[w.person.id] = []span{{to: length}}
		}
	}
	for _, spans := range t.history.shown {
		if last := &spans[len(spans)-1]; !last.ended {
			last.to = length
		}
	}
}

// checkStored checks the stored messages against the replay and against what was sent. Each
// confirmed message must be stored once, the messages of one sender in the order of sending, and no
// others. The replay must have the same messages in the same order.
func (t *truth) checkStored() (v verdict) {
	v.add(same(t.stored, t.replayed))
	sent, stored := 0, 0
	for _, w := range t.writers {
		var theirs []string
		for _, m := range t.stored {
			if strings.HasPrefix(m, w.person.name+" ") {
				theirs = append(theirs, m)
			}
		}
		v.add(same(w.sent, theirs))
		sent, stored = sent+len(w.sent), stored+len(theirs)
	}
	v.leaked += len(t.stored) - stored
	v.delivered = 0 // these messages were read, not delivered
	return v
}

// same compares two lists.
func same(want, got []string) verdict {
	received := make([]receipt, len(got))
	for i, event := range got {
		received[i] = receipt{1, event}
	}
	return check([]history{{events: want, shown: map[string][]span{"": {{to: len(want)}}}}}, []device{{"", received}})
}
