package user

import "github.com/buddychat/buddychat/storage"

// The answers of this package and of its stores, so that every store gives the same.

// UsernameTaken is the answer to a registration whose username exists. Where several parts of it
// exist, this comes first, then [EmailTaken], then [PhoneTaken].
func UsernameTaken() error {
	return storage.Conflict("this username is taken: choose another one")
}

// EmailTaken is the answer to a registration whose email exists.
func EmailTaken() error {
	return storage.Conflict("this email is in use: log in, or give another one")
}

// PhoneTaken is the answer to a phone number that exists, with any user.
func PhoneTaken() error {
	return storage.Conflict("this phone number is in use: give another one")
}

// TooManyPhones is the answer to one more phone number than the limit.
func TooManyPhones(limit int) error {
	return storage.Conflict("a user can have at most %d phone numbers: remove one first", limit)
}

// PasswordChanged is the answer to an act that was allowed by a password that has been replaced
// since.
func PasswordChanged() error {
	return storage.Conflict("the password was changed in the meantime: log in again")
}

// WrongLogin is the one answer to a login with a wrong name, a wrong password, or a password that
// was replaced while the login was under way.
func WrongLogin() error {
	return storage.Unauthenticated("the username or the password is wrong")
}
