package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// An envelope is an event of the documented subscription as JSON. It is rendered once for all
// recipients: shared texts, with placeholders for what differs by recipient.
type envelope []piece

// A piece is a text or a placeholder.
type piece struct {
	own  own
	text []byte
}

// own says what stands in place of a piece for a given recipient.
type own int

const (
	nothing      own = iota // the text
	copyOwn                 // the id of the recipient's copy of the conversation
	messageOwn              // the id of the recipient's copy of the message
	notification            // the id of the recipient's notification about the message
	senderOwn               // the text, but only for the sender of the message
	cursorOwn
)

// errLeftOut means that the recipient may no longer see the event.
var errLeftOut = errors.New("left out")

// appendEnvelope appends the JSON of an event to dst. It returns errLeftOut if the recipient may no
// longer see the event.
func (h *Handler) appendEnvelope(ctx context.Context, dst []byte, e realtime.Event) ([]byte, error) {
	shared := e.Memo(envelopeKey{h}, func() any { return new(sharedEnvelope) }).(*sharedEnvelope)
	pieces, err := shared.get(func() (envelope, bool, error) { return h.compose(ctx, e) })
	if err != nil {
		return dst, err
	}
	return pieces.appendTo(dst, &e), nil
}

type envelopeKey struct{ h *Handler }

// A sharedEnvelope is composed by the first recipient who can see everything that it needs.
type sharedEnvelope struct {
	mu       sync.Mutex
	envelope envelope
}

// get returns the shared envelope. If there is none yet, it calls compose, and keeps the result
// only if it is for all recipients.
func (s *sharedEnvelope) get(compose func() (made envelope, forAll bool, err error)) (envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.envelope != nil {
		return s.envelope, nil
	}
	made, forAll, err := compose()
	if err == nil && forAll {
		s.envelope = made
	}
	return made, err
}

func (pieces envelope) appendTo(dst []byte, e *realtime.Event) []byte {
	for _, p := range pieces {
		switch p.own {
		case nothing:
			dst = append(dst, p.text...)
		case copyOwn:
			dst = appendID(dst, copyID(e.Copy))
		case messageOwn:
			dst = appendID(dst, messageCopyID(e.Copy, e.MessageID))
		case notification:
			dst = appendID(dst, notificationID(e.Copy, e.MessageID))
		case senderOwn:
			if e.Message.Sender == e.Copy.Owner {
				dst = append(dst, p.text...)
			}
		case cursorOwn:
			dst = appendID(dst, e.Cursor)
		}
	}
	return dst
}

// appendID appends text as a JSON string. The text must not need escaping.
func appendID(dst []byte, id string) []byte {
	return append(append(append(dst, '"'), id...), '"')
}

// compose renders the envelope of an event. forAll is false if this recipient could not see all the
// data, so that another recipient's envelope may have more.
func (h *Handler) compose(ctx context.Context, e realtime.Event) (made envelope, forAll bool, err error) {
	c := composer{}
	c.raw(`{"type":"broadcast","operation":"`).raw(string(e.Operation)).raw(`","payload":{`)
	forAll, err = true, nil
	switch e.Operation {
	case realtime.ChatMessageCreated, realtime.ChatMessageUpdated, realtime.GroupMessageCreated, realtime.GroupMessageUpdated:
		if e.Message == nil {
			return nil, false, errLeftOut
		}
		c.aboutMessage(e, func() { c.raw(`,"message":`).message(e.Message) })
	case realtime.ChatMessageDeleted, realtime.GroupMessageDeleted:
		c.aboutMessage(e, func() {})
	case realtime.ChatMessageUnsent, realtime.GroupMessageUnsent:
		c.aboutMessage(e, func() { c.raw(`,"message":null`) })
	case realtime.ChatMessageRead:
		c.aboutMessage(e, func() { c.raw(`,"message":`).readMessage(e.Message) })
	case realtime.GroupMessageRead:
		c.aboutMessage(e, func() { c.raw(`,"message":`).readMessage(e.Message) })
		c.raw(`,"readBy":`).user(e.Actor).raw(`,"readAt":`).time(e.At)
	case realtime.ChatDeleted, realtime.GroupDeleted:
		c.copy(e).erased(e)
	case realtime.GroupPermanentlyRemoved:
		c.raw(`"groupId":`).id(groupID(e.Conversation)).raw(`,`).copy(e)
	case realtime.NotificationCreated:
		if e.Message == nil {
			return nil, false, errLeftOut
		}
		c.notification(e.Message)
	case realtime.MemberRemoved:
		c.copy(e).raw(`,"memberId":`).id(memberID(e.Member)).raw(`,"removedById":`).userID(e.Actor)
	case realtime.MemberLeft:
		c.copy(e).raw(`,"memberId":`).id(memberID(e.Member)).raw(`,"removedById":null`).erased(e)
	case realtime.GroupUpdated:
		err = h.composeGroup(ctx, &c, e)
	case realtime.MemberAdded:
		forAll, err = h.composeMember(ctx, &c, e)
	default:
		return nil, false, errLeftOut
	}
	c.raw(`},"id":`).id(e.ID).raw(`,"cursor":`).own(cursorOwn).raw(`,"at":`).time(e.At).raw(`}`)
	return c.envelope(), forAll, err
}

// composeGroup renders the group in its current state.
func (h *Handler) composeGroup(ctx context.Context, c *composer, e realtime.Event) error {
	g, err := h.app.Groups.Group(ctx, e.Copy.Owner, e.Conversation)
	if errors.Is(err, storage.ErrNotFound) {
		return errLeftOut // the recipient left, which is an event of its own
	}
	if err != nil {
		return err
	}
	c.raw(`"groupCopy":{"id":`).own(copyOwn).raw(`,"group":{"id":`).id(groupID(g.ID))
	c.raw(`,"title":`).string(g.Title).raw(`,"description":`).string(g.Description).raw(`,"groupImage":`)
	if g.Image == "" {
		c.raw(`null`)
	} else {
		c.string(g.Image)
	}
	c.raw(`}}`)
	return nil
}

// composeMember renders a member. For a member who has already left, it uses what the event itself
// contains; the event about leaving follows.
func (h *Handler) composeMember(ctx context.Context, c *composer, e realtime.Event) (forAll bool, err error) {
	m, err := h.app.Groups.Member(ctx, e.Copy.Owner, e.Member)
	gone := errors.Is(err, storage.ErrNotFound)
	switch {
	case gone:
		m = group.Member{ID: e.Member, User: e.MemberUser, Joined: e.At}
	case err != nil:
		return false, err
	}
	var username string
	if m.User != "" {
		profiles, err := h.app.Directory.Lookup(ctx, m.User)
		if err != nil {
			return false, err
		}
		username = profiles[m.User].Username
	}
	c.raw(`"groupCopy":{"id":`).own(copyOwn).raw(`,"member":{"id":`).id(memberID(m.ID)).raw(`,"joinedAt":`).time(m.Joined)
	c.raw(`,"isAdmin":`).bool(m.Admin).raw(`,"group":{"id":`).id(groupID(e.Conversation)).raw(`},"user":`)
	if m.User == "" {
		c.raw(`null`)
	} else {
		c.raw(`{"id":`).id(userID(m.User)).raw(`,"username":`).string(username).raw(`}`)
	}
	c.raw(`}}`)
	return !gone, nil
}

// A composer builds the pieces of an envelope. Its methods return the composer for chaining.
type composer struct {
	pieces envelope
	text   bytes.Buffer // text since the last piece
}

func (c *composer) envelope() envelope {
	c.cut()
	return c.pieces
}

// cut makes a piece of the text since the last piece.
func (c *composer) cut() {
	if c.text.Len() > 0 {
		c.pieces = append(c.pieces, piece{text: bytes.Clone(c.text.Bytes())})
		c.text.Reset()
	}
}

func (c *composer) own(what own) *composer {
	c.cut()
	c.pieces = append(c.pieces, piece{own: what})
	return c
}

func (c *composer) raw(text string) *composer {
	c.text.WriteString(text)
	return c
}

func (c *composer) id(id string) *composer { return c.raw(`"`).raw(id).raw(`"`) }

func (c *composer) bool(b bool) *composer {
	if b {
		return c.raw(`true`)
	}
	return c.raw(`false`)
}

// string writes a JSON string without HTML escaping.
func (c *composer) string(text string) *composer {
	encoder := json.NewEncoder(&c.text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // encoding a string cannot fail
	c.text.Truncate(c.text.Len() - len("\n"))
	return c
}

// time writes a time, or null if it is zero.
func (c *composer) time(t time.Time) *composer {
	if t.IsZero() {
		return c.raw(`null`)
	}
	return c.raw(`"`).raw(t.UTC().Format(dateTimeLayout)).raw(`"`)
}

// userID writes the id of a user, or null if there is no user.
func (c *composer) userID(u user.ID) *composer {
	if u == "" {
		return c.raw(`null`)
	}
	return c.id(userID(u))
}

func (c *composer) user(u user.ID) *composer {
	if u == "" {
		return c.raw(`null`)
	}
	return c.raw(`{"id":`).userID(u).raw(`}`)
}

// copy writes the id of the recipient's copy.
func (c *composer) copy(e realtime.Event) *composer {
	return c.raw(`"`).raw(nameOfCopy(e)).raw(`":{"id":`).own(copyOwn).raw(`}`)
}

func (c *composer) erased(e realtime.Event) *composer {
	if e.Erased {
		return c.raw(`,"erased":true`)
	}
	return c
}

// aboutMessage writes the recipient's copy of the message. more writes additional fields.
func (c *composer) aboutMessage(e realtime.Event, more func()) {
	name := "chatMessage"
	if e.Copy.Kind == chat.Group {
		name = "groupMessage"
	}
	c.raw(`"`).raw(name).raw(`":{"id":`).own(messageOwn)
	more()
	c.raw(`,`).copy(e).raw(`}`)
}

func nameOfCopy(e realtime.Event) string {
	if e.Copy.Kind == chat.Group {
		return "groupCopy"
	}
	return "chat"
}

func (c *composer) message(m *chat.Message) *composer {
	c.raw(`{"id":`).id(messageID(m.ID)).raw(`,"content":`).string(m.Content).raw(`,"date":`).time(m.Date)
	c.raw(`,"sender":`).user(m.Sender)
	if m.ClientID != "" {
		c.cut()
		c.raw(`,"clientMessageId":`).string(m.ClientID)
		c.cut()
		c.pieces[len(c.pieces)-1].own = senderOwn
	}
	if !m.EditedAt.IsZero() {
		c.raw(`,"editedAt":`).time(m.EditedAt)
	}
	return c.raw(`}`)
}

func (c *composer) readMessage(m *chat.Message) *composer {
	if m == nil {
		return c.raw(`null`)
	}
	return c.raw(`{"id":`).id(messageID(m.ID)).raw(`,"readAt":`).time(m.ReadAt).raw(`}`)
}

func (c *composer) notification(m *chat.Message) *composer {
	c.raw(`"notification":{"id":`).own(notification).raw(`,"message":{"id":`).id(messageID(m.ID))
	return c.raw(`,"content":`).string(m.Content).raw(`,"sender":`).user(m.Sender).raw(`}}`)
}
