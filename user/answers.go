package user

import "github.com/buddychat/buddychat/storage"

// Errors of this package and its stores. Every store returns the same ones.

// UsernameTaken is the error if the username of a registration exists. If several fields of it
// exist, UsernameTaken takes precedence over [EmailTaken], which takes precedence over
// [PhoneTaken].
func UsernameTaken() error {
	return storage.Conflict("this username is taken: choose another one")
}

// EmailTaken is the error if the email of a registration exists.
func EmailTaken() error {
	return storage.Conflict("this email is in use: log in, or give another one")
}

// PhoneTaken is the error if a phone number exists, with any user.
func PhoneTaken() error {
	return storage.Conflict("this phone number is in use: give another one")
}

// TooManyPhones is the error if a user has limit phone numbers and adds another.
func TooManyPhones(limit int) error {
	return storage.Conflict("a user can have at most %d phone numbers: remove one first", limit)
}

// PasswordChanged is the error if the password that authorised an operation was replaced since.
func PasswordChanged() error {
	return storage.Conflict("the password was changed in the meantime: log in again")
}

// WrongLogin is the error for a wrong username, for a wrong password, and for a password that was
// replaced while the login was in progress.
func WrongLogin() error {
	return storage.Unauthenticated("the username or the password is wrong")
}
