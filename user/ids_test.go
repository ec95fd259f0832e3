package user_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func TestNumericIDsAndUUIDsCheckTheFormOfAnID(t *testing.T) {
	t.Parallel()
	const uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	for _, id := range []user.ID{"1", "42", "9223372036854775807"} {
		require.True(t, user.NumericIDs(id), id)
		require.False(t, user.UUIDs(id), id)
	}
	require.True(t, user.UUIDs(uuid))
	require.True(t, user.UUIDs("00000000-0000-0000-0000-000000000000"))
	for _, id := range []user.ID{
		"", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "٧", "9223372036854775808", "nobody", "' OR 1=1", uuid,
	} {
		require.False(t, user.NumericIDs(id), id)
	}
	for _, id := range []user.ID{
		"", "F81D4FAE-7dec-11d0-a765-00a0c91e6bf6", "{" + uuid + "}", "urn:uuid:" + uuid, "f81d4fae7dec11d0a76500a0c91e6bf6", uuid + "0", user.ID(uuid[1:]),
		"g81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae07dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bé6",
	} {
		require.False(t, user.UUIDs(id), id)
	}
}

// strict is a directory that fails on ids that are no numbers, as a database would.
type strict struct{ t *testing.T }

func (s strict) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	require.NotEmpty(s.t, ids)
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		require.True(s.t, user.NumericIDs(id), "the directory was asked for %q", id)
		found[id] = user.Profile{ID: id}
	}
	return found, nil
}

type strictLister struct{ strict }

func (strictLister) ListUsers(context.Context, user.Filter, storage.Range) ([]user.User, error) {
	return nil, nil
}
func (strictLister) CountUsers(context.Context, user.Filter) (int, error) { return 7, nil }

func TestOnlyPassesOnPossibleIDs(t *testing.T) {
	t.Parallel()
	d := user.Only(strict{t}, user.NumericIDs)
	found, err := d.Lookup(t.Context(), "1", "nobody", "2", "")
	require.NoError(t, err)
	require.Len(t, found, 2)
	found, err = d.Lookup(t.Context(), "nobody")
	require.NoError(t, err)
	require.Empty(t, found)
	_, lists := d.(user.Lister)
	require.False(t, lists)

	d = user.Only(strictLister{strict{t}}, user.NumericIDs)
	_, err = d.Lookup(t.Context(), "nobody")
	require.NoError(t, err)
	n, err := d.(user.Lister).CountUsers(t.Context(), user.Filter{})
	require.NoError(t, err)
	require.Equal(t, 7, n)
}
