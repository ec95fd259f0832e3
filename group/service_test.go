package group_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

func newService(t *testing.T, o *group.Options) (*group.Service, group.Copy) {
	t.Helper()
	s := group.NewService(memory.New(nil), anyoneButMallory{}, o)
	_, own, err := s.Create(t.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	return s, own
}

func TestTitleAndDescriptionLimits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", group.MaxTitleLength)
	for name, c := range map[string]struct {
		title, description string
		field              string // the field that the error is about; "" if the texts are accepted
	}{
		"the shortest title":      {"ab", "", ""},
		"the longest title":       {long, "", ""},
		"a title of one":          {"a", "", "title"},
		"a title of spaces":       {"    ", "", "title"},
		"a title too long":        {long + "a", "", "title"},
		"NUL in the title":        {"a\x00b", "", "title"},
		"the longest description": {"ab", strings.Repeat("é", group.MaxDescriptionLength), ""},
		"one more":                {"ab", strings.Repeat("a", group.MaxDescriptionLength+1), "description"},
		"invalid UTF-8":           {"ab", "\xff", "description"},
		"nothing to see":          {"\u200b\u3164\u2800", "", "title"},
		"a line break":            {"ab\ncd", "", "title"},
		"a control character":     {"ab\x07", "", "title"},
		"an override":             {"ab\u202egnp", "", "title"},
		"an isolate":              {"\u2066ab\u2069", "", "title"},
		"emoji with joiners":      {"👩\u200d👩\u200d👧", "", ""},
		"right to left":           {"שלום\u200f!", "", ""},
		"lines":                   {"ab", "one\ntwo\r\nthree\u2028four\u2029", ""},
		"lines of nothing":        {"ab", " \n\u200b\n", "description"},
		"a tab":                   {"ab", "one\ttwo", "description"},
		"an escape":               {"ab", "\x1b[31mred", "description"},
		"an override, described":  {"ab", "one\u202dtwo", "description"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, own := newService(t, nil)
			g, _, created := s.Create(t.Context(), "alice", group.Draft{Title: c.title, Description: c.description})
			updated, err := s.Update(t.Context(), "alice", own.ID, group.Update{Title: &c.title, Description: &c.description})
			for _, err := range []error{created, err} {
				require.Equal(t, c.field, storage.Field(err))
				require.Equal(t, c.field == "", err == nil)
			}
			if c.field == "" {
				require.Equal(t, c.title, g.Title)
				require.Equal(t, c.description, updated.Description)
			}
		})
	}
}

func TestAGroupImageMustBeAnHTTPURLOrAPath(t *testing.T) {
	t.Parallel()
	s, own := newService(t, nil)
	for image, ok := range map[string]bool{"https://example.com/a.png": true, "/a.png": true, "": true, "javascript:alert(1)": false} {
		_, err := s.Update(t.Context(), "alice", own.ID, group.Update{Image: &image})
		require.Equal(t, ok, err == nil, image)
		if !ok {
			require.Equal(t, "groupImage", storage.Field(err))
		}
	}
}

func TestAGroupIsFullAtMaxMembers(t *testing.T) {
	t.Parallel()
	s, own := newService(t, &group.Options{MaxMembers: 2})
	_, err := s.Add(t.Context(), "alice", own.ID, "bob")
	require.NoError(t, err)
	_, err = s.Add(t.Context(), "alice", own.ID, "carol")
	require.ErrorIs(t, err, storage.ErrConflict)
}

func TestOnlyUsersOfTheDirectoryCanBeAdded(t *testing.T) {
	t.Parallel()
	s, own := newService(t, nil)
	_, err := s.Add(t.Context(), "alice", own.ID, "mallory")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// endingStore removes bob just before his read reaches the store.
type endingStore struct {
	*memory.Store
	remove func()
}

func (s *endingStore) Messages(ctx context.Context, copies []chat.Copy, r storage.Range) ([][]chat.Message, error) {
	s.remove()
	return s.Store.Messages(ctx, copies, r)
}

func (s *endingStore) Members(ctx context.Context, viewer user.ID, groups []int64, r storage.Range) ([][]group.Member, error) {
	s.remove()
	return s.Store.Members(ctx, viewer, groups, r)
}

func TestAMemberRemovedDuringAReadGetsNotFound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := &endingStore{Store: memory.New(nil)}
	s := group.NewService(store, anyoneButMallory{}, nil)
	_, own, err := s.Create(ctx, "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	for name, ask := range map[string]func(copy int64) error{
		"members":  func(int64) error { _, err := s.Members(ctx, "bob", own.Group, storage.Page{}); return err },
		"messages": func(copy int64) error { _, err := s.Messages(ctx, "bob", copy, storage.Page{}); return err },
	} {
		bob, err := s.Add(ctx, "alice", own.ID, "bob")
		require.NoError(t, err)
		store.remove = func() { require.NoError(t, s.Remove(ctx, "alice", own.ID, bob.ID)) }
		require.ErrorIs(t, ask(bob.ID), storage.ErrNotFound, name)
	}
}

func TestOnlyMembersSeeAGroupAndItsMembers(t *testing.T) {
	t.Parallel()
	s, own := newService(t, nil)
	ctx := t.Context()
	_, err := s.Group(ctx, "bob", own.Group)
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = s.Members(ctx, "bob", own.Group, storage.Page{})
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = s.Member(ctx, "bob", own.ID)
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = s.Messages(ctx, "bob", own.ID, storage.Page{})
	require.ErrorIs(t, err, storage.ErrNotFound)

	bob, err := s.Add(ctx, "alice", own.ID, "bob")
	require.NoError(t, err)
	members, err := s.Members(ctx, "bob", own.Group, storage.First(1))
	require.NoError(t, err)
	require.Equal(t, own.ID, members.Items[0].ID)
	members, err = s.Members(ctx, "bob", own.Group, storage.First(1).After(members.End()))
	require.NoError(t, err)
	require.Equal(t, bob.ID, members.Items[0].ID)
	require.ErrorIs(t, s.Remove(ctx, "bob", bob.ID, own.ID), storage.ErrForbidden)
	require.ErrorIs(t, s.RemovePermanently(ctx, "bob", bob.ID), storage.ErrForbidden)
	_, err = s.SetAdmin(ctx, "alice", own.ID, own.ID, false)
	require.ErrorIs(t, err, storage.ErrConflict)

	sent, err := s.Send(ctx, "bob", bob.ID, chat.Draft{Content: "hello"})
	require.NoError(t, err)
	unread, err := s.Unread(ctx, "alice", own.ID)
	require.NoError(t, err)
	require.Equal(t, 1, unread)
	ref := group.MessageRef{Copy: own.Copy(), Message: sent.ID}
	_, err = s.Read(ctx, "alice", own.ID, sent.ID)
	require.NoError(t, err)
	readers, err := s.ReaderLists(ctx, []group.MessageRef{ref}, storage.Page{})
	require.NoError(t, err)
	require.Len(t, readers[0].Items, 1)
	require.NoError(t, s.Leave(ctx, "alice", own.ID))
	_, err = s.Get(ctx, "alice", own.ID)
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.NoError(t, s.Clear(ctx, "bob", bob.ID))
	require.NoError(t, s.Archive(ctx, "bob", bob.ID, true))
}
