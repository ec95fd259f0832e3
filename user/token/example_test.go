package token_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

func Example() {
	ctx := context.Background()
	secret := make([]byte, 32)
	rand.Read(secret) // a real server loads its key from its configuration
	tokens, err := token.NewService(newFakeStore(), &token.Options{Keys: []token.Key{{ID: "2026-11", Secret: secret}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Ada is the result of Service.Authenticate. The directory can also be a *user.Service.
	ada := user.User{Profile: user.Profile{ID: "7", Username: "ada"}, PasswordVersion: 1}
	users := directory{"7": "ada"}

	login, err := tokens.Login(ctx, ada)
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := tokens.Refresh(ctx, login.Refresh, users)
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := tokens.Verify(ctx, next.Access)
	fmt.Println(claims.UserID, claims.Username, err)

	_, err = tokens.Revoke(ctx, next.Refresh)
	fmt.Println(err)
	_, err = tokens.Verify(ctx, next.Access)
	fmt.Println(errors.Is(err, storage.ErrUnauthenticated))
	// Output:
	// 7 ada <nil>
	// <nil>
	// true
}
