package group

import "github.com/buddychat/buddychat/storage"

// Errors of the stores. Every store returns the same ones.

// NotAnAdmin is the error for a change that only an admin may make.
func NotAnAdmin() error { return storage.Forbidden("only an admin of the group can do this") }

// NotTheCreator is the error for removing a group that another user created.
func NotTheCreator() error { return storage.Forbidden("only its creator can remove the group") }

// AlreadyMember is the error for adding a user who is a member.
func AlreadyMember() error { return storage.Conflict("this user is a member already") }

// Full is the error for adding a member to a group that has limit members.
func Full(limit int) error {
	return storage.Conflict("a group can have at most %d members: remove one first", limit)
}

// LastAdmin is the error for a change that would leave the group without an admin.
func LastAdmin() error {
	return storage.Conflict("a group needs an admin: make another member an admin first")
}
