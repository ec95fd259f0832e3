package token

import "github.com/buddychat/buddychat/storage"

const notValid = "the token is invalid or no longer valid: log in again"

// Refused is the error for every invalid token, from the service and from its stores. It is always
// the same, so that an attacker does not learn the reason.
func Refused() error { return storage.Unauthenticated(notValid) }

// Expired is the error for an access token that was valid until it expired. It has the same text.
func Expired() error { return storage.TokenExpired(notValid) }
