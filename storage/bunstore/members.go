package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// lockAsAdmin locks the group of a copy. The owner of the copy must be an admin.
func (t *tx) lockAsAdmin(ctx context.Context, c chat.Copy) (conversation, ownCopy, error) {
	conv, own, err := t.lockKind(ctx, chat.Group, c)
	if err == nil && !own.admin {
		err = group.NotAnAdmin()
	}
	return conv, own, err
}

// member reads a present member of the group.
func (t *tx) member(ctx context.Context, conv conversation, id int64) (ownCopy, error) {
	var m ownCopy
	found, err := t.row(ctx, `SELECT `+copyColumns+` FROM {copies} c WHERE c.id = $1 AND c.conversation_id = $2 AND c.end_event = 0`,
		[]any{id, conv.id}, m.into()...)
	if err == nil && !found {
		err = storage.NotFound()
	}
	return m, err
}

func (m ownCopy) member() group.Member {
	return group.Member{ID: m.id, Group: m.conversation, User: m.owner, Admin: m.admin, Joined: moment(m.joinedAt)}
}

// AddMember implements [group.Store].
func (s *Store) AddMember(ctx context.Context, c chat.Copy, u user.ID, limit int) (m group.Member, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		userErr := t.lockUsers(ctx, u)
		if userErr != nil && storage.Message(userErr) == "" {
			return userErr
		}
		conv, own, err := t.lockAsAdmin(ctx, c)
		if err != nil {
			return err
		}
		if userErr != nil {
			return userErr
		}
		var present, members int64
		if _, err := t.row(ctx, `SELECT (SELECT count(*) FROM {copies} c WHERE c.conversation_id = $1 AND c.owner = $2 AND c.end_event = 0), g.members_count
			FROM {groups} g WHERE g.conversation_id = $1`, []any{conv.id, userArg(u)}, &present, &members); err != nil {
			return err
		}
		if present > 0 {
			return group.AlreadyMember()
		}
		if members >= int64(limit) {
			return group.Full(limit)
		}
		m, err = t.join(ctx, conv, u, own.owner, false, t.time())
		return err
	})
	return m, err
}

// SetAdmin implements [group.Store].
func (s *Store) SetAdmin(ctx context.Context, c chat.Copy, member int64, admin bool) (m group.Member, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockAsAdmin(ctx, c)
		if err != nil {
			return err
		}
		target, err := t.member(ctx, conv, member)
		if err != nil {
			return err
		}
		if m = target.member(); target.admin == admin {
			return nil
		}
		if !admin {
			if left, err := t.countAdmins(ctx, conv); err != nil {
				return err
			} else if left == 1 {
				return group.LastAdmin()
			}
		}
		m.Admin = admin
		return t.setAdmin(ctx, conv, member, admin, own.owner)
	})
	return m, err
}

func (t *tx) countAdmins(ctx context.Context, conv conversation) (n int64, err error) {
	_, err = t.row(ctx, `SELECT count(*) FROM {copies} c WHERE c.conversation_id = $1 AND c.end_event = 0 AND c.admin`, []any{conv.id}, &n)
	return n, err
}

func (t *tx) setAdmin(ctx context.Context, conv conversation, member int64, admin bool, actor user.ID) error {
	if _, err := t.exec(ctx, `UPDATE {copies} SET admin = $2 WHERE id = $1`, member, admin); err != nil {
		return err
	}
	_, err := t.record(ctx, realtime.Record{Operation: realtime.GroupUpdated, At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Actor: actor})
	return err
}

// UpdateGroup implements [group.Store].
func (s *Store) UpdateGroup(ctx context.Context, c chat.Copy, u group.Update) (g group.Group, err error) {
	defer emptyOnError(&err, &g)
	if err := storage.CheckText("title", text(u.Title), "description", text(u.Description), "groupImage", text(u.Image)); err != nil {
		return group.Group{}, err
	}
	err = s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockAsAdmin(ctx, c)
		if err != nil {
			return err
		}
		if u != (group.Update{}) {
			now := t.time()
			if _, err := t.exec(ctx, `UPDATE {groups} SET title = COALESCE($2, title), description = COALESCE($3, description), image = COALESCE($4, image), updated_at = $5
				WHERE conversation_id = $1`, conv.id, nullable(u.Title), nullable(u.Description), nullable(u.Image), now); err != nil {
				return err
			}
			if _, err := t.record(ctx, realtime.Record{Operation: realtime.GroupUpdated, At: moment(now), Conversation: conv.id, Kind: conv.kind, Actor: own.owner}); err != nil {
				return err
			}
		}
		groups, err := t.groups(ctx, c.Owner, conv.id)
		g = groups[conv.id]
		return err
	})
	return g, err
}

func nullable(s *string) sql.NullString {
	if s == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: *s, Valid: true}
}

// RemoveMember implements [group.Store].
func (s *Store) RemoveMember(ctx context.Context, c chat.Copy, member int64) error {
	return s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockAsAdmin(ctx, c)
		if err != nil {
			return err
		}
		target, err := t.member(ctx, conv, member)
		if err != nil {
			return err
		}
		if target.id == own.id {
			return t.leave(ctx, conv, own, realtime.Record{Operation: realtime.MemberLeft, Actor: own.owner})
		}
		return t.leave(ctx, conv, target, realtime.Record{Operation: realtime.MemberRemoved, Actor: own.owner})
	})
}

// Leave implements [group.Store].
func (s *Store) Leave(ctx context.Context, c chat.Copy) error {
	return s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockKind(ctx, chat.Group, c)
		if err != nil {
			return err
		}
		return t.leave(ctx, conv, own, realtime.Record{Operation: realtime.MemberLeft, Actor: own.owner})
	})
}

// leave ends a membership in a locked group with the given record, and applies the consequences:
// read marks, the member count, an empty group, a group without an admin.
func (t *tx) leave(ctx context.Context, conv conversation, m ownCopy, r realtime.Record) error {
	now := t.time()
	if err := t.markRead(ctx, conv, m, conv.lastSeq, true, now); err != nil {
		return err
	}
	r.At, r.Conversation, r.Kind, r.Member = moment(now), conv.id, conv.kind, m.id
	ended, err := t.record(ctx, r)
	if err != nil {
		return err
	}
	if err := t.endCopies(ctx, conv, ended, `id = $3`, m.id); err != nil {
		return err
	}
	var members int64
	if _, err := t.row(ctx, `UPDATE {groups} SET members_count = members_count - 1 WHERE conversation_id = $1 RETURNING members_count`, []any{conv.id}, &members); err != nil {
		return err
	}
	if members == 0 {
		return t.dropGroup(ctx, conv)
	}
	return t.keepAdmin(ctx, conv, r.Actor)
}

// endCopies ends the copies that satisfy the condition. Its arguments are numbered from $3.
func (t *tx) endCopies(ctx context.Context, conv conversation, ended int64, condition string, args ...any) error {
	all := append([]any{ended, conv.id}, args...)
	if _, err := t.exec(ctx, `UPDATE {copies} SET end_event = $1 WHERE end_event = 0 AND conversation_id = $2 AND `+condition, all...); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE {conversations} SET endings = endings + 1, purge_due = TRUE WHERE id = $1`, conv.id)
	return err
}

// keepAdmin makes the longest-standing member an admin if the group has none. actor is the member
// who left.
func (t *tx) keepAdmin(ctx context.Context, conv conversation, actor user.ID) error {
	if admins, err := t.countAdmins(ctx, conv); err != nil || admins > 0 {
		return err
	}
	var eldest int64
	found, err := t.row(ctx, `SELECT c.id FROM {copies} c WHERE c.conversation_id = $1 AND c.end_event = 0 ORDER BY c.id LIMIT 1`, []any{conv.id}, &eldest)
	if err != nil || !found {
		return err
	}
	return t.setAdmin(ctx, conv, eldest, true, actor)
}

// dropGroup removes a group without members. Purge removes its conversation.
func (t *tx) dropGroup(ctx context.Context, conv conversation) error {
	_, err := t.exec(ctx, `DELETE FROM {groups} WHERE conversation_id = $1`, conv.id)
	return err
}

// RemoveGroup implements [group.Store].
func (s *Store) RemoveGroup(ctx context.Context, c chat.Copy) error {
	return s.act(ctx, func(t *tx) error {
		conv, own, err := t.lockKind(ctx, chat.Group, c)
		if err != nil {
			return err
		}
		var creator user.ID
		if _, err := t.row(ctx, `SELECT g.created_by FROM {groups} g WHERE g.conversation_id = $1`, []any{conv.id}, &creator); err != nil {
			return err
		}
		if creator != own.owner {
			return group.NotTheCreator()
		}
		removed, err := t.record(ctx, realtime.Record{Operation: realtime.GroupPermanentlyRemoved, At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Actor: own.owner})
		if err != nil {
			return err
		}
		if err := t.endCopies(ctx, conv, removed, `TRUE`); err != nil {
			return err
		}
		return t.dropGroup(ctx, conv)
	})
}
