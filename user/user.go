// Package user knows who takes part: the opaque [ID] by which every other package knows a user, the
// [Directory] that says how a user is shown, and, for applications that have no users of their own,
// a [Service] that registers them.
//
// An application with its own users needs the first two alone:
//
//	type directory struct{ db *sql.DB }
//
//	func (d directory) Lookup(ctx context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) { … }
package user

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/storage"
)

// ID names a user. Only the application that issues it knows its form: a number, a UUID, anything of 1
// to [MaxIDLength] bytes that is valid UTF-8 without NUL. The built-in users have decimal numbers. The
// id of a user who was erased must not be given to another.
type ID string

// MaxIDLength is the most bytes that an [ID] may have.
const MaxIDLength = 255

// Valid reports whether id can be a user's: whether it has 1 to [MaxIDLength] bytes of valid UTF-8 without NUL. A store knows no
// user of another: an act for one is [storage.ErrNotFound], and a question about one finds nothing.
func (id ID) Valid() bool {
	return id != "" && len(id) <= MaxIDLength && storage.Storable(string(id))
}

// Profile is what everybody may see of a user.
type Profile struct {
	ID        ID
	Username  string
	FirstName string
	LastName  string
	Bio       string
	Picture   string // an http(s) URL or a path, "" for none
	Joined    time.Time
}

// Directory says how users are shown. It must be safe for concurrent use.
type Directory interface {
	// Lookup returns the profiles of those ids that it knows; the others are left out, which is no error.
	// It is called once for a whole page.
	Lookup(ctx context.Context, ids ...ID) (map[ID]Profile, error)
}

// Lister is what a [Directory] may offer beside it: the list of all users. Without it the list is empty. It must be safe for concurrent use.
//
// The list may be in any order that stays, such as that of the ids, and its keys may be any texts: see [User.ListKey]. They come back in
// the bounds of a range, as Text. With ids that are UUIDs, a page forward is
//
//	SELECT … FROM members WHERE id > $1 ORDER BY id LIMIT $2
//
// where $1 is r.After.Text, if there is an After, and $2 is r.Limit. Clients can make up cursors, so a key may be one that the lister never
// gave: answer [storage.ErrInvalid] about after or before, or any page, where it cannot be used.
type Lister interface {
	// ListUsers returns the users that match, by [User.Key]. The filter was checked; a search has at least [MinSearch] characters. Few
	// searches run at the same time, but how many users one looks at is for the lister to bound.
	ListUsers(ctx context.Context, f Filter, r storage.Range) ([]User, error)
	// CountUsers returns how many match. It need not count beyond [MaxCount].
	CountUsers(ctx context.Context, f Filter) (int, error)
}

// Filter picks users. Empty fields pick everybody; several must all hold. Comparison is by [Fold]ed text.
type Filter struct {
	Username, FirstName, LastName string // the whole name
	// Search has words, of which each is a part of username, first or last name: see [Filter.Words].
	Search string
}

// User is an account of the built-in users. Everything outside Profile is the user's own.
type User struct {
	Profile
	// Number is the account's number, of which ID is the decimal form; lists are ordered by it.
	Number int64
	Email  string
	// PasswordVersion is 1 at first and rises with every new password. An act that was allowed by a
	// password names the version that was checked, and is refused once there is a newer one.
	PasswordVersion int64
	// ListKey is for the [Lister] of a host alone, where its list is not in the order of ids: any text by which it can go on from this
	// user, of at most [storage.MaxKeyText] bytes.
	ListKey string
}

// Key is the place of u in the list of users: ListKey, or else Number, or else the ID.
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

// Credentials are what a login is checked against.
type Credentials struct {
	User         User
	PasswordHash string // PHC string format
}

// Account is a user to be created, normalised and checked by [Service.Register].
type Account struct {
	Username, Email, FirstName, LastName string
	PasswordHash                         string
	Phone                                Phone
}

// Update changes a profile. A nil field stays as it is.
type Update struct {
	FirstName, LastName, Bio, Picture *string
}

// Store keeps the built-in users. Every method is one atomic act, safe for concurrent use; unknown
// users and phones are [storage.ErrNotFound].
type Store interface {
	Lister

	// CreateUser stores a new account. A username, email or phone number that exists is
	// [storage.ErrConflict], saying which; of two at the same time one wins.
	// Usernames are compared by [Fold], emails by [FoldEmail].
	CreateUser(ctx context.Context, a Account) (User, Phone, error)
	// Users returns those of the accounts that exist.
	Users(ctx context.Context, ids ...ID) (map[ID]User, error)
	// CredentialsByName finds an account by its username, compared by [Fold].
	CredentialsByName(ctx context.Context, username string) (Credentials, error)
	// Credentials finds an account by its id.
	Credentials(ctx context.Context, id ID) (Credentials, error)
	// UpdateUser changes the profile. An empty [Update] changes nothing.
	UpdateUser(ctx context.Context, id ID, u Update) (User, error)
	// ReplaceHash stores a new hash of the same password, where the old one is still there. It ends
	// no session, and leaves the PasswordVersion. Where the hash has changed meanwhile it does
	// nothing.
	ReplaceHash(ctx context.Context, id ID, old, hash string) error
	// SetPassword stores the hash of a new password, where the old one is still there, and ends
	// every session of the user. The PasswordVersion rises by one. Where the hash has changed
	// meanwhile it is [storage.ErrConflict].
	SetPassword(ctx context.Context, id ID, old, hash string) error

	// AddPhone adds a phone number, at most limit to one user. One too many is [TooManyPhones],
	// whether it exists or not, and one that exists, with anybody, [PhoneTaken].
	AddPhone(ctx context.Context, id ID, p Phone, limit int) (Phone, error)
	// RemovePhone removes a phone number of this user.
	RemovePhone(ctx context.Context, id ID, phone int64) error
	// Phones returns the phone numbers of each of the users, in the order of their ids.
	Phones(ctx context.Context, ids ...ID) (map[ID][]Phone, error)

	// EraseUser erases a user, one's own or a host's: the account with its phone numbers and sessions,
	// the chats on both sides, the memberships (a group left without an admin gets its
	// longest-standing member as one, a group left empty is removed). What the user wrote can be seen by nobody
	// from the return on; its rows are emptied in batches by the store's Purge. The id can take part in
	// nothing afterwards. An id that has nothing stored is no error; an erased one neither;
	// one that is not [ID.Valid] is [storage.ErrNotFound].
	// Events: MEMBER_LEFT with Erased in every group, those included that the user had left before and has written in (with the last
	// membership, until it is purged), CHAT_DELETED with Erased to the other user of
	// every chat, and the end of every session. The end of the sessions comes first, then one conversation after another in the
	// order of their ids. None of them has an actor.
	EraseUser(ctx context.Context, id ID) error
	// EraseVerified is EraseUser for an account whose password was checked. Where the account has
	// another PasswordVersion by now it is [storage.ErrConflict], and nothing is erased. The check
	// and the erasure are one act.
	EraseVerified(ctx context.Context, id ID, passwordVersion int64) error
}
