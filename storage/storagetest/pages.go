package storagetest

import (
	"fmt"
	"reflect"

	"github.com/buddychat/buddychat/storage"
)

// failer is what tests and random histories use to fail.
type failer interface {
	Fatalf(format string, args ...any)
	Helper()
}

// pages checks the list in pages of every size, from both ends, and between any two keys.
func pages[T any](f *fixture, want []T, key func(T) storage.Key, list func(storage.Range) ([]T, error)) {
	f.t.Helper()
	for size := 1; size <= len(want)+1; size++ {
		walk(f.t, size, want, key, list)
	}
	for i := range want {
		for j := i; j < len(want); j++ {
			after, before := key(want[i]), key(want[j])
			for _, backward := range []bool{false, true} {
				got, err := list(storage.Range{After: &after, Before: &before, Limit: len(want), Backward: backward})
				f.NoError(err)
				f.Len(got, max(0, j-i-1), "between the entries %d and %d", i, j)
				if len(got) > 0 {
					f.Equal(want[i+1:j], got, "between the entries %d and %d", i, j)
				}
			}
		}
	}
}

// walk reads a list from both ends in pages of one size.
func walk[T any](t failer, size int, want []T, key func(T) storage.Key, list func(storage.Range) ([]T, error)) {
	t.Helper()
	var forth, back []T
	var after, before *storage.Key
	for range len(want) + 1 {
		page, err := list(storage.Range{After: after, Limit: size})
		if err != nil {
			t.Fatalf("a page of %d: %v", size, err)
		}
		if len(page) == 0 {
			break
		}
		forth = append(forth, page...)
		after = last(page, key)
	}
	for range len(want) + 1 {
		page, err := list(storage.Range{Before: before, Limit: size, Backward: true})
		if err != nil {
			t.Fatalf("a page of %d, backward: %v", size, err)
		}
		if len(page) == 0 {
			break
		}
		back = append(append([]T(nil), page...), back...)
		first := key(page[0])
		before = &first
	}
	same(t, want, forth, fmt.Sprintf("pages of %d, forward", size))
	same(t, want, back, fmt.Sprintf("pages of %d, backward", size))
}

func last[T any](page []T, key func(T) storage.Key) *storage.Key {
	k := key(page[len(page)-1])
	return &k
}

// same compares lists entry by entry and reports the first difference.
func same[T any](t failer, want, got []T, what string) {
	t.Helper()
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: entry %d of %d is missing\nwant %+v", what, i+1, len(want), want[i])
		case i >= len(want):
			t.Fatalf("%s: there are %d entries too many\nfirst %+v", what, len(got)-len(want), got[i])
		case !equal(want[i], got[i]):
			t.Fatalf("%s: entry %d of %d differs\nwant %+v\ngot  %+v", what, i+1, len(want), want[i], got[i])
		}
	}
}

func equal[T any](a, b T) bool { return reflect.DeepEqual(a, b) }
