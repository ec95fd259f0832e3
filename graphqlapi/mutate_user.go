package graphqlapi

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// errHostUsers is the answer to mutations of built-in users if the host has its own users.
var errHostUsers = &wireError{code: codeForbidden, message: "this application manages its own users"}

// builtIn returns errHostUsers if the host has its own users.
func (m *mutations) builtIn() error {
	if m.app.Users == nil || m.app.Tokens == nil {
		return errHostUsers
	}
	return nil
}

// Answers to mutations of users.
type (
	createdUser struct {
		User        *userNode
		PhoneNumber *phoneNode
	}
	changedUser struct{ User *userNode }
	erasedUser  struct{ UserID *int32 }
	addedPhone  struct{ PhoneNumber *phoneNode }
	session     struct {
		Token            string
		Payload          genericScalar
		RefreshToken     string
		RefreshExpiresIn int32
	}
	verified struct{ Payload genericScalar }
	revoked  struct{ Revoked int32 }
)

type phoneInput struct{ Number, CountryCode string }

func (p phoneInput) phone() user.Phone {
	return user.Phone{Number: p.Number, CountryCode: p.CountryCode}
}

// CreateUser resolves Mutation.createUser.
func (m *mutations) CreateUser(ctx context.Context, args struct {
	Username, Email, Password, FirstName, LastName string
	PhoneNumber                                    phoneInput
},
) (*createdUser, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	u, phone, err := m.app.Users.Register(ctx, user.Registration{
		Username: args.Username, Email: args.Email, Password: args.Password,
		FirstName: args.FirstName, LastName: args.LastName, Phone: args.PhoneNumber.phone(),
	})
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	n := newUserNode(m.resolver, u.ID)
	n.showAccount(u, budgetOf(ctx))
	n.created = true
	return &createdUser{n, newPhoneNode(phone)}, nil
}

// Login resolves Mutation.login.
func (m *mutations) Login(ctx context.Context, args struct{ Username, Password string }) (*session, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	u, err := m.app.Users.Authenticate(ctx, args.Username, args.Password)
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	s, err := m.session(ctx, func() (token.Pair, error) { return m.app.Tokens.Login(ctx, u) })
	if tell := viewerOf(ctx).loggedIn; err == nil && tell != nil {
		tell(args.Username)
	}
	return s, err
}

// RefreshToken resolves Mutation.refreshToken.
func (m *mutations) RefreshToken(ctx context.Context, args struct{ RefreshToken *string }) (*session, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	return m.session(ctx, func() (token.Pair, error) {
		return m.app.Tokens.Refresh(ctx, given(args.RefreshToken), m.app.Directory)
	})
}

func (m *mutations) session(ctx context.Context, begin func() (token.Pair, error)) (*session, error) {
	p, err := begin()
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	return &session{
		Token: p.Access, Payload: p.Claims.Payload(),
		RefreshToken: p.Refresh, RefreshExpiresIn: unixSeconds(p.RefreshExpires),
	}, nil
}

// VerifyToken resolves Mutation.verifyToken.
func (m *mutations) VerifyToken(ctx context.Context, args struct{ Token *string }) (*verified, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	access := viewerOf(ctx).token
	if args.Token != nil {
		access = *args.Token
	}
	claims, err := m.app.Tokens.Verify(ctx, access)
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	return &verified{claims.Payload()}, nil
}

// RevokeToken resolves Mutation.revokeToken.
func (m *mutations) RevokeToken(ctx context.Context, args struct{ RefreshToken *string }) (*revoked, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	at, err := m.app.Tokens.Revoke(ctx, given(args.RefreshToken))
	if err != nil {
		return nil, m.wire(ctx, err)
	}
	return &revoked{unixSeconds(at)}, nil
}

// unixSeconds returns a time as an Int. Times after January 2038 exceed an Int and become its
// maximum.
func unixSeconds(t time.Time) int32 { return int32(min(t.Unix(), math.MaxInt32)) }

// given returns an optional argument, or "" if it is missing.
func given(argument *string) string {
	if argument == nil {
		return ""
	}
	return *argument
}

// UpdateUser resolves Mutation.updateUser.
func (m *mutations) UpdateUser(ctx context.Context, args struct{ FirstName, LastName, Bio, ProfilePicture *string }) (*changedUser, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	return mutate(ctx, m,
		func(viewer user.ID) (user.User, error) {
			return m.app.Users.Update(ctx, viewer, user.Update{
				FirstName: args.FirstName, LastName: args.LastName, Bio: args.Bio, Picture: args.ProfilePicture,
			})
		},
		answerUser)
}

// ChangePassword resolves Mutation.changePassword.
func (m *mutations) ChangePassword(ctx context.Context, args struct{ OldPassword, NewPassword string }) (*changedUser, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	return mutate(ctx, m,
		func(viewer user.ID) (user.User, error) {
			return m.app.Users.ChangePassword(ctx, viewer, args.OldPassword, args.NewPassword)
		},
		answerUser)
}

func answerUser(l *load, _ selection, u user.User) (*changedUser, error) {
	return &changedUser{l.account(u)}, nil
}

// DeleteUser resolves Mutation.deleteUser. The userId is null if the id is not a number or exceeds
// an Int.
func (m *mutations) DeleteUser(ctx context.Context, args struct{ Password string }) (*erasedUser, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	v := viewerOf(ctx)
	if !v.known() {
		return nil, errLogin
	}
	if err := m.app.Users.Delete(ctx, v.User, args.Password); err != nil {
		return nil, m.wire(ctx, err)
	}
	if number, err := strconv.ParseInt(string(v.User), 10, 32); err == nil {
		id := int32(number)
		return &erasedUser{&id}, nil
	}
	return &erasedUser{}, nil
}

// AddPhoneNumber resolves Mutation.addPhoneNumber.
func (m *mutations) AddPhoneNumber(ctx context.Context, args phoneInput) (*addedPhone, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	return mutate(ctx, m,
		func(viewer user.ID) (user.Phone, error) { return m.app.Users.AddPhone(ctx, viewer, args.phone()) },
		func(_ *load, _ selection, p user.Phone) (*addedPhone, error) {
			return &addedPhone{newPhoneNode(p)}, nil
		})
}

// RemovePhoneNumber resolves Mutation.removePhoneNumber.
func (m *mutations) RemovePhoneNumber(ctx context.Context, args struct{ PhoneID graphql.ID }) (*success, error) {
	if err := m.builtIn(); err != nil {
		return nil, err
	}
	return succeed(ctx, m, func(viewer user.ID) error {
		id, err := decodeID(typePhone, string(args.PhoneID))
		if err != nil {
			return err
		}
		return m.app.Users.RemovePhone(ctx, viewer, id)
	})
}
