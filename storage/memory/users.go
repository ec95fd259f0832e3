package memory

import (
	"context"
	"slices"
	"strconv"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// account is a built-in account.
type account struct {
	user.User
	hash   string
	phones []user.Phone // in the order of their ids
}

func (acc *account) clone() *account {
	c := *acc
	c.phones = slices.Clone(acc.phones)
	return &c
}

// account returns the account of this id.
func (s *state) account(id user.ID) (*account, error) {
	acc, ok := s.accounts[id]
	if !ok {
		return nil, storage.NotFound()
	}
	return acc, nil
}

func (s *state) phoneTaken(p user.Phone) bool {
	for _, acc := range s.accounts {
		if slices.ContainsFunc(acc.phones, func(q user.Phone) bool {
			return q.Number == p.Number && q.CountryCode == p.CountryCode
		}) {
			return true
		}
	}
	return false
}

// taken returns the error for the first part of a new account that exists already, or nil.
func (s *state) taken(n user.Account) error {
	nameTaken, emailTaken := false, false
	for _, other := range s.accounts {
		nameTaken = nameTaken || user.Fold(other.Username) == user.Fold(n.Username)
		emailTaken = emailTaken || user.FoldEmail(other.Email) == user.FoldEmail(n.Email)
	}
	switch {
	case nameTaken:
		return user.UsernameTaken()
	case emailTaken:
		return user.EmailTaken()
	case s.phoneTaken(n.Phone):
		return user.PhoneTaken()
	}
	return nil
}

// CreateUser implements [user.Store].
func (s *Store) CreateUser(ctx context.Context, n user.Account) (user.User, user.Phone, error) {
	if err := storage.CheckText("username", n.Username, "email", n.Email, "firstName", n.FirstName, "lastName", n.LastName, "password", n.PasswordHash,
		"phoneNumber.number", n.Phone.Number, "phoneNumber.countryCode", n.Phone.CountryCode); err != nil {
		return user.User{}, user.Phone{}, err
	}
	acc, err := change(ctx, s, func(a *act) (account, error) {
		if err := a.taken(n); err != nil {
			return account{}, err
		}
		number := next(&a.lastUser)
		phone := n.Phone
		phone.ID = next(&a.lastPhone)
		acc := account{
			User: user.User{
				Profile: user.Profile{
					ID:       user.ID(strconv.FormatInt(number, 10)),
					Username: n.Username, FirstName: n.FirstName, LastName: n.LastName,
					Joined: a.now,
				},
				Number:          number,
				Email:           n.Email,
				PasswordVersion: 1,
			},
			hash:   n.PasswordHash,
			phones: []user.Phone{phone},
		}
		a.accounts[acc.ID] = acc.clone()
		return acc, nil
	})
	if err != nil {
		return user.User{}, user.Phone{}, err
	}
	return acc.User, acc.phones[0], nil
}

// Users implements [user.Store].
func (s *Store) Users(ctx context.Context, ids ...user.ID) (map[user.ID]user.User, error) {
	return readState(ctx, s, func(st *state) (map[user.ID]user.User, error) {
		found := map[user.ID]user.User{}
		for _, id := range ids {
			if acc, ok := st.accounts[id]; ok {
				found[id] = acc.User
			}
		}
		return found, nil
	})
}

// CredentialsByName implements [user.Store].
func (s *Store) CredentialsByName(ctx context.Context, username string) (user.Credentials, error) {
	return readState(ctx, s, func(st *state) (user.Credentials, error) {
		for _, acc := range st.accounts {
			if user.Fold(acc.Username) == user.Fold(username) {
				return user.Credentials{User: acc.User, PasswordHash: acc.hash}, nil
			}
		}
		return user.Credentials{}, storage.NotFound()
	})
}

// Credentials implements [user.Store].
func (s *Store) Credentials(ctx context.Context, id user.ID) (user.Credentials, error) {
	return readState(ctx, s, func(st *state) (user.Credentials, error) {
		acc, err := st.account(id)
		if err != nil {
			return user.Credentials{}, err
		}
		return user.Credentials{User: acc.User, PasswordHash: acc.hash}, nil
	})
}

// UpdateUser implements [user.Store].
func (s *Store) UpdateUser(ctx context.Context, id user.ID, u user.Update) (user.User, error) {
	if err := storage.CheckText("firstName", text(u.FirstName), "lastName", text(u.LastName), "bio", text(u.Bio), "profilePicture", text(u.Picture)); err != nil {
		return user.User{}, err
	}
	return change(ctx, s, func(a *act) (user.User, error) {
		acc, err := a.account(id)
		if err != nil {
			return user.User{}, err
		}
		assign(&acc.FirstName, u.FirstName)
		assign(&acc.LastName, u.LastName)
		assign(&acc.Bio, u.Bio)
		assign(&acc.Picture, u.Picture)
		return acc.User, nil
	})
}

// assign stores a value that is not nil.
func assign(to, value *string) {
	if value != nil {
		*to = *value
	}
}

// ReplaceHash implements [user.Store].
func (s *Store) ReplaceHash(ctx context.Context, id user.ID, old, hash string) error {
	return run(ctx, s, func(a *act) error {
		acc, err := a.account(id)
		if err != nil {
			return err
		}
		if acc.hash == old {
			acc.hash = hash
		}
		return nil
	})
}

// SetPassword implements [user.Store].
func (s *Store) SetPassword(ctx context.Context, id user.ID, old, hash string) error {
	return run(ctx, s, func(a *act) error {
		acc, err := a.account(id)
		if err != nil {
			return err
		}
		if acc.hash != old {
			return user.PasswordChanged()
		}
		acc.hash = hash
		acc.PasswordVersion++
		a.endSessions(id)
		return nil
	})
}

// AddPhone implements [user.Store].
func (s *Store) AddPhone(ctx context.Context, id user.ID, p user.Phone, limit int) (user.Phone, error) {
	if err := storage.CheckText("number", p.Number, "countryCode", p.CountryCode); err != nil {
		return user.Phone{}, err
	}
	return change(ctx, s, func(a *act) (user.Phone, error) {
		acc, err := a.account(id)
		if err != nil {
			return user.Phone{}, err
		}
		if len(acc.phones) >= limit {
			return user.Phone{}, user.TooManyPhones(limit)
		}
		if a.phoneTaken(p) {
			return user.Phone{}, user.PhoneTaken()
		}
		p.ID = next(&a.lastPhone)
		acc.phones = append(acc.phones, p)
		return p, nil
	})
}

// RemovePhone implements [user.Store].
func (s *Store) RemovePhone(ctx context.Context, id user.ID, phone int64) error {
	return run(ctx, s, func(a *act) error {
		acc, err := a.account(id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(acc.phones, func(p user.Phone) bool { return p.ID == phone })
		if i < 0 {
			return storage.NotFound()
		}
		acc.phones = slices.Delete(acc.phones, i, i+1)
		return nil
	})
}

// Phones implements [user.Store].
func (s *Store) Phones(ctx context.Context, ids ...user.ID) (map[user.ID][]user.Phone, error) {
	return readState(ctx, s, func(st *state) (map[user.ID][]user.Phone, error) {
		found := map[user.ID][]user.Phone{}
		for _, id := range ids {
			if acc, ok := st.accounts[id]; ok && len(acc.phones) > 0 {
				found[id] = slices.Clone(acc.phones)
			}
		}
		return found, nil
	})
}

// ListUsers implements [user.Lister].
func (s *Store) ListUsers(ctx context.Context, f user.Filter, r storage.Range) ([]user.User, error) {
	return readState(ctx, s, func(st *state) ([]user.User, error) {
		return page(st.users(f), r, user.User.Key, ascending), nil
	})
}

// CountUsers implements [user.Lister].
func (s *Store) CountUsers(ctx context.Context, f user.Filter) (int, error) {
	return readState(ctx, s, func(st *state) (int, error) { return min(len(st.users(f)), user.MaxCount), nil })
}

// users returns the users that match, in no particular order.
func (s *state) users(f user.Filter) []user.User {
	var found []user.User
	for _, acc := range s.accounts {
		if f.Matches(acc.Profile) {
			found = append(found, acc.User)
		}
	}
	return found
}

// text returns an optional text, or "" if it is nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
