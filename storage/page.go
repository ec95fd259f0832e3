package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"unicode/utf8"
)

// Sizes of a page: the default, and the maximum unless the application sets another one.
const (
	DefaultPageSize = 20
	MaxPageSize     = 100
)

// Page selects a part of a list. The zero value selects the first [DefaultPageSize] entries.
//
//	storage.First(50)                      // the first fifty
//	storage.First(50).After(list.End())    // the next fifty
//	storage.Last(10).Before(list.Start())  // the ten before
type Page struct {
	size          *int
	backward      bool
	after, before *string
	max           int
}

// First selects n entries from the start, or after the cursor given to [Page.After].
func First(n int) Page { return Page{size: &n} }

// Last selects n entries from the end, or before the cursor given to [Page.Before]. They are
// returned in the order of the list.
func Last(n int) Page { return Page{size: &n, backward: true} }

// After leaves out all entries up to and including the one with this cursor.
func (p Page) After(cursor string) Page { p.after = &cursor; return p }

// Before leaves out the entry with this cursor and all entries after it.
func (p Page) Before(cursor string) Page { p.before = &cursor; return p }

// AtMost replaces [MaxPageSize] for this page. It is for applications that serve larger pages.
func (p Page) AtMost(n int) Page { p.max = n; return p }

// Size returns how many entries are selected, at least 0.
func (p Page) Size() int {
	if p.size == nil {
		return DefaultPageSize
	}
	return max(0, *p.size)
}

// Key is the position of an entry in a list, which is ordered by Major, then by Minor. If an
// application's own list has positions that are not numbers, Text is the position, in the order of
// that list, and both numbers are 0.
type Key struct {
	Major, Minor int64
	Text         string // valid UTF-8 without NUL, at most [MaxKeyText] bytes
}

// MaxKeyText is the maximum length of the text of a [Key] in bytes.
const MaxKeyText = 1024

// Range is a page in the form that a store reads. The keys are exclusive bounds in the order of the
// list, which may be ascending or descending. A nil key is no bound.
type Range struct {
	After, Before *Key
	// Limit is the maximum number of entries to return. Services ask for one more than the page
	// has, to find out whether there is another page.
	Limit int
	// Backward selects the last Limit entries of the range instead of the first. They are still
	// returned in the order of the list.
	Backward bool
}

// List is one page of a list.
type List[T any] struct {
	Items []T
	// Cursors[i] is the cursor of Items[i].
	Cursors              []string
	HasNext, HasPrevious bool
}

// Start returns the cursor of the first item, or "" if there is none.
func (l List[T]) Start() string {
	if len(l.Cursors) == 0 {
		return ""
	}
	return l.Cursors[0]
}

// End returns the cursor of the last item, or "" if there is none.
func (l List[T]) End() string {
	if len(l.Cursors) == 0 {
		return ""
	}
	return l.Cursors[len(l.Cursors)-1]
}

// Range returns the page in the form that a store reads, with a limit of one entry more than the
// page has. The name identifies the list, with everything that determines its order and filter, so
// that a cursor of another list is recognised. The error is an [ErrInvalid].
func (p Page) Range(list string) (Range, error) {
	size, most := DefaultPageSize, p.max
	if most <= 0 {
		most = MaxPageSize
	}
	field := "first"
	if p.backward {
		field = "last"
	}
	if p.size != nil {
		size = *p.size
	}
	switch {
	case size < 0:
		return Range{}, Invalid(field, "%s must not be negative", field)
	case p.size != nil && size > most:
		return Range{}, Invalid(field, "%s must be at most %d", field, most)
	}
	r := Range{Limit: min(size, most) + 1, Backward: p.backward}
	var err error
	if r.After, err = decodeCursor(list, "after", p.after); err != nil {
		return Range{}, err
	}
	if r.Before, err = decodeCursor(list, "before", p.before); err != nil {
		return Range{}, err
	}
	return r, nil
}

// NewList makes a page of the items that a store returned for r, the [Range] of the named list.
func NewList[T any](list string, r Range, items []T, key func(T) Key) List[T] {
	size := r.Limit - 1
	more := len(items) > size
	if more && r.Backward {
		items = items[len(items)-size:]
	} else if more {
		items = items[:size]
	}
	l := List[T]{Items: items, Cursors: make([]string, len(items))}
	for i, item := range items {
		l.Cursors[i] = encodeCursor(list, key(item))
	}
	if r.Backward {
		l.HasPrevious, l.HasNext = more, r.Before != nil
	} else {
		l.HasNext, l.HasPrevious = more, r.After != nil
	}
	return l
}

// A cursor is a tag of its list, and the key. The tag is 32 bits of FNV-1a, with another tag for a
// key that is a text. It protects against mistakes, not attacks: a forged cursor only selects
// another position in a list that its user may read.
const (
	tagSize    = 4
	cursorSize = tagSize + 8 + 8
)

func encodeCursor(list string, k Key) string {
	if k.Text != "" {
		return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, textTag(list)), k.Text...))
	}
	var b [cursorSize]byte
	binary.BigEndian.PutUint32(b[:], tag(list))
	binary.BigEndian.PutUint64(b[4:], uint64(k.Major))
	binary.BigEndian.PutUint64(b[12:], uint64(k.Minor))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func decodeCursor(list, field string, cursor *string) (*Key, error) {
	if cursor == nil {
		return nil, nil
	}
	invalid := Invalid(field, "%s is not a cursor of this list", field)
	if len(*cursor) > base64.RawURLEncoding.EncodedLen(tagSize+MaxKeyText) {
		return nil, invalid
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err != nil || len(b) <= tagSize || len(*cursor) != base64.RawURLEncoding.EncodedLen(len(b)) {
		return nil, invalid
	}
	switch key := b[tagSize:]; binary.BigEndian.Uint32(b) {
	case tag(list):
		if len(b) == cursorSize {
			return &Key{Major: int64(binary.BigEndian.Uint64(key)), Minor: int64(binary.BigEndian.Uint64(key[8:]))}, nil
		}
	case textTag(list):
		if utf8.Valid(key) && !bytes.ContainsRune(key, 0) {
			return &Key{Text: string(key)}, nil
		}
	}
	return nil, invalid
}

// textTag returns the tag of a list for keys that are texts.
func textTag(list string) uint32 { return tag(list + " by text") }

func tag(list string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(list))
	return h.Sum32()
}

// Select applies r to entries that are all in memory, in the order of their list. It is for stores
// in memory, and for tests.
func Select[T any](r Range, items []T, key func(T) Key, compare func(a, b Key) int) []T {
	var in []T
	for _, item := range items {
		k := key(item)
		if r.After != nil && compare(k, *r.After) <= 0 || r.Before != nil && compare(k, *r.Before) >= 0 {
			continue
		}
		in = append(in, item)
	}
	if len(in) > r.Limit && r.Backward {
		in = in[len(in)-r.Limit:]
	} else if len(in) > r.Limit {
		in = in[:r.Limit]
	}
	if len(in) == 0 {
		return nil
	}
	return slices.Clip(in)
}
