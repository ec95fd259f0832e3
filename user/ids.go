package user

import (
	"context"
	"strconv"
)

// NumericIDs reports whether an id is a whole number from 1 to 9,223,372,036,854,775,807, in
// decimal and without leading zeros. It is for applications whose ids have the type BIGINT, INTEGER
// or SERIAL.
func NumericIDs(id ID) bool {
	n, err := strconv.ParseInt(string(id), 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == string(id)
}

// UUIDs reports whether an id is a UUID in the form that databases print: in lower case, such as
// f81d4fae-7dec-11d0-a765-00a0c91e6bf6.
func UUIDs(id ID) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// Only returns a directory that passes on only the ids for which possible returns true. Other ids
// are unknown users. Clients can make up ids of any form, and a query for one fails in a database
// whose ids are numbers or UUIDs. The returned directory is a [Lister] if d is one.
func Only(d Directory, possible func(ID) bool) Directory {
	checked := onlyDirectory{d, possible}
	if l, ok := d.(Lister); ok {
		return struct {
			onlyDirectory
			Lister
		}{checked, l}
	}
	return checked
}

type onlyDirectory struct {
	directory Directory
	possible  func(ID) bool
}

// Lookup implements [Directory].
func (o onlyDirectory) Lookup(ctx context.Context, ids ...ID) (map[ID]Profile, error) {
	asked := make([]ID, 0, len(ids))
	for _, id := range ids {
		if o.possible(id) {
			asked = append(asked, id)
		}
	}
	if len(asked) == 0 {
		return map[ID]Profile{}, nil
	}
	return o.directory.Lookup(ctx, asked...)
}
