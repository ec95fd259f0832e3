package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Copies implements [group.Store].
func (s *Store) Copies(ctx context.Context, owner user.ID, ids ...int64) (map[int64]group.Copy, error) {
	return readState(ctx, s, func(st *state) (map[int64]group.Copy, error) {
		found := map[int64]group.Copy{}
		for _, id := range ids {
			if uc, _, err := st.find(chat.Copy{Kind: chat.Group, ID: id, Owner: owner}); err == nil {
				found[id] = st.groupCopy(uc)
			}
		}
		return found, nil
	})
}

// ListCopies implements [group.Store].
func (s *Store) ListCopies(ctx context.Context, owner user.ID, f group.Filter, r storage.Range) ([]group.Copy, error) {
	return readState(ctx, s, func(st *state) ([]group.Copy, error) {
		return page(st.groupCopies(owner, f), r, group.Copy.Key, descending), nil
	})
}

// CountCopies implements [group.Store].
func (s *Store) CountCopies(ctx context.Context, owner user.ID, f group.Filter) (int, error) {
	return readState(ctx, s, func(st *state) (int, error) { return len(st.groupCopies(owner, f)), nil })
}

func (s *state) groupCopies(owner user.ID, f group.Filter) []group.Copy {
	var own []group.Copy
	for _, uc := range s.copiesOfKind(owner, chat.Group) {
		if f.Archived == nil || *f.Archived == uc.archived {
			own = append(own, s.groupCopy(uc))
		}
	}
	return own
}

// groupSeenBy returns the group's conversation if the viewer is a member, else nil.
func (s *state) groupSeenBy(viewer user.ID, id int64) *conversation {
	conv, ok := s.conversations[id]
	if !ok || conv.kind != chat.Group || conv.copyOf(viewer) == nil {
		return nil
	}
	return conv
}

// Groups implements [group.Store].
func (s *Store) Groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]group.Group, error) {
	return readState(ctx, s, func(st *state) (map[int64]group.Group, error) {
		found := map[int64]group.Group{}
		for _, id := range ids {
			if conv := st.groupSeenBy(viewer, id); conv != nil {
				found[id] = groupOf(conv)
			}
		}
		return found, nil
	})
}

// MembersByID implements [group.Store].
func (s *Store) MembersByID(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]group.Member, error) {
	return readState(ctx, s, func(st *state) (map[int64]group.Member, error) {
		found := map[int64]group.Member{}
		for _, id := range ids {
			if uc, ok := st.copies[id]; ok && uc.present() && st.groupSeenBy(viewer, uc.conversation) != nil {
				found[id] = uc.member()
			}
		}
		return found, nil
	})
}

// Members implements [group.Store].
func (s *Store) Members(ctx context.Context, viewer user.ID, groups []int64, r storage.Range) ([][]group.Member, error) {
	return readState(ctx, s, func(st *state) ([][]group.Member, error) {
		all := make([][]group.Member, len(groups))
		for i, id := range groups {
			if conv := st.groupSeenBy(viewer, id); conv != nil {
				all[i] = page(membersOf(conv.present()), r, group.Member.Key, ascending)
			}
		}
		return all, nil
	})
}

func membersOf(copies []*userCopy) []group.Member {
	var all []group.Member
	for _, uc := range copies {
		all = append(all, uc.member())
	}
	return all
}

// Readers implements [group.Store].
func (s *Store) Readers(ctx context.Context, refs []group.MessageRef, r storage.Range) ([][]group.Member, error) {
	return readState(ctx, s, func(st *state) ([][]group.Member, error) {
		all := make([][]group.Member, len(refs))
		for i, ref := range refs {
			all[i] = page(membersOf(st.readers(ref)), r, group.Member.Key, ascending)
		}
		return all, nil
	})
}

// CountReaders implements [group.Store].
func (s *Store) CountReaders(ctx context.Context, refs []group.MessageRef) ([]int, error) {
	return readState(ctx, s, func(st *state) ([]int, error) {
		all := make([]int, len(refs))
		for i, ref := range refs {
			all[i] = len(st.readers(ref))
		}
		return all, nil
	})
}

func (s *state) readers(ref group.MessageRef) []*userCopy {
	_, conv, m, err := s.showing(ref.Copy, ref.Message)
	if err != nil || conv.kind != chat.Group {
		return nil
	}
	var readers []*userCopy
	for _, uc := range conv.present() {
		if uc.Owner != m.Sender && uc.joinedSeq < m.Seq && uc.readSeq >= m.Seq {
			readers = append(readers, uc)
		}
	}
	return readers
}
