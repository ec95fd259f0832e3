package chat_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
)

func newService(t *testing.T, o *chat.Options) (*chat.Service, chat.Chat) {
	t.Helper()
	s := chat.NewService(memory.New(nil), names{"alice", "bob"}, o)
	mine, _, err := s.Open(t.Context(), "alice", "bob")
	require.NoError(t, err)
	return s, mine
}

func TestContentLengthIsCountedInCharactersAfterTrimming(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	longest := strings.Repeat("😀", chat.MaxContentLength)
	for name, c := range map[string]struct {
		content string
		ok      bool
	}{
		"one character":                 {"a", true},
		"the longest":                   {longest, true},
		"the longest with space around": {" \n" + longest + "\t ", true},
		"one more":                      {longest + "a", false},
		"nothing":                       {"", false},
		"white space":                   {" \u00a0\u2003\n", false},
		"invalid UTF-8":                 {"a\xff", false},
		"NUL":                           {"a\x00b", false},
		"a megabyte of space":           {"a" + strings.Repeat(" ", 1<<20), false},
		"a lone combining mark":         {"\u0301", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: c.content})
			if !c.ok {
				require.ErrorIs(t, err, storage.ErrInvalid)
				require.Equal(t, "content", storage.Field(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.content, m.Content, "the content must be stored untrimmed")
			_, err = s.Edit(t.Context(), "alice", mine.ID, m.ID, c.content)
			require.NoError(t, err)
		})
	}
}

// endingStore deletes a chat just before its messages are read.
type endingStore struct {
	*memory.Store
	t *testing.T
}

func (s endingStore) Messages(ctx context.Context, copies []chat.Copy, r storage.Range) ([][]chat.Message, error) {
	require.NoError(s.t, s.EraseUser(ctx, "bob"))
	return s.Store.Messages(ctx, copies, r)
}

func TestAChatDeletedWhileItsMessagesAreReadIsNotFound(t *testing.T) {
	t.Parallel()
	s := chat.NewService(endingStore{memory.New(nil), t}, names{"alice", "bob"}, nil)
	mine, _, err := s.Open(t.Context(), "alice", "bob")
	require.NoError(t, err)
	_, err = s.Messages(t.Context(), "alice", mine.ID, storage.Page{})
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestSurroundingWhiteSpaceCountsForTheSizeAsJSON(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	most := chat.NewMessages(nil, nil).MaxContentSize()
	for name, c := range map[string]struct {
		unit  string
		bytes int // size as JSON
	}{
		"spaces":          {" ", 1},
		"line breaks":     {"\n", 2},
		"vertical tabs":   {"\v", 6},
		"line separators": {"\u2028", 6},
		"wide spaces":     {"\u3000", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "x" + strings.Repeat(c.unit, (most-1)/c.bytes)})
			require.NoError(t, err)
			_, err = s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "x" + strings.Repeat(c.unit, (most-1)/c.bytes+1)})
			require.ErrorIs(t, err, storage.ErrInvalid)
			require.Contains(t, err.Error(), "65536 bytes")
		})
	}
	for _, widest := range []string{"\x01", "<", "😀", "\u2028\u0301"} {
		_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: strings.Repeat(widest, chat.MaxContentLength/len([]rune(widest)))})
		require.NoError(t, err, "%q", widest)
	}
	require.Equal(t, 6*100_000+4096, chat.NewMessages(nil, &chat.Options{MaxContentLength: 100_000}).MaxContentSize())
}

func TestOptionsSetTheMaximumContentLengthAndPageSize(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, &chat.Options{MaxContentLength: 3, MaxPageSize: 2})
	_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "abcd"})
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "abc"})
	require.NoError(t, err)
	_, err = s.Messages(t.Context(), "alice", mine.ID, storage.First(3))
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = s.List(t.Context(), "alice", chat.Filter{}, storage.First(3))
	require.ErrorIs(t, err, storage.ErrInvalid)
}

func TestAClientIDHasAMaximumLength(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "a", ClientID: strings.Repeat("ä", chat.MaxClientIDLength)})
	require.NoError(t, err)
	for _, id := range []string{strings.Repeat("a", chat.MaxClientIDLength+1), "a\x00", "\xff"} {
		_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "a", ClientID: id})
		require.ErrorIs(t, err, storage.ErrInvalid)
		require.Equal(t, "clientMessageId", storage.Field(err))
	}
}

func TestAChatCanOnlyBeOpenedBetweenUsersOfTheDirectory(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	again, others, err := s.Open(t.Context(), "alice", "bob")
	require.NoError(t, err)
	require.Equal(t, mine, again)
	require.Equal(t, "bob", string(others.Owner))
	_, _, err = s.Open(t.Context(), "alice", "mallory")
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, _, err = s.Open(t.Context(), "mallory", "alice")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	for range 2 {
		_, err := s.Send(t.Context(), "alice", mine.ID, chat.Draft{Content: "a"})
		require.NoError(t, err)
	}
	page, err := s.Messages(t.Context(), "alice", mine.ID, storage.First(1))
	require.NoError(t, err)
	require.True(t, page.HasNext)
	_, err = s.List(t.Context(), "alice", chat.Filter{}, storage.First(1).After(page.End()))
	require.ErrorIs(t, err, storage.ErrInvalid)
	archived := true
	chats, err := s.List(t.Context(), "alice", chat.Filter{}, storage.First(1))
	require.NoError(t, err)
	_, err = s.List(t.Context(), "alice", chat.Filter{Archived: &archived}, storage.First(1).After(chats.End()))
	require.ErrorIs(t, err, storage.ErrInvalid)
}

func TestAChatOfAnotherUserIsNotFound(t *testing.T) {
	t.Parallel()
	s, mine := newService(t, nil)
	ctx := t.Context()
	_, err := s.Get(ctx, "bob", mine.ID)
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = s.Messages(ctx, "bob", mine.ID, storage.Page{})
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, err = s.Send(ctx, "bob", mine.ID, chat.Draft{Content: "a"})
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.ErrorIs(t, s.Clear(ctx, "bob", mine.ID), storage.ErrNotFound)
	require.ErrorIs(t, s.Archive(ctx, "bob", mine.ID, true), storage.ErrNotFound)
	found, err := s.GetAll(ctx, "alice", mine.ID, mine.ID+100)
	require.NoError(t, err)
	require.Len(t, found, 1)
}
