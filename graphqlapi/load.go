package graphqlapi

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// A load collects the data for one resolver: the objects of a page, and what is selected below them
// down to the next field with arguments. It loads all objects of a level at once, so the number of
// queries does not depend on the length of the page. The users of all levels are looked up together
// at the end. The results are plain structs, which the executor reads without a goroutine for each
// field.
type load struct {
	*resolver
	ctx    context.Context
	viewer user.ID // owner of all copies in the load
	budget *budget // budget of the answer

	users   map[user.ID]*userNode
	unknown map[user.ID]bool // users whose profiles lookUp must load

	// Objects that are already loaded.
	chatsByID  map[int64]chat.Chat
	copiesByID map[int64]group.Copy
	groupsByID map[int64]group.Group
}

// errObjectGone means that an object of one query was missing in the next: a member left or was
// erased between the two.
var errObjectGone = fmt.Errorf("changed between two queries: %w", storage.ErrNotFound)

// maxLoads is how often a load is attempted if it returns [errObjectGone].
const maxLoads = 4

// loading runs do, and again if it returns errObjectGone. It converts errors for the client.
func loading[T any](ctx context.Context, r *resolver, viewer user.ID, do func(*load, selection) (T, error)) (T, error) {
	sel := selected(ctx)
	for attempt := 1; ; attempt++ {
		l := &load{
			resolver: r, ctx: ctx, viewer: viewer, budget: budgetOf(ctx),
			users: map[user.ID]*userNode{}, unknown: map[user.ID]bool{},
			chatsByID: map[int64]chat.Chat{}, copiesByID: map[int64]group.Copy{}, groupsByID: map[int64]group.Group{},
		}
		v, err := do(l, sel)
		if err == nil {
			err = l.lookUp()
		}
		if err == nil {
			return v, nil
		}
		if attempt == maxLoads || !errors.Is(err, errObjectGone) {
			var none T
			return none, r.wire(ctx, err)
		}
	}
}

// messagesAtOnce is the maximum number of messages that one query reads.
func (l *load) messagesAtOnce() int { return max(1, maxLoadedAtOnce/l.app.Messages.MaxContentSize()) }

// readMessages calls read to read at most n messages from the store. Their size is unknown in
// advance, so loads reserves the maximum. The size that read returns is charged to the budget.
func (l *load) readMessages(n int, read func() (bytes int, err error)) error {
	bytes := min(int64(n)*int64(l.app.Messages.MaxContentSize()), maxLoadedAtOnce)
	leave, err := l.loads.enter(l.ctx, l.budget.of(), bytes)
	if err != nil {
		return err
	}
	defer leave()
	loaded, err := read()
	if err == nil && !l.budget.hold(int64(loaded)) {
		err = context.Canceled // the budget has the refusal
	}
	return err
}

// text charges a loaded text to the budget and returns it.
func (l *load) text(s string) userText {
	l.budget.hold(int64(len(s)))
	return newText(s, l.budget)
}

// user returns the node of a user. If more than the id is selected, lookUp fills in the profile.
func (l *load) user(id user.ID, sel selection) *userNode {
	n, ok := l.users[id]
	if !ok {
		n = newUserNode(l.resolver, id)
		l.users[id] = n
	}
	if !n.profiled && sel.beyondID() {
		l.unknown[id] = true
	}
	return n
}

// lookUp fills in the profiles of users. Users that the directory does not know have empty names.
func (l *load) lookUp() error {
	if len(l.unknown) == 0 {
		return nil
	}
	ids := make([]user.ID, 0, len(l.unknown))
	for id := range l.unknown {
		ids = append(ids, id)
	}
	profiles, err := l.app.Directory.Lookup(l.ctx, ids...)
	if err != nil {
		return fmt.Errorf("look up users: %w", err)
	}
	for id, p := range profiles {
		if n := l.users[id]; n != nil {
			n.show(p, l.budget)
		}
	}
	return nil
}

// only returns the single loaded node.
func only[N any](nodes []*N, err error) (*N, error) {
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// known returns the objects with the given ids. It fetches those that are not in have, and adds
// them to it. If an object does not exist, the error is errObjectGone.
func known[T any](ids []int64, have map[int64]T, fetch func(missing []int64) (map[int64]T, error)) ([]T, error) {
	var missing []int64
	for _, id := range ids {
		if _, ok := have[id]; !ok {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		found, err := fetch(missing)
		if err != nil {
			return nil, err
		}
		maps.Copy(have, found)
	}
	all := make([]T, len(ids))
	for i, id := range ids {
		v, ok := have[id]
		if !ok {
			return nil, errObjectGone
		}
		all[i] = v
	}
	return all, nil
}

// distinct returns the ids of the items without duplicates, in order of first occurrence.
func distinct[T any](items []T, id func(T) int64) []int64 {
	var ids []int64
	met := make(map[int64]bool, len(items))
	for _, item := range items {
		if n := id(item); !met[n] {
			met[n] = true
			ids = append(ids, n)
		}
	}
	return ids
}
