package storage

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"unicode/utf8"
)

// The size of a page: what is answered unless asked, and the most that can be asked for unless the
// host sets another bound.
const (
	DefaultPageSize = 20
	MaxPageSize     = 100
)

// Page asks for a part of a list. The zero value asks for the first [DefaultPageSize] entries.
//
//	storage.First(50)                      // the first fifty
//	storage.First(50).After(list.End())    // the fifty behind them
//	storage.Last(10).Before(list.Start())  // the ten before
type Page struct {
	size          *int
	backward      bool
	after, before *string
	max           int
}

// First asks for n entries from the beginning, or from the cursor given to [Page.After].
func First(n int) Page { return Page{size: &n} }

// Last asks for n entries from the end, or from the cursor given to [Page.Before]; they come in the
// order of the list all the same.
func Last(n int) Page { return Page{size: &n, backward: true} }

// After leaves out everything up to and including the entry with this cursor.
func (p Page) After(cursor string) Page { p.after = &cursor; return p }

// Before leaves out everything from the entry with this cursor on.
func (p Page) Before(cursor string) Page { p.before = &cursor; return p }

// AtMost replaces [MaxPageSize] for this page. It is for hosts that serve larger pages.
func (p Page) AtMost(n int) Page { p.max = n; return p }

// Size returns how many entries are asked for, at least 0.
func (p Page) Size() int {
	if p.size == nil {
		return DefaultPageSize
	}
	return max(0, *p.size)
}

// Key is the place of an entry in a list: lists are ordered by Major, then by Minor. A list of the application's own may have places that
// are no numbers: then Text is the place, in whatever order the application has, and the numbers are 0.
type Key struct {
	Major, Minor int64
	Text         string // valid UTF-8 without NUL, at most [MaxKeyText] bytes
}

// MaxKeyText is the most bytes that the text of a [Key] may have.
const MaxKeyText = 1024

// Range is a page as a store reads it. Keys are exclusive bounds in the order of the list, whichever
// way that runs; a nil one is open.
type Range struct {
	After, Before *Key
	// Limit is the most entries to return. Services ask for one more than the page has, to know
	// whether there is another.
	Limit int
	// Backward takes the Limit entries nearest to the END of the range. They are returned in the
	// order of the list nevertheless.
	Backward bool
}

// List is one page of a list.
type List[T any] struct {
	Items []T
	// Cursors has the cursor of each item.
	Cursors              []string
	HasNext, HasPrevious bool
}

// Start returns the cursor of the first item, "" where there is none.
func (l List[T]) Start() string {
	if len(l.Cursors) == 0 {
		return ""
	}
	return l.Cursors[0]
}

// End returns the cursor of the last item, "" where there is none.
func (l List[T]) End() string {
	if len(l.Cursors) == 0 {
		return ""
	}
	return l.Cursors[len(l.Cursors)-1]
}

// Range returns the page of the named list as a store reads it, with one entry more than the page has.
// The name stands for the list and all that fixes its order and filter, so that a cursor of another
// list is known for what it is. The error is an [ErrInvalid].
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

// NewList makes a page of what a store returned for r, the [Range] of the named list.
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

// A cursor is a tag of its list (32 bits of FNV-1a, against mistakes and not against malice: a forged
// one only chooses another place in a list that its user may read) and the key. Where that is a text, the tag is another one.
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

// textTag is the tag of a list for keys that are texts.
func textTag(list string) uint32 { return tag(list + " by text") }

func tag(list string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(list))
	return h.Sum32()
}

// Select applies r to entries that are all in memory, in the order of their list. It is for stores
// that keep their data there, and for tests.
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
