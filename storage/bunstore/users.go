package bunstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"strconv"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// number returns the number of an account, whose id is that number in decimal. Any other id belongs
// to a user of the host and yields 0, which is the number of no account.
func number(id user.ID) int64 {
	n, err := strconv.ParseInt(string(id), 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != string(id) {
		return 0
	}
	return n
}

func accountID(number int64) user.ID { return user.ID(strconv.FormatInt(number, 10)) }

func emailKey(email string) []byte {
	key := sha256.Sum256([]byte(user.FoldEmail(email)))
	return key[:]
}

const userColumns = `number, username, first_name, last_name, bio, picture, joined_at, email, password_version`

func scanUser(rows *sql.Rows, more ...any) (user.User, error) {
	var u user.User
	var joined int64
	err := rows.Scan(append([]any{&u.Number, &u.Username, &u.FirstName, &u.LastName, &u.Bio, &u.Picture, &joined, &u.Email, &u.PasswordVersion}, more...)...)
	u.ID, u.Joined = accountID(u.Number), moment(joined)
	return u, err
}

// CreateUser implements [user.Store].
func (s *Store) CreateUser(ctx context.Context, a user.Account) (u user.User, p user.Phone, err error) {
	if err := storage.CheckText("username", a.Username, "email", a.Email, "firstName", a.FirstName, "lastName", a.LastName, "password", a.PasswordHash,
		"phoneNumber.number", a.Phone.Number, "phoneNumber.countryCode", a.Phone.CountryCode); err != nil {
		return user.User{}, user.Phone{}, err
	}
	err = s.act(ctx, func(t *tx) (err error) {
		if u, err = t.insertUser(ctx, a); err == nil {
			p, err = t.insertPhone(ctx, u.Number, a.Phone)
		}
		return err
	})
	if err != nil {
		return user.User{}, user.Phone{}, err
	}
	return u, p, nil
}

func (t *tx) insertUser(ctx context.Context, a user.Account) (user.User, error) {
	joined := t.time()
	u := user.User{Email: a.Email, PasswordVersion: 1, Profile: user.Profile{
		Username: a.Username, FirstName: a.FirstName, LastName: a.LastName, Joined: moment(joined),
	}}
	username, email := user.Fold(a.Username), emailKey(a.Email)
	// ON CONFLICT raises no error, which would abort a host transaction. It still waits for a
	// concurrent registration of the same name.
	inserted, err := t.row(ctx, `
		INSERT INTO {users} (username, username_fold, email, email_key, first_name, first_name_fold, last_name, last_name_fold, password_hash, password_version, joined_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT DO NOTHING RETURNING number`,
		[]any{a.Username, username, a.Email, email, a.FirstName, user.Fold(a.FirstName), a.LastName, user.Fold(a.LastName), a.PasswordHash, u.PasswordVersion, joined}, &u.Number)
	if err != nil {
		return user.User{}, err
	}
	if inserted {
		u.ID = accountID(u.Number)
		return u, nil
	}
	nameTaken, err := t.exists(ctx, `SELECT 1 FROM {users} WHERE username_fold = $1`, username)
	if err != nil {
		return user.User{}, err
	}
	if nameTaken {
		return user.User{}, user.UsernameTaken()
	}
	return user.User{}, user.EmailTaken()
}

func (t *tx) exists(ctx context.Context, query string, args ...any) (bool, error) {
	var one int
	return t.row(ctx, query, args, &one)
}

// lockAccount locks the row of an account and reports whether the account exists. Every operation
// on an account begins with it.
func (t *tx) lockAccount(ctx context.Context, number int64) (bool, error) {
	n, err := t.exec(ctx, `UPDATE {users} SET joined_at = joined_at WHERE number = $1`, number)
	return n == 1, err
}

// lockVerified is lockAccount for an operation that was authorized by a password. It reports false
// if the password has changed since.
func (t *tx) lockVerified(ctx context.Context, number, passwordVersion int64) (bool, error) {
	n, err := t.exec(ctx, `UPDATE {users} SET joined_at = joined_at WHERE number = $1 AND password_version = $2`, number, passwordVersion)
	return n == 1, err
}

// Users implements [user.Store].
func (s *Store) Users(ctx context.Context, ids ...user.ID) (map[user.ID]user.User, error) {
	found := make(map[user.ID]user.User, len(ids))
	err := s.reader().query(ctx, `SELECT `+userColumns+` FROM {users} WHERE `+s.in("number", "$1", "bigint"), []any{list(s, numbers(ids))},
		func(rows *sql.Rows) error {
			u, err := scanUser(rows)
			found[u.ID] = u
			return err
		})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func numbers(ids []user.ID) []int64 {
	all := make([]int64, 0, len(ids))
	for _, id := range ids {
		if n := number(id); n != 0 {
			all = append(all, n)
		}
	}
	return all
}

// CredentialsByName implements [user.Store].
func (s *Store) CredentialsByName(ctx context.Context, username string) (user.Credentials, error) {
	return s.reader().credentials(ctx, `username_fold = $1`, user.Fold(username))
}

// Credentials implements [user.Store].
func (s *Store) Credentials(ctx context.Context, id user.ID) (user.Credentials, error) {
	return s.reader().credentials(ctx, `number = $1`, number(id))
}

func (t *tx) credentials(ctx context.Context, where string, arg any) (user.Credentials, error) {
	var c user.Credentials
	err := t.query(ctx, `SELECT `+userColumns+`, password_hash FROM {users} WHERE `+where, []any{arg}, func(rows *sql.Rows) (err error) {
		c.User, err = scanUser(rows, &c.PasswordHash)
		return err
	})
	if err == nil && c.User.Number == 0 {
		err = storage.NotFound()
	}
	return c, err
}

// UpdateUser implements [user.Store].
func (s *Store) UpdateUser(ctx context.Context, id user.ID, up user.Update) (u user.User, err error) {
	defer emptyOnError(&err, &u)
	if err := storage.CheckText("firstName", text(up.FirstName), "lastName", text(up.LastName), "bio", text(up.Bio), "profilePicture", text(up.Picture)); err != nil {
		return user.User{}, err
	}
	if up == (user.Update{}) {
		c, err := s.Credentials(ctx, id)
		return c.User, err
	}
	err = s.act(ctx, func(t *tx) error {
		u = user.User{}
		err := t.query(ctx, `
			UPDATE {users} SET
				first_name = COALESCE($2, first_name), first_name_fold = COALESCE($3, first_name_fold),
				last_name = COALESCE($4, last_name), last_name_fold = COALESCE($5, last_name_fold),
				bio = COALESCE($6, bio), picture = COALESCE($7, picture)
			WHERE number = $1 RETURNING `+userColumns,
			[]any{number(id), up.FirstName, foldOptional(up.FirstName), up.LastName, foldOptional(up.LastName), up.Bio, up.Picture},
			func(rows *sql.Rows) (err error) {
				u, err = scanUser(rows)
				return err
			})
		if err == nil && u.Number == 0 {
			err = storage.NotFound()
		}
		return err
	})
	return u, err
}

func foldOptional(s *string) *string {
	if s == nil {
		return nil
	}
	folded := user.Fold(*s)
	return &folded
}

// ReplaceHash implements [user.Store].
func (s *Store) ReplaceHash(ctx context.Context, id user.ID, old, hash string) error {
	return s.act(ctx, func(t *tx) error {
		_, err := t.replaceHash(ctx, id, old, hash, 0)
		return err
	})
}

// SetPassword implements [user.Store].
func (s *Store) SetPassword(ctx context.Context, id user.ID, old, hash string) error {
	return s.act(ctx, func(t *tx) error {
		replaced, err := t.replaceHash(ctx, id, old, hash, 1)
		if err != nil {
			return err
		}
		if !replaced {
			return user.PasswordChanged()
		}
		return t.endSessions(ctx, id)
	})
}

// replaceHash replaces the hash if it is still old, and reports whether it was. It adds newer to
// the password version: 1 for a new password, else 0.
func (t *tx) replaceHash(ctx context.Context, id user.ID, old, hash string, newer int64) (bool, error) {
	n, err := t.exec(ctx, `UPDATE {users} SET password_hash = $3, password_version = password_version + $4 WHERE number = $1 AND password_hash = $2`,
		number(id), old, hash, newer)
	if err != nil || n == 1 {
		return n == 1, err
	}
	exists, err := t.exists(ctx, `SELECT 1 FROM {users} WHERE number = $1`, number(id))
	if err == nil && !exists {
		err = storage.NotFound()
	}
	return false, err
}

// eraseAccount removes an account with its phone numbers and sessions. It does nothing if the id
// belongs to no account.
func (t *tx) eraseAccount(ctx context.Context, id user.ID) error {
	n := number(id)
	if exists, err := t.lockAccount(ctx, n); err != nil || !exists {
		return err
	}
	for _, statement := range []string{
		// waits for a concurrent refresh
		`UPDATE {sessions} SET ended = TRUE WHERE user_number = $1`,
		`DELETE FROM {refresh_tokens} WHERE session_id IN (SELECT id FROM {sessions} WHERE user_number = $1)`,
		`DELETE FROM {sessions} WHERE user_number = $1`,
		`DELETE FROM {phones} WHERE user_number = $1`,
		`DELETE FROM {users} WHERE number = $1`,
	} {
		if _, err := t.exec(ctx, statement, n); err != nil {
			return err
		}
	}
	return nil
}

// text returns the string, or "" for nil.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
