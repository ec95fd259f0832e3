package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func (t *tx) insertPhone(ctx context.Context, owner int64, p user.Phone) (user.Phone, error) {
	inserted, err := t.row(ctx, `INSERT INTO {phones} (user_number, country_code, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING id`,
		[]any{owner, p.CountryCode, p.Number}, &p.ID)
	if err == nil && !inserted {
		err = user.PhoneTaken()
	}
	return p, err
}

// AddPhone implements [user.Store].
func (s *Store) AddPhone(ctx context.Context, id user.ID, p user.Phone, limit int) (added user.Phone, err error) {
	if err := storage.CheckText("number", p.Number, "countryCode", p.CountryCode); err != nil {
		return user.Phone{}, err
	}
	err = s.act(ctx, func(t *tx) error {
		exists, err := t.lockAccount(ctx, number(id))
		if err != nil {
			return err
		}
		if !exists {
			return storage.NotFound()
		}
		var count int
		if _, err := t.row(ctx, `SELECT count(*) FROM {phones} WHERE user_number = $1`, []any{number(id)}, &count); err != nil {
			return err
		}
		if count >= limit {
			return user.TooManyPhones(limit)
		}
		added, err = t.insertPhone(ctx, number(id), p)
		return err
	})
	if err != nil {
		return user.Phone{}, err
	}
	return added, nil
}

// RemovePhone implements [user.Store].
func (s *Store) RemovePhone(ctx context.Context, id user.ID, phone int64) error {
	return s.act(ctx, func(t *tx) error {
		if _, err := t.lockAccount(ctx, number(id)); err != nil {
			return err
		}
		n, err := t.exec(ctx, `DELETE FROM {phones} WHERE id = $1 AND user_number = $2`, phone, number(id))
		if err == nil && n == 0 {
			err = storage.NotFound()
		}
		return err
	})
}

// Phones implements [user.Store].
func (s *Store) Phones(ctx context.Context, ids ...user.ID) (map[user.ID][]user.Phone, error) {
	found := make(map[user.ID][]user.Phone, len(ids))
	err := s.reader().query(ctx, `SELECT user_number, id, number, country_code FROM {phones} WHERE `+s.in("user_number", "$1", "bigint")+` ORDER BY id`,
		[]any{list(s, numbers(ids))}, func(rows *sql.Rows) error {
			var owner int64
			var p user.Phone
			err := rows.Scan(&owner, &p.ID, &p.Number, &p.CountryCode)
			found[accountID(owner)] = append(found[accountID(owner)], p)
			return err
		})
	if err != nil {
		return nil, err
	}
	return found, nil
}
