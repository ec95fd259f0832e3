// Package user defines who takes part: the opaque [ID] that every other package uses for a user,
// and the [Directory] that looks up user profiles. For applications without users of their own, a
// [Service] keeps built-in accounts.
//
// An application with its own users needs only the first two:
//
//	type directory struct{ db *sql.DB }
//
//	func (d directory) Lookup(ctx context.Context, ids ...user.ID) (map[user.ID]user.Profile, error)
package user

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/storage"
)

// ID identifies a user. The application that issues it chooses its form: a number, a UUID, or any
// other valid UTF-8 of 1 to [MaxIDLength] bytes without NUL. Built-in accounts have decimal
// numbers. The id of an erased user must never be used again.
type ID string

// MaxIDLength is the maximum length of an [ID] in bytes.
const MaxIDLength = 255

// Valid reports whether id has 1 to [MaxIDLength] bytes of valid UTF-8 without NUL. Stores treat an
// invalid id as an unknown user: a change for it returns [storage.ErrNotFound], and a read for it
// finds nothing.
func (id ID) Valid() bool {
	return id != "" && len(id) <= MaxIDLength && storage.Storable(string(id))
}

// Profile is what every user may see of a user.
type Profile struct {
	ID        ID
	Username  string
	FirstName string
	LastName  string
	Bio       string
	Picture   string // an http(s) URL or a path, "" for none
	Joined    time.Time
}

// Directory looks up user profiles. It must be safe for concurrent use.
type Directory interface {
	// Lookup returns the profiles of the ids that it knows. It leaves out unknown ids without an
	// error. It is called once for all users of a page.
	Lookup(ctx context.Context, ids ...ID) (map[ID]Profile, error)
}

// Lister is an optional interface of a [Directory]: it lists all users. Without it, the list of
// users is empty. It must be safe for concurrent use.
//
// The list may have any order that does not change, such as the order of the ids. The key of a user
// in that order may be any text: see [User.ListKey]. The bounds of a range have such keys as their
// Text. If ids are UUIDs, the query for a page forward is
//
//	SELECT … FROM members WHERE id > $1 ORDER BY id LIMIT $2
//
// where $1 is r.After.Text, if After is set, and $2 is r.Limit. Clients can make up cursors, so a
// bound may be a key that the lister never returned. If it cannot be used, return
// [storage.ErrInvalid] about after or before, or return any page.
type Lister interface {
	// ListUsers returns the users that match, ordered by [User.Key]. The filter was checked before:
	// a search has at least [MinSearch] characters. Only a few searches run at the same time, but
	// the lister must itself limit how many users a search reads.
	ListUsers(ctx context.Context, f Filter, r storage.Range) ([]User, error)
	// CountUsers returns how many users match. It need not count above [MaxCount].
	CountUsers(ctx context.Context, f Filter) (int, error)
}

// Filter selects users. An empty field matches every user, and all fields must match. Text is
// compared in its [Fold]ed form.
type Filter struct {
	Username, FirstName, LastName string // the whole name
	// Search is a list of words. Each must be part of the username, first name or last name: see
	// [Filter.Words].
	Search string
}

// User is a built-in account. Only Profile is visible to other users.
type User struct {
	Profile
	// Number is the number of the account, and ID is its decimal form. Lists are ordered by it.
	Number int64
	Email  string
	// PasswordVersion is 1 at first and rises by one with every new password. An operation that was
	// authorised by a password states the version that was checked, and fails if the password was
	// replaced since.
	PasswordVersion int64
	// ListKey is only for the [Lister] of an application whose list is not ordered by id. It is any
	// text, of at most [storage.MaxKeyText] bytes, from which the lister can continue after this
	// user.
	ListKey string
}

// Key is the position of u in the list of users: ListKey if set, else Number if set, else the ID.
func (u User) Key() storage.Key {
	switch {
	case u.ListKey != "":
		return storage.Key{Text: u.ListKey}
	case u.Number != 0:
		return storage.Key{Major: u.Number}
	}
	return storage.Key{Text: string(u.ID)}
}

// Phone is a phone number of a user.
type Phone struct {
	ID          int64
	Number      string // 8 to 15 digits
	CountryCode string // 1 to 4 digits
}

// Credentials are an account with its password hash.
type Credentials struct {
	User         User
	PasswordHash string // PHC string format
}

// Account is a new account. [Service.Register] has normalised and checked it.
type Account struct {
	Username, Email, FirstName, LastName string
	PasswordHash                         string
	Phone                                Phone
}

// Update changes a profile. A nil field is left unchanged.
type Update struct {
	FirstName, LastName, Bio, Picture *string
}

// Store keeps the built-in accounts. Every method is atomic and safe for concurrent use. An unknown
// user or phone number is [storage.ErrNotFound].
type Store interface {
	Lister

	// CreateUser stores a new account. If its username, email or phone number exists, it returns
	// [storage.ErrConflict], which says which one. If two calls run at the same time, one wins.
	// Usernames are compared by [Fold], emails by [FoldEmail].
	CreateUser(ctx context.Context, a Account) (User, Phone, error)
	// Users returns the accounts that exist among ids.
	Users(ctx context.Context, ids ...ID) (map[ID]User, error)
	// CredentialsByName finds an account by its username, compared by [Fold].
	CredentialsByName(ctx context.Context, username string) (Credentials, error)
	// Credentials finds an account by its id.
	Credentials(ctx context.Context, id ID) (Credentials, error)
	// UpdateUser changes the profile. An empty [Update] changes nothing.
	UpdateUser(ctx context.Context, id ID, u Update) (User, error)
	// ReplaceHash stores a new hash of the same password, if the stored hash is still old.
	// Otherwise it does nothing. It ends no session and keeps the PasswordVersion.
	ReplaceHash(ctx context.Context, id ID, old, hash string) error
	// SetPassword stores the hash of a new password, if the stored hash is still old. Otherwise it
	// returns [storage.ErrConflict]. It ends every session of the user and raises the
	// PasswordVersion by one.
	SetPassword(ctx context.Context, id ID, old, hash string) error

	// AddPhone adds a phone number; one user has at most limit. Above the limit it returns
	// [TooManyPhones], even if the number exists. If the number exists, with any user, it returns
	// [PhoneTaken].
	AddPhone(ctx context.Context, id ID, p Phone, limit int) (Phone, error)
	// RemovePhone removes a phone number of this user.
	RemovePhone(ctx context.Context, id ID, phone int64) error
	// Phones returns the phone numbers of each of the users, in the order of their ids.
	Phones(ctx context.Context, ids ...ID) (map[ID][]Phone, error)

	// EraseUser erases a user, built-in or of your application: the account with its phone numbers
	// and sessions, the user's chats on both sides, and the memberships. A group left without an
	// admin gets its longest-standing member as admin, and a group left empty is removed. When
	// EraseUser returns, no user can see what the user wrote; the store's Purge later empties those
	// rows in batches. The id cannot be used for anything afterwards. An id that has nothing stored
	// is no error, and neither is an erased one. An id that is not [ID.Valid] is
	// [storage.ErrNotFound].
	//
	// Events: first the end of every session. Then, one conversation after another in the order of
	// their ids, MEMBER_LEFT with Erased in every group, and CHAT_DELETED with Erased to the other
	// user of every chat. MEMBER_LEFT also goes to the groups that the user left earlier and has
	// written in, with the last membership, until it is purged. No event has an actor.
	EraseUser(ctx context.Context, id ID) error
	// EraseVerified is EraseUser for an account whose password was checked. If the account has
	// another PasswordVersion by now, it returns [storage.ErrConflict] and erases nothing. The
	// check and the erasure are one atomic step.
	EraseVerified(ctx context.Context, id ID, passwordVersion int64) error
}
