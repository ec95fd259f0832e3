// Package group has group chats: a group, its members with their rights, and each member's copy of
// its messages. The types of messages are those of [github.com/buddychat/buddychat/chat].
//
//	made, err := groups.Create(ctx, alice, group.Draft{Title: "Climbing"})
//	_, err = groups.Add(ctx, alice, made.ID, bob)
//	_, err = groups.Send(ctx, alice, made.ID, chat.Draft{Content: "Saturday?"})
package group

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Group is what the members share.
type Group struct {
	ID           int64 // also the id of its conversation
	Title        string
	Description  string
	Image        string // an http or https URL or a path, or ""
	MembersCount int
	CreatedBy    user.ID   // "" if the creator was erased
	UpdatedAt    time.Time // when title, description or image last changed, or the creation
}

// Member is one membership in a group. A user who leaves and is added again gets a new one.
type Member struct {
	ID     int64
	Group  int64
	User   user.ID
	Admin  bool
	Joined time.Time
}

// Key is the position of m among the members of its group, oldest first.
func (m Member) Key() storage.Key { return storage.Key{Major: m.ID} }

// Copy is a member's copy of their group. Its ID is that of the membership.
type Copy struct {
	Member
	Archived bool
	// Activity is the time of the last message sent since joining, or of joining if there is none.
	// Nothing else changes it. It never goes back: if the clocks of two nodes differ, the later
	// time counts.
	Activity time.Time
}

// Copy identifies c as a [chat.Copy].
func (c Copy) Copy() chat.Copy { return chat.Copy{Kind: chat.Group, ID: c.ID, Owner: c.User} }

// Key is the position of c in its owner's list, which is in descending order.
func (c Copy) Key() storage.Key { return storage.Key{Major: c.Activity.UnixMicro(), Minor: c.ID} }

// Filter selects copies. If Archived is nil, it selects archived and other copies.
type Filter struct{ Archived *bool }

// Draft is a group to create.
type Draft struct{ Title, Description string }

// Update changes a group. A nil field is left unchanged.
type Update struct{ Title, Description, Image *string }

// MessageRef identifies a message of a copy.
type MessageRef struct {
	Copy    chat.Copy
	Message int64
}

// Store keeps groups. Every method is atomic and safe for concurrent use on any number of nodes;
// changes lock the conversation first. A method returns [storage.ErrNotFound] for a copy that has
// ended or is not the actor's, for a group that the viewer is not a member of, and for a member of
// another group. It returns [storage.ErrForbidden] for a change that the actor's role does not
// allow.
type Store interface {
	chat.MessageStore

	// CreateGroup creates a group with its creator as the first member and admin. Event:
	// MEMBER_ADDED.
	CreateGroup(ctx context.Context, creator user.ID, d Draft) (Group, Copy, error)
	// Copies returns the copies among ids that belong to the owner.
	Copies(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Copy, error)
	// ListCopies returns the owner's copies, newest activity first, by [Copy.Key] descending.
	ListCopies(ctx context.Context, owner user.ID, f Filter, r storage.Range) ([]Copy, error)
	// CountCopies returns how many copies of the owner match.
	CountCopies(ctx context.Context, owner user.ID, f Filter) (int, error)
	// Groups returns the groups among ids that the viewer is a member of.
	Groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]Group, error)
	// MembersByID returns the members among ids whose group the viewer is a member of.
	MembersByID(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]Member, error)
	// Members returns the present members of each group, oldest first, by [Member.Key]. The i-th
	// list is that of groups[i]. It is empty if the viewer is not a member of that group.
	Members(ctx context.Context, viewer user.ID, groups []int64, r storage.Range) ([][]Member, error)
	// Readers returns the present members who have read each message, oldest member first. The i-th
	// list is that of messages[i]. It has the members, without the sender, who joined before the
	// message and whose read point has reached it.
	Readers(ctx context.Context, messages []MessageRef, r storage.Range) ([][]Member, error)
	// CountReaders returns how many readers each message has.
	CountReaders(ctx context.Context, messages []MessageRef) ([]int, error)

	// AddMember adds a user; the actor must be an admin. It returns [storage.ErrConflict] if the
	// user is a member, or if the group already has limit members. An erased user is
	// [storage.ErrNotFound]. Event: MEMBER_ADDED.
	AddMember(ctx context.Context, c chat.Copy, u user.ID, limit int) (Member, error)
	// SetAdmin makes a member an admin or takes that role away; the actor must be an admin. Taking
	// it from the only admin is [storage.ErrConflict]. If nothing changes, there is no event.
	// Event: GROUP_UPDATED.
	SetAdmin(ctx context.Context, c chat.Copy, member int64, admin bool) (Member, error)
	// UpdateGroup changes the group; the actor must be an admin. An empty [Update] changes nothing
	// and has no event. Event: GROUP_UPDATED.
	UpdateGroup(ctx context.Context, c chat.Copy, u Update) (Group, error)
	// RemoveMember ends another user's membership; the actor must be an admin. For the actor's own
	// membership it does what [Store.Leave] does. Event: MEMBER_REMOVED.
	RemoveMember(ctx context.Context, c chat.Copy, member int64) error
	// Leave ends the owner's membership. If no admin is left, the longest-standing member becomes
	// one. If no member is left, the group is removed. Events: MEMBER_LEFT, then GROUP_UPDATED if a
	// member became admin. The actor of both is the member who left.
	Leave(ctx context.Context, c chat.Copy) error
	// RemoveGroup removes the group and everything in it; the actor must be its creator. Event:
	// GROUP_PERMANENTLY_REMOVED.
	RemoveGroup(ctx context.Context, c chat.Copy) error
	// ReadThrough moves the owner's read point forward to a message that the copy shows. If it is
	// already there or further, nothing changes and there is no event. ReadAt of a message is set
	// as soon as every other present member who joined before it has read it, also when the last
	// one who had not read it goes. It never changes after that. A message sent while there was no
	// other member never gets a ReadAt. Event: GROUP_MESSAGE_READ with the range of sequence
	// numbers that are newly read. There is none if all of them are the owner's own.
	ReadThrough(ctx context.Context, c chat.Copy, message int64) (chat.Message, error)
}
