package graphqlapi

import (
	"context"
	"slices"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// queries resolves the root type Query.
type queries struct{ *resolver }

type usersArgs struct {
	Username, FirstName, LastName, Search *string
	pageArgs
}

// filter returns the requested filter. It returns an error if the search is given and too short.
func (a usersArgs) filter() (user.Filter, error) {
	if a.Search != nil {
		if err := user.CheckSearch(*a.Search); err != nil {
			return user.Filter{}, err
		}
	}
	return user.Filter{Username: given(a.Username), FirstName: given(a.FirstName), LastName: given(a.LastName), Search: given(a.Search)}, nil
}

// matchesNobody reports whether a name filter is "", which no user matches. In a [user.Filter] ""
// stands for any name.
func (a usersArgs) matchesNobody() bool {
	return slices.ContainsFunc([]*string{a.Username, a.FirstName, a.LastName}, func(name *string) bool { return name != nil && *name == "" })
}

// Users resolves Query.users. The list is empty if the directory cannot list users.
func (q *queries) Users(ctx context.Context, args usersArgs) (*connection[userNode], error) {
	f, err := args.filter()
	if err != nil {
		return nil, q.wire(ctx, err)
	}
	if f.Search != "" {
		leave, err := q.searches.enter(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	return loading(ctx, q.resolver, viewerOf(ctx).User, func(l *load, sel selection) (*connection[userNode], error) {
		p, err := args.page()
		if err != nil {
			return nil, err
		}
		lister, ok := q.app.Directory.(user.Lister)
		if !ok || args.matchesNobody() {
			lister = noUsers{}
		}
		list, err := user.List(ctx, lister, f, p)
		if err != nil {
			return nil, err
		}
		nodes := make([]*userNode, len(list.Items))
		for i, u := range list.Items {
			nodes[i] = l.account(u)
		}
		c := connect(list, nodes)
		if sel.has("totalCount") {
			n, err := user.Count(ctx, lister, f)
			c.TotalCount = int32(n)
			return c, err
		}
		return c, nil
	})
}

// noUsers is the [user.Lister] for a directory that cannot list users.
type noUsers struct{}

func (noUsers) ListUsers(context.Context, user.Filter, storage.Range) ([]user.User, error) {
	return nil, nil
}
func (noUsers) CountUsers(context.Context, user.Filter) (int, error) { return 0, nil }

// Chats resolves Query.chats.
func (q *queries) Chats(ctx context.Context, args chatsArgs) (*connection[chatNode], error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	return q.chats(ctx, v.User, args)
}

// Groups resolves Query.groups.
func (q *queries) Groups(ctx context.Context, args groupsArgs) (*connection[groupCopyNode], error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	return q.groups(ctx, v.User, args)
}

// Notifications resolves Query.notifications.
func (q *queries) Notifications(ctx context.Context, args notificationsArgs) (*connection[notificationNode], error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	return q.notifications(ctx, v.User, args)
}

type idArgs struct{ ID graphql.ID }

// Chat resolves Query.chat.
func (q *queries) Chat(ctx context.Context, args idArgs) (*chatNode, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	return loading(ctx, q.resolver, v.User, func(l *load, sel selection) (*chatNode, error) { return l.chat(string(args.ID), sel) })
}

// Group resolves Query.group.
func (q *queries) Group(ctx context.Context, args idArgs) (*groupCopyNode, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	return loading(ctx, q.resolver, v.User, func(l *load, sel selection) (*groupCopyNode, error) { return l.groupCopy(string(args.ID), sel) })
}

// User resolves Query.user.
func (q *queries) User(ctx context.Context, args idArgs) (*userNode, error) {
	return loading(ctx, q.resolver, viewerOf(ctx).User, func(l *load, _ selection) (*userNode, error) { return l.userByID(string(args.ID)) })
}

// Me resolves Query.me.
func (q *queries) Me(ctx context.Context) (*userNode, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, nil
	}
	return loading(ctx, q.resolver, v.User, func(l *load, sel selection) (*userNode, error) { return l.user(v.User, sel), nil })
}

// EventCursor resolves Query.eventCursor. [Handler.execute] takes the cursor before the operation
// begins.
func (q *queries) EventCursor(ctx context.Context) (string, error) {
	v := viewerOf(ctx)
	switch {
	case !v.known():
		return "", errLogin
	case v.eventCursor != "":
		return v.eventCursor, nil
	}
	cursor, err := q.app.Hub.Position(ctx)
	return cursor, q.wire(ctx, err)
}

// chat loads a chat of the viewer by its global id.
func (l *load) chat(global string, sel selection) (*chatNode, error) {
	id, err := decodeID(typeChat, global)
	if err != nil {
		return nil, err
	}
	c, err := l.app.Chats.Get(l.ctx, l.viewer, id)
	if err != nil {
		return nil, err
	}
	return only(l.chatNodes([]chat.Chat{c}, sel))
}

// groupCopy loads a group copy of the viewer by its global id.
func (l *load) groupCopy(global string, sel selection) (*groupCopyNode, error) {
	id, err := decodeID(typeGroupCopy, global)
	if err != nil {
		return nil, err
	}
	c, err := l.app.Groups.Get(l.ctx, l.viewer, id)
	if err != nil {
		return nil, err
	}
	return only(l.groupCopyNodes([]group.Copy{c}, sel))
}

// userByID loads a user by their global id. A user that the directory does not know is not found.
func (l *load) userByID(global string) (*userNode, error) {
	id, err := decodeUserID(global)
	if err != nil {
		return nil, err
	}
	profiles, err := l.app.Directory.Lookup(l.ctx, id)
	if err != nil {
		return nil, err
	}
	p, ok := profiles[id]
	if !ok {
		return nil, storage.NotFound()
	}
	n := l.user(id, nil)
	n.show(p, l.budget)
	return n, nil
}
