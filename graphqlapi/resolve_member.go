package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// groupNode is a UserGroup that the viewer is a member of.
type groupNode struct {
	ID                 graphql.ID
	Title, Description userText
	GroupImage         *userText
	MembersCount       int32
	CreatedBy          *userNode
	UpdatedAt          dateTime

	place int
	among *siblings[group.Group, memberNode]
}

// Members resolves UserGroup.members.
func (n *groupNode) Members(ctx context.Context, args pageArgs) (*connection[memberNode], error) {
	return n.among.page(ctx, n.place, args)
}

// memberNode is a GroupMember of a group that the viewer is a member of. The schema has two names
// for the user and two for the group.
type memberNode struct {
	ID               graphql.ID
	User, Member     *userNode
	Group, UserGroup *groupNode
	IsAdmin          bool
	JoinedAt         dateTime
}

// memberNodes loads the nodes of members of the viewer's groups.
func (l *load) memberNodes(members []group.Member, sel selection) ([]*memberNode, error) {
	groups, err := l.groupsOf(members, sel.at("group", "userGroup"))
	if err != nil {
		return nil, err
	}
	nodes := make([]*memberNode, len(members))
	for i, m := range members {
		u, g := l.user(m.User, sel.at("user", "member")), groups[m.Group]
		nodes[i] = &memberNode{
			ID: graphql.ID(memberID(m.ID)), User: u, Member: u, Group: g, UserGroup: g,
			IsAdmin: m.Admin, JoinedAt: dateTime{m.Joined},
		}
	}
	return nodes, nil
}

// groupsOf loads the groups of the members, by id.
func (l *load) groupsOf(members []group.Member, sel selection) (map[int64]*groupNode, error) {
	ids := distinct(members, func(m group.Member) int64 { return m.Group })
	nodes := make(map[int64]*groupNode, len(ids))
	if !sel.beyondID() {
		for _, id := range ids {
			nodes[id] = &groupNode{ID: graphql.ID(groupID(id))}
		}
		return nodes, nil
	}
	groups, err := known(ids, l.groupsByID, func(missing []int64) (map[int64]group.Group, error) {
		return l.app.Groups.Groups(l.ctx, l.viewer, missing...)
	})
	if err != nil {
		return nil, err
	}
	for i, n := range l.groupNodes(groups, sel) {
		nodes[ids[i]] = n
	}
	return nodes, nil
}

// groupNodes loads the nodes of the viewer's groups.
func (l *load) groupNodes(groups []group.Group, sel selection) []*groupNode {
	nodes := make([]*groupNode, len(groups))
	among := newSiblings(l.resolver, groups, l.memberPages(l.viewer))
	for i, g := range groups {
		l.groupsByID[g.ID] = g
		nodes[i] = &groupNode{
			ID: graphql.ID(groupID(g.ID)), Title: l.text(g.Title), Description: l.text(g.Description), GroupImage: l.text(g.Image).optional(),
			MembersCount: int32(g.MembersCount), UpdatedAt: dateTime{g.UpdatedAt},
			place: i, among: among,
		}
		if g.CreatedBy != "" {
			nodes[i].CreatedBy = l.user(g.CreatedBy, sel.at("createdBy"))
		}
	}
	return nodes
}

// memberPages returns the function that loads pages of the members of groups.
func (r *resolver) memberPages(viewer user.ID) loadPages[group.Group, memberNode] {
	return func(ctx context.Context, groups []group.Group, p storage.Page) ([]*connection[memberNode], error) {
		return loading(ctx, r, viewer, func(l *load, sel selection) ([]*connection[memberNode], error) {
			ids, counts := make([]int64, len(groups)), make([]int, len(groups))
			for i, g := range groups {
				ids[i], counts[i], l.groupsByID[g.ID] = g.ID, g.MembersCount, g
			}
			lists, err := r.app.Groups.MemberLists(ctx, viewer, ids, p)
			if err != nil {
				return nil, err
			}
			pages, err := connectAll(lists, func(members []group.Member, _ []int) ([]*memberNode, error) {
				return l.memberNodes(members, sel.nodes())
			})
			countAll(pages, counts)
			return pages, err
		})
	}
}
