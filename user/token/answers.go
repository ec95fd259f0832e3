package token

import "github.com/buddychat/buddychat/storage"

// Refused is the one answer to every token that is not good, from the service and from its stores, so that nobody
// learns why.
func Refused() error {
	return storage.Unauthenticated("the token is not valid, or no longer: log in again")
}
