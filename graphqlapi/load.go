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

// A load gathers what one resolver answers: the objects of a page, and whatever is selected below them up to the next field that has
// arguments. It goes level by level, all objects of a level at once, so that it takes a fixed number of queries however long the page
// is; the users of all levels are looked up together at the end. Its objects are plain structs then, which the executor reads
// without a goroutine for each field.
type load struct {
	*resolver
	ctx    context.Context
	viewer user.ID // whose copies all of it is
	budget *budget // of the answer

	users   map[user.ID]*userNode
	unknown map[user.ID]bool // whose profiles are to be looked up

	// What is known already, and need not be asked for again.
	chatsByID  map[int64]chat.Chat
	copiesByID map[int64]group.Copy
	groupsByID map[int64]group.Group
}

// errMoved says that something was there in one query of a load and not in the next: somebody left, or was erased, between the two.
var errMoved = fmt.Errorf("moved meanwhile: %w", storage.ErrNotFound)

// maxLoads is how often a load begins anew because of [errMoved].
const maxLoads = 4

// loading runs a load. The function may be called more than once.
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
		if attempt == maxLoads || !errors.Is(err, errMoved) {
			var none T
			return none, r.wire(ctx, err)
		}
	}
}

// messagesAtOnce is how many messages one query reads.
func (l *load) messagesAtOnce() int { return max(1, maxLoadedAtOnce/l.app.Messages.MaxContentSize()) }

// readMessages reads at most n messages from the store. How long they are is not known before they are there,
// so there is a bound on how many are read at the same time; what came is charged to the budget.
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

// text returns a text that was loaded.
func (l *load) text(s string) userText {
	l.budget.hold(int64(len(s)))
	return newText(s, l.budget)
}

// user returns a user, with a profile at the end of the load where more than the id is selected.
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

// lookUp fills in the profiles. A user whom the directory does not know stays without names.
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

// only returns the one node that was loaded.
func only[N any](nodes []*N, err error) (*N, error) {
	if err != nil {
		return nil, err
	}
	return nodes[0], nil
}

// known returns what these ids name, all of it: fetch is asked for what is not there yet, and have takes it in.
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
			return nil, errMoved
		}
		all[i] = v
	}
	return all, nil
}

// distinct returns the ids of the items, each once, in the order in which they come first.
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
