package graphqlapi

import (
	"context"
	"errors"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

type eventKey struct{}

// withEvent returns a context with the event that a document of the event schema is executed for.
func withEvent(ctx context.Context, e realtime.Event) context.Context {
	return context.WithValue(ctx, eventKey{}, e)
}

// subscriptions resolves the root type Subscription. Its fields are resolved once for each event.
type subscriptions struct{ *resolver }

// Subscribe resolves Subscription.subscribe.
func (s *subscriptions) Subscribe() *success { return done() }

// eventNode is an Event.
type eventNode struct {
	ID           graphql.ID
	Cursor       string
	Operation    realtime.Operation
	At           dateTime
	SubjectID    graphql.ID
	Erased       bool
	Actor        *userNode
	Chat         *chatNode
	ChatMessage  *chatMessageNode
	GroupCopy    *groupCopyNode
	GroupMessage *groupMessageNode
	Member       *memberNode
	Notification *notificationNode
}

// Events resolves Subscription.events for the event of [withEvent]. [Handler.typedEvents] has
// already used the argument after.
func (s *subscriptions) Events(ctx context.Context, _ struct{ After *string }) (*eventNode, error) {
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	e, ok := ctx.Value(eventKey{}).(realtime.Event)
	if !ok {
		return nil, s.wire(ctx, errors.New("the schema of events was run without an event"))
	}
	return loading(ctx, s.resolver, v.User, func(l *load, sel selection) (*eventNode, error) {
		n := &eventNode{
			ID: graphql.ID(e.ID), Cursor: e.Cursor, Operation: e.Operation, At: dateTime{e.At},
			SubjectID: graphql.ID(subjectID(e)), Erased: e.Erased,
		}
		if e.Actor != "" {
			n.Actor = l.user(e.Actor, sel.at("actor"))
		}
		fill := l.fillGroupEvent
		if e.Copy.Kind == chat.OneToOne {
			fill = l.fillChatEvent
		}
		if err := fill(n, e, sel); err != nil {
			return nil, err
		}
		return n, l.fillNotification(n, e, sel)
	})
}

// subjectID returns the global id of the object that an event is about.
func subjectID(e realtime.Event) string {
	switch e.Operation {
	case realtime.ChatDeleted, realtime.GroupDeleted, realtime.GroupUpdated:
		return copyID(e.Copy)
	case realtime.GroupPermanentlyRemoved:
		return groupID(e.Conversation)
	case realtime.MemberAdded, realtime.MemberRemoved, realtime.MemberLeft:
		return memberID(e.Member)
	case realtime.NotificationCreated:
		return notificationID(e.Copy, e.MessageID)
	}
	return messageCopyID(e.Copy, e.MessageID)
}

func (l *load) fillChatEvent(n *eventNode, e realtime.Event, sel selection) (err error) {
	if sel.has("chat") {
		if n.Chat, err = nilIfGone(l.chat(chatID(e.Copy.ID), sel.at("chat"))); err != nil {
			return err
		}
	}
	if sel.has("chatMessage") && e.Message != nil {
		n.ChatMessage, err = nilIfGone(only(l.chatMessageNodes([]copied{{e.Copy, *e.Message}}, sel.at("chatMessage"))))
	}
	return err
}

func (l *load) fillGroupEvent(n *eventNode, e realtime.Event, sel selection) (err error) {
	if sel.has("groupCopy") {
		if n.GroupCopy, err = nilIfGone(l.groupCopy(groupCopyID(e.Copy.ID), sel.at("groupCopy"))); err != nil {
			return err
		}
	}
	if sel.has("groupMessage") && e.Message != nil {
		if n.GroupMessage, err = nilIfGone(only(l.groupMessageNodes([]copied{{e.Copy, *e.Message}}, sel.at("groupMessage")))); err != nil {
			return err
		}
	}
	if sel.has("member") && e.Member != 0 {
		n.Member, err = nilIfGone(l.member(memberID(e.Member), sel.at("member")))
	}
	return err
}

func (l *load) fillNotification(n *eventNode, e realtime.Event, sel selection) (err error) {
	if sel.has("notification") && e.Operation == realtime.NotificationCreated {
		n.Notification, err = nilIfGone(l.notificationByID(notificationID(e.Copy, e.MessageID), sel.at("notification")))
	}
	return err
}

// nilIfGone returns nil for an object that no longer exists.
func nilIfGone[N any](n *N, err error) (*N, error) {
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	return n, err
}
