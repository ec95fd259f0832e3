package token

import "github.com/buddychat/buddychat/storage"

const notValid = "the token is not valid, or no longer: log in again"

// Refused is the one answer to every token that is not good, from the service and from its stores,
// so that nobody learns why.
func Refused() error { return storage.Unauthenticated(notValid) }

// Expired is the same answer, in the same words, to an access token that was good until it expired.
func Expired() error { return storage.TokenExpired(notValid) }
