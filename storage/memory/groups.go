package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// groupOf returns the group of a conversation as it is now.
func groupOf(v *conversation) group.Group {
	g := v.group
	g.MembersCount = len(v.present())
	return g
}

func (uc *userCopy) member() group.Member {
	return group.Member{ID: uc.ID, Group: uc.conversation, User: uc.Owner, Admin: uc.admin, Joined: uc.began}
}

func (s *state) groupCopy(uc *userCopy) group.Copy {
	return group.Copy{Member: uc.member(), Archived: uc.archived, Activity: s.conversations[uc.conversation].activity(uc)}
}

// admin returns the copy that c names where its owner is an admin.
func (s *state) admin(c chat.Copy) (*userCopy, *conversation, error) {
	uc, v, err := s.findKind(chat.Group, c)
	if err != nil {
		return nil, nil, err
	}
	if !uc.admin {
		return nil, nil, group.NotAnAdmin()
	}
	return uc, v, nil
}

// memberOf returns a present member of the group.
func memberOf(v *conversation, member int64) (*userCopy, error) {
	for _, uc := range v.present() {
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
		v := a.converse(chat.Group)
		v.group = group.Group{ID: v.id, Title: d.Title, Description: d.Description, CreatedBy: creator, UpdatedAt: a.now}
		uc := a.join(v, creator, creator)
		uc.admin = true
		g, own = groupOf(v), a.groupCopy(uc)
		return nil
	})
	return g, own, err
}

// join adds a member to the group.
func (a *act) join(v *conversation, u, by user.ID) *userCopy {
	uc := a.begin(v, u, 0)
	uc.joinRecord = a.recordIn(v, realtime.Record{Operation: realtime.MemberAdded, Actor: by, Member: uc.ID})
	return uc
}

// AddMember implements [group.Store].
func (s *Store) AddMember(ctx context.Context, c chat.Copy, u user.ID, limit int) (group.Member, error) {
	return change(ctx, s, func(a *act) (group.Member, error) {
		_, v, err := a.admin(c)
		switch {
		case err != nil:
			return group.Member{}, err
		case a.noUser(u):
			return group.Member{}, storage.NotFound()
		case v.copyOf(u) != nil:
			return group.Member{}, group.AlreadyMember()
		case len(v.present()) >= limit:
			return group.Member{}, group.Full(limit)
		}
		return a.join(v, u, c.Owner).member(), nil
	})
}

// SetAdmin implements [group.Store].
func (s *Store) SetAdmin(ctx context.Context, c chat.Copy, member int64, admin bool) (group.Member, error) {
	return change(ctx, s, func(a *act) (group.Member, error) {
		_, v, err := a.admin(c)
		if err != nil {
			return group.Member{}, err
		}
		uc, err := memberOf(v, member)
		if err != nil {
			return group.Member{}, err
		}
		if uc.admin == admin {
			return uc.member(), nil
		}
		if !admin && v.admins() == 1 {
			return group.Member{}, group.LastAdmin()
		}
		uc.admin = admin
		a.recordIn(v, realtime.Record{Operation: realtime.GroupUpdated, Actor: c.Owner})
		return uc.member(), nil
	})
}

func (v *conversation) admins() int {
	n := 0
	for _, uc := range v.present() {
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
		_, v, err := a.admin(c)
		if err != nil {
			return group.Group{}, err
		}
		if u == (group.Update{}) {
			return groupOf(v), nil
		}
		assign(&v.group.Title, u.Title)
		assign(&v.group.Description, u.Description)
		assign(&v.group.Image, u.Image)
		v.group.UpdatedAt = a.now
		a.recordIn(v, realtime.Record{Operation: realtime.GroupUpdated, Actor: c.Owner})
		return groupOf(v), nil
	})
}

// RemoveMember implements [group.Store].
func (s *Store) RemoveMember(ctx context.Context, c chat.Copy, member int64) error {
	return run(ctx, s, func(a *act) error {
		own, v, err := a.admin(c)
		if err != nil {
			return err
		}
		uc, err := memberOf(v, member)
		if err != nil {
			return err
		}
		gone := realtime.Record{Operation: realtime.MemberRemoved, Actor: c.Owner}
		if uc == own {
			gone.Operation = realtime.MemberLeft
		}
		a.endMembership(v, uc, gone)
		return nil
	})
}

// Leave implements [group.Store].
func (s *Store) Leave(ctx context.Context, c chat.Copy) error {
	return run(ctx, s, func(a *act) error {
		uc, v, err := a.findKind(chat.Group, c)
		if err != nil {
			return err
		}
		a.endMembership(v, uc, realtime.Record{Operation: realtime.MemberLeft, Actor: c.Owner})
		return nil
	})
}

// endMembership ends one, with the record that tells of it. A group that has no copy left is gone.
func (a *act) endMembership(v *conversation, uc *userCopy, r realtime.Record) {
	r.Member = uc.ID
	uc.endRecord = a.recordIn(v, r)
	a.settle(v, uc.Owner, uc.readSeq, v.lastSeq())
	if left := v.present(); len(left) > 0 && v.admins() == 0 {
		left[0].admin = true
		a.recordIn(v, realtime.Record{Operation: realtime.GroupUpdated, Actor: r.Actor})
	}
}

// RemoveGroup implements [group.Store].
func (s *Store) RemoveGroup(ctx context.Context, c chat.Copy) error {
	return run(ctx, s, func(a *act) error {
		_, v, err := a.findKind(chat.Group, c)
		if err != nil {
			return err
		}
		if v.group.CreatedBy != c.Owner {
			return group.NotTheCreator()
		}
		removed := a.recordIn(v, realtime.Record{Operation: realtime.GroupPermanentlyRemoved, Actor: c.Owner})
		for _, uc := range v.present() {
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
		uc, v, m, err := a.showing(c, id)
		if err != nil {
			return chat.Message{}, err
		}
		if m.Seq <= uc.readSeq {
			return m.Message, nil
		}
		r := messageRecord(m, realtime.GroupMessageRead, c.Owner)
		r.From = uc.readSeq
		if a.ofOthers(v, c.Owner, r.From, m.Seq) {
			a.recordIn(v, r)
		}
		uc.readSeq = m.Seq
		a.settle(v, c.Owner, r.From, m.Seq)
		return m.Message, nil
	})
}

// ofOthers reports whether anything of others that somebody has lies behind from, up to and including to.
func (s *state) ofOthers(v *conversation, owner user.ID, from, to int64) bool {
	for i := from; i < to; i++ {
		if m := &v.messages[i]; m.Sender != owner && s.seen(v, m) {
			return true
		}
	}
	return false
}

// settle sets ReadAt of the messages behind from, up to and including to, that waited for the reader alone,
// who has just read them or gone. It is called only for a reader who was there when they were sent, so one that waited for
// nobody stays as it is.
func (a *act) settle(v *conversation, reader user.ID, from, to int64) {
	for i := from; i < to; i++ {
		m := &v.messages[i]
		if m.Sender != reader && m.ReadAt.IsZero() && !v.awaited(m) {
			m.ReadAt = a.now
		}
	}
}

// awaited reports whether somebody who was there before m, other than its sender, has yet to read it. The read point of
// whoever joined after it was beyond it from the start.
func (v *conversation) awaited(m *message) bool {
	for _, uc := range v.present() {
		if uc.Owner != m.Sender && uc.readSeq < m.Seq {
			return true
		}
	}
	return false
}
