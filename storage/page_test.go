package storage_test

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
)

func number(n int64) storage.Key { return storage.Key{Major: n} }

func byMajor(a, b storage.Key) int { return cmp.Compare(a.Major, b.Major) }

// read reads a page of the list of the numbers 1 to n.
func read(t *testing.T, n int64, p storage.Page) storage.List[int64] {
	t.Helper()
	r, err := p.Range("numbers")
	require.NoError(t, err)
	var all []int64
	for i := int64(1); i <= n; i++ {
		all = append(all, i)
	}
	return storage.NewList("numbers", r, storage.Select(r, all, number, byMajor), number)
}

func TestPagesDoNotRepeatOrSkipEntries(t *testing.T) {
	t.Parallel()
	for size := 1; size <= 8; size++ {
		var forward []int64
		for p := storage.First(size); ; {
			l := read(t, 7, p)
			forward = append(forward, l.Items...)
			if !l.HasNext {
				break
			}
			p = storage.First(size).After(l.End())
		}
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7}, forward)

		var backward []int64
		for p := storage.Last(size); ; {
			l := read(t, 7, p)
			backward = append(append([]int64{}, l.Items...), backward...)
			if !l.HasPrevious {
				break
			}
			p = storage.Last(size).Before(l.Start())
		}
		require.Equal(t, forward, backward)
	}
}

func TestHasNextAndHasPreviousDescribeTheNeighbours(t *testing.T) {
	t.Parallel()
	all := read(t, 5, storage.Page{})
	require.Equal(t, []int64{1, 2, 3, 4, 5}, all.Items)
	require.False(t, all.HasNext || all.HasPrevious)

	middle := read(t, 5, storage.First(2).After(all.Cursors[0]))
	require.Equal(t, []int64{2, 3}, middle.Items)
	require.True(t, middle.HasNext && middle.HasPrevious)

	between := read(t, 5, storage.First(9).After(all.Cursors[0]).Before(all.Cursors[4]))
	require.Equal(t, []int64{2, 3, 4}, between.Items)

	none := read(t, 5, storage.First(0))
	require.Empty(t, none.Items)
	require.True(t, none.HasNext)
	require.Empty(t, none.Start()+none.End())
}

func TestHasNextIsTrueOnlyIfTheNextPageHasEntries(t *testing.T) {
	t.Parallel()
	for n := range int64(7) {
		for size := 1; size <= 7; size++ {
			first, last := read(t, n, storage.First(size)), read(t, n, storage.Last(size))
			require.Equal(t, n > int64(size), first.HasNext, "the first %d of %d", size, n)
			require.Equal(t, n > int64(size), last.HasPrevious, "the last %d of %d", size, n)
			require.False(t, first.HasPrevious || last.HasNext)
			if first.HasNext {
				require.NotEmpty(t, read(t, n, storage.First(size).After(first.End())).Items)
				require.NotEmpty(t, read(t, n, storage.Last(size).Before(last.Start())).Items)
			}
		}
	}
}

func TestInvalidPagesAreRefused(t *testing.T) {
	t.Parallel()
	other, err := storage.First(1).Range("others")
	require.NoError(t, err)
	foreign := storage.NewList("others", other, []int64{1}, number).End()
	for _, c := range []struct {
		name, field string
		page        storage.Page
	}{
		{"a negative first", "first", storage.First(-1)},
		{"a negative last", "last", storage.Last(-1)},
		{"more than a page holds", "first", storage.First(storage.MaxPageSize + 1)},
		{"more than the host lets", "last", storage.Last(6).AtMost(5)},
		{"garbage after", "after", storage.First(1).After("garbage")},
		{"garbage before", "before", storage.Last(1).Before("")},
		{"a cursor of another list", "after", storage.First(1).After(foreign)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := c.page.Range("numbers")
			require.ErrorIs(t, err, storage.ErrInvalid)
			require.Equal(t, c.field, storage.Field(err))
		})
	}
	for _, p := range []storage.Page{storage.First(storage.MaxPageSize), storage.First(500).AtMost(500), storage.Page{}.AtMost(5)} {
		_, err := p.Range("numbers")
		require.NoError(t, err)
	}
}

func TestMessageIsEmptyForInternalErrors(t *testing.T) {
	t.Parallel()
	require.Empty(t, storage.Message(errors.New("pq: relation does not exist")))
	require.Equal(t, "title is too long", storage.Message(storage.Invalid("title", "title is too %s", "long")))
	require.Equal(t, "title", storage.Field(storage.Invalid("title", "x")))
	require.Empty(t, storage.Field(storage.NotFound()))
}

func FuzzCursor(f *testing.F) {
	r, err := storage.First(1).Range("numbers")
	require.NoError(f, err)
	f.Add(storage.NewList("numbers", r, []int64{42}, number).End())
	f.Add("")
	f.Add("////")
	f.Fuzz(func(t *testing.T, cursor string) {
		r, err := storage.First(1).After(cursor).Range("numbers")
		if err != nil {
			require.ErrorIs(t, err, storage.ErrInvalid)
			return
		}
		again := storage.NewList("numbers", r, []storage.Key{*r.After}, func(k storage.Key) storage.Key { return k })
		require.Equal(t, cursor, again.End(), "a cursor must have only one encoding")
	})
}

func TestACursorKeepsATextKey(t *testing.T) {
	t.Parallel()
	byText := func(s string) storage.Key { return storage.Key{Text: s} }
	items := []string{"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "sixteen bytes it", "Ünïcode 😀", "7", strings.Repeat("x", storage.MaxKeyText)}
	first, err := storage.First(len(items)).Range("texts")
	require.NoError(t, err)
	l := storage.NewList("texts", first, items, byText)
	for i, cursor := range l.Cursors {
		r, err := storage.First(1).After(cursor).Before(cursor).Range("texts")
		require.NoError(t, err)
		require.Equal(t, byText(items[i]), *r.After)
		require.Equal(t, byText(items[i]), *r.Before)
		_, err = storage.First(1).After(cursor).Range("other texts")
		require.ErrorIs(t, err, storage.ErrInvalid)
	}
	tag, err := base64.RawURLEncoding.DecodeString(l.Cursors[0])
	require.NoError(t, err)
	for _, key := range []string{"", "a\x00b", "\xff", strings.Repeat("x", storage.MaxKeyText+1)} {
		_, err = storage.First(1).After(base64.RawURLEncoding.EncodeToString(append(slices.Clone(tag[:4]), key...))).Range("texts")
		require.ErrorIs(t, err, storage.ErrInvalid, "%q", key)
	}
}

func TestTheEncodingOfNumericCursorsIsStable(t *testing.T) {
	t.Parallel()
	r, err := storage.First(1).Range("users \"\" \"\" \"\" \"\"")
	require.NoError(t, err)
	l := storage.NewList("users \"\" \"\" \"\" \"\"", r, []int64{7}, number)
	require.Equal(t, []string{"QBNbwwAAAAAAAAAHAAAAAAAAAAA"}, l.Cursors)
}
