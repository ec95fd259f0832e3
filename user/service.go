package user

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"unicode/utf8"

	"github.com/buddychat/buddychat/storage"
)

// Service registers users, checks their passwords and changes their accounts. It validates whatever it is
// given; what it refuses is an answer of package storage, whose [storage.Field] is the name of the
// GraphQL argument. Whoever calls it decides who the acting user is. It is safe for concurrent use.
//
// It is a [Directory] and a [Lister].
type Service struct {
	store     Store
	passwords passwordPolicy
	hasher    *hasher
	maxPhones int
	log       *slog.Logger
}

// Options of a [Service]. The zero value is ready to use.
type Options struct {
	// MinPassword is the least number of characters of a new password, up to [MaxPassword]; 0 is
	// [DefaultMinPassword].
	MinPassword int
	// PasswordRule, if there is one, is asked about every new password, too. The text of its error is shown to
	// the user.
	PasswordRule func(password string) error
	// Hash says what a password hash costs. When it rises, hashes follow at each user's next login.
	Hash HashParams
	// MaxHashing is how many passwords are hashed at the same time, each with Hash.Memory; the others
	// wait, until their context ends. 0 is the number of processors.
	MaxHashing int
	// MaxPhones is the most phone numbers of one user; 0 is 20.
	MaxPhones int
	// Logger is told of what fails beside an answer that is right all the same; nil is silent.
	Logger *slog.Logger
}

// NewService returns a service over a store. A nil Options is the zero value.
func NewService(store Store, o *Options) (*Service, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MinPassword == 0 {
		opts.MinPassword = DefaultMinPassword
	}
	if opts.MaxHashing == 0 {
		opts.MaxHashing = runtime.NumCPU()
	}
	if opts.MaxPhones == 0 {
		opts.MaxPhones = 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.Hash = opts.Hash.orDefault()
	switch {
	case store == nil:
		return nil, errors.New("user: no store")
	case opts.MinPassword < 1 || opts.MinPassword > MaxPassword:
		return nil, fmt.Errorf("user: MinPassword is %d: want 1 to %d", opts.MinPassword, MaxPassword)
	case opts.MaxHashing < 0:
		return nil, fmt.Errorf("user: MaxHashing is %d: want 1 or more", opts.MaxHashing)
	case opts.MaxPhones < 0:
		return nil, fmt.Errorf("user: MaxPhones is %d: want 1 or more", opts.MaxPhones)
	}
	if err := opts.Hash.check(); err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	return &Service{
		store:     store,
		passwords: newPasswordPolicy(opts.MinPassword, opts.PasswordRule),
		hasher:    newHasher(opts.Hash, opts.MaxHashing),
		maxPhones: opts.MaxPhones,
		log:       opts.Logger,
	}, nil
}

// WithStore returns the same service on another store, such as one that is bound to a transaction. The two share the
// bound on hashing.
func (s *Service) WithStore(store Store) *Service {
	other := *s
	other.store = store
	return &other
}

// Registration is what somebody says to become a user.
type Registration struct {
	// Username has 4 to 150 letters and digits of any script and _ . + - @; it is stored composed (NFKC).
	Username string
	// Email is a plain address of up to 254 characters, 64 of them before the @.
	Email string
	// Password has up to [MaxPassword] characters, counted after NFKC, and is hashed in that form.
	Password string
	// FirstName and LastName have 2 to 150 characters, without the white space around them.
	FirstName, LastName string
	// Phone has 8 to 15 digits, and a country code of 1 to 4 behind an optional +. Its ID is ignored.
	Phone Phone
}

// Register creates an account. A username, an email or a phone number that is taken is
// [storage.ErrConflict]; everything else that is refused [storage.ErrInvalid].
func (s *Service) Register(ctx context.Context, r Registration) (User, Phone, error) {
	a, err := s.account(&r)
	if err != nil {
		return User{}, Phone{}, err
	}
	if a.PasswordHash, err = s.hasher.hash(ctx, r.Password); err != nil {
		return User{}, Phone{}, err
	}
	return s.store.CreateUser(ctx, a)
}

// account checks a registration, whose password it cleans, and returns what is to be stored, but
// for the password's hash.
func (s *Service) account(r *Registration) (a Account, err error) {
	if a.Username, err = cleanUsername("username", r.Username); err != nil {
		return Account{}, err
	}
	if err = checkEmail("email", r.Email); err != nil {
		return Account{}, err
	}
	a.Email = r.Email
	if a.FirstName, err = cleanName("firstName", r.FirstName); err != nil {
		return Account{}, err
	}
	if a.LastName, err = cleanName("lastName", r.LastName); err != nil {
		return Account{}, err
	}
	if a.Phone, err = cleanPhone("phoneNumber.", r.Phone); err != nil {
		return Account{}, err
	}
	if r.Password, err = s.passwords.clean("password", r.Password); err != nil {
		return Account{}, err
	}
	return a, s.passwords.checkGuess("password", r.Password, a.Username, a.Email, a.FirstName, a.LastName)
}

// Authenticate returns the user with this name and password. A wrong name and a wrong password are
// the same [storage.ErrUnauthenticated], after the same work. The password may be replaced at any
// moment afterwards: what is done on the strength of it names the user's PasswordVersion, as
// [github.com/buddychat/buddychat/user/token.Service.Login] does.
func (s *Service) Authenticate(ctx context.Context, username, password string) (User, error) {
	c, err := s.credentialsByName(ctx, username)
	known := !errors.Is(err, storage.ErrNotFound)
	if known && err != nil {
		return User{}, err
	}
	stored := s.hasher.decoy
	if known {
		if stored, err = parsePHC(c.PasswordHash); err != nil {
			return User{}, err
		}
	}
	ok, err := s.verify(ctx, stored, password)
	if err != nil {
		return User{}, err
	}
	if !ok || !known {
		if err := s.hasher.makeUp(ctx, stored); err != nil {
			return User{}, err
		}
		return User{}, WrongLogin()
	}
	if stored.params.weakerThan(s.hasher.params) {
		s.rehash(ctx, c, password)
	}
	return c.User, nil
}

// credentialsByName keeps from the store what cannot be a username.
func (s *Service) credentialsByName(ctx context.Context, username string) (Credentials, error) {
	if checkText("username", username, 1, maxNameBytes) != nil {
		return Credentials{}, storage.NotFound()
	}
	return s.store.CredentialsByName(ctx, username)
}

// verify checks a password against a stored hash. One that is longer than any password can be is
// wrong, and cut before work is done on it, so that the answer takes no longer than another.
func (s *Service) verify(ctx context.Context, stored phc, password string) (bool, error) {
	cut, whole := atMost(password, MaxPassword*utf8.UTFMax)
	normal, stillWhole := atMost(normalPassword(cut), MaxPassword*utf8.UTFMax)
	ok, err := s.hasher.verify(ctx, stored, normal)
	return ok && whole && stillWhole, err
}

// atMost returns the first bytes of a text, and whether these are all.
func atMost(s string, most int) (cut string, whole bool) {
	if len(s) <= most {
		return s, true
	}
	return s[:most], false
}

// rehash replaces a hash that has become cheap. The login is right without it, so it may fail.
func (s *Service) rehash(ctx context.Context, c Credentials, password string) {
	hash, err := s.hasher.hash(ctx, normalPassword(password))
	if err == nil {
		err = s.store.ReplaceHash(ctx, c.User.ID, c.PasswordHash, hash)
	}
	if err != nil {
		s.log.WarnContext(ctx, "a password hash was not renewed", "user", c.User.ID, "error", err)
	}
}

// Update changes the profile of the user. A nil field stays as it is; "" clears the bio and the picture.
func (s *Service) Update(ctx context.Context, id ID, u Update) (User, error) {
	u, err := u.clean()
	if err != nil {
		return User{}, err
	}
	return s.store.UpdateUser(ctx, id, u)
}

// ChangePassword replaces the user's password and ends every session of the user. A wrong old one is
// [storage.ErrInvalid] about oldPassword, a new one that is not acceptable about newPassword.
func (s *Service) ChangePassword(ctx context.Context, id ID, oldPassword, newPassword string) (User, error) {
	newPassword, err := s.passwords.clean("newPassword", newPassword)
	if err != nil {
		return User{}, err
	}
	u, err := s.changePassword(ctx, id, oldPassword, newPassword)
	if errors.Is(err, storage.ErrConflict) {
		// The hash has changed meanwhile. If a login renewed it, which happens seldom, it is still of the same
		// password, and the change goes on; if it was another change, the old password is wrong by now.
		u, err = s.changePassword(ctx, id, oldPassword, newPassword)
	}
	return u, err
}

func (s *Service) changePassword(ctx context.Context, id ID, oldPassword, newPassword string) (User, error) {
	c, err := s.store.Credentials(ctx, id)
	if err != nil {
		return User{}, err
	}
	u := c.User
	if err := s.passwords.checkGuess("newPassword", newPassword, u.Username, u.Email, u.FirstName, u.LastName); err != nil {
		return User{}, err
	}
	if err := s.confirm(ctx, c, "oldPassword", oldPassword); err != nil {
		return User{}, err
	}
	hash, err := s.hasher.hash(ctx, newPassword)
	if err != nil {
		return User{}, err
	}
	if err := s.store.SetPassword(ctx, id, c.PasswordHash, hash); err != nil {
		return User{}, err
	}
	u.PasswordVersion++
	return u, nil
}

// confirm refuses a password of a user who is logged in already.
func (s *Service) confirm(ctx context.Context, c Credentials, field, password string) error {
	stored, err := parsePHC(c.PasswordHash)
	if err != nil {
		return err
	}
	ok, err := s.verify(ctx, stored, password)
	if err == nil && !ok {
		return storage.Invalid(field, "%s is not your password", field)
	}
	return err
}

// Delete erases the user, who confirms it with the password; a wrong one is [storage.ErrInvalid] about
// password. What erasing means stands at [Store.EraseUser].
func (s *Service) Delete(ctx context.Context, id ID, password string) error {
	err := s.delete(ctx, id, password)
	if errors.Is(err, storage.ErrConflict) {
		err = s.delete(ctx, id, password) // the password was replaced after it was checked: check it against the new one
	}
	return err
}

func (s *Service) delete(ctx context.Context, id ID, password string) error {
	c, err := s.store.Credentials(ctx, id)
	if err != nil {
		return err
	}
	if err := s.confirm(ctx, c, "password", password); err != nil {
		return err
	}
	return s.store.EraseVerified(ctx, id, c.User.PasswordVersion)
}

// Erase erases a user on behalf of the host, who asks for no password. It works for the users of a host's
// own directory as well, and may be repeated. What it means stands at [Store.EraseUser].
func (s *Service) Erase(ctx context.Context, id ID) error {
	return s.store.EraseUser(ctx, id)
}

// AddPhone adds a phone number to the user. One that exists, with anybody, and one more than a user
// may have are [storage.ErrConflict].
func (s *Service) AddPhone(ctx context.Context, id ID, p Phone) (Phone, error) {
	p, err := cleanPhone("", p)
	if err != nil {
		return Phone{}, err
	}
	return s.store.AddPhone(ctx, id, p, s.maxPhones)
}

// RemovePhone removes a phone number of the user; one of somebody else is [storage.ErrNotFound].
func (s *Service) RemovePhone(ctx context.Context, id ID, phone int64) error {
	return s.store.RemovePhone(ctx, id, phone)
}

// Phones returns the phone numbers of each of the users, oldest first.
func (s *Service) Phones(ctx context.Context, ids ...ID) (map[ID][]Phone, error) {
	return s.store.Phones(ctx, ids...)
}
