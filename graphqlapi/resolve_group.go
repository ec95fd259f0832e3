package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// groupCopyNode is a UserGroupMemberCopy of the viewer.
type groupCopyNode struct {
	ID          graphql.ID
	Member      *memberNode
	IsArchived  bool
	LastMessage *groupMessageNode
	UnreadCount int32

	place int
	among *siblings[group.Copy, groupMessageNode]
}

// GroupMessages resolves UserGroupMemberCopy.groupMessages and UserGroupMemberCopy.group_messages.
func (n *groupCopyNode) GroupMessages(ctx context.Context, args pageArgs) (*connection[groupMessageNode], error) {
	return n.among.page(ctx, n.place, args)
}

// groupMessageNode is a GroupMessage of the viewer.
type groupMessageNode struct {
	ID        graphql.ID
	Message   *messageNode
	GroupCopy *groupCopyNode

	place int
	among *siblings[copied, memberNode]
}

// ReadBy resolves GroupMessage.readBy.
func (n *groupMessageNode) ReadBy(ctx context.Context, args pageArgs) (*connection[memberNode], error) {
	return n.among.page(ctx, n.place, args)
}

type groupsArgs struct {
	IsArchived *bool
	pageArgs
}

// groups returns a page of the owner's group copies.
func (r *resolver) groups(ctx context.Context, owner user.ID, args groupsArgs) (*connection[groupCopyNode], error) {
	return loading(ctx, r, owner, func(l *load, sel selection) (*connection[groupCopyNode], error) {
		p, err := args.page()
		if err != nil {
			return nil, err
		}
		f := group.Filter{Archived: args.IsArchived}
		list, err := r.app.Groups.List(ctx, owner, f, p)
		if err != nil {
			return nil, err
		}
		nodes, err := l.groupCopyNodes(list.Items, sel.nodes())
		if err != nil {
			return nil, err
		}
		c := connect(list, nodes)
		if sel.has("totalCount") {
			n, err := r.app.Groups.Count(ctx, owner, f)
			c.TotalCount = int32(n)
			return c, err
		}
		return c, nil
	})
}

// groupCopyNodes loads the nodes of the viewer's group copies.
func (l *load) groupCopyNodes(groups []group.Copy, sel selection) ([]*groupCopyNode, error) {
	members := make([]group.Member, len(groups))
	copies := make([]chat.Copy, len(groups))
	for i, c := range groups {
		l.copiesByID[c.ID] = c
		members[i], copies[i] = c.Member, c.Copy()
	}
	owners, err := l.memberNodes(members, sel.at("member"))
	if err != nil {
		return nil, err
	}
	nodes := make([]*groupCopyNode, len(groups))
	among := newSiblings(l.resolver, groups, l.groupMessagePages(l.viewer))
	for i, c := range groups {
		nodes[i] = &groupCopyNode{ID: graphql.ID(groupCopyID(c.ID)), Member: owners[i], IsArchived: c.Archived, place: i, among: among}
	}
	if sel.has("unreadCount") {
		unread, err := l.app.Messages.Unread(l.ctx, copies)
		if err != nil {
			return nil, err
		}
		for i, n := range unread {
			nodes[i].UnreadCount = int32(n)
		}
	}
	if sel.has("lastMessage") {
		last, of, err := l.newest(copies)
		if err != nil {
			return nil, err
		}
		messages, err := l.groupMessageNodes(last, sel.at("lastMessage"))
		if err != nil {
			return nil, err
		}
		for i, m := range messages {
			nodes[of[i]].LastMessage = m
		}
	}
	return nodes, nil
}

// groupMessagePages returns the function that loads pages of messages in group copies.
func (r *resolver) groupMessagePages(viewer user.ID) loadPages[group.Copy, groupMessageNode] {
	return func(ctx context.Context, groups []group.Copy, p storage.Page) ([]*connection[groupMessageNode], error) {
		return loading(ctx, r, viewer, func(l *load, sel selection) ([]*connection[groupMessageNode], error) {
			copies := make([]chat.Copy, len(groups))
			for i, c := range groups {
				copies[i], l.copiesByID[c.ID] = c.Copy(), c
			}
			return messagePages(l, copies, p, sel, l.groupMessageNodes)
		})
	}
}

// groupMessageNodes loads the nodes of messages in the viewer's group copies.
func (l *load) groupMessageNodes(messages []copied, sel selection) ([]*groupMessageNode, error) {
	copies, err := l.groupCopiesOf(messages, sel.at("groupCopy", "group_copy"))
	if err != nil {
		return nil, err
	}
	nodes := make([]*groupMessageNode, len(messages))
	among := newSiblings(l.resolver, messages, l.readerPages(l.viewer))
	for i, m := range messages {
		nodes[i] = &groupMessageNode{
			ID:        graphql.ID(groupMessageID(m.in.ID, m.ID)),
			Message:   l.message(m.Message, sel.at("message")),
			GroupCopy: copies[m.in.ID],
			place:     i, among: among,
		}
	}
	return nodes, nil
}

// groupCopiesOf loads the group copies that contain the messages, by id.
func (l *load) groupCopiesOf(messages []copied, sel selection) (map[int64]*groupCopyNode, error) {
	ids := distinct(messages, copied.copyID)
	nodes := make(map[int64]*groupCopyNode, len(ids))
	if !sel.beyondID() {
		for _, id := range ids {
			nodes[id] = &groupCopyNode{ID: graphql.ID(groupCopyID(id))}
		}
		return nodes, nil
	}
	copies, err := known(ids, l.copiesByID, func(missing []int64) (map[int64]group.Copy, error) {
		return l.app.Groups.GetAll(l.ctx, l.viewer, missing...)
	})
	if err != nil {
		return nil, err
	}
	loaded, err := l.groupCopyNodes(copies, sel)
	for i, n := range loaded {
		nodes[ids[i]] = n
	}
	return nodes, err
}

// readerPages returns the function that loads pages of the readers of messages.
func (r *resolver) readerPages(viewer user.ID) loadPages[copied, memberNode] {
	return func(ctx context.Context, messages []copied, p storage.Page) ([]*connection[memberNode], error) {
		return loading(ctx, r, viewer, func(l *load, sel selection) ([]*connection[memberNode], error) {
			refs := make([]group.MessageRef, len(messages))
			for i, m := range messages {
				refs[i] = group.MessageRef{Copy: m.in, Message: m.ID}
			}
			lists, err := r.app.Groups.ReaderLists(ctx, refs, p)
			if err != nil {
				return nil, err
			}
			pages, err := connectAll(lists, func(members []group.Member, _ []int) ([]*memberNode, error) {
				return l.memberNodes(members, sel.nodes())
			})
			if err != nil || !sel.has("totalCount") {
				return pages, err
			}
			counts, err := r.app.Groups.CountReaders(ctx, refs)
			countAll(pages, counts)
			return pages, err
		})
	}
}
