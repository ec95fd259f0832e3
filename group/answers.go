package group

import "github.com/buddychat/buddychat/storage"

// The answers that stores give, so that every store gives the same.

// NotAnAdmin is the answer to a member whose act takes the role.
func NotAnAdmin() error { return storage.Forbidden("only an admin of the group can do this") }

// NotTheCreator is the answer to whoever would remove another's group.
func NotTheCreator() error { return storage.Forbidden("only its creator can remove the group") }

// AlreadyMember is the answer where a user who is in the group is added.
func AlreadyMember() error { return storage.Conflict("this user is a member already") }

// Full is the answer where the group has as many members as it can have.
func Full(limit int) error {
	return storage.Conflict("a group can have at most %d members: remove one first", limit)
}

// LastAdmin is the answer to an act that would leave the group without an admin.
func LastAdmin() error {
	return storage.Conflict("a group needs an admin: make somebody else one first")
}
