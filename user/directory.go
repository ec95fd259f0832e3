package user

import (
	"context"

	"github.com/buddychat/buddychat/storage"
)

// Get returns the accounts that exist among ids.
func (s *Service) Get(ctx context.Context, ids ...ID) (map[ID]User, error) {
	return s.store.Users(ctx, ids...)
}

// Lookup implements [Directory].
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

// ListUsers implements [Lister]. For pages with cursors use [Service.List].
func (s *Service) ListUsers(ctx context.Context, f Filter, r storage.Range) ([]User, error) {
	return s.store.ListUsers(ctx, f, r)
}

// CountUsers implements [Lister].
func (s *Service) CountUsers(ctx context.Context, f Filter) (int, error) {
	return s.store.CountUsers(ctx, f)
}

// List returns a page of the users that match, ordered by number.
func (s *Service) List(ctx context.Context, f Filter, p storage.Page) (storage.List[User], error) {
	return List(ctx, s.store, f, p)
}

// Count returns how many users match.
func (s *Service) Count(ctx context.Context, f Filter) (int, error) {
	return Count(ctx, s.store, f)
}

// List returns a page of the users of a [Lister] that match. It returns [storage.ErrInvalid] for a
// cursor of another filter, and for a filter that no user can match.
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

// Count returns how many users of a [Lister] match.
func Count(ctx context.Context, l Lister, f Filter) (int, error) {
	if err := f.check(); err != nil {
		return 0, err
	}
	return l.CountUsers(ctx, f)
}
