package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
)

// nodeResult is a Node: an object of any type that implements it.
type nodeResult struct {
	ID     graphql.ID
	object any
}

func as[N any](n *nodeResult) (*N, bool) {
	object, ok := n.object.(*N)
	return object, ok
}

// The executor calls these methods in turn to find the type of the object.

func (n *nodeResult) ToCustomUser() (*userNode, bool)               { return as[userNode](n) }
func (n *nodeResult) ToPhoneNumber() (*phoneNode, bool)             { return as[phoneNode](n) }
func (n *nodeResult) ToMessage() (*messageNode, bool)               { return as[messageNode](n) }
func (n *nodeResult) ToChat() (*chatNode, bool)                     { return as[chatNode](n) }
func (n *nodeResult) ToChatMessage() (*chatMessageNode, bool)       { return as[chatMessageNode](n) }
func (n *nodeResult) ToUserGroup() (*groupNode, bool)               { return as[groupNode](n) }
func (n *nodeResult) ToGroupMember() (*memberNode, bool)            { return as[memberNode](n) }
func (n *nodeResult) ToUserGroupMemberCopy() (*groupCopyNode, bool) { return as[groupCopyNode](n) }
func (n *nodeResult) ToGroupMessage() (*groupMessageNode, bool)     { return as[groupMessageNode](n) }
func (n *nodeResult) ToNotification() (*notificationNode, bool)     { return as[notificationNode](n) }

// Node resolves Query.node. Without a login it returns only users.
func (q *queries) Node(ctx context.Context, args idArgs) (*nodeResult, error) {
	v := viewerOf(ctx)
	id := string(args.ID)
	return loading(ctx, q.resolver, v.User, func(l *load, sel selection) (*nodeResult, error) {
		typ, _, err := splitID(id)
		if err != nil {
			return nil, err
		}
		if !v.known() && typ != typeUser {
			return nil, storage.NotFound()
		}
		object, err := l.find(typ, id, sel)
		if err != nil {
			return nil, err
		}
		return &nodeResult{ID: args.ID, object: object}, nil
	})
}

// find loads the object of the given type and global id, if the viewer may see it.
func (l *load) find(typ, id string, sel selection) (any, error) {
	switch typ {
	case typeUser:
		return l.userByID(id)
	case typePhone:
		return l.phone(id)
	case typeMessage:
		return l.messageByID(id, sel)
	case typeChat:
		return l.chat(id, sel)
	case typeChatMessage:
		return l.chatMessage(id, sel)
	case typeGroup:
		return l.group(id, sel)
	case typeMember:
		return l.member(id, sel)
	case typeGroupCopy:
		return l.groupCopy(id, sel)
	case typeGroupMessage:
		return l.groupMessage(id, sel)
	case typeNotification:
		return l.notificationByID(id, sel)
	}
	return nil, storage.NotFound()
}

func (l *load) phone(global string) (*phoneNode, error) {
	id, err := decodeID(typePhone, global)
	if err != nil {
		return nil, err
	}
	if l.app.Users == nil {
		return nil, storage.NotFound()
	}
	phones, err := l.app.Users.Phones(l.ctx, l.viewer)
	if err != nil {
		return nil, err
	}
	for _, p := range phones[l.viewer] {
		if p.ID == id {
			return newPhoneNode(p), nil
		}
	}
	return nil, storage.NotFound()
}

func (l *load) messageByID(global string, sel selection) (*messageNode, error) {
	id, err := decodeID(typeMessage, global)
	if err != nil {
		return nil, err
	}
	m, _, err := l.app.Messages.Find(l.ctx, l.viewer, id)
	if err != nil {
		return nil, err
	}
	return l.message(m, sel), nil
}

// messageIn loads a message in a copy of the viewer, of the given kind.
func (l *load) messageIn(kind chat.Kind, global string) ([]copied, error) {
	c, id, err := decodeMessageID(kind, global, l.viewer)
	if err != nil {
		return nil, err
	}
	m, err := l.app.Messages.Get(l.ctx, c, id)
	return []copied{{c, m}}, err
}

func (l *load) chatMessage(global string, sel selection) (*chatMessageNode, error) {
	m, err := l.messageIn(chat.OneToOne, global)
	if err != nil {
		return nil, err
	}
	return only(l.chatMessageNodes(m, sel))
}

func (l *load) groupMessage(global string, sel selection) (*groupMessageNode, error) {
	m, err := l.messageIn(chat.Group, global)
	if err != nil {
		return nil, err
	}
	return only(l.groupMessageNodes(m, sel))
}

func (l *load) group(global string, sel selection) (*groupNode, error) {
	id, err := decodeID(typeGroup, global)
	if err != nil {
		return nil, err
	}
	g, err := l.app.Groups.Group(l.ctx, l.viewer, id)
	if err != nil {
		return nil, err
	}
	return l.groupNodes([]group.Group{g}, sel)[0], nil
}

func (l *load) member(global string, sel selection) (*memberNode, error) {
	id, err := decodeID(typeMember, global)
	if err != nil {
		return nil, err
	}
	m, err := l.app.Groups.Member(l.ctx, l.viewer, id)
	if err != nil {
		return nil, err
	}
	return only(l.memberNodes([]group.Member{m}, sel))
}

func (l *load) notificationByID(global string, sel selection) (*notificationNode, error) {
	c, id, err := decodeNotificationID(global, l.viewer)
	if err != nil {
		return nil, err
	}
	n, err := l.app.Notifications.Get(l.ctx, c, id)
	if err != nil {
		return nil, err
	}
	return l.notification(n, sel), nil
}
