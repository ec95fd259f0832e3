package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// groupOf returns the group of a conversation with its current number of members.
func groupOf(conv *conversation) group.Group {
	g := conv.group
	g.MembersCount = len(conv.present())
	return g
}

func (uc *userCopy) member() group.Member {
	return group.Member{ID: uc.ID, Group: uc.conversation, User: uc.Owner, Admin: uc.admin, Joined: uc.began}
}

func (s *state) groupCopy(uc *userCopy) group.Copy {
	return group.Copy{Member: uc.member(), Archived: uc.archived, Activity: s.conversations[uc.conversation].activity(uc)}
}

// admin returns the copy that c identifies if its owner is an admin.
func (s *state) admin(c chat.Copy) (*userCopy, *conversation, error) {
	uc, conv, err := s.findKind(chat.Group, c)
	if err != nil {
		return nil, nil, err
	}
	if !uc.admin {
		return nil, nil, group.NotAnAdmin()
	}
	return uc, conv, nil
}

// memberOf returns a present member of the group.
func memberOf(conv *conversation, member int64) (*userCopy, error) {
	for _, uc := range conv.present() {
		if uc.ID == member {
			return uc, nil
		}
	}
	return nil, storage.NotFound()
}

// CreateGroup implements [group.Store].
func (s *Store) CreateGroup(ctx context.Context, creator user.ID, d group.Draft) (g group.Group, own group.Copy, err error) {
	if err := storage.CheckText("title", d.Title, "description", d.Description); err != nil {
		return group.Group{}, group.Copy{}, err
	}
	err = run(ctx, s, func(a *act) error {
		if a.noUser(creator) {
			return storage.NotFound()
		}
		conv := a.converse(chat.Group)
		conv.group = group.Group{ID: conv.id, Title: d.Title, Description: d.Description, CreatedBy: creator, UpdatedAt: a.now}
		uc := a.join(conv, creator, creator)
		uc.admin = true
		g, own = groupOf(conv), a.groupCopy(uc)
		return nil
	})
	return g, own, err
}

// join adds a member to the group.
func (a *act) join(conv *conversation, u, by user.ID) *userCopy {
	uc := a.begin(conv, u, 0)
	uc.joinRecord = a.recordIn(conv, realtime.Record{Operation: realtime.MemberAdded, Actor: by, Member: uc.ID})
	return uc
}

// AddMember implements [group.Store].
func (s *Store) AddMember(ctx context.Context, c chat.Copy, u user.ID, limit int) (group.Member, error) {
	return change(ctx, s, func(a *act) (group.Member, error) {
		_, conv, err := a.admin(c)
		switch {
		case err != nil:
			return group.Member{}, err
		case a.noUser(u):
			return group.Member{}, storage.NotFound()
		case conv.copyOf(u) != nil:
			return group.Member{}, group.AlreadyMember()
		case len(conv.present()) >= limit:
			return group.Member{}, group.Full(limit)
		}
		return a.join(conv, u, c.Owner).member(), nil
	})
}

// SetAdmin implements [group.Store].
func (s *Store) SetAdmin(ctx context.Context, c chat.Copy, member int64, admin bool) (group.Member, error) {
	return change(ctx, s, func(a *act) (group.Member, error) {
		_, conv, err := a.admin(c)
		if err != nil {
			return group.Member{}, err
		}
		uc, err := memberOf(conv, member)
		if err != nil {
			return group.Member{}, err
		}
		if uc.admin == admin {
			return uc.member(), nil
		}
		if !admin && conv.admins() == 1 {
			return group.Member{}, group.LastAdmin()
		}
		uc.admin = admin
		a.recordIn(conv, realtime.Record{Operation: realtime.GroupUpdated, Actor: c.Owner})
		return uc.member(), nil
	})
}

func (conv *conversation) admins() int {
	n := 0
	for _, uc := range conv.present() {
		if uc.admin {
			n++
		}
	}
	return n
}

// UpdateGroup implements [group.Store].
func (s *Store) UpdateGroup(ctx context.Context, c chat.Copy, u group.Update) (group.Group, error) {
	if err := storage.CheckText("title", text(u.Title), "description", text(u.Description), "groupImage", text(u.Image)); err != nil {
		return group.Group{}, err
	}
	return change(ctx, s, func(a *act) (group.Group, error) {
		_, conv, err := a.admin(c)
		if err != nil {
			return group.Group{}, err
		}
		if u == (group.Update{}) {
			return groupOf(conv), nil
		}
		assign(&conv.group.Title, u.Title)
		assign(&conv.group.Description, u.Description)
		assign(&conv.group.Image, u.Image)
		conv.group.UpdatedAt = a.now
		a.recordIn(conv, realtime.Record{Operation: realtime.GroupUpdated, Actor: c.Owner})
		return groupOf(conv), nil
	})
}

// RemoveMember implements [group.Store].
func (s *Store) RemoveMember(ctx context.Context, c chat.Copy, member int64) error {
	return run(ctx, s, func(a *act) error {
		own, conv, err := a.admin(c)
		if err != nil {
			return err
		}
		uc, err := memberOf(conv, member)
		if err != nil {
			return err
		}
		gone := realtime.Record{Operation: realtime.MemberRemoved, Actor: c.Owner}
		if uc == own {
			gone.Operation = realtime.MemberLeft
		}
		a.endMembership(conv, uc, gone)
		return nil
	})
}

// Leave implements [group.Store].
func (s *Store) Leave(ctx context.Context, c chat.Copy) error {
	return run(ctx, s, func(a *act) error {
		uc, conv, err := a.findKind(chat.Group, c)
		if err != nil {
			return err
		}
		a.endMembership(conv, uc, realtime.Record{Operation: realtime.MemberLeft, Actor: c.Owner})
		return nil
	})
}

// endMembership ends a membership and writes its record. A group without any copy left is removed.
func (a *act) endMembership(conv *conversation, uc *userCopy, r realtime.Record) {
	r.Member = uc.ID
	uc.endRecord = a.recordIn(conv, r)
	a.settle(conv, uc.Owner, uc.readSeq, conv.lastSeq())
	if left := conv.present(); len(left) > 0 && conv.admins() == 0 {
		left[0].admin = true
		a.recordIn(conv, realtime.Record{Operation: realtime.GroupUpdated, Actor: r.Actor})
	}
}

// RemoveGroup implements [group.Store].
func (s *Store) RemoveGroup(ctx context.Context, c chat.Copy) error {
	return run(ctx, s, func(a *act) error {
		_, conv, err := a.findKind(chat.Group, c)
		if err != nil {
			return err
		}
		if conv.group.CreatedBy != c.Owner {
			return group.NotTheCreator()
		}
		removed := a.recordIn(conv, realtime.Record{Operation: realtime.GroupPermanentlyRemoved, Actor: c.Owner})
		for _, uc := range conv.present() {
			uc.endRecord = removed
		}
		return nil
	})
}

// ReadThrough implements [group.Store].
func (s *Store) ReadThrough(ctx context.Context, c chat.Copy, id int64) (chat.Message, error) {
	return change(ctx, s, func(a *act) (chat.Message, error) {
		if c.Kind != chat.Group {
			return chat.Message{}, storage.NotFound()
		}
		uc, conv, m, err := a.showing(c, id)
		if err != nil {
			return chat.Message{}, err
		}
		if m.Seq <= uc.readSeq {
			return m.Message, nil
		}
		r := messageRecord(m, realtime.GroupMessageRead, c.Owner)
		r.From = uc.readSeq
		if a.ofOthers(conv, c.Owner, r.From, m.Seq) {
			a.recordIn(conv, r)
		}
		uc.readSeq = m.Seq
		a.settle(conv, c.Owner, r.From, m.Seq)
		return m.Message, nil
	})
}

// ofOthers reports whether a copy has a message of another user after from, up to and including to.
func (s *state) ofOthers(conv *conversation, owner user.ID, from, to int64) bool {
	for i := from; i < to; i++ {
		if m := &conv.messages[i]; m.Sender != owner && s.seen(conv, m) {
			return true
		}
	}
	return false
}

// settle sets ReadAt of the messages after from, up to and including to, for which only the reader
// was missing, who has just read them or left. Call it only for a reader who was a member when they
// were sent, so that a message sent while there was no other member never gets a ReadAt.
func (a *act) settle(conv *conversation, reader user.ID, from, to int64) {
	for i := from; i < to; i++ {
		m := &conv.messages[i]
		if m.Sender != reader && m.ReadAt.IsZero() && !conv.awaited(m) {
			m.ReadAt = a.now
		}
	}
}

// awaited reports whether a member who joined before m, other than its sender, has not read it. The
// read point of a member who joined later was after m from the start.
func (conv *conversation) awaited(m *message) bool {
	for _, uc := range conv.present() {
		if uc.Owner != m.Sender && uc.readSeq < m.Seq {
			return true
		}
	}
	return false
}
