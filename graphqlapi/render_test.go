package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// everybody is a directory that knows all users that it is asked for, unless it fails.
type everybody struct{ err error }

func (d *everybody) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		found[id] = user.Profile{ID: id, Username: "name of " + string(id)}
	}
	return found, d.err
}

type noCallers struct{ Authenticator }

func newTestHandler(t testing.TB, directory user.Directory) *Handler {
	t.Helper()
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{Directory: directory})
	require.NoError(t, err)
	h, err := NewHandler(app, &Options{Authenticator: noCallers{}})
	require.NoError(t, err)
	return h
}

// run runs the application until the test ends.
func (h *Handler) runForTest(t testing.TB) {
	t.Helper()
	ran := make(chan error, 1)
	go func() { ran <- h.app.Run(context.Background()) }()
	t.Cleanup(func() {
		require.NoError(t, h.app.Shutdown(context.Background()))
		require.NoError(t, <-ran)
	})
}

// eventsOf returns the events that a user receives when act runs.
func (h *Handler) eventsOf(t testing.TB, u user.ID, count int, act func()) []realtime.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events, err := h.app.Hub.Subscribe(ctx, u, "")
	require.NoError(t, err)
	defer events.Close()
	act()
	var got []realtime.Event
	for e, err := range events.Events(ctx) {
		require.NoError(t, err)
		if got = append(got, e); len(got) == count {
			return got
		}
	}
	t.Fatal("too few events")
	return nil
}

func payloadOf(t *testing.T, envelope []byte) map[string]any {
	t.Helper()
	var decoded struct{ Payload map[string]any }
	require.NoError(t, json.Unmarshal(envelope, &decoded), "%s", envelope)
	return decoded.Payload
}

func TestEventsDescribeFormerMembersFromTheEvent(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, &everybody{})
	g, alices, err := h.app.Groups.Create(t.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	e := realtime.Event{ID: "7", Cursor: "c", Operation: realtime.MemberAdded, At: at, Copy: alices.Copy(), Conversation: g.ID, Member: alices.ID + 100}
	envelope, err := h.appendEnvelope(t.Context(), nil, e)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"groupCopy": map[string]any{
		"id": groupCopyID(alices.ID),
		"member": map[string]any{
			"id": memberID(e.Member), "joinedAt": "2026-01-02T03:04:05.000006Z", "isAdmin": false,
			"group": map[string]any{"id": groupID(g.ID)}, "user": nil,
		},
	}}, payloadOf(t, envelope))

	// The user is still known unless they were erased.
	e.MemberUser = "bob"
	envelope, err = h.appendEnvelope(t.Context(), nil, e)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"id": userID("bob"), "username": "name of bob"},
		payloadOf(t, envelope)["groupCopy"].(map[string]any)["member"].(map[string]any)["user"])
}

func TestAFormerMemberIsNotShownTheGroup(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, &everybody{})
	g, _, err := h.app.Groups.Create(t.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	_, err = h.appendEnvelope(t.Context(), nil, realtime.Event{
		Operation: realtime.GroupUpdated, Copy: chat.Copy{Kind: chat.Group, ID: 99, Owner: "bob"}, Conversation: g.ID,
	})
	require.ErrorIs(t, err, errLeftOut)
}

func TestTheNextRecipientRendersWhatOneCannotSee(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, &everybody{})
	h.runForTest(t)
	var g group.Group
	var alices group.Copy
	added := h.eventsOf(t, "alice", 1, func() {
		var err error
		g, alices, err = h.app.Groups.Create(t.Context(), "alice", group.Draft{Title: "Climbing"})
		require.NoError(t, err)
	})[0]
	updated := h.eventsOf(t, "alice", 1, func() {
		title := "Walking"
		_, err := h.app.Groups.Update(t.Context(), "alice", alices.ID, group.Update{Title: &title})
		require.NoError(t, err)
	})[0]

	outsider := updated
	outsider.Copy = chat.Copy{Kind: chat.Group, ID: 99, Owner: "bob"}
	_, err := h.appendEnvelope(t.Context(), nil, outsider)
	require.ErrorIs(t, err, errLeftOut)
	envelope, err := h.appendEnvelope(t.Context(), nil, updated)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"groupCopy": map[string]any{"id": groupCopyID(alices.ID), "group": map[string]any{
		"id": groupID(g.ID), "title": "Walking", "description": "", "groupImage": nil,
	}}}, payloadOf(t, envelope))

	outsider = added
	outsider.Copy = chat.Copy{Kind: chat.Group, ID: 99, Owner: "bob"}
	_, err = h.appendEnvelope(t.Context(), nil, outsider)
	require.NoError(t, err)
	envelope, err = h.appendEnvelope(t.Context(), nil, added)
	require.NoError(t, err)
	require.Contains(t, string(envelope), `"username":"name of alice"`)
}

func TestAFailedLookupIsRetried(t *testing.T) {
	t.Parallel()
	directory := &everybody{}
	h := newTestHandler(t, directory)
	h.runForTest(t)
	added := h.eventsOf(t, "alice", 1, func() {
		_, _, err := h.app.Groups.Create(t.Context(), "alice", group.Draft{Title: "Climbing"})
		require.NoError(t, err)
	})[0]
	directory.err = errors.New("away")
	attempts := 0
	var envelope []byte
	err := h.retryFailures(t.Context(), func() (err error) {
		if attempts++; attempts == maxAttempts {
			directory.err = nil
		}
		envelope, err = h.appendEnvelope(t.Context(), nil, added)
		return err
	})
	require.NoError(t, err)
	require.Equal(t, maxAttempts, attempts)
	require.Contains(t, string(envelope), `"username":"name of alice"`)

	attempts, directory.err = 0, errors.New("away for good")
	err = h.retryFailures(t.Context(), func() error { attempts++; return directory.err })
	require.Equal(t, directory.err, err)
	require.Equal(t, maxAttempts, attempts)
}

func TestOnlyTheSenderGetsTheirOwnFields(t *testing.T) {
	t.Parallel()
	h := newTestHandler(t, &everybody{})
	e := createdEvent()
	mine, err := h.appendEnvelope(t.Context(), nil, e)
	require.NoError(t, err)
	require.Contains(t, string(mine), `"clientMessageId":"mine"`)
	e.Copy = chat.Copy{Kind: chat.Group, ID: 8, Owner: "bob"}
	others, err := h.appendEnvelope(t.Context(), nil, e)
	require.NoError(t, err)
	require.NotContains(t, string(others), "clientMessageId")
	e.Message.ClientID, e.Copy.Owner = "", "alice"
	mine, err = h.appendEnvelope(t.Context(), nil, e)
	require.NoError(t, err)
	require.NotContains(t, string(mine), "clientMessageId")
}

func createdEvent() realtime.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return realtime.Event{
		ID: "1", Cursor: realtime.Position{ID: 1}.String(), Operation: realtime.GroupMessageCreated, At: at, Actor: "alice",
		Copy: chat.Copy{Kind: chat.Group, ID: 7, Owner: "alice"}, Conversation: 3, MessageID: 5,
		Message: &chat.Message{ID: 5, Conversation: 3, Seq: 1, Sender: "alice", Content: string(bytes.Repeat([]byte("x"), 100)), ClientID: "mine", Date: at},
	}
}

// The cost for each recipient of a group message after the first.
func BenchmarkEnvelope(b *testing.B) {
	h := newTestHandler(b, &everybody{})
	h.runForTest(b)
	_, alices, err := h.app.Groups.Create(b.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(b, err)
	e := h.eventsOf(b, "alice", 1, func() {
		_, err := h.app.Groups.Send(b.Context(), "alice", alices.ID, chat.Draft{Content: string(bytes.Repeat([]byte("x"), 100))})
		require.NoError(b, err)
	})[0]
	var envelope []byte
	b.ReportAllocs()
	for recipient := int64(0); b.Loop(); recipient++ {
		e.Copy.ID, e.Copy.Owner = recipient, "bob"
		if envelope, err = h.appendEnvelope(b.Context(), envelope[:0], e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(envelope)), "bytes")
}
