package graphqlapi

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/storage"
)

// pageArgs are the arguments of every list.
type pageArgs struct {
	First  *int32
	After  *string
	Last   *int32
	Before *string
}

// page returns the requested page. The services check its length.
func (a pageArgs) page() (storage.Page, error) {
	var p storage.Page
	switch {
	case a.First != nil && a.Last != nil:
		return p, storage.Invalid("last", "first and last cannot be used together: give only one of them")
	case a.First != nil:
		p = storage.First(int(*a.First))
	case a.Last != nil:
		p = storage.Last(int(*a.Last))
	}
	if a.After != nil {
		p = p.After(*a.After)
	}
	if a.Before != nil {
		p = p.Before(*a.Before)
	}
	return p, nil
}

// cursor reports whether the page has a cursor. A cursor is valid for one list only.
func (a pageArgs) cursor() bool { return a.After != nil || a.Before != nil }

// size identifies the page among those without a cursor.
func (a pageArgs) size() string {
	switch {
	case a.First != nil:
		return fmt.Sprint("first ", *a.First)
	case a.Last != nil:
		return fmt.Sprint("last ", *a.Last)
	}
	return ""
}

// connection is a page as clients see it (a Relay cursor connection).
type connection[N any] struct {
	Edges      []edge[N]
	Nodes      []*N
	PageInfo   pageInfo
	TotalCount int32 // set only if it is selected
}

type edge[N any] struct {
	Node   *N
	Cursor string
}

type pageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// connect builds the page of a list. nodes are the nodes of its items.
func connect[T, N any](list storage.List[T], nodes []*N) *connection[N] {
	c := &connection[N]{
		Edges: make([]edge[N], len(nodes)),
		Nodes: nodes,
		PageInfo: pageInfo{
			HasNextPage: list.HasNext, HasPreviousPage: list.HasPrevious,
			StartCursor: optionalText(list.Start()), EndCursor: optionalText(list.End()),
		},
	}
	for i, n := range nodes {
		c.Edges[i] = edge[N]{Node: n, Cursor: list.Cursors[i]}
	}
	return c
}

// connectAll builds the pages of several lists. It loads the nodes of all items with one call;
// of[i] is the index of the list that items[i] comes from.
func connectAll[T, N any](lists []storage.List[T], load func(items []T, of []int) ([]*N, error)) ([]*connection[N], error) {
	var items []T
	var of []int
	for i, list := range lists {
		for _, item := range list.Items {
			items, of = append(items, item), append(of, i)
		}
	}
	nodes, err := load(items, of)
	if err != nil {
		return nil, err
	}
	all := make([]*connection[N], len(lists))
	for i, list := range lists {
		n := len(list.Items)
		all[i] = connect(list, nodes[:n:n])
		nodes = nodes[n:]
	}
	return all, nil
}

// countAll sets the total count of each page.
func countAll[N any](pages []*connection[N], counts []int) {
	for i, n := range counts {
		pages[i].TotalCount = int32(n)
	}
}

// loadPages loads the same page of each parent's list.
type loadPages[P, N any] func(ctx context.Context, parents []P, p storage.Page) ([]*connection[N], error)

// siblings are objects that were loaded together and have one list each. The first request for a
// page of one list loads the same page of all lists, so it takes no more queries than one list
// would.
type siblings[P, N any] struct {
	r       *resolver
	parents []P
	load    loadPages[P, N]

	mu    sync.Mutex
	pages map[string]func() ([]*connection[N], error)
}

func newSiblings[P, N any](r *resolver, parents []P, load loadPages[P, N]) *siblings[P, N] {
	return &siblings[P, N]{r: r, parents: parents, load: load, pages: map[string]func() ([]*connection[N], error){}}
}

// page returns a page of the list of parents[i]. Each selection is loaded separately, because it
// may need other data.
func (s *siblings[P, N]) page(ctx context.Context, i int, args pageArgs) (*connection[N], error) {
	p, err := args.page()
	if err != nil {
		return nil, s.r.wire(ctx, err)
	}
	if args.cursor() {
		pages, err := s.load(ctx, s.parents[i:i+1], p)
		if err != nil {
			return nil, s.r.wire(ctx, err)
		}
		return pages[0], nil
	}
	key := args.size() + " " + strings.Join(graphql.SelectedFieldNames(ctx), " ")
	pages, err := s.once(key, func() ([]*connection[N], error) { return s.load(ctx, s.parents, p) })()
	if err != nil {
		return nil, s.r.wire(ctx, err)
	}
	return pages[i], nil
}

func (s *siblings[P, N]) once(key string, load func() ([]*connection[N], error)) func() ([]*connection[N], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages[key] == nil {
		s.pages[key] = sync.OnceValues(load)
	}
	return s.pages[key]
}
