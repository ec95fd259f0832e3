// Package group is group chats: a group, its members with their rights, and each member's copy of its
// messages, of which [github.com/buddychat/buddychat/chat] has the types.
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

// Group is what its members share.
type Group struct {
	ID           int64 // also the id of its conversation
	Title        string
	Description  string
	Image        string // an http(s) URL or a path, "" for none
	MembersCount int
	CreatedBy    user.ID   // "" where the creator was erased
	UpdatedAt    time.Time // when title, description or image last changed, else the creation
}

// Member is one membership in a group. Whoever leaves and is added again has another one.
type Member struct {
	ID     int64
	Group  int64
	User   user.ID
	Admin  bool
	Joined time.Time
}

// Key is the place of m among the members of its group, which stand oldest first.
func (m Member) Key() storage.Key { return storage.Key{Major: m.ID} }

// Copy is a member's own copy of their group. Its ID is that of the membership.
type Copy struct {
	Member
	Archived bool
	// Activity is the moment of the last send since joining, else of the joining. Nothing else moves it. It never goes back:
	// where the clocks of two nodes differ, it is the later moment.
	Activity time.Time
}

// Copy names c among the copies of both kinds of conversation.
func (c Copy) Copy() chat.Copy { return chat.Copy{Kind: chat.Group, ID: c.ID, Owner: c.User} }

// Key is the place of c in its owner's list, which runs from the highest down.
func (c Copy) Key() storage.Key { return storage.Key{Major: c.Activity.UnixMicro(), Minor: c.ID} }

// Filter picks copies. A nil field picks both.
type Filter struct{ Archived *bool }

// Draft is a group to be created.
type Draft struct{ Title, Description string }

// Update changes a group. A nil field stays as it is.
type Update struct{ Title, Description, Image *string }

// MessageRef names a message of a copy.
type MessageRef struct {
	Copy    chat.Copy
	Message int64
}

// Store keeps groups. Every method is one atomic act, safe for concurrent use on any number of nodes, that
// locks the conversation first. A copy that is not the actor's, or has ended, a group that the viewer is no
// member of, and a member of another group are [storage.ErrNotFound]; an act that the actor's
// role does not allow is [storage.ErrForbidden].
type Store interface {
	chat.MessageStore

	// CreateGroup makes a group with its creator as first member and admin.
	// Event: MEMBER_ADDED.
	CreateGroup(ctx context.Context, creator user.ID, d Draft) (Group, Copy, error)
	// Copies returns those of the copies that are the owner's.
	Copies(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Copy, error)
	// ListCopies returns the owner's copies, newest activity first, by [Copy.Key] descending.
	ListCopies(ctx context.Context, owner user.ID, f Filter, r storage.Range) ([]Copy, error)
	// CountCopies returns how many there are.
	CountCopies(ctx context.Context, owner user.ID, f Filter) (int, error)
	// Groups returns those of the groups that the viewer is a member of.
	Groups(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]Group, error)
	// MembersByID returns those of the members whose group the viewer is a member of.
	MembersByID(ctx context.Context, viewer user.ID, ids ...int64) (map[int64]Member, error)
	// Members returns the present members of each of those groups that the viewer is a member of, each in its place, oldest
	// first, by [Member.Key].
	Members(ctx context.Context, viewer user.ID, groups []int64, r storage.Range) ([][]Member, error)
	// Readers returns, for each message, the present members other than its sender who joined before it and whose read
	// point has reached it, oldest member first.
	Readers(ctx context.Context, messages []MessageRef, r storage.Range) ([][]Member, error)
	// CountReaders returns how many there are of each.
	CountReaders(ctx context.Context, messages []MessageRef) ([]int, error)

	// AddMember adds a user, by an admin. One who is there already, and one more than limit, is
	// [storage.ErrConflict]; one who was erased is [storage.ErrNotFound].
	// Event: MEMBER_ADDED.
	AddMember(ctx context.Context, c chat.Copy, u user.ID, limit int) (Member, error)
	// SetAdmin gives or takes the role, by an admin. Taking it from the only admin is [storage.ErrConflict]. What
	// is so already stays, without an event.
	// Event: GROUP_UPDATED.
	SetAdmin(ctx context.Context, c chat.Copy, member int64, admin bool) (Member, error)
	// UpdateGroup changes the group, by an admin. An empty [Update] changes nothing and has no event.
	// Event: GROUP_UPDATED.
	UpdateGroup(ctx context.Context, c chat.Copy, u Update) (Group, error)
	// RemoveMember ends another's membership, by an admin; an admin's own as [Store.Leave] does.
	// Event: MEMBER_REMOVED.
	RemoveMember(ctx context.Context, c chat.Copy, member int64) error
	// Leave ends the owner's membership. Where no admin is left, the longest-standing member becomes one;
	// where nobody is left, the group is removed.
	// Events: MEMBER_LEFT, then GROUP_UPDATED where a member became admin. The actor of both is the member who left.
	Leave(ctx context.Context, c chat.Copy) error
	// RemoveGroup removes the group with everything in it, by its creator.
	// Event: GROUP_PERMANENTLY_REMOVED.
	RemoveGroup(ctx context.Context, c chat.Copy) error
	// ReadThrough moves the owner's read point up to a message that the copy shows. A point that is there or beyond
	// stays, without an event. Where a message has then been read by every other present member who
	// joined before it, by reading or by somebody's going, its ReadAt is set, once for all. One sent with nobody else there
	// never gets one.
	// Event: GROUP_MESSAGE_READ with the range of places that are newly covered; none where all that is newly covered is
	// the owner's own.
	ReadThrough(ctx context.Context, c chat.Copy, message int64) (chat.Message, error)
}
