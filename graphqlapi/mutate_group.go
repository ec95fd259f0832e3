package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/user"
)

// Answers to mutations of groups.
type (
	createdGroup struct {
		UserGroup *groupNode
		GroupCopy *groupCopyNode
	}
	changedGroup        struct{ GroupCopy *groupCopyNode }
	changedMember       struct{ GroupMember *memberNode }
	changedGroupMessage struct{ GroupMessage *groupMessageNode }
	// The schema has two names for the message.
	sentGroupMessage struct{ Message, GroupMessage *groupMessageNode }
)

type (
	groupCopyArgs    struct{ GroupCopyID graphql.ID }
	groupMemberArgs  struct{ GroupCopyID, MemberID graphql.ID }
	groupMessageArgs struct{ GroupMessageID graphql.ID }
)

// CreateGroup resolves Mutation.createGroup.
func (m *mutations) CreateGroup(ctx context.Context, args struct {
	Title       string
	Description *string
},
) (*createdGroup, error) {
	type created struct {
		group.Group
		own group.Copy
	}
	return mutate(ctx, m,
		func(viewer user.ID) (c created, err error) {
			d := group.Draft{Title: args.Title}
			if args.Description != nil {
				d.Description = *args.Description
			}
			c.Group, c.own, err = m.app.Groups.Create(ctx, viewer, d)
			return c, err
		},
		func(l *load, sel selection, c created) (*createdGroup, error) {
			g := l.groupNodes([]group.Group{c.Group}, sel.at("userGroup"))[0]
			own, err := only(l.groupCopyNodes([]group.Copy{c.own}, sel.at("groupCopy")))
			return &createdGroup{g, own}, err
		})
}

// CreateGroupMember resolves Mutation.createGroupMember.
func (m *mutations) CreateGroupMember(ctx context.Context, args groupMemberArgs) (*changedMember, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (group.Member, error) {
			id, err := decodeID(typeGroupCopy, string(args.GroupCopyID))
			if err != nil {
				return group.Member{}, err
			}
			u, err := decodeUserID(string(args.MemberID))
			if err != nil {
				return group.Member{}, err
			}
			return m.app.Groups.Add(ctx, viewer, id, u)
		},
		answerMember)
}

// ChangeAdmin resolves Mutation.changeAdmin.
func (m *mutations) ChangeAdmin(ctx context.Context, args struct {
	GroupCopyID, MemberID graphql.ID
	IsAdmin               bool
},
) (*changedMember, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (group.Member, error) {
			id, member, err := decodeMember(args.GroupCopyID, args.MemberID)
			if err != nil {
				return group.Member{}, err
			}
			return m.app.Groups.SetAdmin(ctx, viewer, id, member, args.IsAdmin)
		},
		answerMember)
}

// RemoveGroupMember resolves Mutation.removeGroupMember.
func (m *mutations) RemoveGroupMember(ctx context.Context, args groupMemberArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		id, member, err := decodeMember(args.GroupCopyID, args.MemberID)
		if err != nil {
			return err
		}
		return m.app.Groups.Remove(ctx, viewer, id, member)
	})
}

func decodeMember(groupCopyID, memberID graphql.ID) (groupCopy, member int64, err error) {
	if groupCopy, err = decodeID(typeGroupCopy, string(groupCopyID)); err != nil {
		return 0, 0, err
	}
	member, err = decodeID(typeMember, string(memberID))
	return groupCopy, member, err
}

// UpdateGroup resolves Mutation.updateGroup.
func (m *mutations) UpdateGroup(ctx context.Context, args struct {
	GroupCopyID                    graphql.ID
	Title, Description, GroupImage *string
},
) (*changedGroup, error) {
	return m.onCopy(ctx, args.GroupCopyID, func(viewer user.ID, id int64) error {
		_, err := m.app.Groups.Update(ctx, viewer, id, group.Update{Title: args.Title, Description: args.Description, Image: args.GroupImage})
		return err
	})
}

// SetArchiveGroup resolves Mutation.setArchiveGroup.
func (m *mutations) SetArchiveGroup(ctx context.Context, args struct {
	GroupCopyID graphql.ID
	IsArchived  bool
},
) (*changedGroup, error) {
	return m.onCopy(ctx, args.GroupCopyID, func(viewer user.ID, id int64) error {
		return m.app.Groups.Archive(ctx, viewer, id, args.IsArchived)
	})
}

// onCopy calls act for a group copy of the viewer and returns the changed copy.
func (m *mutations) onCopy(ctx context.Context, global graphql.ID, act func(viewer user.ID, id int64) error) (*changedGroup, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (group.Copy, error) {
			id, err := decodeID(typeGroupCopy, string(global))
			if err != nil {
				return group.Copy{}, err
			}
			if err := act(viewer, id); err != nil {
				return group.Copy{}, err
			}
			return m.app.Groups.Get(ctx, viewer, id)
		},
		func(l *load, sel selection, c group.Copy) (*changedGroup, error) {
			n, err := only(l.groupCopyNodes([]group.Copy{c}, sel.at("groupCopy")))
			return &changedGroup{n}, err
		})
}

// DeleteGroup resolves Mutation.deleteGroup.
func (m *mutations) DeleteGroup(ctx context.Context, args groupCopyArgs) (*success, error) {
	return m.endOf(ctx, args, m.app.Groups.Clear)
}

// LeaveGroup resolves Mutation.leaveGroup.
func (m *mutations) LeaveGroup(ctx context.Context, args groupCopyArgs) (*success, error) {
	return m.endOf(ctx, args, m.app.Groups.Leave)
}

// RemoveGroupPermanently resolves Mutation.removeGroupPermanently.
func (m *mutations) RemoveGroupPermanently(ctx context.Context, args groupCopyArgs) (*success, error) {
	return m.endOf(ctx, args, m.app.Groups.RemovePermanently)
}

// endOf calls act for a group copy of the viewer. Afterwards no copy is left to return.
func (m *mutations) endOf(ctx context.Context, args groupCopyArgs, act func(ctx context.Context, viewer user.ID, id int64) error) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		id, err := decodeID(typeGroupCopy, string(args.GroupCopyID))
		if err != nil {
			return err
		}
		return act(ctx, viewer, id)
	})
}

// CreateGroupMessage resolves Mutation.createGroupMessage.
func (m *mutations) CreateGroupMessage(ctx context.Context, args struct {
	GroupCopyID     graphql.ID
	Content         string
	ClientMessageID *string
},
) (*sentGroupMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			id, err := decodeID(typeGroupCopy, string(args.GroupCopyID))
			if err != nil {
				return copied{}, err
			}
			sent, err := m.app.Groups.Send(ctx, viewer, id, draft(args.Content, args.ClientMessageID))
			return copied{chat.Copy{Kind: chat.Group, ID: id, Owner: viewer}, sent}, err
		},
		func(l *load, sel selection, sent copied) (*sentGroupMessage, error) {
			n, err := only(l.groupMessageNodes([]copied{sent}, sel.at("message", "groupMessage")))
			return &sentGroupMessage{n, n}, err
		})
}

// UpdateGroupMessage resolves Mutation.updateGroupMessage.
func (m *mutations) UpdateGroupMessage(ctx context.Context, args struct {
	GroupMessageID graphql.ID
	Content        string
},
) (*changedGroupMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			return onMessage(chat.Group, args.GroupMessageID, viewer, func(c, message int64) (chat.Message, error) {
				return m.app.Groups.Edit(ctx, viewer, c, message, args.Content)
			})
		},
		answerGroupMessage)
}

// SetGroupMessageAsRead resolves Mutation.setGroupMessageAsRead.
func (m *mutations) SetGroupMessageAsRead(ctx context.Context, args groupMessageArgs) (*changedGroupMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			return onMessage(chat.Group, args.GroupMessageID, viewer, func(c, message int64) (chat.Message, error) {
				return m.app.Groups.Read(ctx, viewer, c, message)
			})
		},
		answerGroupMessage)
}

// DeleteGroupMessage resolves Mutation.deleteGroupMessage.
func (m *mutations) DeleteGroupMessage(ctx context.Context, args groupMessageArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		c, message, err := decodeMessageID(chat.Group, string(args.GroupMessageID), viewer)
		if err != nil {
			return err
		}
		return m.app.Groups.DeleteMessage(ctx, viewer, c.ID, message)
	})
}

// UnsendGroupMessage resolves Mutation.unsendGroupMessage.
func (m *mutations) UnsendGroupMessage(ctx context.Context, args groupMessageArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		c, message, err := decodeMessageID(chat.Group, string(args.GroupMessageID), viewer)
		if err != nil {
			return err
		}
		return m.app.Groups.Unsend(ctx, viewer, c.ID, message)
	})
}

func answerMember(l *load, sel selection, m group.Member) (*changedMember, error) {
	n, err := only(l.memberNodes([]group.Member{m}, sel.at("groupMember")))
	return &changedMember{n}, err
}

func answerGroupMessage(l *load, sel selection, m copied) (*changedGroupMessage, error) {
	n, err := only(l.groupMessageNodes([]copied{m}, sel.at("groupMessage")))
	return &changedGroupMessage{n}, err
}
