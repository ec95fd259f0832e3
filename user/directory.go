package user

import (
	"context"

	"github.com/buddychat/buddychat/storage"
)

// Get returns those of the accounts that exist.
func (s *Service) Get(ctx context.Context, ids ...ID) (map[ID]User, error) {
	return s.store.Users(ctx, ids...)
}

// Lookup makes the service a [Directory].
func (s *Service) Lookup(ctx context.Context, ids ...ID) (map[ID]Profile, error) {
	users, err := s.store.Users(ctx, ids...)
	if err != nil {
		return nil, err
	}
	profiles := make(map[ID]Profile, len(users))
	for id, u := range users {
		profiles[id] = u.Profile
	}
	return profiles, nil
}

// ListUsers makes the service a [Lister]. For pages with cursors see [Service.List].
func (s *Service) ListUsers(ctx context.Context, f Filter, r storage.Range) ([]User, error) {
	return s.store.ListUsers(ctx, f, r)
}

// CountUsers makes the service a [Lister].
func (s *Service) CountUsers(ctx context.Context, f Filter) (int, error) {
	return s.store.CountUsers(ctx, f)
}

// List returns a page of the users that match, ordered by their numbers.
func (s *Service) List(ctx context.Context, f Filter, p storage.Page) (storage.List[User], error) {
	return List(ctx, s.store, f, p)
}

// Count returns how many users match.
func (s *Service) Count(ctx context.Context, f Filter) (int, error) {
	return Count(ctx, s.store, f)
}

// List returns a page of the users of any [Lister] that match. A cursor of another filter is
// [storage.ErrInvalid], as is a filter that no user could match.
func List(ctx context.Context, l Lister, f Filter, p storage.Page) (storage.List[User], error) {
	if err := f.check(); err != nil {
		return storage.List[User]{}, err
	}
	name := f.list()
	r, err := p.Range(name)
	if err != nil {
		return storage.List[User]{}, err
	}
	users, err := l.ListUsers(ctx, f, r)
	if err != nil {
		return storage.List[User]{}, err
	}
	return storage.NewList(name, r, users, User.Key), nil
}

// Count returns how many users of any [Lister] match.
func Count(ctx context.Context, l Lister, f Filter) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	return l.CountUsers(ctx, f)
}
